"""``harness listen``: what a prediction of music sounds like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import cli, examples
from harness.cli.options import asked_options

if TYPE_CHECKING:
    from harness.tasks.task import Task


@cli.command(
    epilog=examples(
        "harness listen predictions.npz --split music-listeners-blocks --segment S19_song21_021 --out x.wav"
    )
)
@click.argument("predictions", type=click.Path(path_type=Path))
@asked_options
@click.option("--segment", metavar="ID", required=True, help="Which segment, such as S19_song21_021.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="The sound, .wav; that of the target is written beside it, FILE-target.wav.",
)
@click.option("--picture", metavar="FILE", type=click.Path(path_type=Path), help="Both spectrograms, .png.")
def listen(
    predictions: Path,
    open_task: Callable[..., Task],
    segment: str,
    out: Path,
    picture: Path | None,
) -> None:
    """Make a second of sound of PREDICTIONS of music, and of its target, by Griffin and Lim."""
    from harness.cli.output import answer
    from harness.evaluation.listen import read_segment, sound, write_picture, write_sound

    for path, suffix in ((out, ".wav"), (picture, ".png")):
        if path is not None and path.suffix.lower() != suffix:
            raise click.UsageError(f"{path}: a name that ends in {suffix} was expected.")
    task = open_task()
    both = read_segment(task, predictions, segment)
    beside = out.with_name(f"{out.stem}-target{out.suffix}")
    write_sound(out, sound(both.prediction))
    write_sound(beside, sound(both.target))
    answer(f"{segment}, {task.feature}, {task.corpus.words}: {out}; its target: {beside}")
    if picture is not None:
        write_picture(picture, both, f"{segment}, {task.feature}, {task.corpus.words}")
        answer(f"both spectrograms: {picture}")
