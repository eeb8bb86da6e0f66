"""What the picture of a recording shows: read from matplotlib's axes, not from pixels."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from harness.corpus.base import Recording
from harness.errors import UsageError
from harness.tasks.alignment import Alignment
from harness.tasks.quality import CorpusQuality, Quality
from harness.tasks.quality_pictures import draw

RATE = 40
ALIGNED = Alignment("envelope", 25.0, 0.2, 5.5, 1.0, ((-25.0, 0.5), (0.0, 1.0), (25.0, 5.5)))
SEEN = Quality("P1_a", 30.0, alignment=ALIGNED)


class Eeg:
    """Numbers that are read as a corpus's are."""

    def __init__(self, values):
        self.values, self.n_times = values.astype(np.float32), len(values)

    def read(self, start, stop):
        return self.values[start:stop].copy()


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw EEG of one recording: its figure, the file's path, and how it is saved."""
    saved = []

    def savefig(figure, path, **options):
        saved.append((figure, Path(path), options))

    monkeypatch.setattr(Figure, "savefig", savefig)

    def make(eeg, seen=SEEN, rate=RATE):
        assert draw(a_corpus(eeg, rate=rate), CorpusQuality((seen,), {}), tmp_path) == 1
        return saved.pop()

    return make


def a_corpus(*eegs, rate=RATE):
    recordings = [Recording("P1", f"s{number}", (0, 0, 0), Eeg(eeg)) for number, eeg in enumerate(eegs)]
    return SimpleNamespace(recordings=recordings, declaration=SimpleNamespace(sample_rate_hz=rate))


def noise(n_times=7 * RATE, scales=(0.01, 0.03, 0.002, 0.02, 0.011)):
    """EEG of unlike channels, whose first sample is far from all others."""
    eeg = np.random.default_rng(0).standard_normal((n_times, len(scales))) * scales
    eeg[0] *= 50
    return eeg.astype(np.float32)


def texts(legend):
    return [(text.get_text(), text.get_fontsize()) for text in legend.get_texts()]


def level(line):
    """A line across the axes: its height, colour and style."""
    heights = set(line.get_ydata())
    assert list(line.get_xdata()) == [0, 1]
    assert len(heights) == 1
    return heights.pop(), line.get_color(), line.get_linestyle()


