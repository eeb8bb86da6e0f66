"""A record made of a score and of where it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from harness.errors import RecordError, raise_all
from harness.records.bands import chance_bands
from harness.records.controls import Controls
from harness.records.document import plain
from harness.records.measured import ClassifierFacts, MeasureResult
from harness.records.record import (
    RECORD_VERSION,
    CorpusData,
    Flags,
    GitCommit,
    Overlap,
    Record,
    RunFacts,
    SplitPart,
    SubjectResult,
    System,
)
from harness.records.stimuli import SeenAndUnseen
from harness.records.without_brain import WithoutBrain
from harness.schemas.validate import schema_faults
from harness.scoring.chance import Chance
from harness.scoring.context import Classifier
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import measure
from harness.scoring.score import SCORER_VERSION, MeasureScore, Score
from harness.scoring.statistics import STATISTICS_VERSION


def build_record(
    score: Score,
    *,
    chance: Chance,
    submission: System,
    split: SplitPart,
    corpus: CorpusData,
    feature: str,
    seed: int,
    subjects_missing: tuple[str, ...],
    environment: Mapping[str, str],
    git: GitCommit | None,
    run: RunFacts,
    overlap: Overlap | None = None,
    stimuli: SeenAndUnseen | None = None,
    controls: Controls | None = None,
    without_brain: Mapping[str, WithoutBrain] | None = None,
    stimuli_missing: tuple[str, ...] = (),
    classifiers: Mapping[str, Classifier] | None = None,
    weights_notes: tuple[str, ...] = (),
) -> Record:
    """Put a score and its provenance into one record.

    Args:
        score: what the scorer says.
        chance: what it would score by chance.
        submission: what was scored.
        split: on which part.
        corpus: of which data.
        feature: what was decoded.
        seed: of the predictor's process.
        subjects_missing: subjects of the part that the corpus lacks.
        environment: package -> version.
        git: the repository's state; None outside a repository.
        run: time and host.
        overlap: with what the weights were trained on; None where no training record says so.
        stimuli: the score on seen and on unseen stimuli; None where not known, or where there are not both.
        controls: what it scores without the EEG; None where that was not measured.
        without_brain: what predictions score that no EEG went into; None or empty where not measured.
        stimuli_missing: stimuli of the part that the corpus lacks.
        classifiers: what a measure's classifier was trained on -> the classifier.
        weights_notes: what the manifest says that a reader must know of the weights.

    Raises:
        RecordError: the record is not valid by its schema.
    """
    subjects = score.subjects
    record = Record(
        record_version=RECORD_VERSION,
        score=score.pearson_r,
        ci95=mean_interval([subject.pearson_r for subject in subjects.values()]),
        chance=chance_bands(chance),
        bands=score.bands,
        measures={
            name: _measure_result(name, one, chance.measures[name], classifiers or {})
            for name, one in score.measures.items()
        }
        or UNSET,
        subjects={
            name: SubjectResult(
                pearson_r=subject.pearson_r,
                bands=subject.bands,
                segments=subject.segments,
                missing=subject.missing,
                constant=subject.constant,
            )
            for name, subject in subjects.items()
        },
        flags=Flags(
            partial=bool(subjects_missing or stimuli_missing),
            subjects_missing=subjects_missing,
            segments_missing=sum(len(subject.missing) for subject in subjects.values()),
            segments_constant=sum(len(subject.constant) for subject in subjects.values()),
            references_constant=tuple(
                segment for subject in subjects.values() for segment in subject.constant_reference
            ),
            stimuli_missing=stimuli_missing or UNSET,
        ),
        submission=submission,
        split=split,
        corpus=corpus,
        feature=feature,
        seed=seed,
        overlap=overlap,
        stimuli=stimuli or UNSET,
        controls=controls or UNSET,
        without_brain=without_brain or UNSET,
        weights_notes=weights_notes or UNSET,
        scorer_version=SCORER_VERSION,
        statistics_version=STATISTICS_VERSION,
        environment=environment,
        git=git,
        run=run,
    )
    raise_all(RecordError, schema_faults(plain(record), "score-record", "score record"))
    return record


def _measure_result(
    name: str, score: MeasureScore, chance: Chance, classifiers: Mapping[str, Classifier]
) -> MeasureResult:
    subjects = score.subjects.values()
    own = [classifiers[need] for need in measure(name).needs if need in classifiers]
    return MeasureResult(
        value=score.value,
        ci95=mean_interval([subject.value for subject in subjects]),
        chance=chance_bands(chance),
        subjects={name: subject.value for name, subject in score.subjects.items()},
        segments_undefined=sum(
            len({*subject.undefined, *subject.undefined_reference}) for subject in subjects
        ),
        classifier=ClassifierFacts(
            accuracy=own[0].accuracy, segments=own[0].segments, trained_on=own[0].trained_on
        )
        if own
        else UNSET,
    )
