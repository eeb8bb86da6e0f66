"""A system's net as a torch module: the predictor's own numbers, in braindecode's words."""

import numpy as np
import pytest
import torch
from conftest import REPOSITORY

from harness import api
from harness.errors import SubmissionError, UsageError
from harness.predictor import zscore
from harness.submission.manifest import load_submission


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vlaai", "convconcatnet", "submissions/catwavenet"])
def test_a_loaded_net_predicts_what_its_predictor_predicts(name, val):
    folder = REPOSITORY / name if "/" in name else REPOSITORY / "baselines" / name
    net = api.load_net(folder, val)
    assert (net.n_chans, net.sfreq, net.n_outputs, net.training) == (64, 64.0, 10, False)
    eeg = val[0].eeg[: net.n_times]
    with torch.no_grad():
        ours = net(torch.tensor(eeg).T[None])[0].T.numpy()
    scaled = {"n": lambda x: zscore(x), "n-1": lambda x: zscore(x, 1), "none": lambda x: x}[net.scaling](eeg)
    with torch.no_grad():
        theirs = net.net(torch.tensor(scaled)[None], torch.tensor([-1]))[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-3)
    if net.n_times == val.n_times:  # else windows, which predict_windowed puts together
        record = api.score(lambda x, _: _batched(net, x), val, surrogates=0)
        submitted = api.score(folder, val, surrogates=0, jobs=1)
        assert record.score == pytest.approx(submitted.score, abs=1e-5)


def _batched(net, eeg):
    with torch.no_grad():
        rows = [net(torch.tensor(one).T[None])[0].T.numpy() for one in eeg]
    return np.stack(rows)


@pytest.mark.parametrize("name", ["vlaai", "happyquokka"])
def test_a_new_net_is_built_for_any_sizes_and_learns(name):
    torch.manual_seed(0)
    net = api.build_net(name, n_chans=17, n_times=384, sfreq=128, n_outputs=1, feature="envelope").train()
    eeg = torch.randn(2, 17, net.n_times, requires_grad=True)
    answer = net(eeg)
    assert answer.shape == (2, 1, net.n_times)
    answer.square().sum().backward()
    assert eeg.grad.abs().sum() > 0
    assert sum(parameter.grad is not None for parameter in net.parameters()) > 0
    assert 0 < net.n_times <= 384


@pytest.mark.slow
def test_of_several_targets_the_feature_is_given_in_training():
    net = api.build_net(
        REPOSITORY / "submissions/catwavenet", n_chans=64, n_times=640, sfreq=64, n_outputs=10
    ).train()
    assert net(torch.randn(2, 64, net.n_times)).shape == (2, 10, net.n_times)


def test_scaling_ignores_level_and_gain_and_makes_a_constant_zero():
    net = api.build_net("vlaai", n_chans=4, n_times=320, sfreq=64, n_outputs=1).eval()
    eeg = torch.randn(1, 4, 320)
    eeg[:, 3] = 7
    with torch.no_grad():
        np.testing.assert_allclose(net(eeg), net(1000 * eeg + 5), atol=1e-4)
        assert torch.isfinite(net(eeg)).all()


@pytest.mark.slow
def test_what_is_no_net_is_refused(val):
    with pytest.raises(SubmissionError) as error:
        api.load_net("linear", val)
    assert str(error.value) == (
        "linear: entry_point: 'predictor:Linear', which is no torch net, expected a harness.nn.NetPredictor.\n"
        "  api.SystemEstimator takes any system."
    )
    with pytest.raises(SubmissionError, match="^linear: trainer: 'train:train', which is no torch net"):
        api.build_net("linear", n_chans=4, n_times=320, sfreq=64, n_outputs=1)
    assert "trainer" not in load_submission(REPOSITORY / "baselines/ensemble").manifest
    with pytest.raises(SubmissionError, match="^ensemble: trainer: none, expected one that builds a net"):
        api.build_net("ensemble", n_chans=4, n_times=320, sfreq=64, n_outputs=1)


def test_sizes_and_presets_that_cannot_be_are_refused():
    with pytest.raises(UsageError) as error:
        api.build_net("vlaai", n_chans=0, n_times=320, sfreq=-1, n_outputs=1)
    assert str(error.value) == ("n_chans: 0, expected more than 0.\nsfreq: -1, expected more than 0.")
    with pytest.raises(UsageError, match="preset"):
        api.build_net("vlaai", n_chans=4, n_times=320, sfreq=64, n_outputs=1, preset="huge")
