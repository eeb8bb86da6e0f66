"""Ranking and pages at the sizes that matter.

python -m benchmarks.leaderboard

50 systems x 20 subjects: records read, all 1,225 paired tests, rank intervals from 10,000 draws, pages
written. 1,000 systems x 100 subjects: the ranking, in a process of its own whose peak memory is measured.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import report
from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.ranking import rank
from harness.page import build_page
from harness.page.build import ASSETS
from harness.page.names import board_file
from harness.records.build import build_record
from harness.records.record import CorpusData, Record, RunFacts, SplitPart, System
from harness.records.store import write_record
from harness.scoring.chance import Band, Chance
from harness.scoring.score import SubjectScore, combine

NAME = BoardName("simulated", "held-out-subjects", "test", "mel")
BANDS = 10


def record_of(name: str, scores: np.ndarray, bands: np.ndarray) -> Record:
    """A record with these subjects' means and bands."""
    subjects = {
        f"sub-{number:03d}": SubjectScore(float(r), tuple(row.tolist()), 8, (), (), ())
        for number, (r, row) in enumerate(zip(scores, bands, strict=True), start=1)
    }
    return build_record(
        combine(subjects),
        chance=Chance(Band(-0.004, 0.0, 0.004, 1793), Band(-0.004, 0.0, 0.004, 1000)),
        submission=System(
            name=name,
            kind="submission",
            version="1.0.0",
            variant="default",
            code_sha256="0" * 64,
            weights_sha256=None,
            predictions_sha256=None,
        ),
        split=SplitPart(name=NAME.split, sha256="1" * 64, part=NAME.part, segment_seconds=30),
        corpus=CorpusData(name="simulated", kind="simulated", fingerprint="2" * 64),
        feature=NAME.feature,
        seed=0,
        subjects_missing=(),
        environment={"harness": "0"},
        git=None,
        run=RunFacts(
            finished="2026-01-01T00:00:00Z",
            seconds=1.0,
            times_faster_than_real_time=1.0,
            machine="any",
            processors=2,
        ),
    )


def systems(n_systems: int, n_subjects: int) -> np.ndarray:
    """(n_systems, n_subjects) scores: subjects differ most, systems by a little."""
    rng = np.random.default_rng(0)
    means = np.linspace(0.06, 0.03, n_systems)[:, None]
    return means + rng.normal(0, 0.015, n_subjects) + rng.normal(0, 0.01, (n_systems, n_subjects))


def small() -> dict[str, float]:
    """Records of 50 systems to pages, without the time to write the records."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, scores in enumerate(systems(50, 20)):
            bands = scores[:, None] + rng.normal(0, 0.01, (len(scores), BANDS))
            # A subject's score is the mean of its bands, or the board would leave the record out.
            write_record(folder / "results", record_of(f"system-{number:02d}", bands.mean(axis=1), bands))
        start = time.perf_counter()
        built = build_page(folder / "page", folder / "results", folder)
        seconds = time.perf_counter() - start
        (board,) = built.boards
        if len(board.records) != 50:
            raise SystemExit(f"{len(board.records)} of 50 records are on the board")
        loaded = [board_file(NAME), *ASSETS]
        page = sum((folder / "page" / file).stat().st_size for file in loaded)
    return {
        "seconds_50x20": seconds,
        "page_kb_50x20": page / 1000,
        "site_kb_50x20": built.n_bytes / 1000,
    }


def large() -> None:
    """Rank 1,000 systems of 100 subjects; print seconds and peak memory in MB."""
    table = systems(1000, 100)
    records = tuple(
        BoardRecord(Path(f"{number}.json"), record_of(f"system-{number}", scores, scores[:, None]), "0" * 64)
        for number, scores in enumerate(table)
    )
    start = time.perf_counter()
    rank(Board(NAME, records))
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> dict[str, float]:
    """Measure both sizes; the large board in its own process."""
    command = [sys.executable, "-c", "from benchmarks.leaderboard import large; large()"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return {**small(), "seconds_1000x100": seconds, "peak_mb_1000x100": peak}


if __name__ == "__main__":
    report("leaderboard", main())
