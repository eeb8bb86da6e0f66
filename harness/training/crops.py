"""Crops of the training part: what each epoch and batch holds, and reading it ahead in threads.

An epoch's crops follow from seed and epoch alone, not from the number of readers or processes. Recordings
are memory-mapped, so a crop costs its own samples. Arrays are (b, n_times, n_channels) and (b, n_frames,
n_bands) float32; a recipe's further targets stand beside the feature, as more bands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Recording
from harness.errors import Fault, TrainingError, counted
from harness.features.spectrograms import SPECTRA_BANDS, SPECTRA_HOP
from harness.predictor import Array, zscore
from harness.training.recipe import Recipe
from harness.training.targets import series_of, spectra_of, with_targets
from harness.training.training_data import TrainingData

READERS = 2


class Crop(NamedTuple):
    """Where a crop lies: index of its stretch, and first sample in the recording."""

    stretch: int
    start: int


class Batch(NamedTuple):
    """One process's crops of one step.

    Attributes:
        eeg: (b, n_times, n_channels).
        target: (b, n_frames, n_bands), all targets side by side, the feature's bands first; n_frames is
            n_times where the feature has the EEG's rate.
        subject_index: (b,) int64, the position among the training subjects.
        share: this process's part of the step's crops, times the number of processes: 1 where all have
            as many. A mean loss times it, averaged over processes, is the mean over all crops.
    """

    eeg: Array
    target: Array
    subject_index: NDArray[np.int64]
    share: float


@dataclass(frozen=True)
class Crops:
    """The crops of a training.

    Attributes:
        stretches: recordings that are long enough: recording, first and last (exclusive) sample.
        bands: the feature, then the recipe's further targets -> bands of each.
        subjects: training subjects, in order.
        recipe: batch size, kind of crops, and so on.
        crop_samples: length of every crop.
        hop_samples: from one window's start to the next one's; windows only.
        seed: of the training.
        too_short: ids of recordings shorter than a crop; they are not used.
    """

    stretches: tuple[tuple[Recording, int, int], ...]
    bands: Mapping[str, int]
    subjects: tuple[str, ...]
    recipe: Recipe
    crop_samples: int
    hop_samples: int
    seed: int
    too_short: tuple[str, ...]

    def epoch(self, epoch: int) -> list[Crop]:
        """An epoch's crops in the order in which they are used."""
        rng = _generator(self.seed, epoch)
        length = self.crop_samples
        if self.recipe.crops == "windows":
            crops = [
                Crop(index, at)
                for index, (_, start, stop) in enumerate(self.stretches)
                for at in range(start, stop - length + 1, self.hop_samples)
            ]
        else:
            crops = [
                Crop(index, int(rng.integers(start, stop - length + 1)))
                for index, (_, start, stop) in enumerate(self.stretches)
                for _ in range(self.recipe.crops_per_recording)
            ]
        return [crops[i] for i in rng.permutation(len(crops))]

    def mean_target(self) -> NDArray[np.float64]:
        """The mean of the first epoch's crops of all targets, (n_frames, n_bands), not z-scored."""
        total: NDArray[np.float64] | float = 0.0
        crops = self.epoch(1)
        for crop in crops:
            recording = self.stretches[crop.stretch][0]
            stop = crop.start + self.crop_samples
            series = [recording.feature(name, crop.start, stop) for name in self.bands]
            total = total + np.concatenate(series, axis=1, dtype=np.float64)
        mean: NDArray[np.float64] = np.asarray(total) / len(crops)
        return mean

    def steps(self, epoch: int, world: int = 1) -> list[list[Crop]]:
        """An epoch's crops step by step.

        A last step that is not full is dropped where the recipe says so; else one too small for every process
        to have a crop (or a mixture) joins the one before.

        Raises:
            TrainingError: the whole epoch is too small for that.
        """
        crops, size = self.epoch(epoch), self.recipe.batch_size
        steps = [crops[i : i + size] for i in range(0, len(crops), size)]
        if self.recipe.drop_last and len(steps[-1]) < size:
            if len(steps) == 1:
                raise TrainingError(
                    Fault(
                        "training part",
                        f"{counted(len(crops), 'crop')} an epoch",
                        f"{size} or more: the recipe leaves out a batch that is not full (drop_last)",
                        "Train with --preset compact, or on more recordings.",
                    )
                )
            del steps[-1]
        least = world * 2**self.recipe.mixup_rounds
        if len(steps) > 1 and len(steps[-1]) < least:
            steps[-2:] = [steps[-2] + steps[-1]]
        if len(steps[0]) < least:
            raise TrainingError(
                Fault(
                    "training part",
                    f"steps of {counted(len(steps[0]), 'crop')} for {counted(world, 'process', 'processes')}",
                    f"{counted(least, 'crop')} or more a step",
                    "Use fewer processes, a larger batch_size, or fewer mixup_rounds.",
                )
            )
        return steps

    def batches(
        self, epoch: int, *, rank: int = 0, world: int = 1, readers: int = READERS
    ) -> Generator[Batch, None, None]:
        """One process's batches of an epoch, read ahead by threads, in order.

        Raises:
            TrainingError: as :meth:`steps`.
            CorpusError: samples that are not finite.
        """
        steps = iter(enumerate(self.steps(epoch, world)))
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(readers) as pool:
            try:
                while True:
                    for number, step in islice(steps, readers + 1 - len(waiting)):
                        waiting.append(pool.submit(self._read, step, (epoch, number), rank, world))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _read(self, step: list[Crop], place: tuple[int, int], rank: int, world: int) -> Batch:
        rounds = self.recipe.mixup_rounds
        sizes = [len(step[other::world]) >> rounds for other in range(world)]
        own = step[rank::world]
        length = self.crop_samples
        recordings = [self.stretches[crop.stretch][0] for crop in own]
        subjects = np.array([self.subjects.index(r.subject) for r in recordings], dtype=np.int64)
        pairs = list(zip(recordings, own, strict=True))
        eeg = np.stack([r.eeg(crop.start, crop.start + length) for r, crop in pairs])
        series = [
            np.stack([r.feature(name, crop.start, crop.start + length) for r, crop in pairs])
            for name in series_of(tuple(self.bands))
        ]
        target = np.concatenate(series, axis=2) if len(series) > 1 else series[0]
        rng = _generator(self.seed, *place, rank)
        for _ in range(rounds):
            eeg, target, subjects = mixup(eeg, target, subjects, rng)
        eeg, target = prepared(eeg, target, self.bands, self.recipe)
        return Batch(eeg, target, subjects, sizes[rank] * world / sum(sizes))


