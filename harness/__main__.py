"""``harness`` and ``python -m harness``: an interrupt is answered quietly even while imports run."""

from __future__ import annotations

import sys


def main() -> None:
    """Import the command and run it."""
    try:
        from harness.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing half-written is left behind\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
