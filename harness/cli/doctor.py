"""``harness doctor``: how well this machine can keep a predictor apart."""

from __future__ import annotations

import sys

import click

from harness.cli.group import cli, examples


@cli.command(epilog=examples("harness doctor"))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> None:
    """Say what isolates predictors on this machine, why not something better, and what would enable it.

    Every means is tried, not guessed. Exits with 1 where none works.
    """
    import json

    from harness.cli.output import answer
    from harness.execution.diagnosis import described, findings, strongest, text, this_machine

    found = findings(this_machine())
    answer(json.dumps(described(found), indent=1) if as_json else text(found))
    if strongest(found) is None:
        sys.exit(1)
