"""Names, bands and rates of the features that come with the harness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# EEG and features have one rate; the corpora are distributed at it (SparrKULee, DTU).
SAMPLE_RATE_HZ: Final = 64
N_MEL_BANDS: Final = 10
FEATURE_BANDS: Final[Mapping[str, int]] = {"mel": N_MEL_BANDS, "envelope": 1}
