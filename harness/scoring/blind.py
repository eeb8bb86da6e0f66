"""The blind control: what a system scores on EEG from which what was heard has been taken out.

A surrogate is made of every segment. By default its phases are random, one set for all channels (Prichard
and Theiler 1994, Generating surrogate data for time series with several simultaneously measured variables,
Physical Review Letters 73, 951): with X_c(f) the Fourier transform of channel c,

    X'_c(f) = X_c(f) exp(i phi(f)),   phi(f) uniform in [0, 2 pi), the same for every c, for 0 < f < Nyquist

so that every channel keeps its spectrum and its mean, and every pair of channels its covariance at every
lag. When anything happened is gone. A system that decodes the EEG scores as chance would on surrogates; what
a system still scores there, it does not have from the brain.

Where a system reads the spectrum of a segment, random phases leave it what it reads. Of music the surrogate
is therefore EEG of another second of another song, of the same listener: ``another-song``.

The numbers here say what that gives: the blind score, chance for it, and the real score less the blind one,
paired over subjects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import Fault, ShapeError
from harness.scoring.chance import Band, Chance, SubjectChance, chance
from harness.scoring.measures import DEFAULT, DEFAULT_SURROGATES, Measure
from harness.scoring.statistics import one_sided_sign_flip_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.conventions import Array

# The surrogate that is no function of its segment's EEG: another segment's, see `donor`.
ANOTHER_SONG = "another-song"
# Fewer samples leave so few phases that a surrogate may resemble its segment.
LEAST_SAMPLES = 32
# Phases and samples are fixed by the segments' ids, so that a record made again has the same bytes.
SEED = 20240418
# A blind score this many times as far from the middle of its chance as the band's end is: beyond chance. For
# a normal distribution the band ends at 1.96 deviations, and 1 score in 23,000 lies beyond 3.92.
MARGIN = 2.0
# With fewer scores by chance nobody knows where its band ends.
LEAST_CHANCE_SCORES = 100
# Of the paired test. With fewer subjects it cannot say anything at this level, whatever they score.
LEVEL = 0.05
LEAST_SUBJECTS = 5


def phase_randomised(eeg: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    """A surrogate with the spectrum of every channel and the covariance of every two, and other phases.

    Args:
        eeg: (n_times, n_channels), finite; channels may be constant.
        rng: where the phases come from.

    Returns:
        (n_times, n_channels) float32. Mean and Nyquist frequency are as they were; a constant channel is too.

    Raises:
        ShapeError: fewer than ``LEAST_SAMPLES`` samples.
    """
    from scipy.fft import irfft, rfft

    n_times = _check_long_enough(eeg)
    turned = np.ones(n_times // 2 + 1, dtype=np.complex128)
    free = slice(1, (n_times + 1) // 2)
    turned[free] = np.exp(1j * rng.uniform(0.0, 2 * np.pi, len(turned[free])))
    spectrum = rfft(np.ascontiguousarray(eeg.T, dtype=np.float64))
    surrogate: NDArray[np.float32] = irfft(spectrum * turned, n_times).T.astype(np.float32, order="C")
    return surrogate


def time_shuffled(eeg: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    """A surrogate whose samples come in random order, one for all channels.

    For input whose phases do not matter, such as power in bands. Every channel keeps its values, and every
    two channels their covariance at lag 0; spectra are gone.

    Args:
        eeg: (n_times, n_channels).
        rng: where the order comes from.

    Raises:
        ShapeError: fewer than ``LEAST_SAMPLES`` samples.
    """
    shuffled: NDArray[np.float32] = eeg[rng.permutation(_check_long_enough(eeg))].astype(np.float32)
    return shuffled


SURROGATES: Mapping[str, Callable[[Array, np.random.Generator], NDArray[np.float32]]] = {
    DEFAULT_SURROGATES: phase_randomised,
    "times": time_shuffled,
}


def surrogate_of(segment_id: str, eeg: Array, kind: str = DEFAULT_SURROGATES) -> NDArray[np.float32]:
    """The surrogate of a segment; the same segment gives the same.

    Args:
        segment_id: decides what is random.
        eeg: (n_times, n_channels).
        kind: a name of ``SURROGATES``.

    Raises:
        ShapeError: fewer than ``LEAST_SAMPLES`` samples.
    """
    return SURROGATES[kind](eeg, _rng("surrogate", segment_id))


def donor(segment_id: str, stimulus: str, start: int, others: Sequence[tuple[str, int]]) -> int | None:
    """Which other segment of a subject gives its EEG for a segment's surrogate ``another-song``.

    Args:
        segment_id: decides what is random.
        stimulus: what is heard in the segment.
        start: where it begins.
        others: stimulus and start of each of the subject's segments.

    Returns:
        A position in ``others``: another stimulus, and another start where there is one; None where there is
        no other stimulus.
    """
    strange = [place for place, (name, _) in enumerate(others) if name != stimulus]
    later = [place for place in strange if others[place][1] != start]
    choice = later or strange
    return choice[int(_rng("surrogate", segment_id).integers(len(choice)))] if choice else None


def sampled(subject: str, ids: list[str], most: int | None) -> list[str]:
    """Of which of a subject's segments surrogates are asked, in the order given.

    Args:
        subject: decides what is random.
        ids: of its segments.
        most: how many at most; None for all.
    """
    if most is None or most >= len(ids):
        return ids
    chosen = _rng("sample", subject).choice(len(ids), most, replace=False)
    return [ids[place] for place in np.sort(chosen)]


@dataclass(frozen=True)
class BlindSubject:
    """One subject in the blind control.

    Attributes:
        real: (n_segments,) value of the predictions from the EEG, on the segments that have surrogates.
        blind: (n_segments,) value of the predictions from the surrogates, against the same references.
        chance: of the predictions from the surrogates.
    """

    real: NDArray[np.float64]
    blind: NDArray[np.float64]
    chance: SubjectChance


@dataclass(frozen=True)
class Blind:
    """What a system scores without the EEG.

    Attributes:
        value: mean over subjects of the score on surrogates.
        subjects: subject -> its score on surrogates.
        chance: of the predictions from the surrogates.
        segments: how many surrogates there are.
        differences: subject -> its real score less its blind one, over the same segments.
        p: of the one-sided paired test that the difference is above 0; None with fewer than
            ``LEAST_SUBJECTS`` subjects, of whom none could be below ``LEVEL``.
        scores_without_eeg: whether the blind score is beyond chance; None where chance is not known.
        no_evidence: whether the real score is not above the blind one (p above ``LEVEL``); None without p.
    """

    value: float
    subjects: Mapping[str, float]
    chance: Chance
    segments: int
    differences: Mapping[str, float]
    p: float | None
    scores_without_eeg: bool | None
    no_evidence: bool | None


def blind_score(by: Measure, subjects: Mapping[str, BlindSubject], *, frame_rate_hz: float) -> Blind:
    """Put the subjects together: means, chance, the paired test, and what follows.

    Args:
        by: the measure that gave the values.
        subjects: at least one, each with at least one segment.
        frame_rate_hz: frames a second of the feature.
    """
    means = {name: float(one.blind.mean()) for name, one in subjects.items()}
    differences = {name: float(one.real.mean()) - means[name] for name, one in subjects.items()}
    value = float(np.mean(list(means.values())))
    around = chance({name: one.chance for name, one in subjects.items()}, frame_rate_hz=frame_rate_hz)
    p = paired_p(by, list(differences.values()))
    return Blind(
        value=value,
        subjects=means,
        chance=around,
        segments=sum(len(one.blind) for one in subjects.values()),
        differences=differences,
        p=p,
        scores_without_eeg=is_beyond_chance(by, value, around),
        no_evidence=is_no_evidence(p),
    )


def paired_p(by: Measure, differences: Sequence[float]) -> float | None:
    """P of the one-sided paired test that scores are better than blind ones; None with too few subjects.

    Args:
        by: the measure.
        differences: one a subject, its score less its blind one.
    """
    if len(differences) < LEAST_SUBJECTS:
        return None
    return one_sided_sign_flip_test(by.sign * np.asarray(differences))


def is_no_evidence(p: float | None) -> bool | None:
    """Whether a p leaves it open that the EEG adds nothing; None where there is no p."""
    return None if p is None else p > LEVEL


def is_beyond_chance(by: Measure, value: float, around: Chance) -> bool | None:
    """Whether a value is better than chance beyond doubt: ``MARGIN`` times as far as the band's end, or more.

    Chance is that of circular shifts. Mismatched segments do not count: a guess that is the same for every
    segment scores as much against the references of others, and still has it from no EEG.

    Args:
        by: the measure.
        value: mean over subjects.
        around: chance of the same predictions.

    Returns:
        None where there are no circular shifts, or too few of them.
    """
    shifts = around.circular_shifts
    if shifts is None or shifts.scores < LEAST_CHANCE_SCORES:
        return None
    return _is_beyond(by, value, shifts)


def is_common(by: Measure, around: Chance) -> bool:
    """Whether predictions score beyond doubt against references of other segments of the subject.

    What all segments have in common (how they begin, what a memory of the training knows of every place in a
    segment) does not need the EEG of the segment. The mean over mismatched segments is held against the band
    of circular shifts, with the margin of :func:`is_beyond_chance`. Asked of Pearson r only: a measure that
    is not centred over time finds what series have in common anywhere.

    Args:
        by: the measure.
        around: chance of the predictions from the EEG.
    """
    mismatched = around.mismatched_segments
    return (
        by.name == DEFAULT and mismatched is not None and bool(is_beyond_chance(by, mismatched.mean, around))
    )


def _is_beyond(by: Measure, value: float, band: Band) -> bool:
    end = band.high if by.higher_is_better else band.low
    return by.sign * (value - band.mean) > MARGIN * by.sign * (end - band.mean)


def _check_long_enough(eeg: Array) -> int:
    if eeg.ndim != 2 or len(eeg) < LEAST_SAMPLES:
        expected = f"(n_times, n_channels) with {LEAST_SAMPLES} samples or more"
        remedy = "Choose a split with longer segments, or score without controls (--no-controls)."
        raise ShapeError(Fault("EEG of a surrogate", f"shape {eeg.shape}", expected, remedy))
    return len(eeg)


def _rng(what: str, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{SEED} {what} {name}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype="<u4"))
