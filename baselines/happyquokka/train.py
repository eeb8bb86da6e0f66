"""How HappyQuokka is trained.

Our deviations: none in the preset `paper`; README.md has the values beside the release's.

`compact` trains a small net in minutes (`epochs`, `batch_size`, `crops_per_recording`, `learning_rate`,
`schedule`, `warmup_epochs`), leaves no batch out (`drop_last`), is scaled alike on every corpus (`zscore`),
and chooses on the validation part (`average_every`, `keep`, `save_every`).
"""

from model import NETS, PRESETS

from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# The release: the recipe's own defaults (Adam at 5e-4, a tenth less every 50 epochs, -r + 0.2 L1), one
# random crop of 10 s from every recording, nothing scaled and nothing chosen.
PAPER = Recipe(
    epochs=1000,
    batch_size=64,
    crop_seconds=10.0,
    fixed_length=True,
    drop_last=True,
    zscore=False,
    keep="last",
    save_every=10,
)
RECIPES = {"paper": PAPER, "compact": compact(PAPER)}
SYSTEM = NetSystem(
    nets={variant: net for variant, (net, _) in NETS.items()}, configs=PRESETS, recipes=RECIPES
)
