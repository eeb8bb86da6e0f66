"""Who hears what in the simulated corpus, and where each file of it goes.

Training, validation and test subjects are those of the held-out-subjects split. Test subjects hear
stimuli that nobody else hears. A validation subject hears one training stimulus first, then stimuli that
only validation subjects hear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from harness.conventions import SIMULATED_PREFIX
from harness.corpus.simulated.head import N_EEG_CHANNELS
from harness.corpus.simulated.speech import SAMPLE_RATE_HZ as AUDIO_RATE_HZ
from harness.errors import CorpusError, Fault, raise_all, shorten
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ

SESSION: Final = "ses-simulated01"
EEG_FOLDER: Final = "derivatives/preprocessed_eeg"
FEATURE_FOLDER: Final = "derivatives/preprocessed_stimuli"
AUDIO_FOLDER: Final = "stimuli/eeg"
SUBJECTS: Final = tuple(f"sub-{number:03d}" for number in range(1, 105))
# The held-out-subjects split; every other subject trains.
VALIDATION_NUMBERS: Final = range(27, 43)
TEST_NUMBERS: Final = range(86, 105)
# Shorter stimuli may hold no unvoiced consonant, and have no 26 lags to learn from.
SHORTEST_SECONDS: Final = 5.0
LEAST_SECRET_BYTES: Final = 16
MOST_HOURS: Final = 1000.0  # of training EEG: 30 GB


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes of a simulated corpus, together with the generator's version.

    Attributes:
        seed: of everything random, not negative.
        subjects: ``sub-001`` to ``sub-104`` or some of them; the number decides the part.
        recordings_per_subject: stimuli that one subject hears, each once.
        recording_seconds: length of every stimulus, at least 5. By default four 30 s segments fit after
            cutting to the shortest feature, and one of 10 s into a tenth of a recording.
        n_train_stimuli, n_val_stimuli, n_test_stimuli: distinct stimuli of each part.
        training_recordings: of each training subject, where it is another number than of all others. The
            first ``recordings_per_subject`` stay what they were; each further set of as many hears
            ``n_train_stimuli`` stimuli more.

    Raises:
        CorpusError: the values do not fit together; all faults at once.
    """

    seed: int = 1
    subjects: tuple[str, ...] = SUBJECTS
    recordings_per_subject: int = 2
    recording_seconds: float = 122.0
    n_train_stimuli: int = 10
    n_val_stimuli: int = 3
    n_test_stimuli: int = 4
    training_recordings: int | None = None

    def __post_init__(self) -> None:
        raise_all(CorpusError, list(_faults(self)))

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Names of all stimuli: of training, then validation, then test, then more of training."""
        total = _n_stimuli(self) + (_sets(self) - 1) * self.n_train_stimuli
        return tuple(f"{SIMULATED_PREFIX}_{number:02d}" for number in range(1, total + 1))


def secret_seed(secret: bytes) -> int:
    """The seed of a secret: 256 bits that nobody guesses who has not the secret.

    Args:
        secret: the bytes of the organiser's file.

    Raises:
        CorpusError: fewer than ``LEAST_SECRET_BYTES``.
    """
    if len(secret) < LEAST_SECRET_BYTES:
        remedy = "Make one: head -c 32 /dev/urandom > secret, and keep it where only you can read it."
        raise CorpusError(Fault("secret", f"{len(secret)} bytes", f"{LEAST_SECRET_BYTES} or more", remedy))
    return int.from_bytes(hashlib.sha256(b"seed of a simulated corpus " + secret).digest(), "big")


class PlannedRecording(NamedTuple):
    """Who hears what, as which run (from 1)."""

    subject: str
    run: int
    stimulus: str

    @property
    def path(self) -> str:
        """The EEG file, relative to the corpus."""
        name = (
            f"{self.subject}_{SESSION}_task-listeningActive_run-{self.run:02d}"
            f"_desc-preproc-audio-{self.stimulus}_eeg.npy"
        )
        return f"{EEG_FOLDER}/{self.subject}/{SESSION}/{name}"


def feature_path(stimulus: str, feature: str) -> str:
    """The file of one feature of a stimulus, relative to the corpus."""
    return f"{FEATURE_FOLDER}/{stimulus}_-_{feature}.npy"


def audio_path(stimulus: str) -> str:
    """The audio file of a stimulus, relative to the corpus."""
    return f"{AUDIO_FOLDER}/{stimulus}.npz"


def subject_number(subject: str) -> int:
    """The number in a subject's name: 3 for ``sub-003``."""
    return int(subject.removeprefix("sub-"))


def planned_recordings(recipe: Recipe) -> list[PlannedRecording]:
    """Every recording of a recipe, by subject and run."""
    return [
        PlannedRecording(subject, run, _heard(recipe, subject_number(subject), run))
        for subject in recipe.subjects
        for run in range(1, _n_recordings(recipe, subject_number(subject)) + 1)
    ]


