"""Several trainings of one system, one after the other or side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.conventions import STOPPED
from harness.errors import Fault, TrainingError, raise_all
from harness.submission.manifest import Submission, load_submission, register_weights
from harness.submission.own_code import imported
from harness.submission.seeds import recorded_seed, refuse_another, training_of
from harness.tasks.splits import Split
from harness.training.recipe import chosen_recipe
from harness.training.run import DEFAULT_PRESET
from harness.training.running import Running
from harness.training.version import TRAINING_VERSION

# Corpus, split, feature and variant of a run.
Wanted = tuple[str, Split, str, str]
_WAIT_SECONDS = 0.2
_LAST_LINES = 12


def begin_seeds(
    submission: Submission,
    wanted: Wanted,
    seeds: Sequence[int],
    *,
    resume: bool,
    preset: str | None = None,
    epochs: int | None = None,
    one_of_jobs: bool = False,
) -> tuple[int, ...]:
    """Make room for several trainings of a run, and say which are still to be made.

    Weights of the run that have no seed in the manifest become those of the seed that the record of their
    training names.

    Args:
        submission: with a trainer.
        wanted: corpus, split, feature and variant.
        seeds: that are asked for.
        resume: leave those that have weights, unless they are one of several jobs.
        preset: the recipe; None for the usual one.
        epochs: instead of the recipe's.
        one_of_jobs: others are trained beside these, so that weights that are there may not stay.

    Raises:
        TrainingError: a training draws nothing at random; weights without a seed, of which no record says
            it; or weights of other seeds, which are kept, of another recipe or split.
        UsageError: no such preset.
    """
    if submission.is_deterministic:
        raise TrainingError(
            Fault(
                f"{submission.name}: --seeds",
                "deterministic_training = true in the manifest",
                "a trainer that draws something at random",
                "One training is all that there is: leave --seeds out.",
            )
        )
    submission = _adopted(submission, wanted)
    have = submission.seeds(*wanted)
    todo = tuple(seed for seed in seeds if one_of_jobs or not resume or seed not in have)
    kept = [seed for seed in have if seed not in todo]
    if kept and todo and not one_of_jobs:
        refuse_another(submission, wanted, kept, _to_be(submission, wanted, preset, epochs), todo)
    return todo


def _to_be(
    submission: Submission, wanted: Wanted, preset: str | None, epochs: int | None
) -> dict[str, object]:
    """What the record of a training will say that is known before it, as it is read from a file."""
    _, split, _, variant = wanted
    said: dict[str, object] = {
        "split": {"name": split.name, "sha256": split.sha256},
        "training_version": TRAINING_VERSION,
    }
    with imported(submission, "trainer") as trainer:
        if hasattr(trainer, "recipe"):
            chosen = preset or DEFAULT_PRESET
            _, recipe = chosen_recipe(trainer, chosen, variant, epochs)
            said["recipe"] = json.loads(json.dumps({"preset": chosen, **asdict(recipe)}))
    return said


def check_seeds(submission: Submission, wanted: Wanted) -> None:
    """Refuse seeds of one run that differ in recipe, split or data.

    Raises:
        SubmissionError: they do.
    """
    training_of(submission, submission.weights(*wanted), wanted)


def train_side_by_side(
    arguments: Sequence[str],
    seeds: Sequence[int],
    jobs: int,
    out: Path | None,
    running: Running,
) -> Iterator[tuple[int, str | None]]:
    """Train seeds in processes of their own, so many at a time; all have ended when this does.

    Args:
        arguments: of ``harness train``, without seeds.
        seeds: to train.
        jobs: how many at a time; each has its share of the cores.
        out: folder for work folders; None for the usual places.
        running: what a training remarks is said here with its seed before it; the deadline is of all of
            them together, and seeds that it does not leave time for are not begun.

    Yields:
        Each seed that is done, and what its process printed; None for one that stopped at the deadline or was
        not begun.

    Raises:
        TrainingError: trainings that failed, each with its last lines; the others are finished first.
    """
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}
    deadline = running.deadline
    waiting, faults = list(seeds), []
    first = seeds[:jobs]
    at_work: dict[int, subprocess.Popen[bytes]] = {}
    told: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="harness-seeds-") as folder:
        try:
            while waiting or at_work:
                while waiting and len(at_work) < jobs:
                    seed = waiting.pop(0)
                    if deadline.comes_within():
                        yield seed, None
                        continue
                    own = [*arguments, "--seeds", f"{seed}-{seed}", "--one-of-jobs"]
                    own += ["--out", str(out)] if out else []
                    if deadline.is_set:
                        own += ["--max-time", f"{max(1.0, deadline.at - time.monotonic()):.3f}s"]
                        # A later one may have no time for one epoch, which is no error of its own.
                        own += [] if seed in first else ["--max-time-shared"]
                    command = [sys.executable, "-m", "harness", "train", *own]
                    said, remarked = Path(folder, f"{seed}.out"), Path(folder, f"{seed}.err")
                    with said.open("wb") as out_file, remarked.open("wb") as err_file:
                        at_work[seed] = subprocess.Popen(
                            command,
                            stdin=subprocess.DEVNULL,
                            stdout=out_file,
                            stderr=err_file,
                            env=environment,
                        )
                time.sleep(_WAIT_SECONDS)
                for seed in at_work:
                    _relay(Path(folder, f"{seed}.err"), seed, told, running)
                for seed in [seed for seed, process in at_work.items() if process.poll() is not None]:
                    code = at_work.pop(seed).returncode
                    _relay(Path(folder, f"{seed}.err"), seed, told, running)
                    if code == STOPPED:
                        yield seed, None
                        continue
                    done = code == 0
                    text = Path(folder, f"{seed}.{'out' if done else 'err'}").read_text("utf-8", "replace")
                    if done:
                        yield seed, text.strip()
                    else:
                        lines = "\n".join(text.strip().splitlines()[-_LAST_LINES:])
                        faults.append(
                            Fault(
                                f"seed {seed}", "its training failed", remedy=f"{lines}\nThen use --resume."
                            )
                        )
        finally:
            for process in at_work.values():
                process.terminate()
            for seed, process in at_work.items():
                process.wait()
                _relay(Path(folder, f"{seed}.err"), seed, told, running)
    raise_all(TrainingError, faults)


def _relay(path: Path, seed: int, told: dict[int, int], running: Running) -> None:
    """Say the whole lines that a training has remarked since the last time."""
    with path.open("rb") as file:
        file.seek(told.get(seed, 0))
        whole = file.read().rpartition(b"\n")[0]
    if whole:
        told[seed] = told.get(seed, 0) + len(whole) + 1
        for line in whole.decode("utf-8", "replace").split("\n"):
            running.say(f"seed {seed}: {line}")


def _adopted(submission: Submission, wanted: Wanted) -> Submission:
    """The submission, its weights of the run that have no seed being given theirs."""
    corpus, split, feature, variant = wanted
    for entry in submission.manifest.get("weights", []):
        run = (
            entry["corpus"],
            entry["split"],
            entry["feature"],
            entry.get("variant", submission.variants[0]),
        )
        if run != (corpus, split.name, feature, variant) or "seed" in entry:
            continue
        weights = submission.weights(*wanted)
        seed = recorded_seed(submission, weights) if weights else None
        if seed is None:
            raise TrainingError(
                Fault(
                    f"{submission.name}: weights {entry['file']}",
                    "no seed in the manifest, and no record of their training that names it",
                    "`seed` beside every other training of the run",
                    "Remove the entry, or write its seed into the manifest.",
                )
            )
        register_weights(submission, {**entry, "seed": seed}, replacing=entry)
        return load_submission(submission.folder)
    return submission
