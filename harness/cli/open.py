"""From the options of a command to the task that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import DATA_VARIABLE
from harness.errors import Fault, UsageError, counted, did_you_mean

if TYPE_CHECKING:
    from harness.corpus.declaration import Declaration
    from harness.tasks.task import Task


def open_asked(
    *,
    data: Path | None,
    split: str | None = None,
    part: str = "test",
    feature: str | None = None,
    labels: Path | None = None,
    corpus: str | None = None,
    partial: bool = False,
    predictions: bool = False,
) -> Task:
    """Open the task that a command's options ask for; without a folder, on the simulated corpus.

    Predictions may be scored where no recordings are: with ``labels`` by segment id, and no folder of data.
    """
    from harness.cli.output import remark
    from harness.tasks.task import open_task

    if predictions and labels is not None and data is None:
        task = _open_labels(labels, corpus, split, part, feature, partial)
        if task is not None:
            return task
    if corpus is not None:
        raise UsageError(
            Fault(
                "--corpus",
                f"{corpus!r} beside recordings, or without --labels",
                "predictions and --labels alone",
                f"The folder of --data, or of {DATA_VARIABLE}, says which corpus it is."
                if predictions
                else "A submission needs recordings: name their folder with --data.",
            )
        )
    task = open_task(
        data or simulated_corpus(),
        split_name=split,
        part=part,
        feature=feature,
        labels=labels,
        partial=partial,
    )
    for note in task.corpus.notes:
        remark(f"note: {note}")
    return task


def _open_labels(
    labels: Path, corpus: str | None, split: str | None, part: str, feature: str | None, partial: bool
) -> Task | None:
    """The task of references by segment id; None where they are features of stimuli."""
    from harness.cli.output import remark
    from harness.corpus.locate import is_feature_folder
    from harness.tasks.labels_only import open_labels_task

    if labels.is_dir() and is_feature_folder(labels, labels):
        return None
    opened = open_labels_task(
        labels, corpus=corpus, split_name=split, part=part, feature=feature, partial=partial
    )
    task = opened.task
    remark(
        f"note: no recordings here: the {counted(len(task.segments), 'reference')} of {labels}"
        f" {'is' if len(task.segments) == 1 else 'are'} what is asked"
    )
    for words in opened.assumed:
        remark(f"note: assumed {words}")
    return task


def corpus_named(name: str, data: Path | None) -> Declaration:
    """What a corpus is: one that comes with the harness, or the one that a folder's corpus.toml declares.

    Raises:
        UsageError: neither has the name.
    """
    from harness.corpus.declaration import DECLARATION, declared, declared_names, load_declaration

    own = load_declaration(data) if data is not None else None
    found = own if own is not None and own.name == name else declared(name)
    if found is None:
        known = [*declared_names(), *([own.name] if own else [])]
        raise UsageError(
            Fault(
                "--corpus",
                repr(name),
                f"one of {', '.join(known)}",
                did_you_mean(name, known)
                or f"For another one, --data names the folder with its {DECLARATION}.",
            )
        )
    return found


def simulated_corpus() -> Path:
    """The simulated corpus in the user's cache, made where it is not there yet."""
    from harness.cli.output import progress, remark
    from harness.corpus.simulated.make import default_folder, is_complete, simulate

    folder = default_folder()
    if not is_complete(folder):
        remark(f"No --data: making the simulated corpus once, in {folder} (no real EEG).")
        with progress("simulating a corpus") as show:
            simulate(folder, on_progress=show)
    return folder
