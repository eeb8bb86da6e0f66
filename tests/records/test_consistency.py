"""Records checked against themselves: what is edited by hand does not hold together, and is named."""

import json
import math

import msgspec
import pytest
from documents import controls_document, with_measures

from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, plain
from harness.records.store import read_record
from harness.scoring.intervals import mean_interval

ASKS = "\n  It was edited after it was scored: score it again, or restore it."


@pytest.fixture
def document(make_record):
    """A record of three subjects and two bands."""
    return plain(read_record(make_record("tiny", [0.1, 0.2, 0.3])))


def found(document):
    record = parse_record(json.dumps(document).encode(), "r.json")
    return [str(fault).removesuffix(ASKS) for fault in inconsistencies(record, "r.json")]


def test_a_record_as_it_was_scored_holds_together(document):
    assert found(document) == []


def test_a_score_is_the_mean_of_its_subjects(document):
    document["score"] = 0.9
    assert found(document) == ["r.json: score: 0.900000, expected 0.200000, the mean of its subjects."]


def test_bands_are_means_and_so_is_a_subjects_score(document):
    document["bands"][1] = 0.9
    document["subjects"]["sub-087"]["pearson_r"] = 0.25
    document["subjects"]["sub-088"]["bands"] = [0.35, 0.25]
    assert found(document) == [
        "r.json: score: 0.200000, expected 0.216667, the mean of its subjects.",
        "r.json: subjects: sub-087: pearson_r: 0.250000, expected 0.200000, the mean of its bands.",
        "r.json: bands[0]: 0.200000, expected 0.216667, the mean of its subjects.",
        "r.json: bands[1]: 0.900000, expected 0.183333, the mean of its subjects.",
        "r.json: ci95: -0.048414 to 0.448414, expected -0.041891 to 0.475224, the t interval over 3 subjects.",
    ]


def test_every_subject_has_the_records_bands(document):
    document["subjects"]["sub-086"]["bands"] = [0.1]
    assert found(document) == ["r.json: subjects: sub-086: bands: 1, expected 2, as the record has."]


@pytest.mark.parametrize(
    ("ci95", "message"),
    [
        (
            [0.1, 0.25],
            "ci95: 0.100000 to 0.250000, expected -0.048414 to 0.448414, the t interval over 3 subjects.",
        ),
        (
            [0.25, 0.15],
            "ci95: 0.250000 to 0.150000, expected -0.048414 to 0.448414, the t interval over 3 subjects.",
        ),
        (None, "ci95: null, expected null for one subject, and an interval for more."),
    ],
)
def test_the_interval_is_that_of_its_subjects(document, ci95, message):
    document["ci95"] = ci95
    assert found(document) == [f"r.json: {message}"]


@pytest.mark.parametrize("version", [None, 1, 99])
def test_the_interval_of_other_statistics_is_not_computed_again(document, version):
    if version is None:
        del document["statistics_version"]
    else:
        document["statistics_version"] = version
    document["ci95"] = [0.15, 0.25]
    assert found(document) == []
    document["ci95"] = [0.25, 0.15]
    assert found(document) == ["r.json: ci95: 0.250000 to 0.150000, expected the lower end first."]


def test_the_interval_of_eight_subjects_is_studentised(make_record):
    document = plain(read_record(make_record("eight", [0.1, 0.2, 0.3, 0.2, 0.1, 0.3, 0.15, 0.25])))
    assert found(document) == []
    low, high = document["ci95"]
    document["ci95"] = [low, high + 0.01]
    assert found(document) == [
        f"r.json: ci95: {low:.6f} to {high + 0.01:.6f}, expected {low:.6f} to {high:.6f}, the studentised"
        " bootstrap over 8 subjects."
    ]


def test_one_subject_has_no_interval(make_record):
    document = plain(read_record(make_record("alone", [0.1])))
    assert found(document) == []
    document["ci95"] = [0.1, 0.1]
    assert found(document) == [
        "r.json: ci95: 0.100000 to 0.100000, expected null for one subject, and an interval for more."
    ]


def test_chance_is_in_order(document):
    document["chance"]["circular_shifts"]["high"] = -0.5
    assert found(document) == [
        "r.json: chance: circular_shifts: -0.010000, 0.000000, -0.500000, expected low, mean and high in"
        " this order."
    ]


def test_counts_are_those_of_its_subjects(document):
    document["flags"] |= {"segments_missing": 1, "segments_constant": 2, "subjects_missing": ["sub-086"]}
    assert found(document) == [
        "r.json: flags: segments_missing: 1, expected 0, the sum over its subjects.",
        "r.json: flags: segments_constant: 2, expected 0, the sum over its subjects.",
        "r.json: flags: partial: false, expected true where subjects or stimuli are missing, else false.",
        "r.json: flags: subjects_missing: sub-086, expected subjects that have no score.",
    ]


