"""How CAT-WaveNet is trained.

Our deviations: none in the preset `paper`, but that crops are paired by subject where they are mixed, as the
authors' slides say and the release does not. README.md has the values beside the release's.

`compact` trains a small net in minutes (`epochs`, `batch_size`, `crop_seconds`, `crops_per_recording`,
`learning_rate`, `step_epochs`, `step_gamma`), leaves no batch out (`drop_last`), and chooses on the
validation part (`average_every`, `average_first`, `average_from`, `keep`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from model import NETS, PRESETS, net_of
from torch import nn

from harness.errors import Fault, TrainingError
from harness.predictor import Setup
from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# The release: the recipe's own defaults (Adam at 5e-4, a tenth less every 50 epochs), -r + 0.2 L1 of every
# stage and KL of mel, one random crop of 30 s from every recording, 24 of them mixed twice to 6, and the
# mean of the weights after epochs 1, 41, ..., 2961.
ALL_STAGES = {"mel": ("envelope", "mel80", "magnitude")}
PAPER = Recipe(
    epochs=3000,
    batch_size=24,
    crop_seconds=30.0,
    fixed_length=True,
    mixup_rounds=2,
    losses={"pearson": 1.0, "l1": 0.2, "kl": 1.0},
    targets=ALL_STAGES,
    drop_last=True,
    zscore_ddof=1,
    average_every=40,
    average_first=1,
)
# The steps of the other compact recipes, of 16 crops once they are mixed.
COMPACT = compact(
    PAPER,
    batch_size=64,
    crop_seconds=10.0,
    crops_per_recording=12,
    schedule="step",
    step_epochs=5,
    step_gamma=0.7,
    warmup_epochs=0,
)
RECIPES = {"paper": PAPER, "compact": COMPACT}


def _changed(**values: Any) -> dict[str, Recipe]:
    return {preset: replace(recipe, **values) for preset, recipe in RECIPES.items()}


class System(NetSystem):
    """For all but mel every variant's net is the first stage."""

    def build(self, config: Any, setup: Setup, subjects: Sequence[str]) -> nn.Module:
        """The variant's net for the feature."""
        return super().build(config, _first_stage(setup), subjects)

    def notes(self, setup: Setup) -> list[str]:
        """Which stages a variant is left without, for the training record."""
        if _first_stage(setup).variant == setup.variant:
            return []
        return [
            f"{setup.feature}: the first stage alone, one WaveNet; the stages after it need mel and audio"
        ]

    def metadata(self, config: Any, setup: Setup, subjects: Sequence[str]) -> dict[str, str]:
        """What the weights file says of itself.

        Raises:
            TrainingError: imported weights, whose bands are the file's, for a feature of other bands.
        """
        if not subjects and config.n_bands != setup.n_bands:
            raise TrainingError(
                Fault(
                    f"variant {setup.variant}: weights of a net of {config.n_bands} bands",
                    f"asked for {setup.feature}, which has {setup.n_bands}",
                    remedy="The release's first stage gives the envelope: --feature envelope --variant"
                    " wavenet-only. Its other variants give mel.",
                )
            )
        return super().metadata(config, _first_stage(setup), subjects)


def _first_stage(setup: Setup) -> Setup:
    alone = net_of(setup.variant, setup.feature) is NETS["wavenet-only"]
    return replace(setup, variant="wavenet-only") if alone else setup


SYSTEM = System(
    nets=NETS,
    configs=dict.fromkeys(NETS, PRESETS),
    recipes=RECIPES,
    variant_recipes={
        "wavenet-only": _changed(targets={}),
        "two-stage": _changed(targets={"mel": ("envelope",)}),
        "no-mixup": {
            "paper": replace(PAPER, mixup_rounds=0),
            "compact": replace(COMPACT, mixup_rounds=0, batch_size=16, crops_per_recording=3),
        },
    },
)
