"""Score records: values, schema, bytes."""

import dataclasses
import hashlib
import json
import time
from datetime import UTC, datetime
from importlib import metadata

import msgspec
import numpy as np
import pytest
from conftest import REPOSITORY
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM, controls_document, with_measures
from msgspec import UNSET
from msgspec.structs import replace

from harness import __version__
from harness.errors import RecordError, SplitError
from harness.records.bands import ChanceBand, ChanceBands, chance_bands, chance_of
from harness.records.build import build_record
from harness.records.controls import Controls
from harness.records.document import parse_record, plain, record_bytes
from harness.records.key import record_key
from harness.records.measured import ClassifierFacts, MeasureResult
from harness.records.milestone import made_of, parse_milestone, ranked_by
from harness.records.provenance import environment, host, now
from harness.records.record import (
    Flags,
    GitCommit,
    Overlap,
    Record,
    channels_stem,
    channels_words,
    name_faults,
)
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.text import chance_lines, flag_lines
from harness.records.without_brain import WithoutBrain
from harness.scoring.chance import Band, Chance, chance
from harness.scoring.context import Classifier
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import MEASURES
from harness.scoring.score import (
    SCORER_VERSION,
    SubjectMeasure,
    SubjectScore,
    combine,
    score_subject,
    score_with_chance,
)
from harness.scoring.statistics import STATISTICS_VERSION

COMMITTED = sorted((REPOSITORY / "results").rglob("*.json"))


@pytest.fixture
def record(rng):
    references = {s: {f"{s}_{i}": rng.standard_normal((64, 2)) for i in range(2)} for s in ("a", "b")}
    score = combine(
        {
            subject: score_subject(own, {k: v + rng.standard_normal(v.shape) for k, v in own.items()})
            for subject, own in references.items()
        }
    )
    return build_record(
        score,
        chance=Chance(Band(-0.01, 0.0, 0.01, 33), None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        **RUN,
    )


def faults(document, where="r.json"):
    with pytest.raises(RecordError) as caught:
        parse_record(json.dumps(document).encode(), where)
    return sorted(map(str, caught.value.faults))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.relative_to(REPOSITORY / "results")))
def test_a_committed_record_read_and_written_has_its_bytes(path):
    content = path.read_bytes()
    record = parse_record(content, str(path))
    assert record_bytes(record) == content
    assert plain(record) == json.loads(content)


