"""A split with measures of its own, from the score to the comment under a pull request."""

import csv
import io
import json
import os
import re
import subprocess

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, write_split
from repository_fixtures import EDITOR
from scipy.spatial.distance import cosine as cosine_distance

from harness.boards.formats import FORMATS
from harness.records.document import record_bytes
from harness.records.store import read_record

MEASURES = ["cosine_centred", "pearson_r", "cosine"]
TEST = SUBJECTS[9:]
STORIES = ("story-a", "story-b")
BOARD = "my-lab/mine/test/envelope"
SCORE = ["--data", "my-lab", "--split", "splits/mine.json"]


@pytest.fixture
def corpus(tmp_path):
    """The made corpus, eight channels, and below splits/ a split with measures of its own."""
    make_own_corpus(tmp_path / "my-lab", n_channels=8)
    (tmp_path / "splits").mkdir()
    write_split(tmp_path / "splits/mine.json", measures=MEASURES)
    return tmp_path / "my-lab"


def references(corpus):
    """Story -> (n_segments, n_frames) of the envelope, as the files have it."""
    return {
        story: np.load(corpus / f"features/{story}_envelope.npy")[:, 0].astype(np.float64).reshape(4, 500)
        for story in STORIES
    }


def predict(corpus, name, make):
    """A file of predictions: of each test segment what ``make`` does of the reference."""
    arrays = {
        f"{subject}_{story}_{index:03d}": make(segment)[:, None].astype(np.float32)
        for subject in TEST
        for story, segments in references(corpus).items()
        for index, segment in enumerate(segments)
    }
    np.savez(corpus.parent / f"{name}.npz", **arrays)
    return arrays


@pytest.fixture
def scored(harness, corpus, rng):
    """Two records: ``shape`` has the form alone, far off in level; ``level`` has noise, but the right level."""
    made = {
        "shape": predict(corpus, "shape", lambda reference: reference - 5),
        "level": predict(corpus, "level", lambda reference: reference + rng.standard_normal(500)),
    }
    for name in made:
        code, out, error = harness("score", f"{name}.npz", *SCORE)
        assert code == 0, out + error
    return made


def record(corpus, name):
    return read_record(corpus.parent / f"results/{BOARD}/{name}.json")


def by_hand(corpus, predictions, subject, *, centred):
    """The mean cosine of a subject's segments, by scipy; the centre is the mean of the training segments."""
    true = references(corpus)
    centre = np.mean([segment for segments in true.values() for segment in segments], axis=0) * centred
    return np.mean(
        [
            1
            - cosine_distance(
                true[story][index] - centre,
                predictions[f"{subject}_{story}_{index:03d}"][:, 0].astype(np.float64) - centre,
            )
            for story in STORIES
            for index in range(4)
        ]
    )


def test_a_record_holds_every_measure_of_its_split_as_scipy_has_it(corpus, scored):
    for name, predictions in scored.items():
        own = record(corpus, name)
        assert own.split.measures == tuple(MEASURES)
        assert list(own.measures) == ["cosine_centred", "cosine"]
        for measure, centred in (("cosine_centred", True), ("cosine", False)):
            result = own.measures[measure]
            for subject in TEST:
                expected = by_hand(corpus, predictions, subject, centred=centred)
                assert result.subjects[subject] == pytest.approx(expected, abs=1e-9)
            assert result.value == pytest.approx(np.mean(list(result.subjects.values())), abs=1e-12)
            low, high = result.ci95
            assert low <= result.value <= high
            assert result.chance.circular_shifts.scores == 301
            assert result.chance.mismatched_segments.scores == 1000
            assert result.segments_undefined == 0
        assert (own.ranked.measure.name, own.ranked.value) == (
            "cosine_centred",
            own.measures["cosine_centred"].value,
        )


