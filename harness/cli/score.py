"""``harness score``, ``predict``, ``check`` and ``verify``: one system on one part."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.executor import Where, executor_options, run_scoring, words_of
from harness.cli.group import cli, examples
from harness.cli.open import here, here_for, open_asked
from harness.cli.options import (
    DATA_OPTION,
    JOBS_OPTION,
    LABELS_OPTION,
    OUT_OPTION,
    SystemPath,
    asked_options,
    controlled_run_options,
    path_option,
    run_options,
    scored_options,
)
from harness.errors import Fault, HarnessError, UsageError, counted

if TYPE_CHECKING:
    from harness.evaluation.findings import Look
    from harness.execution import PredictorRun, Run
    from harness.records.record import Record
    from harness.tasks.task import Task


@cli.command(
    epilog=examples(
        "harness score submissions/catwavenet --part val",
        "harness score baselines/linear baselines/vlaai --executor slurm --slurm partition=cpu",
    )
)
@click.argument("systems", metavar="SYSTEM...", nargs=-1, required=True, type=SystemPath())
@scored_options
@controlled_run_options
@click.option(
    "--variants",
    metavar="LIST",
    help="Several variants of a submission, as in full,small, or all of the manifest's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the score record, and only it.")
@OUT_OPTION
@path_option(
    "--save-predictions",
    "FILE",
    "Keep the predictions: .zip (official format) or .npz.",
)
@click.option(
    "--keep-predictions",
    is_flag=True,
    help="Keep the predictions beside the records too, by their hash, for `harness rescore`.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Write the record even where another system's, or another file, has its place.",
)
@executor_options
@click.pass_context
def score(
    context: click.Context,
    systems: tuple[Path, ...],
    open_task: functools.partial[Task],
    run: Run,
    variants: str | None,
    where: Where | None,
    as_json: bool,
    out: Path,
    save_predictions: Path | None,
    keep_predictions: bool,
    replace: bool,
) -> None:
    """Score each SYSTEM: a submission folder, or predictions (.zip, .npz, or a folder of sub-*.json).

    Predictions need no recordings: with --labels and without --data, what is asked is what the labels hold. A
    submission of several trainings gets a record for each (--weights-seed: for one).
    """
    from harness.cli.output import answer, remark
    from harness.errors import raise_all
    from harness.files import file_sha256
    from harness.predictions import check_destination
    from harness.records.document import record_bytes
    from harness.records.kept import note_predictions
    from harness.records.store import write_record
    from harness.records.text import record_text, seeds_text

    if variants is not None and run.variant is not None:
        raise click.UsageError("--variant and --variants are both given: choose one.")
    if save_predictions is not None:
        check_destination(save_predictions)
    folders, open_task = here_for(systems, open_task)
    asked = [_Asked.of(folder, open_task, run, variants, save_predictions) for folder in folders]
    if save_predictions is not None and sum(len(one.runs) for one in asked) > 1:
        raise click.UsageError("--save-predictions: of one system in one variant.")
    if where is not None:
        _score_as_jobs(context, where, asked, run, as_json)
        return
    made: list[list[Record]] = []
    faults: list[Fault] = []
    several = sum(len(one.runs) for one in asked) > 1
    for one in asked:
        of_system: list[Record] = []
        made.append(of_system)
        try:
            for each in one.runs:
                kept: list[str] = []
                record = _evaluated(
                    one.system,
                    one.open_task,
                    each,
                    save_predictions,
                    None if replace else out,
                    (out, kept) if keep_predictions else None,
                )
                first = not any(made)
                of_system.append(record)
                try:
                    path, written = write_record(out, record, replace=replace)
                    if kept:
                        note_predictions(out, file_sha256(path), kept[0])
                finally:  # a folder that cannot be written must not cost the score
                    if as_json and not several:
                        click.echo(record_bytes(record), nl=False)
                    elif not as_json:
                        answer(("" if first else "\n") + record_text(record))
                remark(f"record {'written to' if written else 'unchanged in'} {path}")
        except HarnessError as error:
            if len(systems) == 1:
                raise
            faults += error.faults
            remark(f"{one.system}: {error}")
            continue
        if not as_json:
            for group in _trainings_of_one(of_system):
                answer("\n" + seeds_text(group))
    if as_json and several:
        records = [record_bytes(record).rstrip() for of_system in made for record in of_system]
        click.echo(b"[\n" + b",\n".join(records) + b"\n]\n", nl=False)
    raise_all(HarnessError, faults)


def _trainings_of_one(records: list[Record]) -> list[list[Record]]:
    """Records of several trainings of one variant, a group for each variant that has several."""
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        groups.setdefault(record.submission.variant, []).append(record)
    return [group for group in groups.values() if len(group) > 1]


class _Asked(NamedTuple):
    """A system that is to be scored.

    Attributes:
        system: as the user named it.
        open_task: gives what it is scored on; opened once.
        runs: one for each training of each variant.
        by_file: whether it is predictions.
    """

    system: Path
    open_task: Callable[[], Task]
    runs: tuple[Run, ...]
    by_file: bool

    @classmethod
    def of(
        cls,
        system: Path,
        open_task: Callable[..., Task],
        run: Run,
        variants: str | None,
        save_predictions: Path | None,
    ) -> _Asked:
        """What a command asks of a system."""
        import dataclasses

        from harness.cli.train import variants_of
        from harness.predictions import is_predictions
        from harness.submission.manifest import load_submission

        by_file = is_predictions(system)
        opened = functools.cache(
            functools.partial(open_task, predictions=by_file, submission=None if by_file else system)
        )
        if by_file:
            _refuse_with_predictions(
                variant=run.variant,
                variants=variants,
                save_predictions=save_predictions,
                weights_seed=run.weights_seed,
                weights_of=run.weights_of,
            )
            return cls(system, opened, (run,), by_file)
        if variants is None:
            return cls(system, opened, _trainings(system, opened, run, save_predictions), by_file)
        runs = [
            each
            for name in variants_of(load_submission(system), variants, None)
            for each in _trainings(system, opened, dataclasses.replace(run, variant=name), save_predictions)
        ]
        return cls(system, opened, tuple(runs), by_file)


def _score_as_jobs(
    context: click.Context, where: Where, asked: list[_Asked], run: Run, as_json: bool
) -> None:
    """Score each training of each variant of each system as a job of its own.

    Raises:
        HarnessError: those that failed; the others have ended by then.
    """
    from harness.cli.open import audio_words
    from harness.cli.output import answer
    from harness.errors import raise_all
    from harness.jobs.task import Task as Job

    words = words_of(context, {"executor", "slurm", "variant", "variants", "weights_seed"})
    tasks = []
    for one in asked:
        for each in one.runs:
            own, parts = [], [one.system.name]
            if not one.by_file and each.variant is not None:
                own += ["--variant", each.variant]
                parts.append(each.variant)
            if each.weights_seed is not None:
                own += ["--weights-seed", str(each.weights_seed)]
                parts.append(f"seed {each.weights_seed}")
            arguments = ("score", str(one.system), *words, *audio_words(), *own)
            tasks.append(Job(", ".join(parts), arguments))
    faults, answers = [], []
    for done in run_scoring(where, run, tasks):
        if done.fault:
            faults.append(done.fault)
        if done.answer and as_json:
            answers.append(done.answer)
        elif done.answer:
            answer(f"{done.task.name}:\n{done.answer}\n")
    if as_json:
        click.echo(answers[0] if len(tasks) == 1 and answers else "[\n" + ",\n".join(answers) + "\n]")
    raise_all(HarnessError, faults)


@cli.command(epilog=examples("harness predict baselines/linear --out predictions.zip"))
@click.argument("submission", type=SystemPath())
@path_option(
    "--out",
    "FILE",
    "Predictions: .zip (official challenge format) or .npz.",
    required=True,
)
@asked_options
@run_options
def predict(
    submission: Path,
    out: Path,
    open_task: functools.partial[Task],
    run: Run,
) -> None:
    """Write a submission's predictions; no labels are needed."""
    from harness.cli.output import answer, progress
    from harness.evaluation.predict import grouped, predicted
    from harness.evaluation.prepare import prepare
    from harness.predictions import check_destination, check_subjects, write_predictions
    from harness.submission.manifest import load_submission

    check_destination(out)
    (submission,), open_task = here_for([submission], open_task)
    loaded = load_submission(submission)
    task = open_task(submission=submission)
    check_subjects(task.by_subject)
    prepared = prepare(loaded, task, run)
    with (
        progress(f"predicting with {loaded.name}") as show,
        predicted(prepared, on_progress=show) as made,
    ):
        _remark_output(loaded.name, made.run.output)
        write_predictions(out, grouped(task, made.run.predictions))
    answer(
        f"{counted(len(task.segments), 'segment')} of {counted(len(task.by_subject), 'subject')}"
        f" predicted by {loaded.name}"
        f" ({task.feature}, {task.corpus.words}) -> {out}"
    )


