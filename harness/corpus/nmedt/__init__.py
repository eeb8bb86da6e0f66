"""NMED-T read in place: cleaned EEG of people who listen to ten songs, and the audio that a user brings."""

from harness.corpus.nmedt.audio import AudioChoice
from harness.corpus.nmedt.open import open_nmedt
from harness.corpus.nmedt.songs import LAYOUT

__all__ = ["LAYOUT", "AudioChoice", "open_nmedt"]
