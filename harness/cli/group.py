"""The command that all others belong to."""

from __future__ import annotations

import click

from harness import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Score decoders of speech features from EEG: fixed splits, one scorer, one predict interface."""
