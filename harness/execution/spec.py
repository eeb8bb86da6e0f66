"""What a run of a predictor is given: the submission, the segments, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.predictor import Setup


@dataclass(frozen=True)
class Run:
    """How a system is run, and what it may use.

    Attributes:
        variant: the variant's name; None for the manifest's first.
        seed: of Python's, numpy's and torch's generators in the predictor's process.
        jobs: processes that share the segments, and the machine's cores.
        seconds: wall clock of the whole run.
        memory_bytes: resident memory of all its processes together.
    """

    variant: str | None = None
    seed: int = 0
    jobs: int = 1
    seconds: float = 3600.0
    memory_bytes: int = 8 * 2**30


DEFAULT_RUN = Run()


@dataclass(frozen=True)
class PredictorSpec:
    """The submission to run.

    Attributes:
        name: of the submission, for messages.
        folder: where its code is; first on the path of its process.
        entry_point: ``"module:Class"``, the module inside ``folder``.
        setup: what the class is built with.
    """

    name: str
    folder: Path
    entry_point: str
    setup: Setup


@dataclass(frozen=True)
class SegmentInput:
    """One segment to predict.

    Attributes:
        id: of the segment; stays in this process.
        subject: what the predictor is told of whose EEG it is.
    """

    id: str
    subject: str
