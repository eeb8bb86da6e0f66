"""Which records may be compared, what a comparison finds, and which record a name means."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from documents import with_measures

import harness.boards.compare
from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.compare import compare, comparison_names, find_pair, find_record, sentence
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import board_text
from harness.boards.ranking import rank
from harness.boards.trainings import pooled
from harness.errors import RecordError, UsageError
from harness.records.document import parse_record, record_bytes
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import MEASURES
from harness.scoring.power import least_difference, subjects_needed
from harness.scoring.statistics import effect_size, sign_flip_test
from harness.scoring.two_sources import estimate, places_changed

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
VAL = BoardName("simulated", "held-out-subjects", "val", "mel")
RECIPE = "a" * 64
# What a training is: one of a system that may have others, the only one that there can be, or of these seeds.
SINGLE, FIXED = ("single",), ("fixed",)
SUBJECTS = [f"sub-{86 + i:03d}" for i in range(6)]
# (n_trainings, n_subjects) of two systems; of fewer trainings the first rows.
R = (
    np.array(
        [[0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [0.52, 0.4, 0.63, 0.49, 0.7, 0.64], [0.1, 0.2, 0.3, 0.2, 0.1, 0.3]]
    ),
    np.array([[0.4, 0.2, 0.5, 0.2, 0.5, 0.3], [0.35, 0.25, 0.5, 0.22, 0.45, 0.31]]),
)
DISTANCES = (
    np.array(
        [[2.0, 2.2, 2.1, 2.4, 2.0, 2.3], [2.1, 2.2, 2.0, 2.5, 2.2, 2.3], [4.0, 4.3, 4.1, 4.4, 3.9, 4.2]]
    ),
    np.array([[2.5, 2.6, 2.7, 2.6, 2.8, 2.9], [2.6, 2.6, 2.5, 2.8, 2.9, 2.9]]),
)


def trainings(kind):
    """What records of a kind say of their training, each."""
    if kind == SINGLE:
        return [{}]
    seeds = [None] if kind == FIXED else kind
    return [{"submission": {"training": {"seed": seed, "recipe_sha256": RECIPE}}} for seed in seeds]


@pytest.fixture
def distance(monkeypatch):
    """A measure of which lower is better."""
    made = dataclasses.replace(
        MEASURES["cosine"], name="distance", short="distance", range=(0.0, 100.0), higher_is_better=False
    )
    monkeypatch.setitem(MEASURES, "distance", made)


@pytest.fixture
def make_system(make_record, distance):
    """A system ranked by distance, with r, and a measure that only the first of two has; as a board has it."""

    def make(number, kind, r=None, distances=None):
        name = ("one", "other")[number]
        r = R[number] if r is None else r
        distances = DISTANCES[number] if distances is None else distances
        paths = [make_record(name, row, **of) for row, of in zip(r, trainings(kind), strict=False)]
        for path, row in zip(paths, distances, strict=False):
            asked = {"song_accuracy_reconstructed": [0.5] * len(row)} if number == 0 else {}
            document = with_measures(
                json.loads(path.read_bytes()),
                ["distance", "song_accuracy_reconstructed", "pearson_r"],
                distance=list(map(float, row)),
                **asked,
            )
            path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), name)))
        (one,) = pooled([BoardRecord.read(path) for path in paths])
        return one

    return make


def refused(kind, call, *arguments):
    with pytest.raises(kind) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "of_architectures", "seed_degrees"),
    [
        (SINGLE, SINGLE, False, 0),
        (FIXED, FIXED, False, 0),
        ((0, 2, 3), SINGLE, False, 0),
        (SINGLE, (1, 4), False, 0),
        ((0, 2, 3), FIXED, True, 2),
        (FIXED, (1, 4), True, 1),
        ((0, 2, 3), (1, 4), True, 3),
    ],
)
def test_a_comparison_is_of_means_over_seeds_and_tested_over_seeds_only_where_both_are_architectures(
    make_system, monkeypatch, first, second, of_architectures, seed_degrees
):
    level = 0.2
    monkeypatch.setattr(harness.boards.compare, "LEVEL", level)
    one, other = make_system(0, first), make_system(1, second)
    found = compare(one, other)
    counts = [len(trainings(kind)) for kind in (first, second)]
    assert (found.first, found.second) == (one, other)
    assert found.of_architectures is of_architectures
    assert [its.measure.name for its in (found.ranked, *found.further)] == ["distance", "pearson_r"]
    for its, tables in ((found.ranked, DISTANCES), (found.further[0], R)):
        tables = [table[:count] for table, count in zip(tables, counts, strict=True)]
        values = tables[0].mean(axis=0) - tables[1].mean(axis=0)
        assert list(its.subjects) == SUBJECTS
        assert list(its.subjects.values()) == pytest.approx(values, rel=1e-12)
        assert its.mean == pytest.approx(values.mean(), rel=1e-12)
        ci95 = estimate(*tables).interval() if of_architectures else mean_interval(values)
        assert its.ci95 == pytest.approx(ci95, rel=1e-9)
    tables = [table[:count] for table, count in zip(DISTANCES, counts, strict=True)]
    values = tables[0].mean(axis=0) - tables[1].mean(axis=0)
    over = estimate(*tables) if of_architectures else estimate(values)
    signs = None if of_architectures else len(values)
    needed = subjects_needed(
        over, len(values), level=level, seed_degrees=seed_degrees, signs=not of_architectures
    )
    assert found.p == pytest.approx(over.p if of_architectures else sign_flip_test(values), rel=1e-9)
    assert found.effect == pytest.approx(effect_size(values), rel=1e-9)
    assert found.detectable == pytest.approx(least_difference(over, level=level, signs_of=signs), rel=1e-9)
    assert found.subjects_needed == needed
    several = min(counts) > 1
    changed = places_changed(*(-table.mean(axis=1) for table in tables)) if several else None
    assert found.changed == changed


@pytest.mark.parametrize(
    ("first", "second", "needed"), [((0, 2, 3), (1, 4), 8), ((0, 2, 3), FIXED, 9), (FIXED, (1, 4), 5)]
)
def test_how_many_subjects_it_takes_depends_on_how_many_trainings_there_are(
    make_system, first, second, needed
):
    """With other degrees of freedom of the seeds it were 5, 6 or none; 8 or 12; 4."""
    better = [[2.0, 2.2, 2.1, 2.4, 2.0, 2.3], [2.1, 2.2, 2.0, 2.5, 2.2, 2.3], [2.1, 2.5, 2.3, 2.4, 2.3, 2.4]]
    worse = [[2.3, 2.4, 2.5, 2.4, 2.6, 2.7], [2.5, 2.5, 2.4, 2.7, 2.8, 2.8]]
    found = compare(make_system(0, first, distances=better), make_system(1, second, distances=worse))
    assert found.subjects_needed == needed


def test_of_equal_means_the_first_is_the_better_one_and_worse_where_its_score_is_worse(make_system):
    """The first training is the better one of the two others, by distance; of r it is the worse one."""
    one = make_system(
        0, (0, 1, 2), r=np.full((3, 6), 0.5), distances=np.repeat([[0.0], [3.0], [3.0]], 6, axis=1)
    )
    other = make_system(1, (0, 1), r=np.full((2, 6), 0.5), distances=np.full((2, 6), 2.0))
    found = compare(one, other)
    assert found.ranked.mean == 0
    assert found.changed == pytest.approx(2 / 3)
    assert (found.p, found.effect, found.subjects_needed) == (1.0, None, None)


def test_one_subject_has_a_difference_and_no_interval(make_record):
    found = compare(
        *(BoardRecord.read(make_record(name, [r])) for name, r in (("one", 0.5), ("other", 0.25)))
    )
    assert (found.ranked.mean, found.ranked.ci95, found.further) == (0.25, None, ())
    assert (found.p, found.effect, found.detectable, found.subjects_needed) == (1.0, None, None, None)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"corpus": {"declaration_sha256": "6" * 64}}, "declaration of the corpus"),
        ({"corpus": {"fingerprint": "6" * 64}}, "fingerprint of the data"),
        ({"corpus": {"kind": "real"}}, "corpus"),
        ({"split": {"sha256": "6" * 64}}, "split"),
        ({"split": {"measures": ["cosine", "pearson_r"]}}, "list of measures"),
        ({"scorer_version": 2}, "scorer version"),
    ],
)
def test_records_that_do_not_belong_together_are_not_compared(make_record, changes, what):
    declared = {"declaration_sha256": "5" * 64}
    first = make_record("one", [0.1, 0.2], corpus=declared)
    changed = {**changes, "corpus": {**declared, **changes.get("corpus", {})}}
    second = make_record("other", [0.2, 0.3], **changed)
    with pytest.raises(RecordError) as caught:
        compare(BoardRecord.read(first), BoardRecord.read(second))
    assert str(caught.value) == f"{second}: another {what}, expected that of {first}.\n  Score it again."


def test_a_record_without_a_declaration_is_compared_with_one_that_has_it(make_record):
    first = make_record("one", [0.1, 0.3], corpus={"declaration_sha256": "5" * 64})
    second = make_record("other", [0.2, 0.3])
    assert compare(BoardRecord.read(first), BoardRecord.read(second)).ranked.mean == pytest.approx(-0.05)


def test_five_subjects_are_said_to_show_no_difference(make_record, tmp_path):
    better = make_record("better", [0.92, 0.91, 0.93, 0.9, 0.94])
    make_record("worse", [0.36, 0.35, 0.37, 0.36, 0.38])
    board = load_board(tmp_path / "results", BOARD)
    found = compare(*board.records)
    assert (found.p, found.detectable) == (0.0625, None)
    assert comparison_text(found).splitlines()[-3] == (
        "5 subjects: p is never below 0.0625, whatever the difference: no difference can be shown at 0.05"
    )
    assert against_board_text(BoardRecord.read(better), board).splitlines()[1] == (
        "5 subjects: p is never below 0.0625, whatever the difference: nothing can be separated here at 0.05"
    )
    assert (
        "5 subjects cannot separate anything here: with 1 pair of systems Holm's p is never below 0.0625, whatever"
        " the difference."
    ) in board_text(rank(board)).splitlines()


def test_six_subjects_can_show_a_difference_between_two_systems(make_record, tmp_path):
    make_record("better", [0.92, 0.91, 0.93, 0.9, 0.94, 0.95])
    make_record("worse", [0.36, 0.35, 0.37, 0.36, 0.38, 0.3])
    board = load_board(tmp_path / "results", BOARD)
    found = compare(*board.records)
    assert found.p == 0.03125
    assert "smallest difference these subjects could show (0.05, 80 % power): " in comparison_text(found)
    assert "cannot separate anything" not in board_text(rank(board))


def test_boards_never_mix(make_record):
    first = make_record("one", [0.1, 0.2])
    second = make_record("one", [0.1, 0.2], feature="envelope")
    assert refused(RecordError, compare, BoardRecord.read(first), BoardRecord.read(second)) == (
        f"{second}: of the board simulated/held-out-subjects/test/envelope, expected"
        f" simulated/held-out-subjects/test/mel, as {first}.\n  Boards never mix."
    )


def test_systems_are_compared_on_the_same_subjects(make_record):
    first = make_record("one", [0.1, 0.2, 0.3, 0.4])
    second = make_record("other", [0.1, 0.2])
    assert refused(RecordError, compare, BoardRecord.read(first), BoardRecord.read(second)) == (
        f"{second}: other subjects (sub-088, sub-089), expected the subjects of {first}.\n  Score both on all."
    )


def test_predictions_that_were_handed_in_are_compared_although_nobody_knows_on_which_eeg(make_record):
    handed_in = {"kind": "predictions", "predictions_sha256": "3" * 64}
    handed_in |= dict.fromkeys(("version", "variant", "code_sha256"))
    data = {"corpus": {"fingerprint": "6" * 64}}
    first = BoardRecord.read(make_record("one", [0.1, 0.3]))
    second = make_record("other", [0.2, 0.3], submission=handed_in, **data)
    assert compare(first, BoardRecord.read(second)).ranked.mean == pytest.approx(-0.05)
    third = BoardRecord.read(make_record("third", [0.2, 0.3], submission=handed_in))
    assert refused(RecordError, compare, third, BoardRecord.read(second)) == (
        f"{second}: another fingerprint of the data, expected that of {third.path}.\n  Score it again."
    )


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def other_part(part):
    return {"split": {"part": part}}


def test_a_file_is_the_record_in_it_and_must_not_contradict_itself(make_record, results):
    path = make_record("one", [0.1, 0.2])
    assert find_record(str(path), results, VAL) == BoardRecord.read(path)
    path.write_text(path.read_text().replace('"score": 0.15', '"score": 0.25'))
    assert refused(RecordError, find_record, str(path), results, None) == (
        f"{path}: score: 0.250000, expected 0.150000, the mean of its subjects.\n"
        "  It was edited after it was scored: score it again, or restore it."
    )
    assert refused(RecordError, find_record, "one", results, None).startswith(f"{path}: score: 0.250000")


def test_a_file_without_the_suffix_of_records_is_only_a_name(make_record, results, tmp_path, monkeypatch):
    path = make_record("one", [0.1, 0.2])
    copy = shutil.copy(path, tmp_path / "one")
    assert refused(UsageError, find_record, str(copy), results, None).startswith(
        f"{copy}: no record of {copy} "
    )
    monkeypatch.chdir(tmp_path)
    assert find_record("one", results, None).path == path


def test_a_name_means_all_its_seeds_and_with_a_seed_that_one(make_record, results):
    paths = [
        make_record("net", [0.1 + seed / 100, 0.2], **trained)
        for seed, trained in enumerate(trainings((4, 5)))
    ]
    longer = make_record("net-wide", [0.1, 0.2])
    found = find_record("net", results, BOARD)
    assert [one.path for one in found.seeds] == paths
    assert found.record.score == pytest.approx(0.1525)
    assert find_record("net.seed-5", results, None) == BoardRecord.read(paths[1])
    assert find_record("net-wide", results, None) == BoardRecord.read(longer)


def test_a_name_is_looked_for_on_the_board_that_is_named_then_on_the_usual_one(make_record, results):
    usual = make_record("one", [0.1, 0.2])
    val, train = (make_record("one", [0.1, 0.2], **other_part(part)) for part in ("val", "train"))
    only = make_record("other", [0.1, 0.2], **other_part("val"))
    assert find_record("one", results, None).path == usual
    assert find_record("one", results, VAL).path == val
    assert find_record("other", results, None).path == only
    usual.unlink()
    assert refused(UsageError, find_record, "one", results, None) == (
        f"one: 2 records: {train}, {val}, expected one.\n  Name the record's file, or choose a --board."
    )


def test_of_many_boards_with_a_name_six_are_shown(make_record, results):
    paths = [
        make_record("one", [0.1, 0.2], split={"name": f"split-{k}"}, **trained)
        for k in range(7)
        for trained in trainings((1, 2))
    ]
    listed = ", ".join(map(str, paths[0:12:2]))
    assert refused(UsageError, find_record, "one", results, None) == (
        f"one: 7 records: {listed} and 1 more, expected one.\n  Name the record's file, or choose a --board."
    )


def test_a_name_that_no_record_has_is_said_with_what_is_near(make_record, results):
    for name in ("lattice", "net-wide", "net-deep"):
        make_record(name, [0.1, 0.2])
    make_record("net-deep", [0.1, 0.2], **other_part("val"))
    expected = "expected a record's path or name, or a submission that is scored there."
    for named, board, where, remedy in (
        ("latitce", None, "any board", "\n  Did you mean 'lattice'?"),
        ("net", None, "any board", "\n  Did you mean net-deep, net-wide?"),
        ("net", VAL, str(VAL), "\n  Did you mean net-deep?"),
        ("lattice", VAL, str(VAL), ""),
        ("lattice", VAL._replace(part="train"), "simulated/held-out-subjects/train/mel", ""),
    ):
        assert refused(UsageError, find_record, named, results, board) == (
            f"{named}: no record of {named} on {where}, {expected}{remedy}"
        )


@pytest.fixture
def net(make_submission, monkeypatch, tmp_path):
    """The folder of a submission of two variants, wide the first."""
    folder = make_submission("net")
    with (folder / "submission.toml").open("a") as manifest:
        manifest.write('[variants.wide]\ntitle = "Wide"\n[variants.deep]\ntitle = "Deep"\n')
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_submission_that_was_not_scored_there_says_so(make_record, results, net):
    make_record("net", [0.1, 0.2], variant="deep")
    for named in ("net", str(net), "submissions/net"):
        assert refused(RecordError, find_record, named, results, BOARD) == (
            f"{named}: no record of net (wide) on {BOARD}, expected a record's path or name, or a submission that is"
            f" scored there.\n  Did you mean net-deep? Score it first: harness score {net}"
        )
    shutil.rmtree(results)
    make_record("other", [0.1, 0.2])
    assert refused(RecordError, find_record, "net", results, None) == (
        "net: no record of net (wide) on any board, expected a record's path or name, or a submission that is scored"
        f" there.\n  Score it first: harness score {net}"
    )


def test_a_submission_means_the_records_of_its_first_variant_and_of_nothing_else(make_record, results, net):
    paths = [make_record("net", [0.1, 0.2], variant="wide", **trained) for trained in trainings((1, 2))]
    make_record("net", [0.1, 0.2], variant="deep")
    make_record("net-wide", [0.1, 0.2])
    elsewhere = {"transfer": {"corpus": "dtu", "split": "dtu"}}
    make_record("net", [0.1, 0.2], variant="wide", submission=elsewhere)
    make_record("net", [0.1, 0.2], variant="wide", submission={"channels_excluded": ["Fp1"]})
    copy = shutil.copy(paths[0], paths[0].with_name("another.json"))  # not its name
    paths[0].with_name("net-broken.json").write_text("{}")
    for named in ("net", str(net), "submissions/net"):
        found = find_record(named, results, None)
        assert [one.path for one in found.seeds] == paths
    assert find_record(str(copy), results, None).record == BoardRecord.read(paths[0]).record


def test_of_one_name_complete_records_are_meant_and_partial_ones_where_there_are_no_others(
    make_record, results, net
):
    partial = {"flags": {"partial": True, "subjects_missing": ["sub-088"]}}
    seeds = trainings((1, 2, 3))
    lacking = [make_record("net", [0.1, 0.2], variant="wide", **partial, **trained) for trained in seeds[:2]]
    assert refused(RecordError, find_record, "net", results, None) == (
        f"{lacking[0]}, {lacking[1]}: 2 records of one name, expected one, or seeds of one system.\n  Name one file."
    )
    whole = make_record("net", [0.1, 0.2, 0.3], variant="wide", **seeds[2])
    assert find_record("net", results, None).path == whole


def test_of_many_records_of_one_name_six_are_shown(make_record, results, net):
    partial = {"flags": {"partial": True, "subjects_missing": ["sub-088"]}}
    paths = [
        make_record("net", [0.1, 0.2], variant="wide", **partial, **trained)
        for trained in trainings(range(7))
    ]
    listed = ", ".join(map(str, paths[:6]))
    assert refused(RecordError, find_record, "net", results, None) == (
        f"{listed} and 1 more: 7 records of one name, expected one, or seeds of one system.\n  Name one file."
    )


def test_records_of_one_name_that_cannot_be_one_system_are_refused_all_at_once(make_record, results):
    first, second, third = trainings((1, 2, 3))
    make_record("net", [0.1, 0.2], **first)
    odd = make_record("net", [0.1, 0.2], scorer_version=2, **second)
    other = make_record("net", [0.1, 0.2], split={"sha256": "9" * 64}, **third)
    assert refused(RecordError, find_record, "net", results, None) == (
        f"{other}: another split file than the board's other records, expected {'1' * 16}….\n"
        "  Score it again, or remove it.\n"
        f"{odd}: another scorer version than the board's other records, expected 1.\n"
        "  Score it again, or remove it."
    )


def test_of_a_pair_a_file_says_on_which_board_the_other_is_looked_for(make_record, results):
    usual = {name: make_record(name, [0.1, 0.2]) for name in ("one", "other")}
    val = {name: make_record(name, [0.1, 0.2], **other_part("val")) for name in ("one", "other")}

    def paths(first, second, board=None):
        return tuple(one.path for one in find_pair(str(first), str(second), results, board))

    assert paths("one", "other") == (usual["one"], usual["other"])
    assert paths("one", val["other"]) == (val["one"], val["other"])
    assert paths(val["one"], "other") == (val["one"], val["other"])
    assert paths("one", "other", VAL) == (val["one"], val["other"])
    assert paths("one", val["other"], BOARD) == (usual["one"], val["other"])
    assert paths(usual["one"], val["other"]) == (usual["one"], val["other"])
    usual["one"].unlink()
    val["other"].unlink()
    make_record("one", [0.1, 0.2], **other_part("train"))
    assert refused(UsageError, find_pair, "one", "other.json", results, None).startswith(
        "other.json: no record of"
    )


def test_two_records_of_one_system_are_named_by_their_files(make_record):
    paths = [make_record("net", [0.1, 0.2], **trained) for trained in trainings((1, 2))]
    found = compare(*map(BoardRecord.read, paths))
    assert comparison_names(found) == list(map(str, paths))
    other = compare(
        BoardRecord.read(paths[0]), BoardRecord.read(make_record("net", [0.1, 0.2], variant="wide"))
    )
    assert comparison_names(other) == ["net", "net (wide)"]


def test_the_sentence_names_the_data_the_scores_the_difference_and_the_test(make_record):
    for kind, data, flag in (
        ("simulated", "simulated data (no real EEG)", {}),
        ("real", "sparrkulee", {"split": {"flag": "subjects in all parts"}}),
    ):
        one, other = (
            BoardRecord.read(make_record(name, scores, kind=kind, **flag))
            for name, scores in (("one", R[0][0]), ("other", R[1][0]))
        )
        wrong = " (subjects in all parts)" if flag else ""
        assert sentence(compare(one, other)) == (
            f"On {data}, split held-out-subjects{wrong}, part test, feature mel, 6 subjects: one has a mean r of"
            " 0.5500 and other of 0.3500: a difference of +0.2000 (95 % interval +0.1061 to +0.2939), significant at"
            " 0.05 (paired sign-flip test over subjects, p = 0.0312). One training of one and of other, so this holds"
            " for these weights."
        )


def test_the_sentence_of_architectures_says_so_and_what_would_have_been_found(make_system):
    found = compare(make_system(0, (0, 2, 3)), make_system(1, (1, 4)))
    low, high = found.ranked.ci95
    assert found.p > 0.05
    assert sentence(found) == (
        "On simulated data (no real EEG), split held-out-subjects, part test, feature mel, 6 subjects: one has a mean"
        f" distance of 2.8444 and other of 2.7000: a difference of +0.1444 (95 % interval {low:+.4f} to {high:+.4f}),"
        f" not significant at 0.05 (t over subjects and seeds, p = {found.p:.3g}). A true difference of"
        f" {found.detectable:.4f} would be found with 80 % power. The score of one is worse than chance. The score of"
        " other is worse than chance."
    )


def test_a_p_at_the_level_is_significant(make_record):
    one, other = (BoardRecord.read(make_record(name, R[k][0])) for k, name in enumerate(("one", "other")))
    found = compare(one, other)
    assert "not significant" not in sentence(dataclasses.replace(found, p=0.05))
    assert "not significant" in sentence(dataclasses.replace(found, p=np.nextafter(0.05, 1)))
