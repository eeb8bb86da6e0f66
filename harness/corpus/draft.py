"""``harness data declare``: a first ``corpus.toml`` for a folder of arrays, with every guess marked.

Which arrays belong together is found by their names and widths (``harness.corpus.draft_names``). A draft is
never used unseen: what only a person knows (licence, citation, rates that no file says) stands there to be
filled in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.conventions import quoted
from harness.corpus.array_files import ArrayFile, open_npy, open_npz, said_rates
from harness.corpus.draft_names import Group, eeg_of, features_of, pattern_of, placeholders
from harness.corpus.pattern import Pattern
from harness.corpus.walk import Below, walk
from harness.errors import CorpusError, Fault, UsageError, counted
from harness.files import write_atomically

GUESSED = "# guessed"
_USUAL_RATE_HZ = 64


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
    eeg = eeg_of(arrays)
    values = placeholders(eeg.paths)
    features = features_of(arrays, eeg, values)
    lines = [*_lines(folder, eeg, features, values), *_links(folder, below)]
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


def _lines(
    folder: Path, eeg: Group, features: Sequence[Group], values: Mapping[tuple[str, ...], str]
) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "my-corpus"
    rate, said = _rate(folder, eeg)
    pattern = pattern_of(eeg.paths, values)
    lines = [
        f"# A draft by `harness data declare {quoted(folder)}`: check every line, above all those marked as"
        " guessed.",
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
    lines[-1:-1] = _how_read(pattern, eeg.paths)
    if eeg.member:
        lines.append(f"member = {_quoted(eeg.member)} {GUESSED}")
    taken: set[str] = set()
    for group in features:
        feature = _feature_name(group, taken)
        taken.add(feature)
        lines += _feature_lines(feature, group, eeg, rate, pattern_of(group.paths, values))
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


def _how_read(pattern: str, paths: Sequence[str]) -> list[str]:
    """Where some names have more words than others: which of them the pattern takes for what."""
    longest = max(paths, key=lambda path: path.count("_"))
    if longest.count("_") == min(path.count("_") for path in paths):
        return []
    read = Pattern(pattern).match(longest) or {}
    return [f"# {longest} is read as {', '.join(f'{name} {_quoted(value)}' for name, value in read.items())}"]


def _feature_lines(feature: str, group: Group, eeg: Group, rate: float, pattern: str) -> list[str]:
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


def _feature_name(group: Group, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", group.word.lower()).strip("-") or "feature"
    while name in taken:
        name += "-2"
    return name


def _rate(folder: Path, eeg: Group) -> tuple[float, str]:
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
