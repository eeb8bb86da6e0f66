"""The music transformer: what it predicts, it makes of its own frames; the truth goes in in training alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from harness.training.recipe import Recipe

N_FRAMES, N_BANDS = 9, 5


@pytest.fixture
def modules(package):
    return package("submissions/music-transformer")


@pytest.fixture
def net(modules):
    torch.manual_seed(3)
    config = modules.model.Config(
        n_bands=N_BANDS, n_frames=N_FRAMES, n_channels=6, segment_samples=40, sample_rate_hz=40.0,
        d_model=8, n_heads=2, d_feed=12,
    )  # fmt: skip
    return modules.model.MusicTransformer(config).eval()


@pytest.fixture
def eeg(rng):
    return torch.from_numpy((10 * rng.standard_normal((3, 40, 6))).astype(np.float32))


@pytest.fixture
def target(rng):
    return torch.from_numpy(rng.standard_normal((3, N_FRAMES, N_BANDS)).astype(np.float32))


def test_what_it_predicts_is_what_it_makes_of_its_own_frames(net, eeg):
    """Fed back in at once, the frames give themselves: the first from zeros, each from those before it."""
    with torch.inference_mode():
        made = net(eeg)
        again = net._decoded(made, net._encoded(eeg))
    assert made.shape == (3, N_FRAMES, N_BANDS)
    assert torch.allclose(again, made, atol=1e-5)


def test_a_frame_comes_from_those_before_it_alone(net, eeg, target):
    memory = net._encoded(eeg)
    changed = target.clone()
    changed[:, 4:] += 10
    with torch.inference_mode():
        first, second = net._decoded(target, memory), net._decoded(changed, memory)
    assert torch.allclose(first[:, :5], second[:, :5], atol=1e-6)
    assert not torch.allclose(first[:, 5:], second[:, 5:], atol=1e-2)


def test_a_target_is_refused_where_it_predicts(net, eeg, target):
    with pytest.raises(ValueError, match="^a target for a net that predicts, expected none"):
        net(eeg, None, target, 1.0)


def without_dropout(net):
    net.train()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
        if isinstance(layer, torch.nn.MultiheadAttention):
            layer.dropout = 0.0
    return net


def test_with_a_share_of_1_the_truth_goes_in_and_with_0_its_own_frames(net, eeg, target):
    own = net(eeg).detach()
    net = without_dropout(net)
    memory = net._encoded(eeg)
    forced = net(eeg, None, target, 1.0)
    assert torch.allclose(forced, net._decoded(target, memory), atol=1e-6)
    assert torch.allclose(net(eeg, None, target, 0.0), own, atol=1e-5)
    assert torch.allclose(net(eeg), own, atol=1e-5)
    assert not torch.allclose(forced, own, atol=1e-2)


def test_between_them_each_frame_that_goes_in_is_drawn(net, eeg, target):
    net = without_dropout(net)
    torch.manual_seed(0)
    frames = net._own_frames(net._encoded(eeg), target, 0.5)
    true = torch.tensor([[bool(torch.equal(frames[i, t], target[i, t])) for t in range(9)] for i in range(3)])
    assert 0 < true.sum() < true.numel()


def test_the_share_of_the_truth_falls_from_1_to_0():
    recipe = Recipe(epochs=5, teacher_forcing="linear")
    assert [recipe.teacher_share(epoch) for epoch in range(1, 6)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert Recipe(epochs=1).teacher_share(1) == 1.0


def test_it_learns_to_answer_with_the_mean_of_what_it_was_taught(net, eeg, target):
    """Twenty steps of scheduled sampling bring what it makes of its own frames nearer to the target."""
    net = without_dropout(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    before = F.mse_loss(net(eeg), target).item()
    for step in range(20):
        loss = F.mse_loss(net(eeg, None, target, 1 - step / 19), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    with torch.inference_mode():
        assert F.mse_loss(net(eeg), target).item() < 0.9 * before
