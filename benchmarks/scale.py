"""What time, memory and disk cost as submissions, subjects and data grow: ``benchmarks/scale.json``.

    python -m benchmarks.scale             # all parts, a few minutes
    python -m benchmarks.scale board queue # these parts only; the others stay as they are in the file

Each size is measured in a process of its own, so that its peak memory is its own. Everything is made here
from fixed seeds: boards of records with random scores, a queue's folder, a corpus of sparse files.
``growth`` is the slope of the logarithm of a figure over that of the size, from the two largest sizes: 1 is
proportional, 2 is quadratic.
"""

import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("scale.json")
Figures = dict[str, float]
BOARD_SUBJECTS = 20
MANY_SUBJECTS = 85
TEAMS = 100
SEGMENT_SECONDS, SEGMENTS_A_SUBJECT = 5, 2
HEARD_SECONDS = SEGMENT_SECONDS * SEGMENTS_A_SUBJECT
MINUTES_A_RECORDING = 15
CORPUS = """
name = "short"
title = "Short recordings"
licence = "none"
citation = "random numbers"
kind = "simulated"
sample_rate_hz = 64

[channels]
count = 64

[eeg]
files = "eeg/{subject}_{stimulus}.npy"

[features.mel]
title = "Mel spectrogram"
bands = 10
files = "{stimulus}_mel.npy"
"""


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    """Seconds of processors that a block takes, its children's too; waiting for a disk is not in them."""
    start = sum(os.times()[:4])
    yield
    figures[f"{name}_seconds"] = max(sum(os.times()[:4]) - start, 0.01)  # the clock's step


def made_records(n_systems: int, n_subjects: int) -> list[Any]:
    """Records of systems that differ by a little, of subjects that differ more; each holds together."""
    import numpy as np

    from benchmarks.leaderboard import BANDS, record_of, systems

    rng = np.random.default_rng(1)
    found = []
    for number, scores in enumerate(systems(n_systems, n_subjects)):
        bands = scores[:, None] + rng.normal(0, 0.01, (n_subjects, BANDS))
        found.append(record_of(f"system-{number:05d}", bands.mean(axis=1), bands))
    return found


def written(results: Path, records: list[Any]) -> None:
    """Put records where they belong, without the checks of who writes one."""
    from harness.records.document import record_bytes
    from harness.records.store import record_path

    for record in records:
        path = record_path(results, record)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record_bytes(record))


def records(n_systems: int, folder: Path) -> Figures:
    """A board's folder with so many records: one more written, all read, the largest fault found."""
    from benchmarks.leaderboard import NAME
    from harness.boards.board import load_board
    from harness.records.store import write_record

    *there, new = made_records(n_systems + 1, BOARD_SUBJECTS)
    written(folder, there)
    size = sum(path.stat().st_size for path in folder.rglob("*.json"))
    figures: Figures = {"disk_mb": size / 1e6}
    with timed(figures, "write_one_more"):
        write_record(folder, new)
    with timed(figures, "read_board"):
        board = load_board(folder, NAME)
    if len(board.records) != n_systems + 1:
        raise SystemExit(f"{len(board.records)} records are ranked, {n_systems + 1} were made")
    return figures


def board(n_systems: int, folder: Path) -> Figures:
    """A board in memory: its tests and ranks, its texts, its pages, one system against it."""
    from benchmarks.leaderboard import NAME
    from harness.boards.board import BoardRecord, board_of
    from harness.boards.compared import against_board_text
    from harness.boards.formats import board_text
    from harness.boards.ranking import rank
    from harness.page.build import pages

    ones = [BoardRecord.made(folder, record) for record in made_records(n_systems, BOARD_SUBJECTS)]
    made = board_of(NAME, ones)
    figures: Figures = {}
    with timed(figures, "rank"):
        ranking = rank(made)
    with timed(figures, "text"):
        board_text(ranking, "text")
    with timed(figures, "csv"):
        board_text(ranking, "csv")
    with timed(figures, "page"):
        files = pages([ranking], folder)
    with timed(figures, "compare"):
        against_board_text(made.records[-1], made)
    name = next(name for name in files if name.startswith("board") and name.endswith(".html"))
    figures["page_files"] = len(files)
    figures["board_page_kb"] = len(files[name]) / 1000
    figures["pages_mb"] = sum(map(len, files.values())) / 1e6
    return figures


def drawn(n_systems: int, folder: Path) -> Figures:
    """A board of more subjects than can be tested exactly: its tests and ranks."""
    from benchmarks.leaderboard import NAME
    from harness.boards.board import BoardRecord, board_of
    from harness.boards.ranking import rank

    ones = [BoardRecord.made(folder, record) for record in made_records(n_systems, MANY_SUBJECTS)]
    made = board_of(NAME, ones)
    figures: Figures = {}
    with timed(figures, "rank"):
        rank(made)
    return figures


