"""Several trainings of one system: one row, what it says, what is compared, and what cannot be one system."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from documents import controls_document, record_of
from msgspec import UNSET
from msgspec.structs import replace

from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.cells import board_notes
from harness.boards.formats import FORMATS, board_text
from harness.boards.ranking import LEVEL, difference, rank, tie_bars
from harness.boards.trainings import mean_record, odd_seeds, pooled
from harness.page import build_page
from harness.records.bands import ChanceBand, ChanceBands
from harness.records.consistency import inconsistencies
from harness.records.controls import BlindResult, Controls, Difference
from harness.records.document import record_bytes
from harness.records.measured import MeasureResult
from harness.records.record import Overlap, SubjectResult, Training
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.store import read_record
from harness.scoring.intervals import mean_interval
from harness.scoring.power import least_difference
from harness.scoring.statistics import sign_flip_test
from harness.scoring.two_sources import estimate

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
N_SUBJECTS = 12
RECIPE = "a" * 64
FIXED = {"training": {"seed": None, "recipe_sha256": RECIPE}}


def trained(seed, recipe=RECIPE, **more):
    return {"submission": {"training": {"seed": seed, "recipe_sha256": recipe}, **more}}


@pytest.fixture
def base(rng):
    return rng.normal(0.05, 0.01, N_SUBJECTS)


@pytest.fixture
def nets(make_record, rng, base):
    """Two nets of three seeds, a system that draws nothing at random, and one of a single training."""

    def seeds(name, shift, spread):
        return [
            make_record(name, base + shift + k * spread + rng.normal(0, 0.002, N_SUBJECTS), **trained(seed))
            for k, seed in zip((-1, 0, 1), (0, 2, 3), strict=True)
        ]

    paths = {"alpha": seeds("alpha", 0.01, 0.004), "beta": seeds("beta", 0.008, 0.004)}
    paths["fixed"] = [make_record("fixed", base - 0.02 + rng.normal(0, 0.002, N_SUBJECTS), submission=FIXED)]
    paths["single"] = [make_record("single", base - 0.04 + rng.normal(0, 0.002, N_SUBJECTS))]
    return paths


@pytest.fixture
def board(nets, tmp_path):
    found = load_board(tmp_path / "results", BOARD)
    assert found.left_out == ()
    return found


def test_a_record_of_a_seed_has_it_in_its_files_name(nets):
    assert [path.name for path in nets["alpha"]] == [f"alpha.seed-{seed}.json" for seed in (0, 2, 3)]


def test_seeds_are_one_row_with_their_mean(board, nets):
    ranking = rank(board)
    assert [row.system for row in ranking.rows] == ["alpha", "beta", "fixed", "single"]
    row = ranking.rows[0]
    records = [read_record(path) for path in nets["alpha"]]
    table = [[one.pearson_r for one in record.subjects.values()] for record in records]
    assert row.score.value == pytest.approx(np.mean(table))
    assert list(row.score.subjects.values()) == pytest.approx(np.mean(table, axis=0))
    assert row.bands == pytest.approx(np.mean([record.bands for record in records], axis=0))
    assert row.spread == pytest.approx(np.std(np.mean(table, axis=1), ddof=1))
    assert row.score.ci95 == pytest.approx(estimate(table).interval())
    assert [one.seed for one in row.seeds] == [0, 2, 3]
    assert [one.score.value for one in row.seeds] == [record.score for record in records]


def test_architectures_are_tested_over_subjects_and_seeds_and_weights_over_subjects(board):
    ranking = rank(board)
    names = [row.system for row in ranking.rows]
    tables = [board.over_seeds(one) for one in ranking.records]
    raw = np.ones((4, 4))
    for i in range(4):
        for j in range(i + 1, 4):
            both = "single" not in (names[i], names[j])
            assert ranking.architectures[i, j] == both
            means = tables[i].mean(axis=0) - tables[j].mean(axis=0)
            raw[i, j] = estimate(tables[i], tables[j]).p if both else sign_flip_test(means)
    above = raw[np.triu_indices(4, 1)]
    assert ranking.p[np.triu_indices(4, 1)].min() == pytest.approx(6 * above.min())
    assert raw[0, 1] > LEVEL  # seeds differ by more than the two nets do
    assert ranking.rows[0].ties == ranking.rows[1].ties
    # Sign flips over the same means tell them apart: that is about these weights.
    assert sign_flip_test(tables[0].mean(axis=0) - tables[1].mean(axis=0)) < LEVEL


def test_a_board_says_what_it_compares(board, make_record, tmp_path):
    notes = board_notes(rank(board))
    assert notes[1] == (
        "Compared as architectures, over subjects and seeds: alpha (3 trainings); beta (3 trainings); fixed"
        " (draws nothing at random). One training only: single; what is said of it holds for these weights,"
        " over subjects."
    )
    assert notes[0].startswith(
        "Systems on one bar cannot be told apart, others can (t over subjects and seeds, Satterthwaite's"
        " degrees of freedom; paired sign-flip test over subjects; Holm, 0.05)."
    )
    assert re.search(
        r"^Over seeds change places: alpha and beta in [1-4] of 9 pairs\.$", "\n".join(notes), re.M
    )
    (tmp_path / "results").joinpath(*BOARD, "single.json").unlink()
    notes = board_notes(rank(load_board(tmp_path / "results", BOARD)))
    assert notes[1] == "Compared are architectures: over subjects, and over the seeds of their trainings."
    assert "sign-flip" not in notes[0]


def test_one_training_each_is_a_board_of_weights(make_record, base, tmp_path):
    make_record("one", base)
    make_record("other", base + 0.01, **trained(4))
    notes = board_notes(rank(load_board(tmp_path / "results", BOARD)))
    assert notes[1] == (
        "One training of each system: this board compares weights, not architectures. What it tells apart,"
        " other seeds may not."
    )


def test_tables_show_the_spread_and_each_seed_on_request(board, harness, tmp_path):
    results = tmp_path / "results"
    code, out, err = harness("rank", "--results", results)
    assert (code, err) == (0, "")
    assert out == board_text(rank(board))
    row = rank(board).rows[0]
    assert re.search(rf"^1 \(1 to 2\) +┌ +alpha .* ± {row.spread:.4f} \(3\) .* of 3 seeds$", out, re.M)
    assert "seed  " not in out
    code, out, _ = harness("rank", "--results", results, "--seeds")
    assert "Trainings, each by itself (intervals over subjects):" in out
    assert len(re.findall(r"^(alpha|beta) +[023] +0\.0\d{3} ", out, re.M)) == 6
    code, _, err = harness("rank", "--results", results, "--seeds", "--format", "csv")
    assert code == 2
    assert err.startswith("error: --seeds: with --format csv, expected another format.")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_holds_several_trainings(board, form):
    text = board_text(rank(board), form)
    if form == "json":
        document = json.loads(text)
        first = document["rows"][0]
        assert [one["seed"] for one in first["seeds"]] == [0, 2, 3]
        assert first["trainings"] == 3
        assert np.mean([one["per_subject"] for one in first["seeds"]], axis=0) == pytest.approx(
            first["per_subject"]
        )
        assert document["pairs"][0]["compares"] == "architectures"
        assert document["pairs"][-1]["compares"] == "weights"
        assert document["places_changed"][0]["pairs"] == 9
        assert document["resolution"]["n_pairs"] == 6
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["trainings"] for row in rows] == ["3", "3", "1", "1"]
        assert rows[2]["sd_over_seeds"] == ""
    else:
        assert ("$\\pm$" if form == "latex" else "±") in text


def test_the_page_shows_every_seed(board, tmp_path):
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    text = (tmp_path / "site/boards/simulated-held-out-subjects-test-mel.html").read_text()
    assert "<h2>Trainings</h2>" in text
    assert text.count("<th scope=row>alpha<td>") == 3
    assert "over seeds" in text
    assert re.search('<tr><td>1 .1 to 2.<td data-ties="?a"?>┌ *<th scope=row>', text)


def test_compare_means_all_trainings_and_a_file_means_one(board, nets, harness, tmp_path):
    where = ("--results", tmp_path / "results", "--board", BOARD)
    code, out, _ = harness("compare", "alpha", "beta", *where)
    assert code == 0
    assert "architectures, t over subjects and seeds (3 and 3 trainings): p = " in out
    assert re.search(r"^over seeds the two change places in [1-4] of 9 pairs$", out, re.M)
    assert "(over 12 subjects and seeds)" in out
    code, out, _ = harness("compare", nets["alpha"][0], nets["beta"][2])
    assert code == 0
    assert "(of these weights: one training of" in out
    code, out, _ = harness("compare", "alpha", "single", *where)
    assert re.search(
        r"paired sign-flip test over subjects: p = \S+ \(of these weights: one training of single\)", out
    )
    code, out, _ = harness("compare", "alpha.seed-2", "fixed", *where)
    assert "(of these weights: one training of alpha)" in out
    code, out, _ = harness("compare", nets["alpha"][1], *where[:2])
    assert out.startswith(f"alpha on {BOARD}: rank 1 of 4")


def test_seeds_that_differ_in_recipe_or_code_are_not_one_system(make_record, base, nets, tmp_path):
    odd = make_record("alpha", base, **trained(7, "b" * 64))
    other = make_record("beta", base, **trained(7, code_sha256="c" * 64))
    board = load_board(tmp_path / "results", BOARD)
    assert [str(fault) for fault in board.left_out] == [
        f"{odd}: another recipe of training than the system's other seeds, expected {'a' * 16}….\n"
        "  Train and score all seeds in one way, or remove it.",
        f"{other}: another code than the system's other seeds, expected {'0' * 16}….\n"
        "  Train and score all seeds in one way, or remove it.",
    ]
    assert [len(one.seeds) for one in board.records[:2]] == [3, 3]


def test_seeds_of_other_splits_or_data_are_left_out(make_record, base, nets, tmp_path):
    split = make_record("alpha", base, **trained(7), split={"sha256": "9" * 64})
    data = make_record("beta", base, **trained(7), corpus={"fingerprint": "8" * 64})
    board = load_board(tmp_path / "results", BOARD)
    text = "\n".join(map(str, board.left_out))
    assert f"{split}: another split file than the board's other records" in text
    assert f"{data}: another corpus's data (submission)" in text
    assert [len(one.seeds) for one in board.records[:2]] == [3, 3]


def test_what_one_seed_is_flagged_for_the_system_is(make_record, base, tmp_path):
    for seed, blind in ((0, 0.001), (1, 0.05)):
        document = controls_document(base, [blind] * N_SUBJECTS)
        make_record("net", base, **trained(seed), controls=document)
    (row,) = rank(load_board(tmp_path / "results", BOARD)).rows
    assert row.is_flagged
    assert row.controls.blind.value == pytest.approx(0.0255)


def test_a_mean_of_one_record_is_that_record_but_for_its_training(nets):
    record = read_record(nets["alpha"][0])
    mean = mean_record([record])
    assert mean.score == pytest.approx(record.score)
    assert mean.ci95 == mean_interval([one.pearson_r for one in record.subjects.values()])
    assert mean.submission.training is None
    assert inconsistencies(mean, "m") == []


@pytest.mark.slow
def test_ablations_stand_beside_their_own_full_net(make_record, base, rng, harness, tmp_path):
    noise = rng.normal(0, 0.001, (5, N_SUBJECTS))
    make_record("net", base + noise[0], variant="full")
    make_record("net", base - 0.02 + noise[1], variant="small", submission={"ablation_of": "full"})
    make_record("net", base + noise[2], variant="bare", submission={"ablation_of": "full"})
    make_record("other", base - 0.03 + noise[3])
    make_record("lone", base - 0.04 + noise[4], variant="bare", submission={"ablation_of": "full"})
    board = load_board(tmp_path / "results", BOARD)
    ranking = rank(board)
    assert [row.system for row in ranking.rows] == ["net (full)", "other", "lone (bare)"]
    assert [row.system for row in ranking.ablations] == ["net (bare)", "net (small)"]
    small, bare = ranking.ablations[1].beside, ranking.ablations[0].beside
    assert (small.full, small.difference) == ("net (full)", pytest.approx(-0.02, abs=0.001))
    assert small.p == pytest.approx(2 * 2**-11)  # Holm over the two ablations of this net
    assert bare.p > LEVEL
    text = board_text(ranking)
    assert "Ablations, each beside its own full net:" in text
    assert re.search(r"^net \(small\) .* net \(full\) +-0\.0[12]\d\d .* yes, as weights", text, re.M)
    whole = rank(board, everything=True)
    assert len(whole.rows) == 5
    assert whole.ablations == ()
    assert harness("rank", "--results", tmp_path / "results", "--all")[1] == board_text(whole)
    document = json.loads(board_text(ranking, "json"))
    assert [one["beside"]["full"] for one in document["ablations"]] == ["net (full)"] * 2
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    page = (tmp_path / "site/boards/simulated-held-out-subjects-test-mel.html").read_text()
    assert "<h2>Ablations</h2>" in page


def test_a_board_names_its_resolution(make_record, base, rng, tmp_path):
    for name, shift in (("one", 0.0), ("two", -0.001), ("three", -0.02)):
        make_record(name, base + shift + rng.normal(0, 0.003, N_SUBJECTS))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    found = ranking.resolution
    assert (found.n_pairs, found.level) == (3, pytest.approx(0.05 / 3))
    assert 0.002 < found.difference < 0.01
    assert re.search(
        r"^Resolution: with 12 subjects and 3 pairs of systems, a difference of 0\.00\d\d is found with 80 % power\."
        r" To tell the first two apart, one and two, takes [\d,]+ subjects\.$",
        "\n".join(board_notes(ranking)),
        re.M,
    )


@pytest.mark.parametrize(("n_subjects", "n_systems"), [(2, 2), (3, 2), (8, 5)])
def test_a_board_that_can_separate_nothing_says_so(make_record, rng, tmp_path, n_subjects, n_systems):
    for k in range(n_systems):
        make_record(f"s{k}", 0.1 + 0.1 * k + rng.normal(0, 0.001, n_subjects))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    assert ranking.resolution.separates_nothing
    assert ranking.resolution.difference is None
    assert "cannot separate anything here" in board_text(ranking)
    assert "smallest" not in board_text(ranking)


def test_pairs_that_sign_flips_can_never_separate_are_not_counted_among_those_found(make_record, tmp_path):
    """The smallest difference was that of the middle pair, which no test of three subjects could show."""
    base, odd = np.array([0.05, 0.06, 0.07]), np.array([0.001, -0.001, 0.0])
    for seed in (0, 1, 2):
        make_record("net", base + 0.02 + 0.004 * seed + odd[[seed, 2 - seed, 1]], **trained(seed))
    make_record("fixed", base, submission=FIXED)
    make_record("single", base + odd)
    make_record("other", base - odd)
    ranking = rank(load_board(tmp_path / "results", BOARD))
    found = ranking.resolution
    assert (found.n_pairs, found.hopeless, found.only_signs) == (6, 5, False)
    whole = difference(ranking.board, *(one for one in ranking.records if one.is_architecture))
    assert found.difference == least_difference(whole, level=0.05 / 6)
    assert (
        f"Resolution: with 3 subjects and 6 pairs of systems, a difference of {found.difference:.4f} is found"
        " with 80 % power in 1 of them; the 5 others are of single trainings, where so few subjects show none,"
        " whatever the difference."
    ) in "\n".join(board_notes(ranking))


def test_two_subjects_separate_nothing_with_several_trainings_either(make_record, tmp_path):
    for name, shift in (("one", 0.0), ("two", 0.02), ("three", 0.04), ("four", 0.06)):
        for seed in (0, 1):
            make_record(name, [0.1 + shift + 0.01 * seed, 0.3 - shift], **trained(seed))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    assert not ranking.resolution.only_signs
    assert ranking.resolution.separates_nothing
    assert (
        "2 subjects cannot separate anything here: with 6 pairs of systems no difference that a score can have is"
        " found."
    ) in board_notes(ranking)


def test_one_system_of_several_trainings_leaves_a_board_of_weights(make_record, tmp_path):
    for seed in (0, 1):
        make_record("one", [0.1 + 0.01 * seed, 0.3], **trained(seed))
    make_record("two", [0.2, 0.2])
    notes = board_notes(rank(load_board(tmp_path / "results", BOARD)))
    assert "Several trainings: one (2 trainings). One training of each other system" in notes[1]
    assert (
        "2 subjects cannot separate anything here: with 1 pair of systems Holm's p is never below 0.5, whatever"
        " the difference."
    ) in notes


def test_bars_join_exactly_those_that_cannot_be_told_apart():
    rng = np.random.default_rng(0)
    for n_systems, share in ((1, 0.5), (6, 0.2), (9, 0.5), (15, 0.8)):
        upper = np.triu(rng.random((n_systems, n_systems)) < share, 1)
        tied = upper | upper.T | np.eye(n_systems, dtype=bool)
        bars = tie_bars(tied)
        assert len({len(bar) for bar in bars}) == 1
        joined = np.eye(n_systems, dtype=bool)
        for column in zip(*bars, strict=True):
            group = []
            for place, mark in enumerate(column):
                if mark == "┌":
                    group = []
                if mark in "┌├└":
                    group.append(place)
                if mark == "└":
                    joined[np.ix_(group, group)] = True
        assert np.array_equal(joined, tied)
    assert tie_bars(np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)) == ["┌·", "└┌", "·└"]
    assert tie_bars(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)) == ["┌", "╎", "└"]


# The mean of records, number by number. All are so many 128ths, of which means over four have no rounding.

NAMES = ("sub-086", "sub-087", "sub-088")
N_SEEDS = 4
MISSING = (("b", "a"), (), ("c",), ("a",))
CONSTANT = (("d",), ("c", "e"), (), ("a", "f"))


def mean_of(values):
    return sum(values) / len(values)


def interval_of(subjects):
    """Over subjects and seeds, of what each seed says of the subjects."""
    return estimate([list(one.values()) for one in subjects]).interval()


class Numbers:
    """Numbers that are all drawn anew, with few digits."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self):
        return float(self.rng.integers(-64, 64)) / 128

    def some(self, n):
        return tuple(self.one() for _ in range(n))

    def subjects(self):
        return dict(zip(NAMES, self.some(3), strict=True))

    def band(self):
        low, mean, high = sorted(self.some(3))
        return ChanceBand(low=low, mean=mean, high=high, scores=100)

    def bands(self):
        return ChanceBands(circular_shifts=self.band(), mismatched_segments=self.band())

    def measure(self, undefined):
        return MeasureResult(
            value=self.one(),
            ci95=self.some(2),
            chance=self.bands(),
            subjects=self.subjects(),
            segments_undefined=undefined,
        )

    def group(self, segments):
        return StimulusGroup(value=self.one(), ci95=self.some(2), subjects=self.subjects(), segments=segments)


