"""How EEG2Mel's CNN is trained."""

from model import PRESETS, Eeg2Mel

from harness.training.recipe import Recipe, compact_for_segments
from harness.training.system import NetSystem

# The release: mean squared error, Adam as Keras has it at 1.5e-3, batches of 60, 200 epochs, every second
# of music once an epoch. It validates on its test part; here the epoch is chosen on the validation part.
PAPER = Recipe(
    epochs=200,
    batch_size=60,
    crop_seconds=1.0,
    crops="windows",
    zscore=False,
    losses={"mse": 1.0},
    learning_rate=1.5e-3,
    betas=(0.9, 0.999),
    eps=1e-7,
    schedule="constant",
)
SYSTEM = NetSystem(
    nets=dict.fromkeys(PRESETS, Eeg2Mel),
    configs=PRESETS,
    recipes={"paper": PAPER, "compact": compact_for_segments(PAPER)},
)
