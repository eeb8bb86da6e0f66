"""The loop that feeds workers, takes in what they predict, and watches every limit."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from harness.errors import MAX_SHOWN, Fault, PredictorError, ShapeError, SubmissionError, shorten
from harness.execution import exchange
from harness.execution.child import (
    GRACE_SECONDS,
    MAX_OUTPUT_LINES,
    WORKER,
    Child,
    Place,
    other_group,
    threads_asked,
)
from harness.execution.code import code_files, copy_code, copy_file
from harness.execution.folder import run_folder
from harness.execution.isolation import BUBBLEWRAP, NONE, PACKAGE, check_open
from harness.execution.order import shuffled_batches
from harness.execution.spec import PredictorSpec, Run, SegmentInput
from harness.predictor import Array, OutputFault, check_prediction

BATCHES_AHEAD = 4  # of each worker, on disk: 63 MB with 32 segments of 30 s
LEAST_BATCHES, LEAST_MEMORY_BYTES = 2, 2**30  # of each worker, where nobody says how many there are
WATCH_SECONDS = 0.1  # between looks at memory, files and output
MOST_WATCHING = 0.1  # of the time, should there be much to look at
FIRST_WAIT_SECONDS = 0.0005
LONGEST_WAIT_SECONDS = 0.01
# Kinds of weights files, by how they begin.
_KINDS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda start: start.startswith(b"\x93NUMPY"), ".npy"),
    (lambda start: start.startswith(b"PK\x03\x04") and b".npy" in start, ".npz"),
    (lambda start: start.startswith((b"PK\x03\x04", b"\x80")), ".pt"),
    (lambda start: start.startswith(b"\x89HDF\r\n\x1a\n"), ".h5"),
    (lambda start: start[8:9] == b"{", ".safetensors"),
    (lambda start: start.lstrip().startswith((b"{", b"[")), ".json"),
)
FREE_DISK_BYTES = 2**29  # below this much, or half of what was free, a run ends: files can hide from a look


@dataclass
class Drive:
    """One run: its workers, and how far it is.

    Attributes:
        spec: the submission.
        segments: what to predict.
        read_eeg: position of a segment -> (segment_samples, n_channels) float32.
        limits: of the whole run.
        batch_segments: most segments in one call of ``predict``.
        on_progress: called with the segments done and their total; may be None.
        isolation: means in use.
        order_seed: of the order in which the segments are asked.
        n_sizing: how many of the segments, from the first, decide the size of batches and the number of
            workers.
        seconds: inside ``predict``, as the workers say.
        wall_seconds: of the run, once it is over.
        store: (n_segments, n_frames, n_bands) float32, in a file without a name.
    """

    spec: PredictorSpec
    segments: Sequence[SegmentInput]
    read_eeg: Callable[[int], Array]
    limits: Run
    batch_segments: int
    on_progress: Callable[[int, int], None] | None
    isolation: str
    order_seed: str
    n_sizing: int
    seconds: float = 0.0
    wall_seconds: float = 0.0
    n_given: int = 0  # batches
    n_done: int = 0  # segments
    children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        setup = self.spec.setup
        subjects = [segment.subject for segment in self.segments]
        most, n_sizing = self.batch_segments, self.n_sizing
        self.batches = shuffled_batches(subjects, most, self.order_seed, n_sizing)
        self.n_usual = len(shuffled_batches(subjects[:n_sizing], most, self.order_seed))
        shape = (len(self.segments), setup.n_frames, setup.n_bands)
        self.store: Array = exchange.unnamed_storage(shape)

    def run(self) -> str:
        """Predict everything; return the last lines of output."""
        self.began = self.next_look = time.monotonic()
        fitting = fitting_jobs(self.n_usual, self.limits.memory_bytes)
        jobs = min(self.limits.jobs or fitting, self.n_usual)
        n_threads = threads_asked() or max(1, len(os.sched_getaffinity(0)) // jobs)
        with ExitStack() as stack:
            place = stack.enter_context(prepared_place(self.spec, self.limits, self.isolation))
            self.floor_bytes = min(FREE_DISK_BYTES, _free_bytes(place.folder) // 2)
            job = _job(self.spec, place)
            for k in range(jobs):
                child = Child(place, f"{k}", job, n_threads, self.spec.setup.seed)
                stack.callback(child.close)
                self.children.append(child)
            wait = FIRST_WAIT_SECONDS
            while self.n_done < len(self.segments):
                moved = self._feed()
                for child in self.children:
                    moved = self._collect(child) or moved
                if moved:
                    wait = FIRST_WAIT_SECONDS
                else:
                    time.sleep(wait)
                    wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                self._watch(place.folder)
            self.store.flags.writeable = False
            for child in self.children:
                child.stop()
            for child in self.children:
                self._finish(child, place.folder)
            self.wall_seconds = time.monotonic() - self.began
            lines = [line for child in self.children for line in child.output_lines()]
        return "\n".join(lines[-MAX_OUTPUT_LINES:])

    def _feed(self) -> bool:
        """Give the next batch to the worker that has the fewest; one at a time."""
        child = min(self.children, key=lambda child: len(child.pending))
        if self.n_given == len(self.batches) or len(child.pending) >= BATCHES_AHEAD:
            return False
        batch = self.n_given
        chosen = self.batches[batch].positions
        path = child.given / f"{batch:06d}.npy"
        exchange.write_json(path.with_suffix(".json"), [self.segments[i].subject for i in chosen])
        shape = (len(chosen), self.spec.setup.segment_samples, self.spec.setup.n_channels)
        exchange.write_eeg(path, (self._checked_eeg(i) for i in chosen), shape)
        child.pending.append(batch)
        self.n_given += 1
        return True

    def _collect(self, child: Child) -> bool:
        """Take in one report of a worker; True where there was one."""
        out = child.folder / "out"
        name = f"{child.pending[0]:06d}" if child.started and child.pending else "start"
        if child.started and not child.pending:
            return False
        try:
            report = exchange.read_report(out / f"{name}.json")
            if report is None:
                return False
            if "faults" in report:
                self._fail(child, *report["faults"])
            if not child.started:
                child.started = True
                return True
            prediction = self._read(child, out / f"{name}.npy")
            eeg = child.given / f"{name}.npy"
            exchange.remove(eeg, eeg.with_suffix(".json"), out / f"{name}.npy", out / f"{name}.json")
        except exchange.UnusableError as error:
            self._fail(child, OutputFault(f"the process wrote something else: {error}", "", ""))
        self._take(child, prediction)
        self.seconds += report.get("seconds", 0.0)
        return True

    def _read(self, child: Child, path: Path) -> Array:
        n_segments = len(self.batches[child.pending[0]].positions)
        shape = (n_segments, self.spec.setup.n_frames, self.spec.setup.n_bands)
        prediction = exchange.read_prediction(path, shape)
        if faults := check_prediction(prediction, shape):
            self._fail(child, *faults)
        return prediction

    def _take(self, child: Child, prediction: Array) -> None:
        batch = self.batches[child.pending[0]]
        self.store[batch.own] = prediction[: batch.n_own]
        child.pending.popleft()
        self.n_done += batch.n_own
        if self.on_progress:
            self.on_progress(self.n_done, len(self.segments))

    def _watch(self, folder: Path) -> None:
        """Look for a worker that ended, and at every limit."""
        for child in self.children:
            code = child.exit_code()
            if code is not None and not self._collect(child):
                self._fail(child, _ended(code))
        now = time.monotonic()
        if now - self.began > self.limits.seconds:
            self._fail(
                self._busy(),
                OutputFault(
                    f"ran past the time limit of {self.limits.seconds:g} s",
                    "",
                    "Make predict faster, or ask for a higher limit.",
                ),
            )
        if now < self.next_look:
            return
        used = [child.memory_bytes() for child in self.children]
        if sum(used) > self.limits.memory_bytes:
            self._fail(
                self.children[used.index(max(used))],
                OutputFault(
                    f"its processes hold {sum(used) / 2**20:.0f} MiB of memory, "
                    f"the limit is {self.limits.memory_bytes / 2**20:.0f} MiB",
                    "",
                    "Work on fewer segments at once, or ask for a higher limit.",
                ),
            )
        for child in self.children:
            self._check_output(child)
            self._check_disk(child, folder)
            self._check_forked(child)
        taken = time.monotonic() - now
        self.next_look = now + max(WATCH_SECONDS, taken / MOST_WATCHING)

    def _check_output(self, child: Child) -> None:
        if self._flood(child):
            self._fail(child)  # which says so

    def _flood(self, child: Child) -> OutputFault | None:
        if child.log_bytes() <= self.limits.output_bytes:
            return None
        return OutputFault(f"printed more than {self.limits.output_bytes / 2**20:.0f} MiB", "", "Print less.")

    def _check_disk(self, child: Child, folder: Path) -> None:
        size, count = child.disk_use(self.limits.files)
        fault = None
        if size > self.limits.disk_bytes:
            fault = f"wrote more than {self.limits.disk_bytes / 2**20:.0f} MiB of files"
        elif count > self.limits.files:
            fault = f"made more than {self.limits.files} files and folders"
        elif _free_bytes(folder) < self.floor_bytes:
            fault = f"the disk of {folder.parent} was nearly full while it ran"
        if fault:
            self._fail(child, OutputFault(fault, "", "Keep in memory what one call of predict needs."))

    def _finish(self, child: Child, folder: Path) -> None:
        left = child.finish()
        self._check_output(child)
        self._check_disk(child, folder)  # what it wrote after the last look
        self._check_forked(child)
        if left:
            self._fail(
                child,
                OutputFault(
                    f"{len(left)} of its processes still ran {GRACE_SECONDS:g} s after it ended "
                    f"({shorten(left)})",
                    "",
                    "Wait for every process that the submission starts, or end it.",
                ),
            )

    def _check_forked(self, child: Child) -> None:
        try:
            report = exchange.read_report(child.folder / "out" / "forked.json")
        except exchange.UnusableError:
            return
        if report and "faults" in report:
            self._fail(child, *report["faults"], where=self.spec.name)

    def _fail(self, child: Child, *faults: OutputFault, where: str = "") -> NoReturn:
        if flood := self._flood(child):
            faults = (flood,)  # what else it says came of that: a print into a full file raises
        lines = child.output_lines()
        output = "".join(f"\n    {line}" for line in lines)
        shown = []
        for k, fault in enumerate(faults[:MAX_SHOWN]):
            remedy = fault.remedy
            if output and k == min(len(faults), MAX_SHOWN) - 1:
                remedy = f"{remedy}\n  Its last lines:{output}".removeprefix("\n  ")
            place = where or self._where(child, fault.segment)
            shown.append(Fault(place, fault.arrived, fault.expected, remedy))
        raise PredictorError(*shown)

    def _where(self, child: Child, segment: int | None) -> str:
        name = self.spec.name
        if not child.started:
            return f"{name}, starting {self.spec.entry_point}"
        if not child.pending:
            return f"{name}, after its last segment"
        batch = child.pending[0]
        own = self.batches[batch].own
        if segment is not None and 0 <= segment < len(own):
            own = own[segment : segment + 1]
        ids = [self.segments[i].id for i in sorted(own)]
        words = "segment" if len(ids) == 1 else "segments"
        return f"{name}, batch {batch + 1} of {len(self.batches)}, {words} {shorten(ids, 2)}"

    def _busy(self) -> Child:
        return next((c for c in self.children if c.pending or not c.started), self.children[0])

    def _checked_eeg(self, i: int) -> Array:
        eeg = self.read_eeg(i)
        shape = (self.spec.setup.segment_samples, self.spec.setup.n_channels)
        if eeg.shape != shape or eeg.dtype != np.float32:
            raise ShapeError(
                Fault(
                    f"EEG of segment {self.segments[i].id}",
                    f"{eeg.dtype} {eeg.shape}",
                    f"float32 {shape} (n_times, n_eeg_channels)",
                )
            )
        return eeg


def fitting_jobs(n_batches: int, memory_bytes: int) -> int:
    """How many workers to share a run among where nobody says: one for each core, or as threads fit.

    Threads of one worker wait for each other at every step, and so for whatever else the machine does;
    workers of one thread do not. Each loads the submission anew, so that it should have two batches and
    more, and memory of its own.
    """
    cores = len(os.sched_getaffinity(0)) // (threads_asked() or 1)
    return max(1, min(cores, n_batches // LEAST_BATCHES, memory_bytes // LEAST_MEMORY_BYTES))


@contextmanager
def prepared_place(spec: PredictorSpec, limits: Run, means: str) -> Iterator[Place]:
    """The folder of a run, with private copies of the code and the weights.

    Raises:
        SubmissionError: the submission holds what cannot be copied, or changed since it was looked at.
    """
    gid = None if means == NONE else other_group()
    if gid is not None and means == BUBBLEWRAP:
        check_open([WORKER, Path(np.__file__)])
    with run_folder() as (folder, lock):
        files = code_files(spec.folder, spec.listed)
        hashes = copy_code(files, folder / "code")
        changed = sorted(dict(hashes.items() ^ (spec.code_hashes or hashes).items()))
        (folder / "weights").mkdir()
        if spec.setup.weights is not None:
            sha256 = copy_file(spec.setup.weights, folder / "weights" / weights_name(spec.setup.weights))
            if spec.weights_sha256 not in (None, sha256):
                changed.append(spec.setup.weights.name)
        if changed:
            problem = f"{shorten(changed)} changed while it was being scored"
            raise SubmissionError(Fault(str(spec.folder), problem, "one state of it", "Score it again."))
        (folder / "lib").mkdir()
        (folder / "lib" / PACKAGE.name).symlink_to(PACKAGE)
        place = Place(folder, lock, means, gid, limits)
        place.canary.write_text("nobody inside can read this\n")
        place.canary.chmod(0o644)
        place.open_to_group()
        yield place


def _job(spec: PredictorSpec, place: Place) -> dict[str, object]:
    weights = spec.setup.weights
    copied = weights and str(place.folder / "weights" / weights_name(weights))
    # Sorted, as their hash has them: an order is a message too.
    options = json.loads(json.dumps(spec.setup.options, sort_keys=True, default=exchange.as_dict))
    return {
        "submission": str(place.folder / "code"),
        "entry_point": spec.entry_point,
        "setup": {**vars(spec.setup), "options": options, "weights": copied},
        "memory_bytes": place.limits.memory_bytes,
    }


def weights_name(weights: Path) -> str:
    """What a weights file is called where the submission sees it.

    Its own name is in no hash, so it says nothing but what the contents say: the kind of file, for libraries
    that go by it.
    """
    with weights.open("rb") as file:
        start = file.read(64)
    return "weights" + next((suffix for begins, suffix in _KINDS if begins(start)), ".bin")


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _ended(code: int) -> OutputFault:
    arrived = f"its process ended with exit code {code} before its work was done"
    if code >= 0:
        return OutputFault(arrived, "", "Raise an exception that says what is wrong.")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    remedy = ""
    if name == "SIGKILL":
        remedy = "Nobody here sent it: the machine may have run out of memory."
    return OutputFault(f"its process was ended by {name}", "", remedy)
