"""How DPRNN is trained."""

from model import PRESETS, Dprnn

from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# No recipe is published for EEG. This is the one that the challenge's releases share, which is the recipe's
# defaults (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1, one random crop from every recording),
# with the window of 30 s that the split scores, and the DPRNN paper's largest gradient.
PAPER = Recipe(epochs=1000, batch_size=24, crop_seconds=30.0, gradient_clip=5.0)
RECIPES = {"paper": PAPER, "compact": compact(PAPER, crop_seconds=10.0, fixed_length=True)}
SYSTEM = NetSystem(nets={"default": Dprnn}, configs={"default": PRESETS}, recipes=RECIPES)
