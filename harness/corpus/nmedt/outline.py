"""Whether two files hold the same recording, whatever their levels, formats and first samples.

The outline of a song is its loudness in eight groups of frequencies over time, less each group's mean. Two
outlines are slid along each other; one recording comes out near 1 where they meet, and of ten simulated
songs no two are above 0.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAME: Final = 0.9  # the least correlation of one recording with itself in another format
_N_FFT: Final = 1024
_HOP: Final = 512
_N_GROUPS: Final = 8
# Quieter than this share of the song's mean power is as good as silence: noise of encoders lies there.
_FLOOR: Final = 1e-4


def outline(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The outline of a song.

    Args:
        audio: (n_samples,) at 22,050 Hz, not silent.

    Returns:
        (n_frames, 8) natural logarithms of power, each column of mean 0; a frame is 23 ms.
    """
    import librosa

    power = np.square(np.abs(librosa.stft(audio, n_fft=_N_FFT, hop_length=_HOP, pad_mode="constant")))
    edges = np.geomspace(2, len(power), _N_GROUPS + 1).round().astype(int)
    groups = np.stack([power[low:high].sum(axis=0) for low, high in pairwise(edges)], 1)
    levels = np.log(np.maximum(groups, _FLOOR * groups.mean(axis=0)) + np.finfo(np.float32).tiny)
    return np.asarray(levels - levels.mean(axis=0), np.float32)


def likeness(outlines: Mapping[int, NDArray[Any]]) -> dict[tuple[int, int], float]:
    """How alike every two songs are: the highest correlation of their outlines over all shifts, at most 1.

    Args:
        outlines: song -> (n_frames, 8), not necessarily as long as each other.

    Returns:
        (song, later song) -> correlation; 0 where one outline is constant.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = next_fast_len(2 * max((len(one) for one in outlines.values()), default=1), real=True)
    spectra = {song: rfft(one, n, axis=0) for song, one in outlines.items()}
    sizes = {song: float(np.linalg.norm(one)) for song, one in outlines.items()}
    return {
        (one, other): float(irfft((spectra[one] * spectra[other].conj()).sum(axis=1), n).max())
        / (sizes[one] * sizes[other])
        if sizes[one] * sizes[other]
        else 0.0
        for one, other in combinations(outlines, 2)
    }
