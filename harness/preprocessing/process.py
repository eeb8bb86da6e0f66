"""Apply a recipe to one raw recording: EEG for each stimulus, and facts for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault, HarnessError, shorten
from harness.preprocessing import recipe as recipes
from harness.preprocessing import steps, triggers
from harness.preprocessing.bids import Event
from harness.preprocessing.read import Listed, RawEeg, opened, read_eeg, read_status
from harness.preprocessing.recipe import Recipe
from harness.preprocessing.stimuli import read_audio

Eeg = NDArray[np.float32]
# The audio, its trigger track and its duration in events.tsv may differ by this much.
LENGTH_TOLERANCE_SECONDS: Final = 1.0
# An EEG channel is called flat below this standard deviation, and wild above this multiple of the median one.
FLAT_MICROVOLT: Final = 0.05
WILD_RATIO: Final = 10.0
# No EEG has more of its samples beyond the limit of peaks, or a median channel that deviates by more.
MOST_PEAKS: Final = 0.5
MOST_MICROVOLT: Final = 5000.0


class StimulusFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the EEG for one stimulus.

    Attributes:
        stimulus: its name.
        seconds: how long the EEG is.
        triggers_found: in the EEG; None without triggers.
        triggers_expected: in the track; None without triggers.
        drift_ppm: how much faster the EEG's clock runs; None without triggers.
        remarks: what was added, left out or odd.
    """

    stimulus: str
    seconds: float = 0.0
    triggers_found: int | None = None
    triggers_expected: int | None = None
    drift_ppm: float | None = None
    remarks: tuple[str, ...] = ()


class StimulusResult(StimulusFacts, frozen=True, kw_only=True):
    """EEG for one stimulus.

    Attributes:
        eeg: (n_channels, n_times) float32, microvolts.
    """

    eeg: Eeg


@dataclass(frozen=True)
class RecordingResult:
    """What a recipe made of one recording.

    Attributes:
        seconds: how long the recording is.
        rate_hz: of the recording.
        channels: names of the EEG channels that were taken, as the recipe calls them.
        dropped_channels: EEG channels of the file that were not.
        bad_channels: name -> why; they are in the result as they are.
        peak_share: the share of samples beyond the limit of a step that looks for peaks.
        artefact_share: the share of samples that a Wiener filter counted as artefact; None without one.
        stimuli: one entry a stimulus.
        remarks: what mne warned of, and how channels were found.
    """

    seconds: float
    rate_hz: float
    channels: tuple[str, ...]
    dropped_channels: tuple[str, ...]
    bad_channels: Mapping[str, str]
    peak_share: float
    artefact_share: float | None
    stimuli: tuple[StimulusResult, ...]
    remarks: tuple[str, ...]


def process(
    path: Path,
    recipe: Recipe,
    events: Sequence[Event],
    scratch: Path,
    *,
    channels: Listed | None = None,
    expected_channels: Sequence[str] = (),
    audio_seconds: Mapping[str, float] | None = None,
    listed_seconds: float | None = None,
) -> RecordingResult:
    """Run a recipe on a recording.

    Args:
        path: the recording.
        recipe: what to do.
        events: what was heard, at least one.
        scratch: an existing folder for unpacked files.
        channels: what channels.tsv says; None where there is none.
        expected_channels: where the recipe names none, these; none to take all.
        audio_seconds: stimulus -> how long its audio is, as far as it is known.
        listed_seconds: how long the recording is by what is said of it; None if nothing is.

    Raises:
        HarnessError: why the recording cannot be used.
        OSError: the scratch folder cannot be written.
    """
    with opened(path, scratch, channels) as raw:
        _check_duration(raw, listed_seconds)
        taken, called, remark = choose_channels(raw, recipe, expected_channels)
        status = None
        cut = _cut_step(recipe)
        if isinstance(cut, recipes.AlignToTriggers):
            status = read_status(raw, cut.channel)
        eeg = read_eeg(raw, taken)
        rate_hz, seconds, bad = raw.rate_hz, raw.seconds, raw.bad_names
        dropped = tuple(name for name in raw.eeg_names if name not in taken)
        remarks = (*raw.remarks, *([remark] if remark else []))
    run = _Run(recipe, called, rate_hz)
    before = recipe.steps[: recipe.steps.index(cut)]
    for step in before:
        eeg = run.apply(step, eeg)
    why_bad = {called[taken.index(name)]: "channels.tsv says so" for name in bad if name in taken}
    looks_bad = bad_channels(eeg, called)
    if any(isinstance(step, recipes.HighPass | recipes.BandPass) for step in before):
        _check_plausible(path.name, eeg, looks_bad, run.peak_share)
    why_bad |= looks_bad
    cuts = _cuts(cut, eeg, status, run.rate_hz, events, audio_seconds or {})
    del eeg, status
    stimuli = []
    for one in cuts:
        made = one.eeg
        run.rate_hz = rate_hz
        for step in recipe.steps[len(before) + 1 :]:
            made = run.apply(step, made)
        stimuli.append(msgspec.structs.replace(one, eeg=made, seconds=made.shape[1] / run.rate_hz))
    return RecordingResult(
        seconds,
        rate_hz,
        tuple(called),
        dropped,
        why_bad,
        run.peak_share,
        run.artefact_share,
        tuple(stimuli),
        (*remarks, *run.remarks),
    )


