"""An epoch over a slow mount: one pass into ``--cache`` and crops from there, against crops from the mount.

    python -m benchmarks.cache

The mount is simulated in the two places where the kit reads: 1 ms a request, requests of 128 kB (what Linux
reads around a page that a map asks for), 100 MB/s shared by all readers, and room in memory for an eighth of
the data, as for 9 GB on a machine with 1 GB to spare. Both ways read every window of 10 s once, in the order
of one epoch, with the training's own readers, and give the same numbers; the validation part is left out.

And a tree of the public SparrKULee's size (655 recordings, 9 GB, sparse files): what `harness train` says
before its first step, and an epoch of crops, in how many seconds and how much memory of its own.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.crops import TREE_RECORDINGS, make_large_tree
from benchmarks.timing import report
from harness.corpus import array_files, open_corpus
from harness.tasks.segments import cut_segments
from harness.tasks.splits import Split, load_split
from harness.training import Cache, Running
from harness.training import copies as copying
from harness.training.cache import from_cache
from harness.training.crops import make_crops
from harness.training.outlook import reading_lines
from harness.training.recipe import Recipe
from harness.training.training_data import TrainingData

LATENCY_SECONDS, BYTES_A_SECOND, REQUEST_BYTES = 1e-3, 100e6, 128 << 10
SUBJECTS, MINUTES = 3, 15
WINDOWS = Recipe(epochs=1, crops="windows", crop_seconds=10.0)


class Mount:
    """What a request costs, and what of the files is in memory already."""

    def __init__(self, room_bytes: int) -> None:
        self.room = room_bytes // REQUEST_BYTES
        self.kept: OrderedDict[tuple[Path, int], None] = OrderedDict()
        self.line = threading.Lock()

    def take(self, path: Path, first: int, last: int) -> None:
        """Wait for the bytes ``first`` to ``last`` (exclusive) of a file."""
        blocks = range(first // REQUEST_BYTES, -(-last // REQUEST_BYTES))
        with self.line:
            missing = [block for block in blocks if (path, block) not in self.kept]
            for block in blocks:
                self.kept[path, block] = None
                self.kept.move_to_end((path, block))
            while len(self.kept) > self.room:
                self.kept.popitem(last=False)
            if missing:
                time.sleep(len(missing) * REQUEST_BYTES / BYTES_A_SECOND)
        if missing:
            time.sleep(len(missing) * LATENCY_SECONDS)


class SlowArray:
    """A map of an array on the mount: slices wait for the pages that they touch."""

    def __init__(self, array: array_files.ArrayFile, mount: Mount) -> None:
        self.array, self.mount = array, mount
        self.fast: Any = array_files._mapped(array)

    def __getitem__(self, key: tuple[slice, slice]) -> Any:
        rows, columns = (range(n)[part] for n, part in zip(self.array.shape, key, strict=True))
        width = self.fast.itemsize
        n_columns = self.array.shape[1]
        runs = [(row * n_columns + columns.start, len(columns)) for row in rows]  # all files are in C order
        if len(columns) == n_columns:
            runs = [(rows.start * n_columns, len(rows) * n_columns)]
        for first, length in runs:
            start = self.array.offset + first * width
            self.mount.take(self.array.path, start, start + length * width)
        return self.fast[key]


class SlowFile:
    """A file on the mount, read from its beginning to its end."""

    def __init__(self, file: Any, path: Path, mount: Mount) -> None:
        self.file, self.path, self.mount = file, path, mount

    def __enter__(self) -> "SlowFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, n_bytes: int) -> bytes:
        """Read on, after the time that it takes."""
        place = self.file.tell()
        self.mount.take(self.path, place, place + n_bytes)
        data: bytes = self.file.read(n_bytes)
        return data


@contextmanager
def mounted(root: Path, room_bytes: int) -> Iterator[None]:
    """Everything below ``root`` lies on a slow mount."""
    mount = Mount(room_bytes)

    def mapped(array: array_files.ArrayFile) -> Any:
        slow = array.path.is_relative_to(root)
        return SlowArray(array, mount) if slow else array_files._mapped(array)

    def opened(path: Path, most_bytes: int | None = None) -> Any:
        from harness.files import open_regular

        file = open_regular(path, most_bytes)
        return SlowFile(file, path, mount) if path.is_relative_to(root) else file

    with (
        mock.patch.object(array_files.ArrayFile, "mapped", mapped),
        mock.patch.object(copying, "open_regular", opened),
    ):
        yield


def main() -> dict[str, float]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        data, n_bytes = _data(Path(name, "corpus"))
        with mounted(Path(name, "corpus"), n_bytes // 8):
            start = time.perf_counter()
            from_mount = _epoch(data)
            random_seconds = time.perf_counter() - start
        with mounted(Path(name, "corpus"), n_bytes // 8):
            start = time.perf_counter()
            made = from_cache(data, ("mel",), Cache(Path(name, "cache")), Running())
            pass_seconds = time.perf_counter() - start
            if not isinstance(made[0], TrainingData):
                raise SystemExit("the copy stopped")
            start = time.perf_counter()
            from_copy = _epoch(made[0])
            cached_seconds = time.perf_counter() - start
        if from_mount != from_copy:
            raise SystemExit("the two ways give different crops")
        large = _large(Path(name, "large"))
    return {
        "mount_epoch_seconds": random_seconds,
        "pass_seconds": pass_seconds,
        "cached_epoch_seconds": cached_seconds,
        "times_faster": random_seconds / (pass_seconds + cached_seconds),
        "times_faster_later": random_seconds / cached_seconds,
        **large,
    }


def _epoch(data: TrainingData) -> list[int]:
    """Read one epoch; gives a checksum of each batch."""
    batches = make_crops(data, WINDOWS, seed=0).batches(1)
    return [hash((batch.eeg.tobytes(), batch.target.tobytes())) for batch in batches]


def _data(root: Path) -> tuple[TrainingData, int]:
    rng = np.random.default_rng(0)
    n_times = MINUTES * 60 * 64
    (root / "preprocessed_stimuli").mkdir(parents=True)
    np.save(root / "preprocessed_stimuli" / "talk_-_mel.npy", rng.random((n_times, 10), dtype=np.float32))
    for number in range(1, SUBJECTS + 1):
        folder = root / "preprocessed_eeg" / f"sub-{number:03d}" / "ses-a"
        folder.mkdir(parents=True)
        eeg = rng.standard_normal((64, n_times), dtype=np.float32)
        np.save(folder / f"sub-{number:03d}_ses-a_task-b_run-01_desc-preproc-audio-talk_eeg.npy", eeg)
    subjects = [f"sub-{number:03d}" for number in range(1, SUBJECTS + 1)]
    split = _split(root.parent, subjects[:-1], subjects[-1:])
    corpus = open_corpus(root)
    size = sum(path.stat().st_size for path in root.rglob("*.npy"))
    return TrainingData(corpus, split, "mel", validation=()), size


def _split(folder: Path, train: list[str], val: list[str]) -> Split:
    document = {
        "name": "bench",
        "title": "windows of 10 s",
        "corpora": ["sparrkulee"],
        "features": ["mel"],
        "sample_rate_hz": 64,
        "segment_seconds": 10,
        "cut": "whole-recordings",
        "parts": {"train": {"subjects": train}, "val": {"subjects": val}},
    }
    path = folder / "bench.json"
    path.write_text(json.dumps(document))
    return load_split(path)


def _large(root: Path) -> dict[str, float]:
    """What a training of the dataset's size costs before and beside its net, in a process of its own."""
    make_large_tree(root)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cache", str(root)], check=True, stdout=subprocess.PIPE
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_large(root: Path) -> dict[str, float]:
    """Open the tree, say what is read, read an epoch of 3 crops a recording; memory that is not files'."""
    before = _own_mb()
    start = time.perf_counter()
    corpus = open_corpus(root)
    split = _split(root.parent, list(corpus.subjects[:-8]), list(corpus.subjects[-8:]))
    data = TrainingData(corpus, split, "mel", cut_segments(corpus, split, "val", feature="mel"))
    crops = make_crops(data, Recipe(epochs=1, crops_per_recording=3), seed=0)
    for line in reading_lines(data, crops):
        print(line, file=sys.stderr)
    says = time.perf_counter() - start
    most = n_crops = 0.0
    for batch in crops.batches(1):
        most = max(most, _own_mb() - before)
        n_crops += len(batch.eeg)
    if len(corpus.recordings) != TREE_RECORDINGS or not n_crops:
        raise SystemExit("another tree")
    return {"large_says_seconds": says, "large_memory_mb": most}


def _own_mb() -> float:
    """Memory of this process that no file stands behind, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure_large(Path(sys.argv[1]))))
    else:
        report("cache", main())
