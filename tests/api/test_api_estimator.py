"""A system behind scikit-learn's interface."""

import pickle
import shutil

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from harness import api
from harness.errors import PredictorError, ShapeError, SubmissionError, TrainingError, UsageError
from harness.scoring.pearson import pearson_r

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")


@pytest.fixture(scope="module")
def answering():
    """EEG that answers a feature, 6 segments of 4 s: (6, 256, 4) and (6, 256, 1)."""
    rng = np.random.default_rng(8)
    feature = rng.standard_normal((6, 256, 1)).astype(np.float32)
    mixing = rng.standard_normal((1, 4)).astype(np.float32)
    eeg = np.roll(feature, 6, axis=1) @ mixing + 0.1 * rng.standard_normal((6, 256, 4))
    return eeg.astype(np.float32), feature


@pytest.fixture(scope="module")
def fitted(answering):
    eeg, feature = answering
    return api.SystemEstimator("linear", feature="pulse").fit(eeg[:4], feature[:4])


@pytest.mark.slow
def test_it_learns_predicts_and_scores_by_the_kits_scorer(fitted, answering):
    eeg, feature = answering
    predicted = fitted.predict(eeg[4:])
    assert predicted.shape == (2, 256, 1)
    assert predicted.dtype == np.float32
    expected = np.mean([pearson_r(y, p) for y, p in zip(feature[4:], predicted, strict=True)])
    assert fitted.score(eeg[4:], feature[4:]) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.8
    assert fitted.n_features_in_ == 4
    assert fitted.report_["recordings"] == 3  # one of four segments chooses


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_the_submission_stays_as_it_was(fitted, answering):
    from harness.shipped import shipped_folder
    from harness.submission.manifest import load_submission, weights_faults

    eeg, feature = answering
    again = clone(fitted).fit(eeg[:4], feature[:4])
    assert again.weights_ == fitted.weights_
    assert weights_faults(load_submission(shipped_folder("baselines") / "linear")) == []


@pytest.mark.slow
def test_it_can_be_cloned_changed_shown_and_kept(fitted, answering):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "weights_")
    assert repr(copy) == "SystemEstimator(feature='pulse')"
    assert copy.set_params(seed=3, system="prior").get_params()["seed"] == 3
    kept = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(kept.predict(answering[0][:1]), fitted.predict(answering[0][:1]))


@pytest.mark.slow
def test_it_is_cross_validated_over_subjects(answering):
    eeg, feature = answering
    groups = ["a", "a", "a", "b", "b", "b"]
    estimator = api.SystemEstimator("linear", feature="pulse")
    scores = cross_val_score(estimator, eeg, feature, groups=groups, cv=GroupKFold(2), error_score="raise")
    assert (scores > 0.8).all()


@pytest.mark.slow
def test_a_net_is_fitted_too(answering):
    eeg, feature = answering
    eeg, feature = np.tile(eeg, (1, 2, 1)), np.tile(feature, (1, 2, 1))  # its crops have 5 s
    estimator = api.SystemEstimator("vlaai", feature="pulse", epochs=1)
    assert estimator.fit(eeg, feature).report_["epochs"] == 1
    assert estimator.predict(eeg[:1]).shape == (1, 512, 1)


def test_before_it_is_fitted_it_predicts_nothing():
    with pytest.raises(NotFittedError, match="This SystemEstimator is not fitted: call fit first"):
        api.SystemEstimator("linear").predict(np.zeros((1, 256, 4)))


def test_arrays_that_do_not_fit_are_refused(fitted, answering):
    eeg, feature = answering
    new = clone(fitted)
    with pytest.raises(ShapeError) as error:
        new.fit(eeg[0], feature)
    assert str(error.value) == "X: shape (256, 4), expected (n_segments, n_times, n_channels)."
    with pytest.raises(ShapeError, match="^X and y: 6 segments and 5, expected as many, 2 or more"):
        new.fit(eeg, feature[:5])
    with pytest.raises(ShapeError, match="^y: numbers that are not finite, expected finite numbers"):
        new.fit(eeg, feature * np.nan)
    with pytest.raises(ShapeError) as error:
        fitted.predict(eeg[:, :, :3])
    assert str(error.value) == ("X: shape (6, 256, 3), expected (n_segments, 256, 4), as it was fitted.")


def test_parameters_that_cannot_be_are_refused(answering):
    with pytest.raises(UsageError, match="^validation: 1.5, expected a share between 0 and 1"):
        api.SystemEstimator("linear", validation=1.5).fit(*answering)
    with pytest.raises(UsageError, match="^sfreq: 0, expected more than 0"):
        api.SystemEstimator("linear", sfreq=0).fit(*answering)
    with pytest.raises(TrainingError, match="Train its members, each by itself"):
        api.SystemEstimator("ensemble").fit(*answering)
    with pytest.raises(UsageError, match="takes no such option"):
        api.SystemEstimator("linear", epochs=3).fit(*answering)


def test_a_predictor_that_fails_says_so_in_the_houses_words(fitted, answering):
    broken = pickle.loads(pickle.dumps(fitted))
    broken.weights_ = b"not weights"
    with pytest.raises(PredictorError, match="^linear"):
        broken.predict(answering[0])


def test_a_package_with_a_link_out_of_its_folder_is_refused_before_it_is_copied(answering, tmp_path):
    from harness.shipped import shipped_folder

    (tmp_path / "secret").write_text("nobody's business")
    shutil.copytree(shipped_folder("baselines") / "linear", tmp_path / "linear")
    (tmp_path / "linear/notes.txt").symlink_to(tmp_path / "secret")
    eeg, feature = answering
    with pytest.raises(SubmissionError, match=r"notes\.txt: a link that leaves the folder"):
        api.SystemEstimator(str(tmp_path / "linear"), feature="pulse").fit(eeg, feature)
