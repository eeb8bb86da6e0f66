"""How SSM2Mel is trained."""

from model import NETS, PRESETS

from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# The release: the recipe's own defaults (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1), one
# random crop of 10 s from every recording.
PAPER = Recipe(epochs=2000, batch_size=32, crop_seconds=10.0, fixed_length=True)
RECIPES = {
    "paper": PAPER,
    "compact": compact(  # windows of 3 s: a net's weights grow with its window's square
        PAPER,
        batch_size=48,
        crop_seconds=3.0,
        crops_per_recording=10,
        gradient_clip=5.0,
    ),
}
SYSTEM = NetSystem(
    nets={variant: net for variant, (net, _) in NETS.items()}, configs=PRESETS, recipes=RECIPES
)