@cli.command(
    epilog=examples(
        "harness check submissions/my-model --part val", "harness check predictions.zip --data DIR"
    )
)
@click.argument("system", type=SystemPath())
@scored_options
@run_options
@click.option("--quick", is_flag=True, help="No look for bugs: manifest, hashes and a dry run only.")
@click.option(
    "--recut/--no-recut",
    default=None,
    help="Ask other cuts of the same recordings too, and say where r collapses. Default: if there are any.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, and only it.")
def check(
    system: Path,
    open_task: functools.partial[Task],
    run: Run,
    quick: bool,
    recut: bool | None,
    as_json: bool,
) -> None:
    """List what `score` would refuse (manifest, hashes, a dry run, shapes, numbers), and look for bugs.

    Bugs that raise no error (a flipped sign, a lag, bands in another order, answers that depend on the batch)
    are looked for where there are references, on a sample of the part, as is what needs no EEG: the sample's
    surrogates, and other cuts of its recordings. They are findings: the exit code is 1 only for what `score`
    would refuse. docs/findings.md says what is found.
    """
    from harness.cli.output import answer
    from harness.evaluation.check import check_predictions, check_submission
    from harness.predictions import is_predictions

    if quick and recut:
        raise click.UsageError("--recut is a look for bugs, which --quick leaves out.")
    (system,), open_task = here_for([system], open_task)
    by_file = is_predictions(system)
    submission = None if by_file else system
    opened = functools.cache(functools.partial(open_task, predictions=by_file, submission=submission))
    if by_file:
        _refuse_with_predictions(
            variant=run.variant,
            save_predictions=None,
            weights_seed=run.weights_seed,
            recut=recut,
            weights_of=run.weights_of,
        )
        faults, checked = check_predictions(system, opened())
    else:
        faults, checked = check_submission(system, opened, run)
    look = None
    if not faults and not quick:
        try:
            look = _look(system, opened(), run, recut)
        except HarnessError as error:
            faults += error.faults
    if as_json:
        answer(_check_json(system, faults, checked, look))
    else:
        for line in [*checked, *(look.seen if look else ())]:
            answer(f"ok: {line}" if line in checked else f"looked at: {line}")
        for finding in look.findings if look else ():
            answer(f"{finding}")
    if faults:
        raise HarnessError(*faults)
    if not as_json:
        if look:
            answer(counted(len(look.findings), "finding") if look.findings else "no findings")
        answer(f"{system} can be scored")


