"""Records checked against themselves: what is edited by hand does not hold together, and is named."""

import json

import msgspec
import pytest
from documents import controls_document, with_measures

from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, plain
from harness.records.store import read_record

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


def test_controls_without_a_version_of_the_statistics_are_found(make_record):
    scores = [0.1, 0.2, 0.15, 0.12, 0.11, 0.13]
    record = read_record(make_record("fine", scores, controls=controls_document(scores, [0.0] * 6)))
    assert inconsistencies(record, "r.json") == []
    (fault,) = inconsistencies(msgspec.structs.replace(record, statistics_version=msgspec.UNSET), "r.json")
    assert fault.where == "r.json: statistics_version"
