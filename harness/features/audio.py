"""Audio as features are computed from it: decoded, mono, checked."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import npy
from harness.errors import CorpusError, Fault, ShapeError, counted, some_of
from harness.files import open_regular

Audio = NDArray[np.float32]
Feature = NDArray[np.float32]
MEL_HIGHEST_HZ: Final = 5000
INT16_SCALE: Final = 1 / 32768
MOST_AUDIO_BYTES: Final = 2 << 30


class LoadedAudio(NamedTuple):
    """Audio and its rate.

    Attributes:
        audio: (n_samples,) float32; full scale is 1.
        sample_rate_hz: samples a second.
    """

    audio: Audio
    sample_rate_hz: int


def load_audio(path: Path) -> LoadedAudio:
    """Read the audio of one stimulus, ``<stimulus>.npz`` with the keys ``audio`` and ``fs``.

    SparrKULee's own files are compressed as a whole, ``<stimulus>.npz.gz``, and are read as well.
    int16 samples are scaled so that full scale is 1; floating-point samples are taken as they are.

    Args:
        path: the file.

    Raises:
        CorpusError: the file is missing, is no npz, lacks a key, its rate is no positive whole
            number, or its samples are of another type.
        ShapeError: the audio is not one-dimensional.
    """
    try:
        with open_regular(path) as file:
            # An archive is read from its end, so a compressed stream must be unpacked whole first.
            content = unzipped(file) if path.suffix == ".gz" else file
            arrays = npy.read_npz(content, MOST_AUDIO_BYTES)
        missing = [key for key in ("audio", "fs") if key not in arrays]
        if missing:
            arrived = f"has no key {' or '.join(map(repr, missing))}"
            raise CorpusError(Fault(str(path), arrived, "the keys 'audio' and 'fs'"))
        samples, rate = arrays["audio"], arrays["fs"]
    except FileNotFoundError as error:
        raise CorpusError(Fault(str(path), "no such file", "the audio of a stimulus")) from error
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CorpusError(
            Fault(str(path), f"cannot be read ({error})", "an .npz file", "Copy it again.")
        ) from error
    if rate.size != 1 or rate.dtype.kind not in "iuf" or rate <= 0 or rate != np.round(rate):
        raise CorpusError(Fault(str(path), f"fs is {rate!r}", "one positive whole number of Hz"))
    if samples.ndim != 1:
        raise _wrong_shape(str(path), samples.shape)
    if samples.dtype != np.int16 and samples.dtype.kind != "f":
        raise CorpusError(Fault(str(path), f"audio of type {samples.dtype}", "int16 or floating point"))
    scale = np.float32(INT16_SCALE if samples.dtype == np.int16 else 1)
    return LoadedAudio(samples.astype(np.float32) * scale, int(rate.item()))


def unzipped(file: IO[bytes]) -> io.BytesIO:
    """What a file holds that was compressed as a whole.

    Raises:
        OSError, EOFError, zlib.error: it is broken, or ends early.
        ValueError: it holds more than audio does.
    """
    with gzip.open(file) as stream:
        data = stream.read(MOST_AUDIO_BYTES + 1)
    if len(data) > MOST_AUDIO_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_AUDIO_BYTES} bytes")
    return io.BytesIO(data)


def checked_audio(
    audio: NDArray[Any], n_least: int, sample_rate_hz: int, least_rate_hz: int = 2 * MEL_HIGHEST_HZ
) -> Audio:
    """Audio as float32, checked before a feature is computed from it.

    Args:
        audio: (n_samples,), of any type of number.
        n_least: how many samples it must have: one window, or one frame.
        sample_rate_hz: samples a second.
        least_rate_hz: the rate must be above it.

    Raises:
        ShapeError: the audio is not one-dimensional, or has fewer samples.
        CorpusError: it has NaN or infinite samples, or a rate that is too low for the highest band.
    """
    if sample_rate_hz <= least_rate_hz:
        raise CorpusError(
            Fault(
                "audio",
                f"a sample rate of {sample_rate_hz} Hz",
                f"more than {least_rate_hz} Hz, for bands up to {least_rate_hz // 2} Hz",
            )
        )
    samples = np.asarray(audio)
    if samples.ndim != 1:
        raise _wrong_shape("audio", samples.shape)
    if samples.size < n_least:
        raise ShapeError(
            Fault(
                "audio",
                f"{counted(samples.size, 'sample')} at {sample_rate_hz} Hz",
                f"at least {n_least}, one window",
            )
        )
    samples = samples.astype(np.float32)
    n_broken = samples.size - int(np.count_nonzero(np.isfinite(samples)))
    if n_broken:
        first = int(np.argmin(np.isfinite(samples)))
        raise CorpusError(
            Fault(
                "audio",
                f"{some_of(n_broken, samples.size, 'sample', 'is', 'are')} NaN or infinite,"
                f" the first at {first}",
                "finite samples",
                "Read the audio again from its source.",
            )
        )
    return samples


def _wrong_shape(where: str, shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        Fault(
            where,
            f"shape {shape}",
            "(n_samples,), one audio channel",
            "Average the channels of a stereo recording, or take one.",
        )
    )
