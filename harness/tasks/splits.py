"""Splits: who trains, validates and tests, and how recordings are cut into segments.

A split is a JSON file, under ``splits/`` or anywhere, valid against ``harness/schemas/split.json``. Its
sha256 (of the file's bytes) stands in every score record, so that a changed split is a different board.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.conventions import UNKNOWN_SUBJECT
from harness.corpus.base import TIME_FRACTIONS, natural_key
from harness.corpus.declaration import declared, exact
from harness.errors import Fault, SplitError, UsageError, did_you_mean, raise_all, shorten
from harness.files import read_regular
from harness.schemas.documents import parse_json
from harness.schemas.validate import schema_faults
from harness.scoring.context import RECONSTRUCTIONS
from harness.scoring.measures import DEFAULT, measure
from harness.shipped import shipped_folder

MOST_SPLIT_BYTES = 1 << 20
SPLIT_FOLDER = shipped_folder("splits")
PARTS = ("train", "val", "test")
Cut = Literal["whole-recordings", "in-time", "blocks", "random", "given"]
SubjectIds = Literal["told", "hidden"]
# The default of subject_ids: hidden where the split tests on subjects that no training met.
SUBJECT_IDS: Mapping[Cut, SubjectIds] = {
    "whole-recordings": "hidden",
    "in-time": "told",
    "blocks": "told",
    "random": "told",
    "given": "told",
}
# Cuts that give a share of every recording to each part.
WITHIN_RECORDINGS: tuple[Cut, ...] = ("in-time", "blocks", "random")
DEFAULT_MEASURES = (DEFAULT,)


class Blocks(NamedTuple):
    """How the recordings of a corpus are cut into blocks.

    Attributes:
        seconds: of one block.
        edge_seconds: left out at both ends of a block.
        parts: part -> numbers of its blocks, from 0.
    """

    seconds: float
    edge_seconds: float
    parts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Split:
    """Who trains, validates and tests, and how recordings are cut.

    Attributes:
        name: the file's name without its suffix.
        title: what it is, in words.
        corpora: names of the corpora that the split is for.
        features: what can be decoded, the default first.
        sample_rate_hz: of the EEG.
        segment_seconds: length of one segment.
        cut: ``whole-recordings`` (a subject belongs to one part), ``in-time`` (every recording is cut in
            time by ``time_fractions``), ``blocks`` (every recording is cut into ``blocks``, each for one
            part, or for parts without a subject in common), ``random`` (every segment is drawn for one
            part) or ``given`` (the corpus comes as segments).
        parts: part -> subjects, or None for every subject of the corpus, or for a share of them.
        training_split: name of the split whose training part serves this one.
        subject_ids: ``told`` or ``hidden``, whether a predictor learns whose EEG it is.
        sha256: of the file's bytes.
        time_fractions: part -> its share of every recording, for the cuts ``in-time`` and ``random``.
        measures: what the split is scored by; the first ranks.
        names_measures: whether the file names its measures; False where they are the default.
        folder: where the file lies, and the file of ``training_split`` too if that is not in ``splits/``.
        shares: part -> where its share of the subjects, in the corpus's own order, begins and ends.
        stimuli: part -> its stimuli, where it does not have all.
        blocks: corpus -> its blocks, for the cut ``blocks``.
        seed: for the cut ``random``.
        flag: what a reader of its scores must know; empty where nothing is wrong.
        exclude_channels: EEG channels that are zero for every system, by name, or by number from 1.
    """

    name: str
    title: str
    corpora: tuple[str, ...]
    features: tuple[str, ...]
    sample_rate_hz: float
    segment_seconds: float
    cut: Cut
    parts: Mapping[str, tuple[str, ...] | None]
    training_split: str
    subject_ids: SubjectIds
    sha256: str
    time_fractions: Mapping[str, float] = field(default_factory=lambda: dict(TIME_FRACTIONS))
    measures: tuple[str, ...] = DEFAULT_MEASURES
    names_measures: bool = False
    folder: Path = field(default=SPLIT_FOLDER, compare=False)
    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    stimuli: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    seed: int = 0
    flag: str = ""
    exclude_channels: tuple[str, ...] = ()

    @property
    def segment_samples(self) -> int:
        """EEG samples in one segment."""
        return round(self.segment_seconds * self.sample_rate_hz)

    def told(self, subject: str) -> str:
        """The subject that a predictor is told: the id, or "unknown" where the split hides it."""
        return subject if self.subject_ids == "told" else UNKNOWN_SUBJECT

    def subjects(self, part: str, available: Iterable[str]) -> tuple[str, ...]:
        """The subjects of a part, in natural order; of a share, in the corpus's own.

        Args:
            part: train, val or test.
            available: subjects of the corpus, for parts that take all of them or a share.

        Raises:
            UsageError: the split has no such part.
        """
        if part not in self.parts:
            raise UsageError(
                Fault(
                    f"split {self.name}",
                    f"no part {part!r}",
                    f"one of {', '.join(self.parts)}",
                    "Choose another with --part, or another split with --split.",
                )
            )
        named = self.parts[part]
        if part in self.shares:
            listed = tuple(available)
            first, last = (round(share * len(listed)) for share in self.shares[part])
            return listed[first:last]
        return tuple(sorted(available if named is None else named, key=natural_key))


def split_names() -> list[str]:
    """Names of the splits that come with the harness."""
    return sorted(path.stem for path in SPLIT_FOLDER.glob("*.json"))


def load_split(name_or_path: str | Path, folders: Sequence[Path] = ()) -> Split:
    """Read and validate a split.

    Args:
        name_or_path: the name of a split, or the path of a JSON file.
        folders: where a name is looked for beside ``splits/``: those of the corpus
            (``harness.tasks.corpus_split.split_folders``).

    Raises:
        UsageError: no such split.
        SplitError: a file that cannot be read, is not JSON, or not valid by its schema, or subjects that
            overlap or are not known.
    """
    path = find_split(name_or_path, folders)
    try:
        data = read_regular(path, MOST_SPLIT_BYTES)
    except OSError as error:
        raise SplitError(Fault(str(path), error.strerror or "cannot be read", "a split file")) from None
    try:
        document = parse_json(data)
    except ValueError as error:
        raise SplitError(Fault(str(path), f"not JSON ({error})", "a split file")) from None
    raise_all(SplitError, schema_faults(document, "split", str(path)))
    raise_all(SplitError, _subject_faults(document, str(path)))
    raise_all(SplitError, [*_time_faults(document, str(path)), *_block_faults(document, str(path))])
    measures = [measure(name, f"{path}: measures") for name in document.get("measures", ())]
    if measures and RECONSTRUCTIONS in measures[0].needs:
        raise SplitError(
            Fault(
                f"{path}: measures",
                f"{measures[0].name} first, which needs a system's answers on the training part",
                "first a measure that predictions alone can be ranked by",
                "Put another measure before it.",
            )
        )
    if document["name"] != path.stem:
        raise SplitError(Fault(f"{path}: name", repr(document["name"]), f"{path.stem!r}, the file's name"))
    _check_own_name(path, data)
    return Split(
        name=document["name"],
        title=document["title"],
        corpora=tuple(document["corpora"]),
        features=tuple(document["features"]),
        sample_rate_hz=document["sample_rate_hz"],
        segment_seconds=document["segment_seconds"],
        cut=document["cut"],
        parts={
            part: tuple(entry["subjects"]) if isinstance(entry["subjects"], list) else None
            for part, entry in document["parts"].items()
        },
        training_split=document.get("training_split", document["name"]),
        subject_ids=document.get("subject_ids", SUBJECT_IDS[document["cut"]]),
        sha256=hashlib.sha256(data).hexdigest(),
        time_fractions=document.get("time_fractions", dict(TIME_FRACTIONS)),
        measures=tuple(document.get("measures", DEFAULT_MEASURES)),
        names_measures="measures" in document,
        folder=path.parent,
        shares={
            part: (entry["subjects"]["from"], entry["subjects"]["to"])
            for part, entry in document["parts"].items()
            if isinstance(entry["subjects"], dict)
        },
        stimuli={
            part: tuple(entry["stimuli"]) for part, entry in document["parts"].items() if "stimuli" in entry
        },
        blocks={name: _blocks(entry) for name, entry in document.get("blocks", {}).items()},
        seed=document.get("seed", 0),
        flag=document.get("flag", ""),
        exclude_channels=tuple(map(str, document.get("exclude_channels", ()))),
    )


def find_split(name_or_path: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The file of a split: a path as it is; a name in ``splits/``, else in one of some folders.

    Raises:
        UsageError: there is none.
    """
    path = Path(name_or_path)
    if path.suffix == ".json" and _is_there(path):
        return path
    places = [] if path.suffix == ".json" else [SPLIT_FOLDER, *folders]
    for folder in places:
        if _is_there(folder / f"{name_or_path}.json"):
            return folder / f"{name_or_path}.json"
    own = [one.stem for folder in folders for one in sorted(folder.glob("*.json")) if named_corpora(one)]
    names = list(dict.fromkeys([*split_names(), *own]))
    raise UsageError(
        Fault(
            f"--split {name_or_path}",
            "no such split" if path.suffix != ".json" else "no such file",
            f"one of {', '.join(names)}, or the path of a split file (.json)",
            did_you_mean(path.stem if path.suffix == ".json" else str(name_or_path), names),
        )
    )