def _check_duration(raw: RawEeg, listed_seconds: float | None) -> None:
    if listed_seconds is not None and raw.seconds < listed_seconds - LENGTH_TOLERANCE_SECONDS:
        raise CorpusError(
            Fault(
                raw.name,
                f"{raw.seconds:.1f} s",
                f"{listed_seconds:.1f} s, the RecordingDuration of its _eeg.json",
                "It is truncated: copy it again.",
            )
        )


def choose_channels(
    raw: RawEeg, recipe: Recipe, expected: Sequence[str] = ()
) -> tuple[list[str], list[str], str]:
    """Channels as the file names them, as the recipe does, and a remark where they were found by position.

    Raises:
        CorpusError: the file lacks some.
    """
    wanted = list(recipe.channels.names) or list(expected) or list(raw.eeg_names)
    by_lower = {name.lower(): name for name in raw.eeg_names}
    some_named = False
    for names in (wanted, list(recipe.channels.other_names)):
        found = [by_lower.get(name.lower(), "") for name in names]
        if found and all(found):
            return found, wanted, ""
        some_named = some_named or any(found)
    if recipe.channels.by_position and not some_named and len(raw.eeg_names) >= len(wanted):
        remark = f"channels by position: the first {len(wanted)}, called {shorten(raw.eeg_names, 3)}"
        return list(raw.eeg_names[: len(wanted)]), wanted, remark
    lacking = [name for name in wanted if name.lower() not in by_lower]
    if recipe.channels.names:
        expectation = f"the {len(wanted)} of the recipe {recipe.name}"
        remedy = "`--recipe simple` takes whatever EEG channels there are, or write a recipe of your own."
    else:
        expectation = f"the {len(wanted)} of the first recording"
        remedy = "Name the channels that all recordings have under [channels] in a recipe of your own."
    raise CorpusError(
        Fault(
            raw.name,
            f"{len(raw.eeg_names)} EEG channels, without {shorten(lacking)}",
            expectation,
            remedy,
        )
    )


def bad_channels(eeg: Eeg, names: Sequence[str]) -> dict[str, str]:
    """EEG channels that look broken, and why; nothing is changed.

    Args:
        eeg: (n_channels, n_times) microvolts, without slow drifts.
        names: of the EEG channels.
    """
    spread = np.array([float(np.std(row, dtype=np.float64)) for row in eeg])
    usual = float(np.median(spread))
    bad = {}
    for name, value in zip(names, spread, strict=True):
        if value < FLAT_MICROVOLT:
            bad[name] = f"flat ({value:.2g} uV)"
        elif value > WILD_RATIO * usual:
            bad[name] = f"{value:.0f} uV beside a median of {usual:.0f}"
    return bad


def _check_plausible(name: str, eeg: Eeg, bad: Mapping[str, str], peak_share: float) -> None:
    """Refuse what cannot be EEG in microvolts: a wrong unit, or electrodes that nobody wears.

    Raises:
        CorpusError: most of it is beyond the limit of peaks, or no EEG channel has a signal.
    """
    spread = float(np.median([np.std(row, dtype=np.float64) for row in eeg]))
    if peak_share > MOST_PEAKS:
        arrived = f"{peak_share:.0%} of all samples beyond the limit of peaks"
    elif spread < FLAT_MICROVOLT:
        arrived = f"{len([why for why in bad.values() if 'flat' in why])} of {len(eeg)} EEG channels flat"
    elif spread > MOST_MICROVOLT:
        arrived = f"a median deviation of {spread:,.0f} uV"
    else:
        return
    raise CorpusError(
        Fault(
            name,
            f"{arrived}, after the filter",
            "EEG in microvolts",
            "Is its unit what the file says, and did anybody wear the cap?",
        )
    )


