"""The gate of SCORER_VERSION: a change that moves a stored score and does not raise the version fails here.

What is compared is stored, by version, in tests/golden/scorer-version: scores and chance of a small set of
predictions in which every rule of the protocol occurs (missing, constant, offset, scale, sign, unequal
numbers of segments, equal references), worked out by loops over scipy. And every committed record is built
again from its subjects: the means, and the interval.

Caught: any change of ``harness.scoring.score``, ``harness.scoring.chance`` or the interval that moves one of
these by more than 1e-9 (chance, in float32: 1e-6). Not caught: a rule for a case that does not occur here, and what
lies before the scorer (another cut of segments, another reading of a corpus). Those the ranking of a pull
request finds: where it edits the scorer, or what else scores rest on, every stored score is made again
and compared.
"""

import json

import numpy as np
import pytest
import scipy.stats
from conftest import GOLDEN, REPOSITORY

from harness.records.store import read_record
from harness.scoring.chance import chance, subject_chance
from harness.scoring.score import SCORER_VERSION, SubjectScore, combine, score_subject

FOLDER = GOLDEN / "scorer-version"
RECORDS = sorted((REPOSITORY / "results").rglob("*.json"))


def resamples(values):
    picks = np.random.default_rng(20240415).integers(0, len(values), size=(10_000, len(values)))
    return [values[pick] for pick in picks]


def first_interval(values):
    """95 % of the means of resamples."""
    return tuple(np.quantile([one.mean() for one in resamples(values)], [0.025, 0.975]))


def second_interval(values):
    """Student's below 8 subjects; from there on with the quantiles of resamples in place of t's."""
    n, mean, error = len(values), values.mean(), scipy.stats.sem(values)
    if error == 0:  # the prior's, where all subjects heard the same: scipy has no interval then
        return mean, mean
    if n < 8:
        return scipy.stats.t.interval(0.95, n - 1, mean, error)
    ratios = [(one.mean() - mean) / scipy.stats.sem(one) for one in resamples(values)]
    low, high = np.quantile(ratios, [0.025, 0.975], method="nearest")
    return mean - high * error, mean - low * error


# Of each version of the statistics, by plain loops.
INTERVALS = {1: first_interval, 2: second_interval}


@pytest.fixture(scope="module")
def arrays():
    """Subject -> references and predictions by segment."""
    subjects = {}
    with np.load(FOLDER / "inputs.npz") as stored:
        for key in stored.files:
            kind, subject, number = key.split("/")
            own = subjects.setdefault(subject, {"reference": {}, "prediction": {}})
            own[kind][f"{subject}/{number}"] = stored[key]
    return subjects


@pytest.fixture(scope="module")
def golden():
    path = FOLDER / f"{SCORER_VERSION}.json"
    assert path.is_file(), f"a new version of the scorer needs {path.name}, made apart from it: see make.py"
    return json.loads(path.read_text())


def test_every_version_has_its_scores():
    versions = sorted(int(path.stem) for path in FOLDER.glob("*.json"))
    assert versions == list(range(1, SCORER_VERSION + 1))
    for version in versions:
        assert json.loads((FOLDER / f"{version}.json").read_text())["scorer_version"] == version


def test_stored_scores_stand(arrays, golden):
    score = combine(
        {name: score_subject(own["reference"], own["prediction"]) for name, own in arrays.items()}
    )
    assert score.pearson_r == pytest.approx(golden["score"], abs=1e-9)
    assert score.bands == pytest.approx(golden["bands"], abs=1e-9)
    assert list(score.subjects) == list(golden["subjects"])
    for name, subject in score.subjects.items():
        assert subject.pearson_r == pytest.approx(golden["subjects"][name]["pearson_r"], abs=1e-9)
        assert subject.bands == pytest.approx(golden["subjects"][name]["bands"], abs=1e-9)


def test_stored_chance_stands(arrays, golden):
    made = chance({name: subject_chance(own["reference"], own["prediction"]) for name, own in arrays.items()})
    for kind in ("circular_shifts", "mismatched_segments"):
        assert getattr(made, kind)._asdict() == pytest.approx(golden["chance"][kind], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: "-".join(path.parts[-5:-1]) + "-" + path.stem)
def test_a_committed_record_is_what_its_subjects_give(path):
    record = read_record(path)
    assert record.scorer_version == SCORER_VERSION
    score = combine(
        {
            name: SubjectScore(subject.pearson_r, subject.bands, subject.segments, (), (), ())
            for name, subject in record.subjects.items()
        }
    )
    assert score.pearson_r == pytest.approx(record.score, abs=1e-12)
    assert score.bands == pytest.approx(record.bands, abs=1e-12)
    for subject in record.subjects.values():
        assert np.mean(subject.bands) == pytest.approx(subject.pearson_r, abs=1e-9)
    values = np.array([subject.pearson_r for subject in record.subjects.values()])
    interval = INTERVALS[record.statistics_version or 1](values)
    assert interval == pytest.approx(record.ci95, abs=1e-9)
