"""The pages of a hosted challenge, as paragraphs that become Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import harness
from harness.errors import counted
from harness.hosting.columns import columns_of
from harness.scoring.measures import measure

if TYPE_CHECKING:
    from harness.hosting.challenge import Challenge

Block = str | list[str]
"""A paragraph, or the items of a list; ``code`` between backquotes."""


def hand_in_page(challenge: Challenge) -> list[Block]:
    """How to hand in."""
    task = challenge.task
    first = next(iter(task.by_subject))
    example = task.by_subject[first][0].id
    return [
        f"Predict the {task.feature} of {counted(len(task.segments), 'segment')} of"
        f" {counted(len(task.by_subject), 'subject')}, from the EEG.",
        f"Hand in one zip of {counted(len(task.by_subject), 'file')} `<subject>.json`, such as"
        f" `{first}.json`. Each holds an object, segment id to an array of"
        f" {counted(task.n_frames, 'frame')} with {counted(task.n_bands, 'number')} each:"
        f' `{{"{example}": [[...], ...]}}`.',
        f"With the kit (eeg-speech-harness {harness.__version__}) the command"
        f" `harness predict SUBMISSION {_options(challenge)} --out predictions.zip` writes that zip.",
        f"At most {challenge.phase.per_day} a day and {challenge.phase.total} in all are taken, from"
        f" {challenge.phase.opens:%Y-%m-%d %H:%M} to {challenge.phase.closes:%Y-%m-%d %H:%M} UTC.",
        "What cannot be scored is refused with every reason at once: missing and unknown subjects and"
        " segments, other shapes, numbers that are not finite. Nothing is padded, trimmed or dropped.",
    ]


def data_page(challenge: Challenge) -> list[Block]:
    """The data."""
    task = challenge.task
    said = task.corpus.declaration
    frames = counted(task.n_frames, "frame")
    items = [
        f"Corpus: {said.title} ({task.corpus.words}), licence {said.licence}",
        f"Split: {task.split.title} (`{task.split.name}`), part {task.part}",
        f"Segments: {len(task.segments)} of {counted(len(task.by_subject), 'subject')}, each"
        f" {task.split.segment_seconds:g} s",
        f"Asked: {task.feature}, {frames} of {counted(task.n_bands, 'band')} a segment",
    ]
    if said.citation != "unknown":
        items.append(f"Cite: {said.citation}")
    missing = [f"Not asked, as their data are not here: {', '.join(task.subjects_missing)}"]
    return [[*items, *(missing if task.subjects_missing else [])]]


def evaluation_page(challenge: Challenge) -> list[Block]:
    """How predictions are scored."""
    task = challenge.task
    several = len(task.by_subject) > 1
    measures = [measure(name) for name in task.split.measures]
    ways = [
        f"{by.title}: {'higher' if by.higher_is_better else 'lower'} is better; by chance: {by.chance}"
        for by in measures
    ]
    return [
        f"The first of these ranks. Each is a mean over {'bands, ' if measures[0].by_band else ''}segments,"
        " then subjects.",
        ways,
        "The leaderboard's columns:",
        [f"`{column.key}`: {column.title}" for column in columns_of(task)],
        "The interval is a 95 % interval over subjects."
        if several
        else "There is one subject, so no interval over subjects.",
        "The page of a submission has the value of each subject and band, and what chance would give.",
        f"The scorer is eeg-speech-harness {harness.__version__}, in Python without a network.",
        "Two systems whose intervals overlap may or may not be told apart: a column of numbers does not say.",
    ]


def terms_page(_challenge: Challenge) -> list[Block]:
    """What participants agree to, where the organiser says nothing else."""
    return [
        "By taking part you agree:",
        [
            "to use the data under their licence only;",
            "to predict from the EEG of the segment that is asked, not from what you know of the references;",
            "to describe your system when the organisers ask.",
        ],
        "The organisers may remove a submission that breaks these terms.",
    ]


def markdown(title: str, blocks: Sequence[Block]) -> bytes:
    """A page as Markdown."""
    parts = [one if isinstance(one, str) else "\n".join(f"- {item}" for item in one) for one in blocks]
    parts.insert(0, f"# {title}")
    return ("\n\n".join(parts) + "\n").encode()


def html(title: str, blocks: Sequence[Block]) -> bytes:
    """A page as HTML, without a frame."""
    parts = [f"<h1>{escape(title)}</h1>"]
    for block in blocks:
        if isinstance(block, str):
            parts.append(f"<p>{_inline(block)}</p>")
        else:
            parts.append("<ul>\n" + "\n".join(f"<li>{_inline(item)}</li>" for item in block) + "\n</ul>")
    return ("\n".join(parts) + "\n").encode()


def _inline(text: str) -> str:
    pieces = [escape(piece) for piece in text.split("`")]
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _options(challenge: Challenge) -> str:
    from harness.tasks.labels_only import ASSUMED_SPLIT

    task = challenge.task
    split = "" if task.split.name == ASSUMED_SPLIT else f"--split {task.split.name} "
    return f"{split}--part {task.part} --feature {task.feature} --data DIR"
