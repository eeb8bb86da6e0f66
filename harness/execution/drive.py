"""The loop that feeds workers, takes in what they predict, and watches every limit."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from harness.errors import MAX_SHOWN, Fault, PredictorError, ShapeError, shorten
from harness.execution import exchange
from harness.execution.child import GRACE_SECONDS, MAX_LOG_BYTES, MAX_OUTPUT_LINES, Child
from harness.execution.spec import PredictorSpec, Run, SegmentInput
from harness.predictor import Array, OutputFault, check_prediction

BATCHES_AHEAD = 4  # of each worker, on disk: 63 MB with 32 segments of 30 s
WATCH_SECONDS = 0.1  # between looks at memory and output
FIRST_WAIT_SECONDS = 0.0005
LONGEST_WAIT_SECONDS = 0.01


@dataclass
class Drive:
    """One run: its workers, and how far it is.

    Attributes:
        spec: the submission.
        segments: what to predict.
        read_eeg: position of a segment -> (segment_samples, 64) float32.
        limits: of the whole run.
        batch_segments: segments in one call of ``predict``.
        on_progress: called with the segments done and their total; may be None.
        seconds: inside ``predict``, as the workers say.
        wall_seconds: of the run, once it is over.
        store: (n_segments, n_times, n_bands) float32, in a file without a name.
    """

    spec: PredictorSpec
    segments: Sequence[SegmentInput]
    read_eeg: Callable[[int], Array]
    limits: Run
    batch_segments: int
    on_progress: Callable[[int, int], None] | None
    seconds: float = 0.0
    wall_seconds: float = 0.0
    n_given: int = 0  # batches
    n_done: int = 0  # segments
    children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        setup = self.spec.setup
        self.n_batches = -(-len(self.segments) // self.batch_segments)
        shape = (len(self.segments), setup.n_frames, setup.n_bands)
        self.store: Array = exchange.unnamed_storage(shape)

    def run(self, jobs: int) -> str:
        """Predict everything; return the last lines of output."""
        self.began = self.looked = time.monotonic()
        jobs = min(jobs, self.n_batches)
        n_threads = max(1, len(os.sched_getaffinity(0)) // jobs)
        job = _job(self.spec, self.limits)
        seed = self.spec.setup.seed
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="harness-", ignore_cleanup_errors=True)
                )
            )
            for k in range(jobs):
                child = Child(folder / f"{k}", job, n_threads, seed)
                stack.callback(child.close)
                self.children.append(child)
            wait = FIRST_WAIT_SECONDS
            while self.n_done < len(self.segments):
                if any([self._collect(child) for child in self.children] + [self._feed()]):
                    wait = FIRST_WAIT_SECONDS
                else:
                    time.sleep(wait)
                    wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                self._watch()
            self.store.flags.writeable = False
            for child in self.children:
                child.stop()
            for child in self.children:
                self._finish(child)
            self.wall_seconds = time.monotonic() - self.began
            lines = [line for child in self.children for line in child.output_lines()]
        return "\n".join(lines[-MAX_OUTPUT_LINES:])

    def _feed(self) -> bool:
        """Give the next batch to the worker that has the fewest; one at a time."""
        child = min(self.children, key=lambda child: len(child.pending))
        if self.n_given == self.n_batches or len(child.pending) >= BATCHES_AHEAD:
            return False
        batch = self.n_given
        span = self._span(batch)
        path = child.folder / "eeg" / f"{batch:06d}.npy"
        exchange.write_json(path.with_suffix(".json"), [self.segments[i].subject for i in span])
        shape = (len(span), self.spec.setup.segment_samples, self.spec.setup.n_channels)
        exchange.write_eeg(path, (self._checked_eeg(i) for i in span), shape)
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
            self._take(child, out / f"{name}.npy")
        except exchange.UnusableError as error:
            self._fail(child, OutputFault(f"the process wrote something else: {error}", "", ""))
        self.seconds += report.get("seconds", 0.0)
        eeg = child.folder / "eeg" / f"{name}.npy"
        exchange.remove(eeg, eeg.with_suffix(".json"), out / f"{name}.npy", out / f"{name}.json")
        return True

    def _take(self, child: Child, path: Path) -> None:
        span = self._span(child.pending[0])
        shape = (len(span), *self.store.shape[1:])
        prediction = exchange.read_prediction(path, (shape[0], shape[1], shape[2]))
        if faults := check_prediction(prediction, (shape[0], shape[1], shape[2])):
            self._fail(child, *faults)
        self.store[span.start : span.stop] = prediction
        child.pending.popleft()
        self.n_done += len(span)
        if self.on_progress:
            self.on_progress(self.n_done, len(self.segments))

    def _watch(self) -> None:
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
        if now - self.looked < WATCH_SECONDS:
            return
        self.looked = now
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
            if child.log_bytes() > MAX_LOG_BYTES:
                self._fail(
                    child,
                    OutputFault(f"printed more than {MAX_LOG_BYTES / 2**20:.0f} MiB", "", "Print less."),
                )
            self._check_forked(child)

    def _finish(self, child: Child) -> None:
        left = child.finish()
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
        total = len(self.segments)
        if not child.started:
            return f"{name}, starting {self.spec.entry_point}"
        if not child.pending:
            return f"{name}, after its last segment"
        span = self._span(child.pending[0])
        if segment is not None and 0 <= segment < len(span):
            span = span[segment : segment + 1]
        first, last = self.segments[span.start].id, self.segments[span.stop - 1].id
        if len(span) == 1:
            return f"{name}, segment {first} ({span.start + 1} of {total})"
        return f"{name}, segments {first} .. {last} ({span.start + 1}..{span.stop} of {total})"

    def _busy(self) -> Child:
        return next((c for c in self.children if c.pending or not c.started), self.children[0])

    def _span(self, batch: int) -> range:
        return range(len(self.segments))[batch * self.batch_segments : (batch + 1) * self.batch_segments]

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


def _job(spec: PredictorSpec, limits: Run) -> dict[str, object]:
    weights = spec.setup.weights
    return {
        "submission": str(spec.folder.resolve()),
        "entry_point": spec.entry_point,
        "setup": {**vars(spec.setup), "weights": weights and str(weights.absolute())},
        "memory_bytes": limits.memory_bytes,
    }


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
