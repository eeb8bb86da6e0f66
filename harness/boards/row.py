"""What a reader is shown of one record on its board; text, csv, pages and comments only format it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.boards.board import BoardRecord
from harness.records.controls import Controls
from harness.records.measured import Measured
from harness.records.record import Member, Overlap
from harness.records.stimuli import SeenAndUnseen
from harness.records.text import flag_lines
from harness.scoring.measures import Measure, measure
from harness.scoring.statistics import RankInterval
from harness.scoring.two_sources import spread_over_seeds
from harness.submission.training_record import training_here


@dataclass(frozen=True)
class Beside:
    """An ablation beside its own full net.

    Attributes:
        full: the net.
        difference: the ablation's mean less that of the net.
        ci95: its 95 % interval; None for one subject.
        p: of the test between them, Holm over the net's ablations.
        of_architectures: whether that is over subjects and seeds; else it is of weights, over subjects alone.
    """

    full: str
    difference: float
    ci95: tuple[float, float] | None
    p: float
    of_architectures: bool


@dataclass(frozen=True)
class SeedRow:
    """One of several trainings of a system.

    Attributes:
        seed: of its training.
        score: by the measure that ranks.
        finished: when it was scored.
        record_sha256: of its record's file.
        weights_sha256: of its weights.
    """

    seed: int
    score: Measured
    finished: str
    record_sha256: str
    weights_sha256: str | None


@dataclass(frozen=True)
class Row:
    """One system's place on a board.

    Attributes:
        system: its name, the variant in brackets where it has one of its own.
        name: without the variant.
        variant: as the record says; None for predictions that were handed in.
        version: of the submission; None likewise.
        kind: "submission" or "predictions".
        members: of an ensemble; else empty.
        rank: by its mean, with its 95 % interval; None where it is not ranked (a partial record).
        ties: letters of the groups of systems that it cannot be told apart from; empty where not ranked.
        bars: the same as bars beside the table, see ``ranking.tie_bars``.
        beside: of an ablation, its difference from its own full net; None for other systems.
        seeds: of several trainings, each; else empty.
        is_architecture: whether it has several trainings, or can have one only.
        score: by the measure that ranks its board: mean, interval, chance, and the mean of each subject.
        further: the same by the split's further measures that were measured, in their order.
        measures: all of the split's further measures.
        constant_cosine: what the training part's mean scores in cosine; None where not measured.
        overlap: with what its weights were trained on; None where not on record.
        training: how far that is to be believed on this machine; None likewise.
        stimuli: the score on stimuli that its training saw, and on others; None where not known, or where
            there are not both.
        bands: (n_bands,) mean Pearson r.
        controls: what it scores without the EEG; None where that was not measured.
        flags: what a reader must know before trusting the mean, a sentence each.
        weights_notes: what its manifest says that a reader must know of its weights.
        corpus_kind: "real" or "simulated".
        finished: when it was scored, UTC, ISO 8601.
        seed: of the predictor's process.
        scorer_version: that scored it.
        environment: package -> version.
        hashes: what -> its whole hash: record, code, weights, predictions, split, data and commit, those
            that there are.
        stimuli_missing: of a partial record, stimuli of the part that were not in the corpus.
        isolation: what kept its predictor apart; ``none``, ``unknown``, or None where nothing was run here.
        fresh: whether it was scored just now.
        transfer: whose weights it has, as "corpus/split", where they are another board's; else None.
        channels_excluded: EEG channels that it was not given, beside those that the split excludes.
    """

    system: str
    name: str
    variant: str | None
    version: str | None
    kind: str
    members: tuple[Member, ...]
    rank: RankInterval | None
    ties: str
    bars: str
    beside: Beside | None
    seeds: tuple[SeedRow, ...]
    is_architecture: bool
    score: Measured
    further: tuple[Measured, ...]
    measures: tuple[Measure, ...]
    constant_cosine: float | None
    overlap: Overlap | None
    training: str | None
    stimuli: SeenAndUnseen | None
    bands: tuple[float, ...]
    controls: Controls | None
    flags: tuple[str, ...]
    weights_notes: tuple[str, ...]
    corpus_kind: str
    finished: str
    seed: int
    scorer_version: int
    environment: Mapping[str, str]
    hashes: Mapping[str, str]
    stimuli_missing: tuple[str, ...]
    isolation: str | None
    fresh: bool
    transfer: str | None = None
    channels_excluded: tuple[str, ...] = ()

    @property
    def spread(self) -> float | None:
        """Standard deviation of the score over its trainings; None where there are not several."""
        return spread_over_seeds([one.score.value for one in self.seeds])

    @property
    def is_flagged(self) -> bool:
        """Whether a control says that its score may not come from the EEG; it then stands below a line."""
        return self.controls is not None and self.controls.is_flagged

    def by(self, name: str) -> Measured | None:
        """The score by a further measure of this name; None where it was not measured."""
        return next((one for one in self.further if one.measure.name == name), None)


def row_of(
    one: BoardRecord,
    rank: RankInterval | None = None,
    ties: str = "",
    bars: str = "",
    beside: Beside | None = None,
) -> Row:
    """The row of a record.

    Args:
        one: the record.
        rank: its place; None where it is not ranked.
        ties: letters of its groups.
        bars: of its groups.
        beside: of an ablation, its full net.
    """
    record = one.record
    system = record.submission
    hashes = {
        "record": one.sha256,
        "code": system.code_sha256,
        "weights": system.weights_sha256,
        "predictions": system.predictions_sha256,
        "split": record.split.sha256,
        "data": record.corpus.fingerprint,
        "commit": record.git.commit if record.git else None,
    }
    return Row(
        system=system.title,
        name=system.name,
        variant=system.variant,
        version=system.version,
        kind=system.kind,
        members=system.members,
        rank=rank,
        ties=ties,
        bars=bars,
        beside=beside,
        seeds=tuple(map(_seed_row, one.seeds)),
        is_architecture=one.is_architecture,
        score=record.ranked,
        further=record.measured[1:],
        measures=tuple(map(measure, record.measure_names[1:])),
        constant_cosine=record.constant_cosine,
        overlap=record.overlap or None,
        training=training_here(record),
        stimuli=record.stimuli or None,
        bands=record.bands,
        controls=record.controls or None,
        flags=tuple(flag_lines(record)),
        weights_notes=record.weights_notes or (),
        corpus_kind=record.corpus.kind,
        finished=record.run.finished,
        seed=record.seed,
        scorer_version=record.scorer_version,
        environment=record.environment,
        hashes={what: value for what, value in hashes.items() if value},
        stimuli_missing=record.flags.stimuli_missing or (),
        isolation=record.isolation,
        fresh=one.fresh,
        transfer=None if system.transfer is None else f"{system.transfer.corpus}/{system.transfer.split}",
        channels_excluded=system.channels_excluded,
    )


def _seed_row(one: BoardRecord) -> SeedRow:
    record = one.record
    seed, weights = record.submission.seed or 0, record.submission.weights_sha256
    return SeedRow(seed, record.ranked, record.run.finished, one.sha256, weights)
