"""Score records: one system on one board, as a value that says where the number comes from.

A record is valid against ``harness/schemas/score-record.json``; its fields have the schema's names and
order. ``harness.records.build`` makes one of a score, and ``harness.records.document`` reads and writes it as
JSON.

A field that later versions add is ``UNSET`` where a file does not have it, and is then not written: old
files keep their bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from harness.conventions import DEFAULT_VARIANT
from harness.errors import Fault, shorten
from harness.records.bands import ChanceBands
from harness.records.controls import Controls
from harness.records.measured import Measured, MeasureResult
from harness.records.stimuli import SeenAndUnseen
from harness.records.without_brain import WithoutBrain
from harness.schemas.validate import schema
from harness.scoring.measures import DEFAULT, measure

RECORD_VERSION = 1
HELD_BACK = "held back"
COMMON = "common to segments"
MOST_RECORD_BYTES = 8 << 20
MOST_SHOWN = 60  # characters of a name that is refused
# How far a training record is to be believed, best first; see harness.submission.training_record.
VERIFIED, DECLARED, TAMPERED = TRAINING_STATUSES = ("verified", "declared", "tampered")
# So many excluded channels, and so many characters, stand in a file's name; of more, their number and a hash.
_MOST_IN_STEM, _MOST_STEM = 8, 40
# Fields that two runs of the same inputs may differ in.
VOLATILE = ("run", "git")


class SubjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """One subject's score.

    Attributes:
        pearson_r: mean over segments and bands.
        bands: (n_bands,) means over segments.
        segments: how many were expected.
        missing: ids of segments without a prediction; each counts 0.
        constant: ids of segments with a constant prediction; each such band counts 0.
    """

    pearson_r: float
    bands: tuple[float, ...]
    segments: int
    missing: tuple[str, ...]
    constant: tuple[str, ...]


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader must know before trusting the mean.

    Attributes:
        partial: whether subjects or stimuli of the part were not in the corpus.
        subjects_missing: their ids.
        segments_missing: how many segments have no prediction.
        segments_constant: how many have a constant one.
        references_constant: ids of segments whose reference is constant.
        stimuli_missing: stimuli of the part that were not in the corpus; absent where all were.
    """

    partial: bool
    subjects_missing: tuple[str, ...]
    segments_missing: int
    segments_constant: int
    references_constant: tuple[str, ...]
    stimuli_missing: tuple[str, ...] | UnsetType = UNSET


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the systems that an ensemble averages; ``seed`` tells several trainings of it apart."""

    name: str
    version: str
    variant: str
    code_sha256: str
    weights_sha256: str | None
    seed: int | None = None

    @property
    def title(self) -> str:
        """The name, with the variant in brackets where it has one of its own, and the seed."""
        return _title(self.name, self.variant) + _of_seed(self.seed)


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """Which training of a system its weights are.

    Attributes:
        seed: of this one of several; None where a training draws nothing at random, and there is one only.
        recipe_sha256: of recipe, split and data, which are the same for all seeds of a system.
    """

    seed: int | None
    recipe_sha256: str


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose training part the weights were trained on, where that is not the board's own.

    Attributes:
        corpus: its name.
        split: its name.
    """

    corpus: str
    split: str

    @property
    def words(self) -> str:
        """As titles have it: "transfer from dtu/dtu"."""
        return f"transfer from {self.corpus}/{self.split}"


# What tells two systems of a board apart: kind, name, variant, transfer, excluded channels.
Identity = tuple[str, str, str | None, Transfer | None, tuple[str, ...]]


