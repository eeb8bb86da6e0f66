"""Whether labels are public, what all segments have in common, and scores below chance: wherever they are seen."""

import json

import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split

from harness.boards.board import BoardName, load_board
from harness.boards.formats import board_text
from harness.boards.ranking import rank
from harness.corpus.declaration import load_declaration
from harness.errors import CorpusError
from harness.pull_request.comment import comment_text
from harness.records.document import parse_record, plain

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
PUBLIC = "Labels are public, and on public labels no number is proof."
HELD_BACK = "Labels are held back: nobody but the organiser has them."
DEMONSTRATION = "A demonstration: whoever has the recipe has the labels, and no number is proof."


def band(low, mean, high, scores=1793):
    return {"low": low, "mean": mean, "high": high, "scores": scores}


@pytest.fixture
def lab(tmp_path, make_submission, harness):
    """A scored package on a laboratory's corpus; ``labels`` is what its corpus.toml says of them."""

    def make(labels=""):
        folder = make_own_corpus(tmp_path / "lab", n_channels=4)
        toml = folder / "corpus.toml"
        toml.write_text(toml.read_text() + labels)
        parts = {"val": {"subjects": ["P01"]}, "test": {"subjects": list(SUBJECTS[6:])}}
        split = own_split(tmp_path / "lab-split.json", parts=parts).folder / "lab-split.json"
        package = make_submission(predict="return eeg[:, :, :1]", features=["envelope"])
        asked = ("--data", folder, "--split", split, "--feature", "envelope", "--no-isolation")
        texts = {part: harness("score", package, *asked, "--part", part)[1] for part in ("val", "test")}
        files = {part: tmp_path / f"results/my-lab/lab-split/{part}/envelope/tiny.json" for part in texts}
        return texts, {part: parse_record(path.read_bytes(), "r") for part, path in files.items()}, folder

    return make


def test_labels_are_public_unless_the_corpus_says_otherwise(lab, harness):
    texts, records, _ = lab()
    assert "labels" not in plain(records["test"])["corpus"]
    assert PUBLIC in texts["test"].splitlines()
    assert harness("rank")[1].count(PUBLIC) == 2


def test_a_corpus_says_of_which_parts_labels_are_held_back(lab, harness):
    texts, records, _ = lab('\n[labels]\nval = "public"\ntest = "held back"\n')
    assert plain(records["test"])["corpus"]["labels"] == "held back"
    assert "labels" not in plain(records["val"])["corpus"]
    assert HELD_BACK in texts["test"].splitlines()
    assert PUBLIC in texts["val"].splitlines()
    board = "my-lab/lab-split/{}/envelope"
    assert HELD_BACK in harness("rank", "--board", board.format("test"))[1]
    assert PUBLIC in harness("rank", "--board", board.format("val"))[1]
    harness("page", "out")
    pages = {part: next(p for p in pages_below("out") if f"{part}" in p.name).read_text() for part in texts}
    assert HELD_BACK in pages["test"]
    assert PUBLIC in pages["val"]


def pages_below(folder):
    from pathlib import Path

    return sorted(path for path in Path(folder).rglob("*.html") if "my-lab" in str(path))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ('\n[labels]\ntest = "secret"\n', "labels: test: 'secret', expected one of public, held back"),
        ('\n[labels]\nfinal = "public"\n', "final"),
    ],
)
def test_other_words_for_labels_are_refused(tmp_path, labels, words):
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    toml = folder / "corpus.toml"
    toml.write_text(toml.read_text() + labels)
    with pytest.raises(CorpusError, match=words):
        load_declaration(folder)


def test_boards_of_simulated_data_are_called_demonstrations(make_record, tmp_path):
    make_record("tiny", [0.1, 0.2])
    for form in ("text", "md", "html", "latex"):
        assert DEMONSTRATION in board_text(rank(load_board(tmp_path / "results", BOARD)), form)


def test_below_chance_is_said_everywhere(make_record, tmp_path, harness):
    below, _ = make_record("odd", [-0.1, -0.2]), make_record("fine", [0.1, 0.2])
    words = "below chance: look for the sign"
    assert words in board_text(rank(load_board(tmp_path / "results", BOARD)))
    assert words in harness("compare", "odd", "fine")[1]
    assert words in harness("compare", "fine")[1]
    assert words in harness("compare", "odd")[1]
    harness("page", "out")
    pages = [path for path in (tmp_path / "out").rglob("*.html") if words in path.read_text()]
    assert {path.stem for path in pages} >= {"odd"}
    assert any("held-out-subjects" in str(path) for path in pages)
    from harness.records.text import record_text

    record = parse_record(below.read_bytes(), "r")
    assert words.upper() in record_text(record)


def test_what_segments_have_in_common_is_said(make_record, tmp_path):
    chance = {"circular_shifts": band(-0.01, 0.0, 0.01), "mismatched_segments": band(0.04, 0.05, 0.06)}
    path = make_record("odd", [0.2, 0.3])
    document = json.loads(path.read_text())
    document["chance"] = chance
    path.write_text(json.dumps(document))
    text = board_text(rank(load_board(tmp_path / "results", BOARD)))
    assert "-0.0100 to 0.0600 (common to segments)" in text
    from harness.records.text import record_text

    said = "COMMON TO SEGMENTS: the predictions score 0.0500 against references of other segments too"
    assert said in record_text(parse_record(path.read_bytes(), "r"))
    document["chance"]["mismatched_segments"] = band(0.015, 0.0199, 0.03)
    assert "COMMON" not in record_text(parse_record(json.dumps(document).encode(), "r"))


def test_a_comment_says_labels_training_and_chance():
    row = {
        "system": "odd", "rank": 1, "rank_low": 1, "rank_high": 1, "ties": "a", "pearson_r": -0.2, "ci95": None,
        "chance": [-0.01, 0.01], "chance_words": "below chance: look for the sign", "common": True,
        "training": "declared", "how": "scored now", "event": None, "before": None,
    }  # fmt: skip
    board = {
        "corpus": "simulated", "split": "held-out-subjects", "part": "test", "feature": "mel", "simulated": True,
        "subjects": 2, "rows": [row], "partial": [], "gone": [],
    }  # fmt: skip
    document = {
        "version": 2, "base": "0" * 40, "head": "1" * 40, "code": "base", "scorer_version": 1, "remarks": [],
        "boards": [board], "own": None,
    }  # fmt: skip
    text = comment_text(document)
    assert (
        "| below chance: look for the sign (common to segments) | not measured | declared | scored now |"
        in text
    )
    assert DEMONSTRATION in text.splitlines()
    board.update(simulated=False)
    assert PUBLIC in comment_text(document)
    board.update(held_back=True)
    assert HELD_BACK in comment_text(document)
