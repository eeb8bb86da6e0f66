"""The parent side: predict segments in processes that are given EEG only.

The segments are cut into batches, the same whatever the number of processes. Batches of EEG are
written ahead of the workers, a few each; predictions come back as files that are checked, copied
into storage of our own and deleted. A worker is told the subjects of a batch, or "unknown", but neither
segment ids nor stimuli, and no path that leads to labels. Nor does the order tell which segment is which:
it is drawn anew for every run, from a seed that is secret until the run has ended. ``isolation.py`` says
what else a worker cannot reach, SECURITY.md from whom all this protects.

Whatever happens here, no process and no file is left behind. Errors name the submission, the
segments in work and the last lines that the submission printed.
"""

from __future__ import annotations

import errno
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from types import MappingProxyType

from harness.errors import Fault, PredictorError, UsageError, raise_all, shorten
from harness.execution import exchange
from harness.execution.code import code_files
from harness.execution.drive import Drive
from harness.execution.isolation import NONE, check_hidden, choose, gpu_devices
from harness.execution.spec import DEFAULT_RUN, PredictorSpec, Run, SegmentInput
from harness.predictor import Array


@dataclass(frozen=True)
class PredictorRun:
    """What a run gave.

    Attributes:
        predictions: segment id -> (n_times, n_bands) float32, finite, read-only, memory-mapped;
            empty once the run's context is left.
        seconds: inside ``predict``, over all workers, as they say; at most what is possible.
        wall_seconds: of the whole run, starting processes included.
        output: the last lines that the submission printed.
        isolation: what kept the process apart: ``bubblewrap``, ``landlock`` or ``none``.
        order_seed: of the order in which the segments were asked; secret while the run lasts.
        gpu: whether device files of graphics processors were handed through.
    """

    predictions: Mapping[str, Array]
    seconds: float
    wall_seconds: float
    output: str
    isolation: str
    order_seed: str
    gpu: bool = False


@contextmanager
def predict_segments(
    spec: PredictorSpec,
    segments: Sequence[SegmentInput],
    read_eeg: Callable[[int], Array],
    run: Run = DEFAULT_RUN,
    *,
    batch_segments: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
    hidden: Sequence[Path] = (),
    n_sizing: int | None = None,
) -> Iterator[PredictorRun]:
    """Predict every segment in processes of their own; all have ended when the body begins.

    Args:
        spec: the submission.
        segments: with ids that differ.
        read_eeg: position of a segment -> (segment_samples, n_channels) float32.
        run: how many processes share the batches, what they may use, and how they are kept apart.
            Variant and seed are the specification's.
        batch_segments: most segments in one call of ``predict``.
        on_progress: called with the segments done and their total.
        hidden: files and folders that must not be where every predictor may read.
        n_sizing: batches and processes are as the first so many segments would have them by themselves;
            None for all.

    Yields:
        The predictions; an empty run, without a process, where there are no segments.

    Raises:
        PredictorError: the submission failed, broke a limit or returned what cannot be scored,
            an option of its variant cannot be handed to another process, no means of isolation works
            here, or what is hidden lies where predictors may read, or in the submission's own folder.
        SubmissionError: the submission's folder holds what cannot be copied.
        ShapeError: ``read_eeg`` gave another shape or dtype.
        UsageError: ``jobs`` or ``batch_segments`` below 1, or an id twice.
    """
    _check_options(segments, run.jobs, batch_segments)
    means = choose(run.isolation)
    order_seed = run.order_seed or secrets.token_hex(16)
    if not segments:
        yield PredictorRun(MappingProxyType({}), 0.0, 0.0, "", means, order_seed)
        return
    if means != NONE:
        check_hidden(hidden, Path(tempfile.gettempdir()))
    _check_entry_point(spec)
    _check_variant(spec)
    if means != NONE:
        _check_package(spec, hidden)
    predictions: dict[str, Array] = {}
    try:
        with full_disk_explained():
            n_sizing = n_sizing or len(segments)
            drive = Drive(
                spec, segments, read_eeg, run, batch_segments, on_progress, means, order_seed, n_sizing
            )
            output = drive.run()
        predictions.update((segment.id, drive.store[i]) for i, segment in enumerate(segments))
        yield PredictorRun(
            MappingProxyType(predictions),
            min(drive.seconds, drive.wall_seconds * len(drive.children)),
            drive.wall_seconds,
            output,
            means,
            order_seed,
            means != NONE and bool(gpu_devices()),
        )
    finally:
        predictions.clear()  # the storage has no name: it goes with the last array


@contextmanager
def full_disk_explained() -> Iterator[None]:
    """Turn a full temporary folder into a `PredictorError` that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fault = Fault(
            f"temporary folder {tempfile.gettempdir()}",
            "no space left",
            "room for the predictions and a few batches of EEG",
            "Set TMPDIR to a folder with more room.",
        )
        raise PredictorError(fault) from error


def _check_options(segments: Sequence[SegmentInput], jobs: int | None, batch_segments: int) -> None:
    for name, value in (("jobs", jobs), ("batch_segments", batch_segments)):
        if value is not None and value < 1:
            raise UsageError(Fault(name, f"{value}", "1 or more"))
    ids = [segment.id for segment in segments]
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise UsageError(Fault("segments", f"ids used twice: {shorten(twice)}", "ids that differ"))


def _check_package(spec: PredictorSpec, hidden: Sequence[Path]) -> None:
    """Refuse a package that holds what must stay hidden: its files are copied to where it reads them.

    A second name of a hidden file counts (a hard link); a package that itself lies among the data does not.
    """
    root = spec.folder.resolve()
    files, folders = set(), []
    for path in hidden:
        with suppress(OSError):
            found = path.stat()
            if not S_ISDIR(found.st_mode):
                files.add((found.st_dev, found.st_ino))
            elif path.resolve().is_relative_to(root):
                folders.append(path.resolve())
    names = spec.code_hashes or code_files(spec.folder, spec.listed)
    own = [root / name for name in names]
    own += [spec.setup.weights] if spec.setup.weights is not None else []
    held = []
    for path in own:
        try:
            found = path.stat()
        except OSError:  # gone meanwhile: who copies it says so
            continue
        if (found.st_dev, found.st_ino) in files or any(
            path.resolve().is_relative_to(one) for one in folders
        ):
            held.append(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))
    if held:
        raise PredictorError(
            Fault(
                str(spec.folder),
                f"it holds data or labels that no predictor may read ({shorten(held)})",
                "a folder of code, and data elsewhere",
                "Move the data out of the submission's folder.",
            )
        )


def _check_entry_point(spec: PredictorSpec) -> None:
    where = f"{spec.name}, entry point {spec.entry_point}"
    module, _, made = spec.entry_point.partition(":")
    if not (made.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise PredictorError(Fault(where, "not of the form", "module:Class, as model:Decoder"))
    path = spec.folder.joinpath(*module.split("."))
    if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()):
        there = sorted(file.name for file in spec.folder.glob("*.py"))
        raise PredictorError(
            Fault(
                where,
                f"there is no file {module.replace('.', '/')}.py in {spec.folder}",
                remedy=f"Python files there: {shorten(there) or 'none'}.",
            )
        )


def _check_variant(spec: PredictorSpec) -> None:
    faults = []
    for name, value in spec.setup.options.items():
        try:
            json.dumps(value, default=exchange.as_dict)
        except (TypeError, ValueError) as error:
            where = f"{spec.name}, option {name} of variant {spec.setup.variant}"
            kinds = "numbers, strings, true or false, lists and tables"
            faults.append(Fault(where, f"it holds {error}", kinds))
    raise_all(PredictorError, faults)
