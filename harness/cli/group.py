"""The command that all others belong to."""

from __future__ import annotations

import click

from harness import __version__


def examples(*commands: str) -> str:
    """The end of a command's help: commands that can be given as they stand."""
    title = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {command}" for command in commands)])


@click.group(
    epilog=examples("harness score submissions/catwavenet", "harness rank"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Score decoders of speech features from EEG: fixed splits, one scorer, one predict interface."""