def training(seed):
    """A record of a training that has all that a record can have."""
    own = Numbers(seed)
    result = {
        name: SubjectResult(pearson_r=own.one(), bands=own.some(2), segments=4 + k, missing=(), constant=())
        for k, name in enumerate(NAMES)
    }
    result[NAMES[1]] = replace(result[NAMES[1]], missing=MISSING[seed], constant=CONSTANT[seed])
    record = record_of("net", (0.1, 0.2, 0.3))
    difference = Difference(
        value=own.one(), ci95=own.some(2), p=(0.5, 0.125, 0.75, 0.25)[seed], subjects=own.subjects()
    )
    blind = BlindResult(
        value=own.one(),
        ci95=own.some(2),
        chance=own.bands(),
        subjects=own.subjects(),
        segments=12,
        sampled=True,
        difference=difference,
    )
    return replace(
        record,
        score=own.one(),
        ci95=own.some(2),
        chance=own.bands(),
        bands=own.some(2),
        measures={"cosine": own.measure((1, 5, 3, 0)[seed]), "cosine_gain": own.measure(2)},
        subjects=result,
        submission=replace(
            record.submission,
            training=Training(seed=seed, recipe_sha256=RECIPE),
            weights_sha256=f"{seed}" * 64,
        ),
        overlap=Overlap(
            subjects_seen=(1, 3, 2, 0)[seed], subjects=5, stimuli_seen=(4, 1, 6, 2)[seed], stimuli=7
        ),
        stimuli=SeenAndUnseen(seen=own.group(3), unseen=own.group(9)),
        controls=Controls(blind=blind, scores_without_eeg=False, no_evidence_of_using_eeg=seed == 2),
        run=replace(
            record.run,
            finished=f"2026-01-0{(2, 4, 3, 1)[seed]}T00:00:00Z",
            isolation=("landlock", "bubblewrap", UNSET, "landlock")[seed],
            training=("verified", "declared", "declared", "verified")[seed],
        ),
    )


