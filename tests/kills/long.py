"""Many kills: ``make kill-test``, or with the number of all kills, spread over the commands.

Prints a row a command. The first file that is not whole, or result that differs, ends the run.
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from kills import COMMANDS, kill_and_repeat, make_stage, reference

COUNTED = ("killed", "left drafts", "left in TMPDIR", "left in TMPDIR after the second run")


def main() -> None:
    """Kill every command, the number of times in all that the first argument names."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 102
    chosen = sys.argv[2:] or list(COMMANDS)
    print(f"| command | kills | {' | '.join(COUNTED)} | seconds without a kill |", flush=True)
    print("|---" * (len(COUNTED) + 3) + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        stage = make_stage(Path(scratch) / "stage")
        for index, name in enumerate(chosen):
            share = number // len(chosen) + (index < number % len(chosen))
            took, expected = reference(name, stage, Path(scratch))
            chance, counts = random.Random(name), Counter[str]()
            for _ in range(share):
                counts.update(kill_and_repeat(name, stage, Path(scratch), chance, took, expected))
            row = (name, share, *(counts[what] for what in COUNTED), f"{took:.1f}")
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
