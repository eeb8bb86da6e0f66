"""Timing two things in one run, in turn, so that a machine's drift touches both; and reporting."""

import json
import statistics
import sys
import time
from collections.abc import Callable


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


def missed(figures: dict[str, float], targets: dict[str, tuple[str, float]]) -> list[str]:
    """Targets that the figures do not meet."""
    lines = []
    for name, (sign, bound) in targets.items():
        met = figures[name] >= bound if sign == ">=" else figures[name] <= bound
        if not met:
            lines.append(f"{name}: {figures[name]:.4g}, target {sign} {bound:g}")
    return lines


def report(name: str, figures: dict[str, float], targets: dict[str, tuple[str, float]]) -> None:
    """Print figures as JSON; exit 1 where a target is missed."""
    print(json.dumps({name: figures}, indent=1))
    lines = missed(figures, targets)
    for line in lines:
        print(f"missed: {line}", file=sys.stderr)
    if lines:
        sys.exit(1)