def test_missing_segments_leave_no_room_for_a_high_score(document):
    subject = document["subjects"]["sub-088"]
    subject["missing"] = ["a", "b", "c"]
    document["flags"]["segments_missing"] = 3
    assert found(document) == [
        "r.json: subjects: sub-088: pearson_r: 0.300000, expected at most 0.250000, since 3 of 4 segments"
        " count 0."
    ]
    subject["missing"] = ["a", "a", "b", "c", "d"]
    document["flags"]["segments_missing"] = 5
    assert found(document) == [
        "r.json: subjects: sub-088: missing and constant: 5 ids, expected at most 4, its segments, none of"
        " them twice."
    ]


def test_weights_have_seen_no_more_than_there_is(document):
    document["overlap"] = {"subjects_seen": 5, "subjects": 4, "stimuli_seen": 9, "stimuli": 4}
    assert found(document) == [
        "r.json: overlap: subjects: 4, expected 3, those that were scored.",
        "r.json: overlap: subjects_seen: 5, expected at most 4.",
        "r.json: overlap: stimuli_seen: 9, expected at most 4.",
    ]


def test_predictions_have_no_code_and_submissions_have(document):
    document["submission"] |= {"kind": "predictions", "weights_sha256": "7" * 64}
    assert found(document) == [
        f"r.json: submission: code_sha256: {'0' * 64}, expected null for predictions.",
        "r.json: submission: version: 1.0.0, expected null for predictions.",
        "r.json: submission: variant: default, expected null for predictions.",
        "r.json: submission: predictions_sha256: null, expected a value for predictions.",
        f"r.json: submission: weights_sha256: {'7' * 64}, expected null for predictions.",
    ]


@pytest.fixture
def measured(document):
    """The same record by two measures, of which the cosine ranks."""
    return with_measures(document, ["cosine", "pearson_r"], cosine=[0.5, 0.6, 0.7])


def test_a_record_with_further_measures_holds_together(measured):
    assert found(measured) == []


def test_measures_are_those_of_the_split(measured):
    measured["split"]["measures"] = ["cosine_centred", "cosine"]
    assert found(measured) == [
        "r.json: measures: cosine, expected cosine_centred, cosine, the split's but pearson_r."
    ]
    measured["split"]["measures"] = ["mse", "cosine"]
    assert found(measured)[0] == (
        "r.json: split: measures: mse, expected one of cosine, cosine_centred, cosine_gain, pearson_r,"
        " song_accuracy, song_accuracy_reconstructed."
    )
    del measured["split"]["measures"]
    assert found(measured) == ["r.json: measures: cosine, expected none, the split's but pearson_r."]
    del measured["measures"]
    measured["split"]["measures"] = ["pearson_r"]
    assert found(measured) == [
        "r.json: split: measures: pearson_r, expected no such key for pearson_r alone."
    ]


def test_a_measures_numbers_follow_from_its_subjects(measured):
    own = measured["measures"]["cosine"]
    own["value"], own["ci95"] = 0.9, [0.1, 0.2]
    own["chance"]["circular_shifts"]["mean"] = 0.5
    assert found(measured) == [
        "r.json: measures: cosine: value: 0.900000, expected 0.600000, the mean of its subjects.",
        "r.json: measures: cosine: ci95: 0.100000 to 0.200000, expected 0.351586 to 0.848414, the t interval"
        " over 3 subjects.",
        "r.json: measures: cosine: chance: circular_shifts: -0.010000, 0.500000, 0.010000, expected low,"
        " mean and high in this order.",
    ]


def test_only_what_needs_a_systems_answers_may_be_missing(document):
    names = ["cosine", "song_accuracy", "song_accuracy_reconstructed"]
    measured = with_measures(document, names, cosine=[0.5, 0.6, 0.7], song_accuracy=[0.1, 0.1, 0.2])
    assert found(measured) == []
    del measured["measures"]["song_accuracy"]
    assert found(measured) == [
        "r.json: measures: cosine, expected cosine, song_accuracy, song_accuracy_reconstructed, the split's but"
        " pearson_r."
    ]


