"""A record as text."""

import pytest
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM
from msgspec import UNSET
from msgspec.structs import replace

from harness.records.bands import ChanceBand, ChanceBands
from harness.records.build import build_record
from harness.records.controls import BlindResult, Controls, Difference
from harness.records.record import Overlap, Training, Transfer
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.text import (
    blind_lines,
    chance_lines,
    control_flags,
    corpus_text,
    flag_lines,
    mean_text,
    overlap_lines,
    record_text,
    seeds_text,
    without_brain_lines,
)
from harness.records.without_brain import WithoutBrain
from harness.scoring.chance import Band, Chance
from harness.scoring.score import SubjectMeasure, SubjectScore, combine


def build(*subjects, measures=("pearson_r",), **others):
    """A record of subjects, each (Pearson r, cosine, missing, constant segments), of one band."""
    score = combine(
        {
            f"sub-{number:03d}": SubjectScore(
                r,
                (r,),
                4,
                missing,
                constant,
                (),
                {"cosine": SubjectMeasure(cosine, (cosine,), (), ())} if "cosine" in measures else {},
            )
            for number, (r, cosine, missing, constant) in enumerate(subjects)
        }
    )
    around = Chance(Band(-0.02, 0.0, 0.02, 1234), Band(-0.01, 0.0, 0.03, 1000))
    return build_record(
        score,
        chance=Chance(Band(-0.05, 0.0, 0.05, 33), None, {"cosine": around}),
        submission=SYSTEM,
        split=replace(SPLIT_PART, measures=measures),
        corpus=CORPUS_DATA,
        **{**RUN, **others},
    )


def controls(ci95=(0.01, 0.03), p=0.012345, mismatched=None, **others):
    band = ChanceBand(low=-0.04, mean=0.0, high=0.04, scores=50)
    difference = Difference(value=0.1, ci95=ci95 and (0.05, 0.15), p=p, subjects={})
    blind = BlindResult(
        value=0.02,
        ci95=ci95,
        chance=ChanceBands(circular_shifts=band, mismatched_segments=mismatched),
        subjects={},
        segments=12,
        sampled=False,
        difference=difference,
    )
    return Controls(blind=replace(blind, **others), scores_without_eeg=False, no_evidence_of_using_eeg=False)


@pytest.fixture
def plain_record():
    return build((0.2, 0.5, (), ()), (0.3, 0.6, (), ()))


