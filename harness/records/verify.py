"""Making a record again, and saying what is not as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.records.record import VOLATILE, Member, Record, plain

# Two runs of the same code on another processor may differ in the last bits of a prediction.
SAME_R = 1e-6


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the record says.

    Attributes:
        what: code, weights, members, split, corpus, scorer, predictions, versions or score.
        recorded: the record's value, in words.
        now: today's.
    """

    what: str
    recorded: str
    now: str


@dataclass(frozen=True)
class Verification:
    """A record beside one that was made again from the same submission or predictions.

    Attributes:
        differences: what is not the same; empty where nothing lasting differs.
        largest: largest difference of any subject's mean r; None where the subjects are others.
    """

    differences: tuple[Difference, ...]
    largest: float | None

    @property
    def reproduced(self) -> bool:
        """Whether every subject's score is the record's."""
        return self.largest is not None and self.largest <= SAME_R


def verify(recorded: Record, now: Record) -> Verification:
    """Compare a record with the one that the same submission or predictions give now."""
    pairs = {
        "code": (recorded.submission.code_sha256, now.submission.code_sha256),
        "weights": (recorded.submission.weights_sha256, now.submission.weights_sha256),
        "predictions": (recorded.submission.predictions_sha256, now.submission.predictions_sha256),
        "split": (recorded.split.sha256, now.split.sha256),
        "corpus": (recorded.corpus.fingerprint, now.corpus.fingerprint),
        "scorer": (recorded.scorer_version, now.scorer_version),
        "seed": (recorded.seed, now.seed),
    }
    differences = [
        Difference(what, _short(old), _short(new)) for what, (old, new) in pairs.items() if old != new
    ]
    differences += _members(recorded.submission.members, now.submission.members)
    versions, today = recorded.environment, now.environment
    differences += [
        Difference(f"version of {name}", str(versions.get(name)), str(today.get(name)))
        for name in sorted({*versions, *today})
        if versions.get(name) != today.get(name)
    ]
    largest = None
    if list(recorded.subjects) == list(now.subjects):
        largest = max(
            abs(old.pearson_r - new.pearson_r)
            for old, new in zip(recorded.subjects.values(), now.subjects.values(), strict=True)
        )
    else:
        differences.append(Difference("subjects", str(len(recorded.subjects)), str(len(now.subjects))))
    if largest is not None and largest > SAME_R:
        differences.append(Difference("score", f"{recorded.score:.6f}", f"{now.score:.6f}"))
    return Verification(tuple(differences), largest)


def departures(recorded: Record, now: Record) -> list[str]:
    """Every value that differs between a record and another run of the same system, as "key old, now new".

    Numbers may differ by ``SAME_R``; time, host, commit and versions are not compared.
    """
    lasting = [
        {key: value for key, value in plain(record).items() if key not in (*VOLATILE, "environment")}
        for record in (recorded, now)
    ]
    return list(_departures(lasting[0], lasting[1], ()))


def verification_text(verification: Verification, recorded: Record) -> str:
    """In words: reproduced or not, and what differs."""
    from tabulate import tabulate

    if verification.largest is None:
        verdict = "NOT REPRODUCED: other subjects"
    elif verification.reproduced:
        verdict = f"reproduced: mean r {recorded.score:.4f}"
        if verification.largest:
            verdict += f", no subject further than {np.format_float_scientific(verification.largest, 1)} away"
    else:
        verdict = f"NOT REPRODUCED: a subject's r is {verification.largest:.4f} away"
    if not verification.differences:
        return f"{verdict}\ncode, weights, split, corpus, scorer and versions are the record's"
    rows = [[one.what, one.recorded, one.now] for one in verification.differences]
    return f"{verdict}\n\n{tabulate(rows, ['differs', 'record', 'now'], disable_numparse=True)}"


def _departures(old: object, new: object, place: tuple[str, ...]) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _departures(old.get(key), new.get(key), (*place, str(key)))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _departures(one, other, (*place, str(index)))
    else:
        number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (old, new))
        if not (abs(old - new) <= SAME_R if number else old == new):  # type: ignore[operator]
            yield f"{'.'.join(place)} {_brief(old)}, now {_brief(new)}"


def _brief(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return _short(value) if isinstance(value, str) else str(value)[:60]


def _members(old: Sequence[Member], new: Sequence[Member]) -> list[Difference]:
    names = [[(member.name, member.variant) for member in members] for members in (old, new)]
    if names[0] != names[1]:
        listed = [", ".join(" ".join(name) for name in members) or "none" for members in names]
        return [Difference("members", *listed)]
    differences = []
    for one, other in zip(old, new, strict=True):
        pairs = {
            "code": (one.code_sha256, other.code_sha256),
            "weights": (one.weights_sha256, other.weights_sha256),
        }
        differences += [
            Difference(f"{what} of {one.name} ({one.variant})", _short(before), _short(after))
            for what, (before, after) in pairs.items()
            if before != after
        ]
    return differences


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:16]}…" if len(text) == 64 else text
