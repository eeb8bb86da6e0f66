"""How often two sets of trainings of one architecture are called different, by each kind of test.

    python -m benchmarks.seed_alarms [RECORD ...]

The spreads are measured: of the seeds' means, of what is left of each seed and subject, and of the subjects,
in the records of several trainings of one net (default: ConvConcatNet's on the simulated corpus, both parts).
4,000 repetitions for each part and number of seeds, of two sets drawn with these spreads and without any
difference:

    two_sources     t over subjects and seeds, Satterthwaite's degrees of freedom: what boards use
    seed_means      sign flips over subjects of the means over seeds (1,000 of the repetitions)
    single          sign flips over subjects of one training each (likewise)

All at 0.05. The share that is called different should be at most that. Written to
``benchmarks/seed_alarms.json``.
"""

import json
import sys
from pathlib import Path

import numpy as np

from harness.records.store import read_record
from harness.scoring.statistics import sign_flip_test
from harness.scoring.two_sources import estimate

REPOSITORY = Path(__file__).parent.parent
BOARDS = REPOSITORY / "results" / "simulated" / "held-out-subjects"
FIGURES = Path(__file__).with_name("seed_alarms.json")
REPETITIONS, SIGN_REPETITIONS = 4000, 1000
SEEDS = (2, 3, 5)
LEVEL = 0.05


def spreads(table: np.ndarray) -> dict[str, float]:
    """Standard deviations of (n_seeds, n_subjects) scores: of subjects, seeds and their interaction."""
    n_seeds, n_subjects = table.shape
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    interaction = float((rest**2).sum()) / ((n_seeds - 1) * (n_subjects - 1))
    seeds = float(table.mean(axis=1).var(ddof=1)) - interaction / n_subjects
    subjects = float(table.mean(axis=0).var(ddof=1)) - interaction / n_seeds
    parts = {"subjects": subjects, "seeds": seeds, "interaction": interaction}
    return {name: float(np.sqrt(max(value, 0.0))) for name, value in parts.items()}


def alarms(spread: dict[str, float], n_seeds: int, n_subjects: int) -> dict[str, float]:
    """Share of the repetitions in which each test calls two sets of one architecture different."""
    rng = np.random.default_rng([20260901, n_seeds, n_subjects])
    found = {"two_sources": 0, "seed_means": 0, "single": 0}
    for repetition in range(REPETITIONS):
        subjects = rng.normal(0.0, spread["subjects"], n_subjects)
        first, second = (
            subjects
            + rng.normal(0.0, spread["seeds"], (n_seeds, 1))
            + rng.normal(0.0, spread["interaction"], (n_seeds, n_subjects))
            for _ in range(2)
        )
        found["two_sources"] += estimate(first, second).p <= LEVEL
        if repetition < SIGN_REPETITIONS:
            found["seed_means"] += sign_flip_test(first.mean(axis=0) - second.mean(axis=0)) <= LEVEL
            found["single"] += sign_flip_test(first[0] - second[0]) <= LEVEL
    of = {"two_sources": REPETITIONS}
    return {name: round(number / of.get(name, SIGN_REPETITIONS), 4) for name, number in found.items()}


def main(paths: list[Path]) -> dict[str, object]:
    """Part of the split -> measured spreads, and number of seeds -> test -> share called different."""
    parts: dict[str, list[list[float]]] = {}
    names: dict[str, str] = {}
    for path in paths:
        record = read_record(path)
        scores = [one.pearson_r for one in record.subjects.values()]
        parts.setdefault(record.split.part, []).append(scores)
        names[record.split.part] = record.submission.title
    figures: dict[str, object] = {}
    for part, rows in sorted(parts.items()):
        if len(rows) < 2:
            sys.exit(f"{part}: one training; the spread over seeds needs two or more")
        table = np.array(rows)
        spread = spreads(table)
        figures[part] = {
            "system": names[part],
            "trainings": len(rows),
            "subjects": table.shape[1],
            "spreads": {name: round(value, 5) for name, value in spread.items()},
            "called_different": {str(n): alarms(spread, n, table.shape[1]) for n in SEEDS},
        }
        print(part, figures[part], file=sys.stderr)
    return figures


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]] or sorted(BOARDS.glob("*/mel/convconcatnet.seed-*.json"))
    if not given:
        sys.exit("no record of several trainings: score them first, harness score baselines/convconcatnet")
    FIGURES.write_text(json.dumps(main(given), indent=1) + "\n")