def test_bands_are_called_those_of_the_feature():
    record = build_record(
        combine({"a": SubjectScore(0.2, (0.1, 0.3), 2, (), (), ())}),
        chance=Chance(None, None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        **{**RUN, "feature": "phonemes"},
    )
    table = record_text(record).split("\n\n")[2].splitlines()
    assert table[0].split() == ["phonemes", "band", "1", "2"]
    assert table[2].split() == ["Pearson", "r", "0.1000", "0.3000"]


def test_a_plain_record_in_words(plain_record):
    assert record_text(plain_record) == (
        "tiny on simulated data (no real EEG), split held-out-subjects, part test, feature mel\n"
        "\n"
        "subject      Pearson r    segments\n"
        "---------  -----------  ----------\n"
        "sub-000         0.2000           4\n"
        "sub-001         0.3000           4\n"
        "\n"
        "mean r 0.2500, 95 % interval -0.3853 to 0.8853 (t interval over 2 subjects), simulated\n"
        "predicted in 1.0 s, 2 times faster than real time\n"
        "chance -0.0500 to 0.0500 (95 % of 33 circular shifts)\n"
        "without the EEG: not measured\n"
        "A demonstration: whoever has the recipe has the labels, and no number is proof."
    )


def test_all_that_a_record_may_say_stands_in_its_words():
    record = build(
        (0.2, 0.5, ("s1",), ("s2", "s3")),
        (0.3, 0.625, (), ()),
        (0.01, 0.25, ("s1", "s4"), ()),
        (0.3, 0.5, (), ("s2",)),
        measures=("cosine", "pearson_r"),
    )
    group = StimulusGroup(value=0.4, ci95=(0.3, 0.5), subjects={"sub-000": 0.4}, segments=1)
    record = replace(
        record,
        bands=tuple(number / 100 for number in range(1, 33)),
        submission=replace(SYSTEM, training=Training(seed=3, recipe_sha256="1" * 64)),
        without_brain={
            "constant": WithoutBrain(value=0.1, ci95=None, subjects={}, measures={}),
            "another_second": WithoutBrain(value=0.2, ci95=(0.1, 0.3), subjects={}, measures={}),
        },
        controls=controls(),
        overlap=Overlap(subjects_seen=1, subjects=4, stimuli_seen=0, stimuli=2),
        stimuli=SeenAndUnseen(seen=group, unseen=replace(group, ci95=None, segments=7)),
        run=replace(record.run, hub="owner/name@" + "3" * 40),
        weights_notes=("chosen on the test part",),
    )
    bands = "mel band  " + "".join(f"{number:>8}" for number in range(1, 33))
    assert record_text(record).replace("-" * 10 + "  ------" * 32 + "\n", "") == (
        "tiny, seed 3 on simulated data (no real EEG), split held-out-subjects, part test, feature mel\n"
        "\n"
        "subject      cosine    Pearson r    segments  flags\n"
        "---------  --------  -----------  ----------  ---------------------\n"
        "sub-000      0.5000       0.2000           4  1 missing, 2 constant\n"
        "sub-001      0.6250       0.3000           4\n"
        "sub-002      0.2500       0.0100           4  2 missing\n"
        "sub-003      0.5000       0.3000           4  1 constant\n"
        "\n" + bands + "\nPearson r " + "".join(f"  {number / 100:.4f}" for number in range(1, 33)) + "\n"
        "\n"
        "mean cosine 0.4688, 95 % interval 0.2185 to 0.7190 (t interval over 4 subjects), simulated\n"
        "predicted in 1.0 s, 2 times faster than real time\n"
        "chance -0.0200 to 0.0300 (95 % of 1,234 circular shifts and of 1,000 mismatched segments)\n"
        "mean r 0.2025, 95 % interval -0.0150 to 0.4200 (t interval over 4 subjects), simulated\n"
        "chance -0.0500 to 0.0500 (95 % of 33 circular shifts)\n"
        "cosine of the training part's mean 0.1000\n"
        "cosine of another second of the same stimulus 0.2000, 95 % interval 0.1000 to 0.3000\n"
        "without the EEG 0.0200, 95 % interval 0.0100 to 0.0300 (12 surrogates), chance -0.0400 to 0.0400\n"
        "with the EEG less without +0.1000, 95 % interval +0.0500 to +0.1500, p = 0.01235 (one-sided,"
        " paired)\n"
        "weights have seen 1 of 4 subjects and 0 of 2 stimuli (declared by the author, not verified)\n"
        "mean cosine on seen stimuli 0.4000, 95 % interval 0.3000 to 0.5000 (1 segment of 1 subject)\n"
        "mean cosine on unseen stimuli 0.4000 (7 segments of 1 subject)\n"
        f"submission from hf:owner/name@{'3' * 40}\n"
        "A demonstration: whoever has the recipe has the labels, and no number is proof.\n"
        "\n"
        "Weights: chosen on the test part\n"
        "3 segments without a prediction count 0\n"
        "3 segments with a constant prediction count 0"
    )


def test_names_of_subjects_that_look_like_numbers_stay_as_they_are(plain_record):
    names = {"sub-000": "007", "sub-001": "1e3"}
    for missing in ((), ("s1",)):
        subjects = {
            names[subject]: replace(one, missing=missing) for subject, one in plain_record.subjects.items()
        }
        table = record_text(replace(plain_record, subjects=subjects)).split("\n\n")[1].splitlines()
        assert [row.split()[:3] for row in table[2:]] == [["007", "0.2000", "4"], ["1e3", "0.3000", "4"]]


@pytest.mark.parametrize(("bands", "shown"), [(1, False), (2, True), (32, True), (33, False)])
def test_bands_are_shown_where_there_are_several_and_they_fit(plain_record, bands, shown):
    text = record_text(replace(plain_record, bands=(0.1,) * bands))
    assert ("mel band" in text) is shown
    assert len(text.split("\n\n")) == 3 + shown


def test_constants_are_no_flag_of_a_subject_without_pearson_r():
    record = build((0.0, 0.5, (), ("s1", "s2")), (0.3, 0.6, ("s1",), ()), measures=("cosine",))
    assert record_text(record).split("\n\n")[1].splitlines() == [
        "subject      cosine    segments  flags",
        "---------  --------  ----------  ---------",
        "sub-000      0.5000           4",
        "sub-001      0.6000           4  1 missing",
    ]
    constant = build((0.0, 0.5, (), ("s1", "s2")), (0.3, 0.6, (), ()), measures=("cosine",))
    assert record_text(constant).split("\n\n")[1].splitlines() == [
        "subject      cosine    segments",
        "---------  --------  ----------",
        "sub-000      0.5000           4",
        "sub-001      0.6000           4",
    ]


def test_real_data_and_labels_held_back_are_named(plain_record):
    real = replace(plain_record, corpus=replace(CORPUS_DATA, name="lab", kind="real"))
    assert (corpus_text(CORPUS_DATA), corpus_text(real.corpus)) == ("simulated data (no real EEG)", "lab")
    first, *_, last = record_text(real).splitlines()
    assert first == "tiny on lab, split held-out-subjects, part test, feature mel"
    assert last == "Labels are public, and on public labels no number is proof."
    held = replace(real, corpus=replace(real.corpus, labels="held back"))
    assert record_text(held).splitlines()[-1] == "Labels are held back: nobody but the organiser has them."
    assert mean_text(real).splitlines()[0] == (
        "mean r 0.2500, 95 % interval -0.3853 to 0.8853 (t interval over 2 subjects)"
    )


def test_the_mean_says_its_interval_and_the_speed(plain_record):
    timed = replace(plain_record.run, seconds=2.04, times_faster_than_real_time=1234.5)
    assert mean_text(replace(plain_record, run=timed)).splitlines() == [
        "mean r 0.2500, 95 % interval -0.3853 to 0.8853 (t interval over 2 subjects), simulated",
        "predicted in 2.0 s, 1,234 times faster than real time",
    ]
    for absent in ("seconds", "times_faster_than_real_time"):
        record = replace(plain_record, run=replace(timed, **{absent: None}))
        assert len(mean_text(record).splitlines()) == 1
    assert mean_text(replace(plain_record, statistics_version=UNSET)).splitlines()[0] == (
        "mean r 0.2500, 95 % interval -0.3853 to 0.8853 (over 2 subjects, by other rules), simulated"
    )
    assert mean_text(build((0.2, 0.5, (), ()))).splitlines()[0] == (
        "mean r 0.2000 (one subject: no interval), simulated"
    )


def test_the_kinds_of_chance_are_named_that_there_are():
    cosine = build((0.2, 0.5, (), ()), (0.3, 0.6, (), ()), measures=("cosine",)).ranked
    assert chance_lines(cosine) == [
        "chance -0.0200 to 0.0300 (95 % of 1,234 circular shifts and of 1,000 mismatched segments)"
    ]
    one = replace(cosine.chances, circular_shifts=None)
    own = build((0.02, 0.5, (), ()), (0.03, 0.6, (), ()))
    assert chance_lines(replace(own, chance=one).ranked) == [
        "chance -0.0100 to 0.0300 (95 % of 1,000 mismatched segments): INDISTINGUISHABLE FROM CHANCE"
    ]


def test_predictions_without_the_brain_are_named_in_words(plain_record):
    assert without_brain_lines(plain_record) == []
    score = WithoutBrain(value=0.123456, ci95=(0.1, 0.2), subjects={}, measures={})
    names = ("constant", "stimulus_known", "another_second", "another_stimulus")
    assert without_brain_lines(replace(plain_record, without_brain=dict.fromkeys(names, score))) == [
        f"r of {what} 0.1235, 95 % interval 0.1000 to 0.2000"
        for what in (
            "the training part's mean",
            "the mean of the same stimulus in the training part",
            "another second of the same stimulus",
            "a second of another stimulus",
        )
    ]
    alone = replace(score, ci95=None)
    assert without_brain_lines(replace(plain_record, without_brain={"constant": alone})) == [
        "r of the training part's mean 0.1235"
    ]


INTERVAL = "without the EEG 0.0200, 95 % interval 0.0100 to 0.0300"
GAIN = "with the EEG less without +0.1000"


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (UNSET, ["without the EEG: not measured"]),
        (
            controls(),
            [
                f"{INTERVAL} (12 surrogates), chance -0.0400 to 0.0400",
                f"{GAIN}, 95 % interval +0.0500 to +0.1500, p = 0.01235 (one-sided, paired)",
            ],
        ),
        (
            controls(p=1e-5, segments=1, sampled=True),
            [
                f"{INTERVAL} (1 surrogate, a sample), chance -0.0400 to 0.0400",
                f"{GAIN}, 95 % interval +0.0500 to +0.1500, p = 1e-05 (one-sided, paired)",
            ],
        ),
        (
            controls(p=None, mismatched=ChanceBand(low=-0.1, mean=0.0, high=0.2, scores=9)),
            [
                f"{INTERVAL} (12 surrogates), chance -0.1000 to 0.2000",
                f"{GAIN}, 95 % interval +0.0500 to +0.1500, too few subjects for a test",
            ],
        ),
        (
            controls(ci95=None, chance=ChanceBands(circular_shifts=None, mismatched_segments=None)),
            ["without the EEG 0.0200 (12 surrogates)", f"{GAIN}, p = 0.01235 (one-sided, paired)"],
        ),
    ],
    ids=["none", "all", "a sample of one", "no test", "one subject"],
)
def test_the_score_without_the_eeg_and_what_the_eeg_adds(plain_record, given, lines):
    assert blind_lines(replace(plain_record, controls=given)) == lines


