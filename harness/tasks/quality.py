"""What is wrong with the EEG of each recording: channels, numbers, lengths, and whether it fits its feature.

Nothing is mended here. Each check says what it saw; the limits are constants below, with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus.base import Corpus, Recording, with_frame_rates
from harness.errors import counted, shorten
from harness.tasks.alignment import Alignment, Moments, alignment, moments

Array = NDArray[Any]

FLAT_SHARE = 1e-3
"""A channel is flat whose deviation is this share of the median channel's, or less."""

WILD_FACTOR = 10.0
"""A channel is wildly scaled whose deviation is so many times the median channel's, or more.

Of the 640 channels of ten DTU subjects none is beyond 7; the broken one of S11 is at 50 to 90.
"""

WEAK_SHARE = 0.02
"""A channel is wildly scaled, too, whose deviation is this share of the median channel's, or less.

Of DTU's and SparrKULee's channels none is below 0.49.
"""

STILL_SECONDS = 0.5
"""A stretch stands still where a channel keeps one value for so long: an electrode or a link that was off."""

APART_FACTOR = 100.0
"""A recording is scaled apart whose median channel is so many times the corpus's, or this share of it.

Units are a thousand apart; the median channels of DTU's recordings are within 2.8 times.
"""

CLEAR_Z = 10.0
"""Where the median recording answers its feature so clearly, one that shows no answer may belong to another.

The 50 s of DTU's recordings have a median of 2.0, two minutes of SparrKULee have 3.4: there, none is named.
"""

CLIPPED_RUN = 4
"""A stretch is clipped where a channel stays at its own highest or lowest value for so many samples."""

_MAINS_HZ = (50.0, 60.0)
_LINE_DB = 10.0
_LONGER_SHARE = 0.001  # of a recording, and at least a sample