def test_a_missing_segment_may_cost_more_than_nothing_by_the_gain(document):
    document["subjects"]["sub-086"]["missing"] = ["a", "b", "c"]
    document["flags"]["segments_missing"] = 3
    gain = with_measures(document, ["cosine_gain"], cosine_gain=[-0.7, 0.1, 0.2])
    assert found(gain) == []
    gain = with_measures(document, ["cosine_gain"], cosine_gain=[-1.3, 0.1, 0.2])
    assert found(gain)[0].startswith(
        "r.json: measures: cosine_gain: subjects: sub-086: -1.300000, expected -1.250000 to 1.250000"
    )


def test_a_measure_has_the_records_subjects(measured):
    subjects = measured["measures"]["cosine"]["subjects"]
    subjects["sub-099"] = subjects.pop("sub-086")
    assert found(measured) == [
        "r.json: measures: cosine: subjects: other subjects (sub-086, sub-099), expected those of the record."
    ]


def test_segments_that_count_zero_bound_a_measure_too(document):
    document["subjects"]["sub-086"]["missing"] = ["a", "b", "c"]
    document["flags"]["segments_missing"] = 3
    measured = with_measures(document, ["cosine"], cosine=[0.5, 0.6, 0.7])
    measured["measures"]["cosine"]["segments_undefined"] = 10
    assert found(measured) == [
        "r.json: measures: cosine: subjects: sub-086: 0.500000, expected -0.250000 to 0.250000, since 3 of 4"
        " segments count 0.",
        "r.json: measures: cosine: segments_undefined: 10, expected at most 9, the segments with a prediction.",
    ]


SCORES = [0.1, 0.2, 0.3, 0.2, 0.1, 0.3]


@pytest.fixture
def controlled(make_record):
    """A record of six subjects, with controls."""
    return plain(read_record(make_record("tiny", SCORES, controls=controls_document(SCORES, [0.001] * 6))))


def test_a_record_with_controls_holds_together(controlled):
    assert found(controlled) == []


def test_controls_are_of_the_records_subjects(controlled):
    controlled["controls"]["blind"]["subjects"]["sub-999"] = 0.0
    assert found(controlled) == [
        "r.json: controls: blind: subjects: other subjects (sub-999), expected those of the record."
    ]


def test_a_blind_score_is_the_mean_of_its_subjects_and_decides_the_flag(controlled):
    controlled["controls"]["blind"]["value"] = 0.5
    assert found(controlled) == [
        "r.json: controls: blind: value: 0.500000, expected 0.001000, the mean of its subjects.",
        "r.json: controls: scores_without_eeg: false, expected true, by the numbers beside it.",
    ]


def test_flags_and_p_cannot_be_edited_away(controlled):
    controlled["controls"]["no_evidence_of_using_eeg"] = None
    controlled["controls"]["blind"]["difference"]["p"] = 0.5
    assert found(controlled) == [
        "r.json: controls: blind: difference: p: 0.5, expected 0.015625, the test of its subjects.",
        "r.json: controls: no_evidence_of_using_eeg: null, expected false, by the numbers beside it.",
    ]


def test_differences_are_the_score_less_the_blind_one_where_all_segments_have_surrogates(controlled):
    blind = controlled["controls"]["blind"]
    blind["difference"]["subjects"]["sub-086"] = 0.2
    assert (
        "r.json: controls: blind: difference: subjects: sub-086: 0.200000, expected 0.099000, the score"
        in ("".join(found(controlled)))
    )
    blind["sampled"] = True
    assert "r.json: controls: blind: segments: 24, a sample, expected 24, or fewer in a sample." in found(
        controlled
    )


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("submission", "a/b", "lower-case words joined by hyphens"),
        ("submission", "Linear", "lower-case words joined by hyphens"),
        ("submission", "../../elsewhere", "lower-case words joined by hyphens"),
        ("predictions", "a/b", "the name of a file, without a folder, not hidden"),
        ("predictions", "../../elsewhere", "the name of a file, without a folder, not hidden"),
        ("predictions", ".hidden", "the name of a file, without a folder, not hidden"),
    ],
)
def test_a_name_that_leads_elsewhere_is_found(make_record, kind, name, expected):
    record = read_record(make_record("fine", [0.1, 0.2]))
    hashes = (
        {"code_sha256": None, "version": None, "variant": None, "predictions_sha256": "3" * 64}
        if kind == "predictions"
        else {}
    )
    system = msgspec.structs.replace(record.submission, kind=kind, name=name, **hashes)
    faults = inconsistencies(msgspec.structs.replace(record, submission=system), "r.json")
    assert f"r.json: submission: name: {name!r}, expected {expected}.{ASKS}" in [str(one) for one in faults]


