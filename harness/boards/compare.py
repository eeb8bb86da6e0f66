"""Two systems compared subject by subject, or one with a whole board."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.boards.board import BoardName, BoardRecord, board_names, strangers
from harness.boards.ranking import LEVEL
from harness.boards.sentences import board_words, comparison_sentence, difference_words
from harness.boards.trainings import pooled
from harness.conventions import quoted
from harness.errors import Fault, RecordError, UsageError, counted, did_you_mean, raise_all, shorten
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import Measure
from harness.scoring.power import least_difference, subjects_needed
from harness.scoring.statistics import (
    effect_size,
    sign_flip_test,
)
from harness.scoring.two_sources import estimate, places_changed
from harness.submission.find import submission_folder
from harness.submission.manifest import MANIFEST, Submission, load_submission

_SEED = re.compile(r"\.seed-\d+$")
# The board that `make score` shows.
DEFAULT_BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")


@dataclass(frozen=True)
class Differences:
    """Differences of two systems by one measure.

    Attributes:
        measure: by which.
        subjects: subject -> score of the first minus that of the second.
        mean: over subjects.
        ci95: its 95 % interval over subjects; None for one subject.
    """

    measure: Measure
    subjects: Mapping[str, float]
    mean: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same subjects.

    Attributes:
        first: one record.
        second: the other.
        ranked: differences by the measure that ranks; those below are of these.
        further: differences by the split's further measures that both have.
        p: of the test that the mean is not 0: over subjects and seeds where both are architectures, else by
            sign flips over subjects.
        of_architectures: whether it is the first; else weights are compared.
        changed: how often the two change places over pairs of trainings; None where not both have several.
        effect: mean over standard deviation of the differences; None where there is none.
        detectable: the smallest true difference that a test at 0.05 finds in 80 % of repetitions; None
            where so few subjects can show none.
        subjects_needed: how many find the difference that was measured, likewise; None where no number does.
    """

    first: BoardRecord
    second: BoardRecord
    ranked: Differences
    further: tuple[Differences, ...]
    p: float
    of_architectures: bool
    changed: float | None
    effect: float | None
    detectable: float | None
    subjects_needed: int | None


def compare(first: BoardRecord, second: BoardRecord) -> Comparison:
    """Compare two records.

    Raises:
        RecordError: they are not of one board, or not of the same data, measures, scorer and subjects.
    """
    one, other = first.board, second.board
    if one != other:
        raise RecordError(
            Fault(f"{second.path}", f"of the board {other}", f"{one}, as {first.path}", "Boards never mix.")
        )
    pairs: dict[str, tuple[object, object]] = {
        "split": (first.record.split.sha256, second.record.split.sha256),
        "corpus": (first.record.corpus.kind, second.record.corpus.kind),
        "list of measures": (first.record.measure_names, second.record.measure_names),
        "scorer version": (first.record.scorer_version, second.record.scorer_version),
    }
    # Predictions that are handed in are scored without EEG, so their fingerprint of the data differs.
    if first.record.submission.kind == second.record.submission.kind:
        pairs["fingerprint of the data"] = (
            first.record.corpus.fingerprint,
            second.record.corpus.fingerprint,
        )
    # Where only references were here, a record does not know the declaration.
    declared = [one.record.corpus.declaration_sha256 for one in (first, second)]
    if all(declared):
        pairs["declaration of the corpus"] = (declared[0], declared[1])
    for what, (its, others) in pairs.items():
        if its != others:
            raise RecordError(
                Fault(f"{second.path}", f"another {what}", f"that of {first.path}", "Score it again.")
            )
    subjects = list(first.record.subjects)
    if subjects != list(second.record.subjects):
        odd = sorted(set(subjects) ^ set(second.record.subjects))
        raise RecordError(
            Fault(
                f"{second.path}",
                f"other subjects ({shorten(odd)})",
                f"the subjects of {first.path}",
                "Score both on all.",
            )
        )
    both = first.is_architecture and second.is_architecture and bool(first.seeds or second.seeds)
    ranked, *further = (
        _differences(first, second, name, both=both)
        for name in first.record.measure_names
        if first.record.has(name) and second.record.has(name)
    )
    values = list(ranked.subjects.values())
    tables = [_over_seeds(one, ranked.measure.name) for one in (first, second)]
    found = estimate(*tables) if both else estimate(values)
    means = [(ranked.measure.sign * np.mean(table, axis=1)).tolist() for table in tables]
    return Comparison(
        first=first,
        second=second,
        ranked=ranked,
        further=tuple(further),
        p=found.p if both else sign_flip_test(values),
        of_architectures=both,
        changed=places_changed(*means) if first.seeds and second.seeds else None,
        effect=effect_size(values),
        detectable=least_difference(found, level=LEVEL, signs_of=None if both else len(values)),
        subjects_needed=subjects_needed(
            found,
            len(values),
            level=LEVEL,
            seed_degrees=sum(len(table) - 1 for table in tables),
            signs=not both,
        ),
    )


def _over_seeds(one: BoardRecord, measure: str) -> list[list[float]]:
    """(n_seeds, n_subjects) scores by a measure."""
    return [list(its.record.by(measure).subjects.values()) for its in one.trainings]