def test_all_that_a_record_is_built_of_stands_in_it(rng):
    references = {s: {f"{s}_{i}": rng.standard_normal((64, 2)) for i in range(2)} for s in ("a", "b")}
    score = combine({subject: score_subject(own, own) for subject, own in references.items()})
    group = StimulusGroup(value=1.0, ci95=(1.0, 1.0), subjects={"a": 1.0, "b": 1.0}, segments=2)
    constant = WithoutBrain(value=0.0, ci95=None, subjects={"a": 0.0}, measures={"pearson_r": 0.0})
    given = {
        "overlap": Overlap(subjects_seen=0, subjects=2, stimuli_seen=1, stimuli=2),
        "stimuli": SeenAndUnseen(seen=group, unseen=group),
        "controls": msgspec.convert(controls_document([0.5, 0.6], [0.0, 0.1]), Controls),
        "without_brain": {"constant": constant},
        "weights_notes": ("chosen on the test part",),
        "git": GitCommit(commit="3" * 40, dirty=True),
        "environment": {"harness": "0", "numpy": "2"},
        "feature": "envelope",
        "seed": 7,
    }
    record = build_record(
        score,
        chance=Chance(Band(-0.01, 0.0, 0.01, 33), None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        stimuli_missing=("story-b",),
        **{**RUN, **given, "subjects_missing": ("c",)},
    )
    assert {name: getattr(record, name) for name in given} == given
    assert (record.submission, record.split, record.corpus, record.run) == (
        SYSTEM,
        SPLIT_PART,
        CORPUS_DATA,
        RUN["run"],
    )
    assert (record.record_version, record.scorer_version) == (1, SCORER_VERSION)
    assert record.statistics_version == STATISTICS_VERSION
    assert (record.score, record.bands) == (score.pearson_r, score.bands)
    assert record.ci95 == pytest.approx((1, 1), abs=1e-12)
    assert record.chance == ChanceBands(
        circular_shifts=ChanceBand(low=-0.01, mean=0.0, high=0.01, scores=33), mismatched_segments=None
    )
    assert record.flags == Flags(
        partial=True,
        subjects_missing=("c",),
        segments_missing=0,
        segments_constant=0,
        references_constant=(),
        stimuli_missing=("story-b",),
    )
    for key in ("subjects_missing", "stimuli_missing"):
        alone = build_record(
            score,
            chance=Chance(Band(-0.01, 0.0, 0.01, 33), None),
            submission=SYSTEM,
            split=SPLIT_PART,
            corpus=CORPUS_DATA,
            **{**RUN, key: ("c",)},
        )
        assert alone.flags.partial
        assert (alone.measures, alone.stimuli, alone.controls, alone.without_brain, alone.weights_notes) == (
            UNSET,
        ) * 5


def test_a_record_read_from_its_bytes_is_the_same_value(record):
    assert parse_record(record_bytes(record), "r.json") == record


def test_a_record_cannot_be_changed(record):
    with pytest.raises(AttributeError, match="immutable"):
        record.score = 1.0
    with pytest.raises(AttributeError, match="immutable"):
        record.submission.name = "other"


def test_a_field_that_a_file_does_not_have_stays_absent(record):
    document = plain(record)
    del document["overlap"]
    content = json.dumps(document, indent=1).encode()
    read = parse_record(content, "r.json")
    assert "overlap" not in plain(read)
    assert "members" not in plain(read)["submission"]
    assert not read.overlap
    assert plain(parse_record(record_bytes(record), "r.json"))["overlap"] is None


def test_lists_of_numbers_stand_on_one_line(record):
    text = record_bytes(record).decode()
    assert json.loads(text) == plain(record)
    assert all(line.count("]") == line.count("[") for line in text.splitlines() if '"bands"' in line)


def test_record_against_the_schema_names_every_departure(record):
    document = plain(record)
    del document["seed"]
    document["subjects"]["a"]["pearson_r"] = 1.5
    document["corpus"]["kind"] = "half real"
    assert faults(document) == [
        "r.json: corpus: kind: 'half real', expected one of real, simulated.",
        "r.json: subjects: a: pearson_r: 1.5, expected a number of at most 1.",
        "r.json: the key 'seed' is missing.",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"score": NaN}', "NaN is not a number of JSON"),
        (b'{"score": 1e999}', "1e999 is too large for a number"),
        (b'{"score": 0.1', "Expecting ',' delimiter"),
        (b'"\xff"', "Invalid UTF-8|invalid character|utf-8"),
        (b"[" * 100_000, "nested deeper than 64"),
    ],
)
def test_what_is_not_json_is_refused_by_its_name(content, why):
    with pytest.raises(RecordError, match=f"^results/r.json: not JSON .*({why})"):
        parse_record(content, "results/r.json")


def test_what_is_not_json_is_told_with_what_was_expected():
    with pytest.raises(RecordError) as caught:
        parse_record(b'{"score": NaN}', "r.json")
    (fault,) = caught.value.faults
    assert fault.expected == "a score record"