def named_corpora(path: Path) -> tuple[str, ...]:
    """The corpora that a JSON file names, if it means to be a split: it has ``corpora`` and ``parts``."""
    try:
        document = parse_json(read_regular(path, MOST_SPLIT_BYTES))
    except (OSError, ValueError):
        return ()
    is_split = (
        isinstance(document, dict) and isinstance(document.get("corpora"), list) and "parts" in document
    )
    return tuple(str(name) for name in document["corpora"]) if is_split else ()


def _is_there(path: Path) -> bool:
    """Whether a path leads to something; a link to nothing counts, so that reading it says what is wrong."""
    return path.exists() or path.is_symlink()


def training_split(split: Split) -> Split:
    """The split whose training part serves this one: itself where it has a training part.

    Raises:
        SplitError: no such split, neither beside this one's file nor in ``splits/``.
    """
    if "train" in split.parts:
        return split
    beside = split.folder / f"{split.training_split}.json"
    try:
        return load_split(beside if beside.is_file() else split.training_split)
    except UsageError:
        raise SplitError(
            Fault(
                f"split {split.name}: training_split",
                f"no split {split.training_split!r}",
                f"a file {beside.name} beside it, or in splits/",
                did_you_mean(split.training_split, split_names()),
            )
        ) from None


def _check_own_name(path: Path, data: bytes) -> None:
    """Refuse a split that has the name of one that comes with the harness, and other contents."""
    official = SPLIT_FOLDER / path.name
    if official.is_file() and official.read_bytes() != data:
        raise SplitError(
            Fault(
                f"{path}: name",
                f"{path.stem!r}, the name of another split that comes with the harness",
                "a name of its own for a split of its own",
                "Rename the file, and the key 'name' in it.",
            )
        )


