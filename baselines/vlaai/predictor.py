"""VLAAI behind the predict interface."""

from model import Config, Vlaai

from harness.nn import NetPredictor

BLOCK_SAMPLES = 8 * 1920  # 8 segments of 30 s at 64 Hz: 16 MB for each of the paper's activations


class Decoder(NetPredictor):
    """The net of the weights file; each segment is z-scored by itself."""

    def __init__(self, setup) -> None:
        super().__init__(setup, Vlaai, Config, BLOCK_SAMPLES)
