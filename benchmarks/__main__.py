"""Run every benchmark, each in a process of its own, and keep the figures in ``benchmarks/figures.json``.

python -m benchmarks
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import TARGETS

NAMES = tuple(json.loads(TARGETS.read_text("utf-8")))
FIGURES = Path(__file__).parent / "figures.json"


def run() -> int:
    """Run them; returns 1 where one missed its targets."""
    figures, failed = {}, []
    for name in NAMES:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], capture_output=True, text=True)
        sys.stderr.write(done.stderr)
        if done.returncode:
            failed.append(name)
        try:
            figures |= json.loads(done.stdout)
        except ValueError:
            sys.stderr.write(f"{name}: no figures\n")
            continue
        print(done.stdout, end="")
    rounded = {
        name: {
            key: value if isinstance(value, int) else float(f"{value:.4g}") for key, value in values.items()
        }
        for name, values in figures.items()
    }
    FIGURES.write_text(json.dumps(rounded, indent=1) + "\n")
    if failed:
        sys.stderr.write(f"targets missed by: {', '.join(failed)}\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(run())
