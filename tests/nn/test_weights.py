"""Weights files that say which net they are, and prediction in blocks."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from harness.nn import NetPredictor, load_net, predict_blocks, zscore
from harness.nn.inference import scaling

REMEDY = "Train it again with harness train, or import it with harness import-weights"


@dataclass(frozen=True)
class Config:
    n_bands: int = 10
    widths: tuple[int, ...] = (4, 3)


@dataclass(frozen=True)
class TableConfig(Config):
    n_subjects: int = 71


class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(*config.widths)
        self.gain = nn.Parameter(torch.ones(1))


@pytest.fixture
def net():
    return Net(Config())


def test_a_net_comes_back_from_its_file(net, save_net):
    loaded = load_net(save_net(net, ["sub-007", "sub-003"]), Net, Config, 10)
    assert loaded.net.config == net.config
    assert not loaded.net.training
    assert loaded.subjects == ("sub-007", "sub-003")
    for name, tensor in net.state_dict().items():
        assert torch.equal(loaded.net.state_dict()[name], tensor)
    assert load_net(save_net(net), Net, Config, 10).subjects == ()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"net": None}, "no metadata net, expected those of Net"),
        ({"net": None, "config": None}, "no metadata net and config, expected those of Net"),
        ({"net": "Vlaai"}, "weights of the net Vlaai, expected Net"),
        ({"config": "{"}, "metadata config that is not a JSON object, expected the net's configuration"),
        ({"config": "7"}, "metadata config that is not a JSON object, expected the net's configuration"),
        ({"config": '["n_bands"]'}, "config keys n_bands, expected n_bands, widths"),
        ({"config": '{"n_band": 10}'}, "config keys n_band, expected n_bands, widths"),
        ({"config": '{"n_bands": 1}'}, "a net for n_bands = 1, expected 10, this run's feature"),
        (
            {"config": '{"widths": [4, 2]}'},
            "layer.weight of shape (3, 4) instead of (2, 4), layer.bias of shape (3,) instead of (2,),"
            " expected the 3 tensors of its config",
        ),
    ],
)
def test_a_file_of_another_net_is_refused(net, save_net, changed, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole message is compared)
        load_net(save_net(net, changed=changed), Net, Config, 10)
    assert str(caught.value) == f"weights.safetensors: {message}. {REMEDY}"


def test_metadata_that_builds_no_net_is_refused(net, save_net):
    with pytest.raises(ValueError, match=r"metadata that builds no net \(.*\), expected those of Net"):
        load_net(save_net(net, changed={"config": '{"widths": 4}'}), Net, Config, 10)


def test_a_table_of_other_subjects_is_refused(save_net):
    net = Net(TableConfig(n_subjects=3))
    assert (
        load_net(save_net(net, ["sub-1", "sub-2", "sub-3"]), Net, TableConfig, 10).net.config.n_subjects == 3
    )
    with pytest.raises(ValueError, match="metadata of 2 subjects, expected those of its table of 3"):
        load_net(save_net(net, ["sub-1", "sub-2"]), Net, TableConfig, 10)
    with pytest.raises(ValueError, match="metadata of 0 subjects, expected those of its table of 3"):
        load_net(save_net(net), Net, TableConfig, 10)


def test_tensors_too_many_and_too_few_are_refused(net, save_net):
    net.extra = nn.Parameter(torch.ones(1))
    del net.gain
    with pytest.raises(ValueError, match=r": no tensor gain, unknown tensor extra, expected the 3 tensors"):
        load_net(save_net(net), Net, Config, 10)


def test_no_file_and_a_file_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="no weights for this run, expected a safetensors file of Net"):
        load_net(None, Net, Config, 10)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"broken\.safetensors: not readable"):
        load_net(tmp_path / "broken.safetensors", Net, Config, 10)


def test_zscore_is_of_each_segment_and_channel(rng):
    eeg = rng.standard_normal((2, 50, 3)).astype(np.float32) * 7 + 1000
    eeg[1, :, 2] = 0.1
    eeg.flags.writeable = False
    scaled = zscore(eeg)
    assert scaled.dtype == np.float32
    exact = eeg.astype(np.float64)
    exact = (exact - exact.mean(axis=1, keepdims=True)) / np.maximum(exact.std(axis=1, keepdims=True), 1e-9)
    assert np.abs(scaled[0] - exact[0]).max() < 1e-4
    assert np.array_equal(scaled[1, :, 2], np.zeros(50))  # constant, whatever its mean rounds to


def test_blocks_hold_as_many_segments_as_fit_and_keep_the_order(rng):
    sizes = []

    def net(eeg, index):
        assert not torch.is_grad_enabled()
        sizes.append(len(eeg))
        return index[:, None, None].expand(-1, eeg.shape[1], 2).float()

    eeg = rng.standard_normal((5, 10, 3)).astype(np.float32)
    predicted = predict_blocks(net, eeg, [3, -1, 0, 7, 2], block_samples=25)
    assert sizes == [2, 2, 1]
    assert predicted.dtype == np.float32
    assert predicted.shape == (5, 10, 2)
    assert predicted[:, 0, 0].tolist() == [3, -1, 0, 7, 2]
    sizes.clear()
    predict_blocks(net, eeg, [0] * 5, block_samples=1)
    assert sizes == [1] * 5


@pytest.mark.parametrize(("said", "ddof"), [({}, 0), ({"zscore": "n"}, 0), ({"zscore": "n-1"}, 1)])
def test_eeg_is_scaled_as_the_weights_file_says(net, save_net, rng, said, ddof):
    eeg = 3 + 2 * rng.standard_normal((2, 10, 64)).astype(np.float32)
    scaled = scaling(save_net(net, changed=said))(eeg)
    assert scaled.mean(axis=1) == pytest.approx(0, abs=1e-5)
    assert scaled.std(axis=1, ddof=ddof) == pytest.approx(1, abs=1e-5)


class FirstTen(Net):
    def forward(self, eeg, subject_index):
        return self.gain * eeg[..., :10]


def test_eeg_is_left_as_it_is_where_the_weights_file_says_so(net, save_net, make_setup, rng):
    path = save_net(FirstTen(Config()), changed={"zscore": "none"})
    eeg = 3 + 2 * rng.standard_normal((2, 10, 64)).astype(np.float32)
    eeg.flags.writeable = False
    decoder = NetPredictor(make_setup(path, segment_samples=10), FirstTen, Config, 20)
    assert np.array_equal(decoder.predict(eeg, ["a", "b"]), eeg[..., :10])
    with pytest.raises(
        ValueError, match="metadata zscore 'minmax', expected one of n, n-1, none. Train it again"
    ):
        scaling(save_net(net, changed={"zscore": "minmax"}))
