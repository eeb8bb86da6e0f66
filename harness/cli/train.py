"""``harness train``, ``import-weights`` and ``new``: a submission and its weights."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from harness.cli.executor import Where, executor_options, words_of
from harness.cli.group import cli, examples
from harness.cli.open import audio_words, here, open_asked
from harness.cli.options import (
    DATA_OPTION,
    EXCLUDE_OPTION,
    FEATURE_OPTION,
    SEED_OPTION,
    VARIANT_OPTION,
    SystemPath,
    channels_of,
    duration,
    path_option,
)
from harness.conventions import STOPPED, quoted
from harness.errors import UsageError, no_such, shorten

if TYPE_CHECKING:
    from harness.jobs.task import Task as JobTask
    from harness.submission.manifest import Submission
    from harness.tasks.task import Task
    from harness.training.run import Trained
    from harness.training.seeds import Wanted


@cli.command(
    epilog=examples(
        "harness train submissions/my-model --seeds 3 --jobs 3",
        "harness train baselines/vlaai --seeds 5 --executor slurm --slurm partition=gpu --slurm time=8:00:00",
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
    "--variants",
    metavar="LIST",
    help="With --executor: several variants, as in full,small, or all of the manifest's; a job each, and with"
    " --seeds for each seed of each.",
)
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
@path_option(
    "--cache",
    "DIR",
    "Folder on a local disk: what is read of the corpus is copied there once, in one pass, for data that lie"
    " on a network.",
)
@click.option(
    "--cache-dtype",
    type=click.Choice(["float32", "float16"]),
    help="Of the copies: float32 gives the same weights, float16 takes half and rounds to 11 bits."
    " Default: float32.",
)
@click.option(
    "--log",
    type=click.Choice(["tensorboard", "trackio"]),
    help="What log.csv has, for this viewer too, where it is installed.",
)
@click.option(
    "--max-time",
    metavar="TIME",
    callback=duration,
    help="Stop after so long, such as 90m or 2h: with a checkpoint, and exit code 75 where epochs are left."
    " The same command with --resume goes on, and gives the same weights. With --seeds: of all together.",
)
@click.option(
    "--max-time-shared",
    is_flag=True,
    hidden=True,
    help="Given by --jobs: earlier seeds took of the time, so that too little for an epoch is no error.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Go on although subjects of the training or validation part are not in the corpus.",
)
@EXCLUDE_OPTION
@SEED_OPTION
@click.option(
    "--seeds",
    metavar="SEEDS",
    help="Several trainings of one system: 3 (seeds 0 to 2), 2-5, or 1,4. With --resume, seeds that have"
    " weights are left as they are.",
)
@click.option("--one-of-jobs", is_flag=True, hidden=True, help="Given to one seed of several.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With --seeds or --executor: how many are trained side by side.",
)
@path_option(
    "--out",
    "DIR",
    "Folder for checkpoint and log. Default: SUBMISSION/training/<corpus>-<feature>-<preset>.",
)
@executor_options
@click.pass_context
def train(
    context: click.Context,
    submission: Path,
    where: Where | None,
    variants: str | None,
    one_of_jobs: bool,
    split: str | None,
    feature: str | None,
    data: Path | None,
    variant: str | None,
    preset: str | None,
    epochs: int | None,
    device: str,
    resume: bool,
    cache: Path | None,
    cache_dtype: str | None,
    log: str | None,
    max_time: tuple[float, str] | None,
    max_time_shared: bool,
    partial: bool,
    exclude_channels: str | None,
    seed: int,
    seeds: str | None,
    jobs: int,
    out: Path | None,
) -> None:
    """Train SUBMISSION on the training part, choosing on the validation part; writes its weights.

    The package's own trainer runs as you, without isolation, beside labels and files: read a stranger's
    first, or train it where there is nothing to take. Nothing else runs a trainer: score, check, verify, page
    and rank --changed-since never do.
    """
    from contextlib import nullcontext
    from dataclasses import replace

    from harness.cli.output import answer, progress, remark
    from harness.submission.find import check_own
    from harness.submission.manifest import load_submission
    from harness.training import Cache, Deadline, Running, Unfinished, train_submission
    from harness.training.distributed import this_process

    deadline = replace(Deadline.after(*max_time) if max_time else Deadline(), is_used=max_time_shared)
    several = parse_seeds(seeds) if seeds is not None else ()
    if several and context.get_parameter_source("seed") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--seed and --seeds are both given: choose one.")
    if variants is not None and (where is None or variant is not None):
        raise click.UsageError("--variants: for --executor only, and without --variant.")
    if jobs > 1 and len(several) < 2 and where is None:
        raise click.UsageError("--jobs: for --seeds with several of them only.")
    if cache_dtype and not cache:
        raise click.UsageError("--cache-dtype: of the copies in --cache, which is not given.")
    copies = Cache(cache, cache_dtype or "float32") if cache else None
    submission = here(submission)
    check_own(submission)
    loaded = load_submission(submission)
    task = open_asked(
        data=data,
        split=split,
        part="val",
        feature=feature,
        partial=partial,
        submission=submission,
        exclude_channels=channels_of(exclude_channels),
    )
    if where is not None:
        _train_as_jobs(context, where, loaded, task, several, max_time)
        return
    first = this_process().rank == 0
    todo: tuple[int | None, ...] = (None,)
    if several:
        from harness.training.seeds import begin_seeds, check_seeds, train_side_by_side

        wanted = (task.corpus.name, task.split, task.feature, loaded.variant(variant))
        todo = begin_seeds(
            loaded,
            wanted,
            several,
            resume=resume,
            preset=preset,
            epochs=epochs,
            one_of_jobs=one_of_jobs,
        )
        for kept in [one for one in several if one not in todo]:
            remark(f"seed {kept}: has its weights already")
        if jobs > 1 and len(todo) > 1:
            arguments = _arguments(submission, data, split, feature, variant, preset, epochs)
            arguments += [*(["--resume"] if resume else []), *(["--partial"] if partial else [])]
            arguments += [
                "--device",
                device,
                *_words("--cache", cache),
                *_words("--cache-dtype", cache_dtype),
                *_words("--log", log),
                *_words("--exclude-channels", exclude_channels),
            ]
            left = []
            for one, said in train_side_by_side(
                arguments, todo, jobs, out, Running(say=remark, deadline=deadline)
            ):
                if said is None:
                    left.append(one)
                else:
                    answer(f"seed {one}: {said}")
            if left:
                remark(
                    f"--max-time {deadline.words} is over: seeds {shorten(sorted(map(str, left)))} are left"
                )
                _stop(context, resume)
            todo = ()
    for this in todo:
        if this != todo[0]:
            deadline = replace(deadline, is_used=True)
        if this is not None and deadline.comes_within():
            remark(f"--max-time {deadline.words} is over: seed {this} was not begun")
            _stop(context, resume)
        with progress(f"training {loaded.name}") if first else nullcontext() as show:
            trained = train_submission(
                load_submission(submission),
                task.corpus,
                task.split,
                task.feature,
                variant=variant,
                seed=seed if this is None else this,
                preset=preset,
                epochs=epochs,
                device=device,
                resume=resume,
                out=out / f"seed-{this}" if out and this is not None else out,
                partial=partial,
                one_of_several=this is not None,
                cache=copies,
                running=Running(show, remark, deadline, log or "") if show else Running(deadline=deadline),
            )
        if isinstance(trained, Unfinished):
            if first:
                of = "" if this is None else f"seed {this}: "
                remark(f"{of}--max-time {deadline.words} is over: {trained.words}")
            _stop(context, resume, speaks=first)
        if trained is not None:  # else one of several processes, and not the one that writes
            _say(trained, loaded.name, task.corpus.words, this)
    if not first:
        return
    if several and not one_of_jobs:  # else the command that gave the jobs does, when all are done
        check_seeds(load_submission(submission), wanted)
    remark(f"next: {_score_command(submission, data, split, task.feature, variant, exclude_channels)}")


def _train_as_jobs(
    context: click.Context,
    where: Where,
    submission: Submission,
    task: Task,
    seeds: tuple[int, ...],
    max_time: tuple[float, str] | None,
) -> None:
    """Train each seed of each variant as a job of its own.

    Raises:
        TrainingError: trainings that failed; the others have ended by then.
    """
    from harness.cli.output import answer, remark
    from harness.errors import TrainingError, raise_all
    from harness.submission.manifest import load_submission
    from harness.training.seeds import check_seeds

    given = context.params
    wanted = {
        name: (task.corpus.name, task.split, task.feature, name)
        for name in variants_of(submission, given["variants"], given["variant"])
    }
    tasks = _jobs(context, submission, task, wanted, seeds)
    by_user = context.get_parameter_source("jobs") is click.core.ParameterSource.COMMANDLINE
    folder = (given["out"] or submission.folder / "training") / "jobs"
    faults, left = [], []
    for done in where.run(
        tasks,
        folder,
        f"training {submission.name}",
        side_by_side=given["jobs"] if by_user else None,
        seconds=max_time[0] if max_time else None,
        no_faults=(0, STOPPED),
    ):
        if done.fault:
            faults.append(done.fault)
        elif done.code == STOPPED:
            left.append(done.task.name)
        else:
            answer(f"{done.task.name}: {done.answer}")
    raise_all(TrainingError, faults)
    if left and max_time:
        be = "is" if len(left) == 1 else "are"
        remark(f"--max-time {max_time[1]} is over: {shorten(sorted(left))} {be} left")
        _stop(context, given["resume"])
    for one in wanted.values() if seeds else ():
        check_seeds(load_submission(submission.folder), one)


def _jobs(
    context: click.Context,
    submission: Submission,
    task: Task,
    wanted: Mapping[str, Wanted],
    seeds: tuple[int, ...],
) -> list[JobTask]:
    """A job for each seed of each variant that is still to be trained."""
    from harness.cli.output import remark
    from harness.jobs.task import Task as JobTask
    from harness.training.checkpoint import FILE
    from harness.training.run import DEFAULT_PRESET, work_folder
    from harness.training.seeds import begin_seeds

    given = context.params
    own = {"executor", "slurm", "jobs", "seeds", "seed", "variant", "variants", "out", "max_time"}
    words = [*words_of(context, own), *audio_words()]
    if given["max_time"]:
        words += ["--max-time", given["max_time"][1]]
    tasks = []
    for variant, one in wanted.items():
        todo: tuple[int | None, ...] = (None,)
        if seeds:
            todo = begin_seeds(
                submission,
                one,
                seeds,
                resume=given["resume"],
                preset=given["preset"],
                epochs=given["epochs"],
            )
            for kept in [seed for seed in seeds if seed not in todo]:
                remark(f"{_name(wanted, variant, kept)}: has its weights already")
        for seed in todo:
            out = given["out"]
            if out and len(wanted) > 1:
                out = out / variant
            number = given["seed"] if seed is None else seed
            setup = submission.setup(task.sizes, variant, seed=number)
            folder = work_folder(
                submission, task.corpus.name, task.split, setup, given["preset"] or DEFAULT_PRESET, seed
            )
            if out:
                folder = out if seed is None else out / f"seed-{seed}"
            arguments = ["train", str(submission.folder), *words, "--variant", variant, *_words("--out", out)]
            arguments += (
                ["--seed", str(number)] if seed is None else ["--seeds", f"{seed}-{seed}", "--one-of-jobs"]
            )
            tasks.append(JobTask(_name(wanted, variant, seed), tuple(arguments), folder / FILE))
    return tasks


def _name(wanted: Mapping[str, Wanted], variant: str, seed: int | None) -> str:
    """What a job is called beside the others."""
    parts = [variant] if len(wanted) > 1 or seed is None else []
    return ", ".join([*parts, *([] if seed is None else [f"seed {seed}"])])


def variants_of(submission: Submission, several: str | None, one: str | None) -> tuple[str, ...]:
    """The variants that --variants or --variant names; the first of the manifest without them."""
    if several is None:
        return (submission.variant(one),)
    if several == "all":
        return tuple(submission.variants)
    names = [word.strip() for word in several.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise click.UsageError(f"--variants {several}: expected all, or names, each once, as in full,small.")
    return tuple(submission.variant(name) for name in names)


def _stop(context: click.Context, resume: bool, *, speaks: bool = True) -> NoReturn:
    """End a command whose time is over before its trainings were done."""
    from harness.cli.output import remark

    if speaks:
        remark(f"The same command{'' if resume else ' with --resume'} goes on; exit code {STOPPED}.")
    context.exit(STOPPED)


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` -> 0, 1, 2; ``2-5`` -> 2 to 5; ``1,4`` -> 1 and 4."""
    words = [word.strip().partition("-") for word in text.split(",")]
    try:
        ends = [(int(low), int(high) if dash else int(low)) for low, dash, high in words]
    except ValueError:
        ends = []
    if len(words) == 1 and ends and not words[0][1]:
        ends = [(0, ends[0][1] - 1)]
    seeds = [seed for low, high in ends if high - low < 1000 for seed in range(low, high + 1)]
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise click.UsageError(f"--seeds {text}: expected 3 (seeds 0 to 2), 2-5, or 1,4.")
    return tuple(seeds)


