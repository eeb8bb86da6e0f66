"""``harness export``: a system for somebody else's shelf."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.group import cli, examples
from harness.cli.options import RESULTS_OPTION, SystemPath
from harness.conventions import quoted
from harness.errors import Fault, UsageError, counted, some_of


@cli.group(epilog=examples("harness export hub baselines/vlaai --repository my-lab/vlaai-eeg"))
def export() -> None:
    """Write a system, its results and what it needs in the form that others keep systems in."""


@export.command(
    epilog=examples(
        "harness export hub baselines/vlaai --repository my-lab/vlaai-eeg",
        "harness export hub baselines/vlaai vlaai-hub --dataset dtu=my-lab/dtu-trials --replace",
    )
)
@click.argument("system", type=SystemPath())
@click.argument("out", metavar="[OUT]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--repository",
    metavar="OWNER/NAME",
    help="Where it will lie on the hub. Default: OWNER and the submission's name.",
)
@click.option(
    "--dataset",
    "datasets",
    metavar="CORPUS=OWNER/NAME",
    multiple=True,
    help="A corpus' dataset on the hub, whose results page shows the scores. Default: of the same owner.",
)
@click.option("--source", metavar="URL", help="Of the repository with the records. Default: git's origin.")
@RESULTS_OPTION
@click.option("--replace", is_flag=True, help="Write over an earlier export.")
def hub(
    system: Path,
    out: Path | None,
    repository: str | None,
    datasets: tuple[str, ...],
    source: str | None,
    results: Path,
    replace: bool,
) -> None:
    """Write OUT, a folder that is uploaded to Hugging Face's hub as it is. Default: <name>-hub.

    It holds SYSTEM, its weights, a model card, and its results: .eval_results for the hub, and records of
    Every Eval Ever. Nothing is uploaded. `harness score hf:OWNER/NAME@REVISION` scores what lies there.
    """
    from harness.boards.board import board_names, load_board
    from harness.boards.ranking import rank
    from harness.cli.open import here
    from harness.cli.output import answer, remark
    from harness.errors import shorten
    from harness.hub.export import export_hub
    from harness.page.about import repository_url
    from harness.submission.manifest import load_submission

    datasets_of = dict(map(_dataset, datasets))
    submission = load_submission(here(system))
    place = out or Path(f"{submission.name}-hub")
    rankings = []
    if results.is_dir() and any(results.glob("*/*/*/*/*.json")):
        names = [name for name in board_names(results) if _has(results.joinpath(*name), submission.name)]
        boards = [load_board(results, name) for name in names]
        rankings = [rank(board) for board in boards if not board.empty]
    made = export_hub(
        submission,
        rankings,
        place,
        repository=repository or f"OWNER/{submission.name}",
        datasets=datasets_of,
        source=repository_url(source, Path()),
        replace=replace,
    )
    if made.places.others:
        n_others = len(made.places.others)
        remark(
            f"note: {counted(n_others, 'result')} of other code or weights left out:"
            f" {shorten(sorted(made.places.others), 3)}"
        )
    n_real, n_all = len(made.places.real), len(made.places.every)
    if not n_all:
        remark(f"note: no record of {submission.name} with this code and these weights in {results}")
    scores = f"{some_of(n_real, n_all, 'result')} on real EEG" if n_all else "no results"
    answer(f"{place}: {counted(made.n_files, 'file')}, {made.n_bytes / 1e6:.1f} MB, {scores}")
    if repository is None:
        remark("note: the card says OWNER where --repository would name you")
    where = repository or f"OWNER/{submission.name}"
    remark(f"next: hf upload {where} {quoted(place)}")


def _has(folder: Path, name: str) -> bool:
    """Whether a board may have records of a submission, by the names of its files."""
    return any(path.name.startswith(name) for path in folder.glob("*.json"))


def _dataset(text: str) -> tuple[str, str]:
    corpus, sign, name = text.partition("=")
    if not (corpus and sign and name):
        raise UsageError(Fault(f"--dataset {text}", "no CORPUS=OWNER/NAME", "such as dtu=my-lab/dtu-trials"))
    return corpus, name
