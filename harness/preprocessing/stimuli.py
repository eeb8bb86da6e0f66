"""Features of the stimuli of a BIDS folder, from their audio by the names of `DEFINITIONS`."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault, counted, some_of
from harness.features.audio import LoadedAudio, load_audio, unzipped
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ
from harness.files import open_regular

# Containers that begin with their size, and in which order its bytes are.
_SIZED: Final[Mapping[bytes, Literal["little", "big"]]] = {b"RIFF": "little", b"RIFX": "big", b"FORM": "big"}
_UNKNOWN_SIZE: Final = 0x7FFFFFF0
_MPEG_FRAME: Final = 1152  # samples; headers of MP3 are exact to this
_OGG_PAGE: Final = b"OggS"
_MOST_PAGE_BYTES: Final = 65307


@dataclass(frozen=True)
class Definition:
    """How a feature is made.

    Attributes:
        n_bands: numbers a frame.
        title: in words.
    """

    n_bands: int
    title: str


# Mel definitions by name, and the envelope. All have 64 frames a second.
DEFINITIONS: Final[Mapping[str, Definition]] = {
    "mel": Definition(N_MEL_BANDS, "Mel spectrogram, 10 bands of power up to 5 kHz (the challenge's)"),
    "mel-28": Definition(
        28, "Mel spectrogram, 28 HTK bands, hamming 25 ms, power 0.6 (the public pipeline's)"
    ),
    "envelope": Definition(1, "Envelope: 28 gammatone bands, power 0.6, summed"),
}
MEL_NAMES: Final = ("mel", "mel-28")


@dataclass(frozen=True)
class MadeFeatures:
    """Features of one stimulus.

    Attributes:
        seconds: how long the audio is; None where it is not there.
        features: name -> (n_times, n_bands) float32.
        remarks: what a user should know of them.
    """

    seconds: float | None
    features: Mapping[str, NDArray[np.float32]]
    remarks: tuple[str, ...]


def read_audio(path: Path) -> tuple[LoadedAudio, str]:
    """Audio of the dataset's kind (``.npz``) or of a common format, gzipped or not; a remark, or "".

    The channels of a stereo file are averaged.

    Raises:
        CorpusError: not readable, without samples, or shorter than it says of itself.
        ShapeError: an ``.npz`` whose audio has more than one axis.
    """
    if path.name.removesuffix(".gz").endswith(".npz"):
        return load_audio(path), ""
    import soundfile

    try:
        with open_regular(path) as file:
            stream = unzipped(file) if path.suffix == ".gz" else file
            lacking = missing_bytes(stream)
            with soundfile.SoundFile(stream) as sound:
                samples = sound.read(dtype="float32", always_2d=True)
                rate_hz, n_frames = sound.samplerate, sound.frames
    except (soundfile.SoundFileError, OSError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "error_string", "") or str(error)
        raise CorpusError(
            Fault(str(path), f"cannot be read ({reason})", "an audio file", "Copy it again.")
        ) from None
    arrived = f"{lacking} bytes less than its header says" if lacking else ""
    if len(samples) < n_frames - _MPEG_FRAME:
        arrived = f"{some_of(len(samples), n_frames, 'sample')} that its header says"
    if arrived:
        raise CorpusError(Fault(str(path), arrived, "a whole file", "It is truncated: copy it again."))
    if not samples.size:
        raise CorpusError(Fault(str(path), "no samples", "audio"))
    remark = f"{path.name}: {samples.shape[1]} audio channels averaged" if samples.shape[1] > 1 else ""
    return LoadedAudio(samples.mean(axis=1, dtype=np.float32), int(rate_hz)), remark


def missing_bytes(stream: IO[bytes]) -> int:
    """How many bytes a WAV, AIFF or Ogg file lacks by what stands in it; 0 for others, and for none.

    Their reader takes what there is for the whole. A size of all ones, or none, is that of a stream whose
    length was not known.
    """
    head = stream.read(12)
    n_bytes = stream.seek(0, os.SEEK_END)
    wanted = 0
    if head[:4] in _SIZED:
        size = int.from_bytes(head[4:8], _SIZED[head[:4]])
        wanted = size + 8 if size < _UNKNOWN_SIZE else 0
    elif head[:4] == _OGG_PAGE:
        stream.seek(max(n_bytes - 2 * _MOST_PAGE_BYTES, 0))
        tail = stream.read()
        last = tail[tail.rfind(_OGG_PAGE) :]
        segments = last[27 : 27 + last[26]] if len(last) > 26 else b""
        wanted = n_bytes - len(last) + 27 + len(segments) + sum(segments)
    stream.seek(0)
    return wanted - n_bytes if wanted > n_bytes + 1 else 0  # some writers count a byte of padding


def make_features(path: Path, names: tuple[str, ...]) -> MadeFeatures:
    """Compute features of one stimulus.

    Args:
        path: the audio.
        names: of `DEFINITIONS`.

    Raises:
        CorpusError, ShapeError: the audio cannot be used; the message names the file.
    """
    from harness.errors import HarnessError
    from harness.features.envelope import envelope
    from harness.features.mel28 import mel_28, n_silent_bands
    from harness.features.spectrograms import mel

    functions: dict[str, Any] = {"mel": mel, "mel-28": mel_28, "envelope": envelope}
    (audio, rate_hz), remark = read_audio(path)
    remarks = [remark] if remark else []
    if rate_hz % SAMPLE_RATE_HZ:
        remarks.append(f"{path.name}: {rate_hz} Hz is no multiple of 64, mel frames run a little ahead")
    n_silent = n_silent_bands(rate_hz) if "mel-28" in names else 0
    if n_silent:
        are = "is" if n_silent == 1 else "are"
        remarks.append(f"{path.name}: {counted(n_silent, 'band')} of mel-28 {are} silent at {rate_hz} Hz")
    try:
        features = {name: functions[name](audio, rate_hz) for name in names}
    except HarnessError as error:
        raise type(error)(
            *(
                Fault(f"{path.name}: {fault.where}", fault.arrived, fault.expected, fault.remedy)
                for fault in error.faults
            )
        ) from None
    return MadeFeatures(audio.size / rate_hz, features, tuple(remarks))
