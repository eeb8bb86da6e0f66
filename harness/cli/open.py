"""From the options of a command to the task that they ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import AUDIO_KEY, OFFSETS_KEY
from harness.conventions import DATA_VARIABLE
from harness.errors import Fault, UsageError, counted, did_you_mean

if TYPE_CHECKING:
    from harness.corpus.declaration import Declaration
    from harness.corpus.nmedt import AudioChoice
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
    submission: Path | None = None,
    exclude_channels: Sequence[str] = (),
) -> Task:
    """Open the task that a command's options ask for; without a folder, on a simulated corpus.

    Predictions may be scored where no recordings are: with ``labels`` by segment id, and no folder of data.
    Where only a submission is named, what it decodes says on which of the simulated corpora.
    """
    from harness.cli.output import progress, remark
    from harness.records.record import channels_words
    from harness.tasks.task import open_task

    if predictions and exclude_channels:
        raise UsageError(
            Fault(
                "--exclude-channels",
                "predictions, which were made already",
                "a submission, which is run here",
            )
        )
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
    folder = data or simulated_corpus(_simulated_names(split, feature, submission))
    with progress("reading the corpus") as show:
        task = open_task(
            folder,
            split_name=split,
            part=part,
            feature=feature,
            labels=labels,
            partial=partial,
            audio=audio_choice(),
            exclude_channels=exclude_channels,
            on_progress=show,
        )
    for note in task.corpus.notes:
        remark(f"note: {note}")
    for who, names in excluded_here(task).items():
        remark(f"note: {channels_words(names)} excluded by {who}: zero in all that a system is given")
    return task


def here(system: Path) -> Path:
    """A system's folder or file: one on Hugging Face's hub is fetched, all others are what they are.

    To be called after all that is wrong with a command without the system has been told.
    """
    from harness.cli.output import progress
    from harness.submission.hub import fetched, is_hub_name

    name = str(system)
    if not is_hub_name(name):
        return system
    with progress(f"fetching {name}") as show:
        return fetched(name, show)


def here_for(
    systems: Sequence[Path], open_task: functools.partial[Task]
) -> tuple[list[Path], functools.partial[Task]]:
    """Systems as folders or files, and what opens the task for each.

    Before one is fetched, the task is opened, where it is asked for without a look at the system: so a
    folder, a split or a feature that is not there costs no download.

    Args:
        systems: as the user named them.
        open_task: `open_asked` with the options of a command.
    """
    from harness.submission.hub import is_hub_name

    given = any(open_task.keywords.get(name) is not None for name in ("data", "split", "feature"))
    if not given or not any(is_hub_name(str(system)) for system in systems):
        return [here(system) for system in systems], open_task
    opened = functools.partial(_opened, open_task, open_task(predictions=False))
    return [here(system) for system in systems], opened


def _opened(
    open_task: Callable[..., Task],
    task: Task,
    *,
    predictions: bool = False,
    submission: Path | None = None,
) -> Task:
    """The task that was opened already, where it is not another one for predictions."""
    return open_task(predictions=True, submission=submission) if predictions else task


def excluded_here(task: Task) -> dict[str, tuple[str, ...]]:
    """Who excludes channels -> which."""
    from harness.tasks.segments import split_channels

    of_split = split_channels(task.corpus.declaration, task.split)
    said = {f"the split {task.split.name}": of_split, "--exclude-channels": task.channels_excluded}
    return {who: names for who, names in said.items() if names}


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


def audio_choice() -> AudioChoice | None:
    """What --audio and --offset of the command say; None without them.

    Raises:
        UsageError: --offset without --audio.
    """
    import click

    from harness.corpus.nmedt import AudioChoice

    context = click.get_current_context(silent=True)
    said = context.meta if context else {}
    folder, offsets = said.get(AUDIO_KEY), said.get(OFFSETS_KEY) or {}
    if folder is None and offsets:
        raise UsageError(Fault("--offset", "without --audio", "the folder of the files that it is about"))
    return None if folder is None else AudioChoice(folder, offsets)


def audio_words() -> list[str]:
    """--audio and --offset of the command, for one that is to hear the same."""
    choice = audio_choice()
    if choice is None:
        return []
    offsets = [word for song, offset in choice.offsets.items() for word in ("--offset", f"{song}={offset!r}")]
    return ["--audio", str(choice.folder), *offsets]


def simulated_corpus(names: Sequence[str] = ()) -> Path:
    """A simulated corpus in the user's cache, made where it is not there yet.

    Args:
        names: the first of these that is a simulated corpus; that of speech where none is.
    """
    from harness.cli.output import progress, remark
    from harness.corpus.simulated.corpora import cached, default_folder, wanted
    from harness.corpus.simulated.marker import is_complete

    name = wanted(names)
    folder = default_folder(name)
    if is_complete(folder):
        return folder
    remark(f"No --data: making the simulated corpus once, in {folder} (no real EEG).")
    with progress("simulating a corpus") as show:
        return cached(name, show)


def _simulated_names(split: str | None, feature: str | None, submission: Path | None) -> tuple[str, ...]:
    """Names of corpora that a split is for; or that have the feature, or one of the submission's."""
    from harness.corpus.declaration import declared
    from harness.corpus.simulated.corpora import SIMULATED
    from harness.errors import HarnessError
    from harness.submission.manifest import load_submission
    from harness.tasks.splits import load_split

    if split is not None:
        return load_split(split).corpora
    features = {feature}
    if feature is None and submission is not None:
        try:
            features = set(load_submission(submission).features)
        except HarnessError:  # said where the submission is used
            return ()
    known = {name: declared(name) for name in SIMULATED}
    return tuple(name for name, one in known.items() if one is not None and features & one.features.keys())
