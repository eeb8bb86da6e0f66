"""The trainer of a submission whose nets are built from a configuration alone; most need no other.

    SYSTEM = NetSystem(
        nets={"default": Dprnn},
        configs={"default": {"paper": Config(), "compact": Config(n_filters=32)}},
        recipes={"paper": PAPER, "compact": SHORT},
    )

Sizes come from the run: ``n_bands`` and ``n_channels`` are the corpus's. A configuration with a field
``n_subjects`` is given as many as the training has, and the weights file then names them in the order of
the net's table; weights that are imported come without subjects, and their table is taken to begin at
sub-001, in order. A configuration with a field ``window_samples`` is given the crop of the run: the
recipe's seconds at the corpus's rate, and with ``fixed_length`` no more than a segment. Where the net takes
only multiples of some number, the configuration says so in ``window_multiple`` and the crop is rounded down
to one. A configuration with a field ``n_frames`` is of a net that takes whole segments and gives as many
frames as the feature has in one: it is given ``n_frames``, and ``segment_samples`` and ``sample_rate_hz``
where it has such fields; every other net gives a frame for each EEG sample. Nothing here imports torch before
a net is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from harness.errors import Fault, TrainingError, counted
from harness.predictor import Setup, check_one_frame_a_sample
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetSystem:
    """A `harness.training.recipe.TorchSystem`.

    Attributes:
        nets: variant -> the net's class.
        configs: variant -> preset -> the net's configuration, a frozen dataclass with ``n_bands`` and
            ``n_channels``, and ``n_subjects`` and ``window_samples`` where the net has such.
        recipes: preset -> recipe.
        variant_recipes: variant -> preset -> recipe, for variants that are trained in another way.
        one_output: variants whose nets have one output, and repeat it for every band.
    """

    nets: Mapping[str, type[nn.Module]]
    configs: Mapping[str, Mapping[str, Any]]
    recipes: Mapping[str, Recipe]
    variant_recipes: Mapping[str, Mapping[str, Recipe]] = field(default_factory=dict)
    one_output: tuple[str, ...] = ()

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        return tuple(self.recipes)

    def recipe(self, preset: str, variant: str) -> tuple[Any, Recipe]:
        """The net's configuration and its recipe; KeyError where there is none."""
        return self.configs[variant][preset], self.variant_recipes.get(variant, self.recipes)[preset]

    def for_window(self, config: Any, most_samples: int) -> tuple[Any, int]:
        """The configuration for windows of at most ``most_samples``, and how long they are.

        Raises:
            TrainingError: the net takes no window that short.
        """
        if not _has(config, "window_samples"):
            return config, most_samples
        multiple = getattr(config, "window_multiple", 1)
        samples = most_samples - most_samples % multiple
        if samples == 0:
            raise TrainingError(
                Fault(
                    "window",
                    f"{counted(most_samples, 'sample')} at most",
                    f"{multiple} or more: the net takes multiples of {multiple}",
                    "Use a split with longer segments.",
                )
            )
        return replace(config, window_samples=samples), samples

    def build(self, config: Any, setup: Setup, subjects: Sequence[str]) -> nn.Module:
        """The variant's net for the feature, the EEG channels and the subjects of this run.

        Raises:
            ShapeError: a feature without one frame for each EEG sample, for a net that gives such.
        """
        if not _has(config, "n_frames"):
            check_one_frame_a_sample(setup)
        net: nn.Module = self.nets[setup.variant](_sized(config, setup, subjects))
        return net

    def metadata(self, config: Any, setup: Setup, subjects: Sequence[str]) -> dict[str, str]:
        """What the weights file says of itself.

        Raises:
            TrainingError: imported weights (without subjects) of a net with other bands than the feature.
        """
        from harness.nn import metadata

        if not subjects and setup.variant not in self.one_output and config.n_bands != setup.n_bands:
            remedy = "Give the --feature that these weights decode."
            if config.n_bands == 1 and self.one_output:
                remedy = (
                    f"--variant {self.one_output[0]} repeats the one output for every band, as the release"
                    " was trained."
                )
            raise TrainingError(
                Fault(
                    f"variant {setup.variant}: weights of a net of n_bands = {config.n_bands}",
                    f"asked for {setup.feature}, which has {setup.n_bands}",
                    remedy=remedy,
                )
            )
        sized = _sized(config, setup, subjects)
        learned: Sequence[str] = ()
        if _has(sized, "n_subjects"):
            learned = subjects or [f"sub-{i:03d}" for i in range(1, sized.n_subjects + 1)]
        return metadata(self.nets[setup.variant], sized, learned)


def _sized(config: Any, setup: Setup, subjects: Sequence[str]) -> Any:
    """With the sizes of the run; one row of the table for each subject, so that every row is learned."""
    sizes: dict[str, Any] = {"n_bands": setup.n_bands}
    for name in ("n_channels", "n_frames", "segment_samples", "sample_rate_hz"):
        if _has(config, name):
            sizes[name] = getattr(setup, name)
    if _has(config, "n_subjects") and subjects:
        sizes["n_subjects"] = len(subjects)
    return replace(config, **sizes)


def _has(config: Any, name: str) -> bool:
    return any(field.name == name for field in fields(config))
