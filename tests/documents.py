"""Documents that several tests begin from."""

from msgspec import structs, to_builtins

from harness.records.build import build_record
from harness.records.controls import controls_of
from harness.records.record import CorpusData, RunFacts, SplitPart, System
from harness.scoring.blind import Blind, is_beyond_chance, is_no_evidence, paired_p
from harness.scoring.chance import Band, Chance
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import measure
from harness.scoring.score import SubjectScore, combine

SMALL_SPLIT = {
    "name": "small-split",
    "title": "for tests",
    "corpora": ["sparrkulee"],
    "features": ["mel", "envelope"],
    "sample_rate_hz": 64,
    "segment_seconds": 2,
    "cut": "whole-recordings",
    "parts": {
        "train": {"subjects": ["sub-001"]},
        "val": {"subjects": ["sub-027"]},
        "test": {"subjects": ["sub-043"]},
    },
}
SYSTEM = System(
    name="tiny",
    kind="submission",
    version="1.0.0",
    variant="default",
    code_sha256="0" * 64,
    weights_sha256=None,
    predictions_sha256=None,
)
SPLIT_PART = SplitPart(name="held-out-subjects", sha256="1" * 64, part="test", segment_seconds=30)
CORPUS_DATA = CorpusData(name="simulated", kind="simulated", fingerprint="2" * 64)
# What build_record is told besides score, chance, submission, split and corpus.
RUN = {
    "feature": "mel",
    "seed": 0,
    "subjects_missing": (),
    "environment": {"harness": "0"},
    "git": None,
    "run": RunFacts(
        finished="2026-01-01T00:00:00Z",
        seconds=1.0,
        times_faster_than_real_time=2.0,
        machine="m",
        processors=2,
        isolation="landlock",
    ),
}


def record_of(name, scores, *, bands=None, chance=0.01, system=None, split=None, corpus=None, **changes):
    """A record of given per-subject scores, in memory.

    Args:
        name: of the system.
        scores: of each subject.
        bands: of each subject alike; two, each its score, where not given.
        chance: half of the band, around 0.
        system: what is changed of it.
        split: likewise.
        corpus: likewise.
        changes: of the record itself.
    """
    subjects = {
        f"sub-{86 + i:03d}": SubjectScore(float(r), tuple(bands or [float(r)] * 2), 4, (), (), ())
        for i, r in enumerate(scores)
    }
    record = build_record(
        combine(subjects),
        chance=Chance(Band(-chance, 0.0, chance, 100), None),
        submission=structs.replace(SYSTEM, name=name, **(system or {})),
        split=structs.replace(SPLIT_PART, **(split or {})),
        corpus=structs.replace(CORPUS_DATA, **(corpus or {})),
        **RUN,
    )
    return structs.replace(record, **changes)


def with_measures(document, names, **scores):
    """A record's document with measures of its split, and the scores of each subject by those but Pearson r."""
    band = {"low": -0.01, "mean": 0.0, "high": 0.01, "scores": 100}
    measures = {
        name: {
            "value": sum(values) / len(values),
            "ci95": list(mean_interval(values)) if len(values) > 1 else None,
            "chance": {"circular_shifts": band, "mismatched_segments": None},
            "subjects": dict(zip(document["subjects"], values, strict=True)),
            "segments_undefined": 0,
        }
        for name, values in scores.items()
    }
    return {**document, "split": {**document["split"], "measures": list(names)}, "measures": measures}


def controls_document(scores, blind):
    """The controls of a record: what each subject scores with the EEG, and what without it."""
    scores, blind = ([float(value) for value in values] for values in (scores, blind))
    names = [f"sub-{86 + i:03d}" for i in range(len(scores))]
    differences = [one - other for one, other in zip(scores, blind, strict=True)]
    by, around = measure("pearson_r"), Chance(Band(-0.01, 0.0, 0.01, 1793), None)
    value, p = sum(blind) / len(blind), paired_p(by, differences)
    score = Blind(
        value=value,
        subjects=dict(zip(names, blind, strict=True)),
        chance=around,
        segments=4 * len(scores),
        differences=dict(zip(names, differences, strict=True)),
        p=p,
        scores_without_eeg=is_beyond_chance(by, value, around),
        no_evidence=is_no_evidence(p),
    )
    return to_builtins(controls_of(score, sampled=False))