@pytest.fixture
def trainings():
    return [training(seed) for seed in range(N_SEEDS)]


def widest(bands):
    return replace(
        bands[0],
        low=min(one.low for one in bands),
        mean=mean_of([one.mean for one in bands]),
        high=max(one.high for one in bands),
    )


def widest_of(chances):
    return ChanceBands(
        circular_shifts=widest([one.circular_shifts for one in chances]),
        mismatched_segments=widest([one.mismatched_segments for one in chances]),
    )


def mean_subjects(groups):
    return {name: mean_of([one[name] for one in groups]) for name in NAMES}


def mean_group(groups):
    return replace(
        groups[0],
        value=mean_of([one.value for one in groups]),
        ci95=interval_of([one.subjects for one in groups]),
        subjects=mean_subjects([one.subjects for one in groups]),
    )


def mean_measure(results, undefined):
    return replace(
        mean_group(results), chance=widest_of([one.chance for one in results]), segments_undefined=undefined
    )


def test_a_mean_is_of_every_number_and_the_worst_of_what_has_no_mean(trainings):
    blinds = [one.controls.blind for one in trainings]
    gains = [one.difference for one in blinds]
    first = trainings[0]
    expected = replace(
        first,
        score=mean_of([one.score for one in trainings]),
        ci95=estimate([[one.subjects[name].pearson_r for name in NAMES] for one in trainings]).interval(),
        chance=widest_of([one.chance for one in trainings]),
        bands=tuple(mean_of([one.bands[k] for one in trainings]) for k in (0, 1)),
        measures={
            "cosine": mean_measure([one.measures["cosine"] for one in trainings], 5),
            "cosine_gain": mean_measure([one.measures["cosine_gain"] for one in trainings], 2),
        },
        subjects={
            name: SubjectResult(
                pearson_r=mean_of([one.subjects[name].pearson_r for one in trainings]),
                bands=tuple(mean_of([one.subjects[name].bands[k] for one in trainings]) for k in (0, 1)),
                segments=4 + number,
                missing=("a", "b", "c") if number == 1 else (),
                constant=("d", "e", "f") if number == 1 else (),
            )
            for number, name in enumerate(NAMES)
        },
        flags=replace(first.flags, segments_missing=3, segments_constant=3),
        submission=replace(first.submission, training=None, weights_sha256=None),
        overlap=Overlap(subjects_seen=3, subjects=5, stimuli_seen=6, stimuli=7),
        stimuli=SeenAndUnseen(
            seen=mean_group([one.stimuli.seen for one in trainings]),
            unseen=mean_group([one.stimuli.unseen for one in trainings]),
        ),
        controls=Controls(
            blind=replace(
                mean_group(blinds),
                chance=widest_of([one.chance for one in blinds]),
                difference=replace(mean_group(gains), p=0.75),
            ),
            scores_without_eeg=False,
            no_evidence_of_using_eeg=True,
        ),
        run=replace(first.run, finished="2026-01-04T00:00:00Z", isolation=UNSET, training="declared"),
    )
    mean = mean_record(trainings)
    assert mean == expected
    assert record_bytes(mean) == record_bytes(expected)  # in the same order


