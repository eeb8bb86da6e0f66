"""A BIDS tree that is made in the tests: speech that nobody spoke, and EEG that follows it, written as BDF."""

from __future__ import annotations

import gzip
import io

import edfio
import numpy as np
from scipy.signal import resample_poly

from harness.features.envelope import envelope
from harness.preprocessing.recipe import load_recipe

AUDIO_RATE_HZ = 16000
RATE_HZ = 256
LEAD_SECONDS = 3.0  # EEG before the stimulus
TAIL_SECONDS = 4.0
STATUS_REST, STATUS_TRIGGER = 65537, 65601  # bit 16 is the amplifier's own
CHANNELS = load_recipe("sparrkulee").channels.names


def speech(seconds, seed):
    """Noise with the loudness of syllables, (n_samples,) float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    loudness = np.convolve(rng.standard_normal(round(seconds * 64) + 20), np.hanning(16), mode="same")
    loudness = np.repeat(np.maximum(loudness[10:-10], 0), AUDIO_RATE_HZ // 64)
    return (0.02 * loudness * rng.standard_normal(loudness.size)).astype(np.float32)


def track_of(seconds):
    """A trigger track at 16 kHz: a pulse a second and one at the end, which is no whole second after the last."""
    track = np.zeros(round((seconds + 0.002) * AUDIO_RATE_HZ), np.float32)
    for second in (*range(int(np.ceil(seconds))), seconds):
        track[round(second * AUDIO_RATE_HZ) :][:16] = 1
    return track


def pulses(seconds):
    """When the track has its pulses, seconds."""
    return np.array([*range(int(np.ceil(seconds))), seconds], float)


def brain(audio, seed, *, rate_hz=RATE_HZ, n_channels=64):
    """EEG that follows a sound 100 ms later, in noise, with blinks: (n_channels, n_times) microvolts."""
    rng = np.random.default_rng(seed)
    heard = np.pad(envelope(audio, AUDIO_RATE_HZ)[:, 0].astype(float), (round(LEAD_SECONDS * 64), 0))
    heard = np.pad(heard, (6, round(TAIL_SECONDS * 64) - 6))
    heard = resample_poly(heard - heard.mean(), rate_hz, 64) / heard.std()
    gains = np.random.default_rng(1).standard_normal(n_channels)  # alike in every head
    eeg = 3 * gains[:, None] * heard + 8 * rng.standard_normal((n_channels, heard.size))
    eeg += 2000 * rng.standard_normal((n_channels, 1))  # an amplifier's offsets
    blink = np.zeros(heard.size)
    for start in range(2 * rate_hz, heard.size - rate_hz, 5 * rate_hz):
        blink[start : start + rate_hz // 4] = np.hanning(rate_hz // 4)
    near = [index for index, name in enumerate(CHANNELS[:n_channels]) if name[:2] in ("Fp", "AF")]
    eeg[near] += 120 * blink
    return eeg


def status_of(n_times, times, *, rate_hz=RATE_HZ):
    """A Status channel with triggers of 20 ms at some times, seconds."""
    status = np.full(n_times, STATUS_REST)
    for time in times:
        start = round(time * rate_hz)
        status[start : start + rate_hz // 50] = STATUS_TRIGGER
    return status


def bdf(eeg, status, *, rate_hz=RATE_HZ, names=CHANNELS):
    """Bytes of a BDF file; without a Status channel where ``status`` is None."""
    n_times = eeg.shape[1] // rate_hz * rate_hz
    signals = [
        edfio.BdfSignal(
            row[:n_times], rate_hz, label=name, physical_dimension="uV", physical_range=(-262144, 262143)
        )
        for name, row in zip(names, eeg, strict=True)
    ]
    if status is not None:
        whole = (-8388608, 8388607)
        signals.append(
            edfio.BdfSignal(
                status[:n_times].astype(float),
                rate_hz,
                label="Status",
                physical_dimension="Boolean",
                physical_range=whole,
                digital_range=whole,
            )
        )
    buffer = io.BytesIO()
    edfio.Bdf(signals).write(buffer)
    return buffer.getvalue()


def write_stimulus(root, name, audio, track):
    """The audio and its trigger track, as the dataset has them."""
    folder = root / "stimuli" / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    for file, samples in ((name, audio), (f"t_{name}", track)):
        buffer = io.BytesIO()
        np.savez(buffer, audio=samples, fs=np.int64(AUDIO_RATE_HZ))
        (folder / f"{file}.npz.gz").write_bytes(gzip.compress(buffer.getvalue(), 1, mtime=0))


def write_events(path, rows):
    """An events.tsv; each row is (onset, duration, stim_file)."""
    lines = ["onset\tduration\tstim_file\ttrigger_file\tcondition"]
    for onset, duration, file in rows:
        track = "n/a" if file == "n/a" else file.replace("eeg/", "eeg/t_")
        lines.append(f"{onset}\t{duration}\t{file}\t{track}\tquiet")
    path.write_text("\n".join(lines) + "\n")


def write_recording(
    root, subject, run, content, rows, *, session="ses-01", suffix=".bdf.gz", task="listening"
):
    """A recording and its events.tsv; gives the recording's path."""
    folder = root / subject / session / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{subject}_{session}_task-{task}_run-{run:02d}"
    path = folder / f"{name}_eeg{suffix}"
    path.write_bytes(gzip.compress(content, 1, mtime=0) if suffix.endswith(".gz") else content)
    write_events(folder / f"{name}_events.tsv", rows)
    return path


def listened(seconds, stimulus_seed, subject_seed, *, drift_ppm=0.0, rate_hz=RATE_HZ, skip=()):
    """BDF bytes of somebody who listens; ``skip`` are numbers of triggers that were not recorded."""
    faster = rate_hz * (1 + drift_ppm / 1e6)
    eeg = brain(speech(seconds, stimulus_seed), subject_seed, rate_hz=rate_hz)
    times = (LEAD_SECONDS + pulses(seconds)) * faster / rate_hz
    kept = [time for number, time in enumerate(times) if number not in [i % len(times) for i in skip]]
    return bdf(eeg, status_of(eeg.shape[1], kept, rate_hz=rate_hz), rate_hz=rate_hz)
