"""How ConvConcatNet is trained."""

from model import PRESETS, ConvConcatNet

from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# No recipe is at hand. This is the one that the challenge's releases share, which is the recipe's defaults
# (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1, one random crop of 10 s from every recording).
PAPER = Recipe(epochs=1000, batch_size=64, crop_seconds=10.0)
RECIPES = {"paper": PAPER, "compact": compact(PAPER)}
SYSTEM = NetSystem(nets={"default": ConvConcatNet}, configs={"default": PRESETS}, recipes=RECIPES)