def over_subjects(result):
    """The same, with the interval of one training."""
    return replace(result, ci95=mean_interval(list(result.subjects.values())))


def test_a_mean_of_one_training_is_all_that_it_says_over_its_subjects(trainings):
    one = trainings[3]
    blind = over_subjects(one.controls.blind)
    mean = mean_record([one])
    assert mean.measures == {name: over_subjects(result) for name, result in one.measures.items()}
    assert (mean.chance, mean.overlap, mean.bands) == (one.chance, one.overlap, one.bands)
    assert mean.stimuli == SeenAndUnseen(
        seen=over_subjects(one.stimuli.seen), unseen=over_subjects(one.stimuli.unseen)
    )
    assert mean.controls == replace(
        one.controls, blind=replace(blind, difference=over_subjects(blind.difference))
    )


def test_what_one_training_lacks_the_mean_lacks(trainings):
    *others, last = trainings
    mean = mean_record([*others, replace(last, overlap=None, stimuli=UNSET, controls=UNSET)])
    assert (mean.overlap, mean.stimuli, mean.controls) == (None, UNSET, UNSET)
    assert mean_record([*others, replace(last, overlap=UNSET)]).overlap is None
    assert mean_record([replace(one, overlap=UNSET) for one in trainings]).overlap is None
    assert mean_record([replace(one, measures=UNSET) for one in trainings]).measures is UNSET
    bare = replace(last, run=replace(last.run, training=UNSET))
    assert mean_record([*others, bare]).run.training is UNSET
    for kind, other in (
        ("circular_shifts", "mismatched_segments"),
        ("mismatched_segments", "circular_shifts"),
    ):
        chance = mean_record([*others, replace(last, chance=replace(last.chance, **{kind: None}))]).chance
        assert getattr(chance, kind) is None
        assert getattr(chance, other) is not None


