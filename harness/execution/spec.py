"""What a run of a predictor is given: the submission, the segments, the limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.predictor import Setup


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes:
        seconds: wall clock of the whole run.
        memory_bytes: resident memory of all its processes together.
    """

    seconds: float = 3600.0
    memory_bytes: int = 8 * 2**30


DEFAULT_LIMITS = Limits()


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
