"""The splits of a corpus: where they are looked for by name, the default, and what scores by default.

A split is named by the path of its file, or by its name. A name is looked for in ``splits/``, then in the
folder of the corpus's ``corpus.toml``, then in the folder of its default split.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.corpus.declaration import DECLARATION, Declaration, load_declaration
from harness.errors import Fault, SplitError, UsageError, did_you_mean
from harness.scoring.measures import measure
from harness.tasks.splits import Split, load_split, named_corpora, split_names


def split_folders(declaration: Declaration | None) -> tuple[Path, ...]:
    """Where a corpus's own splits lie; none for a corpus that comes with the harness."""
    if declaration is None or declaration.folder is None:
        return ()
    folders = [declaration.folder]
    if declaration.default_split.endswith(".json"):
        folders.append((declaration.folder / declaration.default_split).parent)
    return tuple(folders)


def own_split_folders(data: Path) -> tuple[Path, ...]:
    """As :func:`split_folders`, of the corpus in a folder.

    Raises:
        CorpusError: its corpus.toml is not valid.
    """
    return split_folders(load_declaration(data))


def own_split_files(declaration: Declaration) -> list[Path]:
    """The files in a corpus's own folders that mean to be splits."""
    files = [path for folder in split_folders(declaration) for path in sorted(folder.glob("*.json"))]
    return list({path.resolve(): path for path in files if named_corpora(path)}.values())


def default_split(declaration: Declaration, layout: str = "") -> Split:
    """The split of a corpus where the user names none.

    Raises:
        SplitError: the corpus declares none, or one that is not there or not valid.
    """
    named = declaration.default_splits.get(layout, declaration.default_split)
    if not named:
        raise SplitError(
            Fault(
                f"corpus {declaration.name}",
                "no default split in its declaration",
                'default_split = "NAME" in corpus.toml, or --split',
                "Name a split with --split.",
            )
        )
    is_file = declaration.folder is not None and named.endswith(".json")
    place = declaration.folder / named if declaration.folder is not None and is_file else named
    folders = split_folders(declaration)
    try:
        return load_split(place, folders)
    except UsageError:
        names = [*split_names(), *(path.stem for path in own_split_files(declaration))]
        raise SplitError(
            Fault(
                f"{declaration.folder or declaration.name}/{DECLARATION}: default_split",
                f"no such file {place}" if is_file else f"no split {named!r}",
                f"a file (.json), seen from {DECLARATION}, or one of {', '.join(names)}",
                did_you_mean(Path(named).stem, names),
            )
        ) from None


def with_usual_measures(split: Split, declaration: Declaration) -> Split:
    """The split, scored by what its corpus declares where it names no measures.

    Raises:
        SplitError: the corpus declares a measure that does not exist.
    """
    if split.names_measures:
        return split
    usual = measure(declaration.measure, f"corpus {declaration.name}: measure")
    return replace(split, measures=(usual.name,))
