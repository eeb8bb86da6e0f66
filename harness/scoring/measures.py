"""The measures that compare predictions with references, by name.

A measure makes a vector of each side, and its value is their inner product. That one step serves its score
and its chance (circular shifts and mismatched segments, :mod:`harness.scoring.chance`), and it says
where the measure has no value: where a side is all zeros once normalised (a constant series, an empty
segment), the value is 0 and the segment is flagged.

A measure that needs more than the two says so in ``needs``, and finds it in the context.

To add one: a function and what makes the two sides, in a module beside ``pearson`` and ``cosine``; an entry
in ``MEASURES``; tests of the four kinds (invalid, perfect, independent, golden).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError, SplitError, no_such
from harness.scoring.accuracy import agreement, one_hot, song_accuracy
from harness.scoring.context import CENTRE, CLASSIFIER, NOTHING, RECONSTRUCTIONS, Context, Need, stacked
from harness.scoring.cosine import (
    angle,
    check_centre,
    cosine,
    cosine_centred,
    cosine_gain,
    difference,
    gains,
    unit_segments,
)
from harness.scoring.pearson import correlate, pearson_r, unit_series

if TYPE_CHECKING:
    from harness.conventions import Array

DEFAULT = "pearson_r"
DEFAULT_SURROGATES = "phases"
_BLOCK = 160_000  # numbers of one side held at once, few enough for the processor's cache


class Block(NamedTuple):
    """Some of a subject's segments, in order.

    Attributes:
        ids: of the segments.
        references: each (n_frames, n_bands).
        predictions: likewise; zeros where one is missing.
        present: (n_segments,), whether there is a prediction.
        context: what else there is.
    """

    ids: Sequence[str]
    references: Sequence[Array]
    predictions: Sequence[Array]
    present: NDArray[np.bool_]
    context: Context


class Sides(NamedTuple):
    """Both sides of segments, ready for their product.

    Attributes:
        references: (n_segments, n_bands, n_frames), or other axes where the measure has such.
        predictions: same shape.
    """

    references: NDArray[np.float64]
    predictions: NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """What a measure is, for the scorer and for a reader.

    Attributes:
        name: as splits and records write it.
        title: in words: letters, spaces and hyphens.
        short: as columns head it, after "mean".
        range: lowest and highest value there is.
        higher_is_better: which way is better.
        chance: what a system without the brain scores, in a sentence.
        unit: what stands after a value; empty for a plain number.
        by_band: a value for each band, or one for all bands together.
        needs: what it asks of the context.
        function: references and predictions (..., n_frames, n_bands), and the centre where one is
            needed, to (..., n_bands) or, without bands, (...); with a classifier, numbers of songs.
        sides: a block of segments to what is multiplied.
        product: both sides to (n_segments, n_bands) or (n_segments,).
        over_time: whether the last axis of a side is time, so that it can be turned.
        zero_has_value: whether a side of zeros has a value like any other, and flags nothing.
        missing: lowest and highest value that a segment without a prediction can count; 0 for most.
        surrogates: by what EEG the blind control is made for it, a name in :mod:`harness.scoring.blind`.
    """

    name: str
    title: str
    short: str
    range: tuple[float, float]
    higher_is_better: bool
    chance: str
    unit: str
    by_band: bool
    needs: tuple[Need, ...]
    function: Callable[..., NDArray[np.float64]]
    sides: Callable[[Block], Sides]
    product: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    over_time: bool = True
    zero_has_value: bool = False
    missing: tuple[float, float] = (0.0, 0.0)
    surrogates: str = DEFAULT_SURROGATES

    @property
    def heading(self) -> str:
        """The heading of a column of means."""
        return f"mean {self.short}" + (f" ({self.unit})" if self.unit else "")

    @property
    def sign(self) -> int:
        """1, or -1 where lower is better; of values times this, the higher is the better."""
        return 1 if self.higher_is_better else -1


def _series(block: Block) -> Sides:
    return Sides(unit_series(block.references), unit_series(block.predictions))


def _segments(block: Block) -> Sides:
    return Sides(unit_segments(block.references), unit_segments(block.predictions))


def _centred(block: Block) -> Sides:
    centre = _centre(block)
    true, made = (unit_segments(side, centre) for side in (block.references, block.predictions))
    made[~block.present] = 0.0  # what is missing is not zeros less the centre
    return Sides(true, made)


def _gains(block: Block) -> Sides:
    return Sides(unit_segments(block.references), gains(block.predictions, _centre(block)))


def _named(need: Need) -> Callable[[Block], Sides]:
    """The sides of a measure whose classifier is trained on what ``need`` says."""

    def sides(block: Block) -> Sides:
        classifier, heard = block.context.heard(need, block.ids)
        named = classifier.name_of(stacked(block.predictions))
        true, made = (one_hot(numbers, len(classifier.stimuli)) for numbers in (heard, named))
        made[~block.present] = 0.0  # what is missing is no song
        return Sides(true, made)

    return sides


def _centre(block: Block) -> Array:
    return check_centre(block.context.centre, block.references[0].shape)


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            name="pearson_r",
            title="Pearson r",
            short="r",
            range=(-1.0, 1.0),
            higher_is_better=True,
            chance="0 on average; a constant prediction counts 0",
            unit="",
            by_band=True,
            needs=(),
            function=pearson_r,
            sides=_series,
            product=correlate,
        ),
        Measure(
            name="cosine",
            title="cosine",
            short="cosine",
            range=(-1.0, 1.0),
            higher_is_better=True,
            chance="far above 0 where features are positive: the mean of all references already scores high",
            unit="",
            by_band=False,
            needs=(),
            function=cosine,
            sides=_segments,
            product=angle,
        ),
        Measure(
            name="cosine_centred",
            title="centred cosine",
            short="centred cosine",
            range=(-1.0, 1.0),
            higher_is_better=True,
            chance="near 0, if the scored part's mean is near the training part's; that mean itself counts 0",
            unit="",
            by_band=False,
            needs=(CENTRE,),
            function=cosine_centred,
            sides=_centred,
            product=angle,
        ),
        Measure(
            name="cosine_gain",
            title="gain in cosine",
            short="gain in cosine",
            range=(-2.0, 2.0),
            higher_is_better=True,
            chance="0 for the training part's mean, whatever the EEG; below 0 for a guess that is worse",
            unit="",
            by_band=False,
            needs=(CENTRE,),
            function=cosine_gain,
            sides=_gains,
            product=difference,
            zero_has_value=True,
            missing=(-1.0, 1.0),
        ),
        Measure(
            name="song_accuracy",
            title="song accuracy",
            short="song accuracy",
            range=(0.0, 1.0),
            higher_is_better=True,
            chance="one over the number of songs; a constant is always taken for the same song",
            unit="",
            by_band=False,
            needs=(CLASSIFIER,),
            function=song_accuracy,
            sides=_named(CLASSIFIER),
            product=agreement,
            over_time=False,
            zero_has_value=True,
        ),
        Measure(
            name="song_accuracy_reconstructed",
            title="song accuracy by reconstructions",
            short="song accuracy by reconstructions",
            range=(0.0, 1.0),
            higher_is_better=True,
            chance="one over the number of songs; any cue of the song that survives the decoder raises it",
            unit="",
            by_band=False,
            needs=(RECONSTRUCTIONS,),
            function=song_accuracy,
            sides=_named(RECONSTRUCTIONS),
            product=agreement,
            over_time=False,
            zero_has_value=True,
        ),
    )
}


def measure(name: str, where: str = "measures") -> Measure:
    """The measure of this name.

    Args:
        name: as a split writes it.
        where: what an error names as the place.

    Raises:
        SplitError: there is none.
    """
    if name not in MEASURES:
        known = sorted(MEASURES)
        raise SplitError(no_such(where, name, known))
    return MEASURES[name]


@dataclass(frozen=True)
class Units:
    """A subject's segments as a measure multiplies them, in float32: what chance is worked out from.

    Attributes:
        references: (n_segments, n_bands, n_frames), or other axes where the measure has such.
        predictions: same shape; zeros where a prediction is missing, for most measures.
        products: how many products a segment's value is the mean of: n_bands, or 1 without bands.
        over_time: whether the last axis is time.
    """

    references: NDArray[np.float32]
    predictions: NDArray[np.float32]
    products: int
    over_time: bool = True


@dataclass(frozen=True)
class Compared:
    """A subject's predictions beside its references, by one measure.

    Attributes:
        values: (n_segments, n_bands), or (n_segments, 1) for a measure without bands, in the order of
            the references; 0 where a prediction is missing or a side has no value.
        undefined: ids of segments whose prediction has no value in at least one band.
        undefined_reference: ids of segments whose reference has none, where there is a prediction.
    """

    values: NDArray[np.float64]
    undefined: tuple[str, ...]
    undefined_reference: tuple[str, ...]


class ComparedUnits(NamedTuple):
    """A comparison, and the sides that it was made from."""

    compared: Compared
    units: Units


def compare(
    by: Measure,
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    context: Context = NOTHING,
) -> Compared:
    """Compare a subject's predictions with its references.

    Args:
        by: the measure.
        references: segment id -> (n_frames, n_bands), finite; all of one shape. These are the expected
            segments.
        predictions: segment id -> (n_frames, n_bands), finite; ids may be absent.
        context: with what the measure needs.

    Raises:
        ShapeError: no references, or too few frames; what the measure needs is missing or does not fit; or a
            prediction's shape differs from its reference's, or an id is not expected, or a number is
            not finite (all reported at once).
    """
    return compare_with_units(by, references, predictions, context, keep=False).compared


def compare_with_units(
    by: Measure,
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    context: Context = NOTHING,
    *,
    keep: bool = True,
) -> ComparedUnits:
    """:func:`compare`, and keep what chance needs: 8 bytes for each number of the sides.

    Args:
        by: as for :func:`compare`.
        references: likewise.
        predictions: likewise.
        context: likewise.
        keep: whether the sides are kept; else the units are empty.
    """
    n_frames, n_bands = _check_shapes(references, predictions)
    if by.by_band and n_frames < 2:
        raise ShapeError(Fault("reference", f"{n_frames} frame", "at least two, for a measure over time"))
    ids = list(references)
    values = np.zeros((len(ids), n_bands if by.by_band else 1))
    nothing = np.zeros((n_frames, n_bands))
    empty = np.empty((0, 0, 0), np.float32)
    kept = (empty, empty)
    undefined: list[str] = []
    undefined_reference: list[str] = []
    size = max(1, _BLOCK // (n_frames * n_bands))
    for start in range(0, len(ids), size):
        names = ids[start : start + size]
        rows = slice(start, start + len(names))
        present = np.array([segment_id in predictions for segment_id in names])
        block = Block(
            names,
            [references[segment_id] for segment_id in names],
            [predictions.get(segment_id, nothing) for segment_id in names],
            present,
            context,
        )
        true, made = by.sides(block)
        values[rows] = by.product(true, made).reshape(len(names), -1)
        if not by.zero_has_value:
            undefined_reference += _undefined(by, names, true, present)
            undefined += _undefined(by, names, made, present)
        if keep:
            if not kept[0].size:
                first, second = np.empty((2, len(ids), *true.shape[1:]), np.float32)
                kept = (first, second)
            kept[0][rows], kept[1][rows] = true, made
    if not np.isfinite(values).all():
        raise ShapeError(*_faults(references, predictions))
    units = Units(kept[0], kept[1], values.shape[1], by.over_time)
    return ComparedUnits(Compared(values, tuple(undefined), tuple(undefined_reference)), units)


def _undefined(
    by: Measure, ids: Sequence[str], unit: NDArray[np.float64], present: NDArray[np.bool_]
) -> list[str]:
    """The ids of segments that are all zeros once normalised, in a band or as a whole."""
    defined = unit[..., 0] != 0  # the first frame tells nearly all
    if not defined.all():
        defined[~defined] = unit[~defined].any(axis=1)
    whole = defined.all(axis=1) if by.by_band else defined.any(axis=1)
    return [ids[index] for index in np.flatnonzero(~whole & present).tolist()]


def _check_shapes(references: Mapping[str, Array], predictions: Mapping[str, Array]) -> tuple[int, int]:
    """The one shape of a subject's segments, (n_frames, n_bands)."""
    if not references:
        raise ShapeError(Fault("score", "no segment", "at least one"))
    shape = next(iter(references.values())).shape
    shapes = {array.shape for arrays in (references, predictions) for array in arrays.values()}
    if shapes != {shape} or not predictions.keys() <= references.keys():
        raise ShapeError(*_faults(references, predictions))
    if len(shape) != 2 or 0 in shape:
        raise ShapeError(Fault("reference", f"shape {shape}", "(n_frames, n_bands), one or more of each"))
    return shape[0], shape[1]


def _faults(references: Mapping[str, Array], predictions: Mapping[str, Array]) -> list[Fault]:
    """Everything that is wrong with a subject's segments."""
    shape = next(iter(references.values())).shape
    faults = [
        Fault(segment_id, "not an expected segment")
        for segment_id in predictions
        if segment_id not in references
    ]
    for name, arrays in (("reference", references), ("prediction", predictions)):
        for segment_id, array in arrays.items():
            if array.shape != shape:
                faults.append(Fault(f"{segment_id}: {name}", f"shape {array.shape}", f"{shape}"))
            elif not np.isfinite(array).all():
                faults.append(Fault(f"{segment_id}: {name}", "a number that is not finite", "finite numbers"))
    return faults