def make_crops(data: TrainingData, recipe: Recipe, seed: int, crop_samples: int | None = None) -> Crops:
    """The crops of a training part.

    Args:
        data: the training part.
        recipe: how it is cropped.
        seed: of the training.
        crop_samples: length of a crop; None for the recipe's seconds at the split's sampling rate.

    Raises:
        TrainingError: no recording is as long as a crop, a crop is a single sample, or a further target is
            missing.
        CorpusError, ShapeError: audio that a further target is computed from is broken.
    """
    rate = data.split.sample_rate_hz
    length = recipe.crop_samples(rate) if crop_samples is None else crop_samples
    if length < 2:
        raise TrainingError(
            Fault("recipe: crop_seconds", f"{recipe.crop_seconds} at {rate:g} Hz", "two samples or more")
        )
    further = recipe.targets.get(data.feature, ())
    every = with_targets(data.corpus, data.stretches(), further, rate)
    long_enough = tuple(entry for entry in every if entry[2] - entry[1] >= length)
    if not long_enough:
        longest = max((stop - start for _, start, stop in every), default=0)
        raise TrainingError(
            Fault(
                f"{data.corpus.folder}: training part",
                f"recordings of {counted(longest, 'sample')} at most",
                f"one of {counted(length, 'sample')} ({length / rate:g} s), the recipe's crop",
                "Crops are never padded: choose a recipe with shorter ones.",
            )
        )
    series = every[0][0].feature_series
    return Crops(
        stretches=long_enough,
        bands={
            name: SPECTRA_BANDS[name] if name in SPECTRA_BANDS else series[name].n_channels
            for name in (data.feature, *further)
        },
        subjects=tuple(dict.fromkeys(recording.subject for recording, _, _ in every)),
        recipe=recipe,
        crop_samples=length,
        hop_samples=recipe.hop_samples(rate),
        seed=seed,
        too_short=tuple(entry[0].id for entry in every if entry[2] - entry[1] < length),
    )


def mixup(
    eeg: Array, target: Array, subjects: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Half as many crops, each a random mixture of two, of different subjects where possible.

    A mixture ``x * a + (1 - x) * b`` has one x in [0, 1) for EEG and target, and the subject of a.
    """
    order = np.argsort(subjects, kind="stable")  # so that a pair's crops lie half a batch apart
    half = len(order) // 2
    first, second = order[:half], order[half : 2 * half]
    x = rng.random((half, 1, 1), dtype=np.float32)
    return (
        x * eeg[first] + (1 - x) * eeg[second],
        x * target[first] + (1 - x) * target[second],
        subjects[first],
    )


def prepared(eeg: Array, target: Array, bands: Mapping[str, int], recipe: Recipe) -> tuple[Array, Array]:
    """What the net sees of crops that are mixed: z-scored, and spectra made of their audio.

    Args:
        eeg: (b, n_times, n_channels).
        target: (b, n_times, ...): features side by side in the order of ``bands``, then a hop of audio for
            every frame where spectra are among the targets.
        bands: the feature, then the recipe's further targets -> bands of each.
        recipe: whether, and how.

    Returns:
        EEG, and all targets side by side in the order of ``bands``.
    """

    def scaled(series: Array) -> Array:
        return zscore(series, recipe.zscore_ddof) if recipe.zscore else series

    computed = [name for name in bands if name in SPECTRA_BANDS]
    if not computed:
        return scaled(eeg), scaled(target)
    features, audio = np.split(target, [target.shape[2] - SPECTRA_HOP], axis=2)
    waveform = scaled(audio.reshape(len(audio), -1, 1)).reshape(audio.shape)
    spectra = spectra_of(waveform, computed)
    if recipe.zscore_spectra:
        spectra = [zscore(one, recipe.zscore_ddof) for one in spectra]
    parts = dict(zip(computed, spectra, strict=True))
    features, start = scaled(features), 0
    for name, n_bands in bands.items():
        if name not in parts:
            parts[name] = features[:, :, start : start + n_bands]
            start += n_bands
    return scaled(eeg), np.concatenate([parts[name] for name in bands], axis=2)


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))
