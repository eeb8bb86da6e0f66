"""``harness data declare``: a first ``corpus.toml`` for a folder of arrays, with every guess marked.

The arrays are sorted into groups by the shape of their names; the widest group is taken for the EEG, and the
others for features. A draft is never used unseen: what only a person knows (licence, citation, rates that no
file says) stands there to be filled in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.corpus.array_files import RATE_MEMBERS, ArrayFile, open_npy, open_npz
from harness.corpus.pattern import files_below
from harness.errors import CorpusError, Fault, UsageError
from harness.files import write_atomically

GUESSED = "# guessed"
_USUAL_RATE_HZ = 64


@dataclass(frozen=True)
class _Group:
    """Arrays whose names have one shape.

    Attributes:
        pattern: of their names.
        member: inside an .npz; empty for .npy.
        paths: relative.
        array: the first of them.
    """

    pattern: str
    member: str
    paths: tuple[str, ...]
    array: ArrayFile

    @property
    def width(self) -> int:
        """Channels or bands: the shorter axis."""
        return min(self.array.shape)

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
    paths = [path for path in files_below(folder) if path.endswith((".npy", ".npz"))]
    groups = _groups(folder, paths)
    if not groups:
        raise CorpusError(
            Fault(
                str(folder),
                "no .npy and no .npz that can be read",
                "arrays of EEG and of features",
                "Save them with numpy.save, one file a recording, (n_times, n_channels).",
            )
        )
    groups.sort(key=lambda group: (-group.width, -len(group.paths)))
    eeg, features = groups[0], groups[1:]
    return "".join(f"{line}\n" for line in _lines(folder, eeg, features))


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


def _groups(folder: Path, paths: Sequence[str]) -> list[_Group]:
    """Arrays by the shape of their names, and by member."""
    named: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for path in paths:
        named[_kind(path)].append(path)
    groups = []
    for members in named.values():
        first = members[0]
        try:
            arrays = {"": open_npy(folder / first)} if first.endswith(".npy") else open_npz(folder / first)
        except CorpusError:
            continue
        pattern = _pattern(members)
        groups += [_Group(pattern, name, tuple(members), array) for name, array in arrays.items()]
    return groups


def _kind(path: str) -> tuple[object, ...]:
    """What files of one kind share: the folder at the top, the depth, how many words, and the last word."""
    *folders, name = path.split("/")
    words = re.split(r"_+", name)
    return (folders[:1] and folders[0], len(folders), len(words), words[-1] if len(words) > 1 else name[-4:])


def _pattern(paths: Sequence[str]) -> str:
    """The names of a group as a pattern: what differs becomes a placeholder, in order subject, ..."""
    split = [re.split(r"([/_]|\.np[yz]$)", path) for path in paths]
    free = ["{subject}", "{stimulus}", "{session}", "{run}"]
    seen: dict[tuple[str, ...], str] = {}
    pieces = []
    for values in zip(*split, strict=False):
        if len(set(values)) == 1:
            pieces.append(values[0])
            continue
        if values not in seen:
            seen[values] = free.pop(0) if free else "*"
        pieces.append(seen[values])
    return "".join(pieces)


def _lines(folder: Path, eeg: _Group, features: Sequence[_Group]) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "my-corpus"
    rate, said = _rate(folder, eeg)
    pattern = eeg.pattern
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
        f'files = "{pattern}" {GUESSED}: {len(eeg.paths)} files, such as {eeg.paths[0]}',
        f'axes = "{", ".join(eeg.axes)}" {GUESSED}: the longer axis is time',
    ]
    if eeg.member:
        lines.append(f'member = "{eeg.member}" {GUESSED}: the widest array of the .npz')
    taken: set[str] = set()
    for group in features:
        feature = _feature_name(group, taken)
        taken.add(feature)
        lines += _feature_lines(feature, group, eeg, rate)
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


def _feature_lines(feature: str, group: _Group, eeg: _Group, rate: float) -> list[str]:
    axes = ", ".join(group.axes).replace("channels", "bands")
    frames = rate * group.n_times / eeg.n_times
    lines = [
        "",
        f"[features.{feature}] {GUESSED}: from {group.paths[0]}",
        f'title = "{feature}" {GUESSED}',
        f"bands = {group.width} {GUESSED}: the shorter axis of shape {group.array.shape}",
        f"frame_rate_hz = {_near(frames, rate):g} {GUESSED}: from its length beside the EEG's",
        f'files = "{_feature_pattern(group, eeg)}" {GUESSED}: {len(group.paths)} files',
        f'axes = "{axes}" {GUESSED}',
    ]
    if group.member:
        lines.append(f'member = "{group.member}" {GUESSED}')
    return lines


def _near(frames: float, rate: float) -> float:
    """The EEG's rate where it is within 5 %, else a whole number of frames a second."""
    return rate if abs(frames - rate) < 0.05 * rate else max(1, round(frames))


def _feature_pattern(group: _Group, eeg: _Group) -> str:
    """A feature's files that are fewer than the EEG's belong to a stimulus."""
    if group.paths == eeg.paths:
        return eeg.pattern
    per_stimulus = "{stimulus}" in eeg.pattern and "{stimulus}" not in group.pattern
    return group.pattern.replace("{subject}", "{stimulus}") if per_stimulus else group.pattern


def _feature_name(group: _Group, taken: set[str]) -> str:
    last = group.member or re.split(r"[/_]", group.pattern.rsplit(".", 1)[0])[-1]
    plain = re.sub(r"[^a-z0-9]+", "-", last.replace("{", "").replace("}", "").lower()).strip("-")
    name = plain if plain and plain not in ("subject", "stimulus", "session", "run") else "feature"
    while name in taken:
        name += "-2"
    return name


def _rate(folder: Path, eeg: _Group) -> tuple[float, str]:
    """The rate that an .npz says, and where; else a usual one, said nowhere."""
    path = eeg.paths[0]
    if path.endswith(".npz"):
        with np.load(folder / path, allow_pickle=False) as archive:
            for name in RATE_MEMBERS:
                if name in archive.files and archive[name].size == 1:
                    return float(archive[name].reshape(-1)[0]), f"{name} of {path}"
    return _USUAL_RATE_HZ, ""
