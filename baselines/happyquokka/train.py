"""How HappyQuokka is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from model import NETS, PRESETS, ConditionedConfig, Config, HappyQuokka, UnconditionedHappyQuokka

from harness.nn import metadata
from harness.predictor import Setup
from harness.training.recipe import Recipe

# The release: the recipe's own defaults (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1), one
# random crop of 10 s from every recording.
PAPER = Recipe(epochs=1000, batch_size=64, crop_seconds=10.0, fixed_length=True)
RECIPES = {
    "paper": PAPER,
    "compact": replace(
        PAPER,
        epochs=20,
        batch_size=16,
        crops_per_recording=3,
        learning_rate=1e-3,
        step_epochs=5,
        patience=5,
    ),
}


class System:
    """What the training loop asks."""

    presets = tuple(RECIPES)

    def recipe(self, preset: str, variant: str) -> tuple[Config, Recipe]:
        """The net's sizes and its recipe; KeyError for a preset that there is not."""
        return PRESETS[variant][preset], RECIPES[preset]

    def build(self, config: Config, setup: Setup, subjects: Sequence[str]) -> UnconditionedHappyQuokka:
        """The variant's net for the feature and the subjects of this run."""
        return NETS[setup.variant][0](_sized(config, setup, subjects))

    def metadata(self, config: Config, setup: Setup, subjects: Sequence[str]) -> Mapping[str, str]:
        """What the weights file says of itself.

        Imported weights come without subjects: their table is taken to begin at sub-001, in order.
        """
        sized = _sized(config, setup, subjects)
        if not isinstance(sized, ConditionedConfig):
            return metadata(UnconditionedHappyQuokka, sized)
        in_order = [f"sub-{i:03d}" for i in range(1, sized.n_subjects + 1)]
        return metadata(HappyQuokka, sized, subjects or in_order)


def _sized(config: Config, setup: Setup, subjects: Sequence[str]) -> Config:
    """One embedding for each subject of a training, so that every embedding is learned."""
    if isinstance(config, ConditionedConfig) and subjects:
        config = replace(config, n_subjects=len(subjects))
    return replace(config, n_bands=setup.n_bands)


SYSTEM = System()