def _arguments(
    submission: Path,
    data: Path | None,
    split: str | None,
    feature: str | None,
    variant: str | None,
    preset: str | None,
    epochs: int | None,
) -> list[str]:
    """The command line of one of several trainings, without its seed."""
    named = {
        "--data": data,
        "--split": split,
        "--feature": feature,
        "--variant": variant,
        "--preset": preset,
        "--epochs": epochs,
    }
    return [
        str(submission),
        *(word for name, value in named.items() for word in _words(name, value)),
        *audio_words(),
    ]


def _words(name: str, value: object) -> list[str]:
    """An option as words of a command line; none where it is not given."""
    return [] if value is None else [name, str(value)]


def _say(trained: Trained, name: str, words: str, seed: int | None) -> None:
    """Print what a training gave."""
    from harness.cli.output import answer, remark

    of = "" if seed is None else f", seed {seed},"
    answer(f"{name}{of} trained on {words} in {trained.seconds:.1f} s")
    for key, value in trained.report.items():
        if not isinstance(value, dict):
            answer(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")
    answer(f"weights: {trained.path} (sha256 {trained.sha256[:16]}…, in the manifest)")
    if not trained.signed:
        remark("The training record is not signed: no key can be kept in the user's configuration folder.")
    if trained.folder:
        remark(f"log and checkpoint: {trained.folder}")


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

    declaration = corpus_named(corpus, data)
    chosen = load_split(split, split_folders(declaration)) if split else default_split(declaration)
    if feature not in declaration.features:
        raise UsageError(no_such("--feature", feature, list(declaration.features)))
    submission = here(submission)
    check_own(submission)
    loaded = load_submission(submission)
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
    answer(
        f"{folder} made. Try it: harness check {quoted(folder)}; harness score {quoted(folder)} --part val"
    )


def _score_command(
    submission: Path,
    data: Path | None,
    split: str | None,
    feature: str,
    variant: str | None,
    exclude_channels: str | None = None,
) -> str:
    """The command that scores the weights just written."""
    options = {
        "--data": data,
        "--split": split,
        "--variant": variant,
        "--exclude-channels": exclude_channels,
    }
    words = [word for name, value in options.items() if value for word in (name, str(value))]
    given = shlex.join(["harness", "score", str(submission), *words, *audio_words()])
    return f"{given} --part val --feature {feature}"
