"""A picture of each recording: its channels, its spectrum, and where it fits its feature."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from harness.conventions import Progress
from harness.corpus.base import Corpus, Recording
from harness.errors import Fault, UsageError
from harness.tasks.alignment import FOUND_Z
from harness.tasks.quality import WILD_FACTOR, CorpusQuality, Quality


def draw(corpus: Corpus, found: CorpusQuality, folder: Path, on_progress: Progress | None = None) -> int:
    """Write ``<recording>.png`` for every recording of a corpus.

    Args:
        corpus: opened.
        found: what was seen in it.
        folder: made where it is missing; pictures that are there are written anew.
        on_progress: told (done, total).

    Returns:
        how many were written.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            Fault(
                "--pictures",
                "matplotlib is not installed",
                remedy="pip install 'eeg-speech-harness[figures]'",
            )
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    for done, (recording, one) in enumerate(zip(corpus.recordings, found.recordings, strict=True), start=1):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        _draw(figure, recording, one, corpus.declaration.sample_rate_hz)
        figure.savefig(folder / f"{re.sub('[^A-Za-z0-9._-]', '_', one.recording)}.png", dpi=100)
        if on_progress:
            on_progress(done, len(corpus.recordings))
    return len(corpus.recordings)


def _draw(figure: Any, recording: Recording, one: Quality, sample_rate_hz: float) -> None:
    from scipy.signal import welch

    eeg = recording.eeg_series.read(0, recording.eeg_series.n_times).astype(np.float64)
    eeg = np.where(np.isfinite(eeg), eeg, 0.0)
    channels, spectrum, fit = figure.subplots(1, 3)
    figure.suptitle(f"{one.recording}: {'; '.join(one.remarks) or 'nothing to look at'}", fontsize=9)
    deviation = eeg.std(axis=0)
    median = float(np.median(deviation))
    channels.bar(np.arange(1, len(deviation) + 1), deviation, color="#4477AA")
    channels.set(xlabel="EEG channel", ylabel="standard deviation")
    if median > 0:
        channels.axhline(WILD_FACTOR * median, color="#CC6677", linestyle="--", label="wildly scaled")
        channels.set_yscale("log")
        channels.legend(fontsize=8)
    frequencies, power = welch(
        eeg, fs=sample_rate_hz, nperseg=min(len(eeg), round(4 * sample_rate_hz)), axis=0
    )
    low, middle, high = np.percentile(power[1:], [0, 50, 100], axis=1)
    spectrum.fill_between(frequencies[1:], low, high, color="#DDDDDD", label="all channels")
    spectrum.plot(frequencies[1:], middle, color="#4477AA", label="median channel")
    if high.max() > 0:
        spectrum.set_yscale("log")
    spectrum.set(xlabel="frequency (Hz)", ylabel="power density")
    spectrum.legend(fontsize=8)
    if one.alignment is None:
        fit.text(0.5, 0.5, "alignment not looked for", ha="center", transform=fit.transAxes)
        fit.set_axis_off()
        return
    fit.plot(*zip(*one.alignment.curve, strict=True), color="#4477AA")
    fit.axhline(FOUND_Z, color="#CC6677", linestyle="--", label="an answer is found")
    fit.set(xlabel=f"EEG later than {one.alignment.feature} by (ms)", ylabel="z against far shifts")
    fit.legend(fontsize=8)