def _differences(first: BoardRecord, second: BoardRecord, name: str, *, both: bool) -> Differences:
    one, other = first.record.by(name), second.record.by(name)
    values = np.subtract(list(one.subjects.values()), list(other.subjects.values())).tolist()
    return Differences(
        measure=one.measure,
        subjects=dict(zip(one.subjects, values, strict=True)),
        mean=float(np.mean(values)),
        ci95=estimate(_over_seeds(first, name), _over_seeds(second, name)).interval()
        if both
        else mean_interval(values),
    )


def find_record(named: str, results: Path, board: BoardName | None) -> BoardRecord:
    """The record that a user means.

    Args:
        named: a record's path, a submission folder or its name, which mean its first variant, or a record's
            name on the board (``vlaai-original``).
        results: the results folder.
        board: where to look for a name or a submission; None for the one board that has it, or else
            `DEFAULT_BOARD`.

    Raises:
        UsageError: no record and no submission has that name, or several records have it.
        RecordError: the submission has no record, or it contradicts itself.
        SubmissionError: the folder's manifest is not valid.
    """
    path = Path(named)
    if path.suffix == ".json" and path.is_file():
        return BoardRecord.sound(path)
    folder = path if (path / MANIFEST).is_file() else submission_folder(named)
    submission = load_submission(folder) if folder else None
    name = submission.name if submission else named
    wanted = f"{name} ({submission.variants[0]})" if submission else name
    here = {
        place: sorted(results.joinpath(*place).glob("*.json"))
        for place in ([board] if board else board_names(results))
    }
    found: dict[BoardName, list[Path]] = {}
    for place, paths in here.items():
        for path in paths:
            stem = _SEED.sub("", path.stem)
            if _is_first_variant(path, submission) if submission else name in (path.stem, stem):
                found.setdefault(place, []).append(path)
    if DEFAULT_BOARD in found:
        return _sound_mean(found[DEFAULT_BOARD])
    if len(found) == 1:
        return _sound_mean(*found.values())
    if not found:
        stems = sorted({p.stem for paths in here.values() for p in paths})
        longer = [stem for stem in stems if stem.startswith(name)]
        remedies = [f"Did you mean {shorten(longer)}?" if longer else did_you_mean(name, stems)]
        if submission:
            remedies.append(f"Score it first: harness score {quoted(submission.folder)}")
        kind = RecordError if submission else UsageError
        raise kind(
            Fault(
                named,
                f"no record of {wanted} on {board or 'any board'}",
                "a record's path or name, or a submission that is scored there",
                " ".join(filter(None, remedies)),
            )
        )
    listed = shorten([str(paths[0]) for paths in found.values()], 6)
    raise UsageError(
        Fault(
            named,
            f"{counted(len(found), 'record')}: {listed}",
            "one",
            "Name the record's file, or choose a --board.",
        )
    )


def find_pair(
    first: str, second: str, results: Path, board: BoardName | None
) -> tuple[BoardRecord, BoardRecord]:
    """Both records that a user means; the file of one says on which board the other is looked for.

    Args:
        first: as in :func:`find_record`.
        second: likewise.
        results: the results folder.
        board: where to look; None as there.

    Raises:
        as :func:`find_record`.
    """
    if board is None and Path(second).suffix == ".json":
        board = find_record(second, results, None).board
    one = find_record(first, results, board)
    return one, find_record(second, results, board or one.board)


def _sound_mean(paths: Sequence[Path]) -> BoardRecord:
    """The record in a file, or the mean over those of several trainings.

    Raises:
        RecordError: one contradicts itself, or they cannot be one system.
    """
    every = [BoardRecord.sound(path) for path in paths]
    records = [one for one in every if not one.record.flags.partial] or every
    raise_all(RecordError, strangers(records))
    found = pooled(records)
    if len(found) > 1:
        listed = shorten([str(one.path) for one in found], 6)
        raise RecordError(
            Fault(
                listed,
                f"{counted(len(found), 'record')} of one name",
                "one, or seeds of one system",
                "Name one file.",
            )
        )
    return found[0]


def _is_first_variant(path: Path, submission: Submission) -> bool:
    if not path.stem.startswith(submission.name):
        return False
    try:
        said = BoardRecord.read(path).record.submission
    except RecordError:  # a broken record is nobody's
        return False
    return said.identity == ("submission", submission.name, submission.variants[0], None, ())


def comparison_names(comparison: Comparison) -> list[str]:
    """What both are called: their systems, or their files where these are one."""
    first, second = comparison.first, comparison.second
    names = [first.system, second.system]
    return names if names[0] != names[1] else [str(first.path), str(second.path)]


def sentence(comparison: Comparison) -> str:
    """The comparison as a sentence for a paper: scores, difference, and whether it is significant."""
    record = comparison.first.record
    data = board_words(
        comparison.first.board,
        simulated=record.simulated,
        n_subjects=len(comparison.ranked.subjects),
        flag=record.split.flag or "",
    )
    test = (
        "t over subjects and seeds" if comparison.of_architectures else "paired sign-flip test over subjects"
    )
    return comparison_sentence(
        comparison_names(comparison),
        (comparison.first, comparison.second),
        data,
        difference_words(comparison.ranked.mean, comparison.ranked.ci95),
        f"{test}, p = {comparison.p:.3g}",
        significant=comparison.p <= LEVEL,
        detectable=comparison.detectable,
    )
