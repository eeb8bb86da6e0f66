"""How VLAAI is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from model import PRESETS, Config, Vlaai

from harness.nn import metadata
from harness.predictor import Setup
from harness.training.recipe import Recipe

# The paper: -r alone, Adam as Keras has it at 1e-3, windows of 5 s that start every second, early stopping.
# How long it waits before it stops is ours.
PAPER = Recipe(
    epochs=1000,
    batch_size=64,
    crop_seconds=5.0,
    crops="windows",
    hop_seconds=1.0,
    losses={"pearson": 1.0},
    learning_rate=1e-3,
    betas=(0.9, 0.999),
    eps=1e-7,
    schedule="constant",
    patience=10,
)
RECIPES = {
    "paper": PAPER,
    "compact": replace(
        PAPER, epochs=20, batch_size=16, crops="random", hop_seconds=None, crops_per_recording=6, patience=5
    ),
}


class System:
    """What the training loop asks."""

    presets = tuple(RECIPES)

    def recipe(self, preset: str, variant: str) -> tuple[Config, Recipe]:
        """The net's sizes and its recipe; KeyError for a preset that there is not."""
        return PRESETS[variant][preset], RECIPES[preset]

    def build(self, config: Config, setup: Setup, subjects: Sequence[str]) -> Vlaai:
        """The net for the feature of this run."""
        return Vlaai(replace(config, n_bands=setup.n_bands))

    def metadata(self, config: Config, setup: Setup, subjects: Sequence[str]) -> Mapping[str, str]:
        """What the weights file says of itself."""
        return metadata(Vlaai, replace(config, n_bands=setup.n_bands))


SYSTEM = System()