@pytest.mark.parametrize("kind", ["submission", "predictions"])
def test_a_long_name_is_told_by_its_beginning(make_record, kind):
    record = read_record(make_record("fine", [0.1, 0.2]))
    system = msgspec.structs.replace(record.submission, kind=kind, name="." + "x" * 99)
    faults = inconsistencies(msgspec.structs.replace(record, submission=system), "r.json")
    names = [one.arrived for one in faults if one.where == "r.json: submission: name"]
    assert set(names) == {repr("." + "x" * 59)}
    assert len(names) == (2 if kind == "submission" else 1)


def test_controls_without_a_version_of_the_statistics_are_found(make_record):
    scores = [0.1, 0.2, 0.15, 0.12, 0.11, 0.13]
    record = read_record(make_record("fine", scores, controls=controls_document(scores, [0.0] * 6)))
    assert inconsistencies(record, "r.json") == []
    (fault,) = inconsistencies(msgspec.structs.replace(record, statistics_version=msgspec.UNSET), "r.json")
    assert (fault.where, fault.arrived, fault.expected) == (
        "r.json: statistics_version",
        "none",
        "one, since controls are as old as the number",
    )


def group(segments=6, **scores):
    """A document of the score on some stimuli: what each subject scores, by the end of its id."""
    values = list(scores.values())
    return {
        "value": sum(values) / len(values),
        "ci95": list(mean_interval(values)) if len(values) > 1 else None,
        "subjects": {f"sub-0{name[1:]}": value for name, value in scores.items()},
        "segments": segments,
    }


@pytest.fixture
def grouped(document):
    """The record with both groups of stimuli; the last subject has segments of one group only."""
    document["stimuli"] = {
        "seen": group(7, _86=0.15, _87=0.25, _88=0.3),
        "unseen": group(5, _86=0.05, _87=0.15),
    }
    return document


def test_a_record_with_groups_of_stimuli_holds_together(grouped):
    assert found(grouped) == []


def test_the_segments_of_both_groups_are_those_of_the_record(grouped):
    grouped["stimuli"]["unseen"]["segments"] = 6
    assert found(grouped) == ["r.json: stimuli: segments: 7 seen and 6 unseen, expected 12 together."]


def test_a_groups_value_and_interval_are_those_of_its_own_subjects(grouped):
    seen, unseen = grouped["stimuli"]["seen"], grouped["stimuli"]["unseen"]
    seen["value"], seen["ci95"] = 0.5, [0.1, 0.2]
    unseen["value"], unseen["ci95"] = 0.6, None
    assert found(grouped) == [
        "r.json: stimuli: seen: value: 0.500000, expected 0.233333, the mean of its subjects.",
        "r.json: stimuli: seen: ci95: 0.100000 to 0.200000, expected 0.043604 to 0.423062, the t interval over"
        " 3 subjects.",
        "r.json: stimuli: unseen: value: 0.600000, expected 0.100000, the mean of its subjects.",
        "r.json: stimuli: unseen: ci95: null, expected null for one subject, and an interval for more.",
    ]


def test_a_group_of_one_subject_has_no_interval(grouped):
    grouped["stimuli"]["unseen"] = group(5, _86=0.05)
    grouped["stimuli"]["seen"] = group(7, _86=0.15, _87=0.2, _88=0.3)
    assert found(grouped) == []
    grouped["stimuli"]["unseen"]["ci95"] = [0.05, 0.05]
    assert found(grouped) == [
        "r.json: stimuli: unseen: ci95: 0.050000 to 0.050000, expected null for one subject, and an interval"
        " for more."
    ]


def test_a_groups_subjects_are_subjects_of_the_record(grouped):
    grouped["stimuli"] = {
        "seen": group(7, _86=0.15, _87=0.25, _88=0.3, _99=0.5, _98=0.5),
        "unseen": group(5, _86=0.05, _87=0.15, _97=0.5),
    }
    assert found(grouped) == [
        "r.json: stimuli: seen: subjects: sub-098, sub-099, expected subjects of the record.",
        "r.json: stimuli: unseen: subjects: sub-097, expected subjects of the record.",
    ]


def test_a_subjects_score_lies_between_those_of_its_groups(grouped):
    grouped["stimuli"] = {"seen": group(7, _86=0.15, _87=0.15), "unseen": group(5, _86=0.12, _87=0.1)}
    assert found(grouped) == [
        "r.json: stimuli: sub-086: 0.150000 and 0.120000, expected 0.100000, its score, between them.",
        "r.json: stimuli: sub-087: 0.150000 and 0.100000, expected 0.200000, its score, between them.",
        "r.json: stimuli: sub-088: no score, expected 0.300000, its score, between them.",
    ]


