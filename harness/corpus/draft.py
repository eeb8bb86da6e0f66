"""``harness data declare``: a first ``corpus.toml`` for a folder of arrays, with every guess marked.

The arrays are sorted into groups by their names and widths; one that says so, or else the widest, is taken
for the EEG, and the others for features. A draft is never used unseen: what only a person knows (licence,
citation, rates that no file says) stands there to be filled in.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.corpus.array_files import ArrayFile, open_npy, open_npz, said_rates
from harness.corpus.walk import Below, walk
from harness.errors import CorpusError, Fault, UsageError, counted
from harness.files import write_atomically

GUESSED = "# guessed"
_USUAL_RATE_HZ = 64


@dataclass(frozen=True)
class _Group:
    """Arrays whose names have one shape.

    Attributes:
        member: inside an .npz; empty for .npy.
        paths: relative.
        array: the first of them.
    """

    member: str
    paths: tuple[str, ...]
    array: ArrayFile

    @property
    def width(self) -> int:
        """Channels or bands: the shorter axis."""
        return min(self.array.shape)

    @property
    def says_eeg(self) -> bool:
        """Whether its names say that it is EEG."""
        return self.member == "eeg" or re.search(r"(^|[/_.-])eeg([/_.-]|$)", self.paths[0]) is not None

    @property
    def n_times(self) -> int:
        """The longer axis."""
        return max(self.array.shape)

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the axes, if the longer one is time."""
        return ("times", "channels") if self.array.shape[0] >= self.array.shape[1] else ("channels", "times")


def draft_declaration(folder: Path) -> str:
    """A ``corpus.toml`` for the arrays below a folder.

    Raises:
        CorpusError: no folder, or no array in it.
    """
    if not folder.is_dir():
        raise CorpusError(Fault(str(folder), "no such folder", "a folder with .npy or .npz files"))
    below = walk(folder)
    arrays = _arrays(folder, below.files)
    if not arrays:
        raise CorpusError(
            Fault(
                str(folder),
                "no .npy and no .npz that can be read",
                "arrays of EEG and of features",
                "Save them with numpy.save, one file a recording, (n_times, n_channels).",
            )
        )
    groups = sorted(_groups(arrays), key=lambda group: (not group.says_eeg, -group.width, -len(group.paths)))
    eeg = groups[0]
    values = _placeholders(eeg.paths)
    lines = [*_lines(folder, eeg, groups[1:], values), *_links(folder, below)]
    return "".join(f"{line}\n" for line in lines)


def write_draft(path: Path, text: str) -> None:
    """Write a draft where no file is.

    Raises:
        UsageError: there is one.
        CorpusError: it cannot be written.
    """
    if path.exists():
        raise UsageError(
            Fault(
                f"--out {path}", "there already", "a new file", "Remove it, or print the draft without --out."
            )
        )
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be written")) from None


def _links(folder: Path, below: Below) -> list[str]:
    """What a reader of the draft must know of links."""
    lines = [f"# {note}" for note in below.notes]
    for name in below.leaving:
        place = _quoted(str((folder / name).resolve()))
        lines.append(f"# {_quoted(name)} leads out of this folder, to {place}: it is read as if it lay here.")
    return ["", *lines] if lines else []


def _arrays(folder: Path, files: Sequence[str]) -> list[tuple[str, ArrayFile]]:
    """Every array below a folder that can be read, with its file's path."""
    arrays = []
    for path in files:
        try:
            if path.endswith(".npy"):
                arrays.append((path, open_npy(folder / path)))
            elif path.endswith(".npz"):
                arrays += [(path, array) for array in open_npz(folder / path).values()]
        except CorpusError:
            continue
    return arrays


def _groups(arrays: Sequence[tuple[str, ArrayFile]]) -> list[_Group]:
    """Arrays by member, number of words and width; narrow ones by folder and their name's last word too."""
    widest = max(min(array.shape) for _, array in arrays)
    named: dict[tuple[object, ...], list[tuple[str, ArrayFile]]] = defaultdict(list)
    for path, array in arrays:
        pieces = _pieces(path)
        narrow = min(array.shape) < widest and not array.member
        kind = (path.split("/")[0], pieces[-3]) if narrow and len(pieces) > 3 else ()
        named[array.member, len(pieces), min(array.shape), kind].append((path, array))
    return [
        _Group(group[0][1].member, tuple(path for path, _ in group), group[0][1]) for group in named.values()
    ]


def _pieces(path: str) -> list[str]:
    """A path as words and what stands between them; the last two are the suffix and nothing."""
    return re.split(r"([/_]|\.np[yz]$)", path)


def _placeholders(paths: Sequence[str]) -> dict[tuple[str, ...], str]:
    """What differs between names, position by position, and the placeholder that it is taken for."""
    free = ["subject", "stimulus"]
    taken: dict[tuple[str, ...], str] = {}
    for values in zip(*map(_pieces, paths), strict=True):
        if len(set(values)) == 1 or values in taken:
            continue
        said = [name for name in ("session", "run") if all(one.startswith(name[:3]) for one in values)]
        if said and said[0] not in taken.values():
            taken[values] = said[0]
        else:
            taken[values] = free.pop(0) if free else ""
    return taken


