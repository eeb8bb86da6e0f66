"""What a trainer sees: the training part's recordings, and a score on the validation part.

The test part is not reachable from here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.conventions import Progress
from harness.corpus import Corpus, Recording
from harness.corpus.simulated.check import recipe_fingerprint
from harness.errors import Fault, TrainingError
from harness.predictor import Array
from harness.scoring.context import CENTRE, NOTHING, Context
from harness.scoring.measures import Measure, measure
from harness.scoring.score import combine, score_subject
from harness.tasks.context import training_centre, training_segments
from harness.tasks.segments import Segment, by_subject, stretches
from harness.tasks.splits import Split

Predict = Callable[[Array, list[str]], Array]
# How much of a recording's ends enters the fingerprint: 4 kB of EEG.
_END_SAMPLES = 16


@dataclass(frozen=True)
class TrainingData:
    """Data of one training.

    Attributes:
        corpus: where the data lie.
        split: the split whose training part is used.
        feature: what is decoded.
        validation: segments of the validation part.
        partial: whether subjects of a part may be missing.
        cache: of which type the copies are that are read in place of the corpus's files; empty for none.
        known_fingerprint: where those are rounded, the fingerprint of the corpus's own numbers.
    """

    corpus: Corpus
    split: Split
    feature: str
    validation: tuple[Segment, ...]
    partial: bool = False
    cache: str = ""
    known_fingerprint: str = ""

    def stretches(self) -> tuple[tuple[Recording, int, int], ...]:
        """The training part's recordings: recording, first and last (exclusive) sample."""
        return tuple(stretches(self.corpus, self.split, "train", self.feature, partial=self.partial))

    def recordings(self) -> Iterator[tuple[Array, Array]]:
        """EEG (n_times, n_channels) and feature (n_times, n_bands) of every training recording, in order."""
        for recording, start, stop in self.stretches():
            yield recording.eeg(start, stop), recording.feature(self.feature, start, stop)

    @property
    def rounding(self) -> dict[str, str]:
        """What a recipe has to say of numbers that are not the corpus's own; nothing where they are."""
        return {"data_dtype": self.cache} if self.cache == "float16" else {}

    @property
    def measure(self) -> Measure:
        """What the validation part is scored by: the split's measure that ranks."""
        return measure(self.split.measures[0])

    @cached_property
    def context(self) -> Context:
        """What that measure needs.

        Raises:
            TrainingError: a classifier, which would be another training.
            CorpusError, SplitError: the training part is not whole.
        """
        by = self.measure
        if not by.needs:
            return NOTHING
        if by.needs != (CENTRE,):
            raise TrainingError(
                Fault(
                    f"split {self.split.name}: measures",
                    f"{by.name} first, which needs a classifier",
                    "a measure that weights can be chosen by",
                    "Name another measure first.",
                )
            )
        segments = training_segments(self.corpus, self.split, self.feature, by.title)
        return Context(training_centre(segments, self.feature))

    def validate(self, predict: Predict, seen: Callable[[int, int], None] = lambda _done, _of: None) -> float:
        """The mean over the validation part's subjects by the measure that ranks and the harness's scorer.

        Args:
            predict: EEG (n_segments, n_times, n_channels) and subjects -> (n_segments, n_frames, n_bands).
            seen: called before each subject with its number and how many there are.
        """
        by = self.measure.name
        scores = {}
        subjects = by_subject(self.validation)
        for number, (subject, segments) in enumerate(subjects.items(), start=1):
            seen(number, len(subjects))
            eeg = np.stack([segment.eeg() for segment in segments])
            predictions = predict(eeg, [self.split.told(subject)] * len(segments))
            scores[subject] = score_subject(
                {segment.id: segment.feature(self.feature) for segment in segments},
                {segment.id: row for segment, row in zip(segments, predictions, strict=True)},
                (by,),
                self.context,
            )
        return combine(scores).value(by)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the training part: ids, lengths, and both ends of each recording's samples.

        Cheap, since a training part has many gigabytes. A simulated corpus has its recipe's fingerprint
        (its files are checked before a training begins), another one where channels are excluded.

        Raises:
            CorpusError: samples that cannot be read.
        """
        return self._fingerprint(lambda *_: None)

    def take_fingerprint(self, show: Progress) -> None:
        """Take `fingerprint` now, and show how far it is: on a network, many small reads take minutes.

        Raises:
            CorpusError: samples that cannot be read.
        """
        if "fingerprint" not in self.__dict__:  # where cached_property keeps it
            self.__dict__["fingerprint"] = self._fingerprint(show)

    def _fingerprint(self, show: Progress) -> str:
        if self.known_fingerprint:
            return self.known_fingerprint
        recipe = recipe_fingerprint(self.corpus) if self.corpus.simulated else None
        if recipe is not None:
            excluded = self.stretches()[0][0].channels_excluded
            without = f"{recipe} without {excluded}"
            return hashlib.sha256(without.encode()).hexdigest() if excluded else recipe
        parts = self.stretches()
        whole = hashlib.sha256()
        for number, part in enumerate(parts):
            show(number, len(parts), f"recordings looked at, {part[0].id}")
            whole.update(self._ends(part))
        return whole.hexdigest()

    def _ends(self, stretch: tuple[Recording, int, int]) -> bytes:
        """What a recording adds to the fingerprint."""
        recording, start, stop = stretch
        ends = [(start, min(start + _END_SAMPLES, stop)), (max(stop - _END_SAMPLES, start), stop)]
        samples = [recording.eeg(*end) for end in ends]
        samples += [recording.feature(self.feature, *end) for end in ends]
        checksums = [zlib.crc32(np.ascontiguousarray(values, dtype="<f4").data) for values in samples]
        return f"{recording.id}\0{start}\0{stop}\0{checksums}\n".encode()
