"""A record as text."""

from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM

from harness.records.build import build_record
from harness.records.text import record_text
from harness.scoring.chance import Chance
from harness.scoring.score import SubjectScore, combine


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
