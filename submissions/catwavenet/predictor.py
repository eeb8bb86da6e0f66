"""CAT-WaveNet behind the predict interface."""

from model import Config, net_of

from harness.nn import NetPredictor

BLOCK_SAMPLES = 8 * 1920  # 8 segments of 30 s at 64 Hz: 16 MB for the widest activation, 256 channels


class Decoder(NetPredictor):
    """The net of the weights file, window by window; each window is z-scored by itself.

    The file holds every stage that was trained; prediction ends with the feature's.
    """

    def __init__(self, setup) -> None:
        super().__init__(setup, net_of(setup.variant, setup.feature), Config, BLOCK_SAMPLES)
        self.net = self.net.for_prediction()
