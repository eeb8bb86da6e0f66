"""Audio in, target features out: the mel spectrogram and the envelope that decoders predict.

Both features have 64 frames a second and are ``(n_times, n_bands)`` float32. Their definitions are
those of the SparrKULee corpus, whose distributed feature files were made with them:

- **mel**: ten Slaney mel bands up to 5 kHz of the power spectrum (`mel`), in two frame rates;
- **envelope**: a bank of 28 gammatone filters, rectified, compressed and summed (`envelope`).

Finer spectra, which are no feature of the challenge and which some decoders are trained on besides, are
`spectra`.

The frames of a mel start where their window starts, so a mel is a few frames shorter than the
envelope of the same audio. All arithmetic avoids threaded matrix products: the same audio gives
the same bytes whatever the number of threads.
"""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.conventions import N_MEL_BANDS, SAMPLE_RATE_HZ
from harness.errors import CorpusError, Fault, ShapeError

Audio = NDArray[np.float32]
Feature = NDArray[np.float32]
MelDefinition = Literal["pipeline", "task"]


# The mel of the SparrKULee pipeline and of the challenge's regression task.
MEL_LOWEST_HZ: Final = 0
MEL_HIGHEST_HZ: Final = 5000
MEL_WINDOW_SECONDS: Final = 0.025
MEL_FRAME_RATE_HZ: Final = {"pipeline": 128, "task": 64}

# The envelope of the SparrKULee pipeline; Biesmans et al. 2017, doi 10.1109/TNSRE.2016.2571900.
GAMMATONE_BANDS: Final = 28
GAMMATONE_LOWEST_HZ: Final = 50.0
GAMMATONE_HIGHEST_HZ: Final = 5000.0
ENVELOPE_POWER: Final = 0.6

# Equivalent rectangular bandwidth, (f / Q + minimum) Hz, and the gammatone's bandwidth in units of
# it; Slaney 1993, Apple Computer Technical Report 35.
ERB_QUALITY: Final = 9.26449
ERB_MINIMUM_HZ: Final = 24.7
GAMMATONE_BANDWIDTH_ERB: Final = 1.019