def test_trainings_that_saw_other_stimuli_have_no_score_on_seen_and_unseen_ones(trainings):
    *others, last = trainings
    for which in ("seen", "unseen"):
        group = getattr(last.stimuli, which)
        for wrong in (
            {"segments": group.segments + 1},
            {"subjects": dict(list(group.subjects.items())[1:])},
        ):
            odd = replace(last.stimuli, **{which: replace(group, **wrong)})
            assert mean_record([*others, replace(last, stimuli=odd)]).stimuli is UNSET


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((False, False, False, False), False),
        ((False, None, False, False), None),
        ((None, False, True, False), True),
        ((None, None, None, None), None),
        ((False, False, False, True), True),
    ],
)
def test_a_flag_of_one_training_is_the_systems_and_what_is_not_known_of_one_is_not_known(
    trainings, flags, said
):
    for key in ("scores_without_eeg", "no_evidence_of_using_eeg"):
        ones = [
            replace(one, controls=replace(one.controls, **{key: flag}))
            for one, flag in zip(trainings, flags, strict=True)
        ]
        assert getattr(mean_record(ones).controls, key) is said


def test_a_test_that_one_training_lacks_has_no_p(trainings):
    *others, last = trainings
    blind = last.controls.blind
    bare = replace(blind, difference=replace(blind.difference, p=None))
    mean = mean_record([*others, replace(last, controls=replace(last.controls, blind=bare))])
    assert mean.controls.blind.difference.p is None


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (("landlock", "bubblewrap"), "landlock"),
        (("bubblewrap", "landlock"), "bubblewrap"),
        (("landlock", UNSET), UNSET),
        (("none", UNSET), "none"),
        (("landlock", "none"), "none"),
        ((UNSET, "none"), "none"),
    ],
)
def test_the_least_isolation_of_the_trainings_is_the_systems(trainings, ways, said):
    ones = [
        replace(one, run=replace(one.run, isolation=way)) for one, way in zip(trainings, ways, strict=False)
    ]
    assert mean_record(ones).run.isolation is said


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("verified", "verified"), "verified"),
        (("declared", "verified"), "declared"),
        (("declared", "tampered"), "tampered"),
        (("tampered", "verified"), "tampered"),
        ((UNSET, UNSET), UNSET),
        (("tampered", UNSET), UNSET),
    ],
)
def test_the_least_believable_record_of_training_is_the_systems(trainings, statuses, said):
    ones = [
        replace(one, run=replace(one.run, training=status))
        for one, status in zip(trainings, statuses, strict=False)
    ]
    assert mean_record(ones).run.training is said