def _blocks(entry: Mapping[str, Any]) -> Blocks:
    parts = {part: tuple(entry[part]) for part in PARTS}
    return Blocks(entry["seconds"], entry.get("edge_seconds", 0), parts)


def _block_faults(document: Mapping[str, Any], where: str) -> list[Fault]:
    """Faults of a cut into blocks: corpora without any, or blocks that overlap or hold no segment."""
    if document["cut"] != "blocks":
        return []
    described = document.get("blocks", {})
    faults = [
        Fault(f"{where}: blocks", f"nothing for the corpus {name}", "how its recordings are cut")
        for name in document["corpora"]
        if name not in described
    ]
    rate = exact(document["sample_rate_hz"])
    apart = _held_apart(document["parts"])
    for name, entry in described.items():
        place = f"{where}: blocks: {name}"
        owners: dict[int, list[str]] = {}
        for part in PARTS:
            for number in entry[part]:
                owners.setdefault(number, []).append(part)
        faults += [
            Fault(
                place,
                f"block {number} in parts {' and '.join(parts)}",
                "every block in one part, or in parts that name subjects of their own",
            )
            for number, parts in sorted(owners.items())
            if any(frozenset(pair) not in apart for pair in combinations(parts, 2))
        ]
        edge = entry.get("edge_seconds", 0)
        left = exact(entry["seconds"]) - 2 * exact(edge)
        if left < exact(document["segment_seconds"]):
            what = f"blocks of {entry['seconds']:g} s less {edge:g} s at both ends"
            faults.append(Fault(place, what, f"{document['segment_seconds']:g} s or more, one segment"))
        if (exact(entry["seconds"]) * rate).denominator != 1 or (exact(edge) * rate).denominator != 1:
            what = f"blocks of {entry['seconds']:g} s with edges of {edge:g} s at {float(rate):g} Hz"
            faults.append(Fault(place, what, "whole numbers of samples"))
    return faults


def _held_apart(parts: Mapping[str, Any]) -> set[frozenset[str]]:
    """The pairs of parts that have no subject in common: parts that name theirs, or two shares of all."""
    apart = set()
    for one, other in combinations(PARTS, 2):
        if one not in parts or other not in parts:  # nobody is in a part that the split does not have
            apart.add(frozenset((one, other)))
            continue
        here, there = parts[one]["subjects"], parts[other]["subjects"]
        if isinstance(here, list) and isinstance(there, list):
            disjoint = not set(here) & set(there)
        elif isinstance(here, dict) and isinstance(there, dict):
            disjoint = here["to"] <= there["from"] or there["to"] <= here["from"]
        else:
            disjoint = False
        if disjoint:
            apart.add(frozenset((one, other)))
    return apart


