"""The measures that compare predictions with references, by name.

A measure normalises both sides, and its value is their inner product. That one step serves its score
and its chance (circular shifts and mismatched segments, :mod:`harness.scoring.chance`), and it says
where the measure has no value: where a side is all zeros once normalised (a constant series, an empty
segment), the value is 0 and the segment is flagged.

To add one: a function and what normalises, in a module beside ``pearson`` and ``cosine``; an entry in
``MEASURES``; tests of the four kinds (invalid, perfect, independent, golden).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError, SplitError, no_such
from harness.scoring.cosine import angle, check_centre, cosine, cosine_centred, unit_segments
from harness.scoring.pearson import correlate, pearson_r, unit_series

if TYPE_CHECKING:
    from harness.conventions import Array

DEFAULT = "pearson_r"
DEFAULT_SURROGATES = "phases"
_BLOCK = 160_000  # numbers of one side held at once, few enough for the processor's cache


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
        needs_centre: whether the training part's mean must be given.
        function: references and predictions (..., n_frames, n_bands), and the centre where one is
            needed, to (..., n_bands) or, without bands, (...).
        normalise: segments (n_frames, n_bands), and the centre where one is needed, to
            (n_segments, n_bands, n_frames).
        product: normalised references and predictions to (n_segments, n_bands) or (n_segments,).
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
    needs_centre: bool
    function: Callable[..., NDArray[np.float64]]
    normalise: Callable[..., NDArray[np.float64]]
    product: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    surrogates: str = DEFAULT_SURROGATES

    @property
    def heading(self) -> str:
        """The heading of a column of means."""
        return f"mean {self.short}" + (f" ({self.unit})" if self.unit else "")

    @property
    def sign(self) -> int:
        """1, or -1 where lower is better; of values times this, the higher is the better."""
        return 1 if self.higher_is_better else -1


_PEARSON_R = Measure(
    name="pearson_r",
    title="Pearson r",
    short="r",
    range=(-1.0, 1.0),
    higher_is_better=True,
    chance="0 on average; a constant prediction counts 0",
    unit="",
    by_band=True,
    needs_centre=False,
    function=pearson_r,
    normalise=unit_series,
    product=correlate,
)
_COSINE = Measure(
    name="cosine",
    title="cosine",
    short="cosine",
    range=(-1.0, 1.0),
    higher_is_better=True,
    chance="far above 0 where features are positive: the mean of all references already scores high",
    unit="",
    by_band=False,
    needs_centre=False,
    function=cosine,
    normalise=unit_segments,
    product=angle,
)
_COSINE_CENTRED = replace(
    _COSINE,
    name="cosine_centred",
    title="centred cosine",
    short="centred cosine",
    chance="near 0, if the scored part's mean is near the training part's; that mean itself counts 0",
    needs_centre=True,
    function=cosine_centred,
)
MEASURES: Mapping[str, Measure] = {one.name: one for one in (_PEARSON_R, _COSINE, _COSINE_CENTRED)}


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
    """A subject's segments as a measure normalises them, in float32: what chance is worked out from.

    Attributes:
        references: (n_segments, n_bands, n_frames).
        predictions: same shape; zeros where a prediction is missing.
        products: how many products a segment's value is the mean of: n_bands, or 1 without bands.
    """

    references: NDArray[np.float32]
    predictions: NDArray[np.float32]
    products: int


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
    """A comparison, and the normalised segments that it was made from."""

    compared: Compared
    units: Units


def compare(
    by: Measure,
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    centre: Array | None = None,
) -> Compared:
    """Compare a subject's predictions with its references.

    Args:
        by: the measure.
        references: segment id -> (n_frames, n_bands), finite; all of one shape. These are the expected
            segments.
        predictions: segment id -> (n_frames, n_bands), finite; ids may be absent.
        centre: (n_frames, n_bands) or (n_bands,), for a measure that needs one.

    Raises:
        ShapeError: no references, or too few frames; the centre is missing or does not fit; or a
            prediction's shape differs from its reference's, or an id is not expected, or a number is
            not finite (all reported at once).
    """
    _check_shapes(references, predictions)
    return _compare(by, references, predictions, centre, None)


def compare_with_units(
    by: Measure,
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    centre: Array | None = None,
) -> ComparedUnits:
    """:func:`compare`, and keep what chance needs: 8 bytes for each number of the references."""
    n_frames, n_bands = _check_shapes(references, predictions)
    true, made = np.empty((2, len(references), n_bands, n_frames), np.float32)
    compared = _compare(by, references, predictions, centre, (true, made))
    return ComparedUnits(compared, Units(true, made, compared.values.shape[1]))


def _compare(
    by: Measure,
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    centre: Array | None,
    kept: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
) -> Compared:
    """:func:`compare`, a few segments at a time; their normalised form goes to ``kept`` if there is one."""
    n_frames, n_bands = next(iter(references.values())).shape
    if by.by_band and n_frames < 2:
        raise ShapeError(Fault("reference", f"{n_frames} frame", "at least two, for a measure over time"))
    extra = (check_centre(centre, (n_frames, n_bands)),) if by.needs_centre else ()
    ids = list(references)
    values = np.zeros((len(ids), n_bands if by.by_band else 1))
    nothing = np.zeros((n_frames, n_bands))
    undefined: list[str] = []
    undefined_reference: list[str] = []
    size = max(1, _BLOCK // (n_frames * n_bands))
    for start in range(0, len(ids), size):
        block = ids[start : start + size]
        rows = slice(start, start + len(block))
        true = by.normalise([references[segment_id] for segment_id in block], *extra)
        made = by.normalise([predictions.get(segment_id, nothing) for segment_id in block], *extra)
        present = np.array([segment_id in predictions for segment_id in block])
        if not present.all():
            made[~present] = 0.0
        values[rows] = by.product(true, made).reshape(len(block), -1)
        undefined_reference += _undefined(by, block, true, present)
        undefined += _undefined(by, block, made, present)
        if kept is not None:
            kept[0][rows], kept[1][rows] = true, made
    if not np.isfinite(values).all():
        raise ShapeError(*_faults(references, predictions))
    return Compared(values, tuple(undefined), tuple(undefined_reference))


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
    if len(shape) != 2:
        raise ShapeError(Fault("reference", f"shape {shape}", "(n_frames, n_bands)"))
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
