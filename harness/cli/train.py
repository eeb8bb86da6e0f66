"""``harness train``, ``import-weights`` and ``new``: a submission and its weights."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.cli.group import cli, examples
from harness.cli.open import open_asked
from harness.cli.options import (
    DATA_OPTION,
    FEATURE_OPTION,
    SEED_OPTION,
    VARIANT_OPTION,
    SystemPath,
    path_option,
)
from harness.errors import UsageError, no_such


@cli.command(
    epilog=examples(
        "harness train submissions/my-model",
        "harness train baselines/vlaai --data DIR --preset paper --variant original --resume",
    )
)
@click.argument("submission", type=SystemPath())
@click.option(
    "--split",
    metavar="NAME",
    help="Whose training part: a split by its name, or a split file. Default: that of the corpus.",
)
@FEATURE_OPTION
@DATA_OPTION
@VARIANT_OPTION
@click.option(
    "--preset", metavar="NAME", help="A recipe of the submission, paper or compact. Default: compact."
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: a GPU where there is one.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, where there is one.")
@click.option(
    "--partial",
    is_flag=True,
    help="Go on although subjects of the training or validation part are not in the corpus.",
)
@SEED_OPTION
@path_option(
    "--out",
    "DIR",
    "Folder for checkpoint and log. Default: SUBMISSION/training/<corpus>-<feature>-<preset>.",
)
def train(
    submission: Path,
    split: str | None,
    feature: str | None,
    data: Path | None,
    variant: str | None,
    preset: str | None,
    epochs: int | None,
    device: str,
    resume: bool,
    partial: bool,
    seed: int,
    out: Path | None,
) -> None:
    """Train SUBMISSION on the training part, choosing on the validation part; writes its weights.

    The package's own trainer runs as you, without isolation, beside labels and files: read a stranger's
    first, or train it where there is nothing to take. Nothing else runs a trainer: score, check, verify, page
    and rank --changed-since never do.
    """
    from contextlib import nullcontext

    from harness.cli.output import answer, progress, remark
    from harness.submission.find import check_own
    from harness.submission.manifest import load_submission
    from harness.training import train_submission
    from harness.training.distributed import this_process

    check_own(submission)
    loaded = load_submission(submission)
    task = open_asked(data=data, split=split, part="val", feature=feature, partial=partial)
    first = this_process().rank == 0
    with progress(f"training {loaded.name}") if first else nullcontext() as show:
        trained = train_submission(
            loaded,
            task.corpus,
            task.split,
            task.feature,
            variant=variant,
            seed=seed,
            preset=preset,
            epochs=epochs,
            device=device,
            resume=resume,
            out=out,
            partial=partial,
            on_progress=show,
        )
    if trained is None:  # one of several processes, and not the one that writes
        return
    answer(f"{loaded.name} trained on {task.corpus.words} in {trained.seconds:.1f} s")
    for key, value in trained.report.items():
        if not isinstance(value, dict):
            answer(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")
    answer(f"weights: {trained.path} (sha256 {trained.sha256[:16]}…, in the manifest)")
    if not trained.signed:
        remark("The training record is not signed: no key can be kept in the user's configuration folder.")
    if trained.folder:
        remark(f"log and checkpoint: {trained.folder}")
    remark(f"next: {_score_command(submission, data, split, task.feature, variant)}")


@cli.command(
    "import-weights",
    epilog=examples("harness import-weights baselines/vlaai vlaai.pt --corpus sparrkulee --feature envelope"),
)
@click.argument("submission", type=SystemPath())
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    metavar="NAME",
    required=True,
    help="The corpus that the weights are for: sparrkulee, simulated, dtu, or the one of --data.",
)
@click.option("--feature", metavar="NAME", required=True, help="What the weights decode.")
@click.option(
    "--split",
    metavar="NAME",
    help="The split that they are for. Default: that of the corpus.",
)
@path_option("--data", "DIR", "Folder of a corpus with a corpus.toml.")
@VARIANT_OPTION
def import_weights(
    submission: Path,
    file: Path,
    corpus: str,
    feature: str,
    split: str | None,
    data: Path | None,
    variant: str | None,
) -> None:
    """Convert a release's weights, FILE (safetensors, npz or torch's), into SUBMISSION's own.

    The package's own importer and the net of its trainer run as you, without isolation: read a stranger's
    first.
    """
    from harness.cli.open import corpus_named
    from harness.cli.output import answer, remark
    from harness.submission.find import check_own
    from harness.submission.manifest import load_submission
    from harness.tasks.corpus_split import default_split, split_folders
    from harness.tasks.splits import load_split
    from harness.training.import_weights import import_weights as convert

    check_own(submission)
    loaded = load_submission(submission)
    declaration = corpus_named(corpus, data)
    chosen = load_split(split, split_folders(declaration)) if split else default_split(declaration)
    if feature not in declaration.features:
        raise UsageError(no_such("--feature", feature, list(declaration.features)))
    path, sha256 = convert(loaded, file, declaration, chosen, feature, variant=variant)
    answer(f"weights: {path} (sha256 {sha256[:16]}…, in the manifest)")
    remark("What these weights have seen is not on record; score records will say so.")
    where = None if corpus == "simulated" else data or Path("DIR")
    remark(f"next: {_score_command(submission, where, split, feature, variant)}")


@cli.command(epilog=examples("harness new submissions/my-model"))
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a submission that works, to start from: harness new submissions/my-model."""
    from harness.cli.output import answer
    from harness.submission.new import make_submission

    make_submission(folder)
    answer(f"{folder} made. Try it: harness check {folder}; harness score {folder} --part val")


def _score_command(
    submission: Path, data: Path | None, split: str | None, feature: str, variant: str | None
) -> str:
    """The command that scores the weights just written."""
    options = {"--data": data, "--split": split, "--variant": variant}
    given = "".join(f" {name} {shlex.quote(str(value))}" for name, value in options.items() if value)
    return f"harness score {shlex.quote(str(submission))}{given} --part val --feature {feature}"