def test_the_first_measure_ranks_and_pearson_r_would_rank_the_other_way(harness, corpus, scored):
    shape, level = record(corpus, "shape"), record(corpus, "level")
    assert shape.score > level.score
    code, out, _ = harness("rank", "--board", BOARD)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == (
        "my-lab, split mine, part test, feature envelope, ranked by centred cosine: 2 systems, 3 subjects"
    )
    assert re.split(r"\s{2,}", lines[2].strip()) == [
        "rank", "ties", "system", "mean centred cosine", "95 % interval", "chance", "without the EEG", "mean r",
        "mean cosine", "unseen stimuli", "date", "record",
    ]  # fmt: skip
    assert [re.split(r"\s{2,}", line)[2] for line in lines[4:6]] == ["level", "shape"]
    assert f"{level.ranked.value:.4f}" in lines[4]
    assert f"{level.score:.4f}" in lines[4]
    assert f"{level.measures['cosine'].value:.4f}" in lines[4]

    write_split(corpus.parent / "splits/by-r.json")
    for name in scored:
        harness("score", f"{name}.npz", "--data", "my-lab", "--split", "splits/by-r.json")
    _, out, _ = harness("rank", "--board", "my-lab/by-r/test/envelope")
    assert [re.split(r"\s{2,}", line)[2] for line in out.splitlines()[4:6]] == ["shape", "level"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_the_measure_and_shows_the_further_ones(harness, corpus, scored, form):
    code, out, _ = harness(
        "rank", "--board", BOARD, "--format", form, *(["--bands"] if form != "json" else [])
    )
    level = record(corpus, "level")
    assert code == 0
    if form == "json":
        document = json.loads(out)
        row = document["rows"][0]
        assert document["measures"] == MEASURES
        assert row["per_subject"] == list(level.ranked.subjects.values())
    elif form == "csv":
        row = next(csv.DictReader(io.StringIO(out)))
        assert list(row)[list(row).index("kind") + 1 :][:11] == [
            "cosine_centred", "ci95_low", "ci95_high", "chance_low", "chance_high",
            "pearson_r", "pearson_r_ci95_low", "pearson_r_ci95_high", "pearson_r_chance_low",
            "pearson_r_chance_high", "cosine",
        ]  # fmt: skip
        assert row["band_1"] == str(level.bands[0])
    else:
        assert "ranked by centred cosine" in out
        out = re.sub(r"\\shortstack\{(.*?)\\\\(.*?)\}", r"\1 \2", out)  # LaTeX breaks long headings
        for heading in ("mean centred cosine", "mean r", "mean cosine", "r of band 1"):
            assert heading in out
        return
    assert [float(row[name]) for name in MEASURES] == [level.by(name).value for name in MEASURES]
    assert [float(row["ci95_low"]), float(row["ci95_high"])] == list(level.ranked.ci95)
    assert float(row["cosine_chance_high"]) == level.by("cosine").chance[1]


def test_what_score_prints_has_every_measure_with_interval_and_chance(harness, corpus, scored):
    _, out, _ = harness("score", "level.npz", *SCORE)
    level = record(corpus, "level")
    assert re.split(r"\s{2,}", out.splitlines()[2].strip()) == [
        "subject", "centred cosine", "Pearson r", "cosine", "segments",
    ]  # fmt: skip
    for one in level.measured:
        assert (
            f"{one.measure.heading} {one.value:.4f}, 95 % interval {one.ci95[0]:.4f} to {one.ci95[1]:.4f}"
            " (t interval over 3 subjects)\n"
            f"chance {one.chance[0]:.4f} to {one.chance[1]:.4f}"
            " (95 % of 301 circular shifts and of 1,000 mismatched segments)" in out
        )


def test_compare_is_by_the_first_measure_and_shows_the_others(harness, corpus, scored):
    shape, level = record(corpus, "shape"), record(corpus, "level")
    code, out, _ = harness("compare", "level", "shape", "--board", BOARD)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == (
        "level minus shape on my-lab, split mine, part test, feature envelope, ranked by centred cosine"
    )
    assert re.split(r"\s{2,}", lines[2].strip()) == [
        "subject", "level", "shape", "difference", "difference in r", "difference in cosine",
    ]  # fmt: skip
    assert lines[4].split() == [
        "P10",
        *(f"{one.ranked.subjects['P10']:.4f}" for one in (level, shape)),
        *(
            f"{level.by(name).subjects['P10'] - shape.by(name).subjects['P10']:+.4f}"
            for name in MEASURES
        ),
    ]  # fmt: skip
    assert f"mean difference in centred cosine {level.ranked.value - shape.ranked.value:+.4f}, 95 %" in out
    assert f"mean difference in r {level.score - shape.score:+.4f}, 95 %" in out
    _, out, _ = harness("compare", "level", "--board", BOARD)
    assert (
        out.splitlines()[0]
        == f"level on {BOARD}, ranked by centred cosine: rank 1 of 2; without the EEG: not measured"
    )
    (header,) = [line for line in out.splitlines() if "detectable" in line]
    assert re.split(r"\s{2,}", header)[-5:] == [
        "detectable", "without the EEG", "chance", "difference in r", "difference in cosine",
    ]  # fmt: skip


def test_pages_name_the_measure(harness, corpus, scored):
    level = record(corpus, "level")
    assert harness("page", "site")[0] == 0
    site = corpus.parent / "site"
    board = (site / "boards/my-lab-mine-test-envelope.html").read_text()
    assert "<caption>Ranking by mean centred cosine, real EEG: my-lab</caption>" in board
    assert "<th scope=col data-sort=down>mean r<th scope=col data-sort=down>mean cosine<th" in board
    assert "Mean centred cosine of each system, with its 95 % interval" in board
    assert "Centred cosine of every subject, one box a system" in board
    assert "Scores are mean centred cosine over subjects." in board
    index = (site / "index.html").read_text()
    assert f"<td>{level.ranked.value:.4f} (centred cosine)<td>level" in index
    assert "mean Pearson r over subjects" not in index
    system = (site / "systems/level.html").read_text()
    assert "<h4>Mean centred cosine of each subject</h4>" in system
    assert f"<li>P10 {level.ranked.subjects['P10']:.4f}<li>" in system
    assert f"<dt>mean cosine<dd>{level.by('cosine').value:.4f}" in system


def test_verify_is_by_the_first_measure(harness, corpus, scored):
    code, out, _ = harness("verify", f"results/{BOARD}/level.json", "level.npz", *SCORE)
    assert code == 0
    assert out.startswith(f"reproduced: mean centred cosine {record(corpus, 'level').ranked.value:.4f}")


def test_measures_of_the_corpus_are_those_of_its_splits_that_name_none(harness, corpus, rng):
    declaration = corpus / "corpus.toml"
    declaration.write_text('measure = "cosine"\n' + declaration.read_text())
    write_split(corpus.parent / "splits/mine.json")
    write_split(corpus.parent / "splits/by-r.json", measures=["pearson_r"])
    predict(corpus, "level", lambda reference: reference + rng.standard_normal(500))
    harness("score", "level.npz", *SCORE)
    own = record(corpus, "level")
    assert own.split.measures == ("cosine",)
    assert list(own.measures) == ["cosine"]
    _, out, _ = harness("rank", "--board", BOARD)
    assert "ranked by cosine: 1 system" in out
    harness("score", "level.npz", "--data", "my-lab", "--split", "splits/by-r.json")
    content = (corpus.parent / "results/my-lab/by-r/test/envelope/level.json").read_bytes()
    assert b"measures" not in content


def test_pearson_r_alone_leaves_a_record_as_it_was_named_or_not(harness, corpus, rng):
    predict(corpus, "level", lambda reference: reference + rng.standard_normal(500))
    harness("score", "level.npz", *SCORE)
    with_others = json.loads(record_bytes(record(corpus, "level")))
    write_split(corpus.parent / "splits/mine.json")
    harness("score", "level.npz", *SCORE, "--out", "alone")
    alone = json.loads((corpus.parent / f"alone/{BOARD}/level.json").read_text())
    assert "measures" not in alone
    assert "measures" not in alone["split"]
    for key in ("score", "ci95", "chance", "bands", "subjects", "flags"):
        assert alone[key] == with_others[key]


def test_a_measure_that_there_is_not_is_refused_with_a_suggestion(harness, corpus):
    predict(corpus, "level", lambda reference: reference)
    write_split(corpus.parent / "splits/mine.json", measures=["cosine_centered"])
    code, _, error = harness("score", "level.npz", *SCORE)
    assert code == 1
    assert error == (
        "error: splits/mine.json: measures: 'cosine_centered', expected one of cosine, cosine_centred,"
        " cosine_gain, pearson_r, song_accuracy, song_accuracy_reconstructed.\n  Did you mean 'cosine_centred'?\n"
    )


def test_a_training_part_that_is_not_here_refuses_the_score_before_anything_runs(
    harness, corpus, make_submission
):
    for path in (corpus / "eeg").glob("P03_*"):
        path.unlink()
    make_submission("never", predict="raise SystemExit('ran')", features=["envelope"])
    code, _, error = harness("score", "submissions/never", *SCORE)
    assert code == 1
    assert error == (
        "error: my-lab: part train of split mine: 1 of 7 subjects is not in the corpus: P03, expected the"
        " references of the whole training part: the centred cosine rests on them.\n"
        "  Score where they are, or by a split whose measures do without the centred cosine.\n"
    )


def _git(folder, *arguments):
    subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        env=os.environ | EDITOR,
        capture_output=True,
    )