class _Run:
    """The steps of one recording, and what they say of it."""

    def __init__(self, recipe: Recipe, channels: Sequence[str], rate_hz: float) -> None:
        self.recipe = recipe
        self.channels = list(channels)
        self.rate_hz = rate_hz
        self.peak_share = 0.0
        self.artefact_share: float | None = None
        self.remarks: list[str] = []

    def apply(self, step: recipes.Step, eeg: Eeg) -> Eeg:
        """One step; faults say which."""
        match step:
            case recipes.HighPass():
                return steps.high_pass(eeg, self.rate_hz, cutoff_hz=step.cutoff_hz, order=step.order)
            case recipes.BandPass():
                return steps.band_pass(
                    eeg, self.rate_hz, low_hz=step.low_hz, high_hz=step.high_hz, order=step.order
                )
            case recipes.FlattenPeaks():
                self.peak_share = steps.flatten_peaks(eeg, beyond_microvolt=step.beyond_microvolt) / eeg.size
            case recipes.BridgePeaks():
                self.peak_share = steps.bridge_peaks(eeg, beyond_microvolt=step.beyond_microvolt) / eeg.size
            case recipes.WienerFilter():
                self._wiener_filter(step, eeg)
            case recipes.AverageReference():
                return steps.average_reference(eeg)
            case recipes.Resample():
                eeg = steps.resample(eeg, self.rate_hz, to_hz=step.to_hz)
                self.rate_hz = step.to_hz
        return eeg

    def _wiener_filter(self, step: recipes.WienerFilter, eeg: Eeg) -> None:
        missing = [name for name in step.reference_channels if name not in self.channels]
        if missing:
            raise CorpusError(
                Fault(
                    "wiener_filter",
                    f"no EEG channel {shorten(missing)}",
                    "all reference_channels of the recipe among its channels",
                )
            )
        cleaned = steps.wiener_filter(
            eeg,
            self.rate_hz,
            reference_channels=[self.channels.index(name) for name in step.reference_channels],
            beyond_mean_power=step.beyond_mean_power,
            widen_seconds=step.widen_seconds,
            delay_samples=step.delay_samples,
        )
        self.artefact_share = max(self.artefact_share or 0.0, cleaned.artefact_share)
        if cleaned.left_out:
            flat = shorten([self.channels[index] for index in cleaned.left_out])
            self.remarks.append(f"flat and left out of the Wiener filter: {flat}")
        if cleaned.artefact_share == 0:
            self.remarks.append("no eye artefact found: the Wiener filter changed nothing")


def _cut_step(recipe: Recipe) -> recipes.AlignToTriggers | recipes.CutAtEvents:
    return next(
        step for step in recipe.steps if isinstance(step, recipes.AlignToTriggers | recipes.CutAtEvents)
    )


def _cuts(
    step: recipes.AlignToTriggers | recipes.CutAtEvents,
    eeg: Eeg,
    status: NDArray[Any] | None,
    rate_hz: float,
    events: Sequence[Event],
    audio_seconds: Mapping[str, float],
) -> list[StimulusResult]:
    """The EEG of each stimulus at the recording's rate."""
    if isinstance(step, recipes.CutAtEvents):
        return [_cut_at(event, eeg, rate_hz, audio_seconds.get(event.stimulus)) for event in events]
    if status is None:
        raise ValueError("triggers without their channel")
    found = triggers.status_triggers(status, rest_values=step.rest_values)
    aligned = []
    for event in events:
        try:
            aligned.append(_aligned(step, event, eeg, found.places, rate_hz, audio_seconds, len(events)))
        except HarnessError as error:
            raise type(error)(
                *(
                    Fault(f"{event.stimulus}: {fault.where}", fault.arrived, fault.expected, fault.remedy)
                    for fault in error.faults
                )
            ) from None
    return aligned