def test_groups_of_stimuli_are_scored_by_the_measure_that_ranks(measured):
    seen, unseen = group(7, _86=0.6, _87=0.7, _88=0.8), group(5, _86=0.4, _87=0.5, _88=0.6)
    assert found({**measured, "stimuli": {"seen": seen, "unseen": unseen}}) == []
    unseen = group(5, _86=0.4, _87=0.5, _88=0.71)
    assert found({**measured, "stimuli": {"seen": seen, "unseen": unseen}}) == [
        "r.json: stimuli: sub-088: 0.800000 and 0.710000, expected 0.700000, its score, between them."
    ]


# Where all else is 0, a difference is the number itself: this is the widest that counts as rounding.
WIDEST = 1e-9
TOO_WIDE = math.nextafter(WIDEST, 1)


@pytest.fixture
def alone(make_record):
    """A record of one subject that scores 0."""
    return plain(read_record(make_record("alone", [0.0])))


def put(document, keys, value):
    """Set what lies below some keys."""
    *above, last = keys
    for key in above:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("keys", "place", "follows"),
    [
        (["score"], "score", "the mean of its subjects"),
        (["bands", 1], "bands[1]", "the mean of its subjects"),
        (["subjects", "sub-086", "pearson_r"], "subjects: sub-086: pearson_r", "the mean of its bands"),
    ],
)
def test_a_mean_may_differ_by_rounding_and_no_more(alone, sign, keys, place, follows):
    put(alone, keys, sign * WIDEST)
    assert found(alone) == []
    put(alone, keys, sign * TOO_WIDE)
    zero = f"{sign * WIDEST:.6f}"
    assert f"r.json: {place}: {zero}, expected 0.000000, {follows}." in found(alone)


@pytest.mark.parametrize("end", [0, 1])
def test_an_end_of_the_interval_may_differ_by_rounding_and_no_more(make_record, end):
    document = plain(read_record(make_record("zeros", [0.0, 0.0])))
    assert document["ci95"] == [0.0, 0.0]
    document["ci95"][end] = WIDEST
    assert found(document) == []
    document["ci95"][end] = TOO_WIDE
    assert found(document) == [
        "r.json: ci95: 0.000000 to 0.000000, expected 0.000000 to 0.000000, the t interval over 2 subjects."
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_groups_mean_and_limits_may_differ_by_rounding_and_no_more(alone, sign):
    zeros, off = group(2, _86=0.0), group(2, _86=sign * WIDEST)
    assert found({**alone, "stimuli": {"seen": {**zeros, "value": sign * WIDEST}, "unseen": zeros}}) == []
    assert found({**alone, "stimuli": {"seen": off, "unseen": off}}) == []
    off = group(2, _86=sign * TOO_WIDE)
    assert found({**alone, "stimuli": {"seen": {**zeros, "value": sign * TOO_WIDE}, "unseen": off}}) == [
        f"r.json: stimuli: seen: value: {sign * WIDEST:.6f}, expected 0.000000, the mean of its subjects."
    ]
    said = f"{sign * WIDEST:.6f}"
    assert found({**alone, "stimuli": {"seen": off, "unseen": off}}) == [
        f"r.json: stimuli: sub-086: {said} and {said}, expected 0.000000, its score, between them."
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_measure_may_pass_its_limits_by_rounding_and_no_more(alone, sign):
    # All four segments are missing, so that the limits are 0; a fourth of a number is exact.
    alone["subjects"]["sub-086"]["missing"] = ["a", "b", "c", "d"]
    alone["flags"]["segments_missing"] = 4
    assert found(with_measures(alone, ["cosine"], cosine=[sign * WIDEST / 4])) == []
    assert found(with_measures(alone, ["cosine"], cosine=[sign * TOO_WIDE / 4])) == [
        f"r.json: measures: cosine: subjects: sub-086: {sign * WIDEST / 4:.6f}, expected 0.000000 to 0.000000,"
        " since 4 of 4 segments count 0."
    ]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("cosine", -0.75, 0.75), ("cosine_gain", -1.75, 1.75), ("song_accuracy", 0.0, 0.75)],
)
def test_a_measures_limits_are_its_range_where_there_is_a_prediction(document, name, low, high):
    document["subjects"]["sub-086"]["missing"] = ["a"]
    document["flags"]["segments_missing"] = 1
    for reached in (low, high):
        assert found(with_measures(document, [name], **{name: [reached, 0.1, 0.2]})) == []
    for passed in (low - 0.01, high + 0.01):
        assert found(with_measures(document, [name], **{name: [passed, 0.1, 0.2]})) == [
            f"r.json: measures: {name}: subjects: sub-086: {passed:.6f}, expected {low:.6f} to {high:.6f}, since"
            " 1 of 4 segments counts 0."
        ]


