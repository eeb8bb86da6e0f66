"""The contract of ``predict``: windows for models of a fixed length, and what may be returned."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import ShapeError
from harness.predictor import OutputFault, Setup, check_one_frame_a_sample, check_prediction, predict_windowed

SUBJECTS = ["sub-001", "sub-002", "sub-003"]


def eeg_of(n_times):
    return np.random.default_rng(n_times).standard_normal((3, n_times, 64)).astype(np.float32)


def first_bands(eeg, subjects):
    return eeg[:, :, :10]


@pytest.mark.parametrize("n_times", [640, 700, 1279, 1280, 1920])
def test_windowed_equals_direct_where_frames_do_not_depend_on_each_other(n_times):
    eeg = eeg_of(n_times)
    prediction = predict_windowed(first_bands, eeg, SUBJECTS, 640)
    assert prediction.dtype == np.float32
    np.testing.assert_array_equal(prediction, first_bands(eeg, SUBJECTS))


@pytest.mark.parametrize(
    ("n_times", "starts"),
    [(640, [0]), (700, [0, 60]), (1920, [0, 640, 1280]), (1921, [0, 640, 1280, 1281])],
)
def test_windows_are_real_eeg_and_one_call(n_times, starts):
    eeg = eeg_of(n_times)
    calls = []

    def spy(windows, subjects):
        calls.append((windows, subjects))
        return first_bands(windows, subjects)

    predict_windowed(spy, eeg, SUBJECTS, 640)
    [(windows, subjects)] = calls
    assert subjects == [subject for subject in SUBJECTS for _ in starts]
    assert not windows.flags.writeable
    expected = [eeg[i, start : start + 640] for i in range(3) for start in starts]
    np.testing.assert_array_equal(windows, expected)


def test_in_the_overlap_the_earlier_window_stands():
    def number_of_window(windows, subjects):
        numbers = np.arange(len(windows), dtype=np.float32)
        return np.repeat(numbers, 640).reshape(len(windows), 640, 1)

    prediction = predict_windowed(number_of_window, eeg_of(700)[:1], ["sub-001"], 640)
    assert prediction[0, :, 0].tolist() == [0.0] * 640 + [1.0] * 60


@pytest.mark.parametrize(
    ("n_times", "window_samples", "message"),
    [
        (
            639,
            640,
            "predict_windowed: a window of 640 samples for segments of 639, "
            "expected 1 to 639 samples.\n"
            "  Segments are never padded: train with a shorter window, or score longer segments.",
        ),
        (
            640,
            0,
            "predict_windowed: a window of 0 samples for segments of 640, "
            "expected 1 to 640 samples.\n"
            "  Segments are never padded: train with a shorter window, or score longer segments.",
        ),
    ],
)
def test_window_that_does_not_fit_is_refused(n_times, window_samples, message):
    with pytest.raises(ShapeError) as caught:
        predict_windowed(first_bands, eeg_of(n_times), SUBJECTS, window_samples)
    assert str(caught.value) == message


def test_one_subject_a_segment_is_asked_for():
    with pytest.raises(ShapeError) as caught:
        predict_windowed(first_bands, eeg_of(64), SUBJECTS[:2], 64)
    assert str(caught.value) == "predict_windowed: 2 subjects, expected 3, one a segment."


def test_model_that_shortens_its_window_is_refused():
    with pytest.raises(ShapeError) as caught:
        predict_windowed(lambda eeg, subjects: eeg[:, 15:, :10], eeg_of(128), SUBJECTS, 64)
    assert str(caught.value) == (
        "predict_windowed: predict gave shape (6, 49, 10), expected (6, 64, n_bands)."
    )


def test_good_prediction_has_no_faults():
    prediction = np.zeros((2, 64, 10), np.float32)
    assert check_prediction(prediction, (2, 64, 10)) == []
    assert check_prediction(np.asfortranarray(prediction), (2, 64, 10)) == []


SHAPE = "(2, 64, 10) (n_segments, n_frames, n_bands)"
FAULTS = {
    "None": (None, "predict returned None", "a numpy array", "Is a return missing?"),
    "masked": (
        np.ma.zeros((2, 64, 10), np.float32),
        "predict returned an object of type numpy.ma.MaskedArray",
        "a numpy array",
        "Every value is scored: return a plain array without a mask.",
    ),
    "one segment": (
        np.zeros((1, 64, 10), np.float32),
        "predict returned shape (1, 64, 10)",
        SHAPE,
        "Return one prediction for each segment of the batch, in the batch's order.",
    ),
    "bands": (
        np.zeros((2, 64, 28), np.float32),
        "predict returned shape (2, 64, 28)",
        SHAPE,
        "The feature of this run has n_bands = 10 (setup.n_bands).",
    ),
    "flat": (
        np.zeros((128, 10), np.float32),
        "predict returned shape (128, 10)",
        SHAPE,
        "",
    ),
    "big-endian": (
        np.zeros((2, 64, 10), ">f4"),
        "predict returned >f4 values",
        "float32",
        "Return array.astype(np.float32).",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_says_what_arrived_and_how_to_mend_it(name):
    prediction, *texts = FAULTS[name]
    assert check_prediction(prediction, (2, 64, 10)) == [OutputFault(*texts)]


def test_tensor_is_refused_with_the_call_that_makes_an_array():
    tensor = type("Tensor", (), {"__module__": "torch"})()  # torch takes seconds to import
    assert check_prediction(tensor, (2, 64, 10)) == [
        OutputFault(
            "predict returned an object of type torch.Tensor",
            "a numpy array",
            "Return tensor.detach().cpu().numpy().",
        )
    ]


def test_envelope_without_its_axis_of_bands():
    [fault] = check_prediction(np.zeros((2, 64), np.float32), (2, 64, 1))
    assert fault.remedy == "The axis of bands is missing: return array[:, :, np.newaxis]."


def test_shape_and_dtype_are_reported_together():
    faults = check_prediction(np.zeros((2, 10, 64)), (2, 64, 10))
    assert [fault.arrived for fault in faults] == [
        "predict returned shape (2, 10, 64)",
        "predict returned float64 values",
    ]


def test_every_segment_with_nan_is_named():
    prediction = np.zeros((3, 4, 2), np.float32)
    prediction[0, 0, 0] = np.nan
    prediction[2, :, 1] = -np.inf
    assert check_prediction(prediction, (3, 4, 2)) == [
        OutputFault("1 of 8 predicted values is NaN or infinite", "finite values", "", 0),
        OutputFault("4 of 8 predicted values are NaN or infinite", "finite values", "", 2),
    ]


def test_a_feature_of_another_rate_is_refused_with_what_can_be_done():
    setup = Setup(
        feature="phonemes",
        n_bands=1,
        n_frames=750,
        n_channels=8,
        segment_samples=3750,
        sample_rate_hz=125,
        variant="default",
        options={},
        weights=None,
        seed=0,
    )
    with pytest.raises(ShapeError) as caught:
        check_one_frame_a_sample(setup)
    assert str(caught.value) == (
        "feature phonemes: 750 frames for 3750 EEG samples a segment, expected 3750 frames: this system gives"
        " one frame for each EEG sample.\n"
        "  Save the feature at the EEG's rate, or begin with `harness new`: its model takes any rate."
    )
