"""What a run of a predictor is given: the submission, the segments, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.execution.isolation import STRONGEST
from harness.predictor import Setup


@dataclass(frozen=True)
class Run:
    """How a system is run, what it may use, and how it is kept apart.

    A limit that the organiser set lower for the whole harness (``ulimit``) stays as it is.

    Attributes:
        variant: the variant's name; None for the manifest's first.
        seed: of Python's, numpy's and torch's generators in the predictor's process.
        jobs: processes that share the segments, and the machine's cores; None for what fits them.
        seconds: wall clock of the whole run.
        memory_bytes: resident memory of all its processes together.
        cpu_seconds: CPU time of each process; None for the wall clock times the number of cores.
        processes: processes and threads of each worker.
        open_files: of each process.
        file_bytes: size of any one file.
        disk_bytes: what each worker's files may hold together.
        files: how many files and folders each worker may make.
        output_bytes: what each worker may print.
        isolation: ``strongest`` of what works here, or ``bubblewrap``, ``landlock``, ``none``.
        order_seed: of the order in which segments are asked, to ask as an earlier run did; None for a new
            and secret order.
        weights_seed: of several trainings this one; None for the first of them, or the only one.
        surrogates: of how many segments of each subject surrogates are asked too where the run is scored,
            for the blind control; None for all, 0 for none.
        weights_of: another board's weights, as CORPUS or CORPUS/SPLIT; None for those of the task's own.
    """

    variant: str | None = None
    seed: int = 0
    jobs: int | None = None
    seconds: float = 3600.0
    memory_bytes: int = 8 * 2**30
    cpu_seconds: float | None = None
    processes: int = 512
    open_files: int = 1024
    file_bytes: int = 2**28
    disk_bytes: int = 2**30
    files: int = 10_000
    output_bytes: int = 64 * 2**20
    isolation: str = STRONGEST
    order_seed: str | None = None
    surrogates: int | None = None
    weights_seed: int | None = None
    weights_of: str | None = None


DEFAULT_RUN = Run()


@dataclass(frozen=True)
class PredictorSpec:
    """The submission to run.

    Attributes:
        name: of the submission, for messages.
        folder: where its code is; what of it counts as code is copied, and the copy runs.
        entry_point: ``"module:Class"``, the module inside ``folder``.
        setup: what the class is built with.
        listed: files of the folder that are not code: the manifest, and the weights that it lists.
        code_hashes: sha256 of each file of the code by its path in the folder, as it was before; None
            where nobody looked.
        weights_sha256: of ``setup.weights``, as it was before; None where nobody looked.
    """

    name: str
    folder: Path
    entry_point: str
    setup: Setup
    listed: tuple[str, ...] = ()
    code_hashes: Mapping[str, str] | None = None
    weights_sha256: str | None = None


@dataclass(frozen=True)
class SegmentInput:
    """One segment to predict.

    Attributes:
        id: of the segment; stays in this process.
        subject: what the predictor is told of whose EEG it is.
    """

    id: str
    subject: str
