"""ConvConcatNet behind the predict interface."""

from model import Config, ConvConcatNet

from harness.nn import NetPredictor

# 8 segments of 30 s at 64 Hz: 16 MB for the widest of the described net's activations.
BLOCK_SAMPLES = 8 * 1920


class Decoder(NetPredictor):
    """The net of the weights file; each segment is z-scored by itself."""

    def __init__(self, setup) -> None:
        super().__init__(setup, ConvConcatNet, Config, BLOCK_SAMPLES)