@dataclass(frozen=True)
class Quality:
    """What was seen in one recording.

    Attributes:
        recording: its id.
        seconds: of the EEG.
        flat: channels without a signal, by name.
        wild: channel -> how many times the median channel's deviation it has.
        clipped: channel -> share of its samples that are in clipped stretches.
        still: channel -> share of its samples that are in stretches of one value, where it is not flat.
        not_finite: channel -> numbers that are NaN or infinite.
        line_db: mains frequency -> power there over that beside it, the highest of all channels, dB; without
            those at or beyond half the sampling rate.
        scale: the median channel's deviation, in the files' unit.
        scaled_by: how many times the corpus's median that is, where it is far from it.
        odd_features: feature -> what is odd about it.
        longer_by: feature -> seconds that the EEG is longer (negative: shorter).
        alignment: None where there is no feature, too little EEG, or numbers that are not finite.
        others_z: where no answer to the feature is found, and the corpus's other recordings show it: their
            median z.
        stretches: what it was found from, for the alignment of the whole subject.
    """

    recording: str
    seconds: float
    flat: tuple[str, ...] = ()
    wild: Mapping[str, float] = field(default_factory=dict)
    clipped: Mapping[str, float] = field(default_factory=dict)
    still: Mapping[str, float] = field(default_factory=dict)
    not_finite: Mapping[str, int] = field(default_factory=dict)
    line_db: Mapping[str, float] = field(default_factory=dict)
    scale: float = 0.0
    scaled_by: float | None = None
    odd_features: Mapping[str, str] = field(default_factory=dict)
    longer_by: Mapping[str, float] = field(default_factory=dict)
    alignment: Alignment | None = None
    others_z: float | None = None
    stretches: tuple[Moments, ...] = field(default=(), repr=False, compare=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should look at, most urgent first; empty where nothing was found."""
        said = []
        if self.not_finite:
            total = sum(self.not_finite.values())
            said.append(f"{counted(total, 'number')} not finite, in {shorten(list(self.not_finite))}")
        if self.flat:
            said.append(f"flat: {shorten(list(self.flat))}")
        if self.wild:
            worst = [f"{name} ({_factor(factor)} times the median)" for name, factor in self.wild.items()]
            said.append(f"wildly scaled: {shorten(worst)}")
        if self.scaled_by is not None:
            said.append(f"all of it scaled {_factor(self.scaled_by)} times as the corpus's other recordings")
        if self.still:
            worst = [f"{name} ({100 * share:.1f} %)" for name, share in self.still.items()]
            said.append(f"standing still: {shorten(worst)}")
        if self.clipped:
            worst = [f"{name} ({100 * share:.1f} %)" for name, share in self.clipped.items()]
            said.append(f"clipped: {shorten(worst)}")
        said += [f"{name}: {what}" for name, what in self.odd_features.items()]
        noisy = {hertz: power for hertz, power in self.line_db.items() if power > _LINE_DB}
        said += [f"{power:.0f} dB of line noise at {hertz} Hz" for hertz, power in noisy.items()]
        if self.alignment is not None and self.alignment.shifted:
            said.append(shift_words(self.alignment))
        if self.alignment is not None and self.others_z is not None:
            said.append(
                f"{self.alignment.feature}: no answer to it (z {self.alignment.z:.1f}), which the corpus's"
                f" other recordings show (z {self.others_z:.1f}): is it what was heard?"
            )
        return tuple(said)


def quality(recording: Recording, corpus: Corpus, *, feature: str | None = None) -> Quality:
    """Look at one recording.

    Args:
        recording: of the corpus.
        corpus: whose declaration says rates and channel names.
        feature: as in :func:`corpus_quality`.
    """
    declaration = corpus.declaration
    rate = declaration.sample_rate_hz
    recording = with_frame_rates(recording, declaration)
    eeg = recording.eeg_series.read(0, recording.eeg_series.n_times).astype(np.float64)
    names = list(declaration.channel_names) or [f"{k + 1}" for k in range(eeg.shape[1])]
    finite = np.isfinite(eeg)
    bad = (~finite).sum(axis=0)
    clean = np.where(finite, eeg, 0.0)
    name = feature or _best_feature(recording)
    target = None if bad.any() else _at_rate_of_eeg(recording, name, len(eeg))
    stretches = [] if target is None else moments(clean[: len(target)], target, rate)
    seen = channel_quality(clean, names, rate)
    seen["still"] = {name: share for name, share in seen["still"].items() if not bad[names.index(name)]}
    return Quality(
        recording=recording.id,
        seconds=len(eeg) / rate,
        **seen,
        odd_features=dict(_odd_features(recording)),
        not_finite={names[k]: int(bad[k]) for k in range(len(bad)) if bad[k]},
        line_db=line_noise(clean, rate),
        longer_by=dict(_differences(recording, len(eeg), rate)),
        alignment=alignment(stretches, rate, name),
        stretches=tuple(stretches),
    )


def channel_quality(eeg: Array, names: Sequence[str], sample_rate_hz: float) -> dict[str, Any]:
    """Flat, wildly scaled, clipped and still channels.

    Args:
        eeg: (n_times, n_channels), finite.
        names: of the channels.
        sample_rate_hz: samples a second.

    Returns:
        ``flat``, ``wild``, ``clipped``, ``still`` and ``scale``, as in :class:`Quality`.
    """
    deviation = eeg.std(axis=0)
    working = deviation[deviation > 0]
    median = float(np.median(working)) if len(working) else 0.0
    flat = deviation <= FLAT_SHARE * median
    wild = ~flat & ((deviation >= WILD_FACTOR * median) | (deviation <= WEAK_SHARE * median))
    n_still = max(CLIPPED_RUN, round(STILL_SECONDS * sample_rate_hz))
    held = {name: still_share(eeg[:, k], n_still) for k, name in enumerate(names) if not flat[k]}
    shares = {name: clipped_share(eeg[:, k]) for k, name in enumerate(names) if not flat[k]}
    return {
        "flat": tuple(name for name, is_flat in zip(names, flat, strict=True) if is_flat),
        "wild": {names[k]: float(deviation[k] / median) for k in range(len(names)) if wild[k]},
        "clipped": {name: share for name, share in shares.items() if share},
        "still": {name: share for name, share in held.items() if share},
        "scale": median,
    }


def clipped_share(channel: Array) -> float:
    """The share of samples in stretches of ``CLIPPED_RUN`` or more at the highest or the lowest value.

    Args:
        channel: (n_times,), finite.
    """
    clipped = 0
    for extreme in (channel.max(), channel.min()):
        at = np.concatenate([[False], channel == extreme, [False]])
        edges = np.flatnonzero(np.diff(at.astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        clipped += int(runs[runs >= CLIPPED_RUN].sum())
    return clipped / len(channel)


def still_share(channel: Array, n_least: int) -> float:
    """The share of samples in stretches of one value that are neither the highest nor the lowest of all.

    Args:
        channel: (n_times,), finite.
        n_least: samples of a stretch.
    """
    edges = np.flatnonzero(np.diff(channel)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(channel)]]))
    inner = (channel[starts] != channel.max()) & (channel[starts] != channel.min())
    return float(lengths[inner & (lengths >= n_least)].sum()) / len(channel)


def line_noise(eeg: Array, sample_rate_hz: float) -> dict[str, float]:
    """Power at each mains frequency over that 2 to 4 Hz beside it, the highest of all channels, in dB.

    Args:
        eeg: (n_times, n_channels), finite.
        sample_rate_hz: frequencies less than 4 Hz below half of it, or above, are left out.

    Returns:
        "50" and "60", those that can be seen; empty for less than two seconds.
    """
    from scipy.signal import welch

    length = round(2 * sample_rate_hz)
    if len(eeg) < length:
        return {}
    seen = [hertz for hertz in _MAINS_HZ if hertz + 4 < sample_rate_hz / 2]
    if not seen:
        return {}
    frequencies, power = welch(eeg, fs=sample_rate_hz, nperseg=length, axis=0)
    found = {}
    for hertz in seen:
        distance = np.abs(frequencies - hertz)
        at = power[distance <= 1].max(axis=0)
        beside = np.median(power[(distance >= 2) & (distance <= 4)], axis=0)
        ratio = at[beside > 0] / beside[beside > 0]
        found[f"{hertz:g}"] = float(10 * np.log10(ratio.max())) if len(ratio) else 0.0
    return found


def _best_feature(recording: Recording) -> str:
    """The envelope, which linear decoders read best, or the recording's first feature."""
    names = list(recording.feature_series)
    return "envelope" if "envelope" in names else next(iter(names), "")


def _at_rate_of_eeg(recording: Recording, name: str, n_times: int) -> Array | None:
    """A feature with a value for each sample of EEG, its bands averaged; None where that cannot be."""
    if name not in recording.feature_series:
        return None
    series = recording.feature_series[name]
    values = series.read(0, series.n_times).astype(np.float64)
    ratio = float(recording.frames_per_sample.get(name, 1))
    if not len(values) or not np.isfinite(values).all() or not ratio:  # 0: a split decides how many frames
        return None
    scale = values.std(axis=0)
    mean = ((values - values.mean(axis=0)) / np.where(scale > 0, scale, 1)).mean(axis=1)
    shorter = min(n_times, int(len(mean) / ratio))
    return np.asarray(np.interp(np.arange(shorter) * ratio, np.arange(len(mean)), mean))


def _odd_features(recording: Recording) -> Iterator[tuple[str, str]]:
    """Features with numbers that are not finite, or with one value only."""
    for name, series in recording.feature_series.items():
        values = series.read(0, series.n_times)
        n_broken = int((~np.isfinite(values)).sum())
        if n_broken:
            yield name, f"{counted(n_broken, 'number')} not finite"
        elif len(values) and (values == values[:1]).all():
            yield name, "the same at all times"


def _differences(recording: Recording, n_times: int, sample_rate_hz: float) -> Iterator[tuple[str, float]]:
    """Features that are longer or shorter than the EEG by a thousandth and by more than a sample."""
    for name, series in recording.feature_series.items():
        ratio = float(recording.frames_per_sample.get(name, 1))
        if ratio == 0:
            continue
        longer = n_times - series.n_times / ratio
        if abs(longer) > max(1, _LONGER_SHARE * n_times):
            yield name, longer / sample_rate_hz


@dataclass(frozen=True)
class CorpusQuality:
    """What was seen in a corpus.

    Attributes:
        recordings: one for each, in the corpus's order.
        subjects: subject -> the alignment of all its recordings together, where there is one.
    """

    recordings: tuple[Quality, ...]
    subjects: Mapping[str, Alignment]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should look at: a line for each recording and subject with a remark."""
        lines = [f"{one.recording}: {'; '.join(one.remarks)}" for one in self.recordings if one.remarks]
        lines += [f"{subject}: {shift_words(one)}" for subject, one in self.subjects.items() if one.shifted]
        return tuple(lines)


def corpus_quality(
    corpus: Corpus, *, feature: str | None = None, on_progress: Progress | None = None
) -> CorpusQuality:
    """Look at every recording of a corpus, one in memory at a time, and at each subject's together.

    Args:
        corpus: opened.
        feature: against which alignment is looked for; None for the envelope, or the first that there is.
        on_progress: told (done, total).
    """
    seen: list[Quality] = []
    subjects: dict[str, Alignment] = {}
    stretches: list[Moments] = []
    recordings = corpus.recordings
    for done, recording in enumerate(recordings, start=1):
        one = quality(recording, corpus, feature=feature)
        stretches += one.stretches
        seen.append(replace(one, stretches=()))
        if done == len(recordings) or recordings[done].subject != recording.subject:
            found = alignment(stretches, corpus.declaration.sample_rate_hz)
            if found is not None:
                subjects[recording.subject] = found
            stretches = []
        if on_progress:
            on_progress(done, len(recordings))
    return CorpusQuality(_without_answer(_scaled_apart(seen)), subjects)


def _scaled_apart(seen: Sequence[Quality]) -> tuple[Quality, ...]:
    """Recordings, those whose scale is far from the others' marked; two cannot say which is right."""
    scales = [one.scale for one in seen if one.scale > 0]
    if len(scales) < 3:
        return tuple(seen)
    usual = float(np.median(scales))
    return tuple(
        replace(one, scaled_by=one.scale / usual)
        if one.scale > 0 and not 1 / APART_FACTOR < one.scale / usual < APART_FACTOR
        else one
        for one in seen
    )


def _without_answer(seen: Sequence[Quality]) -> tuple[Quality, ...]:
    """Recordings, those marked that do not answer their feature where most of the others do clearly."""
    scores = [one.alignment.z for one in seen if one.alignment is not None]
    usual = float(np.median(scores)) if len(scores) >= 3 else 0.0
    if usual < CLEAR_Z:
        return tuple(seen)
    return tuple(
        replace(one, others_z=usual) if one.alignment is not None and not one.alignment.found else one
        for one in seen
    )


def quality_json(found: CorpusQuality) -> dict[str, Any]:
    """What was seen, as plain JSON values."""
    recordings = [
        {**_plain(one), "alignment": one.alignment and _plain(one.alignment), "remarks": list(one.remarks)}
        for one in found.recordings
    ]
    subjects = {subject: _plain(one) for subject, one in found.subjects.items()}
    return {"recordings": recordings, "subjects": subjects, "remarks": list(found.remarks)}


def quality_text(found: CorpusQuality) -> str:
    """What was seen: a table of recordings, one of subjects, and what to look at."""
    from tabulate import tabulate

    rows = [_row(one) for one in found.recordings]
    headers = [
        "recording",
        "seconds",
        "flat",
        "wild",
        "clipped",
        "still",
        "not finite",
        "line noise",
        "EEG longer by",
    ]
    parts = [tabulate(rows, [*headers, "fits at"], disable_numparse=True)]
    if found.subjects:
        fits = [[subject, f"{one.r:.3f}", _fit(one)] for subject, one in found.subjects.items()]
        parts.append(tabulate(fits, ["subject, all recordings", "r", "fits at"], disable_numparse=True))
    remarks = found.remarks
    parts.append("\n".join(f"look at {line}" for line in remarks) if remarks else "nothing to look at")
    return "\n\n".join(parts)


def _factor(number: float) -> str:
    return f"{number:.0f}" if number >= 1 else f"{number:.2g}"


def shift_words(found: Alignment) -> str:
    """An alignment that is none, in words."""
    what = f" for {found.feature}" if found.feature else ""
    return f"EEG {abs(found.lag_ms):.0f} ms {'early' if found.lag_ms < 0 else 'late'}{what}"


def _plain(found: Quality | Alignment) -> dict[str, Any]:
    """The fields of what was seen, but for what it was found from and what pictures show."""
    return {key: value for key, value in asdict(found).items() if key not in ("stretches", "curve")}


def _row(one: Quality) -> list[str]:
    noise = ", ".join(f"{power:.0f} dB at {hertz} Hz" for hertz, power in one.line_db.items())
    longer = ", ".join(f"{name} {seconds:+.2f} s" for name, seconds in one.longer_by.items())
    counts = (one.flat, one.wild, one.clipped, one.still)
    return [
        one.recording,
        f"{one.seconds:.1f}",
        *(f"{len(channels)}" for channels in counts),
        f"{sum(one.not_finite.values())}",
        noise or "cannot be seen",
        longer or "0 s",
        _fit(one.alignment),
    ]


def _fit(found: Alignment | None) -> str:
    if found is None:
        return "not looked for"
    return f"{found.lag_ms:+.0f} ms (z {found.z:.1f})" if found.found else f"cannot be told (z {found.z:.1f})"