def _look(system: Path, task: Task, run: Run, recut: bool | None) -> Look | None:
    """Look for bugs; None, with a remark, where there are no references."""
    from harness.cli.output import progress, remark
    from harness.errors import CorpusError
    from harness.evaluation.bugs import look_at_predictions, look_at_submission
    from harness.predictions import is_predictions
    from harness.submission.manifest import load_submission

    try:
        task.check_labels()
    except CorpusError as error:
        remark(f"no look for bugs: {error}")
        return None
    if is_predictions(system):
        return look_at_predictions(system, task)
    with progress(f"predicting with {system.name}") as show:
        return look_at_submission(load_submission(system), task, run, recut=recut, on_progress=show)


def _check_json(system: Path, faults: list[Fault], checked: list[str], look: Look | None) -> str:
    """What `check` says, as JSON; ``findings`` is null where no bugs were looked for."""
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "system": str(system),
            "can_be_scored": not faults,
            "faults": [asdict(fault) for fault in faults],
            "checked": checked,
            "looked_at": look.seen if look else [],
            "findings": [finding._asdict() for finding in look.findings] if look else None,
        },
        indent=1,
    )


@cli.command(epilog=examples("harness verify results/simulated/held-out-subjects/test/mel/linear.json"))
@click.argument("record", type=click.Path(path_type=Path))
@click.argument("system", type=SystemPath(), required=False)
@DATA_OPTION
@LABELS_OPTION
@click.option("--split", metavar="FILE", help="The record's split file, where its name is not found.")
@JOBS_OPTION
@click.option(
    "--same-order",
    is_flag=True,
    help="Ask in the record's order of segments, which its author knows: for your own system that draws"
    " random numbers.",
)
def verify(
    record: Path,
    system: Path | None,
    data: Path | None,
    labels: Path | None,
    split: str | None,
    jobs: int | None,
    same_order: bool,
) -> None:
    """Make RECORD again from SYSTEM, its submission or stored predictions, and say what differs.

    Without SYSTEM, the submission of the record's name below baselines/ or submissions/ is taken. A record
    that contradicts itself is refused before anything runs.

    Exit 0: everything that the record says was found again, each number within 1e-6 (chance, which is stored
    with six digits, within 1.5e-6), from the code, weights, split and data that it names. Exit 1: anything
    else, a score that is the same but was made from other code, for one. Versions of packages may differ,
    and are named; time, host, isolation and commit are the record's own word and not compared.
    """
    from harness.cli.output import answer
    from harness.errors import RecordError, raise_all
    from harness.execution import Run
    from harness.records.consistency import inconsistencies
    from harness.records.store import read_record
    from harness.records.verify import verification_text
    from harness.records.verify import verify as verified
    from harness.submission.hub import is_hub_name

    recorded = read_record(record)
    raise_all(RecordError, inconsistencies(recorded, str(record)))
    without_eeg = recorded.submission.kind == "predictions" and labels is not None and data is None
    if not recorded.simulated and data is None and not without_eeg:
        raise UsageError(
            Fault("--data", "not given", f"the {recorded.corpus.name} corpus that the record was scored on")
        )

    @functools.cache
    def open_task() -> Task:
        return open_asked(
            data=data,
            split=split or _split_to_verify(recorded),
            part=recorded.split.part,
            feature=recorded.feature,
            labels=labels,
            corpus=recorded.corpus.name if without_eeg else None,
            predictions=without_eeg,
            partial=recorded.flags.partial,
            exclude_channels=recorded.submission.channels_excluded,
        )

    if recorded.run.hub if system is None else is_hub_name(str(system)):
        open_task()  # what is wrong with it costs no download
    chosen = here(system) if system else _system_to_verify(recorded)
    _check_variant(record, recorded, chosen)
    order_seed = recorded.run.order_seed if same_order else None
    transfer = recorded.submission.transfer
    run = Run(
        variant=recorded.submission.variant,
        weights_seed=recorded.submission.seed,
        seed=recorded.seed,
        jobs=jobs,
        order_seed=order_seed or None,
        surrogates=recorded.surrogates,
        weights_of=f"{transfer.corpus}/{transfer.split}" if transfer is not None else None,
    )
    verification = verified(recorded, _evaluated(chosen, open_task, run))
    answer(verification_text(verification))
    if not verification.reproduced:
        sys.exit(1)


