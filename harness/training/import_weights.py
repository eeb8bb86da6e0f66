"""``harness import-weights``: a release's weights, under its own names, into a submission's weights file.

The manifest names a function of the submission folder, ``importer = "module:function"``:

    def convert(tensors: dict[str, array][, variant]) -> (weights: dict[str, array], metadata: dict[str, str])

In place of the metadata it may give the net's configuration, as ``TorchSystem.recipe`` does; the trainer
then says what the weights file must hold. What the weights have seen is not known, and the record says so.
"""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from harness import npy
from harness.corpus.declaration import Declaration
from harness.errors import Fault, SubmissionError, TrainingError
from harness.files import MOST_WEIGHTS_BYTES, file_sha256, open_regular
from harness.predictor import Setup
from harness.records import provenance
from harness.submission.manifest import Submission
from harness.submission.own_code import imported
from harness.tasks.sizes import sizes
from harness.tasks.splits import Split
from harness.training.write_weights import write_weights

Tensors = dict[str, NDArray[Any]]
READERS = (".safetensors", ".npz", ".pt", ".pth")
# Where a torch file keeps its weights among other things (epoch, optimiser).
_NESTED = ("state_dict", "model_state_dict", "model", "net")


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
        file: .safetensors, .npz, or .pt of plain tensors.
        corpus: that the weights are for.
        split: that the weights are for; whether they have seen its training part only is not verified.
        feature: what they decode.
        variant: of the submission; None for its first.

    Returns:
        The weights file and its sha256.

    Raises:
        TrainingError: the file cannot be read, or the importer refuses it.
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
                    f"The names it takes stand in {submission.folder.name}/"
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
    return write_weights(submission, corpus.name, split, feature, chosen, (weights, metadata), record)


def _converted(convert: Callable[..., Any], tensors: Tensors, variant: str) -> Any:
    """Call an importer; one that serves several variants takes the variant's name too."""
    takes_variant = len(inspect.signature(convert).parameters) > 1
    return convert(tensors, variant) if takes_variant else convert(tensors)


def read_tensors(file: Path) -> Tensors:
    """Read named arrays; floating ones as float32. Nothing in the file is executed.

    Raises:
        TrainingError: another format, a broken file, or something that is not named arrays.
    """
    if file.suffix not in READERS:
        raise _unreadable(file, f"the suffix {file.suffix!r}")
    try:
        with open_regular(file, MOST_WEIGHTS_BYTES) as opened:
            if file.suffix == ".safetensors":
                tensors = _read_safetensors(file)
            elif file.suffix == ".npz":
                tensors = npy.read_npz(opened, MOST_WEIGHTS_BYTES)
            else:
                tensors = _read_torch(opened)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from None
    except (*npy.DAMAGED, pickle.UnpicklingError) as error:
        raise _unreadable(file, npy.reason(error)) from None
    if not tensors:
        raise _unreadable(file, "no arrays")
    return {
        name: array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array
        for name, array in tensors.items()
    }


def _read_safetensors(file: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # reads bfloat16 too, which numpy has not

    try:
        return {name: _array(tensor) for name, tensor in load_file(file).items()}
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _read_torch(file: IO[bytes]) -> Tensors:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd pickles: what is odd is refused
        found = torch.load(file, map_location="cpu", weights_only=True)
    for name in _NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise ValueError("not a mapping of names to tensors, as state_dict() gives")
    prefix = "module."  # of a net that was trained by several processes
    if all(name.startswith(prefix) for name in found):
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return {name: _array(tensor) for name, tensor in found.items()}


def _array(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
    return array


def _metadata(submission: Submission, config: object, setup: Setup) -> Mapping[str, str]:
    with imported(submission, "trainer") as system:
        described: Mapping[str, str] = system.metadata(config, setup, ())
        return described


def _unreadable(file: Path, what: str) -> TrainingError:
    return TrainingError(
        Fault(
            str(file),
            what,
            f"named arrays in a file {', '.join(READERS)}",
            "A .pt file must hold plain tensors: save net.state_dict().",
        )
    )
