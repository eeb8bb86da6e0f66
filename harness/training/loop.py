"""The training loop, from recipe to weights; one sitting to read.

    fit                 everything in order; the epochs one by one in harness/training/epochs.py
    _Loop.train         one pass over the epoch's crops
    _Loop.validate      the score on the validation part, by the harness's own scorer

Reproducible: the same seed gives the same weights on the CPU, in one go or resumed. Every epoch seeds
torch from (seed, epoch, process), and the crops from (seed, epoch). With several processes (see
``processes``) each takes its share of every step; rank 0 validates and writes, and all decide alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import Fault, TrainingError, counted
from harness.predictor import Array, Setup, predict_windowed, zscore
from harness.training import checkpoint, losses
from harness.training.crops import Batch, Crops, make_crops
from harness.training.distributed import Processes, choose_device, from_first, joined, sum_over, this_process
from harness.training.epochs import beginning_lines, run_epochs
from harness.training.log import Log
from harness.training.outlook import Pace, reading_lines
from harness.training.recipe import Recipe, TorchSystem, chosen_recipe
from harness.training.running import Running, Unfinished
from harness.training.trackers import Tracker
from harness.training.training_data import TrainingData

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Fitted:
    """A trained net.

    Attributes:
        weights: name -> tensor, on the CPU: the best epoch's, the last one's, or the mean over epochs.
        config: the preset's, with the window of this run.
        built: the same with the sizes that the run decided, where the net says them.
        recipe: with the epochs that were asked for.
        subjects: training subjects, in the order of ``subject_index``.
        validation: score of these weights on the validation part, by the measure that ranks.
        best_epoch: the one with the best validation score.
        best: its validation score.
        epochs: how many were run.
        n_averaged: how many epochs the weights are a mean over; 0 for those of one epoch.
        n_parameters: that are trained.
        too_short: recordings that were shorter than a crop.
        device: what it was trained on.
        world: how many processes.
        threads: of each on the CPU; another number rounds otherwise, and gives other weights.
        seconds_before: spent before the checkpoint that was resumed.
    """

    weights: Mapping[str, Tensor]
    config: Any
    built: Any
    recipe: Recipe
    subjects: tuple[str, ...]
    validation: float
    best_epoch: int
    best: float
    epochs: int
    n_averaged: int
    n_parameters: int
    too_short: tuple[str, ...]
    device: str
    world: int
    threads: int
    seconds_before: float


def fit(
    system: TorchSystem[Any],
    data: TrainingData,
    setup: Setup,
    running: Running,
    *,
    preset: str,
    folder: Path,
    epochs: int | None = None,
    device: str = "auto",
    resume: bool = False,
) -> Fitted | Unfinished:
    """Train a system by its recipe.

    Args:
        system: the submission's trainer.
        data: training and validation part.
        setup: feature, variant, seed.
        running: where it shows how far it is, and when it stops.
        preset: one of the system's.
        folder: for checkpoint and log.
        epochs: instead of the recipe's.
        device: auto, cpu or cuda.
        resume: go on from the folder's checkpoint, where there is one.

    Returns:
        The trained net; or where the training stands, if it had to stop before its last epoch.

    Raises:
        TrainingError: an unknown preset, no such device, a loss that is not finite, a broken checkpoint,
            a full disk, recordings shorter than a crop; or not one epoch was done before the deadline.
        ShapeError: the net's output does not fit the target.
    """
    config, recipe = chosen_recipe(system, preset, setup.variant, epochs)
    config, crop_samples = _for_window(system, config, recipe, setup)
    process = this_process()
    where = choose_device(device, process)
    crops = make_crops(data, recipe, setup.seed, crop_samples)
    run = checkpoint.identity(config, recipe, preset, data, setup)
    with joined(process, where):
        torch.manual_seed(setup.seed)
        net = system.build(config, setup, crops.subjects).to(where)
        said = system.metadata(config, setup, crops.subjects)
        loop = _Loop(net, data, crops, recipe, process, where, running)
        done = loop.resumed(folder, run) if resume else checkpoint.Standing()
        before = done.seconds
        first = process.rank == 0
        title = f"{folder.parent.parent.name}/{folder.name}"
        tracker = Tracker(running.log if first else "", folder, title, run, done.epoch, running.say)
        log = Log(
            folder, list(recipe.losses), data.measure.name, data.corpus.name, done.epoch, first, tracker
        )
        lines = beginning_lines(folder, recipe, done, resume) + reading_lines(data, crops, process.world)
        for line in lines:
            running.say(line)
        if recipe.start_at_mean and done.epoch == 0:
            _start_at_mean(net, crops)
        stopped = run_epochs(loop, done, log, folder, run, {**said, **recipe.scaling()})
        if stopped is not None:
            return stopped

        weights, best, n_averaged = done.best, done.best_score, 0
        if recipe.keep == "last":
            weights, best = checkpoint.weights_of(net), loop.validate(done.epoch)
        elif done.n_averaged:
            mean = {name: value.to(done.best[name].dtype) for name, value in done.average.items()}
            net.load_state_dict(mean)
            score = loop.validate(done.epoch)
            if recipe.keep == "mean" or not loop.is_better(best, score):
                weights, best, n_averaged = mean, score, done.n_averaged
    return Fitted(
        weights=weights,
        config=config,
        built=as_built(net, config),
        recipe=recipe,
        subjects=crops.subjects,
        validation=best,
        best_epoch=done.best_epoch,
        best=done.best_score,
        epochs=done.epoch,
        n_averaged=n_averaged,
        n_parameters=sum(p.numel() for p in net.parameters() if p.requires_grad),
        too_short=crops.too_short,
        device=torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        world=process.world,
        threads=torch.get_num_threads(),
        seconds_before=before,
    )


class _Loop:
    """Net, optimiser and data of one training in one process."""

    def __init__(
        self,
        net: nn.Module,
        data: TrainingData,
        crops: Crops,
        recipe: Recipe,
        process: Processes,
        device: torch.device,
        running: Running,
    ) -> None:
        self.net, self.data, self.crops, self.recipe = net, data, crops, recipe
        self.process, self.device, self.running = process, device, running
        self.pace: Pace | None = None
        self.autocast = AUTOCAST[recipe.autocast] if recipe.autocast and device.type == "cuda" else None
        self.optimiser = _optimiser(recipe, net)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.parallel: nn.Module = net
        if process.world > 1:
            gpus = [device] if device.type == "cuda" else None
            self.parallel = nn.parallel.DistributedDataParallel(net, device_ids=gpus)

    def states(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint keeps."""
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def resumed(self, folder: Path, run: Mapping[str, Any]) -> checkpoint.Standing:
        """Go on from the folder's checkpoint; from the beginning where there is none."""
        saved = checkpoint.load(folder, run)
        if saved is None:
            return checkpoint.Standing()
        done, states = saved
        if done.epoch > self.recipe.epochs:
            raise TrainingError(
                Fault(
                    f"{folder / checkpoint.FILE}",
                    f"{counted(done.epoch, 'epoch')} {'is' if done.epoch == 1 else 'are'} done",
                    f"at most {self.recipe.epochs}, as asked for",
                    "Give a larger --epochs, or train without --resume.",
                )
            )
        self.net.load_state_dict(states["net"])
        self.optimiser.load_state_dict(states["optimiser"])
        if states["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(states["scaler"])
        return done

    def must_stop(self, seconds: float = 0.0) -> bool:
        """Whether what takes so many seconds would end after the deadline; all processes decide alike."""
        deadline = self.running.deadline
        if not deadline.is_set:
            return False
        return bool(from_first(float(deadline.comes_within(seconds)), self.process, self.device))

    def train(self, epoch: int, done: checkpoint.Standing) -> dict[str, float] | None:
        """One pass over the epoch's crops; gives the mean loss and its parts over all processes.

        None where the deadline came before its end.

        Raises:
            TrainingError: the loss is not finite.
        """
        torch.manual_seed(_epoch_seed(self.crops.seed, epoch, self.process.rank))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate_of(epoch)
        self.net.train()
        sums = torch.zeros(1 + len(self.recipe.losses), device=self.device)
        n_steps = len(self.crops.steps(epoch, self.process.world))
        if self.pace is None:
            self.pace = Pace(n_steps, self.recipe.epochs - epoch + 1, cached=bool(self.data.cache))
        ahead = self.crops.batches(epoch, rank=self.process.rank, world=self.process.world)
        with closing(ahead) as batches:
            for step, batch in enumerate(self.pace.timed(batches), start=1):
                sums += self._step(batch, epoch)
                note = self._note(epoch, sums[0].item() / step, done)
                self.running.show((epoch - 1) * n_steps + step, self.recipe.epochs * n_steps, note)
                if (line := self.pace.step()) is not None:
                    self.running.say(line)
                if step < n_steps and self.must_stop():
                    return None
        means = (sum_over(sums, self.process) / self.process.world / n_steps).tolist()
        if not np.isfinite(means[0]):
            raise TrainingError(
                Fault(
                    f"epoch {epoch}",
                    f"the loss is {means[0]}",
                    "a finite loss",
                    "Lower the recipe's learning_rate, set gradient_clip (1.0 is common), or lengthen"
                    " warmup_epochs.",
                )
            )
        return dict(zip(["loss", *self.recipe.losses], means, strict=True))

    def _step(self, batch: Batch, epoch: int) -> Tensor:
        """One step of the optimiser; gives the loss and its parts, times this process's share."""
        eeg, target, subject_index = (torch.from_numpy(array).to(self.device) for array in batch[:3])
        recipe = self.recipe
        extra = (
            {"target": target, "teacher_share": recipe.teacher_share(epoch)} if recipe.teacher_forcing else {}
        )
        with self._precision():
            output = self.parallel(
                eeg, subject_index, **extra
            )  # (b, n_frames, n_bands), or a mapping of such
        first, *further = losses.pairs(self.crops.bands, output, target)
        loss, parts = losses.total(
            recipe.losses, *first, temperature=recipe.info_nce_temperature, further=further
        )
        torch.autograd.backward(self.scaler.scale(loss * batch.share))
        if recipe.gradient_clip is not None:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.net.parameters(), recipe.gradient_clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        return torch.stack([loss, *parts.values()]).detach() * batch.share

    def validate(self, epoch: int) -> float:
        """The score of the validation part by the harness's own scorer, in every process.

        Raises:
            TrainingError: predictions that are not finite.
        """
        score = 0.0
        if self.process.rank == 0:
            self.net.eval()

            def predict(eeg: Array, subjects: list[str]) -> Array:
                prediction = self._predict(eeg, subjects)
                if not np.isfinite(prediction).all():
                    raise TrainingError(
                        Fault(
                            f"epoch {epoch}: validation",
                            "predictions that are not finite",
                            "finite numbers",
                            "Lower the recipe's learning_rate, or set gradient_clip.",
                        )
                    )
                return prediction

            def windowed(eeg: Array, subjects: list[str]) -> Array:
                return predict_windowed(predict, eeg, subjects, self.crops.crop_samples)

            n_steps = len(self.crops.steps(epoch, self.process.world))

            def seen(subject: int, of: int) -> None:
                note = f"epoch {epoch} of {self.recipe.epochs}, validation, subject {subject} of {of}"
                self.running.show(epoch * n_steps, self.recipe.epochs * n_steps, note)

            score = self.data.validate(windowed if self.recipe.fixed_length else predict, seen)
        return from_first(score, self.process, self.device)

    def is_better(self, score: float, than: float) -> bool:
        """Whether a validation score is better than another."""
        sign = self.data.measure.sign
        return sign * score > sign * than

    @torch.inference_mode()
    def _predict(self, eeg: Array, subjects: list[str]) -> Array:
        """Predict (n, n_times, n_channels), in blocks that hold about as many samples as a training batch."""
        known = self.crops.subjects
        index = torch.tensor([known.index(s) if s in known else -1 for s in subjects], device=self.device)
        size = max(1, self.recipe.batch_size * self.crops.crop_samples // eeg.shape[1])
        blocks = []
        for start in range(0, len(eeg), size):
            block = np.array(eeg[start : start + size])
            block = zscore(block, self.recipe.zscore_ddof) if self.recipe.zscore else block
            with self._precision():
                out = self.net(torch.from_numpy(block).to(self.device), index[start : start + size])
            blocks.append(out.float().cpu().numpy())
        return np.concatenate(blocks)

    def epoch_line(
        self,
        epoch: int,
        loss: float,
        score: float | None,
        better: bool,
        seconds: float,
        of_them: float,
    ) -> str:
        """The line of an epoch that stays: loss, validation score, seconds, and those after its last step."""
        line = f"epoch {epoch} of {self.recipe.epochs}: loss {loss:.4f}"
        if score is None:
            return f"{line}, {seconds:.1f} s"
        line += f", validation {self.data.measure.short} {score:.4f}{' (best so far)' if better else ''}"
        return f"{line}, {seconds:.1f} s ({of_them:.1f} s validation)"

    def _note(self, epoch: int, loss: float, done: checkpoint.Standing) -> str:
        note = f"epoch {epoch} of {self.recipe.epochs}, loss {loss:.4f}"
        if not done.best_epoch:
            return note
        short = self.data.measure.short
        return f"{note}, best val {short} {done.best_score:.4f} (epoch {done.best_epoch})"

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None)


def _for_window(system: TorchSystem[Any], config: Any, recipe: Recipe, setup: Setup) -> tuple[Any, int]:
    """The configuration for this run's window, and the samples of a crop."""
    samples = recipe.crop_samples(setup.sample_rate_hz)
    if recipe.fixed_length:
        samples = min(samples, setup.segment_samples)  # validation and prediction pad nothing
    if not hasattr(system, "for_window"):
        return config, samples
    fitted: tuple[Any, int] = system.for_window(config, samples)
    return fitted


def as_built(net: nn.Module, config: object) -> Any:
    """The configuration that a net was built with: its own ``config``, if that is of the preset's kind."""
    own = getattr(net, "config", None)
    return own if isinstance(own, type(config)) else config


def plain_config(config: object) -> Any:
    """A configuration as plain values for the record."""
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else repr(config)


def _optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[recipe.optimiser](
        net.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )


def _epoch_seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1, np.uint64)[0] >> 1)


def _start_at_mean(net: nn.Module, crops: Crops) -> None:
    """Tell the net the mean of the training part's targets, (n_frames, n_bands), over the first epoch.

    Raises:
        TrainingError: the net has no method for it.
    """
    start_at = getattr(net, "start_at", None)
    if start_at is None:
        raise TrainingError(
            Fault(f"net: {type(net).__name__}", "no method start_at", "one, for a recipe with start_at_mean")
        )
    start_at(torch.from_numpy(crops.mean_target()).float().to(next(net.parameters()).device))
