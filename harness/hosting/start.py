"""Where a platform begins: unpacks the wheels beside this file, and scores with them.

Copied into what is uploaded, and run there by a Python without this kit: only the standard library is
imported before the wheels are unpacked, and nothing is fetched. Arguments: references, predictions, and the
folder of the output, in this order; without any, ``../input/ref``, ``../input/res`` and ``../output``, as
Codabench lays them out.
"""

import json
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
_BESIDE = ("input/ref", "input/res", "output")


def main(arguments: "list[str]") -> int:
    """Score, and give the exit code: 0 scored, 1 not."""
    task = json.loads((HERE / "task.json").read_text(encoding="utf-8"))
    here = f"{sys.version_info[0]}.{sys.version_info[1]} on {platform.machine()}"
    wanted = f"{task['python']} on {task['machine']}"
    if here != wanted:
        sys.stderr.write(
            f"This scoring program is for Python {wanted}, and this is Python {here}. Organisers: the docker"
            f" image {task['image']} has the right one.\n"
        )
        return 1
    references, predictions, output = arguments or [str(HERE.parent / name) for name in _BESIDE]
    place = tempfile.mkdtemp(prefix="harness-")
    try:
        for path in sorted((HERE / "wheels").glob("*.whl")):
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(place)
        sys.path.insert(0, place)
        from harness.hosting.program import run

        return run(str(HERE), references, predictions, output)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
