"""The epochs of a training in order: each with its checkpoint, its row in the log and its line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from harness.errors import Fault, TrainingError
from harness.training import checkpoint
from harness.training.distributed import Processes
from harness.training.log import Log
from harness.training.outlook import duration_words
from harness.training.recipe import Recipe
from harness.training.running import Running, Unfinished

# Epochs without a validation are written to the checkpoint at least this often.
CHECKPOINT_SECONDS = 60.0


class Loop(Protocol):
    """What runs one epoch; `harness.training.loop` has it."""

    net: nn.Module
    recipe: Recipe
    process: Processes
    running: Running

    def must_stop(self, seconds: float = 0.0) -> bool:
        """Whether what takes so many seconds would end after the deadline."""
        ...

    def train(self, epoch: int, done: checkpoint.Standing) -> dict[str, float] | None:
        """One pass over the epoch's crops: mean loss and parts; None where the deadline came first."""
        ...

    def validate(self, epoch: int) -> float:
        """The score of the validation part."""
        ...

    def is_better(self, score: float, than: float) -> bool:
        """Whether a validation score is better than another."""
        ...

    def states(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint keeps."""
        ...

    def epoch_line(
        self, epoch: int, loss: float, score: float | None, better: bool, seconds: float, of_them: float
    ) -> str:
        """The line of an epoch that stays."""
        ...


def beginning_lines(folder: Path, recipe: Recipe, done: checkpoint.Standing, resume: bool) -> list[str]:
    """What a training says of the work folder that it finds."""
    if done.epoch:
        return [f"goes on after epoch {done.epoch} of {recipe.epochs}, from {folder / checkpoint.FILE}"]
    if resume:
        return [f"no checkpoint in {folder}: the training begins"]
    if (folder / checkpoint.FILE).exists():
        return [
            f"{folder} holds an earlier training, which moves to {checkpoint.BEFORE}/ when the first epoch of"
            " this one is done; to go on with it, interrupt now and use --resume"
        ]
    return []


def run_epochs(
    loop: Loop,
    done: checkpoint.Standing,
    log: Log,
    folder: Path,
    run: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> Unfinished | None:
    """Every epoch that is left, with its row in the log and its checkpoint; None where all are done.

    Args:
        loop: of the training.
        done: where it stands; goes along.
        log: a row an epoch.
        folder: for checkpoints.
        run: what is trained on what, for the checkpoint.
        metadata: of weights that are kept by themselves.
    """
    recipe, process, running = loop.recipe, loop.process, loop.running
    first, saved, longest = done.epoch, done.epoch, 0.0
    started, written = time.monotonic() - done.seconds, time.monotonic()
    try:
        while done.epoch < recipe.epochs and not done.stalled(recipe):
            epoch, began = done.epoch + 1, time.monotonic()
            if done.epoch > first and loop.must_stop(longest):
                return Unfinished(saved, recipe.epochs, folder, _not_begun(epoch, longest))
            loss = loop.train(epoch, done)
            if loss is None:
                return _stopped_within(epoch, saved, first, loop, folder)
            due = epoch % recipe.validate_every == 0 or epoch == recipe.epochs
            trained = time.monotonic()
            score = loop.validate(epoch) if due else None
            better = score is not None and (done.best_epoch == 0 or loop.is_better(score, done.best_score))
            if score is not None and better:
                done.best_epoch, done.best_score, done.best = epoch, score, checkpoint.weights_of(loop.net)
            if recipe.averages(epoch):
                done.add_to_average(checkpoint.weights_of(loop.net))
            done.epoch, done.seconds = epoch, time.monotonic() - started
            if process.rank == 0:
                if epoch == 1:
                    checkpoint.set_aside(folder)
                log.add(epoch, loss, score, recipe.learning_rate_of(epoch), done.seconds)
                if recipe.save_every and epoch % recipe.save_every == 0:
                    checkpoint.keep(folder, epoch, checkpoint.weights_of(loop.net), metadata)
                late = time.monotonic() - written > CHECKPOINT_SECONDS or running.deadline.is_set
                if due or late:
                    checkpoint.save(folder, run, done, loop.states())
                    log.kept()
                    saved, written = epoch, time.monotonic()
            now = time.monotonic()
            longest = max(longest, now - began)
            running.say(loop.epoch_line(epoch, loss["loss"], score, better, now - began, now - trained))
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(_how_to_resume(saved))
        raise
    finally:
        log.close()
    return None


def _not_begun(epoch: int, seconds: float) -> str:
    return f"epoch {epoch} was not begun: one takes up to {duration_words(seconds)}"


def _stopped_within(epoch: int, saved: int, first: int, loop: Loop, folder: Path) -> Unfinished:
    """What a training gives that stopped in the middle of an epoch.

    Raises:
        TrainingError: no epoch was done since it began: it would stop there for ever.
    """
    deadline = loop.running.deadline
    if saved == first and not deadline.is_used:
        raise TrainingError(
            Fault(
                f"--max-time {deadline.words}",
                f"over before the end of epoch {epoch}, which is the first of this call",
                "time for one epoch and its validation at least",
                "Give it more time: the lines above say what an epoch takes.",
            )
        )
    return Unfinished(saved, loop.recipe.epochs, folder, f"epoch {epoch} was begun, and is repeated")


def _how_to_resume(epoch: int) -> str:
    if epoch == 0:
        return "No epoch was saved yet: the same command begins again."
    return f"Epoch {epoch} is saved: the same command with --resume goes on after it."
