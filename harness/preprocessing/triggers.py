"""Triggers: where they are in the EEG and in the track that was played, and EEG aligned with that track.

SparrKULee's computer played a second track beside every stimulus: a pulse a second, and a last one where the
stimulus ends. The amplifier recorded the pulses in its Status channel, by its own clock. So the pulses say
where the stimulus began, and how much faster one clock runs than the other.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault, counted

Eeg = NDArray[Any]
Places = NDArray[np.int64]
# The trigger lines of a BioSemi Status channel; the higher bits are the amplifier's own state.
TRIGGER_BITS: Final = 0xFFFF
# A pulse of the track is where it exceeds half of full scale.
TRACK_THRESHOLD: Final = 0.5
# Two intervals agree if they differ by this share at most, or by so many samples of the EEG if that is more.
INTERVAL_TOLERANCE: Final = 0.01
INTERVAL_TOLERANCE_SAMPLES: Final = 2
# How long EEG goes on after the last trigger, at least.
TAIL_SECONDS: Final = 2


class StatusTriggers(NamedTuple):
    """Triggers of a Status channel.

    Attributes:
        places: (n_triggers,) the first sample of each.
        rest: the value that the channel has between triggers.
        rest_share: the share of all samples that have it.
    """

    places: Places
    rest: int
    rest_share: float


class Paired(NamedTuple):
    """The EEG's triggers, as many as the track's.

    Attributes:
        places: (n_triggers,) samples of the EEG; the first and the last may be added ones.
        note: what was added or left out, in words; empty where nothing was.
    """

    places: Places
    note: str


class Aligned(NamedTuple):
    """EEG from the first trigger on, by the clock of the stimulus.

    Attributes:
        eeg: (n_channels, n_times).
        drift_ppm: how much faster the EEG's clock runs than the track's, in millionths.
    """

    eeg: Eeg
    drift_ppm: float


def status_triggers(status: NDArray[Any], *, rest_values: tuple[int, int] = (1, 255)) -> StatusTriggers:
    """Triggers of a Status channel: everything that is not the rest value.

    Args:
        status: (n_times,) whole numbers; only the lower 16 bits count.
        rest_values: the rest value is the most frequent one from the first to the last of these.

    Raises:
        CorpusError: no value is among ``rest_values``, or something else is there most of the time: then
            pauses would count as triggers.
    """
    values = np.asarray(status).astype(np.int64) & TRIGGER_BITS
    first, last = rest_values
    counts = np.bincount(values, minlength=last + 1)
    rest = int(counts[first : last + 1].argmax()) + first
    share = float(counts[rest] / max(values.size, 1))
    if share <= 0.5:
        common = int(counts.argmax())
        raise CorpusError(
            Fault(
                "Status channel",
                f"{share:.0%} of the samples at {rest}, the most frequent value from {first} to {last}"
                f" ({counts[common] / max(values.size, 1):.0%} are at {common})",
                "most of them at rest",
                "Set rest_values of the step align_to_triggers in a recipe of your own.",
            )
        )
    return StatusTriggers(_first_samples(values != rest), rest, share)


def track_triggers(track: NDArray[Any]) -> Places:
    """Triggers of the track that was played, (n_triggers,) samples of the track.

    Args:
        track: (n_samples,), full scale 1.
    """
    return _first_samples(np.asarray(track) > TRACK_THRESHOLD)


def pair(
    places: Places, rate_hz: float, track: Places, track_rate_hz: float, onset_seconds: float | None = None
) -> Paired:
    """Make the EEG's triggers as many as the track's: one may be missing, one at sample 0 too many.

    The intervals between the others tell where the missing one belongs; its interval is the track's. If all
    intervals are alike, they fit at both ends: then the onset from events.tsv decides, and without an onset
    the last one is taken to be missing. This departs from the public pipeline, which takes the last one if
    the last two intervals agree, and else the first. On the dataset's own track, whose last interval is
    shorter than the others, that is the wrong end both times, and a trigger that is missing in the middle
    counts as the last.

    Args:
        places: (n,) samples of the EEG.
        rate_hz: of the EEG.
        track: (n_triggers,) samples of the track, at least two.
        track_rate_hz: of the track.
        onset_seconds: when the stimulus began, by the EEG's clock, as far as it is known.

    Raises:
        CorpusError: more than one trigger is missing, or too many are there, or their intervals are not the
            track's.
    """
    if track.size < 2:
        raise CorpusError(Fault("trigger track", f"{track.size} triggers", "at least two"))
    note = ""
    if places.size == track.size + 1 and places[0] == 0:
        places, note = places[1:], "one at sample 0 left out"
    if places.size == track.size:
        return Paired(places, _checked(places, rate_hz, track, track_rate_hz) or note)
    if places.size + 1 != track.size or places.size < 2:
        raise CorpusError(_wrong_count(places, rate_hz, track, track_rate_hz))
    expected = np.diff(track) / track_rate_hz * rate_hz
    first, last = round(expected[0]), round(expected[-1])
    fits = [
        missing
        for missing in range(track.size)
        if _agree(np.diff(places), np.diff(np.delete(track, missing)) / track_rate_hz * rate_hz)
    ]
    if not fits:
        raise CorpusError(_wrong_count(places, rate_hz, track, track_rate_hz))
    at_start, at_end = fits[0] == 0, fits[-1] == track.size - 1
    if not at_start and not at_end:
        return Paired(places, f"one missing inside (number {fits[0] + 1}), which is not needed")
    decided = ""
    if at_start and at_end:
        at_start = onset_seconds is not None and places[0] - onset_seconds * rate_hz > first / 2
        decided = (
            ", by the onset in events.tsv"
            if onset_seconds is not None
            else ", a guess: all intervals are alike"
        )
    if not at_start:
        return Paired(np.append(places, places[-1] + last), f"the last one missing, added{decided}")
    if places[0] < first:
        raise CorpusError(
            Fault(
                "triggers",
                f"the first one missing, {(first - places[0]) / rate_hz:.2f} s before the recording began",
                "the beginning of the stimulus in the recording",
            )
        )
    return Paired(np.insert(places, 0, places[0] - first), f"the first one missing, added{decided}")


def align(eeg: Eeg, rate_hz: float, places: Places, track: Places, track_rate_hz: float) -> Aligned:
    """Align EEG with the track: from the first trigger on, and as long as the track says.

    EEG from the first trigger (included) to the last (excluded) is interpolated linearly, both ends kept, to
    as many samples as the track's triggers are apart. What follows begins one sample after the last trigger,
    and is kept up to one sample before a whole number of seconds from the first trigger, at least two seconds
    past the last.

    Args:
        eeg: (n_channels, n_times) microvolts.
        rate_hz: samples a second.
        places: (n_triggers,) samples of the EEG.
        track: (n_triggers,) samples of the track.
        track_rate_hz: of the track.

    Raises:
        CorpusError: the last trigger is beyond the recording.
    """
    first, last = int(places[0]), int(places[-1])
    if last > eeg.shape[1]:
        raise CorpusError(
            Fault(
                "triggers",
                f"the last one {(last - eeg.shape[1]) / rate_hz:.2f} s after the recording ended",
                "the end of the stimulus in the recording",
            )
        )
    track_seconds = float(track[-1] - track[0]) / track_rate_hz
    n_expected = int(np.ceil(track_seconds * rate_hz))
    n_seconds = np.ceil((last - first) / rate_hz + TAIL_SECONDS)
    n_after = max(round(n_seconds * rate_hz) - 1 - n_expected, 0)
    after = eeg[:, last + 1 : last + 1 + n_after]
    aligned = np.empty((eeg.shape[0], n_expected + after.shape[1]), eeg.dtype)
    recorded, wanted = np.linspace(0, 1, last - first), np.linspace(0, 1, n_expected)
    for row, source in zip(aligned, eeg, strict=True):
        row[:n_expected] = np.interp(wanted, recorded, source[first:last])
    aligned[:, n_expected:] = after
    return Aligned(aligned, drift_ppm(places, rate_hz, track, track_rate_hz))


def drift_ppm(places: Places, rate_hz: float, track: Places, track_rate_hz: float) -> float:
    """How much faster the EEG's clock runs than the track's, in millionths, from first to last trigger."""
    recorded = float(places[-1] - places[0]) / rate_hz
    played = float(track[-1] - track[0]) / track_rate_hz
    return (recorded / played - 1) * 1e6


def _first_samples(active: NDArray[np.bool_]) -> Places:
    return np.flatnonzero(np.diff(active.astype(np.int8), prepend=0) == 1).astype(np.int64)


def _agree(arrived: NDArray[Any], expected: NDArray[Any]) -> bool:
    tolerance = np.maximum(INTERVAL_TOLERANCE * expected, INTERVAL_TOLERANCE_SAMPLES)
    return bool((np.abs(arrived - expected) <= tolerance).all())


def _checked(places: Places, rate_hz: float, track: Places, track_rate_hz: float) -> str:
    """Refuse triggers whose outer intervals are not the track's; a note on inner ones, which do no harm."""
    arrived, expected = np.diff(places), np.diff(track) / track_rate_hz * rate_hz
    differ = [index for index in range(arrived.size) if not _agree(arrived[[index]], expected[[index]])]
    for index, which in ((0, "first"), (arrived.size - 1, "last")):
        if index in differ:
            raise CorpusError(
                Fault(
                    "triggers",
                    f"{arrived[index] / rate_hz:.3f} s between the {which} two",
                    f"{expected[index] / rate_hz:.3f} s as in the trigger track",
                    "One is missing and another was recorded that was not played.",
                )
            )
    if not differ:
        return ""
    are = "is" if len(differ) == 1 else "are"
    return f"{counted(len(differ), 'inner interval')} {are} not the track's, which does no harm"


def _wrong_count(places: Places, rate_hz: float, track: Places, track_rate_hz: float) -> Fault:
    seconds = places / rate_hz
    if places.size > track.size:
        remedy = "It is another stimulus' file, or more was played than events.tsv says."
    else:
        remedy = "The recording was begun late or stopped early, or it is another stimulus' file."
    span = f", from {seconds[0]:.2f} to {seconds[-1]:.2f} s" if places.size else ""
    return Fault(
        "triggers",
        f"{places.size} in the EEG{span}",
        f"{track.size} as in the trigger track, over {float(track[-1] - track[0]) / track_rate_hz:.2f} s",
        remedy,
    )
