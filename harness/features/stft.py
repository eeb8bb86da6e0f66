"""Short-time spectra of long audio, block by block: memory stays bounded, and the numbers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Frames a block. It bounds memory and does not change the result.
BLOCK_FRAMES: Final = 4096


@dataclass(frozen=True)
class Frames:
    """How audio is cut into frames. A frame starts where its window's zero-padded stretch starts.

    Attributes:
        n_fft: samples of a frame, zeros at both ends of the window among them.
        hop: samples from one frame to the next.
        n_window: samples of the window, in the middle of a frame.
        window: the window's name, or its samples.
    """

    n_fft: int
    hop: int
    n_window: int
    window: str | NDArray[Any] = "hann"

    def count(self, n_samples: int) -> int:
        """How many whole frames fit; the ends are not padded."""
        return (n_samples - self.n_fft) // self.hop + 1

    def spectra(self, samples: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.complexfloating[Any, Any]]]]:
        """Which frames, and their spectra (n_fft / 2 + 1, n_frames of the block), complex.

        Args:
            samples: (n_samples,), one frame or more.
        """
        import librosa

        n_frames = self.count(samples.size)
        for first in range(0, n_frames, BLOCK_FRAMES):
            last = min(first + BLOCK_FRAMES, n_frames)
            block = samples[first * self.hop : (last - 1) * self.hop + self.n_fft]
            yield (
                slice(first, last),
                librosa.stft(
                    block,
                    n_fft=self.n_fft,
                    hop_length=self.hop,
                    win_length=self.n_window,
                    window=self.window,
                    center=False,
                ),
            )


def power(spectrum: NDArray[np.complexfloating[Any, Any]]) -> NDArray[Any]:
    """The square of a spectrum's magnitude, without a root between."""
    squared: NDArray[Any] = np.square(spectrum.real) + np.square(spectrum.imag)
    return squared