@pytest.mark.parametrize("without", [None, False, True])
@pytest.mark.parametrize("no_evidence", [None, False, True])
def test_what_the_controls_warn_of(plain_record, without, no_evidence):
    flagged = replace(controls(), scores_without_eeg=without, no_evidence_of_using_eeg=no_evidence)
    said = (
        (without, "SCORES WITHOUT THE EEG: 0.0200 on surrogates that hold nothing of what was heard, far beyond their chance"),
        (no_evidence, "NO EVIDENCE OF USING THE EEG: the score is not above that on surrogates, paired over subjects"),
    )  # fmt: skip
    lines = [line for holds, line in said if holds]
    record = replace(plain_record, controls=flagged)
    assert control_flags(record) == lines
    assert flag_lines(record) == lines
    assert control_flags(plain_record) == []


OVERLAP = Overlap(subjects_seen=1, subjects=1, stimuli_seen=3, stimuli=4)


def test_one_stimulus_is_counted_as_one(plain_record):
    record = replace(plain_record, overlap=replace(OVERLAP, subjects=2, stimuli_seen=1, stimuli=1))
    assert overlap_lines(record) == [
        "weights have seen 1 of 2 subjects and 1 of 1 stimulus (declared by the author, not verified)"
    ]


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("verified", "verified: trained by the machine that scored"),
        ("declared", "declared by the author, not verified"),
        ("tampered", "by a record that was changed"),
        (UNSET, "declared by the author, not verified"),
    ],
)
def test_what_the_weights_have_seen(plain_record, training, words):
    record = replace(plain_record, overlap=OVERLAP, run=replace(plain_record.run, training=training))
    assert overlap_lines(record) == [f"weights have seen 1 of 1 subject and 3 of 4 stimuli ({words})"]
    changed = (
        "TRAINING RECORD CHANGED: it is not what this machine signed when it trained the weights; what they"
        " have seen is not known"
    )
    flags = [changed] if training == "tampered" else []
    assert flag_lines(record) == flags


