"""Losses: against the scorer and scipy, by hand, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from harness.errors import ShapeError
from harness.scoring.pearson import pearson_r
from harness.training import losses


@pytest.fixture
def pair(rng):
    return [torch.from_numpy(rng.standard_normal((3, 50, 4), dtype=np.float32)) for _ in range(2)]


def test_pearson_is_the_scorers(pair):
    prediction, target = pair
    expected = pearson_r(target.numpy(), prediction.numpy())
    assert losses.pearson_r(prediction, target).numpy() == pytest.approx(expected, abs=1e-6)
    assert losses.negative_pearson(prediction, target).item() == pytest.approx(-expected.mean(), abs=1e-6)


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0), (1, 100), (-3, 5), (1e4, -1e5)])
def test_pearson_is_the_scorers_at_any_scale(pair, scale, offset):
    prediction, target = pair
    moved = prediction * scale + offset
    expected = pearson_r(target.numpy(), moved.numpy())
    assert losses.pearson_r(moved, target).numpy() == pytest.approx(expected, abs=1e-5)


def test_pearson_of_itself_and_its_negative(pair):
    series, _ = pair
    assert losses.negative_pearson(series, 2 * series + 1).item() == pytest.approx(-1, abs=1e-6)
    assert losses.negative_pearson(series, -series).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_counts_0_and_has_a_finite_gradient(pair, value):
    _, target = pair
    prediction = torch.full_like(target, value, requires_grad=True)
    loss = losses.negative_pearson(prediction, target)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def test_gradient_of_pearson_is_that_of_differences(rng):
    prediction, target = (torch.from_numpy(rng.standard_normal((1, 6, 2))) for _ in range(2))
    prediction = prediction.float().requires_grad_()
    losses.negative_pearson(prediction, target).backward()
    step = 1e-4
    for t in range(6):
        moved = prediction.detach().double().numpy().copy()
        moved[0, t, 1] += step
        up = pearson_r(target.numpy(), moved).mean()
        moved[0, t, 1] -= 2 * step
        down = pearson_r(target.numpy(), moved).mean()
        assert prediction.grad[0, t, 1].item() == pytest.approx(-(up - down) / 2 / step, abs=1e-4)


def test_l1_by_hand():
    prediction, target = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[[0.0], [5.0]]])
    assert losses.l1(prediction, target).item() == 1.5


def test_mse_by_hand_and_unequal_shapes_are_refused():
    prediction, target = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[[0.0], [5.0]]])
    assert losses.mse(prediction, target).item() == 2.5
    assert losses.mse(target, target).item() == 0
    with pytest.raises(ShapeError, match=r"loss: prediction: shape \(1, 2, 1\), expected \(1, 1, 1\)"):
        losses.mse(prediction, target[:, :1])


def test_kl_is_scipys_entropy_over_bands(pair):
    prediction, target = pair
    p, q = (np.exp(x.numpy()) / np.exp(x.numpy()).sum(-1, keepdims=True) for x in (prediction, target))
    # KL sums over bands; the loss is the mean over every element, so a fourth of the mean over frames.
    assert losses.kl(prediction, target).item() == pytest.approx(entropy(q, p, axis=-1).mean() / 4, abs=1e-6)
    assert losses.kl(target, target).item() == pytest.approx(0, abs=1e-7)
    assert losses.kl(prediction[..., :1], target[..., :1]).item() == 0


def test_info_nce_by_hand():
    """Two crops of two times and two bands; temperature 1/2, so a cosine c counts exp(2 c)."""
    prediction = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [0.0, 3.0]]])
    target = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 5.0], [1.0, 1.0]]])
    e, root = math.exp(2), math.exp(math.sqrt(2))  # of the same and of half a right angle; of none, 1
    own = (e + 1) + (e + root)  # cosines 1, 0 of the first with its target; 1, sqrt(1/2) of the second
    of_other_target = (1 + root, 1 + e)  # prediction 1 with target 2: 0, sqrt(1/2); 2 with 1: 0, 1
    expected = sum(-math.log(own / (own + other)) for other in of_other_target) / 2  # both ways alike
    assert losses.info_nce(prediction, target, 0.5).item() == pytest.approx(expected, abs=1e-6)
    assert losses.info_nce(target, prediction, 0.5).item() == pytest.approx(expected, abs=1e-6)
    assert losses.info_nce(prediction[:1], target[:1], 0.5).item() == 0


def test_total_weighs_its_parts(pair):
    weights = {"pearson": 1.0, "l1": 0.5, "kl": 2.0, "info_nce": 0.1}
    loss, parts = losses.total(weights, *pair, temperature=0.1)
    assert list(parts) == list(weights)
    assert loss.item() == pytest.approx(sum(weights[k] * parts[k].item() for k in weights), abs=1e-6)


@pytest.mark.parametrize("name", ["pearson", "l1", "kl", "info_nce"])
def test_one_band_against_ten_is_refused_and_never_broadcast(name):
    with pytest.raises(ShapeError, match=r"shape \(2, 8, 1\), expected \(2, 8, 10\)"):
        losses.total({name: 1.0}, torch.zeros(2, 8, 1), torch.zeros(2, 8, 10), temperature=0.1)
    with pytest.raises(ShapeError, match=r"expected \(b, n_times, n_bands\)"):
        losses.total({name: 1.0}, torch.zeros(2, 8), torch.zeros(2, 8), temperature=0.1)
