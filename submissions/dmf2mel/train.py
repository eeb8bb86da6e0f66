"""How DMF2Mel is trained.

Our deviations: none in the preset `paper`; README.md has the values beside the release's.

`compact` trains a small net in minutes (`epochs`, `batch_size`, `crop_seconds`, `crops_per_recording`,
`learning_rate`, `schedule`, `warmup_epochs`, `gradient_clip`), leaves no batch out (`drop_last`), is scaled
alike on every corpus (`zscore`), and chooses on the validation part (`average_every`, `keep`, `save_every`).
"""

from model import NETS, PRESETS

from harness.training.recipe import Recipe, compact_in_short_crops
from harness.training.system import NetSystem

# The release: the recipe's defaults (Adam at 5e-4, a tenth less every 50 epochs, one random crop of 10 s from
# every recording) with -r + 0.5 L1 + 0.1 InfoNCE.
PAPER = Recipe(
    epochs=2000,
    batch_size=16,
    crop_seconds=10.0,
    fixed_length=True,
    losses={"pearson": 1.0, "l1": 0.5, "info_nce": 0.1},
    info_nce_temperature=0.1,
    drop_last=True,
    zscore=False,
    keep="last",
    save_every=10,
)
RECIPES = {
    "paper": PAPER,
    "compact": compact_in_short_crops(PAPER, epochs=28),
}
SYSTEM = NetSystem(
    nets=NETS, configs=dict.fromkeys(NETS, PRESETS), recipes=RECIPES, one_output=("broadcast",)
)