# Which records are one system


def one_of(name, seed, /, *, system=None, **changes):
    """A record of a board, in memory; a training that draws nothing at random where the seed is None."""
    record = record_of(name, (0.25, 0.5))
    own = {"training": Training(seed=seed, recipe_sha256=RECIPE), **(system or {})}
    record = replace(record, submission=replace(record.submission, **own), **changes)
    return BoardRecord(Path(f"{name}-{seed}.json"), record, f"{name}{seed}")


def test_seeds_of_one_system_are_one_record_in_the_place_of_the_first():
    flags = replace(record_of("x", (0.25, 0.5)).flags, partial=True)
    beta, alpha = [one_of("beta", seed) for seed in (7, 0, 1)], [one_of("alpha", seed) for seed in (1, 0)]
    wide = one_of("alpha", 0, system={"variant": "wide"})
    alone, fixed = one_of("alone", 3), one_of("fixed", None)
    again = one_of("fixed", None)
    half = [one_of("half", seed, flags=flags) for seed in (0, 1)]
    fresh = BoardRecord(beta[2].path, beta[2].record, beta[2].sha256, fresh=True)
    found = pooled([beta[0], alone, alpha[0], fixed, beta[1], half[0], wide, alpha[1], again, fresh, half[1]])
    assert [one.record.submission.name for one in found] == [
        "beta", "alone", "alpha", "fixed", "half", "alpha", "fixed", "half",
    ]  # fmt: skip
    assert found[1] is alone
    assert (found[3], found[6]) == (fixed, again)
    assert (found[4], found[7]) == tuple(half)
    assert found[5] is wide
    assert found[0] == BoardRecord(
        beta[1].path,
        mean_record([beta[1].record, fresh.record, beta[0].record]),
        hashlib.sha256(b"beta0beta1beta7").hexdigest(),
        fresh=True,
        seeds=(beta[1], fresh, beta[0]),
    )
    assert found[2] == BoardRecord(
        alpha[1].path,
        mean_record([alpha[1].record, alpha[0].record]),
        hashlib.sha256(b"alpha0alpha1").hexdigest(),
        seeds=(alpha[1], alpha[0]),
    )
    assert pooled([]) == []


