"""A segment's prediction against its reference: bands over time, and r of each band."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.segment import Pair
from harness.figures.drawing import Drawing
from harness.figures.style import BLACK, BLUE, CHANCE, GREY, ORANGE, legend_columns
from harness.scoring.chance import are_turned_whole, chance, subject_chance
from harness.scoring.pearson import pearson_r
from harness.tasks.task import Task

FEW_BANDS = 3  # that are drawn as lines
MOST_Z = 3.0  # beyond it colours stay


def segment_drawing(task: Task, pair: Pair, segment_id: str, name: str) -> Drawing:
    """Prediction and reference, each band at mean 0 and deviation 1, with r and what chance gives.

    Args:
        task: that the segment is of.
        pair: prediction and reference, (n_frames, n_bands).
        segment_id: of the segment.
        name: of the system or the file of predictions.
    """
    scores = pearson_r(pair.reference, pair.prediction)
    n_frames, n_bands = pair.reference.shape
    rate = task.frame_rate_hz
    band = None
    if not are_turned_whole(n_frames, rate):
        own = subject_chance({segment_id: pair.reference}, {segment_id: pair.prediction})
        band = chance({pair.subject: own}, frame_rate_hz=rate).circular_shifts
    seconds = np.arange(n_frames) / rate
    shown = [_standard(pair.reference), _standard(pair.prediction)]

    def lines(figure: Any) -> None:
        axes = np.atleast_1d(figure.subplots(n_bands, 1, sharex=True))
        for number, axis in enumerate(axes):
            axis.plot(seconds, shown[0][:, number], color=BLACK, linewidth=0.7, label="reference")
            axis.plot(
                seconds,
                shown[1][:, number],
                color=ORANGE,
                linewidth=0.7,
                linestyle=(0, (4, 1)),
                label="prediction",
            )
            axis.set_ylabel(f"band {number + 1}" if n_bands > 1 else f"{task.feature} (z)")
            axis.set_xlim(0, n_frames / rate)
            axis.annotate(
                f"r = {scores[number]:.3f}", (1, 1), xycoords="axes fraction", ha="right", va="bottom"
            )
        axes[-1].set_xlabel("seconds")
        handles, words = axes[0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside lower left", ncols=2)

    def images(figure: Any, width: float) -> None:
        layout = [["reference", "r"], ["prediction", "r"]]
        axes = figure.subplot_mosaic(layout, width_ratios=(4, 1) if width < 120 else (6, 1))
        ticks = np.unique(np.linspace(1, n_bands, min(n_bands, 5)).round().astype(int))
        for words, values in zip(("reference", "prediction"), shown, strict=True):
            axis = axes[words]
            image = axis.imshow(
                values.T,
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(0, n_frames / rate, 0.5, n_bands + 0.5),
                vmin=-MOST_Z,
                vmax=MOST_Z,
                cmap="cividis",
            )
            axis.set_yticks(ticks)
            axis.set_ylabel(f"{words}\nband")
        axes["reference"].tick_params(labelbottom=False)
        axes["prediction"].set_xlabel("seconds")
        images = [axes["reference"], axes["prediction"]]
        figure.colorbar(
            image, ax=images, location="bottom", label="z of each band", aspect=40, pad=0.03, extend="both"
        )
        profile, places = axes["r"], np.arange(1, n_bands + 1)
        marks = []
        if band is not None:
            marks.append(
                (profile.axvspan(band.low, band.high, color=CHANCE, linewidth=0), "chance of the mean")
            )
        profile.axvline(0, color=GREY, linewidth=0.6)
        size = 2.2 if n_bands <= 32 else 0
        (line,) = profile.plot(scores, places, "o-", color=BLUE, markersize=size, linewidth=0.7)
        mean = profile.axvline(float(scores.mean()), color=BLUE, linewidth=0.8, linestyle=(0, (3, 1)))
        marks += [(line, "r of each band"), (mean, "mean r")]
        profile.set_yticks(ticks)
        profile.set_ylim(0.5, n_bands + 0.5)
        profile.set_xlabel("r")
        profile.locator_params(axis="x", nbins=2)
        handles, names = zip(*marks, strict=True)
        figure.legend(handles, names, loc="outside lower left", ncols=legend_columns(names, width))

    def draw(figure: Any, width: float) -> None:
        if n_bands <= FEW_BANDS:
            lines(figure)
        else:
            images(figure, width)

    rows: list[dict[str, object]] = [
        {
            "corpus": task.corpus.name,
            "simulated": task.corpus.simulated,
            "segment": segment_id,
            "subject": pair.subject,
            "band": number + 1,
            "frame": frame,
            "seconds": round(frame / rate, 6),
            "reference": float(pair.reference[frame, number]),
            "prediction": float(pair.prediction[frame, number]),
            "pearson_r_of_band": float(scores[number]),
        }
        for number in range(n_bands)
        for frame in range(n_frames)
    ]
    by_chance = (
        "chance not known, the segment is too short to be turned in time"
        if band is None
        else f"chance (the prediction turned in time) {band.low:.3f} to {band.high:.3f}"
    )
    flag = f" ({task.split.flag})" if task.split.flag else ""
    title = (
        f"{task.corpus.words}, split {task.split.name}{flag}, part {task.part}, feature {task.feature}:"
        f" segment {segment_id}, {name}. Mean r {scores.mean():.3f}; {by_chance}."
    )
    height = 26.0 * n_bands + 14 if n_bands <= FEW_BANDS else 72.0
    return Drawing(title, rows, lambda _: height, draw)


def _standard(values: NDArray[Any]) -> NDArray[np.float64]:
    """Each band at mean 0 and deviation 1; zeros where it is constant."""
    series = np.asarray(values, np.float64)
    centred = series - series.mean(axis=0)
    deviation = series.std(axis=0)
    standard: NDArray[np.float64] = np.zeros_like(centred)
    np.divide(centred, deviation, out=standard, where=deviation > 0)
    return standard
