"""What the harness asks of a decoder, and help for decoders with a fixed window.

A submission's entry point is a class like `Predictor`: built once with a `Setup`, then asked for
one batch of segments after the other. It need not import this module: the class is found by the
name in its manifest, and any class with the same two methods will do.

    class Decoder:
        def __init__(self, setup):
            self.weights = np.load(setup.weights)

        def predict(self, eeg, subjects):
            return eeg @ self.weights

Shapes: EEG is (n_segments, segment_samples, n_channels) at ``sample_rate_hz``, predictions are
(n_segments, n_frames, n_bands), both float32. Here: `Setup`, `Predictor`, `predict_windowed` for models
that only know one length, `zscore`, `check_one_frame_a_sample` for models that cannot give another number
of frames, and `check_prediction`, the check that every returned array goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import Fault, ShapeError, counted

Array: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Setup:
    """What a predictor is built with; the one positional argument of its class.

    Attributes:
        feature: what to predict, such as ``"mel"``.
        n_bands: bands of that feature, such as 10 for mel.
        n_frames: frames of the feature in every segment: one for each EEG sample where the feature has the
            EEG's rate, as mel and envelope have.
        n_channels: EEG channels of the corpus, 64 for SparrKULee.
        segment_samples: EEG samples of every segment of this run.
        sample_rate_hz: EEG samples a second.
        variant: the manifest's variant in use.
        options: that variant's table of the manifest, plain values.
        weights: absolute path of the verified weights file; None where the variant has none.
        seed: the seed of this run; Python's, numpy's and torch's generators are already set.
    """

    feature: str
    n_bands: int
    n_frames: int
    n_channels: int
    segment_samples: int
    sample_rate_hz: float
    variant: str
    options: Mapping[str, object]
    weights: Path | None
    seed: int


class Predictor(Protocol):
    """A decoder: EEG in, speech features out."""

    def __init__(self, setup: Setup) -> None: ...

    def predict(self, eeg: Array, subjects: list[str]) -> Array:
        """Predict the feature of a batch of segments.

        Args:
            eeg: (n_segments, segment_samples, n_channels) float32, read-only: copy before changing it.
            subjects: n_segments subjects, such as ``"sub-003"``; ``"unknown"`` where the split tests on
                subjects that no training met, and so does not say who.

        Returns:
            (n_segments, n_frames, n_bands) float32, finite.
        """
        ...


def predict_windowed(
    predict: Callable[[Array, list[str]], Array],
    eeg: Array,
    subjects: Sequence[str],
    window_samples: int,
) -> Array:
    """Predict segments with a model that only takes windows of ``window_samples``.

    Windows follow each other from the segment's start. Where the last one would run over the end
    it starts earlier, so that every window holds real EEG and nothing is padded; where two windows
    overlap the earlier one's output stands. All windows are predicted in one call.

    Args:
        predict: takes (n_windows, window_samples, n_channels) and n_windows subjects, and gives
            (n_windows, window_samples, n_bands): one frame for each EEG sample.
        eeg: (n_segments, n_times, n_channels).
        subjects: n_segments subjects.
        window_samples: the length the model takes, at most n_times.

    Returns:
        (n_segments, n_times, n_bands), of the dtype that ``predict`` gives.

    Raises:
        ShapeError: the window is longer than the segments or shorter than one sample, there is
            not one subject a segment, or ``predict`` gives another shape.
    """
    n_segments, n_times = eeg.shape[:2]
    if not 1 <= window_samples <= n_times:
        raise ShapeError(
            Fault(
                "predict_windowed",
                f"a window of {counted(window_samples, 'sample')} for segments of {n_times}",
                f"1 to {counted(n_times, 'sample')}",
                "Segments are never padded: train with a shorter window, or score longer segments.",
            )
        )
    if len(subjects) != n_segments:
        raise ShapeError(
            Fault("predict_windowed", counted(len(subjects), "subject"), f"{n_segments}, one a segment")
        )
    starts = list(range(0, n_times - window_samples + 1, window_samples))
    if starts[-1] + window_samples < n_times:
        starts.append(n_times - window_samples)

    windows = np.stack([eeg[:, start : start + window_samples] for start in starts], axis=1)
    windows = windows.reshape(n_segments * len(starts), window_samples, eeg.shape[2])
    windows.flags.writeable = False
    frames = predict(windows, [subject for subject in subjects for _ in starts])
    if frames.ndim != 3 or frames.shape[:2] != windows.shape[:2]:
        raise ShapeError(
            Fault(
                "predict_windowed",
                f"predict gave shape {frames.shape}",
                f"({windows.shape[0]}, {window_samples}, n_bands)",
            )
        )

    frames = frames.reshape(n_segments, len(starts), window_samples, frames.shape[2])
    prediction = np.empty((n_segments, n_times, frames.shape[3]), frames.dtype)
    for k, start in reversed(list(enumerate(starts))):  # so that the earlier window stands
        prediction[:, start : start + window_samples] = frames[:, k]
    return prediction


def check_one_frame_a_sample(setup: Setup) -> None:
    """Refuse a run whose feature has another rate than its EEG, for nets that give a frame for each sample.

    Raises:
        ShapeError: n_frames is not segment_samples.
    """
    if setup.n_frames != setup.segment_samples:
        raise ShapeError(
            Fault(
                f"feature {setup.feature}",
                f"{counted(setup.n_frames, 'frame')} for {setup.segment_samples} EEG samples a segment",
                f"{counted(setup.segment_samples, 'frame')}: this system gives one frame for each EEG sample",
                "Save the feature at the EEG's rate, or begin with `harness new`: its model takes any rate.",
            )
        )


def zscore(series: Array, ddof: int = 0) -> Array:
    """Mean 0 and standard deviation 1 over time for each channel or band; 0 where it is constant.

    Args:
        series: (..., n_times, n_channels); not changed.
        ddof: the deviation divides the sum of squares by n_times less this: 0, or 1.
    """
    centred = series - series[..., :1, :]  # so that a constant is exactly 0, and large offsets cost no digits
    centred -= centred.mean(axis=-2, keepdims=True)
    variance = np.square(centred).mean(axis=-2, keepdims=True)
    n_times = centred.shape[-2]
    if ddof and n_times > ddof:
        variance *= n_times / (n_times - ddof)
    deviation = np.sqrt(variance)
    scaled: Array = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
    return scaled


class OutputFault(NamedTuple):
    """One thing that is wrong with a returned prediction.

    Attributes:
        arrived: what ``predict`` returned.
        expected: what it should have returned.
        remedy: the next thing to do.
        segment: position in the batch of the segment meant; None where all are.
    """

    arrived: str
    expected: str
    remedy: str
    segment: int | None = None


def check_prediction(prediction: object, shape: tuple[int, int, int]) -> list[OutputFault]:
    """Check what ``predict`` returned for one batch.

    Args:
        prediction: the returned object.
        shape: what is expected: (n_segments, n_frames, n_bands).

    Returns:
        Everything that is wrong; empty for a float32 array of that shape with finite values.
    """
    if not isinstance(prediction, np.ndarray) or np.ma.isMaskedArray(prediction):
        return [_type_fault(prediction)]
    faults = []
    if prediction.shape != shape:
        faults.append(
            OutputFault(
                f"predict returned shape {prediction.shape}",
                f"{shape} (n_segments, n_frames, n_bands)",
                _shape_remedy(prediction.shape, shape),
            )
        )
    if prediction.dtype != np.float32:
        faults.append(
            OutputFault(
                f"predict returned {prediction.dtype} values",
                "float32",
                "Return array.astype(np.float32).",
            )
        )
    if faults or np.isfinite(prediction).all():
        return faults
    bad = np.count_nonzero(~np.isfinite(prediction), axis=(1, 2))
    return [
        OutputFault(
            f"{bad[i]} of {prediction[i].size} predicted values {'is' if bad[i] == 1 else 'are'} NaN or"
            " infinite",
            "finite values",
            "",
            int(i),
        )
        for i in np.flatnonzero(bad)
    ]


def _type_fault(prediction: object) -> OutputFault:
    kind = type(prediction)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    if prediction is None:
        return OutputFault("predict returned None", "a numpy array", "Is a return missing?")
    if name == "torch.Tensor":
        remedy = "Return tensor.detach().cpu().numpy()."
    elif isinstance(prediction, np.ma.MaskedArray):
        remedy = "Every value is scored: return a plain array without a mask."
    else:
        remedy = "Return one array for the whole batch."
    return OutputFault(f"predict returned an object of type {name}", "a numpy array", remedy)


def _shape_remedy(arrived: tuple[int, ...], expected: tuple[int, int, int]) -> str:
    n_segments, n_frames, n_bands = expected
    if arrived == (n_segments, n_bands, n_frames):
        return "Axes look swapped: return array.transpose(0, 2, 1)."
    if arrived == (n_segments, n_frames) and n_bands == 1:
        return "The axis of bands is missing: return array[:, :, np.newaxis]."
    if len(arrived) != 3:
        return ""
    if arrived[0] != n_segments:
        return "Return one prediction for each segment of the batch, in the batch's order."
    if arrived[1] != n_frames:
        return f"Return n_frames = {n_frames} frames (setup.n_frames): none are added or cut here."
    return f"The feature of this run has n_bands = {n_bands} (setup.n_bands)."