def _check_variant(record: Path, recorded: Record, system: Path) -> None:
    """Refuse a record of a variant that the submission does not have.

    Raises:
        RecordError: there is no such variant.
    """
    from harness.errors import RecordError, no_such
    from harness.predictions import is_predictions
    from harness.submission.manifest import load_submission

    variant = recorded.submission.variant
    if variant is None or is_predictions(system):
        return
    submission = load_submission(system)
    if variant not in submission.variants:
        where = f"{record}: variant, which {submission.name} lacks"
        raise RecordError(no_such(where, variant, submission.variants))


def _system_to_verify(recorded: Record) -> Path:
    """The submission of a record: where it was fetched from the hub, or that of its name here."""
    from harness.submission.find import find_submission
    from harness.submission.hub import SCHEME

    if recorded.run.hub:
        return here(Path(f"{SCHEME}{recorded.run.hub}"))
    return find_submission(recorded.submission.name, shipped=True)


def _split_to_verify(recorded: Record) -> str | None:
    """The name of a record's split; None where it was made of the labels themselves."""
    from harness.tasks.labels_only import ASSUMED_SPLIT

    return None if recorded.split.name == ASSUMED_SPLIT else recorded.split.name


def _evaluated(
    system: Path,
    open_task: Callable[[], Task],
    run: Run,
    save_predictions: Path | None = None,
    results: Path | None = None,
    kept: tuple[Path, list[str]] | None = None,
) -> Record:
    """The record of a submission folder or of predictions; what a submission prints is passed on.

    Where ``results`` names a folder, a submission that has no place there is refused before it runs. ``kept``
    names the folder to keep predictions in, and takes their hash.
    """
    from harness.cli.output import progress, remark
    from harness.evaluation.controls import no_surrogates
    from harness.evaluation.evaluate import evaluate, evaluate_predictions
    from harness.evaluation.place import check_place
    from harness.evaluation.predict import grouped
    from harness.predictions import (
        check_destination,
        check_subjects,
        is_predictions,
        read_predictions,
        write_predictions,
    )
    from harness.records.kept import keep_predictions
    from harness.submission.manifest import load_submission

    if is_predictions(system):
        record = evaluate_predictions(system, open_task(), seed=run.seed)
        if kept is not None:
            kept[1].append(keep_predictions(kept[0], read_predictions(system, open_task().expected)))
        return record
    if save_predictions is not None:
        check_destination(save_predictions)
    submission = load_submission(system)
    task = open_task()
    if save_predictions is not None:
        check_subjects(task.by_subject)
    if results is not None:
        task.check_labels()
        check_place(results, submission, task, run)
    if run.surrogates != 0 and (reason := no_surrogates(task)):
        remark(f"no blind control: {reason}")

    def keep(made: PredictorRun) -> None:
        _remark_output(submission.name, made.output)
        if save_predictions is not None:
            write_predictions(save_predictions, grouped(task, made.predictions))
            remark(f"predictions written to {save_predictions}")
        if kept is not None:
            kept[1].append(keep_predictions(kept[0], grouped(task, made.predictions)))

    with progress(f"predicting with {submission.name}") as show:
        return evaluate(submission, task, run, keep, show)


