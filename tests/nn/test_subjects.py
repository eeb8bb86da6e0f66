"""The table of subjects and ESM: one-hot vectors, the mean for others, positions outside, the definition."""

import pytest
import torch
from torch import nn

from harness.nn.attention import Attention, FeedForward
from harness.nn.esm import SubjectEmbedding, sinusoids
from harness.nn.subjects import embedded


@pytest.fixture
def projection() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 8)


def test_a_learned_subject_is_its_one_hot_vector(projection):
    one_hot = projection(torch.eye(3))[[2, 0, 2], None]
    assert torch.allclose(embedded(projection, torch.tensor([2, 0, 2])), one_hot, atol=1e-6)


def test_another_subject_gets_the_mean_of_the_learned(projection):
    learned = embedded(projection, torch.arange(3))
    unknown = embedded(projection, torch.tensor([-1, 1]))
    assert unknown.shape == (2, 1, 8)
    assert torch.allclose(unknown[0], learned.mean(dim=0), atol=1e-6)
    assert torch.equal(unknown[1], learned[1])


@pytest.mark.parametrize("position", [3, -2, 71])
def test_a_position_outside_the_table_is_refused(projection, position):
    with pytest.raises(ValueError, match=f"position {position} of a subject, expected 0 to 2"):
        embedded(projection, torch.tensor([0, position]))


def test_esm_is_its_definition():
    torch.manual_seed(0)
    esm = SubjectEmbedding(8, 3, 6, lambda: Attention(8, 2), lambda: FeedForward(8, 12, 3)).eval()
    eeg, who = torch.randn(2, 6, 8), torch.tensor([2, 0])
    one_hot = torch.eye(3)[who][:, None]
    told = eeg + esm.norm(esm.projection(one_hot))
    found = esm.norm(esm.attention(eeg + esm.positions, told, told))
    hidden = torch.relu(esm.feed_forward.widen(esm.feed_forward.norm(found).mT))
    fed = found + esm.feed_forward.narrow(hidden).mT
    assert torch.allclose(esm(eeg, who), told + fed + found, atol=1e-5)


def test_positions_are_the_transformers():
    positions = sinusoids(50, 6)
    t = torch.arange(50.0)
    assert torch.allclose(positions[:, 0], t.sin(), atol=1e-5)
    assert torch.allclose(positions[:, 3], (t * 10_000 ** (-1 / 3)).cos(), atol=1e-5)
    assert torch.allclose(positions[:, 4], (t * 10_000 ** (-2 / 3)).sin(), atol=1e-5)


def test_the_positions_are_not_saved():
    esm = SubjectEmbedding(8, 3, 6, lambda: Attention(8, 2), lambda: FeedForward(8, 12, 3))
    assert not [name for name in esm.state_dict() if "positions" in name]
