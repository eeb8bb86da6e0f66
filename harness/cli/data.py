"""``harness data``: make, fetch and describe corpora."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness.cli.group import cli, examples
from harness.cli.open import simulated_corpus
from harness.cli.options import DATA_VARIABLE


@cli.group()
def data() -> None:
    """Make, fetch and describe corpora."""


@data.command("simulate", epilog=examples("harness data simulate my-corpus --seed 2"))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed, other data."
)
def data_simulate(folder: Path, seed: int) -> None:
    """Make the simulated corpus in DIR, in SparrKULee's own layout."""
    from harness.cli.output import answer, progress
    from harness.corpus.simulated.make import simulate
    from harness.corpus.simulated.recipe import Recipe

    with progress("simulating a corpus") as show:
        simulate(folder, Recipe(seed=seed), on_progress=show)
    answer(f"simulated corpus (no real EEG) in {folder}")


@data.command("fetch", epilog=examples("harness data fetch dtu dtu-corpus --subjects S1,S9"))
@click.argument("name", type=click.Choice(["dtu"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--subjects", metavar="LIST", help="Only these, e.g. S1,S9. Default: all with a known sha256.")
@click.option(
    "--unverified",
    is_flag=True,
    help="Also fetch subjects whose files have no sha256 on record (S11..S18).",
)
@click.option("--url", metavar="URL", help="Another place that serves the same files.")
def data_fetch(name: str, folder: Path, subjects: str | None, unverified: bool, url: str | None) -> None:
    """Fetch a public corpus into DIR, file by file, each checked; a second call goes on."""
    from harness.cli.output import answer, progress, remark
    from harness.corpus.fetch import fetch_dtu

    chosen = None if subjects is None else tuple(subjects.replace(" ", "").split(","))
    with progress(f"fetching {name}") as show:
        fetched = fetch_dtu(folder, subjects=chosen, unverified=unverified, url=url, on_progress=show)
    answer(f"{fetched.downloaded} files fetched, {fetched.present} were there already, in {folder}")
    for line in fetched.remarks:
        remark(line)


@data.command("describe", epilog=examples("harness data describe DIR"))
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON.")
def data_describe(folder: Path | None, as_json: bool) -> None:
    """Say what corpus lies in DIR: subjects, minutes, labels by split and part, what is broken."""
    import json

    from harness.cli.output import answer
    from harness.corpus import open_corpus
    from harness.corpus.locate import layouts
    from harness.tasks.describe import describe, description_text

    given = folder or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    chosen = given or simulated_corpus()
    corpus = open_corpus(chosen)
    description = describe(corpus, layouts(chosen))
    if as_json:
        answer(json.dumps(description, indent=1))
    else:
        answer(description_text(description))
    if description["faults"]:
        sys.exit(1)