def test_words_of_any_script_stand_in_a_record_as_they_are(record):
    named = replace(record, run=replace(record.run, machine="Gehör 音"))
    assert "Gehör 音".encode() in record_bytes(named)
    assert parse_record(record_bytes(named), "r.json") == named


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_record_is_never_written_with_a_number_that_json_lacks(record, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_bytes(replace(record, score=number))


def test_a_whole_number_with_a_point_is_refused_where_a_count_is_asked(record):
    document = plain(record)
    document["seed"] = 3.0  # valid by JSON Schema
    assert faults(document) == ["r.json: Expected `int`, got `float` - at `$.seed`, expected a score record."]


def test_names_of_systems_say_the_variant_where_there_is_one():
    named = replace(SYSTEM, variant="no-mixup")
    assert (SYSTEM.title, SYSTEM.stem) == ("tiny", "tiny")
    assert (named.title, named.stem) == ("tiny (no-mixup)", "tiny-no-mixup")
    assert replace(SYSTEM, variant=None).title == "tiny"


def test_chance_stands_in_the_record_and_in_words(record):
    assert plain(record)["chance"] == {
        "circular_shifts": {"low": -0.01, "mean": 0.0, "high": 0.01, "scores": 33},
        "mismatched_segments": None,
    }
    assert chance_lines(record.ranked) == ["chance -0.0100 to 0.0100 (95 % of 33 circular shifts)"]
    wide = ChanceBand(low=-0.02, mean=0.0, high=0.5, scores=1000)
    both = replace(record, score=0.4, chance=replace(record.chance, mismatched_segments=wide))
    assert chance_lines(both.ranked) == [
        "chance -0.0200 to 0.5000 (95 % of 33 circular shifts and of 1,000 mismatched segments):"
        " INDISTINGUISHABLE FROM CHANCE"
    ]
    turned = replace(record, score=-0.4)
    assert chance_lines(turned.ranked) == [
        "chance -0.0100 to 0.0100 (95 % of 33 circular shifts): BELOW CHANCE: LOOK FOR THE SIGN"
    ]
    none = ChanceBands(circular_shifts=None, mismatched_segments=None)
    assert chance_lines(replace(record, chance=none).ranked) == []


def test_what_a_record_says_by_each_measure(record):
    assert record.measure_names == ("pearson_r",)
    assert (record.ranked.value, record.ranked.ci95) == (record.score, record.ci95)
    assert record.ranked.subjects == {name: one.pearson_r for name, one in record.subjects.items()}
    assert record.measured == (record.ranked,)
    document = with_measures(plain(record), ["cosine", "pearson_r"], cosine=[0.25, 0.75])
    own = parse_record(json.dumps(document).encode(), "r.json")
    assert [one.measure.name for one in own.measured] == ["cosine", "pearson_r"]
    assert (own.ranked.value, own.ranked.subjects) == (0.5, {"a": 0.25, "b": 0.75})
    assert own.measured[1] == record.ranked
    assert (own.has("pearson_r"), own.has("cosine"), own.has("cosine_centred")) == (True, True, False)
    assert record_key(own) != record_key(record)
    assert b'"measures": [\n   "cosine",\n   "pearson_r"\n  ]' in record_bytes(own)


def test_where_lower_is_better_chance_is_beaten_from_above(record, monkeypatch):
    distance = dataclasses.replace(MEASURES["cosine"], name="distance", higher_is_better=False)
    monkeypatch.setitem(MEASURES, "distance", distance)
    for scores, at_chance in (([-0.02, -0.02], False), ([-0.01, -0.01], True), ([0.5, 0.5], True)):
        document = with_measures(plain(record), ["distance"], distance=scores)
        assert parse_record(json.dumps(document).encode(), "r.json").at_chance is at_chance


def test_segments_without_a_value_by_a_measure_are_counted_and_named(rng):
    references = {f"s{i}": rng.standard_normal((8, 1)) for i in range(4)}
    references["s3"] = np.zeros((8, 1))
    predictions = {name: reference + 1 for name, reference in references.items() if name != "s2"}
    predictions["s0"] = np.zeros((8, 1))
    scored = score_with_chance(references, predictions, ["cosine"])
    own = build_record(
        combine({"a": scored.score}),
        chance=chance({"a": scored.chance}),
        submission=SYSTEM,
        split=replace(SPLIT_PART, measures=("cosine",)),
        corpus=CORPUS_DATA,
        **RUN,
    )
    assert own.measures["cosine"].segments_undefined == 2
    assert flag_lines(own)[-1] == "2 segments without a value by the cosine count 0"


def by_song_accuracy(*values):
    """The score of subjects by song accuracy; the first has no value for two segments."""
    undefined = (("s0", "s1"), ("s1",))
    return combine(
        {
            f"sub-{number}": SubjectScore(
                0.1 * number,
                (0.1 * number,),
                4,
                (),
                (),
                (),
                {"song_accuracy": SubjectMeasure(value, (), *(((), ()) if number else undefined))},
            )
            for number, value in enumerate(values)
        }
    )


def test_a_measure_with_a_classifier_is_recorded_with_its_own_classifier():
    around = Chance(Band(0.2, 0.25, 0.3, 30), Band(0.15, 0.25, 0.35, 1000))
    classifiers = {
        name: Classifier(("a", "b"), lambda _: np.zeros(1, np.int64), trained, accuracy, segments)
        for name, trained, accuracy, segments in (("reconstructions", 7, 0.5, 8), ("classifier", 40, 0.9, 12))
    }
    built = {
        name: build_record(
            by_song_accuracy(0.25, 0.5, 0.9),
            chance=Chance(Band(-0.01, 0.0, 0.01, 33), None, {"song_accuracy": around}),
            submission=SYSTEM,
            split=replace(SPLIT_PART, measures=("song_accuracy",)),
            corpus=CORPUS_DATA,
            classifiers=given,
            **RUN,
        ).measures
        for name, given in (("with", classifiers), ("of another", {"reconstructions": None}), ("none", None))
    }
    expected = MeasureResult(
        value=pytest.approx(0.55, abs=1e-12),
        ci95=mean_interval([0.25, 0.5, 0.9]),
        chance=ChanceBands(
            circular_shifts=ChanceBand(low=0.2, mean=0.25, high=0.3, scores=30),
            mismatched_segments=ChanceBand(low=0.15, mean=0.25, high=0.35, scores=1000),
        ),
        subjects={"sub-0": 0.25, "sub-1": 0.5, "sub-2": 0.9},
        segments_undefined=2,
        classifier=ClassifierFacts(accuracy=0.9, segments=12, trained_on=40),
    )
    assert built == {
        "with": {"song_accuracy": expected},
        "of another": {"song_accuracy": replace(expected, classifier=UNSET)},
        "none": {"song_accuracy": replace(expected, classifier=UNSET)},
    }


def test_a_record_that_its_schema_does_not_allow_is_not_built():
    with pytest.raises(RecordError) as caught:
        build_record(
            combine({"a": SubjectScore(2.0, (0.5,), 1, (), (), ())}),
            chance=Chance(None, None),
            submission=SYSTEM,
            split=SPLIT_PART,
            corpus=CORPUS_DATA,
            **{**RUN, "seed": -1},
        )
    assert sorted(map(str, caught.value.faults)) == [
        "score record: score: 2.0, expected a number of at most 1.",
        "score record: seed: -1, expected a number of at least 0.",
        "score record: subjects: a: pearson_r: 2.0, expected a number of at most 1.",
    ]


@pytest.mark.parametrize(
    ("shifts", "mismatched"),
    [
        (Band(-0.1, 0.01, 0.2, 33), Band(-0.3, 0.02, 0.4, 1000)),
        (None, Band(-0.3, 0.02, 0.4, 1000)),
        (Band(-0.1, 0.01, 0.2, 33), None),
        (None, None),
    ],
)
def test_chance_read_from_a_record_is_what_was_recorded(shifts, mismatched):
    assert chance_of(chance_bands(Chance(shifts, mismatched))) == Chance(shifts, mismatched)


def test_records_and_milestones_are_ranked_by_the_splits_first_measure_that_they_have(record):
    document = with_measures(plain(record), ["cosine", "pearson_r"], cosine=[0.25, 0.75])
    lacks = {**document, "split": {**document["split"], "measures": ["cosine_gain", "cosine"]}}
    bare = {key: value for key, value in lacks.items() if key != "measures"}
    cases = (
        (plain(record), ("pearson_r", record.score)),
        (document, ("cosine", 0.5)),
        (lacks, ("pearson_r", record.score)),
        (bare, ("pearson_r", record.score)),
    )
    for one, expected in cases:
        content = json.dumps(one).encode()
        assert ranked_by(parse_milestone(content)) == expected
    for one, expected in cases[:2]:
        assert ranked_by(parse_record(json.dumps(one).encode(), "r.json")) == expected


def test_fields_and_their_order_are_the_schemas():
    schema = json.loads((REPOSITORY / "harness/schemas/score-record.json").read_text())
    assert list(Record.__struct_fields__) == list(schema["properties"])
    for kind in msgspec.inspect.type_info(Record).fields:
        own = schema["properties"][kind.name]
        if isinstance(kind.type, msgspec.inspect.StructType):
            assert [field.encode_name for field in kind.type.fields] == list(own["properties"])


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.8243719, "indistinguishable from chance"), (0.82, "below chance: look for the sign")],
)
def test_a_constants_chance_is_its_score_and_not_above_it(record, value, words):
    """Chance is stored with six digits, the score with all."""
    band = ChanceBand(low=0.824372, mean=0.824372, high=0.824372, scores=1000)
    bands = ChanceBands(circular_shifts=None, mismatched_segments=band)
    at = dataclasses.replace(record.ranked, value=value, chances=bands)
    assert at.chance_words == words


