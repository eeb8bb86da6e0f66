"""Which arrays of a folder belong together, and the pattern of their names.

Arrays of one width whose names say that they are EEG, or else the widest, are taken for the EEG. What differs
between their names is subject, stimulus, session or run: a folder as a whole, a file's name word by word. The
other arrays are features, told apart by what is left of a name without those values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.corpus.array_files import ArrayFile

_SAID = ("session", "run")  # placeholders that values tell by how they begin


@dataclass(frozen=True)
class Group:
    """Arrays of one kind.

    Attributes:
        member: inside an .npz; empty for .npy.
        paths: relative, all with as many folders.
        array: the first of them.
        word: of their names, by which a feature is called.
    """

    member: str
    paths: tuple[str, ...]
    array: ArrayFile
    word: str = ""

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


def eeg_of(arrays: Sequence[tuple[str, ArrayFile]]) -> Group:
    """The arrays that say that they are EEG, or else the widest, and of these the most."""
    found: dict[tuple[object, ...], list[tuple[str, ArrayFile]]] = defaultdict(list)
    for path, array in arrays:
        found[_key(path, array)].append((path, array))
    chosen = min(
        found.values(), key=lambda group: (not _says_eeg(*group[0]), -min(group[0][1].shape), -len(group))
    )
    return Group(chosen[0][1].member, tuple(path for path, _ in chosen), chosen[0][1])


def _key(path: str, array: ArrayFile) -> tuple[object, ...]:
    """What all recordings of EEG have in common, whatever the names of subjects."""
    return array.member, min(array.shape), path.count("/"), _says_eeg(path, array)


def _says_eeg(path: str, array: ArrayFile) -> bool:
    """Whether a name says that it is EEG."""
    return array.member == "eeg" or re.search(r"(^|[/_.-])eeg([/_.-]|$)", path) is not None


def features_of(
    arrays: Sequence[tuple[str, ArrayFile]], eeg: Group, known: Mapping[tuple[str, ...], str]
) -> list[Group]:
    """The other arrays by member, width, outermost folder and last word, the widest first.

    Args:
        arrays: all, with their paths.
        eeg: those that are EEG.
        known: what EEG's names differ in, which is passed over in a feature's.
    """
    varying = {value for values in known for value in values}
    found: dict[tuple[object, ...], list[tuple[str, ArrayFile]]] = defaultdict(list)
    for path, array in arrays:
        if _key(path, array) == _key(eeg.paths[0], eeg.array):
            continue
        *folders, file = path.split("/")
        named = [folder for folder in folders if folder not in varying]
        words = [word for word in _without(file.rpartition(".")[0], varying).split("_") if word]
        word = array.member or (words or named or ["feature"])[-1]
        found[array.member, min(array.shape), len(folders), tuple(named[:1]), word].append((path, array))
    groups = [
        Group(group[0][1].member, tuple(path for path, _ in group), group[0][1], str(key[-1]))
        for key, group in found.items()
    ]
    return sorted(groups, key=lambda group: (-group.width, -len(group.paths)))


def _without(stem: str, varying: Collection[str]) -> str:
    """A file's name without the values that EEG varies in, the longest first."""
    for value in sorted(varying, key=len, reverse=True):
        stem = f"_{stem}_".replace(f"_{value}_", "_").strip("_")
    return stem


def _columns(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Names as columns of what stands at one place in each: words, and between them constants.

    A folder is one word, also with underscores, unless a word of it says session or run. A file's name may
    begin with its folders' names.
    """
    *folders, files = zip(*(path.split("/") for path in paths), strict=True)
    columns: list[tuple[str, ...]] = []
    for level in folders:
        words = _words(level, ())
        if not any(_says(name, column) for name in _SAID for column in words):
            words = [level]
        columns += [*words, _constant("/", paths)]
    stems = tuple(file.rpartition(".")[0] for file in files)
    columns += _words(stems, [column for column in columns if len(set(column)) > 1])
    return [*columns, tuple(f".{file.rpartition('.')[2]}" for file in files)]


def _words(values: tuple[str, ...], folders: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """One level of names as columns of words, and underscores between them."""
    if len(set(values)) == 1:
        return [values]
    for column in folders:
        if values == column:
            return [column]
        begun = [f"{one}_" for one in column]
        if all(value.startswith(one) for value, one in zip(values, begun, strict=True)):
            rest = tuple(value[len(one) :] for value, one in zip(values, begun, strict=True))
            return [column, _constant("_", values), *_words(rest, folders)]
    pieces = [value.split("_") for value in values]
    least = min(map(len, pieces))
    tail = 0  # words at the end that are the same in all
    while tail < least - 1 and len({one[-1 - tail] for one in pieces}) == 1:
        tail += 1
    # What has more words than others has them where a pattern reads them: in the last placeholder.
    heads = [one[: len(one) - tail] for one in pieces]
    n_words = min(map(len, heads))
    aligned = [
        [*head[: n_words - 1], "_".join(head[n_words - 1 :]), *one[len(head) :]]
        for head, one in zip(heads, pieces, strict=True)
    ]
    columns: list[tuple[str, ...]] = []
    for column in zip(*aligned, strict=True):
        columns += [_constant("_", values), column] if columns else [column]
    return columns


def _constant(text: str, values: Sequence[str]) -> tuple[str, ...]:
    return (text,) * len(values)


def _says(name: str, column: Sequence[str]) -> bool:
    """Whether every word of a column begins as a session, or a run, does."""
    return all(word.startswith(name[:3]) for word in column)


def placeholders(paths: Sequence[str]) -> dict[tuple[str, ...], str]:
    """What differs between names, position by position, and the placeholder that it is taken for."""
    free = ["subject", "stimulus"]
    taken: dict[tuple[str, ...], str] = {}
    for values in _columns(paths):
        if len(set(values)) == 1 or values in taken:
            continue
        said = [name for name in _SAID if _says(name, values)]
        if said and said[0] not in taken.values():
            taken[values] = said[0]
        else:
            taken[values] = free.pop(0) if free else ""
    return taken


def pattern_of(paths: Sequence[str], known: Mapping[tuple[str, ...], str]) -> str:
    """Names as a pattern. A feature's words get the placeholder that has these values in the EEG's names."""
    pieces = []
    for values in _columns(paths):
        if len(set(values)) == 1 and not any(len(paths) == 1 and values[0] in one for one in known):
            pieces.append(values[0])
            continue
        names = [name for one, name in known.items() if set(values) <= set(one)]
        if not names and len(paths) > 1:
            names = ["stimulus"]
        pieces.append(f"{{{names[0]}}}" if names and names[0] else "*")
    return "".join(pieces)