# The finer spectra that CAT-WaveNet's release trains on, of audio at 16 kHz: 64 frames a second.
SPECTRA_RATE_HZ: Final = 16000
SPECTRA_FFT: Final = 512
SPECTRA_WINDOW: Final = 400
SPECTRA_HOP: Final = 250
SPECTRA_MEL_BANDS: Final = 80
SPECTRA_BANDS: Final = {"mel80": SPECTRA_MEL_BANDS, "magnitude": SPECTRA_FFT // 2 + 1}

# The slowest filter has decayed below float32 resolution after this time.
GAMMATONE_MEMORY_SECONDS: Final = 0.2
# Work sizes: they bound memory and do not change the result.
MEL_BLOCK_FRAMES: Final = 4096
GAMMATONE_BLOCK_SAMPLES: Final = 32768

INT16_SCALE: Final = 1 / 32768


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
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            # An archive is read from its end, which a compressed stream cannot reach but by reading it all.
            content = io.BytesIO(file.read()) if path.suffix == ".gz" else file
            archive = np.load(content, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("one array instead of an archive")
            missing = [key for key in ("audio", "fs") if key not in archive]
            if missing:
                arrived = f"has no key {' or '.join(map(repr, missing))}"
                raise CorpusError(Fault(str(path), arrived, "the keys 'audio' and 'fs'"))
            samples, rate = archive["audio"], archive["fs"]
    except FileNotFoundError as error:
        raise CorpusError(Fault(str(path), "no such file", "the audio of a stimulus")) from error
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
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


def mel(audio: NDArray[Any], sample_rate_hz: int, *, definition: MelDefinition = "pipeline") -> Feature:
    """Mel spectrogram: ten bands of power, 64 frames a second.

    The audio loses its mean; 25 ms Hann windows, zero-padded to the next power of two, give a power
    spectrum, and ten area-normalised Slaney bands from 0 to 5000 Hz weigh it. The signal is not
    padded at its ends, so the last window decides where the mel ends.

    The two definitions differ in their frames. ``pipeline``, which made the distributed files, hops
    at 1/128 s and resamples to 64 Hz; ``task``, the challenge's own function, hops at 1/64 s. Both
    cut the hop to whole samples. Where the sample rate is no multiple of 128 (or 64) the frames
    therefore run ahead of 64 Hz: at 44.1 kHz ``task`` hops by 689 samples instead of 689.06, a
    drift of 82 ms in 15 minutes, and ``pipeline`` by 344 instead of 344.53, 1.4 s in 15 minutes.
    16 and 48 kHz do not drift.

    Args:
        audio: (n_samples,), finite, any scale (the mel scales with its square).
        sample_rate_hz: samples a second, more than 10000.
        definition: ``pipeline`` or ``task``.

    Returns:
        (n_times, 10) float32, power; non-negative for ``task``, and but for the resampling filter's
        ripple for ``pipeline``.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one window.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    import librosa
    from scipy.signal import resample_poly

    n_window = int(MEL_WINDOW_SECONDS * sample_rate_hz)
    n_fft = 1 << (n_window - 1).bit_length()
    samples = _checked(audio, n_fft, sample_rate_hz)
    samples = samples - samples.mean()
    frame_rate_hz = MEL_FRAME_RATE_HZ[definition]
    hop = sample_rate_hz // frame_rate_hz
    weights = librosa.filters.mel(
        sr=sample_rate_hz, n_fft=n_fft, n_mels=N_MEL_BANDS, fmin=MEL_LOWEST_HZ, fmax=MEL_HIGHEST_HZ
    )
    n_frames = (samples.size - n_fft) // hop + 1
    bands = np.empty((n_frames, N_MEL_BANDS), np.float32)
    for first in range(0, n_frames, MEL_BLOCK_FRAMES):
        last = min(first + MEL_BLOCK_FRAMES, n_frames)
        spectrum = librosa.stft(
            samples[first * hop : (last - 1) * hop + n_fft],
            n_fft=n_fft,
            hop_length=hop,
            win_length=n_window,
            window="hann",
            center=False,
        )
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        np.einsum("bf,ft->tb", weights, power, out=bands[first:last], optimize=False)
    if frame_rate_hz != SAMPLE_RATE_HZ:
        bands = resample_poly(bands, SAMPLE_RATE_HZ, frame_rate_hz, axis=0)
    return np.ascontiguousarray(bands, np.float32)


def spectra(audio: NDArray[Any], sample_rate_hz: int) -> dict[str, Feature]:
    """Power spectrum and 80 mel bands, 64 frames a second, as CAT-WaveNet's release trains on.

    Audio of another rate is resampled to 16 kHz. With a hop's 250 zeros before and after it, windows of 25 ms
    (Hann, centred in 512 samples) give the power spectrum, `magnitude`; `mel80` weighs it with 80 bands,
    equally spaced on the HTK scale from 0 to 8000 Hz and area-normalised as Slaney's.

    Args:
        audio: (n_samples,), finite, any scale (both scale with its square).
        sample_rate_hz: samples a second, more than 10000.

    Returns:
        ``mel80`` (n_times, 80) and ``magnitude`` (n_times, 257), float32, non-negative.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one frame.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    import librosa
    from scipy.signal import resample_poly

    samples = _checked(audio, -(-sample_rate_hz // SAMPLE_RATE_HZ), sample_rate_hz)
    if sample_rate_hz != SPECTRA_RATE_HZ:
        common = math.gcd(SPECTRA_RATE_HZ, sample_rate_hz)
        samples = resample_poly(samples, SPECTRA_RATE_HZ // common, sample_rate_hz // common)
    samples = np.pad(samples, SPECTRA_HOP)
    n_frames = (samples.size - SPECTRA_FFT) // SPECTRA_HOP + 1
    magnitude = np.empty((n_frames, SPECTRA_BANDS["magnitude"]), np.float32)
    for first in range(0, n_frames, MEL_BLOCK_FRAMES):
        last = min(first + MEL_BLOCK_FRAMES, n_frames)
        spectrum = librosa.stft(
            samples[first * SPECTRA_HOP : (last - 1) * SPECTRA_HOP + SPECTRA_FFT],
            n_fft=SPECTRA_FFT,
            hop_length=SPECTRA_HOP,
            win_length=SPECTRA_WINDOW,
            window="hann",
            center=False,
        )
        magnitude[first:last] = (np.square(spectrum.real) + np.square(spectrum.imag)).T
    weights = librosa.filters.mel(
        sr=SPECTRA_RATE_HZ, n_fft=SPECTRA_FFT, n_mels=SPECTRA_MEL_BANDS, htk=True, norm="slaney"
    )
    mel80 = np.einsum("bf,tf->tb", weights, magnitude, optimize=False)
    return {"mel80": mel80, "magnitude": magnitude}


def envelope(audio: NDArray[Any], sample_rate_hz: int) -> Feature:
    """Speech envelope as the ear's filters give it, 64 frames a second.

    Each of 28 gammatone bands, equally spaced on the ERB scale from 50 to 5000 Hz, is rectified and
    raised to the power 0.6 (the ear compresses), the bands are summed, and the sum is resampled.

    Args:
        audio: (n_samples,), finite, any scale.
        sample_rate_hz: samples a second, more than 10000.

    Returns:
        (n_times, 1) float32 with ``n_times = ceil(n_samples * 64 / sample_rate_hz)``.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one frame.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    from scipy import fft
    from scipy.signal import resample_poly

    samples = _checked(audio, -(-sample_rate_hz // SAMPLE_RATE_HZ), sample_rate_hz)
    responses = _gammatone_responses(sample_rate_hz)
    n_memory = responses.shape[1]
    n_fft = fft.next_fast_len(GAMMATONE_BLOCK_SAMPLES + n_memory - 1, real=True)
    transfer = fft.rfft(responses, n_fft)
    total = np.empty(samples.size)
    # Overlap-save: every block is preceded by as many samples as the filters remember.
    for first in range(0, samples.size, GAMMATONE_BLOCK_SAMPLES):
        start = max(first - n_memory + 1, 0)
        block = samples[start : first + GAMMATONE_BLOCK_SAMPLES]
        filtered = fft.irfft(fft.rfft(block, n_fft) * transfer, n_fft)
        bands = np.abs(filtered[:, first - start : block.size])
        # A power by logarithm is three times as fast in float32; the tiny offset keeps log finite.
        np.log(np.maximum(bands, np.float32(1e-30), out=bands), out=bands)
        np.exp(np.multiply(bands, np.float32(ENVELOPE_POWER), out=bands), out=bands)
        bands.sum(axis=0, dtype=np.float64, out=total[first : first + GAMMATONE_BLOCK_SAMPLES])
    resampled = resample_poly(total, SAMPLE_RATE_HZ, sample_rate_hz)
    return resampled.astype(np.float32)[:, np.newaxis]


def _gammatone_responses(sample_rate_hz: int) -> Audio:
    """Impulse responses of the gammatone bank, (28, n_samples), each with gain 1 at its centre.

    A fourth-order gammatone is a cascade of four two-pole sections that share their poles and have
    one zero each (Slaney 1993, equations on pages 35 and 36).
    """
    from scipy.signal import sosfilt

    # Centres equally spaced in log(f + Q * minimum), which is the ERB scale.
    offset = ERB_QUALITY * ERB_MINIMUM_HZ
    centres_hz = (
        np.geomspace(GAMMATONE_LOWEST_HZ + offset, GAMMATONE_HIGHEST_HZ + offset, GAMMATONE_BANDS) - offset
    )
    bandwidth_hz = GAMMATONE_BANDWIDTH_ERB * (centres_hz / ERB_QUALITY + ERB_MINIMUM_HZ)
    angle = 2 * np.pi * centres_hz / sample_rate_hz
    decay = np.exp(-2 * np.pi * bandwidth_hz / sample_rate_hz)

    impulse = np.zeros(round(GAMMATONE_MEMORY_SECONDS * sample_rate_hz))
    impulse[0] = 1
    responses = np.empty((GAMMATONE_BANDS, impulse.size))
    zero_factors = [side * np.sqrt(3 + root * 2**1.5) for side in (1, -1) for root in (1, -1)]
    for band, (phi, radius) in enumerate(zip(angle, decay, strict=True)):
        poles = [1, -2 * radius * np.cos(phi), radius**2]
        zeros = [radius * (np.cos(phi) + factor * np.sin(phi)) for factor in zero_factors]
        sections = np.array([[1, -zero, 0, *poles] for zero in zeros])
        centre = np.exp(-1j * phi) ** np.arange(3)
        gain = np.abs(np.prod((sections[:, :3] @ centre) / (sections[:, 3:] @ centre)))
        sections[0, :3] /= gain
        responses[band] = sosfilt(sections, impulse)
    return responses.astype(np.float32)


def _checked(audio: NDArray[Any], n_least: int, sample_rate_hz: int) -> Audio:
    """Audio as float32; refuses another shape, too few samples, a low rate, broken numbers."""
    if sample_rate_hz <= 2 * MEL_HIGHEST_HZ:
        raise CorpusError(
            Fault(
                "audio",
                f"a sample rate of {sample_rate_hz} Hz",
                f"more than {2 * MEL_HIGHEST_HZ} Hz, for bands up to {MEL_HIGHEST_HZ} Hz",
            )
        )
    samples = np.asarray(audio)
    if samples.ndim != 1:
        raise _wrong_shape("audio", samples.shape)
    if samples.size < n_least:
        raise ShapeError(
            Fault(
                "audio",
                f"{samples.size} samples at {sample_rate_hz} Hz",
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
                f"{n_broken} of {samples.size} samples are NaN or infinite, the first at {first}",
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
