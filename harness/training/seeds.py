"""Several trainings of one system, one after the other or side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import Fault, TrainingError, raise_all
from harness.submission.manifest import Submission, load_submission, register_weights
from harness.submission.seeds import recorded_seed, training_of
from harness.tasks.splits import Split

# Corpus, split, feature and variant of a run.
Wanted = tuple[str, Split, str, str]
_WAIT_SECONDS = 0.2
_LAST_LINES = 12


def begin_seeds(
    submission: Submission, wanted: Wanted, seeds: Sequence[int], *, resume: bool
) -> tuple[int, ...]:
    """Make room for several trainings of a run, and say which are still to be made.

    Weights of the run that have no seed in the manifest become those of the seed that the record of their
    training names.

    Args:
        submission: with a trainer.
        wanted: corpus, split, feature and variant.
        seeds: that are asked for.
        resume: leave those that have weights.

    Raises:
        TrainingError: a training draws nothing at random; or weights without a seed, of which no record says
            it.
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
    have = submission.seeds(*wanted) if resume else ()
    return tuple(seed for seed in seeds if seed not in have)


def check_seeds(submission: Submission, wanted: Wanted) -> None:
    """Refuse seeds of one run that differ in recipe, split or data.

    Raises:
        SubmissionError: they do.
    """
    training_of(submission, submission.weights(*wanted), wanted)


def train_side_by_side(
    arguments: Sequence[str], seeds: Sequence[int], jobs: int, out: Path | None
) -> Iterator[tuple[int, str]]:
    """Train seeds in processes of their own, so many at a time; all have ended when this does.

    Args:
        arguments: of ``harness train``, without seeds.
        seeds: to train.
        jobs: how many at a time; each has its share of the cores.
        out: folder for work folders; None for the usual places.

    Yields:
        Each seed that is done, and what its process printed.

    Raises:
        TrainingError: trainings that failed, each with its last lines; the others are finished first.
    """
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}
    waiting, faults = list(seeds), []
    running: dict[int, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="harness-seeds-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    seed = waiting.pop(0)
                    command = [
                        sys.executable,
                        "-m",
                        "harness",
                        "train",
                        *arguments,
                        "--seeds",
                        f"{seed}-{seed}",
                    ]
                    command += ["--out", str(out)] if out else []
                    said, remarked = Path(folder, f"{seed}.out"), Path(folder, f"{seed}.err")
                    with said.open("wb") as out_file, remarked.open("wb") as err_file:
                        running[seed] = subprocess.Popen(
                            command,
                            stdin=subprocess.DEVNULL,
                            stdout=out_file,
                            stderr=err_file,
                            env=environment,
                        )
                time.sleep(_WAIT_SECONDS)
                for seed in [seed for seed, process in running.items() if process.poll() is not None]:
                    done = running.pop(seed).returncode == 0
                    text = Path(folder, f"{seed}.{'out' if done else 'err'}").read_text("utf-8", "replace")
                    if done:
                        yield seed, text.strip()
                    else:
                        lines = "\n".join(text.strip().splitlines()[-_LAST_LINES:])
                        faults.append(
                            Fault(f"seed {seed}", f"its training failed:\n{lines}", "", "Then use --resume.")
                        )
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()
    raise_all(TrainingError, faults)


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