def spectrum_of(eeg, rate):
    """Power (n_frequencies, n_channels) a Hz of pieces of four seconds that overlap by half, under Hann windows."""
    length = min(len(eeg), round(4 * rate))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    starts = range(0, len(eeg) - length + 1, length - length // 2)
    pieces = [eeg[start : start + length] - eeg[start : start + length].mean(axis=0) for start in starts]
    power = np.mean([np.abs(np.fft.rfft(window[:, None] * piece, axis=0)) ** 2 for piece in pieces], axis=0)
    power[1 : (length + 1) // 2] *= 2
    return np.arange(len(power)) * rate / length, power / (rate * (window**2).sum())


def test_three_axes_stand_side_by_side_below_what_was_seen(drawn, tmp_path):
    figure, path, options = drawn(noise())
    assert path == tmp_path / "P1_a.png"
    assert options == {"dpi": 100}
    assert tuple(figure.get_size_inches()) == (12, 3.6)
    assert type(figure.get_layout_engine()).__name__ == "ConstrainedLayoutEngine"
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(place.get_gridspec().get_geometry(), place.num1) for place in places] == [
        ((1, 3), 0),
        ((1, 3), 1),
        ((1, 3), 2),
    ]


@pytest.mark.parametrize(
    ("seen", "title"),
    [
        (SEEN, "P1_a: nothing to look at"),
        (replace(SEEN, flat=("Cz",), clipped={"T8": 0.5}), "P1_a: flat: Cz; clipped: T8 (50.0 %)"),
    ],
)
def test_the_title_is_what_is_to_be_looked_at(drawn, seen, title):
    figure, _, _ = drawn(noise(), seen)
    (text,) = figure.texts
    assert (text.get_text(), text.get_fontsize()) == (title, 9)


def test_channels_are_bars_of_their_deviations_beside_the_limit_of_wild_ones(drawn):
    eeg = noise()
    channels = drawn(eeg)[0].axes[0]
    deviations = eeg.astype(float).std(axis=0)
    bars = channels.patches
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == pytest.approx([1, 2, 3, 4, 5])
    assert [bar.get_height() for bar in bars] == pytest.approx(deviations, rel=1e-12)
    assert {to_hex(bar.get_facecolor()) for bar in bars} == {"#4477aa"}
    assert (channels.get_xlabel(), channels.get_ylabel()) == ("EEG channel", "standard deviation")
    assert channels.get_yscale() == "log"
    assert level(channels.lines[0]) == (pytest.approx(10 * np.median(deviations)), "#CC6677", "--")
    assert texts(channels.get_legend()) == [("wildly scaled", 8)]


@pytest.mark.parametrize(("n_times", "rate"), [(7 * RATE, RATE), (3 * RATE, RATE), (1200, 100.5)])
def test_the_spectrum_is_the_median_channel_between_the_lowest_and_the_highest(drawn, n_times, rate):
    eeg = noise(n_times)
    axes = drawn(eeg, rate=rate)[0].axes[1]
    frequencies, power = spectrum_of(eeg.astype(float), rate)
    frequencies, power = frequencies[1:], power[1:]
    (median,) = axes.lines
    assert median.get_xdata() == pytest.approx(frequencies, rel=1e-12)
    assert median.get_ydata() == pytest.approx(np.median(power, axis=1), rel=1e-9)
    assert median.get_color() == "#4477AA"
    (band,) = axes.collections
    points = band.get_paths()[0].vertices
    edges = [[y for x, y in points if x == frequency] for frequency in median.get_xdata()]
    assert len(set(points[:, 0])) == len(frequencies)
    assert [min(heights) for heights in edges] == pytest.approx(power.min(axis=1), rel=1e-9)
    assert [max(heights) for heights in edges] == pytest.approx(power.max(axis=1), rel=1e-9)
    assert [to_hex(color) for color in band.get_facecolor()] == ["#dddddd"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("frequency (Hz)", "power density")
    assert axes.get_yscale() == "log"
    assert texts(axes.get_legend()) == [("all channels", 8), ("median channel", 8)]


def test_silence_is_drawn_without_logarithms(drawn):
    channels, spectrum, _ = drawn(np.zeros((300, 3)))[0].axes
    assert (channels.get_yscale(), spectrum.get_yscale()) == ("linear", "linear")
    assert (list(channels.lines), channels.get_legend()) == ([], None)


def test_numbers_that_are_not_finite_are_drawn_as_zeros(drawn):
    eeg = noise()
    broken, zeros = eeg.copy(), eeg.copy()
    broken[3:40, 1], broken[9, 2] = np.nan, np.inf
    zeros[3:40, 1], zeros[9, 2] = 0, 0
    bars, expected = (
        [bar.get_height() for bar in drawn(values)[0].axes[0].patches] for values in (broken, zeros)
    )
    assert bars == expected
    assert bars[0] == pytest.approx(eeg[:, 0].astype(float).std(), rel=1e-12)


def test_the_fit_is_the_curve_of_z_beside_the_limit_of_an_answer(drawn):
    fit = drawn(noise())[0].axes[2]
    curve, limit = fit.lines
    assert list(zip(curve.get_xdata(), curve.get_ydata(), strict=True)) == list(ALIGNED.curve)
    assert curve.get_color() == "#4477AA"
    assert level(limit) == (3.3, "#CC6677", "--")
    assert (fit.get_xlabel(), fit.get_ylabel()) == ("EEG later than envelope by (ms)", "z against far shifts")
    assert texts(fit.get_legend()) == [("an answer is found", 8)]


def test_a_recording_that_is_not_aligned_says_so_in_place_of_the_fit(drawn):
    fit = drawn(noise(), replace(SEEN, alignment=None))[0].axes[2]
    (text,) = fit.texts
    assert text.get_text() == "alignment not looked for"
    assert (text.get_position(), text.get_horizontalalignment()) == ((0.5, 0.5), "center")
    assert text.get_transform() == fit.transAxes
    assert not fit.axison
    assert list(fit.lines) == []


def test_every_recording_has_a_file_whose_name_is_safe_and_progress_is_told(monkeypatch, tmp_path):
    saved, told = [], []
    monkeypatch.setattr(Figure, "savefig", lambda _figure, path, **_: saved.append(path))
    names = ["P1_a.b-C", "P2 ä/é", "../P3:x"]
    found = CorpusQuality(tuple(replace(SEEN, recording=name) for name in names), {})
    folder = tmp_path / "not" / "there"
    for _ in range(2):  # into a new folder, and into one that is there
        number = draw(a_corpus(noise(), noise(), noise()), found, folder, lambda *now: told.append(now))
        assert number == 3
    assert saved == 2 * [folder / name for name in ("P1_a.b-C.png", "P2____.png", ".._P3_x.png")]
    assert told == 2 * [(1, 3), (2, 3), (3, 3)]
    assert folder.is_dir()


def test_a_corpus_of_which_not_all_was_looked_at_is_refused(drawn, tmp_path):
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter than argument 1"):
        draw(a_corpus(noise(), noise()), CorpusQuality((SEEN,), {}), tmp_path)


def test_without_matplotlib_pictures_are_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError) as refused:
        draw(a_corpus(noise()), CorpusQuality((SEEN,), {}), tmp_path / "seen")
    assert str(refused.value) == (
        "--pictures: matplotlib is not installed.\n  pip install 'eeg-speech-harness[figures]'"
    )
    assert not (tmp_path / "seen").exists()
