"""What differs between two records, value by value, and the words for it."""

from __future__ import annotations

import json

import pytest
from documents import controls_document, with_measures
from msgspec.structs import replace

from harness.records.document import parse_record, plain
from harness.records.record import Member
from harness.records.store import read_record
from harness.records.verify import (
    SAME_R,
    Difference,
    Verification,
    departures,
    verification_text,
    verify,
)
from harness.scoring.measures import MEASURES

MEMBERS = tuple(
    Member(name=name, version="1", variant=variant, code_sha256=code * 64, weights_sha256=None)
    for name, variant, code in (("one", "default", "1"), ("two", "wide", "2"))
)


@pytest.fixture
def document(make_record):
    """A record of three subjects and two bands, with controls and a further measure, which ranks."""
    document = plain(read_record(make_record("tiny", [0.1, 0.2, 0.3])))
    document["controls"] = controls_document([0.1, 0.2, 0.3], [0.0, 0.01, 0.02])
    return with_measures(document, ["cosine", "pearson_r"], cosine=[0.4, 0.5, 0.6])


def record(document):
    return parse_record(json.dumps(document).encode(), "r.json")


def changed(document, **places):
    """A copy with the values at places, whose keys are joined by two underscores."""
    copy = json.loads(json.dumps(document))
    for place, value in places.items():
        *keys, last = [int(key) if key.isdigit() else key for key in place.split("__")]
        inner = copy
        for key in keys:
            inner = inner[key]
        inner[last] = value
    return copy


def differences(document, **places):
    return list(verify(record(document), record(changed(document, **places))).differences)


def test_the_same_is_the_same(document):
    done = verify(record(document), record(document))
    assert done == Verification((), 0.0, 0.5, MEASURES["cosine"])
    assert (done.same_result, done.reproduced) == (True, True)


@pytest.mark.parametrize(
    ("place", "value", "what", "recorded", "now"),
    [
        ("submission__name", "other", "name", "tiny", "other"),
        ("submission__version", "2.0.0", "version", "1.0.0", "2.0.0"),
        ("submission__variant", "wide", "variant", "default", "wide"),
        ("submission__code_sha256", "7" * 64, "code", "0" * 16 + "…", "7" * 16 + "…"),
        ("submission__weights_sha256", "7" * 64, "weights", "None", "7" * 16 + "…"),
        ("submission__predictions_sha256", "7" * 64, "predictions", "None", "7" * 16 + "…"),
        ("split__name", "other", "name of the split", "held-out-subjects", "other"),
        ("split__sha256", "7" * 64, "split", "1" * 16 + "…", "7" * 16 + "…"),
        ("corpus__fingerprint", "7" * 64, "corpus", "2" * 16 + "…", "7" * 16 + "…"),
        ("scorer_version", 99, "scorer", None, "99"),
        ("seed", 5, "seed", "0", "5"),
    ],
)
def test_what_a_score_is_made_from_is_named_and_no_result(document, place, value, what, recorded, now):
    (found,) = differences(document, **{place: value})
    assert (found.what, found.now, found.result, found.remark) == (what, now, False, False)
    assert recorded in (None, found.recorded)
    done = verify(record(document), record(changed(document, **{place: value})))
    assert (done.same_result, done.reproduced) == (True, False)


@pytest.mark.parametrize(
    ("place", "value", "what", "recorded", "now"),
    [
        ("score", 0.25, "score", "0.200000", "0.250000"),
        ("ci95__0", 0.15, "95 % interval: 0", None, "0.150000"),
        ("chance__circular_shifts__high", 0.02, "chance: circular_shifts high", "0.010000", "0.020000"),
        ("bands__1", 0.25, "bands: 1", "0.200000", "0.250000"),
        ("measures__cosine__value", 0.25, "measures: cosine value", "0.500000", "0.250000"),
        ("subjects__sub-087__pearson_r", 0.25, "subjects: sub-087 pearson_r", "0.200000", "0.250000"),
        ("flags__partial", True, "flags: partial", "False", "True"),
        ("split__part", "val", "split: part", "test", "val"),
        ("corpus__kind", "real", "corpus: kind", "simulated", "real"),
        ("feature", "envelope", "feature", "mel", "envelope"),
        ("controls__blind__value", 0.25, "controls: blind value", "0.010000", "0.250000"),
        ("statistics_version", 99, "statistics_version", None, "99"),
    ],
)
def test_what_a_record_says_of_a_system_is_a_result(document, place, value, what, recorded, now):
    (found,) = differences(document, **{place: value})
    assert (found.what, found.now, found.result, found.remark) == (what, now, True, False)
    assert recorded in (None, found.recorded)
    done = verify(record(document), record(changed(document, **{place: value})))
    assert (done.same_result, done.reproduced) == (False, False)


