"""Which records may be compared, and what a comparison says."""

import pytest

from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.compare import compare
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import board_text
from harness.boards.ranking import rank
from harness.errors import RecordError


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"corpus": {"declaration_sha256": "6" * 64}}, "declaration of the corpus"),
        ({"corpus": {"fingerprint": "6" * 64}}, "fingerprint of the data"),
        ({"split": {"sha256": "6" * 64}}, "split"),
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
    board = load_board(tmp_path / "results", BoardName("simulated", "held-out-subjects", "test", "mel"))
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
    board = load_board(tmp_path / "results", BoardName("simulated", "held-out-subjects", "test", "mel"))
    found = compare(*board.records)
    assert found.p == 0.03125
    assert "smallest difference these subjects could show (0.05, 80 % power): " in comparison_text(found)
    assert "cannot separate anything" not in board_text(rank(board))