@pytest.mark.slow
def test_what_a_pull_request_changes_is_ranked_and_told_by_the_first_measure(
    harness, corpus, make_submission, tmp_path
):
    keys = {"features": ["envelope"]}
    make_submission("steady", predict="return np.abs(eeg[:, :, :1])", **keys)
    moved = make_submission("moved", predict="return np.abs(eeg[:, :, 1:2]) - 1", **keys)
    for name in ("steady", "moved"):
        code, out, error = harness("score", f"submissions/{name}", *SCORE)
        assert code == 0, out + error
    before = record(corpus, "moved")
    (tmp_path / ".gitignore").write_text("/my-lab/\n*.npz\n/ranking.json\n__pycache__/\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "Begin")
    predictor = moved / "predictor.py"
    predictor.write_text(predictor.read_text().replace("1:2]) - 1", "1:2]) + 1"))
    _git(tmp_path, "commit", "--quiet", "--all", "--message", "Change")

    code, out, error = harness(
        "rank", "--changed-since", "HEAD^", "--data", "my-lab", "--out", "ranking.json", "--records", "made"
    )
    assert code == 0, out + error
    made = read_record(tmp_path / "made" / BOARD / "moved.json")
    document = json.loads((tmp_path / "ranking.json").read_text())
    (board,) = document["boards"]
    assert [one["title"] for one in board["measures"]] == ["centred cosine", "Pearson r", "cosine"]
    rows = {row["system"]: row for row in board["rows"]}
    assert rows["steady"]["how"] == "from record"
    row = rows["moved"]
    assert (row["how"], row["event"]) == ("scored now", "lowered")
    assert made.score == pytest.approx(before.score, abs=1e-6)  # to Pearson r the level is nothing
    assert "pearson_r" not in row
    assert row["value"] == made.ranked.value
    assert row["further"] == [made.score, made.by("cosine").value]
    assert row["before"]["value"] == before.ranked.value
    assert row["ci95"] == list(made.ranked.ci95)

    code, comment, _ = harness("comment", "ranking.json")
    assert (code, comment) == (0, out)
    assert "feature envelope, ranked by centred cosine: 2 systems, 3 subjects**" in comment
    assert (
        "| rank | change | ties | system | mean centred cosine | 95 % interval | chance | without the EEG |"
        " mean r | mean cosine | how |" in comment
    )
    difference = made.ranked.value - before.ranked.value
    assert f"| `moved` | {made.ranked.value:.4f} ({difference:+.4f}) |" in comment
