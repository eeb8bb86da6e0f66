"""``harness list``: what there is to score, and to score with."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.group import cli, examples
from harness.cli.options import RESULTS_OPTION

KINDS = ("systems", "splits", "corpora", "boards")


@cli.command("list", epilog=examples("harness list", "harness list splits --json"))
@click.argument("kind", type=click.Choice(KINDS), required=False)
@RESULTS_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and only it.")
def list_command(kind: str | None, results: Path, as_json: bool) -> None:
    """Name the systems, splits, corpora and boards that are here, or those of one KIND.

    Systems are the submissions below baselines/ and submissions/, and the baselines that come with the
    harness: `harness score linear` takes one by its name.
    """
    import json

    from harness.boards.inventory import inventory, inventory_text
    from harness.cli.output import answer

    found = {one: inventory(one, results) for one in ([kind] if kind else KINDS)}
    if as_json:
        answer(json.dumps(found[kind] if kind else found, indent=1))
        return
    answer("\n\n".join(inventory_text(one, rows) for one, rows in found.items()))
