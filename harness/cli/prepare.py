"""``harness data prepare``: raw recordings in, a corpus out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.data import data
from harness.cli.group import examples

MOST_NOTES = 10


@data.command(
    "prepare",
    epilog=examples("harness data prepare sparrkulee-bids sparrkulee --mel mel --mel mel-28 --jobs 4"),
)
@click.argument("folder", metavar="BIDS-FOLDER", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    "recipe_name",
    metavar="NAME",
    default="sparrkulee",
    show_default=True,
    help="sparrkulee (by its triggers), simple (by events.tsv), or the path of a recipe of your own (.toml).",
)
@click.option(
    "--mel",
    "mels",
    metavar="NAME",
    multiple=True,
    type=click.Choice(["mel", "mel-28"]),
    default=("mel",),
    show_default=True,
    help="Which mel to make beside the envelope: mel (10 bands, the challenge's), mel-28; may be repeated.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes; each holds a recording in memory.",
)
def data_prepare(folder: Path, out: Path, recipe_name: str, mels: tuple[str, ...], jobs: int) -> None:
    """Make a corpus in OUT of the raw recordings (BDF, EDF, BrainVision, EEGLAB, FIF) in BIDS-FOLDER.

    A second call goes on where the first one stopped. Needs the extra raw.
    """
    from harness.cli.output import answer, progress, remark
    from harness.errors import counted, shorten
    from harness.preprocessing.prepare import prepare
    from harness.preprocessing.recipe import load_recipe
    from harness.preprocessing.report import NAME, summary

    recipe = load_recipe(recipe_name)
    features = (*dict.fromkeys(mels), "envelope")
    with progress("preparing") as show:
        report = prepare(folder, out, recipe, features=features, jobs=jobs, on_progress=show)
    for line in report.remarks[:MOST_NOTES]:
        remark(f"note: {line}")
    if (more := len(report.remarks) - MOST_NOTES) > 0:
        remark(f"note: {counted(more, 'more note')} in {out / NAME}.txt")
    for entry in report.failed:
        for reason in entry.reasons:
            remark(f"error: {entry.label}: {reason}")
    answer(summary(report))
    made = f"corpus in {out}" if report.count("prepared") else "no corpus"
    answer(f"{made}; every recording in {out / NAME}.txt")
    if report.recordings and report.count("skipped") == len(report.recordings):
        reasons = list(dict.fromkeys(reason for entry in report.recordings for reason in entry.reasons))
        remark(f"error: no recording has a stimulus: {shorten(reasons, 3)}")
        sys.exit(1)
    if report.failed:
        sys.exit(1)