def _pattern(paths: Sequence[str], known: Mapping[tuple[str, ...], str]) -> str:
    """Names as a pattern. A feature's words get the placeholder that has these values in the EEG's names."""
    pieces = []
    for values in zip(*map(_pieces, paths), strict=True):
        if len(set(values)) == 1 and not any(len(paths) == 1 and values[0] in one for one in known):
            pieces.append(values[0])
            continue
        names = [name for one, name in known.items() if set(values) <= set(one)]
        if not names and len(paths) > 1:
            names = ["stimulus"]
        pieces.append(f"{{{names[0]}}}" if names and names[0] else "*")
    return "".join(pieces)


def _lines(
    folder: Path, eeg: _Group, features: Sequence[_Group], values: Mapping[tuple[str, ...], str]
) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "my-corpus"
    rate, said = _rate(folder, eeg)
    pattern = _pattern(eeg.paths, values)
    lines = [
        f"# A draft by `harness data declare {folder}`: check every line, above all those marked as guessed.",
        f'name = "{name}" {GUESSED}: from the name of the folder',
        f'title = "{name}" {GUESSED}',
        f'licence = "unknown" {GUESSED}: say who may use the recordings, and how',
        f'citation = "unknown" {GUESSED}: a paper with its DOI, or who to ask',
        f'kind = "real" {GUESSED}: "simulated" where nothing was measured on a person',
        f"sample_rate_hz = {rate:g}" + (f" # {said}" if said else f" {GUESSED}: no file says it"),
        '# default_split = "my-split.json"',
        "",
        "[channels]",
        f"count = {eeg.width} {GUESSED}: the shorter axis of {eeg.paths[0]}, shape {eeg.array.shape}",
        "",
        "[eeg]",
        f"files = {_quoted(pattern)} {GUESSED}: {counted(len(eeg.paths), 'file')}, such as {eeg.paths[0]}",
        f'axes = "{", ".join(eeg.axes)}" {GUESSED}: the longer axis is time',
    ]
    if eeg.member:
        lines.append(f"member = {_quoted(eeg.member)} {GUESSED}")
    taken: set[str] = set()
    for group in features:
        feature = _feature_name(group, taken)
        taken.add(feature)
        lines += _feature_lines(feature, group, eeg, rate, _pattern(group.paths, values))
    if not features:
        lines += [
            "",
            "# No second kind of array was found: what was heard must be declared, and its files be there.",
            f"[features.envelope] {GUESSED}",
            f'title = "Envelope of the speech" {GUESSED}',
            f"bands = 1 {GUESSED}",
            f'files = "features/{{stimulus}}_envelope.npy" {GUESSED}',
        ]
    return lines


def _feature_lines(feature: str, group: _Group, eeg: _Group, rate: float, pattern: str) -> list[str]:
    axes = ", ".join(group.axes).replace("channels", "bands")
    frames = rate * group.n_times / eeg.n_times
    lines = [
        "",
        f"[features.{feature}] {GUESSED}: from {group.paths[0]}",
        f'title = "{feature}" {GUESSED}',
        f"bands = {group.width} {GUESSED}: the shorter axis of shape {group.array.shape}",
        f"frame_rate_hz = {_near(frames, rate):g} {GUESSED}: from its length beside the EEG's",
        f"files = {_quoted(pattern)} {GUESSED}: {counted(len(group.paths), 'file')}, such as"
        f" {group.paths[0]}",
        f'axes = "{axes}" {GUESSED}',
    ]
    if group.member:
        lines.append(f"member = {_quoted(group.member)} {GUESSED}")
    return lines


def _near(frames: float, rate: float) -> float:
    """The EEG's rate where it is within 5 %, else a whole number of frames a second, or a quarter of one.

    Lengths say a rate to a fraction of a percent: 62.5 is no 62. What is near neither stays as measured.
    """
    if abs(frames - rate) < 0.05 * rate:
        return rate
    for rounded in (round(frames), round(4 * frames) / 4):
        if rounded > 0 and abs(rounded - frames) <= 0.005 * frames:
            return rounded
    return float(f"{frames:.4g}")


def _feature_name(group: _Group, taken: set[str]) -> str:
    last = group.member or _pieces(group.paths[0])[-3]
    name = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "feature"
    while name in taken:
        name += "-2"
    return name


def _rate(folder: Path, eeg: _Group) -> tuple[float, str]:
    """The rate that an .npz says, and where; else a usual one, said nowhere."""
    path = eeg.paths[0]
    said = said_rates(folder / path) if path.endswith(".npz") else {}
    for name, value in said.items():
        if value.size == 1 and value.dtype.kind in "fiu":
            return float(value.reshape(-1)[0]), f"{name} of {path}"
    return _USUAL_RATE_HZ, ""


def _quoted(text: str) -> str:
    """As a TOML string; JSON's are among them."""
    return json.dumps(text, ensure_ascii=False)
