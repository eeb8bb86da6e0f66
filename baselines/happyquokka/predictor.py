"""HappyQuokka behind the predict interface."""

from model import NETS

from harness.nn import NetPredictor

BLOCK_SAMPLES = 24 * 640  # 24 windows of 10 s at 64 Hz: 63 MB for the paper's widest activation


class Decoder(NetPredictor):
    """The net of the weights file, window by window; each window is z-scored by itself.

    A subject that the net has not learned gets the mean of the learned embeddings.
    """

    def __init__(self, setup) -> None:
        super().__init__(setup, *NETS[setup.variant], BLOCK_SAMPLES, takes_shorter=True)
