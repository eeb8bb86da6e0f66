"""The kit from Python: for notebooks and scripts; see docs/python.md.

    from harness import api

Everything here goes through the functions that the commands call, and gives the same numbers. Names are
imported when they are first used, so that a script pays for torch and scikit-learn only where it needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api.dataset import PartDataset
    from harness.api.estimator import SystemEstimator
    from harness.api.net import SystemNet, build_net, load_net
    from harness.api.opening import Small, open_corpus, open_part, simulate
    from harness.api.part import Part, Sample
    from harness.api.scoring import save_predictions, score, text
    from harness.api.tables import board, boards, compare, subject_scores

_HOMES = {
    "dataset": ("PartDataset",),
    "estimator": ("SystemEstimator",),
    "net": ("SystemNet", "build_net", "load_net"),
    "opening": ("Small", "open_corpus", "open_part", "simulate"),
    "part": ("Part", "Sample"),
    "scoring": ("save_predictions", "score", "text"),
    "tables": ("board", "boards", "compare", "subject_scores"),
}
__all__ = [
    "Part",
    "PartDataset",
    "Sample",
    "Small",
    "SystemEstimator",
    "SystemNet",
    "board",
    "boards",
    "build_net",
    "compare",
    "load_net",
    "open_corpus",
    "open_part",
    "save_predictions",
    "score",
    "simulate",
    "subject_scores",
    "text",
]


def __getattr__(name: str) -> object:
    """Import a public name's module when the name is first used."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"harness.api.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
