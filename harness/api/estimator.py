"""A system as a scikit-learn estimator: fit and predict on arrays, by the kit's training and process.

What is fitted is a copy of the submission: its folder, its weights and its records stay as they are.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tomlkit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError

from harness.corpus import open_corpus
from harness.corpus.declaration import DECLARATION
from harness.errors import Fault, ShapeError, UsageError, counted
from harness.execution import PredictorSpec, Run, SegmentInput, predict_segments
from harness.execution.code import code_files, copy_code
from harness.scoring.score import combine, score_subject
from harness.submission.find import named_submission
from harness.submission.manifest import MANIFEST, Submission, load_submission
from harness.tasks.sizes import Sizes
from harness.tasks.splits import load_split
from harness.training.run import Trained, train_submission

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.conventions import Array

# The corpus that arrays are written as: a listener of the segments that train, another of those that choose.
CORPUS, SPLIT = "arrays", "arrays"
FITTED, CHOSEN = "fitted", "chosen"


class SystemEstimator(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A submission with a trainer, behind scikit-learn's fit, predict and score.

        >>> import numpy as np
        >>> from sklearn.base import clone
        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> X, y = api.open_part(data, split=split, part="train").arrays()
        >>> estimator = api.SystemEstimator("linear", sfreq=64)
        >>> estimator.fit(X[:6], y[:6]).predict(X[6:]).shape
        (2, 1920, 10)
        >>> clone(estimator).get_params()["system"]
        'linear'

    Parameters are those of ``__init__``; what is learned ends in an underscore. `sklearn.model_selection`'s
    ``cross_val_score`` and ``GridSearchCV`` take it, with ``groups`` for subjects.

    Args:
        system: a submission's folder or name.
        sfreq: EEG samples a second.
        feature: what y is called; some systems have another net for another feature.
        variant: of the submission; None for its first.
        preset: of a net's recipe; None for ``compact``.
        epochs: of a net; None for the recipe's.
        seed: of everything that is drawn.
        validation: share of the segments, at least one, that choose among what was trained; they are drawn.

    Attributes:
        weights_: the weights file's bytes.
        report_: what the trainer says.
        n_features_in_: EEG channels.
        sizes_: bands, frames, channels, samples, and the rate.
    """

    def __init__(
        self,
        system: str | Path = "linear",
        *,
        sfreq: float = 64.0,
        feature: str = "mel",
        variant: str | None = None,
        preset: str | None = None,
        epochs: int | None = None,
        seed: int = 0,
        validation: float = 0.2,
    ) -> None:
        self.system = system
        self.sfreq = sfreq
        self.feature = feature
        self.variant = variant
        self.preset = preset
        self.epochs = epochs
        self.seed = seed
        self.validation = validation

    def fit(self, X: Array, y: Array) -> SystemEstimator:
        """Train on segments.

        Args:
            X: EEG (n_segments, n_times, n_channels), 2 segments or more.
            y: the feature (n_segments, n_frames, n_bands).

        Raises:
            ShapeError: arrays of other shapes.
            UsageError: a parameter out of its range, or no such variant or preset.
            SubmissionError, TrainingError: the system does not fit, has no trainer, or its training failed.
        """
        eeg, target = _checked(X, y)
        if not 0 < self.validation < 1:
            raise UsageError(Fault("validation", f"{self.validation}", "a share between 0 and 1"))
        sizes = _sizes(self.feature, self.sfreq, eeg, target)
        with tempfile.TemporaryDirectory(prefix="harness-") as place:
            folder = Path(place)
            submission = self._copy(folder)
            data = folder / "data"
            _write_corpus(data, eeg, target, sizes, _chooses(len(eeg), self.validation, self.seed))
            trained = train_submission(
                submission,
                open_corpus(data),
                load_split(data / f"{SPLIT}.json"),
                self.feature,
                variant=self.variant,
                seed=self.seed,
                preset=self.preset,
                epochs=self.epochs,
                device="cpu",
            )
            if not isinstance(trained, Trained):
                raise UsageError(Fault("fit", "one of several processes", "a process by itself"))
            self.weights_ = trained.path.read_bytes()
            self.report_ = dict(trained.report)
        self.sizes_ = sizes
        self.n_features_in_ = sizes.n_channels
        return self

    def predict(self, X: Array) -> NDArray[np.float32]:
        """Predict segments, in a process that sees them only.

        Args:
            X: EEG (n_segments, n_times, n_channels), of the sizes that it was fitted on.

        Returns:
            (n_segments, n_frames, n_bands).

        Raises:
            ShapeError: other channels or samples.
            PredictorError: the system failed.
        """
        if not hasattr(self, "weights_"):
            raise NotFittedError(f"This {type(self).__name__} is not fitted: call fit first.")
        eeg = _array("X", X)
        expected = (self.sizes_.segment_samples, self.sizes_.n_channels)
        if eeg.shape[1:] != expected:
            raise ShapeError(
                Fault(
                    "X", f"shape {eeg.shape}", f"(n_segments, {expected[0]}, {expected[1]}), as it was fitted"
                )
            )
        with self._spec() as spec:
            inputs = [SegmentInput(f"segment {number}", "unknown") for number in range(len(eeg))]
            run = Run(variant=self.variant, seed=self.seed)
            with predict_segments(spec, inputs, lambda number: eeg[number], run) as made:
                found = [np.array(made.predictions[one.id]) for one in inputs]
        return np.stack(found)

    def score(self, X: Array, y: Array, sample_weight: None = None) -> float:
        """The mean Pearson r over segments and bands, by the kit's scorer.

        Args:
            X: EEG (n_segments, n_times, n_channels).
            y: the feature (n_segments, n_frames, n_bands).
            sample_weight: None; segments count alike.

        Raises:
            ShapeError: arrays of other shapes.
            UsageError: weights of segments.
            PredictorError: the system failed.
        """
        if sample_weight is not None:
            raise UsageError(Fault("sample_weight", "given", "None: segments count alike"))
        eeg, target = _checked(X, y, least=1)
        predicted = self.predict(eeg)
        names = [str(number) for number in range(len(eeg))]
        by_segment = score_subject(
            dict(zip(names, target, strict=True)), dict(zip(names, predicted, strict=True))
        )
        return float(combine({"all": by_segment}).pearson_r)

    def _copy(self, place: Path) -> Submission:
        """A copy of the submission, without weights."""
        original = load_submission(named_submission(str(self.system)))
        folder = place / original.name
        copy_code(code_files(original.folder, original.listed), folder)
        manifest = tomlkit.parse((original.folder / MANIFEST).read_text(encoding="utf-8"))
        manifest.pop("weights", None)
        (folder / MANIFEST).write_text(tomlkit.dumps(manifest), encoding="utf-8")
        return load_submission(folder)

    @contextmanager
    def _spec(self) -> Iterator[PredictorSpec]:
        """What the predictor's process is given, while it runs."""
        with tempfile.TemporaryDirectory(prefix="harness-") as place:
            submission = self._copy(Path(place))
            weights = submission.folder / "weights" / "fitted.safetensors"
            weights.parent.mkdir()
            weights.write_bytes(self.weights_)
            chosen = submission.variant(self.variant)
            yield PredictorSpec(
                name=submission.name,
                folder=submission.folder,
                entry_point=submission.manifest["entry_point"],
                setup=submission.setup(self.sizes_, chosen, weights=weights, seed=self.seed),
                listed=(*submission.listed, "weights/fitted.safetensors"),
            )