def test_nothing_on_record_of_what_the_weights_have_seen_is_not_spoken_of(plain_record):
    group = StimulusGroup(value=0.4, ci95=(0.3, 0.5), subjects={"a": 0.4, "b": 0.5}, segments=7)
    one = replace(group, value=0.1, ci95=None, subjects={"a": 0.1}, segments=1)
    groups = SeenAndUnseen(seen=group, unseen=one)
    assert overlap_lines(replace(plain_record, stimuli=groups)) == []
    assert overlap_lines(replace(plain_record, stimuli=groups, overlap=OVERLAP))[1:] == [
        "mean r on seen stimuli 0.4000, 95 % interval 0.3000 to 0.5000 (7 segments of 2 subjects)",
        "mean r on unseen stimuli 0.1000 (1 segment of 1 subject)",
    ]


def test_the_flags_of_a_record_in_their_order(plain_record):
    record = build((0.2, 0.5, ("s1",), ("s2",)), (0.3, 0.6, (), ()), measures=("cosine", "pearson_r"))
    shifts = ChanceBand(low=-0.01, mean=0.0, high=0.01, scores=1793)
    others = ChanceBand(low=0.09, mean=0.1, high=0.11, scores=50)
    record = replace(
        record,
        split=replace(
            record.split, measures=("pearson_r", "cosine"), flag="too easy", channels_excluded=("1", "2")
        ),
        chance=ChanceBands(circular_shifts=shifts, mismatched_segments=others),
        submission=replace(SYSTEM, transfer=Transfer(corpus="dtu", split="all"), channels_excluded=("Cz",)),
        run=replace(record.run, isolation="none", training="tampered"),
        controls=replace(controls(), scores_without_eeg=True, no_evidence_of_using_eeg=True),
        weights_notes=("one", "two"),
        flags=replace(
            record.flags,
            subjects_missing=("a",),
            stimuli_missing=tuple(f"song-{number}" for number in range(1, 11)),
            references_constant=("s3",),
        ),
        measures={"cosine": replace(record.measures["cosine"], segments_undefined=1)},
    )
    assert flag_lines(record) == [
        "TRANSFER: weights trained on the corpus dtu, split all",
        "EXCLUDED: channel Cz, zero in all that it was given",
        "EXCLUDED by the split held-out-subjects: channels 1, 2, zero in all that it was given",
        "FLAGGED: split held-out-subjects: too easy",
        "PARTIAL: 1 subject of the part is not in the corpus: a",
        "PARTIAL: 10 stimuli of the part are not in the corpus: song-1, song-2, song-3, song-4, song-5,"
        " song-6, song-7, song-8 and 2 more",
        "NOT ISOLATED: the predictor could read and change what it liked (--no-isolation)",
        "COMMON TO SEGMENTS: the predictions score 0.1000 against references of other segments too, far"
        " beyond circular shifts; so much needs no EEG of the segment",
        "TRAINING RECORD CHANGED: it is not what this machine signed when it trained the weights; what they"
        " have seen is not known",
        "SCORES WITHOUT THE EEG: 0.0200 on surrogates that hold nothing of what was heard, far beyond their"
        " chance",
        "NO EVIDENCE OF USING THE EEG: the score is not above that on surrogates, paired over subjects",
        "Weights: one",
        "Weights: two",
        "1 segment without a prediction counts 0",
        "1 segment with a constant prediction counts 0",
        "1 segment with a constant reference counts 0",
        "1 segment without a value by the cosine counts 0",
    ]
    assert record_text(record).endswith("\n\n" + "\n".join(flag_lines(record)))
    assert flag_lines(plain_record) == []