def _trainings(
    system: Path, open_task: Callable[[], Task], run: Run, save_predictions: Path | None
) -> tuple[Run, ...]:
    """A run for each training of a submission; one file of predictions is for one."""
    from harness.evaluation.prepare import runs_of
    from harness.predictions import check_destination
    from harness.submission.manifest import load_submission

    if save_predictions is not None:
        check_destination(save_predictions)
    runs = runs_of(load_submission(system), open_task(), run)
    if save_predictions is not None and len(runs) > 1:
        seeds = ", ".join(str(one.weights_seed) for one in runs)
        raise click.UsageError(
            f"--save-predictions: of one training; choose it with --weights-seed ({seeds})."
        )
    return runs


def _refuse_with_predictions(
    *,
    variant: str | None,
    save_predictions: Path | None,
    weights_seed: int | None,
    weights_of: str | None,
    recut: bool | None = None,
    variants: str | None = None,
) -> None:
    given = (
        ("--variant", variant),
        ("--variants", variants),
        ("--weights-seed", weights_seed),
        ("--weights-of", weights_of),
        ("--save-predictions", save_predictions),
        ("--recut", recut or None),
    )
    for name, value in given:
        if value is not None:
            raise click.UsageError(f"{name} is for submissions; SYSTEM is a predictions file.")


def _remark_output(name: str, output: str) -> None:
    from harness.cli.output import remark

    if output.strip():
        remark(f"{name} printed:\n" + "\n".join(f"  {line}" for line in output.splitlines()))
