"""``python -m harness`` in a folder of a stranger."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2]


def test_a_module_of_the_current_folder_does_not_replace_a_package(tmp_path):
    (tmp_path / "click.py").write_text("print('ran')\n")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("harness, version ")
