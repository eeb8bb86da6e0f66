"""The loop that feeds workers and watches limits, with workers that are no processes and a clock of its own."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections import deque
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from harness.errors import PredictorError, ShapeError, SubmissionError
from harness.execution import Run, drive, exchange
from harness.execution.child import WORKER, Place
from harness.execution.drive import Drive, fitting_jobs, weights_name
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, NONE
from harness.execution.order import shuffled_batches
from harness.execution.spec import PredictorSpec, SegmentInput
from harness.predictor import Setup

N_TIMES, N_CHANNELS, N_FRAMES, N_BANDS = 6, 3, 4, 2
SUBJECTS = ("sub-1", "sub-1", "sub-1", "sub-2", "sub-2")
ORDER = "1216"
STEP = 1 / 64  # of a clock whose times are exact


def eeg_of(i):
    return np.random.default_rng(i).standard_normal((N_TIMES, N_CHANNELS)).astype(np.float32)


def answer_to(eeg):
    return 2 * eeg[..., :N_FRAMES, :N_BANDS]


class Worker:
    """Stands in for a worker: what it was started with, and what a test lets it do."""

    def __init__(self, world, place, name, job, n_threads, seed):
        self.world, self.name, self.told = world, name, (place, job, n_threads, seed)
        self.folder = place.folder / name
        self.given, self.out = self.folder / "given", self.folder / "out"
        self.given.mkdir(parents=True)
        self.out.mkdir()
        self.pending, self.started = deque(), False
        self.code, self.memory, self.disk, self.printed, self.lines, self.left = None, 0, (0, 0), 0, [], []
        self.looked_at, self.most_files, self.seen = [], [], []
        world.workers.append(self)

    def says(self, name, report):
        (self.out / f"{name}.json").write_text(json.dumps(report))

    def starts(self):
        self.says("start", {})

    def waiting(self):
        """The batches that it was given and has not answered."""
        return sorted(
            path.stem for path in self.given.glob("*.npy") if not (self.out / f"{path.stem}.json").exists()
        )

    def answers(self, **report):
        name = self.waiting()[0]
        eeg = np.load(self.given / f"{name}.npy")
        self.seen.append((name, json.loads((self.given / f"{name}.json").read_text()), eeg))
        np.save(self.out / f"{name}.npy", answer_to(eeg))
        self.says(name, report)

    def works(self):
        """Start, then answer one batch at a time."""
        if not (self.out / "start.json").exists():
            self.starts()
        elif self.waiting():
            self.answers(seconds=0.25)

    def exit_code(self):
        return self.code

    def memory_bytes(self):
        self.looked_at.append(self.world.now)
        self.world.now += self.world.look
        return self.memory

    def disk_use(self, most):
        self.most_files.append(most)
        return self.disk

    def log_bytes(self):
        return self.printed

    def output_lines(self):
        return self.lines

    def stop(self):
        self.world.calls.append(f"stop {self.name}")

    def finish(self):
        self.world.calls.append(f"finish {self.name}")
        self.world.at_finish(self)
        return self.left

    def close(self):
        self.world.calls.append(f"close {self.name}")


class World:
    """A machine with workers, on which time passes while the loop sleeps."""

    def __init__(self):
        self.now, self.step, self.look, self.free = 1000.0, None, 0.0, 2**40
        self.slept, self.calls, self.workers, self.places, self.n_looks = [], [], [], [], 0
        self.meanwhile, self.at_finish = Worker.works, lambda worker: None

    def monotonic(self):
        self.n_looks += 1
        assert self.n_looks < 999
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += self.step or seconds
        assert len(self.slept) < 300
        for worker in self.workers:
            self.meanwhile(worker)


@pytest.fixture
def world(monkeypatch, tmp_path):
    made = World()

    @contextmanager
    def prepared_place(spec, limits, means):
        made.places.append((spec, limits, means))
        (tmp_path / "run").mkdir()
        yield Place(tmp_path / "run", 99, means, None, limits)
        made.calls.append("place left")

    def statvfs(path):
        assert Path(path) == tmp_path / "run"
        return SimpleNamespace(f_bavail=made.free, f_frsize=1, f_bfree=2**50, f_bsize=7)

    monkeypatch.setattr(drive, "Child", partial(Worker, made))
    monkeypatch.setattr(drive, "prepared_place", prepared_place)
    monkeypatch.setattr(drive, "time", made)
    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: set(range(7))}[pid])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return made


@pytest.fixture
def made(world, tmp_path):
    """Make the loop for a run of some segments."""

    def make(
        subjects=SUBJECTS, most=2, read_eeg=eeg_of, on_progress=None, n_sizing=None, setup=None, **limits
    ):
        standard = {"options": {}, "weights": None, "seed": 7}
        options, weights, seed = ({**standard, **(setup or {})}).values()
        built = Setup("mel", N_BANDS, N_FRAMES, N_CHANNELS, N_TIMES, 64, "base", options, weights, seed)
        spec = PredictorSpec("demo", tmp_path, "model:Decoder", built)
        segments = [SegmentInput(f"x_{i}", subject) for i, subject in enumerate(subjects)]
        limits = Run(**{"jobs": 1, **limits})
        return Drive(
            *(spec, segments, read_eeg, limits, most, on_progress, NONE, ORDER, n_sizing or len(segments))
        )

    return make


def failure(loop, kind=PredictorError):
    with pytest.raises(kind) as caught:
        loop.run()
    for fault in caught.value.faults:
        assert {type(text) for text in vars(fault).values()} == {str}
    return str(caught.value)


START = "demo, starting model:Decoder"
# Batches of SUBJECTS are asked in this order.
BATCHES = shuffled_batches(SUBJECTS, 2, ORDER)


# A run that goes well


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_segment_gets_the_answer_to_its_own_eeg(world, made, jobs):
    counts = []
    loop = made(jobs=jobs, on_progress=lambda *of: counts.append(of))
    world.at_finish = lambda worker: worker.lines.append(f"bye {worker.name}")
    assert loop.run() == "\n".join(f"bye {k}" for k in range(jobs))
    np.testing.assert_array_equal(loop.store, [answer_to(eeg_of(i)) for i in range(5)])
    assert loop.store.dtype == np.float32
    assert not loop.store.flags.writeable
    assert loop.children == world.workers
    assert world.places == [(loop.spec, loop.limits, NONE)]
    assert (loop.n_given, loop.n_done, loop.seconds) == (3, 5, 0.75)
    assert loop.wall_seconds == world.now - 1000 > 0
    names = [f"{k}" for k in range(jobs)]
    ends = [f"{what} {name}" for what in ("stop", "finish") for name in names]
    assert world.calls == [*ends, *(f"close {name}" for name in names[::-1]), "place left"]
    given = sorted((seen for worker in world.workers for seen in worker.seen), key=lambda seen: seen[0])
    for k, (batch, (name, subjects, eeg)) in enumerate(zip(BATCHES, given, strict=True)):
        assert (name, subjects) == (f"{k:06d}", [SUBJECTS[i] for i in batch.positions])
        np.testing.assert_array_equal(eeg, [eeg_of(i) for i in batch.positions])
    for k, worker in enumerate(world.workers):
        assert [name for name, *_ in worker.seen] == [f"{n:06d}" for n in range(3) if n % jobs == k]
        assert list(worker.given.iterdir()) == []
        assert [path.name for path in worker.out.iterdir()] == ["start.json"]
    if jobs == 1:
        done = np.cumsum([batch.n_own for batch in BATCHES])
        assert counts == [(n, 5) for n in done]
    assert counts[-1] == (5, 5)


def test_workers_are_told_their_job_and_nothing_of_the_segments(world, made, tmp_path):
    weights = tmp_path / "mine.npy"
    np.save(weights, np.zeros(2))
    options = {"width": 3, "deep": MappingProxyType({"z": 1, "a": [0.5, True]})}
    made(jobs=2, setup={"options": options, "weights": weights, "seed": 9}, memory_bytes=5 * 2**20).run()
    for k, worker in enumerate(world.workers):
        place, job, n_threads, seed = worker.told
        assert (worker.name, n_threads, seed) == (f"{k}", 3, 9)  # of seven cores
        assert (place.folder, place.limits.jobs) == (tmp_path / "run", 2)
        assert job == {
            "submission": f"{tmp_path}/run/code",
            "entry_point": "model:Decoder",
            "setup": {
                "feature": "mel",
                "n_bands": N_BANDS,
                "n_frames": N_FRAMES,
                "n_channels": N_CHANNELS,
                "segment_samples": N_TIMES,
                "sample_rate_hz": 64,
                "variant": "base",
                "options": {"deep": {"a": [0.5, True], "z": 1}, "width": 3},
                "weights": f"{tmp_path}/run/weights/weights.npy",
                "seed": 9,
            },
            "memory_bytes": 5 * 2**20,
        }
        assert json.dumps(job["setup"]["options"]) == '{"deep": {"a": [0.5, true], "z": 1}, "width": 3}'


def test_without_weights_there_is_no_path_to_any(world, made):
    made().run()
    assert world.workers[0].told[1]["setup"]["weights"] is None


@pytest.mark.parametrize(
    ("asked", "threads", "n_workers", "n_threads"),
    [
        (None, None, 5, 1),  # 10 batches, two each
        (None, "2", 3, 2),  # of seven cores
        (3, None, 3, 2),
        (3, "5", 3, 5),
        (50, None, 10, 1),  # no more than batches
        (1, None, 1, 7),
    ],
)
def test_workers_share_batches_and_cores(monkeypatch, world, made, asked, threads, n_workers, n_threads):
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    made(["unknown"] * 20, jobs=asked).run()
    assert [worker.told[2] for worker in world.workers] == [n_threads] * n_workers


def test_what_is_asked_besides_changes_neither_the_size_of_batches_nor_the_number_of_workers(world, made):
    loop = made(["unknown"] * 15, most=4, jobs=None, n_sizing=6)
    loop.run()
    assert len(world.workers) == 1  # of two batches of three; all are five
    sizes = {len(subjects) for worker in world.workers for _, subjects, _ in worker.seen}
    assert (sizes, loop.n_given, loop.n_done) == ({3}, 5, 15)


def test_each_worker_has_four_batches_ahead_and_who_has_fewest_gets_the_next(world, made):
    ahead = []

    def first(worker):
        ahead.append([sorted(int(path.stem) for path in one.given.glob("*.npy")) for one in world.workers])
        world.meanwhile = second
        worker.starts()

    def second(worker):
        if worker.name == "1":  # the quicker one
            worker.works()
            worker.works()

    world.meanwhile = first
    loop = made(["unknown"] * 12, most=1, jobs=2, seconds=0.02)
    failure(loop)
    assert ahead == [[[0, 2, 4, 6], [1, 3, 5, 7]]]
    assert [name for name, *_ in world.workers[1].seen] == [f"{n:06d}" for n in (1, 3, 5, 7, 8, 9, 10, 11)]


def test_only_answers_that_a_batch_is_to_give_are_kept(world, made):
    loop = made(["unknown"] * 5, most=2)
    loop.run()
    assert [(len(batch.positions), batch.n_own) for batch in loop.batches].count((2, 1)) == 1
    np.testing.assert_array_equal(loop.store, [answer_to(eeg_of(i)) for i in range(5)])


def test_waits_double_up_to_a_hundredth_of_a_second_until_something_moves(world, made):
    at = {9: Worker.starts, 12: Worker.answers, 16: Worker.answers, 17: Worker.answers}
    world.meanwhile = lambda worker: at.pop(len(world.slept), lambda worker: None)(worker)
    loop = made()
    loop.run()
    rising = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.01, 0.01, 0.01, 0.01]
    assert world.slept == pytest.approx([*rising, *rising[:3], *rising[:4], rising[0]])
    assert loop.seconds == 0.0  # nobody said


def test_any_of_several_workers_that_moves_shortens_the_wait(world, made):
    def works(worker):
        if len(world.slept) in (3, 5, 7, 8) and worker.name == "0":
            worker.works()
        if len(world.slept) > 8:
            worker.works()

    world.meanwhile = works
    made(["unknown"] * 6, most=1, jobs=2).run()
    a, b, c = 0.0005, 0.001, 0.002
    assert world.slept == pytest.approx([a, b, c, a, b, a, b, a, a, a, a, a])


def test_output_is_the_last_lines_of_all_workers(world, made):
    world.at_finish = lambda worker: worker.lines.extend(f"{worker.name}: {i}" for i in range(15))
    said = made(jobs=2).run().splitlines()
    assert said == [f"0: {i}" for i in range(10, 15)] + [f"1: {i}" for i in range(15)]


# EEG


@pytest.mark.parametrize(
    ("changed", "arrived"),
    [
        (lambda eeg: eeg.astype(np.float64), "float64 (6, 3)"),
        (lambda eeg: eeg[:5], "float32 (5, 3)"),
        (lambda eeg: eeg.T, "float32 (3, 6)"),
    ],
)
def test_eeg_of_another_shape_or_dtype_is_refused(world, made, changed, arrived):
    loop = made(["unknown"], read_eeg=lambda i: changed(eeg_of(i)))
    assert failure(loop, ShapeError) == (
        f"EEG of segment x_0: {arrived}, expected float32 (6, 3) (n_times, n_eeg_channels)."
    )
    assert world.calls == ["close 0"]


# What a worker says


def first_batch():
    return f"demo, batch 1 of 3, segments {', '.join(f'x_{i}' for i in sorted(BATCHES[0].own))}"


def test_the_first_batch_has_two_segments():
    assert len(BATCHES[0].own) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (["went wrong", "", "", None], "{batch}: went wrong."),
        (["a", "b", "c", None], "{batch}: a, expected b.\n  c"),
        (["a", "", "", 0], "demo, batch 1 of 3, segment x_{first}: a."),
        (["a", "", "", 1], "demo, batch 1 of 3, segment x_{second}: a."),
        (["a", "", "", 2], "{batch}: a."),
        (["a", "", "", -1], "{batch}: a."),
    ],
)
def test_a_fault_is_told_with_the_segments_it_is_of(world, made, fault, message):
    def says(worker):
        worker.starts()
        worker.says("000000", {"faults": [fault]})

    world.meanwhile = says
    first, second = BATCHES[0].own
    assert failure(made()) == message.format(batch=first_batch(), first=first, second=second)


def test_many_segments_are_named_by_two_and_many_faults_by_twenty(world, made):
    def says(worker):
        worker.lines = ["one", "two"]
        worker.starts()
        worker.says("000000", {"faults": [[f"fault {i}", "", "Mend it.", None] for i in range(25)]})

    world.meanwhile = says
    where = "demo, batch 1 of 1, segments x_0, x_1 and 2 more"
    lines = [f"{where}: fault {i}.\n  Mend it." for i in range(20)]
    lines[-1] += "\n  Its last lines:\n    one\n    two"
    assert failure(made(["unknown"] * 4, most=4)) == "\n".join(lines)


def test_last_lines_come_after_the_last_fault_with_or_without_a_remedy(world, made):
    def says(worker):
        worker.lines = ["one"]
        worker.says("start", {"faults": [["a", "", "", None], ["b", "", "", None]]})

    world.meanwhile = says
    assert failure(made()) == f"{START}: a.\n{START}: b.\n  Its last lines:\n    one"


def test_what_is_no_report_is_refused_with_what_it_is(world, made):
    world.meanwhile = lambda worker: (worker.out / "start.json").write_text("no")
    assert failure(made()) == f"{START}: the process wrote something else: start.json is not JSON."


def test_a_report_without_a_prediction_is_refused(world, made):
    def says(worker):
        worker.starts()
        worker.says("000000", {"seconds": 1})

    world.meanwhile = says
    assert failure(made()) == (f"{first_batch()}: the process wrote something else: 000000.npy is missing.")


def test_a_prediction_of_another_shape_is_refused(world, made):
    def says(worker):
        worker.starts()
        np.save(worker.out / "000000.npy", np.zeros((2, N_BANDS, N_FRAMES), np.float32))
        worker.says("000000", {})

    world.meanwhile = says
    assert failure(made()) == (
        f"{first_batch()}: the process wrote something else: 000000.npy is not an npy file of float32 (2, 4, 2)."
    )


def test_values_that_are_not_finite_are_refused_segment_by_segment(world, made):
    def says(worker):
        worker.starts()
        values = np.zeros((2, N_FRAMES, N_BANDS), np.float32)
        values[1, 2:] = np.nan
        np.save(worker.out / "000000.npy", values)
        worker.says("000000", {})

    world.meanwhile = says
    assert failure(made()) == (
        f"demo, batch 1 of 3, segment x_{BATCHES[0].own[1]}: 4 of 8 predicted values are NaN or infinite, "
        "expected finite values."
    )


@pytest.mark.parametrize("late", [False, True])
def test_a_process_that_forked_and_came_back_is_told_of_the_whole_submission(world, made, late):
    def says(worker):
        worker.says("forked", {"faults": [["came back", "an end", "End it.", 0]]})

    if late:
        world.at_finish = says
    else:
        world.meanwhile, world.step = says, 0.2
    assert failure(made()) == "demo: came back, expected an end.\n  End it."


@pytest.mark.parametrize("text", ["{}", "no"])
def test_anything_else_of_that_name_says_nothing(world, made, text):
    world.at_finish = lambda worker: (worker.out / "forked.json").write_text(text)
    made().run()


# Ends


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (0, "its process ended with exit code 0 before its work was done.\n  {remedy}"),
        (3, "its process ended with exit code 3 before its work was done.\n  {remedy}"),
        (
            -9,
            "its process was ended by SIGKILL.\n"
            "  Nobody here sent it: the machine may have run out of memory.",
        ),
        (-11, "its process was ended by SIGSEGV."),
        (-1, "its process was ended by SIGHUP."),
        (-99, "its process was ended by signal 99."),
    ],
)
def test_how_a_worker_ended(world, made, code, message):
    def ends(worker):
        worker.code = code

    world.meanwhile = ends
    message = message.format(remedy="Raise an exception that says what is wrong.")
    assert failure(made()) == f"{START}: {message}"
    assert world.calls == ["close 0"]
    assert world.slept == [0.0005]


def test_what_a_worker_wrote_before_it_ended_is_taken_in_first(world, made):
    def ends(worker):
        if worker.code is None:
            worker.starts()
            worker.answers()
            worker.answers()
            worker.code = 0

    world.meanwhile = ends
    last = sorted(BATCHES[2].own)
    segments = f"segment{'s' if len(last) > 1 else ''} {', '.join(f'x_{i}' for i in last)}"
    assert failure(made()) == (
        f"demo, batch 3 of 3, {segments}: its process ended with exit code 0 before its work was done.\n"
        "  Raise an exception that says what is wrong."
    )
    assert len(world.slept) == 2


# Limits


@pytest.mark.parametrize(
    ("meanwhile", "where"),
    [(lambda worker: None, START), (Worker.starts, None)],
    ids=["at the start", "in predict"],
)
def test_a_whole_run_may_take_so_long(world, made, meanwhile, where):
    world.meanwhile, world.step = meanwhile, STEP
    assert failure(made(seconds=0.5)) == (
        f"{where or first_batch()}: ran past the time limit of 0.5 s.\n"
        "  Make predict faster, or ask for a higher limit."
    )
    assert len(world.slept) == 33


@pytest.mark.parametrize("lines", [[], ["hm"]])
def test_who_is_late_is_the_first_that_has_work(world, made, lines):
    def works(worker):
        worker.lines = lines if worker.name == "1" else ["not me"]
        if worker.name == "0" or not worker.started:
            worker.works()

    world.meanwhile, world.step = works, STEP
    loop = made(["unknown"] * 4, most=2, jobs=2, seconds=0.5)
    ids = ", ".join(f"x_{i}" for i in sorted(loop.batches[1].own))
    assert failure(loop) == (
        f"demo, batch 2 of 2, segments {ids}: ran past the time limit of 0.5 s.\n"
        "  Make predict faster, or ask for a higher limit."
        + "".join(f"\n  Its last lines:\n    {line}" for line in lines)
    )


def test_where_nobody_has_work_the_first_is_named(monkeypatch, world, made):
    read = exchange.read_report

    def at_once(path):  # a worker that answers as soon as anybody looks, and is gone
        world.workers[0].works()
        world.workers[0].code = 0
        world.now += 0.25
        return read(path)

    monkeypatch.setattr(exchange, "read_report", at_once)
    assert failure(made(seconds=0.4)) == (
        "demo, after its last segment: ran past the time limit of 0.4 s.\n"
        "  Make predict faster, or ask for a higher limit."
    )


def test_limits_are_looked_at_ten_times_a_second_and_less_where_a_look_takes_long(world, made):
    world.meanwhile, world.step = Worker.starts, STEP
    loop = made(seconds=0.5, files=77)
    failure(loop)
    looks = [(at - 1000) / STEP for at in world.workers[0].looked_at]
    assert looks == [0, 7, 14, 21, 28]
    assert world.workers[0].most_files == [77] * 5
    assert loop.next_look == 1000 + 28 * STEP + 0.1


def test_a_look_takes_a_tenth_of_the_time_at_most(world, made):
    world.meanwhile, world.step, world.look = Worker.starts, STEP, 2 * STEP
    failure(made(seconds=1.0))
    looks = [round((at - 1000) / STEP) for at in world.workers[0].looked_at]
    assert looks == [0, 20, 40, 60]


@pytest.mark.parametrize(("second", "over"), [(100 * 2**20, False), (100 * 2**20 + 1, True)])
def test_memory_counts_over_all_workers_and_who_holds_most_is_named(world, made, second, over):
    def grows(worker):
        worker.works()
        worker.lines = [f"I am {worker.name}"]
        worker.memory = second if worker.name == "1" else 50 * 2**20

    world.meanwhile, world.step = grows, 0.2
    loop = made(jobs=2, memory_bytes=150 * 2**20)
    if over:
        assert failure(loop) == (
            f"{START}: its processes hold 150 MiB of memory, the limit is 150 MiB.\n"
            "  Work on fewer segments at once, or ask for a higher limit.\n"
            "  Its last lines:\n    I am 1"
        )
    else:
        loop.run()


@pytest.mark.parametrize("late", [False, True], ids=["while it runs", "at the end"])
@pytest.mark.parametrize(
    ("limits", "uses", "message"),
    [
        ({"output_bytes": 3 * 2**20}, {"printed": 3 * 2**20}, ""),
        (
            {"output_bytes": 3 * 2**20},
            {"printed": 3 * 2**20 + 1},
            "printed more than 3 MiB.\n  Print less.",
        ),
        ({"disk_bytes": 5 * 2**20, "files": 9}, {"disk": (5 * 2**20, 9)}, ""),
        (
            {"disk_bytes": 5 * 2**20},
            {"disk": (5 * 2**20 + 1, 10**6)},
            "wrote more than 5 MiB of files.\n  Keep in memory what one call of predict needs.",
        ),
        (
            {"files": 9},
            {"disk": (0, 10)},
            "made more than 9 files and folders.\n  Keep in memory what one call of predict needs.",
        ),
    ],
)
def test_output_and_files_are_limited(world, made, late, limits, uses, message):
    def more(worker):
        if not late:
            worker.works()
        vars(worker).update(uses)

    if late:
        world.at_finish = more
    else:
        world.meanwhile, world.step = more, 0.2
    loop = made(**limits)
    if message:
        where = "demo, after its last segment" if late else START
        assert failure(loop) == f"{where}: {message}"
    else:
        loop.run()


def test_a_flood_of_output_is_told_in_place_of_what_came_of_it(world, made):
    def says(worker):
        worker.printed, worker.lines = 2**21, ["spam"]
        worker.says("start", {"faults": [["a", "", "", None], ["b", "", "", None]]})

    world.meanwhile = says
    assert failure(made(output_bytes=2**20)) == (
        f"{START}: printed more than 1 MiB.\n  Print less.\n  Its last lines:\n    spam"
    )


@pytest.mark.parametrize(
    ("free", "later", "full"),
    [
        (2**40, 2**29, False),
        (2**40, 2**29 - 1, True),
        (101, 50, False),
        (101, 49, True),
    ],
)
def test_a_disk_that_fills_up_ends_the_run(world, made, tmp_path, free, later, full):
    def fills(worker):
        worker.works()
        world.free = later

    world.free, world.meanwhile = free, fills
    loop = made()
    if full:
        assert failure(loop) == (
            f"demo, after its last segment: the disk of {tmp_path} was nearly full while it ran.\n"
            "  Keep in memory what one call of predict needs."
        )
    else:
        loop.run()


def test_free_space_is_that_of_users_in_bytes(monkeypatch, world, made):
    loop = made()
    monkeypatch.setattr(
        os, "statvfs", lambda path: SimpleNamespace(f_bavail=10, f_frsize=4, f_bfree=30, f_bsize=100)
    )
    loop.run()
    assert loop.floor_bytes == 20


def test_processes_that_are_left_are_told_by_name(world, made):
    world.at_finish = lambda worker: worker.left.extend(["sleep"] * 7 if worker.name == "1" else [])
    assert failure(made(jobs=2)) == (
        "demo, after its last segment: 7 of its processes still ran 2 s after it ended "
        "(sleep, sleep, sleep, sleep, sleep and 2 more).\n"
        "  Wait for every process that the submission starts, or end it."
    )
    assert world.calls[-4:] == ["finish 0", "finish 1", "close 1", "close 0"]


# The place of a run


@pytest.fixture
def placed(monkeypatch, tmp_path):
    """Make the place of a run of a small package; gives what is checked for being open, too."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/model.py").write_text("x = 1\n")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(os, "chown", lambda *of, **how: None)
    checked = []
    monkeypatch.setattr(drive, "check_open", lambda paths: checked.append(list(paths)))

    def place(means=NONE, group=None, weights=None, **how):
        monkeypatch.setattr(drive, "other_group", lambda: group)
        setup = Setup("mel", 2, 8, 64, 8, 64, "base", {}, weights, 0)
        spec = PredictorSpec("demo", tmp_path / "package", "model:Decoder", setup, **how)
        return drive.prepared_place(spec, Run(jobs=3), means)

    return place, checked


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_has_private_copies_a_canary_and_this_very_harness(placed, tmp_path):
    place, checked = placed
    model, weights = tmp_path / "package/model.py", tmp_path / "6578.txt"
    np.save(weights.with_suffix(".npy"), np.zeros(2))
    weights.with_suffix(".npy").rename(weights)
    hashes = {"code_hashes": {"model.py": sha256(model)}, "weights_sha256": sha256(weights)}
    with place(weights=weights, **hashes) as made:
        assert (made.isolation, made.gid, made.limits) == (NONE, None, Run(jobs=3))
        assert made.folder.parent == tmp_path / "scratch"
        names = {path.relative_to(made.folder).as_posix() for path in made.folder.glob("**/*")}
        assert {name for name in names if not name.startswith("lib/harness/")} == {
            *("lock", "canary", "code", "code/model.py", "weights", "weights/weights.npy", "lib"),
            "lib/harness",
        }
        assert (made.folder / "code/model.py").read_text() == "x = 1\n"
        assert sha256(made.folder / "weights/weights.npy") == sha256(weights)
        assert (made.folder / "lib/harness").readlink() == Path(drive.__file__).parents[1]
        assert os.path.samestat(os.fstat(made.lock), (made.folder / "lock").stat())
        assert made.canary.read_text() == "nobody inside can read this\n"
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (made.canary, made.folder)]
        assert modes == [0o644, 0o710]
    assert list((tmp_path / "scratch").iterdir()) == []
    assert checked == []


