"""``harness`` and ``python -m harness``: an interrupt is answered quietly even while imports run."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` puts the current folder first: a stranger's click.py there would run in place of ours.
    _first = Path(sys.path[0]).resolve()
    if _first != Path(__file__).resolve().parents[1]:
        del sys.path[0]


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