def _time_faults(document: Mapping[str, Any], where: str) -> list[Fault]:
    """Faults of segments without a whole number of samples, and of the fractions of a cut in time."""
    faults = []
    samples = exact(document["segment_seconds"]) * exact(document["sample_rate_hz"])
    if samples.denominator != 1:
        faults.append(
            Fault(
                f"{where}: segment_seconds",
                f"{document['segment_seconds']:g} s at {document['sample_rate_hz']:g} Hz,"
                f" {float(samples):g} samples",
                "a whole number of samples",
                "Choose another length; nothing is resampled or rounded here.",
            )
        )
    if document["cut"] not in ("in-time", "random"):
        return faults
    if "time_fractions" not in document:
        what = f"the cut {document['cut']} without the key 'time_fractions'"
        return [*faults, Fault(where, what, "0.8, 0.1, 0.1")]
    fractions = document["time_fractions"]
    total = sum(map(exact, fractions.values()))
    if total > 1:
        faults.append(
            Fault(f"{where}: time_fractions", f"{float(total):g} of every recording", "1 at most, together")
        )
    if list(fractions) != list(PARTS):
        faults.append(
            Fault(f"{where}: time_fractions", f"the order {', '.join(fractions)}", ", ".join(PARTS))
        )
    return faults


def _may_be_of(subject: str, corpus: str) -> bool:
    """Whether a corpus has a subject, or does not say which it has."""
    declaration = declared(corpus)
    return declaration is None or declaration.subjects is None or subject in declaration.subjects


def _subject_faults(document: Mapping[str, Any], where: str) -> list[Fault]:
    parts: dict[str, dict[str, Any]] = document["parts"]
    corpora: list[str] = document["corpora"]
    faults = _share_faults(document, where)
    seen: dict[str, str] = {}
    for part, entry in parts.items():
        subjects = entry["subjects"]
        if isinstance(subjects, dict):
            continue
        if isinstance(subjects, str):
            if document["cut"] == "whole-recordings" and len(parts) > 1:
                faults.append(
                    Fault(
                        f"{where}: parts: {part}",
                        "subjects 'all' beside other parts",
                        "disjoint lists of subjects where whole recordings are cut",
                    )
                )
            continue
        unknown = [subject for subject in subjects if not any(_may_be_of(subject, name) for name in corpora)]
        if unknown:
            faults.append(
                Fault(
                    f"{where}: parts: {part}",
                    f"unknown subjects {shorten(unknown)}",
                    f"subjects of {', '.join(corpora)}",
                )
            )
        overlap = sorted({s for s in subjects if seen.get(s) not in (None, part)}, key=natural_key)
        doubled = sorted((s for s, times in Counter(subjects).items() if times > 1), key=natural_key)
        if overlap and document["cut"] not in WITHIN_RECORDINGS:
            faults.append(
                Fault(
                    f"{where}: parts: {part}",
                    f"{shorten(overlap)} also in part {seen[overlap[0]]}",
                    "every subject in one part",
                )
            )
        if doubled:
            faults.append(Fault(f"{where}: parts: {part}", f"{shorten(doubled)} named twice"))
        seen |= {subject: part for subject in subjects if subject not in seen}
    return faults


def _share_faults(document: Mapping[str, Any], where: str) -> list[Fault]:
    """Faults of shares of the subjects: empty ones, and ones that overlap where subjects are held apart."""
    shares = {
        part: (entry["subjects"]["from"], entry["subjects"]["to"])
        for part, entry in document["parts"].items()
        if isinstance(entry["subjects"], dict)
    }
    faults = [
        Fault(f"{where}: parts: {part}: subjects", f"from {first:g} to {last:g}", "from less than to")
        for part, (first, last) in shares.items()
        if first >= last
    ]
    if document["cut"] in WITHIN_RECORDINGS:
        return faults
    if shares and len(shares) < len(document["parts"]):
        expected = "shares in every part, or in none, where subjects are held apart"
        arrived = f"a share of the subjects in {', '.join(shares)} only"
        faults.append(Fault(f"{where}: parts", arrived, expected))
    ordered = sorted(shares.items(), key=lambda entry: entry[1])
    faults += [
        Fault(f"{where}: parts: {later}: subjects", f"overlap those of {part}", "every subject in one part")
        for (part, (_, last)), (later, (first, _)) in combinations(ordered, 2)
        if first < last
    ]
    return faults
