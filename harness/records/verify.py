"""Make a record again, and say what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.records.document import plain
from harness.records.record import VOLATILE, Member, Record
from harness.scoring.measures import DEFAULT, Measure

# Two runs of the same code on another processor may differ in the last bits of a prediction.
SAME_R = 1e-6
# Chance is stored with six digits, the last of which may differ on another processor.
SAME_CHANCE = 1.5e-6
# What the score is made from, place in the record -> word. All else is what the record says of the system.
MADE_FROM = {
    "submission.name": "name",
    "submission.version": "version",
    "submission.variant": "variant",
    "submission.code_sha256": "code",
    "submission.weights_sha256": "weights",
    "submission.predictions_sha256": "predictions",
    "submission.training": "training",
    "submission.transfer": "board that the weights are of",
    "submission.channels_excluded": "excluded channels",
    "split.name": "name of the split",
    "split.sha256": "split",
    "split.measures": "measures of the split",
    "split.channels_excluded": "channels that the split excludes",
    "corpus.fingerprint": "corpus",
    "scorer_version": "scorer",
    "seed": "seed",
}
_WORDS = {"ci95": "95 % interval"}


@dataclass(frozen=True)
class Difference:
    """One difference between a record and the one made now.

    Attributes:
        what: in words; of several values of one kind the first, and how many there are.
        recorded: the record's value, in words.
        now: today's.
        result: whether it is something that the record says of the system, rather than what the score is
            made from.
        remark: whether it may differ: the version of a package, which alone says nothing against a record.
    """

    what: str
    recorded: str
    now: str
    result: bool = False
    remark: bool = False


@dataclass(frozen=True)
class Verification:
    """A record beside one that was made again from the same submission or predictions.

    Attributes:
        differences: what is not the same; empty where nothing lasting differs.
        largest: largest difference of any subject's score; None where the subjects differ.
        score: the mean over subjects that was made now.
        measure: of ``largest`` and ``score``: the first of the record's measures that was scored now too.
    """

    differences: tuple[Difference, ...]
    largest: float | None
    score: float
    measure: Measure

    @property
    def same_result(self) -> bool:
        """Whether everything that the record says of the system is found again."""
        return self.largest is not None and not any(difference.result for difference in self.differences)

    @property
    def reproduced(self) -> bool:
        """Whether that is found again, and from the code, weights, split and data that the record names."""
        return self.largest is not None and all(difference.remark for difference in self.differences)


def verify(recorded: Record, now: Record) -> Verification:
    """Compare a record with the one that the same submission or predictions give now.

    Numbers may differ by ``SAME_R``; time, host and commit are not compared, nor are controls that only one
    of them has.
    """
    grouped: dict[str, list[_Departure]] = {}
    for departure in _departures(*_lasting(recorded, now), ()):
        key = ".".join(departure.place[:2])
        grouped.setdefault(key if key in MADE_FROM else departure.place[0], []).append(departure)
    differences = []
    for key, departures in grouped.items():
        if key in MADE_FROM:
            differences.append(departures[0].difference(MADE_FROM[key]))
        elif key == "environment":
            differences += [
                one.difference(f"version of {'.'.join(one.place[1:])}", remark=True) for one in departures
            ]
        elif departures[0].place[:2] == ("submission", "members"):
            differences += _members(recorded.submission.members, now.submission.members)
        else:
            differences.append(_result(key, departures))
    largest = None
    both = [name for name in recorded.measure_names if name in now.measure_names]
    old, new = (one.by(both[0] if both else DEFAULT) for one in (recorded, now))
    if list(recorded.subjects) == list(now.subjects):
        largest = max(abs(value - new.subjects[subject]) for subject, value in old.subjects.items())
    ordered = sorted(differences, key=lambda difference: difference.result)
    return Verification(tuple(ordered), largest, new.value, new.measure)


def departures(recorded: Record, now: Record) -> list[str]:
    """Every value that differs between a record and another run of the same system, as "key old, now new".

    Numbers may differ by ``SAME_R``; time, host, commit and versions are not compared.
    """
    return [
        f"{'.'.join(one.place)} {_brief(one.old)}, now {_brief(one.new)}"
        for one in _departures(*_lasting(recorded, now), ())
        if one.place[0] != "environment"
    ]


def verification_text(verification: Verification) -> str:
    """In words: reproduced or not, and what differs."""
    from tabulate import tabulate

    short = verification.measure.short
    if verification.largest is None:
        verdict = "NOT REPRODUCED: other subjects"
    elif verification.same_result:
        verdict = (
            "reproduced"
            if verification.reproduced
            else "NOT REPRODUCED: the record's score, but NOT FROM WHAT IT NAMES"
        )
        verdict += f": {verification.measure.heading} {verification.score:.4f}"
        if verification.largest:
            verdict += f", no subject further than {np.format_float_scientific(verification.largest, 1)} away"
    elif verification.largest > SAME_R:
        verdict = f"NOT REPRODUCED: a subject's {short} is {verification.largest:.4f} away"
    else:
        verdict = f"NOT REPRODUCED: every subject's {short} is the record's, but not what else it says"
    if not verification.differences:
        return f"{verdict}\ncode, weights, split, corpus, scorer and versions are the record's"
    rows = [[one.what, one.recorded, one.now] for one in verification.differences]
    return f"{verdict}\n\n{tabulate(rows, ['differs', 'record', 'now'], disable_numparse=True)}"


@dataclass(frozen=True)
class _Departure:
    """A value that differs between the documents of two records."""

    place: tuple[str, ...]
    old: object
    new: object

    def difference(self, what: str, *, result: bool = False, remark: bool = False) -> Difference:
        return Difference(what, _brief(self.old), _brief(self.new), result, remark)


def _result(key: str, departures: list[_Departure]) -> Difference:
    """What differs in one part of what a record says of the system."""
    first = departures[0]
    what = _WORDS.get(key, key)
    if len(first.place) > 1:
        what += f": {' '.join(first.place[1:])}"
    if len(departures) > 1:
        what += f" and {len(departures) - 1} more"
    return first.difference(what, result=True)


def _members(old: Sequence[Member], new: Sequence[Member]) -> list[Difference]:
    names = [
        [f"{one.name} {one.variant}" + ("" if one.seed is None else f" seed {one.seed}") for one in members]
        for members in (old, new)
    ]
    if names[0] != names[1]:
        listed = [", ".join(members) or "none" for members in names]
        return [Difference("members", listed[0], listed[1])]
    differences = []
    for one, other in zip(old, new, strict=True):
        pairs = {
            "version": (one.version, other.version),
            "code": (one.code_sha256, other.code_sha256),
            "weights": (one.weights_sha256, other.weights_sha256),
        }
        differences += [
            Difference(f"{what} of {one.title}", _brief(before), _brief(after))
            for what, (before, after) in pairs.items()
            if before != after
        ]
    return differences


def _lasting(recorded: Record, now: Record) -> tuple[dict[str, object], dict[str, object]]:
    """What can be compared of both; controls only where both have them, of as many surrogates."""
    left_out = set(VOLATILE) if _of_one_sample(recorded, now) else {*VOLATILE, "controls"}
    one, other = (
        {key: value for key, value in plain(record).items() if key not in left_out}
        for record in (recorded, now)
    )
    return one, other


def _departures(old: object, new: object, place: tuple[str, ...]) -> Iterator[_Departure]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _departures(old.get(key), new.get(key), (*place, str(key)))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _departures(one, other, (*place, str(index)))
    elif not _same(old, new, SAME_CHANCE if _of_chance(place) else SAME_R):
        yield _Departure(place, old, new)


def _of_chance(place: tuple[str, ...]) -> bool:
    return (
        place[0] == "chance"
        or (place[0] == "measures" and place[2:3] == ("chance",))
        or place[:3] == ("controls", "blind", "chance")
    )


def _of_one_sample(recorded: Record, now: Record) -> bool:
    """Whether both have controls, of as many surrogates."""
    one, other = recorded.controls, now.controls
    return one.blind.segments == other.blind.segments if one and other else False


def _same(old: object, new: object, tolerance: float) -> bool:
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(old - new) <= tolerance
    return old == new


def _brief(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    text = str(value)
    return f"{text[:16]}…" if len(text) == 64 else text[:60]
