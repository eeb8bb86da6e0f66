"""What a measure may ask for beside references and predictions.

A measure names what it needs (`Measure.needs`); the task and the evaluation put it here before anything is
scored. A measure whose need cannot be met is refused, or where only the system's own answers on the training
part are lacking, as with a file of predictions, not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError, shorten

if TYPE_CHECKING:
    from harness.conventions import Array

Need = Literal["centre", "classifier", "reconstructions"]
CENTRE: Final = "centre"  # the training part's mean
CLASSIFIER: Final = "classifier"  # what names the stimulus of a segment, trained on the training part
RECONSTRUCTIONS: Final = "reconstructions"  # the same, trained on what the system predicts of that part


@dataclass(frozen=True)
class Classifier:
    """What names the stimulus that a segment of a feature belongs to.

    Attributes:
        stimuli: the classes; their position is their number.
        name_of: segments (n, n_frames, n_bands) float32 to the numbers of their classes, (n,) int64.
        trained_on: how many segments it was trained on.
        accuracy: share of the scored part's references that it names rightly.
        segments: how many of these there are, each counted once however many subjects heard it.
    """

    stimuli: tuple[str, ...]
    name_of: Callable[[NDArray[np.float32]], NDArray[np.int64]]
    trained_on: int
    accuracy: float
    segments: int


@dataclass(frozen=True)
class Context:
    """What there is for measures that need more than references and predictions.

    Attributes:
        centre: (n_frames, n_bands) or (n_bands,), the training part's mean.
        stimuli: segment id -> what was heard, for measures with a classifier.
        classifiers: ``classifier`` or ``reconstructions`` -> the classifier trained on that.
    """

    centre: Array | NDArray[np.float64] | None = None
    stimuli: Mapping[str, str] = field(default_factory=dict)
    classifiers: Mapping[str, Classifier] = field(default_factory=dict)

    def heard(self, need: Need, ids: Sequence[str]) -> tuple[Classifier, NDArray[np.int64]]:
        """A classifier, and the numbers of the classes that segments belong to.

        Raises:
            ShapeError: there is no such classifier, or a segment whose stimulus is none of its classes.
        """
        if need not in self.classifiers:
            raise ShapeError(Fault(need, "none", "a classifier, for a measure that needs it"))
        classifier = self.classifiers[need]
        numbers = {stimulus: number for number, stimulus in enumerate(classifier.stimuli)}
        strange = [name for name in ids if self.stimuli.get(name) not in numbers]
        if strange:
            raise ShapeError(
                Fault(
                    f"{need}: {shorten(strange, 3)}",
                    "a stimulus that no class is for",
                    f"one of {shorten(classifier.stimuli)}",
                )
            )
        return classifier, np.array([numbers[self.stimuli[name]] for name in ids], np.int64)


NOTHING = Context()


def stacked(segments: Sequence[Any]) -> NDArray[np.float32]:
    """Segments of one shape as one array, (n, n_frames, n_bands) float32."""
    return np.stack([np.asarray(segment, np.float32) for segment in segments])