def training_hours(recipe: Recipe) -> float:
    """Hours of EEG of the training subjects."""
    n_recordings = sum(trains(subject_number(one.subject)) for one in planned_recordings(recipe))
    return n_recordings * recipe.recording_seconds / 3600


def recipe_of_hours(hours: float, seed: int | None = None) -> Recipe:
    """The default recipe with about so much EEG in its training part; the other parts stay as they are.

    Args:
        hours: rounded to whole recordings, as many for every training subject.
        seed: of everything random; None for the default recipe's.

    Raises:
        CorpusError: less than one recording of each training subject, or more than ``MOST_HOURS``.
    """
    recipe = Recipe() if seed is None else Recipe(seed=seed)
    one_each = training_hours(replace(recipe, training_recordings=1))
    if not one_each * 0.99 <= hours <= MOST_HOURS:
        remedy = "For less, let a split file name fewer training subjects of the default corpus."
        expected = f"{one_each:.2f}, one recording of each training subject, to {MOST_HOURS:g}"
        raise CorpusError(Fault("--hours", f"{hours:g}", expected, remedy))
    return replace(recipe, training_recordings=round(hours / one_each))


def expected_bytes(recipe: Recipe) -> int:
    """Size of the corpus without file headers and the marker, known before it is made."""
    n_times = round(recipe.recording_seconds * SAMPLE_RATE_HZ)
    n_recordings = len(planned_recordings(recipe))
    float16_eeg = n_recordings * N_EEG_CHANNELS * n_times * 2
    float32_features = n_times * (N_MEL_BANDS + 1) * 4
    int16_audio = round(recipe.recording_seconds * AUDIO_RATE_HZ) * 2
    return float16_eeg + len(recipe.stimuli) * (float32_features + int16_audio)


def trains(number: int) -> bool:
    """Whether the subject of this number is of the training part."""
    return number not in VALIDATION_NUMBERS and number not in TEST_NUMBERS


def _n_recordings(recipe: Recipe, number: int) -> int:
    own = recipe.training_recordings if trains(number) else None
    return own or recipe.recordings_per_subject


def _n_stimuli(recipe: Recipe) -> int:
    """Stimuli of all parts, without those of further training recordings."""
    return recipe.n_train_stimuli + recipe.n_val_stimuli + recipe.n_test_stimuli


def _sets(recipe: Recipe) -> int:
    """Into how many sets of stimuli the training recordings fall."""
    return -(-(recipe.training_recordings or 1) // recipe.recordings_per_subject)


def _heard(recipe: Recipe, number: int, run: int) -> str:
    """The stimulus of a run. Each part's stimuli come in turn, so that all are heard about equally often."""
    n_train, n_val = recipe.n_train_stimuli, recipe.n_val_stimuli
    if number in TEST_NUMBERS:
        place = n_train + n_val + (number + run - 1) % recipe.n_test_stimuli
    elif number in VALIDATION_NUMBERS and run > 1:
        place = n_train + (number + run - 2) % n_val
    else:
        further = (run - 1) // recipe.recordings_per_subject
        first = _n_stimuli(recipe) + (further - 1) * n_train if further else 0
        place = first + (number + run - 1) % n_train
    return recipe.stimuli[place]


def _faults(recipe: Recipe) -> Iterator[Fault]:
    """Everything that is wrong with a recipe."""
    unknown = [subject for subject in recipe.subjects if subject not in SUBJECTS]
    if unknown or not recipe.subjects:
        named = shorten([repr(subject) for subject in unknown]) or "none"
        yield Fault("subjects", named, f"some of {SUBJECTS[0]} to {SUBJECTS[-1]}")
    if len(set(recipe.subjects)) != len(recipe.subjects):
        yield Fault("subjects", "one is named twice", "every subject once")
    if recipe.seed < 0:
        yield Fault("seed", str(recipe.seed), "0 or more")
    if not SHORTEST_SECONDS <= recipe.recording_seconds < float("inf"):
        shortest = f"at least {SHORTEST_SECONDS:g} seconds"
        yield Fault("recording_seconds", f"{recipe.recording_seconds:g}", shortest)
    runs = recipe.recordings_per_subject
    if runs < 1:
        yield Fault("recordings_per_subject", str(runs), "1 or more")
    if recipe.training_recordings is not None and recipe.training_recordings < 1:
        yield Fault("training_recordings", str(recipe.training_recordings), "1 or more")
    for part, least in (("train", max(runs, 1)), ("val", max(runs - 1, 1)), ("test", max(runs, 1))):
        n_stimuli = getattr(recipe, f"n_{part}_stimuli")
        if n_stimuli < least:
            enough = f"at least {least}, or a subject would hear one twice"
            yield Fault(f"n_{part}_stimuli", str(n_stimuli), enough)
