"""Whether a record belongs beside the others of its board, asked before it is written there.

Records of one board are compared with each other, so they are of one split file, one corpus and the same
data. What most of a board's records are of is taken for the board's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.conventions import HASH_DIGITS
from harness.errors import Fault, shorten
from harness.records.record import CorpusData, Record, SplitPart

_DECLARATION = "declaration of the corpus"
_REPLACE = "choose another folder with --out; or put it there with --replace, and score the others again."
_REMEDIES = {
    _DECLARATION: "The hash is of the corpus's name, kind, channels, rates, features and preprocessing."
    f" Restore corpus.toml; or give this corpus a name of its own; or {_REPLACE}",
    "split file": f"Restore the split's file; or give this split a name of its own; or {_REPLACE}",
    "corpus data": f"Is --data the folder that the others were scored on? Else {_REPLACE}",
}


class Facts(NamedTuple):
    """What the records of a board have in common.

    Attributes:
        split: the part that is scored.
        corpus: its data; the fingerprint is empty where it is not known yet.
        kind: "submission" or "predictions".
        missing: subjects of the part that were not there.
    """

    split: SplitPart
    corpus: CorpusData
    kind: str
    missing: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> Facts:
        """Those of a record."""
        return cls(record.split, record.corpus, record.submission.kind, record.flags.subjects_missing)

    def has_data_of(self, other: Facts) -> bool:
        """Whether both are scored on the same data: predictions need no EEG, partial records have less."""
        return (self.kind, self.missing) == (other.kind, other.missing)


def neighbour_faults(path: Path, facts: Facts, others: Mapping[str, Facts]) -> list[Fault]:
    """What sets a record apart from the others of its board.

    Args:
        path: where the record is to be written.
        facts: of the record.
        others: name -> facts of the records that are there.
    """
    faults = []
    for what, remedy in _REMEDIES.items():
        new = _value(what, facts)
        there = {name: _value(what, one) for name, one in others.items()}
        if what == "corpus data":
            there = {name: there[name] for name, one in others.items() if one.has_data_of(facts)}
        known = [value for value in there.values() if value]
        usual = max(dict.fromkeys(known), key=known.count) if known else new
        if new and usual != new:
            names = [name for name, value in there.items() if value == usual]
            faults.append(
                Fault(
                    str(path.parent),
                    f"records of another {what} ({usual[:HASH_DIGITS]}: {shorten(names, 3)})",
                    f"none, or some of that of {path.stem} ({new[:HASH_DIGITS]})",
                    remedy,
                )
            )
    return faults


def _value(what: str, facts: Facts) -> str:
    """The hash of what a record is of; empty where it does not say."""
    values = {
        _DECLARATION: facts.corpus.declaration_sha256 or "",
        "split file": facts.split.sha256,
        "corpus data": facts.corpus.fingerprint,
    }
    return values[what]
