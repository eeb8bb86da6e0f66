"""DPRNN behind the predict interface."""

from model import Config, Dprnn

from harness.nn import NetPredictor

# 8 segments of 30 s at 64 Hz: every sample is in two chunks, 33 MB for each LSTM's output.
BLOCK_SAMPLES = 8 * 1920


class Decoder(NetPredictor):
    """The net of the weights file, window by window; each window is z-scored by itself."""

    def __init__(self, setup) -> None:
        super().__init__(setup, Dprnn, Config, BLOCK_SAMPLES, takes_shorter=True)
