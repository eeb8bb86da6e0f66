"""Planted bugs are found by name, a system of which nothing is wrong is not accused, and the docs say the same."""

import re
from functools import cache

import numpy as np
import pytest
from conftest import REPOSITORY
from planted import FRAME_RATE_HZ, N_BANDS, NOT_FOUND, PLANTED, SUBJECTS, clean

from harness.evaluation import findings
from harness.evaluation.findings import ERROR, WARNING, Finding, find_bugs
from harness.scoring.pearson import pearson_r

DOCS = (REPOSITORY / "docs" / "findings.md").read_text()


@pytest.fixture(scope="module")
def system():
    return clean()


@pytest.fixture(scope="module")
def found_with(system):
    """What was planted -> findings, worked out once."""

    @cache
    def find(planted):
        return found(system, system.with_bug(PLANTED[planted][0]))

    return find


def found(system, predictions):
    return find_bugs(system.references, predictions, FRAME_RATE_HZ)


def rows(title):
    """The rows of the table below a heading of docs/findings.md."""
    section = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| ([^|`]+?) +\| (.+?) +\|$", section, re.M)[1:])


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_bug_is_found_by_its_name_and_nothing_else(found_with, planted):
    assert [one.name for one in found_with(planted)] == PLANTED[planted][1]


@pytest.mark.parametrize("planted", NOT_FOUND)
def test_a_bug_that_costs_next_to_nothing_is_no_finding(system, planted):
    assert found(system, system.with_bug(NOT_FOUND[planted][0])) == []


def test_the_docs_say_what_is_found_and_what_is_not():
    assert rows("Planted bugs, and what is found") == {
        planted: ", ".join(f"`{name}`" for name in names) for planted, (_, names) in PLANTED.items()
    }
    assert rows("What is not found") == {planted: reason for planted, (_, reason) in NOT_FOUND.items()}


def test_the_docs_explain_every_finding():
    source = "".join((REPOSITORY / "harness/evaluation" / name).read_text() for name in
                     ("findings.py", "invariance.py", "recut.py", "without_eeg.py"))  # fmt: skip
    names = set(re.findall(r'^\s+"([a-z]+(?:-[a-z]+)+|lag)"[,:]', source, re.M))
    assert len(names) == 21
    assert names == set(re.findall(r"^\| `([a-z-]+)` ", DOCS, re.M))


def test_planted_systems_are_as_weak_as_real_ones(system):
    means = [
        np.mean([pearson_r(system.references[subject][i], one).mean() for i, one in own.items()])
        for subject, own in system.predictions.items()
    ]
    assert 0.05 < min(means) < max(means) < 0.15


# 0: noise, of which chance alone decides; 0.3: what the best systems reach on a few subjects.
@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.0, 0.03, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_system_of_which_nothing_is_wrong_is_not_accused(weight, seed):
    system = clean(seed, weight)
    assert found(system, system.predictions) == []


def test_one_band_has_no_order_and_no_axes():
    system = clean(4, 0.2, n_bands=1)
    assert found(system, system.predictions) == []
    assert [one.name for one in found(system, system.with_bug(lambda one: -one))] == ["sign-flip"]
    assert [one.name for one in found(system, system.with_bug(lambda one: np.roll(one, 20, 0)))] == ["lag"]


def test_one_segment_is_enough_to_look_at():
    system = clean(5, 0.1, subjects=SUBJECTS[:1], n_segments=1)
    assert found(system, system.predictions) == []
    strong = clean(5, 5.0, subjects=SUBJECTS[:1], n_segments=1)
    assert [one.name for one in found(strong, strong.with_bug(lambda one: -one))] == ["sign-flip"]


def test_missing_segments_are_left_out(system):
    some = {s: dict(list(own.items())[:4]) for s, own in list(system.with_bug(lambda one: -one).items())[1:]}
    assert [one.name for one in found(system, some)] == ["sign-flip"]
    assert found(system, {}) == []


def test_segments_too_short_for_chance_are_only_counted(system):
    short = {s: {i: one[:31] for i, one in own.items()} for s, own in system.references.items()}
    flat = {s: {i: np.zeros((31, N_BANDS), np.float32) for i in own} for s, own in short.items()}
    assert [one.name for one in find_bugs(short, flat, FRAME_RATE_HZ)] == ["constant-output"]


def test_the_same_predictions_give_the_same_findings_and_are_not_changed(system):
    flipped = system.with_bug(PLANTED["sign of band 4 flipped"][0])
    before = {i: one.copy() for own in flipped.values() for i, one in own.items()}
    first, again = found(system, flipped), found(system, flipped)
    assert first == again
    assert all(np.array_equal(one, before[i]) for own in flipped.values() for i, one in own.items())


def test_silence_in_the_references_is_no_clipping(system):
    quiet = {s: {i: np.maximum(one, np.median(one)) for i, one in own.items()}
             for s, own in system.references.items()}  # fmt: skip
    assert find_bugs(quiet, system.with_bug(lambda one: np.maximum(one, np.median(one))), FRAME_RATE_HZ) == []


def test_scale_may_vary_as_much_as_the_references(system):
    rng = np.random.default_rng(3)
    factors = {i: np.exp(0.5 * rng.standard_normal()) for own in system.references.values() for i in own}
    loud = {s: {i: one * factors[i] for i, one in own.items()} for s, own in system.references.items()}
    made = {s: {i: one * factors[i] for i, one in own.items()} for s, own in system.predictions.items()}
    assert find_bugs(loud, made, FRAME_RATE_HZ) == []


@pytest.mark.slow
def test_evidence_says_what_was_measured(found_with):
    def evidence(planted):
        (finding,) = found_with(planted)
        return re.sub(r"-?0\.\d{4}", "R", finding.evidence)

    assert evidence("every sign flipped") == "mean r is R, below chance; 10 of 10 bands are below 0"
    assert evidence("signs of bands 2, 3 and 8 flipped") == ("r of bands 2, 3, 8 is below chance: R, R, R")
    assert evidence("200 ms too late") == (
        "the predictions are 203 ms (13 frames) too late: mean |r| is R there, R as they are"
    )
    assert evidence("200 ms too early") == (
        "the predictions are 203 ms (13 frames) too early: mean |r| is R there, R as they are"
    )
    assert evidence("bands 1 and 10 swapped") == ("with band 10 as 1, 1 as 10 mean |r| is R, as they are R")
    assert evidence("bands reversed") == ("from the highest band to the lowest mean |r| is R, as they are R")
    assert evidence("axes transposed by reshape") == (
        "read as (n_bands, n_frames) they score R, as they are R (mean |r|)"
    )
    assert evidence("one band copied to all") == (
        "bands 1 to 10 are one series in every segment, but for scale and sign"
    )
    assert evidence("band 3 copied to band 7") == (
        "bands 3, 7 are one series in every segment, but for scale and sign"
    )
    assert evidence("constant in every segment") == (
        "48 of 48 segments are constant over time in at least one band, which counts 0"
    )
    assert re.fullmatch(
        r"band \d+: \d\d% of the frames are exactly the lowest value of their segment",
        evidence("clipped at the median"),
    )
    assert re.fullmatch(
        r"a subject's segments differ in standard deviation by a factor of 1\.\d\d \(one standard deviation;"
        r" the references by 1\.\d\d\)",
        evidence("scale drawn for each segment"),
    )


def test_what_may_be_meant_is_a_warning(system, found_with):
    severity = {
        planted: {one.severity for one in found_with(planted)}
        for planted in ("clipped at the median", "scale drawn for each segment", "bands reversed")
    }
    assert list(severity.values()) == [{WARNING}, {WARNING}, {ERROR}]
    few = system.with_bug(lambda one: one)
    few["sub-001"]["sub-001_story_000"][:] = 0
    assert [(one.name, one.severity) for one in found(system, few)] == [("constant-output", WARNING)]


def test_a_finding_is_shown_in_two_lines():
    assert str(Finding("lag", "late", "padding", ERROR)) == "error: lag: late.\n  Likely cause: padding."


def test_a_gain_is_beyond_chance_where_one_draw_in_a_thousand_at_most_is_as_large():
    draws = np.arange(2000.0)
    assert findings._beyond_chance(1998.5, draws)  # 1 of 2000 is larger
    assert not findings._beyond_chance(1997.5, draws)  # 2 are
    assert not findings._beyond_chance(1e9, draws[:998])  # too few to say


def test_bands_are_listed_in_runs():
    assert findings._listed([1, 2, 3, 5, 7, 8]) == "1 to 3, 5, 7, 8"


def test_one_series_for_every_band_is_no_finding_where_the_manifest_says_so(system):
    declared = {"one_series": True}
    whole = system.with_bug(PLANTED["one band copied to all"][0])
    assert [one.name for one in found(system, whole)] == ["copied-bands"]
    assert find_bugs(system.references, whole, FRAME_RATE_HZ, **declared) == []
    two = system.with_bug(PLANTED["band 3 copied to band 7"][0])
    assert [one.name for one in find_bugs(system.references, two, FRAME_RATE_HZ, **declared)] == [
        "copied-bands"
    ]
    assert find_bugs(system.references, system.with_bug(lambda one: one), FRAME_RATE_HZ, **declared) == []


def test_seconds_of_music_are_not_turned_in_time(rng):
    """The ends of every segment alone score; after a turn they do not, which looked like bugs of others."""
    ends = np.abs(np.linspace(-1, 1, 44))[:, None] ** 8
    true = {"S01": {str(i): rng.standard_normal((44, 5)) - 9 * ends for i in range(60)}}
    made = {"S01": {name: np.roll(one, 1, axis=0) for name, one in true["S01"].items()}}
    assert find_bugs(true, made, 44.0) == []
