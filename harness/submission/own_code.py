"""A submission's own code, called by the harness."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import Fault, HarnessError, SubmissionError, TrainingError
from harness.submission.manifest import Submission


@contextmanager
def imported(submission: Submission, key: str) -> Iterator[Any]:
    """The object that a key of the manifest names (``module:name``).

    The modules of the submission folder are removed from ``sys.modules`` afterwards.

    Raises:
        SubmissionError: it cannot be imported.
        TrainingError: what is done with it raises an error of its own, or tries to exit.
    """
    folder, entry_point = submission.folder, submission.manifest[key]
    module_name, _, name = entry_point.partition(":")
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        try:
            found = getattr(importlib.import_module(module_name), name)
        except (Exception, SystemExit) as error:
            reason = str(error) or type(error).__name__
            raise SubmissionError(
                Fault(f"{folder}: {key} {entry_point!r}", f"cannot be imported ({reason})")
            ) from None
        try:
            yield found
        except (HarnessError, OSError):
            raise
        except (Exception, SystemExit) as error:
            raise TrainingError(_raised(f"{submission.name}: {key} {entry_point!r}", error)) from None
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


def _raised(where: str, error: BaseException) -> Fault:
    """An error of a submission's own code: what, and on which of its lines."""
    if isinstance(error, SystemExit):
        return Fault(where, f"called exit({error.code!r})", "a return", "Return, or raise what is wrong.")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "harness" not in Path(frame.filename).parent.parts] or frames
    place = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else "unknown line"
    return Fault(where, f"raised {type(error).__name__}: {error} ({place})")
