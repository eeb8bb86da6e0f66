"""What comes with the harness beside its own code: splits, and baselines with their small weights.

In a clone they lie beside ``harness/``, where people read and edit them. In an installed wheel they lie
inside it, in ``harness/shipped/``: pyproject.toml says what goes there.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "shipped"
IS_CLONE = not _INSIDE.is_dir()


def shipped_folder(name: str) -> Path:
    """The folder ``splits`` or ``baselines`` that comes with the harness."""
    return (_PACKAGE.parent if IS_CLONE else _INSIDE) / name
