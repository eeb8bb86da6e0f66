"""Timing two things in one run, in turn, so that a machine's drift touches both; and reporting.

``targets.json`` says what each benchmark's figures have to reach, ``at_least`` or ``at_most``, and ``what`` a
figure is, if docs/results.md shows it.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

TARGETS = Path(__file__).with_name("targets.json")


def interleaved(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of two functions that run in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, taken in zip((first, second), times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def missed(figures: dict[str, float], targets: dict[str, dict[str, float]]) -> list[str]:
    """A line for each target that the figures do not reach."""
    lines = []
    for name, target in targets.items():
        low, high = target.get("at_least", -float("inf")), target.get("at_most", float("inf"))
        if not low <= figures[name] <= high:
            bound = f"at least {low:g}" if "at_least" in target else f"at most {high:g}"
            lines.append(f"{name}: {figures[name]:.4g}, expected {bound}")
    return lines


def report(name: str, figures: dict[str, float]) -> None:
    """Print a benchmark's figures as JSON; exit 1 where one misses its target."""
    print(json.dumps({name: figures}, indent=1))
    lines = missed(figures, json.loads(TARGETS.read_text("utf-8"))[name])
    for line in lines:
        print(f"missed: {line}", file=sys.stderr)
    if lines:
        sys.exit(1)
