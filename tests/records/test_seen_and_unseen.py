"""The score on seen and unseen stimuli, as a record has it."""

import pytest

from harness.records.stimuli import StimulusGroup, stimulus_group
from harness.scoring.intervals import mean_interval
from harness.scoring.score import SomeSegments


def test_a_group_is_the_score_on_its_segments_with_the_interval_over_its_subjects():
    subjects = {"sub-001": 0.1, "sub-002": 0.4, "sub-003": 0.25}
    group = stimulus_group(SomeSegments(0.25, subjects, 7))
    assert group == StimulusGroup(
        value=0.25, ci95=mean_interval([0.1, 0.4, 0.25]), subjects=subjects, segments=7
    )
    assert group.ci95 == pytest.approx(
        (-0.122621, 0.622621), abs=1e-6
    )  # t: 0.25 +- 4.302653 * 0.15 / sqrt(3)


def test_one_subject_has_no_interval():
    assert stimulus_group(SomeSegments(0.1, {"sub-001": 0.1}, 2)).ci95 is None