@pytest.mark.parametrize("name", ["theirs", "\u00e4\u00f6 1", "n" * 500])
def test_names_that_a_record_can_hold(name):
    assert name_faults(name, "theirs.npz") == []


@pytest.mark.parametrize("name", ["=1+1", "", "a\nb", "n" * 501])
def test_names_that_a_record_cannot_hold_are_refused(name):
    (fault,) = name_faults(name, "theirs.npz")
    assert str(fault) == (
        f"theirs.npz: the name {name[:60]!r}, expected text that can be seen as it is: no control or hidden"
        " characters, no line ends, none that turn the direction, no spaces but plain ones, and not beginning"
        " with one or with = + - @, which a spreadsheet would compute.\n  Rename the file."
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("30",), "channel 30"),
        (("Fp1", "Cz"), "channels Fp1, Cz"),
        (tuple("abcdefgh"), "channels a, b, c, d, e, f, g, h"),
        (tuple("abcdefghij"), "channels a, b, c, d, e, f, g, h and 2 more"),
    ],
)
def test_excluded_channels_in_words(names, words):
    assert channels_words(names) == words


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        (("30",), "30"),
        (("Fp1", "Cz"), "Fp1-Cz"),
        (tuple("abcdefgh"), "a-b-c-d-e-f-g-h"),
        (tuple("abcdefghi"), None),
        (("x" * 20, "y" * 19), "x" * 20 + "-" + "y" * 19),
        (("x" * 20, "y" * 20), None),
        (("EEG 1",), None),
        (("A.", "B"), None),
        (("A", "B/.."), None),
    ],
)
def test_excluded_channels_in_a_files_name(names, stem):
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:8]
    assert channels_stem(names) == (stem or f"{len(names)}-channels-{digest}")