def test_segments_may_all_be_undefined_that_have_a_prediction(measured):
    measured["measures"]["cosine"]["segments_undefined"] = 12
    assert found(measured) == []
    measured["measures"]["cosine"]["segments_undefined"] = 13
    assert found(measured) == [
        "r.json: measures: cosine: segments_undefined: 13, expected at most 12, the segments with a prediction."
    ]


def test_measures_that_the_split_does_not_have_are_named(document):
    both = with_measures(document, ["cosine"], cosine=[0.5, 0.6, 0.7], cosine_centred=[0.1, 0.2, 0.3])
    assert found(both) == [
        "r.json: measures: cosine, cosine_centred, expected cosine, the split's but pearson_r."
    ]
    document["split"]["measures"] = ["pearson_r", "cosine", "cosine_gain"]
    assert found(document) == [
        "r.json: measures: none, expected cosine, cosine_gain, the split's but pearson_r."
    ]


def without_brain(measures, **scores):
    """A document of a prediction without the brain: what each subject scores, and the mean by each measure."""
    score = group(**scores)
    del score["segments"]
    return {**score, "measures": measures}


@pytest.fixture
def brainless(measured):
    """The record by two measures, with two predictions that no EEG went into."""
    measured["without_brain"] = {
        "constant": without_brain({"cosine": 0.5, "pearson_r": 0.0}, _86=0.4, _87=0.5, _88=0.6),
        "another_second": without_brain({"cosine": 0.2}, _86=0.1, _87=0.2, _88=0.3),
    }
    return measured


def test_a_record_with_predictions_without_the_brain_holds_together(brainless):
    assert found(brainless) == []


def test_predictions_without_the_brain_are_of_the_records_subjects_and_each_is_looked_at(brainless):
    named = without_brain({"cosine": 0.5}, _86=0.4, _98=0.5, _99=0.6)
    brainless["without_brain"]["constant"] = named
    brainless["without_brain"]["another_second"]["value"] = 0.3
    assert found(brainless) == [
        "r.json: without_brain: constant: subjects: other subjects (sub-087, sub-088, sub-098, sub-099),"
        " expected those of the record.",
        "r.json: without_brain: another_second: value: 0.300000, expected 0.200000, the mean of its subjects.",
        "r.json: without_brain: another_second: measures: cosine: 0.200000, expected 0.300000, its value.",
    ]
    order = without_brain({"cosine": 0.5}, _87=0.5, _86=0.4, _88=0.6)
    brainless["without_brain"] = {"constant": order}
    assert found(brainless) == [
        "r.json: without_brain: constant: subjects: other subjects (in another order), expected those of the"
        " record."
    ]


def test_the_numbers_of_a_prediction_without_the_brain_follow_from_its_subjects(brainless):
    brainless["without_brain"]["constant"]["ci95"] = [0.1, 0.2]
    brainless["without_brain"]["another_second"]["ci95"] = None
    assert found(brainless) == [
        "r.json: without_brain: constant: ci95: 0.100000 to 0.200000, expected 0.251586 to 0.748414, the t"
        " interval over 3 subjects.",
        "r.json: without_brain: another_second: ci95: null, expected null for one subject, and an interval for"
        " more.",
    ]


