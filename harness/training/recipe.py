"""What a submission tells the training loop: a `Recipe` (numbers only) and a `TorchSystem` (builds the net).

The manifest names an instance of the submission's ``train.py``, ``trainer = "train:SYSTEM"``:

    class Vlaai:
        presets = ("paper", "compact")

        def recipe(self, preset, variant):
            return CONFIGS[variant][preset], RECIPES[preset]

        def build(self, config, setup, subjects):
            return model.Vlaai(config, n_bands=setup.n_bands)

        def metadata(self, config, setup, subjects):
            return {"config": json.dumps(asdict(config)), "n_bands": str(setup.n_bands)}

    SYSTEM = Vlaai()

Nothing here imports torch. The defaults are what the releases have in common (Adam, StepLR, one random
crop a recording and epoch, loss -r + 0.2 L1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args, get_type_hints

from harness.errors import Fault, TrainingError, UsageError, no_such
from harness.predictor import Setup

if TYPE_CHECKING:
    from torch import nn

LossName = Literal["pearson", "l1", "mse", "kl", "info_nce"]
LOSSES: tuple[str, ...] = get_args(LossName)


@dataclass(frozen=True)
class Recipe:
    """How one preset of one system is trained.

    Attributes:
        epochs: at most this many; ``--epochs`` takes its place.
        batch_size: crops a step, on all processes together.
        crop_seconds: length of a crop; the run's sampling rate makes it samples.
        crops: ``random``, crops at random places of every recording, or ``windows``, every window of
            ``crop_seconds`` that starts at a multiple of ``hop_seconds``, in random order.
        crops_per_recording: random crops drawn from each recording an epoch; not for windows.
        hop_seconds: from one window's start to the next one's; windows only.
        drop_last: whether an epoch's last batch is left out where it is not full.
        zscore: mean 0 and standard deviation 1 over time for each EEG channel and each band of each crop;
            at validation and prediction, for each EEG channel of each segment (each window where
            ``fixed_length``). Without it, EEG and targets are taken as the corpus has them.
        zscore_ddof: of the z-score's deviation: 0, which divides by n, or 1, by n - 1.
        zscore_spectra: whether the targets ``mel80`` and ``magnitude`` are z-scored as well.
        fixed_length: the net takes nothing but crops of ``crop_seconds``; validation then cuts segments
            with ``harness.predictor.predict_windowed``, and crops are never longer than a segment.
        mixup_rounds: how often a batch is halved by mixing pairs of crops of different subjects.
        losses: name -> weight. ``pearson`` is -r, ``l1``, ``mse`` (mean squared error), ``kl`` (log-softmax
            over bands), ``info_nce``.
        targets: feature -> what else a net of that feature is trained on: other features of the corpus, or
            ``mel80`` and ``magnitude``, which are computed from each crop's audio once that is mixed and
            z-scored (see ``harness.features.spectrograms.spectra``). In training the net
            then gives a mapping, name of a target -> (b, n_times, n_bands), the feature's among them;
            ``pearson``, ``l1`` and ``mse`` are summed over all, the other losses are the feature's.
        teacher_forcing: ``linear``, for nets that make their output frame by frame: in training forward is
            also given ``target`` (b, n_frames, n_bands) and ``teacher_share``, the probability with which a
            frame that goes in is the target's, which falls linearly from 1 in the first epoch to 0 in the
            last. Never in validation. None for nets that take EEG alone.
        start_at_mean: before the first epoch the net's ``start_at(mean)`` is given the mean of the training
            part's crops, (n_frames, n_bands): a short training need not find the level first.
        info_nce_temperature: of the loss ``info_nce``.
        optimiser: ``adam`` or ``adamw``.
        learning_rate: at the start.
        betas: of the optimiser.
        eps: of the optimiser.
        weight_decay: of the optimiser.
        schedule: ``constant``; ``step``, times ``step_gamma`` every ``step_epochs``; ``cosine``, to 0 at
            the last epoch.
        step_epochs: of the schedule ``step``.
        step_gamma: of the schedule ``step``.
        warmup_epochs: epochs over which the learning rate rises linearly, before the schedule's factor.
        gradient_clip: largest 2-norm of the gradient; None for no limit.
        validate_every: epochs from one validation to the next; the last epoch is always validated.
        patience: stop after this many epochs without a better validation score; None to go on.
        average_every: the weights are the mean over every that many epochs; 0 for the best epoch's.
        keep: where epochs are averaged, ``mean``, or ``better``: the mean or the best epoch's weights,
            whichever has the better validation score. ``last``: the last epoch's weights, none are chosen.
        average_from: share of the epochs, in [0, 1), before averaging begins.
        average_first: the first epoch in the mean, those after it being ``average_every`` apart; None for
            ``average_every`` itself.
        save_every: after every that many epochs the weights are also kept by themselves in the work folder,
            for whoever wants to choose among them; 0 for never.
        autocast: number format on CUDA, ``bf16`` or ``fp16``; None for float32. Never used on the CPU.
    """

    epochs: int
    batch_size: int = 64
    crop_seconds: float = 10.0
    crops: Literal["random", "windows"] = "random"
    crops_per_recording: int = 1
    hop_seconds: float | None = None
    drop_last: bool = False
    zscore: bool = True
    zscore_ddof: int = 0
    zscore_spectra: bool = False
    fixed_length: bool = False
    mixup_rounds: int = 0
    losses: Mapping[str, float] = field(default_factory=lambda: {"pearson": 1.0, "l1": 0.2})
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    teacher_forcing: Literal["linear"] | None = None
    start_at_mean: bool = False
    info_nce_temperature: float = 0.1
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-9
    weight_decay: float = 0.0
    schedule: Literal["constant", "step", "cosine"] = "step"
    step_epochs: int = 50
    step_gamma: float = 0.9
    warmup_epochs: int = 0
    gradient_clip: float | None = None
    validate_every: int = 1
    patience: int | None = None
    average_every: int = 0
    average_from: float = 0.0
    average_first: int | None = None
    keep: Literal["mean", "better", "last"] = "mean"
    save_every: int = 0
    autocast: Literal["bf16", "fp16"] | None = None

    def crop_samples(self, sample_rate_hz: float) -> int:
        """Samples in a crop."""
        return round(self.crop_seconds * sample_rate_hz)

    def hop_samples(self, sample_rate_hz: float) -> int:
        """Samples from one window's start to the next one's, 1 or more."""
        return max(1, round((self.hop_seconds or self.crop_seconds) * sample_rate_hz))

    def learning_rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1; a resumed training needs no scheduler's state."""
        before = epoch - 1
        factor = 1.0
        if self.schedule == "step":
            factor = self.step_gamma ** (before // self.step_epochs)
        elif self.schedule == "cosine":
            factor = (1 + math.cos(math.pi * before / self.epochs)) / 2
        if epoch <= self.warmup_epochs:
            factor *= epoch / (self.warmup_epochs + 1)
        return self.learning_rate * factor

    def teacher_share(self, epoch: int) -> float:
        """With which probability a net of frames is given the true ones in an epoch, counted from 1."""
        return 1.0 - (epoch - 1) / max(1, self.epochs - 1)

    def averages(self, epoch: int) -> bool:
        """Whether the weights after this epoch enter the mean."""
        every = self.average_every
        first = every if self.average_first is None else self.average_first
        if every == 0 or epoch < first or epoch <= self.average_from * self.epochs:
            return False
        return (epoch - first) % every == 0

    def scaling(self) -> dict[str, str]:
        """What a weights file must say of how EEG is scaled; nothing where it is the usual z-score."""
        if not self.zscore:
            return {"zscore": "none"}
        return {"zscore": "n-1"} if self.zscore_ddof else {}

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant, all at once.

        Raises:
            TrainingError: a count below its least value, an unknown word, or values that contradict.
        """
        least = {
            "epochs": 1,
            "batch_size": 1,
            "crops_per_recording": 1,
            "step_epochs": 1,
            "validate_every": 1,
            "mixup_rounds": 0,
            "warmup_epochs": 0,
            "average_every": 0,
            "save_every": 0,
        }
        faults = [
            Fault(f"recipe: {name}", f"{getattr(self, name)}", f"{lowest} or more")
            for name, lowest in least.items()
            if getattr(self, name) < lowest
        ]
        hints = get_type_hints(Recipe)
        for entry in fields(self):
            words = _words(hints[entry.name])
            value = getattr(self, entry.name)
            if words and value not in words:
                known = ", ".join(str(word) for word in words)
                faults.append(Fault(f"recipe: {entry.name}", repr(value), f"one of {known}"))
        unknown = [name for name in self.losses if name not in LOSSES]
        if unknown or not self.losses:
            faults.append(Fault("recipe: losses", f"{list(self.losses)}", f"some of {', '.join(LOSSES)}"))
        for feature, further in self.targets.items():
            if feature in further or len(set(further)) < len(further):
                faults.append(
                    Fault(f"recipe: targets of {feature}", f"{list(further)}", "other targets, each once")
                )
        if not self.crop_seconds > 0:
            faults.append(Fault("recipe: crop_seconds", f"{self.crop_seconds}", "more than 0"))
        if self.hop_seconds is not None and (not self.hop_seconds > 0 or self.crops != "windows"):
            faults.append(
                Fault("recipe: hop_seconds", f"{self.hop_seconds}", 'more than 0, with crops "windows"')
            )
        if self.zscore_ddof not in (0, 1):
            faults.append(Fault("recipe: zscore_ddof", f"{self.zscore_ddof}", "0 or 1"))
        if self.average_first is not None and not (self.average_every and self.average_first >= 1):
            faults.append(
                Fault("recipe: average_first", f"{self.average_first}", "1 or more, with average_every")
            )
        if self.keep == "last" and self.average_every:
            faults.append(
                Fault(
                    "recipe: average_every",
                    f"{self.average_every}",
                    '0 with keep "last"',
                    "A mean that nobody asks for is not computed.",
                )
            )
        if self.crops == "windows" and self.crops_per_recording != 1:
            faults.append(
                Fault("recipe: crops_per_recording", f"{self.crops_per_recording}", "1 with windows")
            )
        if not 0 <= self.average_from < 1:
            faults.append(Fault("recipe: average_from", f"{self.average_from}", "0 or more, below 1"))
        if faults:
            raise TrainingError(*faults)


Config = TypeVar("Config")


class TorchSystem(Protocol[Config]):
    """How a submission's net is built for the training loop; one instance is the submission's trainer.

    It may have two methods more:

    - ``for_window(config, most_samples) -> (config, crop_samples)``: the configuration and the crop of a net
      whose window is chosen by the run: at most ``most_samples``, which is the recipe's crop and, with
      ``fixed_length``, no longer than a segment;
    - ``notes(setup) -> list of str``: what a reader of the training record should know of this run.

    A recipe with ``start_at_mean`` asks the net for a method ``start_at(mean)``, and one with
    ``teacher_forcing`` for arguments of its forward.
    """

    @property
    def presets(self) -> Sequence[str]:
        """Names of the presets, such as ``("paper", "compact")``; a class attribute will do."""
        ...

    def recipe(self, preset: str, variant: str) -> tuple[Config, Recipe]:
        """The net's configuration and its recipe.

        Raises:
            KeyError: there is no such preset of this variant.
        """
        ...

    def build(self, config: Config, setup: Setup, subjects: Sequence[str]) -> nn.Module:
        """The net with its initial values; torch's generator is seeded already.

        Its forward takes EEG (b, n_times, n_channels) and ``subject_index`` (b,) int64, the position in
        ``subjects`` or -1 for a subject that is not among them, and gives (b, n_frames, n_bands), one frame
        for each sample of a crop unless ``setup`` says otherwise; in training a mapping of such, where the
        recipe has further targets.

        Args:
            config: from :meth:`recipe`.
            setup: feature, n_bands, n_frames, n_channels, segment_samples, sample_rate_hz, variant, options.
            subjects: the training subjects, in order.
        """
        ...

    def metadata(self, config: Config, setup: Setup, subjects: Sequence[str]) -> Mapping[str, str]:
        """What the weights file must say of itself so that the predictor can build the net."""
        ...


def compact(paper: Recipe, **changes: Any) -> Recipe:
    """The recipe of a preset ``compact``: a paper's, changed for a small net that a CPU trains in minutes.

    Args:
        paper: the recipe of the preset ``paper``.
        changes: what else differs, mostly how many crops there are and how long.
    """
    few_epochs: dict[str, Any] = {
        "epochs": 20,
        "batch_size": 16,
        "crops_per_recording": 3,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "average_every": 1,
        "average_from": 0.7,
        "average_first": None,
        "keep": "better",
        "save_every": 0,
        "drop_last": False,
        "zscore": True,
    }
    return replace(paper, **(few_epochs | changes))


def compact_in_short_crops(paper: Recipe, **changes: Any) -> Recipe:
    """As `compact`, in many crops of 3 s: for nets whose weights grow with the square of their window.

    Args:
        paper: the recipe of the preset ``paper``.
        changes: what else differs.
    """
    short: dict[str, Any] = {
        "batch_size": 48,
        "crop_seconds": 3.0,
        "crops_per_recording": 10,
        "gradient_clip": 5.0,
    }
    return compact(paper, **(short | changes))


def compact_for_segments(paper: Recipe, **changes: Any) -> Recipe:
    """As `compact`, for nets of one segment of EEG whose targets have a level: a short training begins at it.

    Args:
        paper: the recipe of the preset ``paper``, in windows.
        changes: what else differs.
    """
    segments: dict[str, Any] = {
        "epochs": 5,
        "batch_size": 32,
        "crops_per_recording": 1,
        "learning_rate": 1e-3,
        "gradient_clip": 5.0,
        "start_at_mean": True,
        "zscore": paper.zscore,
    }
    return compact(paper, **(segments | changes))


def chosen_recipe(
    system: TorchSystem[Any], preset: str, variant: str, epochs: int | None
) -> tuple[Any, Recipe]:
    """A system's configuration and recipe for a preset, with ``epochs`` in place of its own where given.

    Raises:
        UsageError: there is no such preset.
    """
    try:
        if preset not in system.presets:
            raise KeyError(preset)
        config, recipe = system.recipe(preset, variant)
    except KeyError:
        raise UsageError(no_such(f"--preset (variant {variant})", preset, system.presets)) from None
    return config, recipe if epochs is None else replace(recipe, epochs=epochs)


def _words(hint: Any) -> tuple[Any, ...]:
    """The allowed values of a Literal, or of ``Literal | None``; none for another type."""
    arms = get_args(hint)
    if arms and all(isinstance(arm, str) for arm in arms):
        return arms
    literals = [word for arm in arms for word in get_args(arm) if isinstance(word, str)]
    return (*literals, None) if literals else ()
