"""DMF2Mel behind the predict interface."""

from model import NETS, Config

from harness.nn import NetPredictor

BLOCK_SAMPLES = 8 * 640  # 8 windows of 10 s at 64 Hz: 42 MB for the paper's widest activation


class Decoder(NetPredictor):
    """The net of the weights file, window by window; each window is z-scored by itself.

    A subject that the net has not learned gets the mean of the learned embeddings.
    """

    def __init__(self, setup) -> None:
        super().__init__(setup, NETS[setup.variant], Config, BLOCK_SAMPLES)
