"""Score what is at hand, as ``harness score`` would: a submission, a file, arrays, or a function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.part import Part
from harness.boards.compare import Comparison
from harness.boards.compared import comparison_text
from harness.conventions import Progress
from harness.errors import Fault, UsageError, no_such, shorten
from harness.evaluation.evaluate import evaluate, evaluate_predictions
from harness.evaluation.in_process import Predict, by_subject, evaluate_arrays, evaluate_function
from harness.evaluation.place import check_place
from harness.execution import Run
from harness.predictions import is_predictions
from harness.predictions import write_predictions as written
from harness.records.record import Record
from harness.records.store import write_record
from harness.records.text import record_text
from harness.submission.find import named_submission
from harness.submission.manifest import load_submission

if TYPE_CHECKING:
    from harness.conventions import Array

SCORED = ("val", "test")
DEFAULT_NAME = "notebook"


def score(
    system: str | Path | Mapping[str, Array] | Predict,
    part: Part,
    *,
    name: str | None = None,
    results: str | Path | None = None,
    replace: bool = False,
    on_progress: Progress | None = None,
    **options: object,
) -> Record:
    """Score a system on a part: the mean, its interval, what chance gives, and what needs no EEG.

        >>> import numpy as np
        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> part = api.open_part(data, split=split, part="val")
        >>> def running_sum(eeg, subjects):
        ...     return np.cumsum(eeg, axis=1)[:, :, :10] / 1920
        >>> record = api.score(running_sum, part, name="running-sum")
        >>> -0.1 < record.score < 0.1, record.submission.name, record.controls.blind.segments
        (True, 'running-sum', 8)
        >>> round(api.score(part.by_id(part.references()), part, name="perfect").score, 6)
        1.0

    A submission runs in a process of its own that sees EEG only, and the numbers are those of the command, to
    the last bit. A function runs here, and its record says so.

    Args:
        system: a submission's folder or name, such as ``"linear"``; a file or folder of predictions; a
            mapping of predictions by segment id, (n_frames, n_bands) each (`Part.by_id` makes one); or a
            function that takes EEG (n_segments, n_times, n_channels) float32 and n_segments subjects, and
            gives (n_segments, n_frames, n_bands) float32.
        part: val or test of a split, with references.
        name: what the record calls arrays or a function; None for ``notebook``. No other system takes one.
        results: a results folder for the record; None to write nothing.
        replace: write the record even where another system's has its place.
        on_progress: called with the segments predicted and their total.
        options: how a submission is run, by the names of `harness.execution.Run`: ``variant``, ``seed``,
            ``jobs``, ``seconds``, ``weights_seed`` and so on. A function takes ``surrogates`` alone: of how
            many segments of each subject they are asked, None for all, 0 for none.

    Raises:
        UsageError: the training part, an option that the system does not take, a function on a part whose
            labels are held back, or anything but a submission on a part without some EEG channels.
        CorpusError: EEG or references are missing or cannot be read.
        SubmissionError, PredictorError: the submission does not fit, or failed.
        PredictionsError: predictions are refused.
        RecordError: the record has no place in ``results``.
    """
    task = part.task
    if task.part not in SCORED:
        raise UsageError(
            Fault(f"part {task.part}", "what systems are trained on", f"one of {', '.join(SCORED)}")
        )
    folder = None if results is None else Path(results)
    if isinstance(system, str | Path):
        path = named_submission(str(system))
        if name is not None:
            raise UsageError(Fault("name", repr(name), "none: a folder or file has its own"))
        if is_predictions(path):
            _check_all_channels(part)
            _check_options(options, ())
            record = evaluate_predictions(path, task)
        else:
            run = _run(options)
            submission = load_submission(path)
            if folder is not None and not replace:
                task.check_labels()
                check_place(folder, submission, task, run)
            record = evaluate(submission, task, run, None, on_progress)
    elif isinstance(system, Mapping):
        _check_all_channels(part)
        _check_options(options, ())
        record = evaluate_arrays(system, task, name or DEFAULT_NAME)
    elif callable(system):
        _check_all_channels(part)
        _check_options(options, ("surrogates",))
        record = evaluate_function(system, task, name or DEFAULT_NAME, _run(options), on_progress)
    else:
        raise UsageError(
            Fault(
                "system",
                f"an object of type {type(system).__name__}",
                "a submission's folder or name, predictions as a file or by segment id, or a function",
                "Predictions that are stacked in the part's order: score(part.by_id(array), part).",
            )
        )
    if folder is not None:
        write_record(folder, record, replace=replace)
    return record


def _check_all_channels(part: Part) -> None:
    """Refuse what no record could say: predictions that were made without some EEG channels.

    Raises:
        UsageError: the part excludes some that its split does not.
    """
    excluded = part.task.channels_excluded
    if excluded:
        raise UsageError(
            Fault(
                "exclude_channels",
                f"{shorten(excluded)}, and predictions or a function, whose record says nothing of it",
                "a submission, which is run here",
                "Name the channels in the split (exclude_channels): then every record says so.",
            )
        )


def save_predictions(path: str | Path, predictions: Mapping[str, Array], part: Part) -> None:
    """Write predictions as a file that ``harness score`` takes: .zip (the official form), .npz, or a folder.

    Args:
        path: with its suffix; without one, a new folder.
        predictions: segment id -> (n_frames, n_bands) float32 or float64.
        part: that they are of.

    Raises:
        UsageError: another suffix.
        PredictionsError: ids that were not asked, arrays that no file takes, or no place to write.
    """
    written(Path(path), by_subject(predictions, part.task))


def text(what: Record | Comparison) -> str:
    """What the command line says of a record (`score`) or a comparison (`compare`)."""
    return record_text(what) if isinstance(what, Record) else comparison_text(what)


def _run(options: Mapping[str, object]) -> Run:
    known = tuple(Run.__dataclass_fields__)
    _check_options(options, known)
    return Run(**options)  # type: ignore[arg-type]  # names are checked, values where they are used


def _check_options(options: Mapping[str, object], known: tuple[str, ...]) -> None:
    faults = [
        no_such("option", option, known, "This system takes no options.")
        for option in options
        if option not in known
    ]
    if faults:
        raise UsageError(*faults)
