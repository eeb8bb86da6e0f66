"""Song accuracy: whether a classifier names the song of a reconstruction.

A classifier is trained on the training part (`harness.scoring.context.Classifier`), given what a system
predicts, and asked which song that is. The share it names rightly is the accuracy; where ten songs are
equally long, one in ten by chance. There is no value for songs that are in no training segment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError


def song_accuracy(heard: Sequence[int], named: Sequence[int]) -> NDArray[np.float64]:
    """Whether each segment's song is named rightly.

    Args:
        heard: (n_segments,) number of the song that was heard.
        named: (n_segments,) number of the song that a prediction is taken for.

    Returns:
        (n_segments,) 1 where they agree, else 0.

    Raises:
        ShapeError: not one of each a segment.
    """
    true, made = np.asarray(heard), np.asarray(named)
    if true.shape != made.shape or true.ndim != 1:
        raise ShapeError(
            Fault("song accuracy", f"shapes {true.shape} and {made.shape}", "one number of a song a segment")
        )
    same: NDArray[np.float64] = np.equal(true, made).astype(np.float64)
    return same


def one_hot(numbers: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Numbers of classes as vectors whose inner product is the accuracy, (n_segments, n_classes, 1)."""
    vectors = np.zeros((len(numbers), n_classes, 1))
    vectors[np.arange(len(numbers)), numbers] = 1.0
    return vectors


def agreement(reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner product of pairs of such vectors, (n_segments, n_classes, 1) -> (n_segments,)."""
    product: NDArray[np.float64] = np.einsum("sct,sct->s", reference, prediction)
    return product
