"""What a corpus is, as data: ``corpus.toml``.

Corpora that everybody has (SparrKULee, DTU, the simulated one) are declared in ``harness/corpus/declared/``
and need no file in their folder; any other folder says what it is in a ``corpus.toml`` of its own. Either is
valid against ``harness/schemas/corpus.json``. An example::

    name = "my-lab"
    title = "Audiobooks at My Lab"
    licence = "CC BY 4.0"
    citation = "A. Author 2025, doi:10.1000/xyz"
    kind = "real"
    sample_rate_hz = 100
    default_split = "my-split.json"         # beside corpus.toml, or the name of a split of splits/

    [channels]
    count = 128

    [eeg]
    files = "eeg/{subject}/{stimulus}.npy"  # see harness.corpus.pattern
    axes = "times, channels"

    [features.envelope]
    title = "Envelope of the speech"
    bands = 1
    files = "features/{stimulus}_envelope.npy"
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from harness.corpus.pattern import MOST_WILDCARDS, PLACEHOLDERS, Pattern
from harness.errors import CorpusError, Fault, counted, did_you_mean, raise_all, show
from harness.files import read_regular
from harness.schemas.documents import parse_toml
from harness.schemas.validate import schema_faults

DECLARATION = "corpus.toml"
DECLARED_FOLDER = Path(__file__).parent / "declared"
MOST_DECLARATION_BYTES = 1 << 20
DEFAULT_MEASURE = "pearson_r"
_BELOW = "a path below the folder, parts joined by /, none hidden, no '..'"
MOST_SUBJECTS = 10_000
_MOST_DIGITS = 9
_RANGE = re.compile(r"(?P<before>.*?)(?P<first>\d+)\.\.(?P=before)(?P<last>\d+)")


@dataclass(frozen=True)
class Files:
    """How one kind of file is named, and what is in it.

    Attributes:
        patterns: one or more, relative to the corpus's folder.
        time_axis: which axis of the arrays is time.
        member: the array's name in an .npz; empty where the file holds one array.
    """

    patterns: tuple[Pattern, ...]
    time_axis: int = 0
    member: str = ""


@dataclass(frozen=True)
class FeatureDeclaration:
    """A feature of what was heard.

    Attributes:
        name: such as ``envelope``.
        title: what it is, in words.
        n_bands: numbers a frame.
        frame_rate_hz: frames a second; None where a segment has a number of frames of its own.
        frames_per_segment: frames of every segment; None where there is a rate.
        files: None where a layout's reader knows them.
    """

    name: str
    title: str
    n_bands: int
    frame_rate_hz: float | None
    frames_per_segment: int | None = None
    files: Files | None = None

    def frames(self, segment_seconds: float) -> Fraction:
        """How many frames a segment has; where a rate gives no whole number, no split may ask for it."""
        if self.frame_rate_hz is None:
            return Fraction(self.frames_per_segment or 0)
        return exact(self.frame_rate_hz) * exact(segment_seconds)

    def frames_per_sample(self, sample_rate_hz: float, segment_seconds: float | None = None) -> Fraction:
        """Frames for each EEG sample: 1 where both have one rate.

        Args:
            sample_rate_hz: of the EEG.
            segment_seconds: of a split; None gives 0 where the frames depend on it.
        """
        if self.frame_rate_hz is not None:
            return exact(self.frame_rate_hz) / exact(sample_rate_hz)
        if segment_seconds is None:
            return Fraction(0)
        return self.frames(segment_seconds) / (exact(segment_seconds) * exact(sample_rate_hz))


@dataclass(frozen=True)
class Declaration:
    """What a corpus is.

    Attributes:
        name: lower-case words joined by hyphens.
        title: in words.
        licence: of the recordings.
        citation: of the recordings.
        kind: ``real``, or ``simulated`` where nothing was measured on a person.
        n_channels: EEG channels that are read, from the first.
        sample_rate_hz: of the EEG.
        features: by name.
        channel_names: where they are known.
        more_channels: whether files may hold further channels, which are not read.
        eeg: how EEG files are named; None where a layout's reader knows.
        layouts: readers that know how files are named; none where ``eeg`` says it.
        subjects: all subjects of the corpus; None for those that have files.
        default_split: a split's name, or the path of a split file, relative to ``folder``.
        default_splits: layout -> split, where it has another default.
        measure: what a split that names no measure is scored by.
        held_back: parts whose labels nobody but the organiser has; those of all others are public.
        surrogates: how the blind control's EEG is made; empty for what suits the measure.
        preprocessing: the recipe by which the EEG was made of raw recordings, its sha256 and the version of
            the code that applied it; None where that is not known.
        remark: what a reader of its boards must know; empty for nothing.
        fetch: where the files are served, and their sha256; None where nobody may fetch them.
        folder: where ``corpus.toml`` lies; None for a corpus that comes with the harness.
    """

    name: str
    title: str
    licence: str
    citation: str
    kind: str
    n_channels: int
    sample_rate_hz: float
    features: Mapping[str, FeatureDeclaration]
    channel_names: tuple[str, ...] = ()
    more_channels: bool = False
    eeg: Files | None = None
    layouts: tuple[str, ...] = ()
    subjects: frozenset[str] | None = None
    default_split: str = ""
    default_splits: Mapping[str, str] = field(default_factory=dict)
    measure: str = DEFAULT_MEASURE
    held_back: frozenset[str] = frozenset()
    surrogates: str = ""
    preprocessing: Mapping[str, Any] | None = None
    remark: str = ""
    fetch: Mapping[str, Any] | None = None
    folder: Path | None = None

    @property
    def simulated(self) -> bool:
        """Whether nothing in the corpus was measured on a person."""
        return self.kind == "simulated"

    @property
    def is_shipped(self) -> bool:
        """Whether the corpus is one that comes with the harness."""
        return self.folder is None

    def feature(self, name: str) -> FeatureDeclaration:
        """A feature of the corpus.

        Raises:
            CorpusError: it declares none of that name.
        """
        if name not in self.features:
            known = list(self.features)
            raise CorpusError(
                Fault(
                    f"feature {name}",
                    f"the corpus {self.name} declares none of that name",
                    f"one of {', '.join(known)}",
                    did_you_mean(name, known),
                )
            )
        return self.features[name]

    @cached_property
    def sha256(self) -> str:
        """Hash of what decides the numbers; titles and file names are not in it."""
        facts: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "n_channels": self.n_channels,
            "channel_names": list(self.channel_names),
            "sample_rate_hz": float(self.sample_rate_hz),
            "features": {
                name: [feature.n_bands, feature.frame_rate_hz, feature.frames_per_segment]
                for name, feature in sorted(self.features.items())
            },
        }
        if self.preprocessing is not None:
            facts["preprocessing"] = dict(self.preprocessing)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def exact(number: float) -> Fraction:
    """A number as it is written: 0.1 is exactly a tenth."""
    return Fraction(str(number))


def declared_names() -> list[str]:
    """Names of the corpora that come with the harness."""
    return sorted(path.stem for path in DECLARED_FOLDER.glob("*.toml"))


@lru_cache(maxsize=32)
def declared(name: str) -> Declaration | None:
    """A corpus that comes with the harness; None where none has that name."""
    if name not in declared_names():
        return None
    return _declaration(DECLARED_FOLDER / f"{name}.toml", None)


def load_declaration(folder: Path) -> Declaration | None:
    """What the ``corpus.toml`` of a folder says; None where there is none.

    Raises:
        CorpusError: not TOML, not valid by its schema, or values that contradict each other: all at once.
    """
    path = folder / DECLARATION
    if not (path.exists() or path.is_symlink()):
        return None
    declaration = _declaration(path, folder)
    if declared(declaration.name) is not None:
        raise CorpusError(
            Fault(
                f"{path}: name",
                f"{declaration.name!r}, the name of a corpus that comes with the harness",
                "a name of its own",
                f"Data in the layout of {declaration.name} need no {DECLARATION}; give others a new name.",
            )
        )
    return declaration


def _declaration(path: Path, folder: Path | None) -> Declaration:
    try:
        document = parse_toml(read_regular(path, MOST_DECLARATION_BYTES))
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None
    except ValueError as error:
        raise CorpusError(
            Fault(str(path), f"not readable as TOML ({error})", "a corpus declaration")
        ) from None
    raise_all(CorpusError, schema_faults(document, "corpus", str(path)))
    raise_all(CorpusError, _faults(document, str(path)))
    rate = document["sample_rate_hz"]
    return Declaration(
        name=document["name"],
        title=document["title"],
        licence=document["licence"],
        citation=document["citation"],
        kind=document["kind"],
        n_channels=document["channels"]["count"],
        sample_rate_hz=rate,
        features={name: _feature(name, entry, rate) for name, entry in document["features"].items()},
        channel_names=tuple(document["channels"].get("names", ())),
        more_channels=document["channels"].get("more_in_files", False),
        eeg=_files(document["eeg"], "times, channels") if "eeg" in document else None,
        layouts=tuple(document.get("layouts", ())),
        subjects=frozenset(_named(document["subjects"])) if "subjects" in document else None,
        default_split=document.get("default_split", ""),
        default_splits=document.get("default_splits", {}),
        measure=document.get("measure", DEFAULT_MEASURE),
        held_back=frozenset(
            part for part, labels in document.get("labels", {}).items() if labels == "held back"
        ),
        surrogates=document.get("surrogates", ""),
        preprocessing=document.get("preprocessing"),
        remark=document.get("remark", ""),
        fetch=document.get("fetch"),
        folder=folder,
    )


def _feature(name: str, entry: Mapping[str, Any], sample_rate_hz: float) -> FeatureDeclaration:
    per_segment = entry.get("frames_per_segment")
    rate = None if per_segment is not None else entry.get("frame_rate_hz", sample_rate_hz)
    files = _files(entry, "times, bands") if "files" in entry else None
    return FeatureDeclaration(name, entry["title"], entry["bands"], rate, per_segment, files)


def _files(entry: Mapping[str, Any], usual_axes: str) -> Files:
    axes = entry.get("axes", usual_axes).split(", ")
    return Files(tuple(map(Pattern, _texts(entry["files"]))), axes.index("times"), entry.get("member", ""))


def _texts(files: str | list[str]) -> list[str]:
    return [files] if isinstance(files, str) else files


def _is_too_long(entry: str) -> bool:
    """Whether an entry is a range of more than ``MOST_SUBJECTS`` subjects."""
    found = _RANGE.fullmatch(entry)
    if found is None:
        return False
    if max(len(found["first"]), len(found["last"])) > _MOST_DIGITS:
        return True
    return int(found["last"]) - int(found["first"]) >= MOST_SUBJECTS


def _named(entries: list[str]) -> list[str]:
    """Names, with ranges like ``sub-001..sub-105`` written out."""
    names = []
    for entry in entries:
        found = _RANGE.fullmatch(entry)
        if found is None:
            names.append(entry)
            continue
        first, last = found["first"], found["last"]
        width = len(first) if first.startswith("0") else 0
        names += [f"{found['before']}{number:0{width}d}" for number in range(int(first), int(last) + 1)]
    return names


def _faults(document: Mapping[str, Any], where: str) -> list[Fault]:
    """What the schema cannot say."""
    rates = {"sample_rate_hz": document["sample_rate_hz"]}
    for name, entry in document["features"].items():
        rates[f"features: {name}: frame_rate_hz"] = entry.get("frame_rate_hz", 1)
    faults = [
        Fault(f"{where}: {key}", f"{rate}", "a finite number")
        for key, rate in rates.items()
        if not math.isfinite(rate)
    ]
    faults += [
        Fault(f"{where}: subjects", f"{entry[:60]!r}", f"a range of at most {MOST_SUBJECTS} subjects")
        for entry in document.get("subjects", ())
        if _is_too_long(entry)
    ]
    has_layouts = "layouts" in document
    if has_layouts == ("eeg" in document):
        faults.append(
            Fault(
                where,
                "both 'layouts' and 'eeg'" if has_layouts else "neither 'eeg' nor 'layouts'",
                "one of them",
                '[eeg] with files = "eeg/{subject}_{stimulus}.npy" says how the EEG\'s files are named.',
            )
        )
    names = document["channels"].get("names")
    if names is not None and len(names) != document["channels"]["count"]:
        count = document["channels"]["count"]
        faults.append(Fault(f"{where}: channels: names", counted(len(names), "name"), f"{count}, the count"))
    eeg = _texts(document["eeg"]["files"]) if "eeg" in document else []
    for text in eeg:
        faults += _pattern_faults(text, f"{where}: eeg: files", PLACEHOLDERS)
        if "{subject}" not in text:
            faults.append(
                Fault(
                    f"{where}: eeg: files",
                    f"{text!r} without {{subject}}",
                    "a pattern that says whose EEG it is",
                    "Put {subject} where the subject's name stands in the file's name or folder.",
                )
            )
    held = [set(Pattern(text).placeholders) for text in eeg]
    allowed = [name for name in PLACEHOLDERS if all(name in one for one in held)]
    for name, entry in document["features"].items():
        place = f"{where}: features: {name}"
        if "frame_rate_hz" in entry and "frames_per_segment" in entry:
            faults.append(Fault(place, "both 'frame_rate_hz' and 'frames_per_segment'", "one of them"))
        if "files" not in entry:
            if not has_layouts:
                faults.append(Fault(place, "the key 'files' is missing"))
            continue
        for text in _texts(entry["files"]):
            faults += _pattern_faults(text, f"{place}: files", allowed)
    fetched = document.get("fetch", {})
    for name in [*fetched.get("sha256", {}), *fetched.get("unverified", [])]:
        if not _is_below(name):
            faults.append(Fault(f"{where}: fetch", repr(name), _BELOW))
    if "default_splits" in document and not has_layouts:
        faults.append(Fault(f"{where}: default_splits", "without layouts", "default_split"))
    return faults


def _pattern_faults(text: str, where: str, allowed: Sequence[str]) -> list[Fault]:
    faults = []
    if Pattern(text).n_wildcards > MOST_WILDCARDS:
        arrived = f"{Pattern(text).n_wildcards} placeholders and * in {show(text)!r}"
        return [Fault(where, arrived, f"{MOST_WILDCARDS} at most")]
    of_eeg = len(allowed) == len(PLACEHOLDERS)
    if not _is_below(text):
        faults.append(Fault(where, repr(text), _BELOW))
    for name in Pattern(text).placeholders:
        if name not in allowed:
            known = ", ".join(f"{{{one}}}" for one in allowed)
            faults.append(
                Fault(
                    where,
                    f"{{{name}}} in {text!r}",
                    f"one of {known}" if of_eeg else f"one of {known}, those of the EEG's files",
                    did_you_mean(name, allowed),
                )
            )
    if not text.endswith((".npy", ".npz")):
        faults.append(Fault(where, repr(text), "names that end in .npy or .npz"))
    return faults


def _is_below(path: str) -> bool:
    """Whether a path leads to a visible file below the folder that it is relative to."""
    return "\\" not in path and not any(part == "" or part.startswith(".") for part in path.split("/"))
