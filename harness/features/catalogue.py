"""What the features computed in this folder have in common: the rate, and the bands of the mel spectrogram.

The features of a corpus stand in its declaration (``harness.corpus.declaration``).
"""

from __future__ import annotations

from typing import Final

# The corpora are distributed at this rate (SparrKULee, DTU).
SAMPLE_RATE_HZ: Final = 64
N_MEL_BANDS: Final = 10
