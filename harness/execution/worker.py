"""The child side: a process that holds one submission and predicts the batches it is given.

Started by ``enter.py``, which confines the process first, with one argument: its folder, in which all talk
happens by files:

    given/job.json       entry point, setup, limits, isolation; written before the start
    given/000003.npy     batch 3, (n_segments, n_times, n_channels) float32; appears when it is ready
    given/000003.json    what is told of the subjects of batch 3; appears before the array
    given/stop           appears when nothing is left to do
    out/start.json       ours: the predictor stands, or what went wrong
    out/000003.npy       ours: the prediction, (n_segments, n_times, n_bands) float32
    out/000003.json      ours: seconds inside predict, or what went wrong; written last
    out/forked.json      ours: a copy of this process came back from the submission's code

A file appears by renaming, whole or not at all. The submission's code runs in this process and
may do to it what it likes, so the parent believes nothing that is written here.

It starts quickly: standard library, numpy and ``harness.predictor``, nothing else.
"""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from harness.predictor import Array, OutputFault, Setup, check_prediction

FIRST_WAIT_SECONDS = 0.0005
LONGEST_WAIT_SECONDS = 0.005
T = TypeVar("T")


class FaultsError(Exception):
    """The submission failed; what to report."""

    def __init__(self, *faults: OutputFault) -> None:
        super().__init__()
        self.faults = faults


class Worker:
    """One submission and the folder it works in.

    Args:
        folder: the worker's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.given, self.out = folder / "given", folder / "out"
        self.pid = os.getpid()
        self.last_batch = -1
        self.job: dict[str, Any] = json.loads((self.given / "job.json").read_text())

    def run(self) -> int:
        """Load the submission, predict until told to stop; return the exit code."""
        faulthandler.enable()
        try:
            predict = self._load()
        except FaultsError as failure:
            self._report("start", {"faults": failure.faults})
            return 1
        self._report("start", {})
        while (batch := self._next_batch()) is not None:
            try:
                seconds = self._predict(predict, batch)
            except FaultsError as failure:
                self._report(f"{batch:06d}", {"faults": failure.faults})
                return 1
            self._report(f"{batch:06d}", {"seconds": seconds})
        return 0

    def _load(self) -> Callable[[Array, list[str]], object]:
        module_name, class_name = self.job["entry_point"].split(":")
        root_name = module_name.split(".")[0]
        if root_name in sys.modules:
            raise FaultsError(
                OutputFault(
                    f"the module name {root_name!r} is taken by Python or numpy",
                    "a name of its own",
                    "Rename the file.",
                )
            )
        sys.path.insert(0, self.job["submission"])
        seed_generators(self.job["setup"]["seed"])
        module = self._attempt(f"importing {module_name}", lambda: importlib.import_module(module_name))
        made = getattr(module, class_name, None)
        if not inspect.isclass(made):
            there = [
                name
                for name, value in vars(module).items()
                if inspect.isclass(value) and value.__module__ == module_name
            ]
            raise FaultsError(
                OutputFault(
                    f"{module_name} has no class {class_name}",
                    "",
                    f"Classes there: {', '.join(there) or 'none'}.",
                )
            )
        weights = self.job["setup"]["weights"]
        setup = Setup(**{**self.job["setup"], "weights": weights and Path(weights)})
        _check_signature(class_name, made, "def __init__(self, setup)", setup)
        seed_generators(setup.seed)  # again: torch may be there only now
        build: Callable[[Setup], object] = made
        predictor = self._attempt(f"{class_name}(setup)", lambda: build(setup))
        predict: Callable[[Array, list[str]], object] | None = getattr(predictor, "predict", None)
        if not callable(predict):
            raise FaultsError(
                OutputFault(f"{class_name} has no method predict", "def predict(self, eeg, subjects)", "")
            )
        _check_signature(f"{class_name}.predict", predict, "def predict(self, eeg, subjects)", None, None)
        return predict

    def _next_batch(self) -> int | None:
        wait = FIRST_WAIT_SECONDS
        while True:
            ready = [int(path.stem) for path in self.given.glob("*.npy")]
            later = [batch for batch in ready if batch > self.last_batch]
            if later:
                self.last_batch = min(later)
                return self.last_batch
            if (self.given / "stop").exists() or not self.given.exists():
                return None
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _predict(self, predict: Callable[[Array, list[str]], object], batch: int) -> float:
        path = self.given / f"{batch:06d}.npy"
        subjects: list[str] = json.loads(path.with_suffix(".json").read_text())
        # A private mapping: should code below numpy write into it, nobody else will see that.
        eeg = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
        eeg.flags.writeable = False
        setup = self.job["setup"]
        seed_generators(setup["seed"] + batch)  # so that no batch depends on those before it
        began = time.perf_counter()
        prediction = self._attempt("predict", lambda: predict(eeg, subjects))
        seconds = time.perf_counter() - began
        shape = (len(subjects), setup["n_frames"], setup["n_bands"])
        if faults := check_prediction(prediction, shape):
            raise FaultsError(*faults)
        target = self.out / path.name
        with target.with_suffix(".tmp").open("wb") as file:
            np.save(file, np.ascontiguousarray(prediction))
        target.with_suffix(".tmp").replace(target)
        return seconds

    def _attempt(self, what: str, call: Callable[[], T]) -> T:
        """Run the submission's code, and turn every way out of it into `FaultsError`."""
        try:
            value = call()
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
            if os.getpid() != self.pid:  # a copy that ends, as it should
                os._exit(code)
            raise FaultsError(
                OutputFault(
                    f"{what} called exit({ending.code!r})",
                    "",
                    "Raise an exception that says what is wrong.",
                )
            ) from None
        except BaseException as error:
            _print_own_frames(error, self.job["submission"])
            if os.getpid() != self.pid:
                os._exit(1)
            raise FaultsError(_raised(what, error, self.job["memory_bytes"])) from None
        if os.getpid() != self.pid:
            self._end_copy(what)
        return value

    def _end_copy(self, what: str) -> NoReturn:
        fault = OutputFault(
            f"{what} came back in a second process",
            "a forked process that ends by itself",
            "End it with os._exit(0), or use multiprocessing.",
        )
        try:
            self._report("forked", {"faults": [fault]})
        finally:
            os._exit(1)

    def _report(self, name: str, content: dict[str, object]) -> None:
        target = self.out / f"{name}.json"
        draft = target.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(content))
        draft.replace(target)


