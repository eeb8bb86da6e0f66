"""The fingerprint of the data that a score rests on."""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray


class Fingerprint:
    """One sha256 for the EEG and the references of segments: the same data, in whatever layout.

    References enter by their sha256. EEG, a gigabyte and more on a test part, enters by its CRC-32,
    eight times faster: that is enough to tell other data apart, and nobody forges a corpus that the
    scoring side holds itself. Segments may be added in any order; a thread computes the digests
    while the caller goes on.
    """

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str], Future[str]] = {}
        self._thread = ThreadPoolExecutor(1)

    def lacks(self, segment_id: str, what: str) -> bool:
        """Whether a segment's "eeg" or "reference" was not added yet."""
        return (segment_id, what) not in self._digests

    def add_reference(self, segment_id: str, values: NDArray[np.floating]) -> None:
        """Add a segment's reference (n_frames, n_bands), as float32."""
        data = np.ascontiguousarray(values, dtype="<f4")
        digest = self._thread.submit(lambda: hashlib.sha256(data.data).hexdigest())
        self._digests[segment_id, "reference"] = digest

    def add_eeg(self, segment_id: str, values: NDArray[np.floating]) -> None:
        """Add a segment's EEG (n_times, n_channels), as float32."""
        data = np.ascontiguousarray(values, dtype="<f4")
        self._digests[segment_id, "eeg"] = self._thread.submit(lambda: f"{zlib.crc32(data.data):08x}")

    def add_all(self, other: Fingerprint) -> None:
        """Add everything that another fingerprint holds."""
        self._digests |= other._digests

    def hexdigest(self) -> str:
        """The fingerprint of everything added so far."""
        lines = (
            f"{segment_id}\0{what}\0{self._digests[segment_id, what].result()}\n"
            for segment_id, what in sorted(self._digests)
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()