def history(n_records: int, folder: Path) -> Figures:
    """A repository with a commit for each record."""
    from harness.boards.history import history as past
    from harness.records.document import record_bytes
    from harness.records.store import record_path

    stream = []
    for number, record in enumerate(made_records(n_records, BOARD_SUBJECTS), start=1):
        content = record_bytes(record)
        path = record_path(Path("results"), record)
        stream.append(
            f"commit refs/heads/main\ncommitter A <a@b> {1_700_000_000 + number} +0000\ndata 1\nx\n"
            f"M 644 inline {path}\ndata {len(content)}\n".encode()
            + content
            + b"\n"
        )
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], check=True, input=b"".join(stream))
    figures: Figures = {}
    with timed(figures, "history"):
        events = past(folder)
    if len(events) != n_records:
        raise SystemExit(f"{len(events)} events, {n_records} commits")
    return figures


def queue(n_jobs: int, folder: Path, n_teams: int = TEAMS) -> Figures:
    """A queue whose jobs are scored: one more handed in, a worker's looks, all states.

    At its first look nothing that participants see is there yet; at a restart all of it is.
    """
    from harness.queue.work import Worker

    settings = scored_queue(folder, n_jobs, n_teams)
    figures: Figures = {}
    item = folder / "new.npz"
    item.write_bytes(b"a new one")
    worker = Worker(settings)
    with timed(figures, "hand_in"):
        job = worker.admit(item, "team-0", time.time())
    figures["files_a_job"] = sum(1 for path in folder.rglob("*") if path.is_file()) / (n_jobs + 1)
    worker.queue.finish(job, 1, {"state": "refused", "reasons": ["a benchmark"]})
    with timed(figures, "first_look"):
        worker._start()
    with timed(figures, "next_look"):
        worker._start()
    with timed(figures, "restart"):
        Worker(settings)._start()
    with timed(figures, "states"):
        states = [one.state(True) for one in worker.queue.jobs()]
    if states.count("scored") != n_jobs:
        raise SystemExit("another number of scored jobs")
    return figures


def one_team(n_jobs: int, folder: Path) -> Figures:
    """The same queue, all of one team."""
    figures = queue(n_jobs, folder, 1)
    return {name: figures[name] for name in ("hand_in_seconds", "first_look_seconds", "restart_seconds")}


def scored_queue(folder: Path, n_jobs: int, n_teams: int) -> Any:
    """A queue's folder as a worker leaves it; what records say is left out."""
    import hashlib

    from harness.queue.settings import parse_settings

    settings = parse_settings(b'[[phase]]\nname = "open"\n', folder)
    for number in range(n_jobs):
        team = f"team-{number % n_teams}"
        sha256 = hashlib.sha256(f"job {number}".encode()).hexdigest()
        job = folder / "jobs" / "open" / team / sha256[:16]
        ledger = folder / "ledger" / "open" / team
        (job).mkdir(parents=True)
        ledger.mkdir(parents=True, exist_ok=True)
        record = f'{{"record": {number}}}\n'.encode()
        digest = hashlib.sha256(record).hexdigest()
        name = f"simulated/held-out-subjects/test/mel/{team}-{number}.json"
        (job / "item").write_bytes(b"predictions")
        (job / f"{digest}.record").write_bytes(record)
        said = {
            "job.json": {"name": "a.npz", "sha256": sha256, "arrived": 1_700_000_000 + number, "fault": None},
            "1.claim-1.json": {"host": "h", "machine": "m", "pid": 1, "began": "1"},
            "1.outcome.json": {
                "state": "scored",
                "text": "r",
                "claim": 1,
                "records": [{"path": name, "sha256": digest}],
            },
        }
        for file, document in said.items():
            (job / file).write_text(json.dumps(document))
        line = {"job": f"open/{team}/{sha256[:16]}", "day": "2026-01-01"}
        (ledger / f"{number // n_teams + 1:06d}.json").write_text(json.dumps(line))
    return settings


def subjects(n_subjects: int, folder: Path) -> Figures:
    """So many subjects of one short recording: opened, predictions written and scored, ten systems ranked."""
    import numpy as np

    from benchmarks.leaderboard import NAME
    from harness.boards.board import BoardRecord, board_of
    from harness.boards.ranking import rank
    from harness.evaluation.evaluate import evaluate_predictions
    from harness.predictions import write_predictions
    from harness.records.document import record_bytes
    from harness.tasks.task import open_task

    split = _short_recordings(folder, n_subjects)
    figures: Figures = {}
    with timed(figures, "open"):
        task = open_task(folder / "corpus", split_name=str(split), feature="mel")
    rng = np.random.default_rng(0)
    made = (
        (subject, {one.id: rng.standard_normal((task.n_frames, 10)).astype("f4") for one in own})
        for subject, own in task.by_subject.items()
    )
    with timed(figures, "write_zip"):
        write_predictions(folder / "made.zip", made)
    with timed(figures, "score_zip"):
        record = evaluate_predictions(folder / "made.zip", task)
    figures["zip_mb"] = (folder / "made.zip").stat().st_size / 1e6
    figures["record_kb"] = len(record_bytes(record)) / 1000
    ones = [BoardRecord.made(folder, one) for one in made_records(10, n_subjects)]
    with timed(figures, "rank_10"):
        rank(board_of(NAME, ones))
    return figures