def test_predictions_without_the_brain_are_scored_by_the_records_measures(brainless):
    constant, second = brainless["without_brain"].values()
    constant["measures"] = {"cosine": 0.5, "cosine_gain": 0.0}
    second["measures"] = {"pearson_r": 0.2}
    assert found(brainless) == [
        "r.json: without_brain: constant: measures: cosine, cosine_gain, expected of cosine, pearson_r, those of"
        " the record.",
        "r.json: without_brain: another_second: measures: pearson_r, expected of cosine, pearson_r, those of the"
        " record.",
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_without_the_brain_may_differ_by_rounding_and_no_more(alone, sign):
    value = without_brain({"pearson_r": sign * WIDEST}, _86=0.0)
    assert found({**alone, "without_brain": {"constant": value}}) == []
    value = without_brain({"pearson_r": sign * TOO_WIDE}, _86=0.0)
    assert found({**alone, "without_brain": {"constant": value}}) == [
        f"r.json: without_brain: constant: measures: pearson_r: {sign * WIDEST:.6f}, expected 0.000000, its"
        " value."
    ]


def test_chance_and_subjects_of_the_controls_are_named_in_full(controlled):
    blind = controlled["controls"]["blind"]
    blind["chance"]["circular_shifts"]["low"] = 0.005
    assert found(controlled) == [
        "r.json: controls: blind: chance: circular_shifts: 0.005000, 0.000000, 0.010000, expected low, mean"
        " and high in this order."
    ]
    blind["subjects"] |= {"sub-998": 0.0, "sub-999": 0.0}
    assert found(controlled) == [
        "r.json: controls: blind: subjects: other subjects (sub-998, sub-999), expected those of the record."
    ]


def test_an_id_may_not_be_missing_twice(document):
    document["subjects"]["sub-086"]["missing"] = ["a", "a"]
    document["flags"]["segments_missing"] = 2
    assert found(document) == [
        "r.json: subjects: sub-086: missing and constant: 2 ids, expected at most 4, its segments, none of them"
        " twice."
    ]


def test_no_more_segments_may_be_missing_than_there_are(document):
    document["subjects"]["sub-086"] |= {"missing": ["a", "b", "c"], "constant": ["d", "e"]}
    document["flags"] |= {"segments_missing": 3, "segments_constant": 2}
    assert found(document) == [
        "r.json: subjects: sub-086: missing and constant: 5 ids, expected at most 4, its segments, none of them"
        " twice."
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_score_may_be_as_high_as_missing_segments_leave_room_for(make_record, sign):
    document = plain(read_record(make_record("alone", [sign * 0.75])))
    document["subjects"]["sub-086"]["missing"] = ["a"]
    document["flags"]["segments_missing"] = 1
    assert found(document) == []
    document = plain(read_record(make_record("higher", [sign * 0.8])))
    document["subjects"]["sub-086"]["missing"] = ["a"]
    document["flags"]["segments_missing"] = 1
    assert found(document) == [
        f"r.json: subjects: sub-086: pearson_r: {sign * 0.8:.6f}, expected at most 0.750000, since 1 of 4"
        " segments counts 0."
    ]


@pytest.mark.parametrize(
    ("training", "there", "expected"),
    [
        ("verified", True, None),
        ("declared", True, None),
        ("tampered", False, None),
        (None, True, None),
        (None, False, None),
        ("verified", False, "verified, expected tampered, if a record says so, as overlap is not"),
        ("declared", False, "declared, expected tampered, if a record says so, as overlap is not"),
        ("tampered", True, "tampered, expected verified or declared, as overlap is there"),
    ],
)
def test_overlap_is_there_unless_the_training_record_was_tampered_with(document, training, there, expected):
    if training is not None:
        document["run"]["training"] = training
    if not there:
        document["overlap"] = None
    assert found(document) == ([f"r.json: run: training: {expected}."] if expected else [])


def test_weights_may_have_seen_all_that_there_is(document):
    document["overlap"] = {"subjects_seen": 3, "subjects": 3, "stimuli_seen": 4, "stimuli": 4}
    assert found(document) == []


def test_controls_have_the_records_subjects_in_its_order(controlled):
    blind = controlled["controls"]["blind"]
    difference = blind["difference"]["subjects"]
    blind["difference"]["subjects"] = dict(reversed(difference.items()))
    assert found(controlled) == [
        "r.json: controls: blind: difference: subjects: other subjects, expected those of the record."
    ]
    blind["subjects"] = dict(reversed(blind["subjects"].items()))
    assert found(controlled) == [
        "r.json: controls: blind: subjects: other subjects (in another order), expected those of the record."
    ]


def test_the_numbers_of_the_controls_follow_from_those_beside_them(controlled):
    blind = controlled["controls"]["blind"]
    blind["segments"] = 20
    blind["difference"] |= {"value": 0.5, "ci95": None}
    assert found(controlled) == [
        "r.json: controls: blind: segments: 20, all, expected 24, or fewer in a sample.",
        "r.json: controls: blind: difference: value: 0.500000, expected 0.199000, the mean of its subjects.",
        "r.json: controls: blind: difference: ci95: null, expected null for one subject, and an interval for"
        " more.",
    ]


def test_controls_of_few_subjects_have_no_p(make_record):
    scores = [0.1, 0.2, 0.3]
    document = plain(read_record(make_record("few", scores, controls=controls_document(scores, [0.001] * 3))))
    difference = document["controls"]["blind"]["difference"]
    assert difference["p"] is None
    assert found(document) == []
    difference["p"] = 0.5
    assert found(document) == [
        "r.json: controls: blind: difference: p: 0.5, expected null, the test of its subjects."
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_may_differ_by_rounding_and_no_more(make_record, sign):
    document = plain(read_record(make_record("zero", [0.0], controls=controls_document([0.0], [0.0]))))
    difference = document["controls"]["blind"]["difference"]
    difference["subjects"]["sub-086"] = sign * WIDEST
    assert found(document) == []
    difference["subjects"]["sub-086"] = difference["value"] = sign * TOO_WIDE
    assert found(document) == [
        f"r.json: controls: blind: difference: subjects: sub-086: {sign * WIDEST:.6f}, expected 0.000000, the"
        " score less the blind one."
    ]


def test_all_subjects_are_named_that_are_missing_and_have_a_score(document):
    document["flags"] |= {"partial": True, "subjects_missing": ["sub-087", "sub-086", "sub-099"]}
    assert found(document) == [
        "r.json: flags: subjects_missing: sub-087, sub-086, expected subjects that have no score."
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_score_may_pass_what_missing_segments_leave_by_rounding_and_no_more(alone, sign):
    # All four segments are missing, so that the limit is 0; a fourth of a number is exact.
    alone["subjects"]["sub-086"]["missing"] = ["a", "b", "c", "d"]
    alone["flags"]["segments_missing"] = 4
    alone["subjects"]["sub-086"]["pearson_r"] = sign * WIDEST / 4
    assert found(alone) == []
    alone["subjects"]["sub-086"]["pearson_r"] = sign * TOO_WIDE / 4
    assert found(alone) == [
        f"r.json: subjects: sub-086: pearson_r: {sign * WIDEST / 4:.6f}, expected at most 0.000000, since 4 of"
        " 4 segments count 0."
    ]


def test_a_p_may_differ_by_rounding_and_no_more(make_record):
    # So many subjects, all better with the EEG: p is so near to 0 that a number less p is the number itself.
    many = 120
    controls = controls_document([0.5] * many, [0.0] * many)
    document = plain(read_record(make_record("many", [0.5] * many, controls=controls)))
    difference = document["controls"]["blind"]["difference"]
    p = difference["p"]
    assert 0 < p < 1e-25
    difference["p"] = WIDEST
    assert found(document) == []
    difference["p"] = TOO_WIDE
    assert found(document) == [
        f"r.json: controls: blind: difference: p: {TOO_WIDE}, expected {p}, the test of its subjects."
    ]


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_mean_of_chance_may_be_an_end_of_its_band(document, end):
    shifts = document["chance"]["circular_shifts"]
    shifts["mean"] = shifts[end]
    assert found(document) == []


TRAINED = {"training": {"seed": 3, "recipe_sha256": "5" * 64}}
MEMBER = {"name": "a", "version": "1", "variant": "full", "code_sha256": "1" * 64, "weights_sha256": None}
HANDED_IN = {
    "kind": "predictions",
    "code_sha256": None,
    "version": None,
    "variant": None,
    "weights_sha256": None,
    "predictions_sha256": "3" * 64,
}
NO_ABLATION = "submission: ablation_of: {}, expected another variant, and none for predictions."
NO_TRANSFER = "submission: transfer: {}, expected another board's weights, and none for predictions."


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (HANDED_IN, None),
        (TRAINED, None),
        ({"members": [MEMBER, MEMBER]}, None),
        (TRAINED | HANDED_IN, "submission: training: seed 3, expected no such key for predictions."),
        (
            TRAINED | {"members": [MEMBER, MEMBER]},
            "submission: training: seed 3, expected no such key for an ensemble.",
        ),
        ({"ablation_of": "another"}, None),
        ({"ablation_of": "another"} | HANDED_IN, NO_ABLATION.format("another")),
        ({"ablation_of": "OWN"}, NO_ABLATION.format("OWN")),
        ({"transfer": {"corpus": "CORPUS", "split": "other"}}, None),
        ({"transfer": {"corpus": "other", "split": "SPLIT"}}, None),
        ({"transfer": {"corpus": "CORPUS", "split": "SPLIT"}}, NO_TRANSFER.format("CORPUS/SPLIT")),
        ({"transfer": {"corpus": "other", "split": "SPLIT"}} | HANDED_IN, NO_TRANSFER.format("other/SPLIT")),
        ({"channels_excluded": ["Cz", "Pz"]}, None),
        (
            {"channels_excluded": ["Cz", "Pz"]} | HANDED_IN,
            "submission: channels_excluded: Cz, Pz, expected none for predictions.",
        ),
    ],
)
def test_a_system_is_what_its_kind_can_be(document, changed, message):
    own = {
        "OWN": document["submission"]["variant"],
        "CORPUS": document["corpus"]["name"],
        "SPLIT": document["split"]["name"],
    }
    text = json.dumps([changed, message])
    for name, value in own.items():
        text = text.replace(name, value)
    changed, message = json.loads(text)
    document["submission"] |= changed
    assert found(document) == ([] if message is None else [f"r.json: {message}"])