@pytest.mark.parametrize(
    ("means", "group", "gid", "is_checked"),
    [
        (NONE, 77, None, False),
        (BUBBLEWRAP, None, None, False),
        (BUBBLEWRAP, 77, 77, True),
        (LANDLOCK, 77, 77, False),
    ],
)
def test_workers_of_other_users_need_an_open_installation(placed, means, group, gid, is_checked):
    place, checked = placed
    with place(means, group) as made:
        assert made.gid == gid
    assert checked == ([[WORKER, Path(np.__file__)]] if is_checked else [])


def test_code_and_weights_that_changed_are_named_together(placed, tmp_path):
    place, _ = placed
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"1")
    hashes = {"model.py": "0" * 64, "gone.py": "0" * 64}
    with (
        pytest.raises(SubmissionError) as caught,
        place(weights=weights, code_hashes=hashes, weights_sha256="0" * 64),
    ):
        pass
    assert str(caught.value) == (
        f"{tmp_path}/package: gone.py, model.py, w.bin changed while it was being scored, expected one state of it.\n"
        "  Score it again."
    )
    assert list((tmp_path / "scratch").iterdir()) == []
    with place(weights=weights):  # nobody looked before
        pass


# How many workers


@pytest.mark.parametrize(
    ("threads", "cores", "batches", "gib", "jobs"),
    [
        (None, 8, 40, 16, 8),
        (None, 8, 40, 4, 4),  # each has memory of its own
        (None, 8, 40, 4.75, 4),
        (None, 8, 6, 16, 3),  # each has two batches and more
        (None, 8, 7, 16, 3),
        (None, 8, 1, 16, 1),
        (None, 8, 40, 0.5, 1),
        ("4", 8, 40, 16, 2),
        ("3", 8, 40, 16, 2),
        ("16", 8, 40, 16, 1),
        ("many", 8, 40, 16, 8),
        (None, 1, 40, 16, 1),
    ],
)
def test_jobs_fit_the_cores_the_batches_and_the_memory(monkeypatch, threads, cores, batches, gib, jobs):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: range(cores)}[pid])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert fitting_jobs(batches, int(gib * 2**30)) == jobs


# What weights are called


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x93NUMPY\x01\x00", "weights.npy"),
        (b"PK\x03\x04" + b"x" * 56 + b".npy", "weights.npz"),
        (b"PK\x03\x04" + b"x" * 57 + b".npy", "weights.pt"),
        (b"PK\x03\x04archive/data.pkl", "weights.pt"),
        (b"\x80\x04\x95", "weights.pt"),
        (b"\x89HDF\r\n\x1a\n", "weights.h5"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "weights.safetensors"),
        (b'  {"a": 1}', "weights.json"),
        (b"\n[1]", "weights.json"),
        (b"anything .npy", "weights.bin"),
        (b"", "weights.bin"),
    ],
)
def test_weights_are_called_by_how_they_begin(tmp_path, start, name):
    path = tmp_path / "6578656328.txt"
    path.write_bytes(start)
    assert weights_name(path) == name
