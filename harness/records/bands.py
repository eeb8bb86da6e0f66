"""Chance as a record has it."""

from __future__ import annotations

import msgspec

from harness.scoring.chance import Band, Chance


class ChanceBand(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of chance gives.

    Attributes:
        low: lower end of the band that holds 95 % of the scores.
        mean: of the scores.
        high: upper end of the band.
        scores: how many there are.
    """

    low: float
    mean: float
    high: float
    scores: int


class ChanceBands(msgspec.Struct, frozen=True, kw_only=True):
    """What the same predictions score against references that are not theirs.

    Attributes:
        circular_shifts: against their own references turned in time; None where segments are too short.
        mismatched_segments: against other segments' references; None where a subject has no two that differ.
    """

    circular_shifts: ChanceBand | None
    mismatched_segments: ChanceBand | None

    @property
    def band(self) -> tuple[float, float] | None:
        """Both kinds together, from the lowest end to the highest; None where there is neither."""
        bands = [band for band in (self.circular_shifts, self.mismatched_segments) if band is not None]
        return (min(band.low for band in bands), max(band.high for band in bands)) if bands else None


def chance_bands(chance: Chance) -> ChanceBands:
    """Both kinds of chance."""
    return ChanceBands(
        circular_shifts=_band(chance.circular_shifts),
        mismatched_segments=_band(chance.mismatched_segments),
    )


def chance_of(bands: ChanceBands) -> Chance:
    """The inverse of :func:`chance_bands`, without further measures."""
    shifts, mismatched = (
        None if one is None else Band(one.low, one.mean, one.high, one.scores)
        for one in (bands.circular_shifts, bands.mismatched_segments)
    )
    return Chance(shifts, mismatched)


def _band(band: Band | None) -> ChanceBand | None:
    return None if band is None else ChanceBand(**band._asdict())