def _short_recordings(folder: Path, n_subjects: int) -> Path:
    """A corpus of one short recording a subject, and a split that tests on all but two; gives its file."""
    import numpy as np

    rng = np.random.default_rng(0)
    n_times = HEARD_SECONDS * 64
    names = [f"sub-{number:04d}" for number in range(n_subjects + 2)]
    corpus = folder / "corpus"
    (corpus / "eeg").mkdir(parents=True)
    (corpus / "corpus.toml").write_text(CORPUS)
    np.save(corpus / "talk_mel.npy", rng.random((n_times, 10), dtype=np.float32))
    for name in names:
        np.save(corpus / "eeg" / f"{name}_talk.npy", rng.standard_normal((n_times, 64), dtype=np.float32))
    parts = {"train": names[-2:-1], "val": names[-1:], "test": names[:-2]}
    document = {
        "name": "short",
        "title": "short recordings",
        "corpora": ["short"],
        "features": ["mel"],
        "sample_rate_hz": 64,
        "segment_seconds": SEGMENT_SECONDS,
        "cut": "whole-recordings",
        "parts": {part: {"subjects": own} for part, own in parts.items()},
    }
    path = folder / "short.json"
    path.write_text(json.dumps(document))
    return path


def data(gigabytes: int, folder: Path) -> Figures:
    """A corpus of so many GB as sparse files: opened, described, its part cut; nothing of it is read."""
    from benchmarks import crops
    from harness.corpus import open_corpus
    from harness.tasks.describe import describe
    from harness.tasks.splits import load_split

    n_bytes = 64 * 4 * 64 * 60 * MINUTES_A_RECORDING
    crops.TREE_RECORDINGS = max(1, round(gigabytes * 1e9 / n_bytes))
    crops.TREE_SAMPLES = 64 * 60 * MINUTES_A_RECORDING
    crops.TREE_STIMULI = crops.TREE_RECORDINGS // crops.TREE_SUBJECTS + 1
    size = crops.make_large_tree(folder)
    figures: Figures = {"recordings": crops.TREE_RECORDINGS, "eeg_mb": size / 1e6}
    with timed(figures, "open"):
        corpus = open_corpus(folder)
    with timed(figures, "describe"):
        describe(corpus, splits=[load_split("held-out-subjects")])
    return figures


def reading(megabytes: int, folder: Path) -> Figures:
    """Random EEG of so many MB that is really read: hashed, as a fingerprint does, and copied."""
    import numpy as np

    from harness.files import file_sha256

    path = folder / "eeg.npy"
    np.save(path, np.random.default_rng(0).standard_normal(megabytes * 125_000).astype("f8"))
    figures: Figures = {}
    with timed(figures, "sha256"):
        file_sha256(path)
    with timed(figures, "copy"):
        (folder / "copy.npy").write_bytes(path.read_bytes())
    return figures


PARTS: dict[str, tuple[Callable[[int, Path], Figures], tuple[int, ...]]] = {
    "records": (records, (10, 100, 1000)),
    "board": (board, (10, 100, 200, 1000)),
    "drawn": (drawn, (10, 100, 300)),
    "history": (history, (10, 100, 300)),
    "queue": (queue, (100, 1000, 10_000)),
    "one_team": (one_team, (100, 300, 1000)),
    "subjects": (subjects, (10, 85, 300, 1000)),
    "data": (data, (1, 10, 100)),
    "reading": (reading, (64, 256, 1024)),
}


def measure(part: str, size: int) -> Figures:
    """Measure one size in this process."""
    with tempfile.TemporaryDirectory() as name:
        figures = PARTS[part][0](size, Path(name))
    return figures | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def growth(sizes: dict[int, Figures]) -> Figures:
    """The slope of each figure over the size, in logarithms, between the two largest sizes."""
    (small, before), (large, after) = sorted(sizes.items())[-2:]
    return {
        name: math.log(after[name] / before[name]) / math.log(large / small)
        for name in after
        if before.get(name, 0) > 0 and after[name] > 0
    }


def run(part: str) -> dict[str, Any]:
    """Measure every size of a part, each in a process of its own."""
    sizes: dict[int, Figures] = {}
    for size in PARTS[part][1]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", "--one", part, str(size)],
            check=True,
            stdout=subprocess.PIPE,
        )
        sizes[size] = {name: float(f"{value:.4g}") for name, value in json.loads(done.stdout).items()}
        print(f"{part} {size}: {json.dumps(sizes[size])}", flush=True)
    return {
        "command": f"python -m benchmarks.scale {part}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {_processors()} processors, Python {platform.python_version()}",
        "sizes": {str(size): figures for size, figures in sizes.items()},
        "growth": {name: round(value, 2) for name, value in growth(sizes).items()},
    }


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def main(arguments: list[str]) -> None:
    """Measure the parts that are named, or all, and keep the file's others."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(arguments[1], int(arguments[2]))))
        return
    if unknown := set(arguments) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; one of {', '.join(PARTS)}")
    for part in arguments or PARTS:
        made = run(part)
        known = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
        known[part] = made
        ordered = {name: known[name] for name in PARTS if name in known}
        FIGURES.write_text(json.dumps(ordered, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
