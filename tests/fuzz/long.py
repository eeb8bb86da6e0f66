"""Every reader on many more mutated files than the tests take: ``make fuzz``, or with a number of files each.

Prints a row a reader as it is done; what a reader raises beside errors of the harness ends the run with the
seed that makes the file again. Files that take more than a second are counted.
"""

import contextlib
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from readers import READERS, attempt

from harness.errors import HarnessError

SLOW_SECONDS = 1.0


def main() -> None:
    """Fuzz every reader, or those that are named after the number."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    chosen = sys.argv[2:] or list(READERS)
    total, failures = 0, 0
    print("| reader | files | read | refused | slower than 1 s | slowest, s |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    for name in chosen:
        found: Counter[str] = Counter()
        slowest = 0.0
        for index in range(number):
            folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
            began = time.monotonic()
            try:
                with contextlib.suppress(HarnessError):
                    attempt(READERS[name], random.Random(f"{name} {index}"), folder)
                    found["read"] += 1
            except Exception as error:
                failures += 1
                print(f"FAILED {name} {index}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            seconds = time.monotonic() - began
            slowest = max(slowest, seconds)
            found["slow"] += seconds > SLOW_SECONDS
        total += number
        row = (name, number, found["read"], number - found["read"], found["slow"], f"{slowest:.2f}")
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(f"| all | {total} | | | | |")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