def test_several_missing_subjects_and_one_stimulus_and_an_isolation_that_is_not_known(plain_record):
    record = replace(
        plain_record,
        run=replace(plain_record.run, isolation=UNSET),
        flags=replace(
            plain_record.flags,
            subjects_missing=tuple("abcdefghi"),
            stimuli_missing=("song",),
            references_constant=("s1", "s2"),
        ),
    )
    assert flag_lines(record) == [
        "PARTIAL: 9 subjects of the part are not in the corpus: a, b, c, d, e, f, g, h and 1 more",
        "PARTIAL: 1 stimulus of the part is not in the corpus: song",
        "ISOLATION NOT KNOWN: the record does not say what kept the predictor from the labels",
        "2 segments with a constant reference count 0",
    ]


def test_constants_do_not_count_without_pearson_r():
    record = build((0.0, 0.5, (), ("s1",)), (0.3, 0.6, (), ()), measures=("cosine",))
    assert flag_lines(replace(record, flags=replace(record.flags, references_constant=("s1",)))) == []


def test_trainings_of_one_system_in_one_line(plain_record):
    trainings = [
        replace(
            plain_record,
            score=score,
            submission=replace(SYSTEM, variant="wide", training=Training(seed=seed, recipe_sha256="1" * 64)),
        )
        for seed, score in ((3, 0.1), (1, 0.2), (2, 0.4))
    ]
    line = (
        "tiny (wide): mean r 0.2333 over 3 trainings, standard deviation over seeds 0.1528: 0.1000 (seed 3),"
        " 0.2000 (seed 1), 0.4000 (seed 2)"
    )
    assert seeds_text(trainings) == f"{line}, simulated"
    real = [replace(one, corpus=replace(CORPUS_DATA, kind="real")) for one in trainings]
    assert seeds_text(real) == line
    renamed = [replace(one, submission=replace(one.submission, name="small")) for one in real[1:]]
    assert seeds_text([real[0], *renamed]) == line
