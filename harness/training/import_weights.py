"""``harness import-weights``: a release's weights, under its own names, into a submission's weights file.

The manifest names a function of the submission folder, ``importer = "module:function"``:

    def convert(tensors: dict[str, array][, variant]) -> (weights: dict[str, array], metadata: dict[str, str])

In place of the metadata it may give the net's configuration, as ``TorchSystem.recipe`` does; the trainer
then says what the weights file must hold, and its recipe ``paper``, which is the release's, how EEG is
scaled. Before the weights are named in the manifest they predict once, on noise. What they have seen is not
known, and the record says so.
"""

from __future__ import annotations

import argparse
import inspect
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from harness import npy
from harness.corpus.declaration import Declaration
from harness.errors import Fault, HarnessError, SubmissionError, TrainingError, shorten
from harness.execution import PredictorSpec, Run, SegmentInput, predict_segments
from harness.files import MOST_WEIGHTS_BYTES, file_sha256, open_regular
from harness.predictor import Setup
from harness.records import provenance
from harness.submission.manifest import Submission
from harness.submission.own_code import imported
from harness.tasks.sizes import sizes
from harness.tasks.splits import Split
from harness.training.write_weights import write_weights

Tensors = dict[str, NDArray[Any]]
# Where a torch file keeps its weights among other things (epoch, optimiser).
_NESTED = ("state_dict", "model_state_dict", "model", "net_state_dict", "net", "network", "weights")
_MOST_NESTED = 4
# Of a net within another: compiled, by several processes, averaged, or part of a training's own class.
_PREFIXES = ("_orig_mod.", "module.", "model.", "net.")
_MOST_PREFIXES = 4
# What an average of nets counts beside its weights (`torch.optim.swa_utils.AveragedModel`).
_AVERAGED = "n_averaged"
# What trainings keep beside a state, by the names that a pickle has for it: numbers and arrays of numpy, the
# state of its generator, paths and times among the arguments. Nothing of it is made, see `_Beside`.
_BESIDE = (
    *(f"{module}.{name}" for module in ("numpy.core.multiarray", "numpy._core.multiarray")
      for name in ("scalar", "_reconstruct")),
    *("numpy.ndarray", "numpy.dtype"),
    *(f"{module}.{flavour}" for module in ("pathlib", "pathlib._local") for flavour in
      ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"builtins.{name}" for name in
      ("list", "dict", "set", "frozenset", "tuple", "int", "float", "str", "bool", "range", "slice")),
)  # fmt: skip
# Segments that imported weights are tried on.
_TRIED_SEGMENTS = 2


def import_weights(
    submission: Submission,
    file: Path,
    corpus: Declaration,
    split: Split,
    feature: str,
    *,
    variant: str | None = None,
) -> tuple[Path, str]:
    """Convert a file of weights and name them in the manifest, as a training does.

    Args:
        submission: with an importer.
        file: safetensors, npz, or torch's of plain tensors, under any name.
        corpus: that the weights are for.
        split: that the weights are for; whether they have seen its training part only is not verified.
        feature: what they decode.
        variant: of the submission; None for its first.

    Returns:
        The weights file and its sha256.

    Raises:
        TrainingError: the file cannot be read, the importer refuses it, or the predictor cannot use what it
            gives.
        SubmissionError: no importer, or feature or variant do not fit.
    """
    submission.check_feature(feature)
    chosen = submission.variant(variant)
    if "importer" not in submission.manifest:
        raise SubmissionError(
            Fault(
                f"{submission.folder}",
                "a manifest without the key 'importer'",
                'importer = "module:function"',
                "A submission without one takes no weights of a release.",
            )
        )
    setup = submission.setup(sizes(corpus, split, feature), chosen)
    tensors = read_tensors(file)
    with imported(submission, "importer") as convert:
        try:
            weights, described = _converted(convert, tensors, chosen)
        except (ValueError, KeyError, IndexError) as error:
            raise TrainingError(
                Fault(
                    f"{file}",
                    f"{submission.name}'s importer refuses it ({type(error).__name__}: {error})",
                    "the weights of a release that it knows",
                    _takers(submission, convert, tensors, chosen)
                    or f"The names it takes stand in {submission.folder.name}/"
                    f"{submission.manifest['importer'].partition(':')[0]}.py.",
                )
            ) from None
        metadata = described if isinstance(described, Mapping) else _metadata(submission, described, setup)
    record = {
        "submission": {"name": submission.name, "version": submission.version},
        "variant": chosen,
        "corpus": corpus.name,
        "split": {"name": split.name, "sha256": split.sha256},
        "feature": feature,
        "imported": {"file": file.name, "sha256": file_sha256(file)},
        "environment": provenance.environment(),
        "run": {"finished": provenance.now(), **provenance.host()._asdict()},
    }

    def try_them(path: Path) -> None:
        try:
            _predict_once(submission, replace(setup, weights=path))
        except HarnessError as error:
            raise TrainingError(
                *(
                    Fault(
                        str(file),
                        f"converted, and then the predictor failed ({fault.where}: {fault.arrived})",
                        fault.expected,
                        fault.remedy or "Nothing was written. Are these the weights of this variant?",
                    )
                    for fault in error.faults
                )
            ) from None

    return write_weights(
        submission, corpus.name, split, feature, chosen, (weights, metadata), record, before_named=try_them
    )


