"""The score of predictions that need no brain, as a record has it."""

import pytest

from harness.records.without_brain import WithoutBrain, without_brain_of
from harness.scoring.intervals import mean_interval
from harness.scoring.score import SubjectMeasure, SubjectScore, combine

# Subject -> Pearson r and cosine similarity.
SCORES = {"sub-001": (0.1, 0.6), "sub-002": (0.4, 0.7), "sub-003": (0.25, 0.95)}


@pytest.fixture
def score():
    return combine(
        {
            subject: SubjectScore(
                r, (r,), 4, (), (), (), {"cosine": SubjectMeasure(cosine, (cosine,), (), ())}
            )
            for subject, (r, cosine) in SCORES.items()
        }
    )


@pytest.mark.parametrize("names", [("pearson_r", "cosine"), ("cosine", "pearson_r"), ("cosine",)])
def test_the_first_measure_ranks_and_all_have_their_mean(score, names):
    by_name = {
        "pearson_r": {subject: r for subject, (r, _) in SCORES.items()},
        "cosine": {subject: cosine for subject, (_, cosine) in SCORES.items()},
    }
    means = {"pearson_r": 0.25, "cosine": 0.75}
    ranked = list(by_name[names[0]].values())
    assert without_brain_of(score, names) == WithoutBrain(
        value=pytest.approx(means[names[0]]),
        ci95=mean_interval(ranked),
        subjects=by_name[names[0]],
        measures={name: pytest.approx(means[name]) for name in names},
    )


def test_one_subject_has_no_interval():
    score = combine({"sub-001": SubjectScore(0.1, (0.1,), 4, (), (), ())})
    only = without_brain_of(score, ("pearson_r",))
    assert only == WithoutBrain(value=0.1, ci95=None, subjects={"sub-001": 0.1}, measures={"pearson_r": 0.1})
