"""Checkpoints: where a training stands after an epoch, written whole or not at all.

A checkpoint holds no random state: each epoch seeds its generators from seed, epoch and process, so a
training that goes on after epoch n draws what an uninterrupted one draws. The learning rate follows from
the epoch as well.
"""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from harness.errors import Fault, TrainingError
from harness.files import write_atomically
from harness.predictor import Setup
from harness.training.recipe import Recipe
from harness.training.training_data import TrainingData
from harness.training.write_weights import weights_bytes

FILE = "checkpoint.pt"
BEFORE = "before"
_LEFT = (FILE, "log.csv", "epoch-*.safetensors", "tensorboard")

Weights: TypeAlias = dict[str, Tensor]


@dataclass
class Standing:
    """What one epoch leaves to the next, besides net and optimiser.

    Attributes:
        epoch: epochs done.
        best_epoch: the one with the best validation score; 0 before the first validation.
        best_score: its validation score.
        best: its weights, on the CPU.
        n_averaged: how many epochs are in ``average``.
        average: the mean of their weights, float64.
        seconds: spent so far.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -2.0
    best: Weights = field(default_factory=dict)
    n_averaged: int = 0
    average: Weights = field(default_factory=dict)
    seconds: float = 0.0

    def stalled(self, recipe: Recipe) -> bool:
        """Whether the recipe's patience is at its end."""
        return (
            recipe.patience is not None
            and self.best_epoch > 0
            and self.epoch - self.best_epoch >= recipe.patience
        )

    def add_to_average(self, weights: Weights) -> None:
        """Take one more epoch's weights into the mean."""
        self.n_averaged += 1
        for name, value in weights.items():
            mean = self.average.get(name)
            if mean is None or not value.is_floating_point():  # counters are not averaged: the last is kept
                self.average[name] = value.double() if value.is_floating_point() else value
            else:
                mean += (value.double() - mean) / self.n_averaged


def weights_of(net: nn.Module) -> Weights:
    """A net's weights on the CPU, apart from the net's own."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def identity(config: object, recipe: Recipe, preset: str, data: TrainingData, setup: Setup) -> dict[str, Any]:
    """What must be the same for a training to go on from a checkpoint; it may have more epochs."""
    numbers = asdict(recipe)
    del numbers["keep"], numbers["save_every"]  # no epoch depends on them
    if recipe.schedule != "cosine" and recipe.average_from == 0:
        del numbers["epochs"]  # nothing before the end depends on it
    if not recipe.targets.get(data.feature):
        del numbers["targets"]  # those of another feature
    return {
        "preset": preset,
        "config": repr(config),
        "recipe": repr(numbers),
        "feature": setup.feature,
        "variant": setup.variant,
        "seed": setup.seed,
        "split": data.split.sha256,
        "data": data.fingerprint,
        **data.rounding,
    }


def save(
    folder: Path, run: Mapping[str, Any], done: Standing, states: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the checkpoint; the one before stands until this one is whole.

    Args:
        folder: the work folder.
        run: what is trained on what; :func:`load` refuses another.
        done: where the training stands.
        states: of net, optimiser and gradient scaler.

    Raises:
        TrainingError: the disk is full, or the folder cannot be written.
    """
    content = io.BytesIO()
    torch.save({"run": dict(run), "progress": vars(done), "states": dict(states)}, content)
    try:
        write_atomically(folder / FILE, content.getvalue())
    except OSError as error:
        raise cannot_write(folder / FILE, error, done.epoch) from None


def keep(folder: Path, epoch: int, weights: Weights, metadata: Mapping[str, str]) -> None:
    """Write the weights after an epoch by themselves, as a weights file of the submission.

    Raises:
        TrainingError: the disk is full, or the folder cannot be written.
    """
    path = folder / f"epoch-{epoch:04d}.safetensors"
    try:
        write_atomically(path, weights_bytes({n: value.numpy() for n, value in weights.items()}, metadata))
    except OSError as error:
        raise cannot_write(path, error, epoch) from None


def set_aside(folder: Path) -> None:
    """Move what an earlier training left in a work folder into ``before/``, in place of what is there.

    A training that ended before its first checkpoint cannot be gone on with: it takes no other's place there.

    Raises:
        TrainingError: it cannot be moved.
    """
    left = [path for pattern in _LEFT for path in sorted(folder.glob(pattern))]
    if not left:
        return
    before = folder / BEFORE
    try:
        if (before / FILE).exists() and not (folder / FILE).exists():
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            return
        if before.exists():
            shutil.rmtree(before)
        before.mkdir()
        for path in left:
            path.rename(before / path.name)
    except OSError as error:
        raise cannot_write(before, error, 1) from None


def load(folder: Path, run: Mapping[str, Any]) -> tuple[Standing, dict[str, dict[str, Any]]] | None:
    """Read the checkpoint; None where there is none yet.

    Raises:
        TrainingError: it is broken, or of another training.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrainingError(Fault(str(path), error.strerror or "cannot be read")) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch itself does not compare checksums
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} does not match its checksum")
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        found, done, states = saved["run"], Standing(**saved["progress"]), saved["states"]
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        NotImplementedError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            Fault(
                str(path),
                f"not a whole checkpoint ({reason})",
                "a checkpoint of this training",
                "Remove it, or train without --resume: the training then starts from the beginning.",
            )
        ) from None
    _same_run(path, found, run)
    return done, states


def cannot_write(path: Path, error: OSError, epoch: int) -> TrainingError:
    """What to say where something of a training cannot be written."""
    return TrainingError(
        Fault(
            str(path),
            error.strerror or "cannot be written",
            "a folder with room for the checkpoint",
            f"Make room (or choose another folder with --out), then go on with --resume; epoch {epoch} is"
            " repeated.",
        )
    )


def _same_run(path: Path, found: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    faults = [
        Fault(
            f"{path}: {key}",
            f"{found.get(key)!r}",
            f"{run.get(key)!r}, that of this training",
            "Train without --resume, or with the options that the checkpoint was made with.",
        )
        for key in sorted({*found, *run})
        if found.get(key) != run.get(key)
    ]
    if faults:
        raise TrainingError(*faults)