def _predict_once(submission: Submission, setup: Setup) -> None:
    """Run the submission's predictor on noise, in a process of its own.

    Raises:
        PredictorError: it fails, or gives what cannot be scored.
    """
    rng = np.random.default_rng(0)
    eeg = rng.standard_normal((_TRIED_SEGMENTS, setup.segment_samples, setup.n_channels), dtype=np.float32)
    spec = PredictorSpec(
        submission.name,
        submission.folder,
        submission.manifest["entry_point"],
        setup,
        listed=(
            *submission.listed,
            str(setup.weights.relative_to(submission.folder)) if setup.weights else "",
        ),
    )
    asked = [SegmentInput(str(i), "sub-001") for i in range(_TRIED_SEGMENTS)]
    with predict_segments(spec, asked, lambda i: eeg[i], Run(jobs=1)):
        pass


def _converted(convert: Callable[..., Any], tensors: Tensors, variant: str) -> Any:
    """Call an importer; one that serves several variants takes the variant's name too."""
    takes_variant = len(inspect.signature(convert).parameters) > 1
    return convert(tensors, variant) if takes_variant else convert(tensors)


def _takers(submission: Submission, convert: Callable[..., Any], tensors: Tensors, refused: str) -> str:
    """Which variants take a release's tensors that one has refused, as a remedy; empty where none does."""
    takers = []
    for variant in submission.variants:
        if variant != refused and len(inspect.signature(convert).parameters) > 1:
            with suppress(ValueError, KeyError, IndexError):
                _converted(convert, tensors, variant)
                takers.append(f"--variant {variant}")
    return f"{' and '.join(takers)} {'takes' if len(takers) == 1 else 'take'} it." if takers else ""


def read_tensors(file: Path) -> Tensors:
    """Read named arrays, by what the file holds and not by its name; floating ones as float32.

    A torch file may hold a state among other things, on any device, with a prefix that wrappers of nets give.
    Nothing in the file is executed.

    Raises:
        TrainingError: another format, a broken file, or something that is not named arrays.
    """
    try:
        with open_regular(file, MOST_WEIGHTS_BYTES) as opened:
            tensors = _reader(opened)(opened)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from None
    except (*npy.DAMAGED, pickle.UnpicklingError) as error:
        raise _unreadable(file, _reason(error)) from None
    if not tensors:
        raise _unreadable(file, "no arrays")
    return _counted(
        {
            name: array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array
            for name, array in tensors.items()
        }
    )


def _counted(tensors: Tensors) -> Tensors:
    """With BatchNorm's count of batches, which old checkpoints lack, and which no prediction needs."""
    norms = [name.removesuffix("running_var") for name in tensors if name.endswith(".running_var")]
    lacking = [f"{norm}num_batches_tracked" for norm in norms if f"{norm}num_batches_tracked" not in tensors]
    return {**tensors, **{name: np.array(0) for name in lacking}}


def _reader(opened: IO[bytes]) -> Callable[[IO[bytes]], Tensors]:
    """The function for a file's format, by its first bytes."""
    start = opened.read(9)
    opened.seek(0)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(opened) as archive:
            is_torch = any(name.endswith("data.pkl") for name in archive.namelist())
            unpacked = sum(one.file_size for one in archive.infolist())
        opened.seek(0)
        if unpacked > MOST_WEIGHTS_BYTES:
            raise ValueError(f"it unpacks to {unpacked} bytes, more than {MOST_WEIGHTS_BYTES}")
        return _read_torch if is_torch else _read_npz
    if start[8:] == b"{":
        return _read_safetensors
    if start.startswith(b"\x80"):  # a pickle, as torch wrote before its files were archives
        return _read_torch
    raise ValueError("neither safetensors, npz nor a file of torch.save")