def test_several_values_of_one_kind_are_one_difference_and_made_from_stands_first(document):
    assert differences(document, bands__0=0.21, bands__1=0.22, seed=5) == [
        Difference("seed", "0", "5"),
        Difference("bands: 0 and 1 more", "0.200000", "0.210000", result=True),
    ]


def test_time_host_and_commit_are_not_compared(document):
    assert differences(document, run__machine="other", git={"commit": "3" * 40, "dirty": True}) == []


def test_versions_are_told_package_by_package(document):
    versions = {"harness": "1", "numpy.typing": "2"}
    assert differences(document, environment=versions) == [
        Difference("version of harness", "0", "1", remark=True),
        Difference("version of numpy.typing", "None", "2", remark=True),
    ]
    done = verify(record(document), record(changed(document, environment=versions)))
    assert (done.same_result, done.reproduced) == (True, True)


@pytest.mark.parametrize(
    ("place", "within", "beyond"),
    [
        ("score", 0.2000009, 0.2000011),
        ("chance__circular_shifts__high", 0.0100014, 0.0100016),
        ("measures__cosine__chance__circular_shifts__high", 0.0100014, 0.0100016),
        ("measures__cosine__value", 0.5000009, 0.5000011),
        ("controls__blind__chance__circular_shifts__low", -0.0100014, -0.0100016),
        ("controls__blind__value", 0.0100009, 0.0100011),
    ],
)
def test_numbers_may_differ_by_what_processors_do(document, place, within, beyond):
    assert differences(document, **{place: within}) == []
    assert len(differences(document, **{place: beyond})) == 1


def test_controls_are_compared_where_both_have_them_of_one_sample(document):
    bare = {key: value for key, value in document.items() if key != "controls"}
    for one, other in ((document, bare), (bare, document)):
        assert verify(record(one), record(other)).differences == ()
    other = changed(document, controls__blind__segments=5, controls__blind__value=0.9)
    assert verify(record(document), record(other)).differences == ()


def test_a_list_of_another_length_is_one_difference(document):
    assert differences(changed(document, bands=[0.25, 0.5]), bands=[0.1, 0.2, 0.3]) == [
        Difference("bands", "[0.25, 0.5]", "[0.1, 0.2, 0.3]", result=True)
    ]


def test_the_largest_difference_is_of_the_measure_that_both_have(document):
    other = changed(document, measures__cosine__subjects={"sub-086": 0.4, "sub-087": 0.2, "sub-088": 0.65})
    done = verify(record(document), record(other))
    assert done.largest == pytest.approx(0.3)
    assert done.measure.name == "cosine"
    bare = changed(document, split__measures=None, measures=None)
    del bare["measures"], bare["split"]["measures"]
    done = verify(record(document), record(changed(bare, **{"subjects__sub-088__pearson_r": 0.1})))
    assert (done.measure.name, done.score) == ("pearson_r", document["score"])
    assert done.largest == pytest.approx(0.2)


def test_other_subjects_have_no_largest_difference(document):
    other = json.loads(json.dumps(document).replace("sub-088", "sub-099"))
    done = verify(record(document), record(other))
    assert (done.largest, done.same_result, done.reproduced) == (None, False, False)
    assert verification_text(done).splitlines()[0] == "NOT REPRODUCED: other subjects"


def with_members(document, *members):
    one = record(document)
    return replace(one, submission=replace(one.submission, members=members))


def test_members_are_compared_one_by_one_where_they_are_the_same_systems(document):
    one, two = MEMBERS
    assert list(
        verify(
            with_members(document, one, two),
            with_members(document, replace(one, version="2"), replace(two, code_sha256="9" * 64, weights_sha256="8" * 64)),
        ).differences
    ) == [
        Difference("version of one", "1", "2"),
        Difference("code of two (wide)", "2" * 16 + "…", "9" * 16 + "…"),
        Difference("weights of two (wide)", "None", "8" * 16 + "…"),
    ]  # fmt: skip
    assert list(verify(with_members(document, one, two), with_members(document, two, one)).differences) == [
        Difference("members", "one default, two wide", "two wide, one default")
    ]
    seeded = replace(two, seed=3)
    assert list(verify(with_members(document, two), with_members(document, seeded)).differences) == [
        Difference("members", "two wide", "two wide seed 3")
    ]
    again = replace(seeded, code_sha256="9" * 64)
    assert list(verify(with_members(document, seeded), with_members(document, again)).differences) == [
        Difference("code of two (wide), seed 3", "2" * 16 + "…", "9" * 16 + "…")
    ]
    assert list(verify(with_members(document), with_members(document, two)).differences) == [
        Difference("members", "none", "two wide")
    ]