def test_the_machine_the_time_and_the_versions(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    for counted, processors in ((7, 7), (None, 1)):
        monkeypatch.setattr("os.cpu_count", lambda counted=counted: counted)
        assert host() == ("Linux riscv64", processors)
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.strptime(now(), "%Y-%m-%dT%H:%M:%S%z") <= datetime.now(UTC)

    def version(package):
        if package == "scipy":
            raise metadata.PackageNotFoundError(package)
        return f"{package} 1"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("platform.python_version", lambda: "3.0")
    assert environment() == {
        "harness": __version__,
        "python": "3.0",
        "numpy": "numpy 1",
        "torch": "torch 1",
        "safetensors": "safetensors 1",
    }


def test_the_time_is_in_utc_wherever_the_machine_stands(monkeypatch):
    before = datetime.now(UTC).replace(microsecond=0)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        said = now()
    time.tzset()
    assert before <= datetime.strptime(said, "%Y-%m-%dT%H:%M:%S%z") <= datetime.now(UTC)


def test_a_measure_comes_with_its_classifier_and_an_unknown_one_is_named(record):
    document = with_measures(plain(record), ["song_accuracy"], song_accuracy=[0.25, 0.75])
    document["measures"]["song_accuracy"]["classifier"] = {"accuracy": 0.9, "segments": 4, "trained_on": 9}
    own = parse_record(json.dumps(document).encode(), "r.json")
    assert own.by("song_accuracy").classifier == ClassifierFacts(accuracy=0.9, segments=4, trained_on=9)
    assert own.by("pearson_r").classifier is None
    with pytest.raises(SplitError) as caught:
        own.by("nonsense")
    assert str(caught.value) == (
        f"score record: measures: 'nonsense', expected one of {', '.join(sorted(MEASURES))}."
    )


def test_milestones_are_made_of_what_their_records_are(record):
    system = replace(SYSTEM, weights_sha256="8" * 64)
    own = replace(record, submission=system)
    assert made_of(own) == ("0" * 64, "8" * 64, None, ())
    assert made_of(parse_milestone(record_bytes(own))) == ("0" * 64, "8" * 64, None, ())
