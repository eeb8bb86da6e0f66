"""Which records may be compared, and what a comparison says."""

import pytest

from harness.boards.board import BoardRecord
from harness.boards.compare import compare
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