def _reason(error: Exception) -> str:
    """Why a file cannot be read; of a pickle that asks for code, which code."""
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked:
        return f"it asks for {asked[1]}, code that is never run from a file"
    if "TorchScript" in str(error):
        return "a net of torch.jit.save, which is code"
    if isinstance(error, pickle.UnpicklingError):  # torch's own words are of its options
        return "a pickle that holds more than names and tensors, or was not written by torch.save"
    return npy.reason(error)


def _read_npz(opened: IO[bytes]) -> Tensors:
    return npy.read_npz(opened, MOST_WEIGHTS_BYTES)


def _read_safetensors(opened: IO[bytes]) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load  # reads bfloat16 too, which numpy has not

    try:
        return {name: _array(tensor) for name, tensor in load(opened.read()).items()}
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _read_torch(opened: IO[bytes]) -> Tensors:
    import torch

    harmless: list[Any] = [(_Beside, name) for name in _BESIDE]
    harmless += [argparse.Namespace, (argparse.Namespace, "types.SimpleNamespace")]
    harmless += [(_plain_dict, "collections.defaultdict")]
    with warnings.catch_warnings(), torch.serialization.safe_globals(harmless):
        warnings.simplefilter("ignore")  # of odd pickles: what is odd is refused
        found = _state(torch.load(opened, map_location="cpu", weights_only=True))
    odd = [str(name) for name, value in found.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise ValueError(f"not a mapping of names to tensors, as state_dict() gives ({shorten(odd)})")
    unnamed = [repr(name) for name in found if not isinstance(name, str)]
    if unnamed:
        raise ValueError(f"tensors whose names are no text ({shorten(unnamed)})")
    found = _unwrapped(found)
    unusual = [name for name, tensor in found.items() if not _is_plain(tensor)]
    if unusual:
        raise ValueError(
            f"tensors without plain numbers: sparse, quantised, complex or without data ({shorten(unusual)})"
        )
    # A tensor may say that it is larger than what it holds: numbers that are repeated, not stored.
    n_bytes = sum(4 * tensor.numel() for tensor in found.values())
    if n_bytes > MOST_WEIGHTS_BYTES:
        raise ValueError(f"tensors of {n_bytes} bytes in float32, more than {MOST_WEIGHTS_BYTES}")
    return {name: _array(tensor) for name, tensor in found.items()}


def _state(found: Any) -> Mapping[Any, Any]:
    """The state in what a torch file holds: itself, or under a usual name, or the one mapping of tensors."""
    import torch

    for _ in range(_MOST_NESTED):
        if not isinstance(found, Mapping):
            break
        if found and all(isinstance(value, torch.Tensor) for value in found.values()):
            return found
        named = [found[name] for name in _NESTED if isinstance(found.get(name), Mapping)]
        tensors = [
            value
            for value in found.values()
            if isinstance(value, Mapping)
            and value
            and all(isinstance(v, torch.Tensor) for v in value.values())
        ]
        if named:
            found = named[0]
        elif len(tensors) == 1:
            found = tensors[0]
        else:
            return found
    if not isinstance(found, Mapping):
        raise ValueError("not a mapping of names to tensors, as state_dict() gives")
    return found


def _unwrapped(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state without the prefixes that all of its names share, and that wrappers of nets give."""
    for _ in range(_MOST_PREFIXES):
        names = [name for name in found if name != _AVERAGED]
        prefix = next((one for one in _PREFIXES if all(name.startswith(one) for name in names)), None)
        if prefix is None or not names:
            break
        found = {name.removeprefix(prefix): found[name] for name in names}
    return found


class _Beside:
    """In the place of something that lies beside a state in a torch file, whatever it was."""

    def __new__(cls, *_: object) -> _Beside:
        """One, of any arguments."""
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Take nothing."""


def _plain_dict(*_: object) -> dict[Any, Any]:
    """In the place of a dict that makes what it lacks."""
    return {}


def _is_plain(tensor: Any) -> bool:
    import torch

    plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()
    return plain and tensor.device.type == "cpu"


def _array(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
    return array


def _metadata(submission: Submission, config: object, setup: Setup) -> Mapping[str, str]:
    with imported(submission, "trainer") as system:
        described: Mapping[str, str] = system.metadata(config, setup, ())
        presets = getattr(system, "presets", ())
        if "paper" not in presets:
            return described
        _, release = system.recipe("paper", setup.variant)
        return {**described, **release.scaling()}


def _unreadable(file: Path, what: str) -> TrainingError:
    return TrainingError(
        Fault(
            str(file),
            what,
            "named arrays: safetensors, npz, or a file of torch.save under any name",
            "A file of torch.save must hold plain tensors: save net.state_dict().",
        )
    )