def _aligned(
    step: recipes.AlignToTriggers,
    event: Event,
    eeg: Eeg,
    places: triggers.Places,
    rate_hz: float,
    audio_seconds: Mapping[str, float],
    n_events: int,
) -> StimulusResult:
    if event.track is None:
        raise CorpusError(
            Fault(
                "trigger_file",
                "no trigger track below stimuli/",
                "the track that was played beside the stimulus",
                "`--recipe simple` cuts by the onsets in events.tsv and needs none.",
            )
        )
    (sound, track_rate_hz), _ = read_audio(event.track)
    track_seconds = sound.size / track_rate_hz
    _check_lengths("stimulus", "the trigger track", track_seconds, audio_seconds.get(event.stimulus))
    track = triggers.track_triggers(sound)
    if n_events > 1:
        places = _near(places, event, track, track_rate_hz, rate_hz)
    paired = triggers.pair(places, rate_hz, track, track_rate_hz, event.onset_seconds)
    drift = triggers.drift_ppm(paired.places, rate_hz, track, track_rate_hz)
    # Places are whole samples: two of them may be wrong by one each.
    most = step.most_drift_ppm + 2e6 / max(int(paired.places[-1] - paired.places[0]), 1)
    if abs(drift) > most:
        raise CorpusError(
            Fault(
                "triggers",
                f"clocks that differ by {drift:,.0f} ppm",
                f"at most {most:,.0f}",
                "A trigger is taken for another, or the track is another stimulus'.",
            )
        )
    made = triggers.align(eeg, rate_hz, paired.places, track, track_rate_hz)
    remarks = [f"triggers: {paired.note}"] if paired.note else []
    late = float(track[0]) / track_rate_hz
    if late > 1 / 64:
        remarks.append(f"the first trigger, where the EEG begins, is {late:.3f} s into the stimulus")
    return StimulusResult(
        stimulus=event.stimulus,
        eeg=made.eeg,
        triggers_found=int(places.size),
        triggers_expected=int(track.size),
        drift_ppm=drift,
        remarks=tuple(remarks),
    )


def _near(
    places: triggers.Places, event: Event, track: triggers.Places, track_rate_hz: float, rate_hz: float
) -> triggers.Places:
    """The triggers of one of several stimuli: those around its onset and the length of its track."""
    if event.onset_seconds is None:
        raise CorpusError(
            Fault("events.tsv: onset", "n/a", "the onset of each, where several stimuli are in one recording")
        )
    played = track / track_rate_hz
    margin = float(np.diff(played).min()) / 2 if played.size > 1 else 0.0
    first, last = event.onset_seconds - margin, event.onset_seconds + float(played[-1]) + margin
    chosen: triggers.Places = places[(places >= first * rate_hz) & (places <= last * rate_hz)]
    return chosen


def _cut_at(event: Event, eeg: Eeg, rate_hz: float, audio_seconds: float | None) -> StimulusResult:
    where = f"events.tsv: {event.stimulus}"
    duration = event.duration_seconds if event.duration_seconds is not None else audio_seconds
    if event.onset_seconds is None or duration is None:
        missing = "onset" if event.onset_seconds is None else "duration"
        raise CorpusError(Fault(where, f"{missing} n/a", "seconds, to cut by"))
    _check_lengths(where, "the event", duration, audio_seconds)
    start, n_wanted = round(event.onset_seconds * rate_hz), round(duration * rate_hz)
    made = eeg[:, start : start + n_wanted].copy()
    remarks: tuple[str, ...] = ()
    if made.shape[1] < n_wanted:
        lacking = (n_wanted - made.shape[1]) / rate_hz
        if made.shape[1] < n_wanted / 2:
            raise CorpusError(
                Fault(
                    where,
                    f"{lacking:.1f} of {duration:.1f} s after the recording ended",
                    "the stimulus in the recording",
                )
            )
        remarks = (f"the recording ended {lacking:.2f} s before the stimulus",)
    return StimulusResult(stimulus=event.stimulus, eeg=made, remarks=remarks)


def _check_lengths(where: str, what: str, seconds: float, audio_seconds: float | None) -> None:
    if audio_seconds is not None and abs(seconds - audio_seconds) > LENGTH_TOLERANCE_SECONDS:
        raise CorpusError(
            Fault(
                where,
                f"audio of {audio_seconds:.2f} s, and {what} of {seconds:.2f} s",
                "one length",
                "The audio is another version, or was cut: copy the files that were played.",
            )
        )
