"""A laboratory's own corpus, made for tests: a folder of arrays, its corpus.toml, and a split for it.

By default 12 subjects ``P01`` to ``P12``, 128 channels at 100 Hz, two stories of 20 s, and the features
``envelope`` and ``pitch``. The EEG follows the envelope, weakly, so that a decoder learns something.
"""

import json

import numpy as np

from harness.tasks.splits import load_split

SUBJECTS = tuple(f"P{number:02d}" for number in range(1, 13))
STIMULI = ("story-a", "story-b")
TOML = """\
name = "my-lab"
title = "Two stories, heard by twelve people"
licence = "CC BY 4.0"
citation = "A. Author 2026, doi:10.1000/xyz"
kind = "real"
sample_rate_hz = {rate:g}

[channels]
count = {n_channels}

[eeg]
files = "eeg/{{subject}}_{{stimulus}}.npy"

[features.envelope]
title = "Envelope of the speech"
bands = 1
files = "features/{{stimulus}}_envelope.npy"

[features.pitch]
title = "Pitch of the voice"
bands = 1
frame_rate_hz = {pitch_rate:g}
files = "features/{{stimulus}}_pitch.npy"
"""
SPLIT = {
    "name": "my-lab",
    "title": "Unseen subjects",
    "corpora": ["my-lab"],
    "features": ["envelope", "pitch"],
    "sample_rate_hz": 100,
    "segment_seconds": 5,
    "cut": "whole-recordings",
    "parts": {
        "train": {"subjects": list(SUBJECTS[:7])},
        "val": {"subjects": list(SUBJECTS[7:9])},
        "test": {"subjects": list(SUBJECTS[9:])},
    },
}


def make_arrays(folder, *, n_channels=128, rate=100, pitch_rate=None, seconds=20.0, subjects=SUBJECTS):
    """Write ``eeg/<subject>_<stimulus>.npy`` and ``features/<stimulus>_<feature>.npy``; gives the folder."""
    rng = np.random.default_rng(20260202)
    pitch_rate = pitch_rate or rate
    n_times = round(seconds * rate)
    for name in ("eeg", "features"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pattern = rng.standard_normal(n_channels).astype(np.float32)
    for stimulus in STIMULI:
        smooth = np.convolve(rng.standard_normal(n_times + 20), np.hanning(12), mode="same")[:n_times]
        envelope = np.abs(smooth).astype(np.float32)
        pitch = (100 + 20 * np.sin(np.arange(round(seconds * pitch_rate)) / 9)).astype(np.float32)
        np.save(folder / "features" / f"{stimulus}_envelope.npy", envelope[:, None])
        np.save(folder / "features" / f"{stimulus}_pitch.npy", pitch[:, None])
        for subject in subjects:
            eeg = 2 * rng.standard_normal((n_times, n_channels), dtype=np.float32)
            eeg += np.roll(envelope, rate // 10)[:, None] * pattern
            np.save(folder / "eeg" / f"{subject}_{stimulus}.npy", eeg.astype(np.float16))
    return folder


def make_own_corpus(folder, *, n_channels=128, rate=100, pitch_rate=None, **sizes):
    """A folder with arrays and the corpus.toml that declares them; gives the folder."""
    make_arrays(folder, n_channels=n_channels, rate=rate, pitch_rate=pitch_rate, **sizes)
    text = TOML.format(rate=rate, n_channels=n_channels, pitch_rate=pitch_rate or rate)
    (folder / "corpus.toml").write_text(text)
    return folder


def write_split(path, **changes):
    """Write the split, its name that of the file; ``changes`` replaces keys."""
    document = {**SPLIT, "name": path.stem, **changes}
    path.write_text(json.dumps(document, indent=1))
    return path


def own_split(path, **changes):
    """As :func:`write_split`, loaded."""
    return load_split(write_split(path, **changes))
