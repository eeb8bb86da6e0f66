"""A scorer of somebody's own: a function that is named on the command line, beside the measures of the kit.

It is called once for each subject with two read-only arrays, references and predictions, both
(n_segments, n_frames, n_bands) float64, and gives (n_segments,) values, or one number for the subject. It
runs in this process and sees references: it is trusted as the kit itself is.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import Fault, RecordError, UsageError, no_such, on_one_line, shorten, show, some_of

if TYPE_CHECKING:
    from harness.conventions import Array

OPTION = "--scorer"
_FORM = "FILE.py:FUNCTION or MODULE:FUNCTION, such as scorer.py:mean_r"
_SIGNATURE = "a function of two arrays: def score(references, predictions)"


@dataclass(frozen=True)
class OwnScorer:
    """A function that scores.

    Attributes:
        name: as it was given.
        sha256: of the file that it comes from; None where that cannot be read.
        higher_is_better: which way is better.
        function: references and predictions, (n_segments, n_frames, n_bands) each, to values.
    """

    name: str
    sha256: str | None
    higher_is_better: bool
    function: Callable[[Array, Array], Any]

    @property
    def sign(self) -> int:
        """1, or -1 where lower is better."""
        return 1 if self.higher_is_better else -1

    def score(self, where: str, references: Mapping[str, Array], predictions: Mapping[str, Array]) -> float:
        """A subject's score: the mean of its segments' values, or the one number that it gives.

        Args:
            where: record and subject, for messages.
            references: segment id -> (n_frames, n_bands).
            predictions: likewise, of the same segments.

        Raises:
            RecordError: a segment without a prediction; the function raised, or gave another shape than it
                should, or what is no number, or not finite.
        """
        where = f"{where}: {self.name}"
        ids = list(references)
        missing = [one for one in ids if one not in predictions]
        if missing:
            said = some_of(len(missing), len(ids), "segment", "has no prediction", "have no prediction")
            raise RecordError(
                Fault(where, said, "all", "Only the measures of the kit say what such a segment counts.")
            )
        sides = [np.array([own[one] for one in ids], dtype=np.float64) for own in (references, predictions)]
        for side in sides:
            side.setflags(write=False)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is the answer's
                given = self.function(*sides)
        except (Exception, SystemExit) as error:
            raise RecordError(Fault(where, f"raised {_words(error)}{_line(error)}")) from error
        return float(self._values(where, ids, given).mean())

    def _values(self, where: str, ids: Sequence[str], given: Any) -> Array:
        """What the function gave, once it is known to be (n_segments,) finite numbers, or one."""
        expected = f"({len(ids)},) (n_segments), or one number"
        try:
            values = np.asarray(given)
        except Exception as error:
            kind = type(given).__name__
            raise RecordError(Fault(where, f"gave a {kind} ({_words(error)})", expected)) from None
        if values.dtype.kind not in "fiu":
            kind = f"a {type(given).__name__}" if values.dtype.kind == "O" else str(values.dtype)
            raise RecordError(Fault(where, f"gave {kind}", f"numbers, {expected}"))
        if values.shape not in ((), (len(ids),)):
            raise RecordError(Fault(where, f"gave shape {values.shape}", expected))
        values = values.astype(np.float64)
        odd = np.flatnonzero(~np.isfinite(np.atleast_1d(values))).tolist()
        if odd and values.shape:
            said = some_of(len(odd), len(ids), "value", "is NaN or infinite", "are NaN or infinite")
            which = shorten([ids[index] for index in odd])
            raise RecordError(Fault(where, said, "finite numbers", f"Of the segments {which}."))
        if odd:
            raise RecordError(Fault(where, f"gave {values.item()}", "a finite number"))
        return values


def load_scorer(text: str, *, higher_is_better: bool = True) -> OwnScorer:
    """The function that ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION`` names; its module is run for that.

    Args:
        text: as --scorer has it.
        higher_is_better: which way is better.

    Raises:
        UsageError: no such file, module or function; a module that fails; no function of two arrays.
    """
    place, colon, name = text.rpartition(":")
    if not (colon and place and name.isidentifier()):
        raise UsageError(Fault(OPTION, repr(text), _FORM))
    module = _from_file(Path(place), text) if place.endswith(".py") else _from_module(place, text)
    function = getattr(module, name, None)
    if function is None:
        known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise UsageError(no_such(f"{OPTION} {place}", name, known, f"{place} has no such function."))
    where = f"{OPTION} {show(text)}"
    if not callable(function):
        raise UsageError(Fault(where, f"not a function ({type(function).__name__})", _SIGNATURE))
    with contextlib.suppress(ValueError):  # one in C says nothing of its arguments
        try:
            inspect.signature(function).bind(None, None)
        except TypeError as error:
            raise UsageError(Fault(where, f"cannot take two arrays ({error})", _SIGNATURE)) from None
    return OwnScorer(text, _sha256(module), higher_is_better, function)


def _from_file(path: Path, text: str) -> ModuleType:
    where = f"{OPTION} {show(text)}"
    if not path.is_file():
        raise UsageError(Fault(where, "no such file", _FORM))
    name = "harness_scorer_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a file that ends in .py has one, and a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    with _imported(where, path.resolve().parent):
        spec.loader.exec_module(module)
    return module


def _from_module(name: str, text: str) -> ModuleType:
    where = f"{OPTION} {show(text)}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(Fault(where, f"{name!r} is no module", _FORM))
    try:
        with _imported(where, Path.cwd()):
            return importlib.import_module(name)
    except UsageError as error:
        lacking = error.__cause__
        if isinstance(lacking, ModuleNotFoundError) and f"{name}.".startswith(f"{lacking.name}."):
            there = "A file's name ends in .py." if Path(f"{name}.py").is_file() else ""
            remedy = there or "It is looked for where Python looks, and in the current folder."
            raise UsageError(Fault(where, f"no module {name}", _FORM, remedy)) from None
        raise


@contextlib.contextmanager
def _imported(where: str, folder: Path) -> Any:
    """Import what is imported from a folder too, after all else, and name what went wrong."""
    sys.path.append(str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        raise UsageError(Fault(where, f"cannot be imported: {_words(error)}{_line(error)}", _FORM)) from error
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _words(error: BaseException) -> str:
    return on_one_line(f"{type(error).__name__}: {error}"[:300]).removesuffix(": ")


def _line(error: BaseException) -> str:
    """Where in somebody's own code an error came from, not in a library that it calls."""
    libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    trace, last = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(("<", *libraries)) and Path(file) != Path(__file__):
            last = f" ({Path(file).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return last


def _sha256(module: ModuleType) -> str | None:
    try:
        return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
    except OSError:
        return None
