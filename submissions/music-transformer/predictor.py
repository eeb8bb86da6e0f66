"""The music study's transformer behind the predict interface."""

from model import Config, MusicTransformer

from harness.nn import NetPredictor

BLOCK_SAMPLES = 60 * 125  # 60 segments of 1 s


class Decoder(NetPredictor):
    """The net of the weights file, given EEG as it is: its spectra are not scaled."""

    def __init__(self, setup) -> None:
        super().__init__(setup, MusicTransformer, Config, BLOCK_SAMPLES, zscored=False)