def test_departures_are_every_value_with_its_place(document):
    other = changed(
        document,
        environment={"harness": "1"},
        seed=5,
        bands=[0.1, 0.25],
        run__machine="x",
        feature="envelope",
        split__sha256="7" * 64,
    )
    assert departures(record(document), record(other)) == [
        "bands.0 0.200000, now 0.100000",
        "bands.1 0.200000, now 0.250000",
        "split.sha256 1111111111111111…, now 7777777777777777…",
        "feature mel, now envelope",
        "seed 0, now 5",
    ]
    long = changed(document, run__machine="x", submission__name="n" * 62)
    assert departures(record(document), record(long)) == [f"submission.name tiny, now {'n' * 60}"]


def test_the_verdict_in_words(document):
    same = verify(record(document), record(document))
    assert verification_text(same) == (
        "reproduced: mean cosine 0.5000\ncode, weights, split, corpus, scorer and versions are the record's"
    )

    def text(**places):
        return verification_text(verify(record(document), record(changed(document, **places))))

    near = {"sub-086": 0.4, "sub-087": 0.5, "sub-088": 0.60000025}
    assert text(measures__cosine__subjects=near).splitlines()[0] == (
        "reproduced: mean cosine 0.5000, no subject further than 2.5e-07 away"
    )
    assert text(environment={"harness": "1"}) == (
        "reproduced: mean cosine 0.5000\n"
        "\n"
        "differs             record    now\n"
        "------------------  --------  -----\n"
        "version of harness  0         1"
    )
    assert text(environment={"harness": "1"}, seed=5).splitlines()[0] == (
        "NOT REPRODUCED: the record's score, but NOT FROM WHAT IT NAMES: mean cosine 0.5000"
    )
    far = {"sub-086": 0.4, "sub-087": 0.55, "sub-088": 0.6}
    assert text(measures__cosine__subjects=far).splitlines() == [
        "NOT REPRODUCED: a subject's cosine is 0.0500 away",
        "",
        "differs                            record    now",
        "---------------------------------  --------  --------",
        "measures: cosine subjects sub-087  0.500000  0.550000",
    ]
    assert text(feature="envelope").splitlines()[0] == (
        "NOT REPRODUCED: every subject's cosine is the record's, but not what else it says"
    )


def test_a_training_and_measures_are_named_as_what_the_score_is_made_from(document):
    recipe = "1" * 64
    trained = changed(document, submission__training={"seed": 3, "recipe_sha256": recipe})
    assert differences(trained, submission__training={"seed": 4, "recipe_sha256": recipe}) == [
        Difference("training", "3", "4")
    ]
    assert differences(document, split__measures=["pearson_r", "cosine"]) == [
        Difference("measures of the split", "cosine", "pearson_r")
    ]


def test_members_stand_beside_what_else_differs(document):
    one, two = MEMBERS
    before = with_members(document, one, two)
    after = with_members(changed(document, submission__name="other"), two, one)
    assert list(verify(before, after).differences) == [
        Difference("name", "tiny", "other"),
        Difference("members", "one default, two wide", "two wide, one default"),
    ]


def test_records_without_a_measure_in_common_are_compared_by_pearson_r(document):
    cosine = changed(document, split__measures=["cosine"])
    bare = changed(document, split__measures=["pearson_r"])
    del bare["measures"]
    done = verify(record(cosine), record(bare))
    assert (done.measure.name, done.score, done.largest) == ("pearson_r", document["score"], 0.0)


def test_a_difference_of_just_what_processors_do_is_the_records_score():
    other = (Difference("feature", "mel", "envelope", result=True),)
    for largest, words in (
        (SAME_R, "every subject's cosine is the record's, but not what else it says"),
        (2e-6, "a subject's cosine is 0.0000 away"),
    ):
        text = verification_text(Verification(other, largest, 0.5, MEASURES["cosine"]))
        assert text.splitlines()[0] == f"NOT REPRODUCED: {words}"


def test_the_tolerance_itself_is_within(document):
    assert differences(changed(document, bands__0=0.0), bands__0=SAME_R) == []
    assert differences(changed(document, bands__0=SAME_R), bands__0=0.0) == []