def seed_generators(seed: int) -> None:
    """Seed Python's and numpy's generators, and torch's where the submission imported torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the generator that careless code draws from)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


def _check_signature(name: str, call: Callable[..., object], expected: str, *arguments: object) -> None:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # written in C: the call itself will tell
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise FaultsError(
            OutputFault(
                f"{name}{signature} does not take {len(arguments)} positional argument"
                f"{'s' if len(arguments) > 1 else ''} ({error})",
                expected,
                "",
            )
        ) from None


def _raised(what: str, error: BaseException, memory_bytes: int) -> OutputFault:
    text = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, MemoryError) or "can't allocate memory" in text:  # the latter is torch's
        return OutputFault(
            f"{what} ran out of memory, the limit is {memory_bytes / 2**20:.0f} MiB",
            "",
            "Work on fewer segments at once, or ask for a higher limit.",
        )
    if isinstance(error, ModuleNotFoundError) and what.startswith("importing"):
        return OutputFault(
            f"{what} failed, there is no package or module {error.name!r}",
            "",
            "Install it where the harness is installed, or put the file beside the entry point.",
        )
    remedy = ""
    if isinstance(error, ValueError) and "read-only" in str(error):
        remedy = "EEG is read-only: copy it first (eeg = eeg.copy())."
    # A syntax error's last line says what it is, after the code and a caret; other messages count whole.
    lines = text.splitlines()
    said = lines[-1] if isinstance(error, SyntaxError) else " ".join(line.strip() for line in lines)
    return OutputFault(f"{what} raised {said[:300]}", "", remedy)


def _print_own_frames(error: BaseException, submission: str) -> None:
    """Print the traceback, one line for each frame that is the submission's own."""
    folder = submission + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{frame.filename.removeprefix(folder)}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in frames
        if frame.filename.startswith(folder)
    ]
    lines.append("".join(traceback.format_exception_only(error)).strip().replace(folder, ""))
    try:
        os.write(2, ("\n".join(lines) + "\n").encode("utf-8", "replace"))
    except OSError:  # the submission closed it
        return


if __name__ == "__main__":
    sys.exit(Worker(Path(sys.argv[1])).run())
