"""How ConvConcatNet is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from model import PRESETS, Config, ConvConcatNet

from harness.nn import metadata
from harness.predictor import Setup
from harness.training.recipe import Recipe

# No recipe is at hand. This is the one that the challenge's releases share, which is the recipe's defaults
# (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1, one random crop of 10 s from every recording).
PAPER = Recipe(epochs=1000, batch_size=64, crop_seconds=10.0)
RECIPES = {
    "paper": PAPER,
    "compact": replace(
        PAPER, epochs=20, batch_size=16, crops_per_recording=3, learning_rate=1e-3, step_epochs=5, patience=5
    ),
}


class System:
    """What the training loop asks."""

    presets = tuple(RECIPES)

    def recipe(self, preset: str, variant: str) -> tuple[Config, Recipe]:
        """The net's sizes and its recipe; KeyError for a preset that there is not."""
        return PRESETS[preset], RECIPES[preset]

    def build(self, config: Config, setup: Setup, subjects: Sequence[str]) -> ConvConcatNet:
        """The net for the feature of this run."""
        return ConvConcatNet(replace(config, n_bands=setup.n_bands))

    def metadata(self, config: Config, setup: Setup, subjects: Sequence[str]) -> Mapping[str, str]:
        """What the weights file says of itself."""
        return metadata(ConvConcatNet, replace(config, n_bands=setup.n_bands))


SYSTEM = System()
