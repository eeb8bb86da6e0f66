"""EEG2Mel's CNN behind the predict interface."""

from model import Config, Eeg2Mel

from harness.nn import NetPredictor

BLOCK_SAMPLES = 60 * 125  # 60 segments of 1 s: the release's batch


class Decoder(NetPredictor):
    """The net of the weights file, given EEG as it is: its spectra are not scaled."""

    def __init__(self, setup) -> None:
        super().__init__(setup, Eeg2Mel, Config, BLOCK_SAMPLES, zscored=False)