class System(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was scored: a variant of a submission, or predictions that were handed in.

    Attributes:
        name: of the submission, or of the predictions file without its suffix.
        kind: "submission" or "predictions".
        version: the manifest's; None for predictions, as the two that follow.
        variant: of the submission.
        code_sha256: of everything that decides a prediction but the weights.
        weights_sha256: of the weights file; None where there is none.
        predictions_sha256: of the predictions that were handed in; None for a submission.
        training: which of several trainings, or that there can be one only; None where that is not known.
        ablation_of: the variant that this one is an ablation of; None where it is a system of its own.
        members: of an ensemble, in its order; else empty.
        transfer: whose weights these are, where they are another board's; else None.
        channels_excluded: EEG channels that were zero in all that it was given, beside those that the split
            excludes, by name, or by number from 1; none where all were given.
    """

    name: str
    kind: str
    version: str | None
    variant: str | None
    code_sha256: str | None
    weights_sha256: str | None
    predictions_sha256: str | None
    training: Training | None = None
    ablation_of: str | None = None
    members: tuple[Member, ...] = ()
    transfer: Transfer | None = None
    channels_excluded: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name; in brackets a variant of its own, and whatever else tells it from the system as it is."""
        marks = [] if self.variant in (None, DEFAULT_VARIANT) else [str(self.variant)]
        if self.transfer is not None:
            marks.append(self.transfer.words)
        if self.channels_excluded:
            marks.append(f"without {channels_words(self.channels_excluded)}")
        return f"{self.name} ({', '.join(marks)})" if marks else self.name

    @property
    def identity(self) -> Identity:
        """What tells it from other systems of a board; seeds of one system have it in common."""
        return self.kind, self.name, self.variant, self.transfer, self.channels_excluded

    @property
    def seed(self) -> int | None:
        """Of its training, where it is one of several; else None."""
        return self.training.seed if self.training else None

    @property
    def title_with_seed(self) -> str:
        """The title, and the seed where it is one of several trainings."""
        return self.title + _of_seed(self.seed)

    @property
    def stem(self) -> str:
        """The name of its record's file, without suffix."""
        stem = self.name if self.variant in (None, DEFAULT_VARIANT) else f"{self.name}-{self.variant}"
        return stem + self.suffix

    @property
    def suffix(self) -> str:
        """What follows name and variant in the names of files: transfer, excluded channels, seed."""
        suffix = ""
        if self.transfer is not None:
            suffix += f".from-{self.transfer.corpus}.{self.transfer.split}"
        if self.channels_excluded:
            suffix += f".without-{channels_stem(self.channels_excluded)}"
        return suffix if self.seed is None else f"{suffix}.seed-{self.seed}"


class SplitPart(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a split that was scored.

    Attributes:
        name: of the split.
        sha256: of the split.
        part: train, val or test.
        segment_seconds: length of a segment.
        measures: what the split is scored by, the first ranks; absent for Pearson r alone.
        flag: what a reader of the split's scores must know; absent where nothing is wrong.
        channels_excluded: EEG channels that the split excludes for every system; absent for none.
    """

    name: str
    sha256: str
    part: str
    segment_seconds: int | float
    measures: tuple[str, ...] | UnsetType = UNSET
    flag: str | UnsetType = UNSET
    channels_excluded: tuple[str, ...] | UnsetType = UNSET


class CorpusData(msgspec.Struct, frozen=True, kw_only=True):
    """The data that the score rests on.

    Attributes:
        name: of the corpus.
        kind: "real" or "simulated".
        fingerprint: of the EEG and references of all segments.
        declaration_sha256: of what the corpus declares itself to be, where it does not come with the harness.
        labels: "held back" where nobody but the organiser has them; absent where they are public.
    """

    name: str
    kind: str
    fingerprint: str
    declaration_sha256: str | UnsetType = UNSET
    labels: str | UnsetType = UNSET

    @property
    def is_held_back(self) -> bool:
        """Whether nobody but the organiser has the labels."""
        return self.labels == HELD_BACK


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the scored subjects and stimuli the weights were trained on."""

    subjects_seen: int
    subjects: int
    stimuli_seen: int
    stimuli: int


class GitCommit(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that was checked out, and whether files differed from it."""

    commit: str
    dirty: bool


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Time and host of the run.

    Attributes:
        finished: UTC, ISO 8601.
        seconds: inside predict; None for predictions that were handed in.
        times_faster_than_real_time: seconds of EEG for each of these; None likewise.
        machine: system and architecture.
        processors: how many it has.
        isolation: what kept the predictor apart: ``bubblewrap``, ``landlock`` or ``none``; absent for
            predictions that were handed in, and where a submission's were made by another job.
        order_seed: of the order in which segments were asked, secret while the run lasted; absent likewise.
        gpu: true where device files of graphics processors were handed through the isolation; else absent.
        hub: where the submission was fetched from on Hugging Face's hub, owner/name@commit; else absent.
        training: how far the records of training are to be believed on this machine: ``verified``, signed by
            it; ``declared``, the author's word; ``tampered``, changed since it signed them; absent without.
        training_seal: by which the machine that calls them verified knows its word again.
    """

    finished: str
    seconds: float | None
    times_faster_than_real_time: float | None
    machine: str
    processors: int
    isolation: str | UnsetType = UNSET
    order_seed: str | UnsetType = UNSET
    gpu: bool | UnsetType = UNSET
    hub: str | UnsetType = UNSET
    training: str | UnsetType = UNSET
    training_seal: str | UnsetType = UNSET


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One system on one part of one split of one corpus.

    Attributes:
        record_version: of the schema.
        score: mean Pearson r over subjects.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one subject.
        chance: what the predictions score by chance.
        bands: (n_bands,) mean Pearson r over subjects.
        measures: name of the split's every measure but Pearson r -> the score by it; absent without any. One
            that needs the system's answers on the training part is not here where there are none.
        subjects: subject -> its score.
        flags: what is missing or constant.
        submission: what was scored.
        split: on which part of which split.
        corpus: of which data.
        feature: what was decoded.
        seed: of the predictor's process.
        overlap: with what the weights were trained on; None where no training record says so.
        stimuli: the score on stimuli that the training saw, and on others; absent where not known, or where
            there are not both.
        controls: what it scores without the EEG; absent where that was not measured.
        without_brain: what predictions score that no EEG went into, name -> score; absent where no measure
            needs the training part.
        weights_notes: what the manifest says that a reader must know of the weights; absent for nothing.
        scorer_version: of ``harness.scoring``.
        statistics_version: of the interval and of chance; absent in records older than the number.
        environment: package -> version.
        git: the repository's state; None outside a repository.
        run: time and host.
    """

    record_version: int
    score: float
    ci95: tuple[float, float] | None
    chance: ChanceBands
    bands: tuple[float, ...]
    measures: Mapping[str, MeasureResult] | UnsetType = UNSET
    subjects: Mapping[str, SubjectResult]
    flags: Flags
    submission: System
    split: SplitPart
    corpus: CorpusData
    feature: str
    seed: int
    overlap: Overlap | UnsetType | None = UNSET
    stimuli: SeenAndUnseen | UnsetType = UNSET
    controls: Controls | UnsetType = UNSET
    without_brain: Mapping[str, WithoutBrain] | UnsetType = UNSET
    weights_notes: tuple[str, ...] | UnsetType = UNSET
    scorer_version: int
    statistics_version: int | UnsetType = UNSET
    environment: Mapping[str, str]
    git: GitCommit | None
    run: RunFacts

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return self.corpus.kind == "simulated"

    @property
    def isolation(self) -> str | None:
        """What kept the predictor apart: a means, ``none``, ``unknown``; None where nothing was run here.

        A record of a submission that does not say is not taken at a word that it does not give.
        """
        return self.run.isolation or ("unknown" if self.submission.kind == "submission" else None)

    @property
    def measure_names(self) -> tuple[str, ...]:
        """What the split is scored by; the first ranks."""
        return self.split.measures or (DEFAULT,)

    @property
    def ranked(self) -> Measured:
        """What the record says by the measure that ranks."""
        return self.by(self.measure_names[0])

    @property
    def measured(self) -> tuple[Measured, ...]:
        """What it says by each of the split's measures that was measured, in their order."""
        return tuple(self.by(name) for name in self.measure_names if self.has(name))

    @property
    def constant_cosine(self) -> float | None:
        """What the training part's mean scores as a prediction, in cosine; None where not measured."""
        if not (self.has("cosine") and self.has("cosine_gain")):
            return None
        return self.by("cosine").value - self.by("cosine_gain").value

    @property
    def at_chance(self) -> bool:
        """Whether the score by the measure that ranks is no better than chance gives."""
        return self.ranked.at_chance

    @property
    def is_flagged(self) -> bool:
        """Whether a control says that the score may not come from the EEG."""
        return self.controls.is_flagged if self.controls else False

    @property
    def surrogates(self) -> int | None:
        """Of how many segments of each subject surrogates were asked; None for all, 0 for none."""
        if not self.controls:
            return 0
        blind, sizes = self.controls.blind, [one.segments for one in self.subjects.values()]
        if not blind.sampled:
            return None
        enough = (n for n in range(max(sizes)) if sum(min(n, size) for size in sizes) >= blind.segments)
        return next(enough, None)

    @property
    def training(self) -> str | None:
        """How far what its weights have seen is to be believed; None where nothing is on record."""
        return self.run.training or (DECLARED if self.overlap else None)

    def has(self, name: str) -> bool:
        """Whether there is a score by the measure of this name; there always is one by Pearson r."""
        return name == DEFAULT or name in (self.measures or {})

    def by(self, name: str) -> Measured:
        """What the record says by a measure that it has."""
        by = measure(name, "score record: measures")
        if name == DEFAULT:
            values = {subject: result.pearson_r for subject, result in self.subjects.items()}
            return Measured(by, self.score, self.ci95, self.chance, values)
        own = (self.measures or {})[name]
        values = {subject: own.subjects[subject] for subject in self.subjects}
        return Measured(by, own.value, own.ci95, own.chance, values, own.classifier or None)


def name_faults(name: str, where: str) -> list[Fault]:
    """What is wrong with the name of predictions: a record, and the tables of records, must hold it."""
    form = schema("score-record")["$defs"]["text"]
    if len(name) <= form["maxLength"] and re.fullmatch(form["pattern"], name):
        return []
    return [Fault(where, f"the name {name[:MOST_SHOWN]!r}", form["description"], "Rename the file.")]


def channels_words(names: Sequence[str]) -> str:
    """Excluded channels in words: "channel 30", "channels Fp1, Cz"."""
    return f"channel{'' if len(names) == 1 else 's'} {shorten(list(names), 8)}"


def channels_stem(names: Sequence[str]) -> str:
    """Excluded channels as part of a file's name, another one for other channels."""
    joined = "-".join(names)
    if len(names) <= _MOST_IN_STEM and len(joined) <= _MOST_STEM and re.fullmatch(r"[A-Za-z0-9-]+", joined):
        return joined
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:8]
    return f"{len(names)}-channels-{digest}"


def _title(name: str, variant: str | None) -> str:
    return name if variant in (None, DEFAULT_VARIANT) else f"{name} ({variant})"


def _of_seed(seed: int | None) -> str:
    return "" if seed is None else f", seed {seed}"
