"""How the music study's transformer is trained."""

from model import PRESETS, MusicTransformer

from harness.training.recipe import Recipe, compact_for_segments
from harness.training.system import NetSystem

# The study gives no recipe. EEG2Mel's (mean squared error, Adam, batches of 60, 200 epochs), at a rate that a
# transformer bears, with warm-up and scheduled sampling.
PAPER = Recipe(
    epochs=200,
    batch_size=60,
    crop_seconds=1.0,
    crops="windows",
    zscore=False,
    losses={"mse": 1.0},
    teacher_forcing="linear",
    learning_rate=5e-4,
    betas=(0.9, 0.98),
    eps=1e-9,
    schedule="constant",
    warmup_epochs=5,
    gradient_clip=1.0,
)
SYSTEM = NetSystem(
    nets=dict.fromkeys(PRESETS, MusicTransformer),
    configs=PRESETS,
    recipes={"paper": PAPER, "compact": compact_for_segments(PAPER)},
)
