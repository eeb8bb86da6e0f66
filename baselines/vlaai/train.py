"""How VLAAI is trained.

Our deviations: in the preset `paper`, every window is z-scored by itself (`zscore`): the authors z-score
whole recordings. How long the paper's net waits before it stops is not said, and here as in the challenge's
code.

`compact` does that too (`zscore`), and trains a small net in minutes on random crops (`epochs`, `batch_size`,
`crops`, `hop_seconds`, `crop_seconds`, `learning_rate`, `schedule`, `warmup_epochs`, `average_every`,
`patience`), leaving no batch out (`drop_last`).
"""

from dataclasses import replace

from model import PRESETS, Vlaai

from harness.training.recipe import Recipe, compact
from harness.training.system import NetSystem

# The paper: -r alone, Adam as Keras has it at 1e-3, windows of 5 s that start every second, early stopping.
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
    drop_last=True,
    patience=10,
)
CHALLENGE = replace(PAPER, epochs=100, batch_size=10)
RECIPES = {
    "paper": PAPER,
    "compact": compact(
        PAPER,
        crops="random",
        hop_seconds=None,
        crops_per_recording=6,
        patience=None,
    ),
}
# Longer kernels see more of the zeros at a window's end, so their windows are longer.
LONGER = {
    "paper": CHALLENGE,
    "compact": replace(RECIPES["compact"], crop_seconds=10.0, crops_per_recording=3, learning_rate=1e-3),
}
SYSTEM = NetSystem(
    nets=dict.fromkeys(PRESETS, Vlaai),
    configs=PRESETS,
    recipes=RECIPES,
    variant_recipes={"challenge": LONGER},
)
