"""``harness train``: run a submission's trainer, write its weights, register them in the manifest.

A trainer is a function of the submission folder, named in the manifest by ``trainer = "module:name"``:

    def train(data: TrainingData, setup: Setup, progress) -> (weights: dict[str, array], report: dict)

``progress(done, total, note)`` may be called at any time. Training runs in the harness's own process:
it needs labels, and it is your code on your machine.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import provenance
from harness.conventions import SAMPLE_RATE_HZ
from harness.corpus import Corpus
from harness.errors import Fault, SubmissionError, TrainingError
from harness.files import write_atomically
from harness.predictor import Setup
from harness.segments import cut_segments
from harness.splits import Split
from harness.submission import Submission, load_submission, register_weights, weights_file
from harness.training.data import TrainingData

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class TrainingResult:
    """What a trainer returns.

    Attributes:
        weights: name -> array, as the submission's predictor reads them.
        report: what was chosen and how well it does on the validation part; plain JSON values.
    """

    weights: Mapping[str, np.ndarray[Any, Any]]
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """Weights that were written.

    Attributes:
        path: the weights file.
        sha256: of the file, as in the manifest.
        report: the trainer's report.
        seconds: how long the training took.
    """

    path: Path
    sha256: str
    report: Mapping[str, Any]
    seconds: float


def train_submission(
    submission: Submission,
    corpus: Corpus,
    split: Split,
    feature: str,
    *,
    variant: str | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Trained:
    """Train a submission on the training part, choosing on the validation part.

    The weights file is written whole or not at all, its provenance beside it, and the manifest last:
    an interrupted training leaves the submission as it was.

    Raises:
        TrainingError: the submission has no trainer, or the trainer failed.
        SubmissionError: feature, variant or manifest do not fit.
        SplitError, CorpusError: the split or the data do not fit, or labels are missing.
    """
    submission.check_feature(feature)
    chosen = submission.variant(variant)
    if "trainer" not in submission.manifest:
        raise TrainingError(
            Fault(
                f"{submission.folder}",
                "a manifest without the key 'trainer'",
                'trainer = "module:function"',
                "A submission without one is not trained by the harness.",
            )
        )
    data = _training_data(corpus, split, feature)
    setup = Setup(
        feature=feature,
        n_bands=data.n_bands,
        segment_samples=split.segment_samples,
        sample_rate_hz=SAMPLE_RATE_HZ,
        variant=chosen,
        options=submission.options(chosen),
        weights=None,
        seed=seed,
    )
    started = time.monotonic()
    with _imported(submission.folder, submission.manifest["trainer"]) as trainer:
        result = trainer(data, setup, on_progress or (lambda _done, _total, _note: None))
    seconds = time.monotonic() - started
    return _write(submission, data, setup, TrainingResult(*result), seconds)


def _training_data(corpus: Corpus, split: Split, feature: str) -> TrainingData:
    data = TrainingData(corpus, split, feature, cut_segments(corpus, split, "val"))
    lacking = {s.recording.id for s in data.validation if feature not in s.recording.feature_series}
    lacking |= {r.id for r, _, _ in data.stretches() if feature not in r.feature_series}
    if lacking:
        raise TrainingError(
            Fault(
                f"{corpus.folder}",
                f"{len(lacking)} recordings without {feature}",
                "labels of the training and validation parts",
            )
        )
    return data


def _write(
    submission: Submission,
    data: TrainingData,
    setup: Setup,
    result: TrainingResult,
    seconds: float,
) -> Trained:
    from safetensors.numpy import save

    bad = [name for name, array in result.weights.items() if not np.isfinite(array).all()]
    if bad:
        raise TrainingError(
            Fault(f"{submission.name}: weights {', '.join(bad)}", "numbers that are not finite")
        )
    relative = weights_file(
        data.corpus.name, data.split, setup.feature, setup.variant, submission.variants[0]
    )
    path = submission.folder / relative
    arrays = {name: np.ascontiguousarray(array) for name, array in result.weights.items()}
    content = save(arrays)
    sha256 = hashlib.sha256(content).hexdigest()
    record = _training_record(submission, data, setup, result, seconds)
    try:
        write_atomically(path, content)
        write_atomically(path.with_suffix(".json"), (json.dumps(record, indent=1) + "\n").encode())
    except OSError as error:
        raise TrainingError(
            Fault(str(path), error.strerror or "cannot be written", "a folder that can be written")
        ) from None
    register_weights(
        load_submission(submission.folder),
        {
            "corpus": data.corpus.name,
            "split": data.split.name,
            "feature": setup.feature,
            "variant": setup.variant,
            "file": relative,
            "sha256": sha256,
            "training": str(Path(relative).with_suffix(".json")),
        },
    )
    return Trained(path, sha256, result.report, seconds)


def _training_record(
    submission: Submission,
    data: TrainingData,
    setup: Setup,
    result: TrainingResult,
    seconds: float,
) -> dict[str, Any]:
    recordings = [recording for recording, _, _ in data.stretches()]
    return {
        "submission": {"name": submission.name, "version": submission.version},
        "variant": setup.variant,
        "corpus": data.corpus.name,
        "split": {"name": data.split.name, "sha256": data.split.sha256},
        "feature": setup.feature,
        "seed": setup.seed,
        "subjects": list(dict.fromkeys(recording.subject for recording in recordings)),
        "stimuli": sorted({recording.stimulus for recording in recordings}),
        "report": dict(result.report),
        "environment": provenance.environment(),
        "run": {"finished": provenance.now(), "seconds": round(seconds, 1), **provenance.host()},
    }


@contextmanager
def _imported(folder: Path, entry_point: str) -> Iterator[Callable[..., Any]]:
    """A function of a submission folder; its modules are forgotten again afterwards."""
    module_name, _, function = entry_point.partition(":")
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        try:
            trainer = getattr(importlib.import_module(module_name), function)
        except (ImportError, AttributeError, SyntaxError) as error:
            raise SubmissionError(
                Fault(f"{folder}: trainer {entry_point!r}", f"cannot be imported ({error})")
            ) from None
        yield trainer
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]
