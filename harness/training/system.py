"""The trainer of a package whose nets are built from a configuration alone; most packages need no other.

    SYSTEM = NetSystem(
        nets={"default": Dprnn},
        configs={"default": {"paper": Config(), "compact": Config(n_filters=32)}},
        recipes={"paper": PAPER, "compact": SHORT},
    )

A configuration with a field ``n_subjects`` is given as many as the training has, and the weights file then
names them in the order of the net's table; weights that are imported come without subjects, and their
table is taken to begin at sub-001, in order. Nothing here imports torch before a net is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from harness.predictor import Setup
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetSystem:
    """A `harness.training.recipe.TorchSystem`.

    Attributes:
        nets: variant -> the net's class.
        configs: variant -> preset -> the net's configuration, a frozen dataclass with ``n_bands``, and
            ``n_subjects`` where the net has a table of them.
        recipes: preset -> recipe.
        variant_recipes: variant -> preset -> recipe, for variants that are trained in another way.
    """

    nets: Mapping[str, type[nn.Module]]
    configs: Mapping[str, Mapping[str, Any]]
    recipes: Mapping[str, Recipe]
    variant_recipes: Mapping[str, Mapping[str, Recipe]] = field(default_factory=dict)

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        return tuple(self.recipes)

    def recipe(self, preset: str, variant: str) -> tuple[Any, Recipe]:
        """The net's configuration and its recipe; KeyError where there is none."""
        return self.configs[variant][preset], self.variant_recipes.get(variant, self.recipes)[preset]

    def build(self, config: Any, setup: Setup, subjects: Sequence[str]) -> nn.Module:
        """The variant's net for the feature and the subjects of this run."""
        net: nn.Module = self.nets[setup.variant](_sized(config, setup, subjects))
        return net

    def metadata(self, config: Any, setup: Setup, subjects: Sequence[str]) -> dict[str, str]:
        """What the weights file says of itself."""
        from harness.nn import metadata

        sized = _sized(config, setup, subjects)
        learned: Sequence[str] = ()
        if _has_subjects(sized):
            learned = subjects or [f"sub-{i:03d}" for i in range(1, sized.n_subjects + 1)]
        return metadata(self.nets[setup.variant], sized, learned)


def _sized(config: Any, setup: Setup, subjects: Sequence[str]) -> Any:
    """One row of the table for each subject of a training, so that every row is learned."""
    if _has_subjects(config) and subjects:
        config = replace(config, n_subjects=len(subjects))
    return replace(config, n_bands=setup.n_bands)


def _has_subjects(config: Any) -> bool:
    return any(field.name == "n_subjects" for field in fields(config))