def _checked(X: Array, y: Array, least: int = 2) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """EEG and feature as float32, of as many segments."""
    eeg, target = _array("X", X), _array("y", y)
    if len(eeg) != len(target) or len(eeg) < least:
        raise ShapeError(
            Fault("X and y", f"{counted(len(eeg), 'segment')} and {len(target)}", f"as many, {least} or more")
        )
    return eeg, target


def _array(name: str, values: Array) -> NDArray[np.float32]:
    array = np.ascontiguousarray(values, dtype=np.float32)
    if array.ndim != 3 or 0 in array.shape:
        what = "(n_segments, n_times, n_channels)" if name == "X" else "(n_segments, n_frames, n_bands)"
        raise ShapeError(Fault(name, f"shape {array.shape}", what))
    if not np.isfinite(array).all():
        raise ShapeError(Fault(name, "numbers that are not finite", "finite numbers"))
    return array


def _sizes(feature: str, sfreq: float, eeg: Array, target: Array) -> Sizes:
    if not sfreq > 0:
        raise UsageError(Fault("sfreq", f"{sfreq}", "more than 0, EEG samples a second"))
    return Sizes(feature, target.shape[2], target.shape[1], eeg.shape[2], eeg.shape[1], float(sfreq))


def _chooses(n_segments: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Which segments choose: a share of them, at least one, and not all."""
    n_chosen = min(max(1, round(share * n_segments)), n_segments - 1)
    chosen = np.zeros(n_segments, bool)
    chosen[np.random.default_rng(seed).choice(n_segments, n_chosen, replace=False)] = True
    return chosen


def _write_corpus(folder: Path, eeg: Array, target: Array, sizes: Sizes, chooses: NDArray[np.bool_]) -> None:
    """Write segments as recordings of a corpus, and a split into those that train and those that choose."""
    (folder / "eeg").mkdir(parents=True)
    (folder / "feature").mkdir()
    for number in range(len(eeg)):
        listener = CHOSEN if chooses[number] else FITTED
        np.save(folder / "eeg" / f"{listener}_{number:06d}.npy", eeg[number])
        np.save(folder / "feature" / f"{number:06d}.npy", target[number])
    declared = {
        "name": CORPUS,
        "title": "Arrays",
        "licence": "as theirs",
        "citation": "none",
        "kind": "real",
        "sample_rate_hz": sizes.sample_rate_hz,
        "default_split": f"{SPLIT}.json",
        "channels": {"count": sizes.n_channels},
        "eeg": {"files": "eeg/{subject}_{stimulus}.npy"},
        "features": {
            sizes.feature: {
                "title": sizes.feature,
                "bands": sizes.n_bands,
                "files": "feature/{stimulus}.npy",
                **({} if sizes.n_frames == sizes.segment_samples else {"frames_per_segment": sizes.n_frames}),
            }
        },
    }
    (folder / DECLARATION).write_text(tomlkit.dumps(declared))
    split = {
        "name": SPLIT,
        "title": "Arrays",
        "corpora": [CORPUS],
        "features": [sizes.feature],
        "sample_rate_hz": sizes.sample_rate_hz,
        "segment_seconds": sizes.segment_samples / sizes.sample_rate_hz,
        "cut": "whole-recordings",
        "parts": {"train": {"subjects": [FITTED]}, "val": {"subjects": [CHOSEN]}},
    }
    (folder / f"{SPLIT}.json").write_text(json.dumps(split))