def odd(one, what, expected):
    return (
        f"{one.path}: another {what} than the system's other seeds, expected {expected}.\n"
        "  Train and score all seeds in one way, or remove it."
    )


def with_surrogates(segments):
    return {
        "controls": replace(
            training(0).controls, blind=replace(training(0).controls.blind, segments=segments)
        )
    }


@pytest.mark.parametrize(
    ("what", "usual", "other", "shown"),
    [
        ("code", {"system": {"code_sha256": "c" * 16}}, {}, "c" * 16),
        ("code", {"system": {"code_sha256": "c" * 16 + "d"}}, {}, "c" * 16 + "…"),
        ("code", {"system": {"code_sha256": None}}, {}, "None"),
        ("recipe of training", {}, {"system": {"training": Training(seed=9, recipe_sha256="b" * 64)}}, "a" * 16 + "…"),
        ("seed of the predictor", {"seed": 5}, {"seed": 6}, "5"),
        ("number of segments with surrogates", with_surrogates(12), with_surrogates(13), "12"),
        ("number of segments with surrogates", {}, with_surrogates(13), "None"),
    ],
)  # fmt: skip
def test_of_seeds_that_differ_the_most_common_are_the_system(what, usual, other, shown):
    ones = [one_of("net", 0, **usual), one_of("net", 1, **other), one_of("net", 2, **usual)]
    assert list(map(str, odd_seeds(ones))) == [odd(ones[1], what, shown)]
    assert list(map(str, odd_seeds([ones[1], ones[0], ones[2]]))) == [odd(ones[1], what, shown)]
    # Of two ways as common the first is the system's.
    assert [fault.where for fault in odd_seeds(ones[:2])] == ["net-1.json"]
    assert [fault.where for fault in odd_seeds(ones[1::-1])] == ["net-0.json"]


def test_all_that_differs_is_told_and_only_within_a_system():
    ones = [
        one_of("net", 0),
        one_of("net", 1, system={"code_sha256": "c" * 64}, seed=3),
        one_of("other", 2, seed=9),
        one_of("net", 2),
        one_of("net", 3, seed=4),
        one_of("net", None, system={"code_sha256": "d" * 64}),
    ]
    assert list(map(str, odd_seeds(ones))) == [
        odd(ones[1], "code", "0" * 16 + "…"),
        odd(ones[1], "seed of the predictor", "0"),
        odd(ones[4], "seed of the predictor", "0"),
    ]
    assert odd_seeds([]) == []
