"""Weights files that say which net they are: safetensors with metadata.

    net       name of the net's class, such as "Vlaai"
    config    the net's configuration, JSON
    subjects  ids of the subjects that the net has learned, in the order of its table, JSON; only where
              it has one
    zscore    how EEG is scaled before the net sees it: "n", z-scored, also where the file does not say;
              "n-1", with the deviation of n - 1; "none", as it is

A predictor builds its net from the file alone. A file that does not say, or says another net or another
number of bands or EEG channels, or lacks a tensor is refused. A configuration written before nets knew how
many EEG channels they have lacks ``n_channels``: it takes that field's default, 64. Messages are one line:
a submission's process hands on no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from numpy.typing import NDArray
from torch import Tensor, nn

from harness.errors import counted, shorten

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

REMEDY = "Train it again with harness train, or import it with harness import-weights"


class NetConfig(Protocol):
    """A net's configuration: a frozen dataclass of numbers and tuples of numbers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def n_bands(self) -> int:
        """Bands that the net predicts."""
        ...


Config = TypeVar("Config", bound=NetConfig)
Net = TypeVar("Net", bound=nn.Module)


class Loaded(NamedTuple, Generic[Net]):
    """A net from a file.

    Attributes:
        net: in eval mode, float32, on the CPU.
        subjects: the subjects that it has learned, in the order of its table; empty for most nets.
    """

    net: Net
    subjects: tuple[str, ...]


def metadata(net: type[nn.Module], config: DataclassInstance, subjects: Sequence[str] = ()) -> dict[str, str]:
    """What the weights file of a net must say of itself.

    Args:
        net: its class.
        config: that it was built with.
        subjects: that it has learned, in the order of its table; none for a net without a table.
    """
    said = {"net": net.__name__, "config": json.dumps(asdict(config))}
    return {**said, "subjects": json.dumps(list(subjects))} if subjects else said


def load_net(
    path: Path | None,
    net: type[Net],
    config: type[Config],
    n_bands: int,
    n_channels: int | None = None,
) -> Loaded[Net]:
    """Build the net that a weights file holds.

    Args:
        path: the file; None, which a run without weights gives, is refused.
        net: the class to build, from a configuration alone.
        config: the class of its configuration.
        n_bands: of the feature that is asked for.
        n_channels: EEG channels of the run; None to take what the file says.

    Raises:
        ValueError: no file, not safetensors, another net, other bands or EEG channels, subjects or tensors
            that do not fit.
    """
    if path is None:
        raise ValueError(f"no weights for this run, expected a safetensors file of {net.__name__}. {REMEDY}")
    said, tensors = _read(path)
    lacking = [key for key in ("net", "config") if key not in said]
    if lacking:
        raise _refusal(path, f"no metadata {' and '.join(lacking)}", f"those of {net.__name__}")
    if said["net"] != net.__name__:
        raise _refusal(path, f"weights of the net {said['net']}", net.__name__)
    built_from = _config(path, said["config"], config)
    if built_from.n_bands != n_bands:
        raise _refusal(path, f"a net for n_bands = {built_from.n_bands}", f"{n_bands}, this run's feature")
    has = getattr(built_from, "n_channels", None)  # a net may leave it out
    if has is not None and n_channels is not None and has != n_channels:
        raise _refusal(path, f"a net for {has} EEG channels", f"{n_channels}, this run's")
    try:
        built = net(built_from)
        subjects = tuple(str(subject) for subject in json.loads(said.get("subjects", "[]")))
    except (TypeError, ValueError, RuntimeError) as error:
        raise _refusal(path, f"metadata that builds no net ({error})", f"those of {net.__name__}") from None
    n_subjects = getattr(built_from, "n_subjects", len(subjects))
    if len(subjects) != n_subjects:
        raise _refusal(
            path, f"metadata of {counted(len(subjects), 'subject')}", f"those of its table of {n_subjects}"
        )
    _check_tensors(path, built.state_dict(), tensors)
    built.load_state_dict(tensors)
    return Loaded(built.eval(), subjects)


def check_state(
    expected: Mapping[str, Tensor],
    arrived: Mapping[str, NDArray[Any]],
    released: Mapping[str, str] = MappingProxyType({}),
    *,
    sized: bool = True,
) -> None:
    """Refuse a converted state that is not a net's, every fault at once.

    Args:
        expected: the net's own state.
        arrived: what an importer made of a release's tensors.
        released: our name -> the release's, for messages.
        sized: whether the net has the sizes of what arrived. Where they could not be read, shapes are said
            only where the names are right.

    Raises:
        ValueError: tensors that are missing, that the net does not have, or that have another shape.
    """
    missing = [name for name in expected if name not in arrived]
    foreign = [released.get(name, name) for name in arrived if name not in expected]
    shapes = [
        f"{released.get(name, name)} {tuple(arrived[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in arrived and tuple(arrived[name].shape) != tuple(tensor.shape)
    ]
    if (missing or foreign) and not sized:
        shapes = []
    kinds = (
        (missing, "no tensor for"),
        (foreign, "tensors that the release does not have:"),
        (shapes, "shapes:"),
    )
    problems = [f"{what} {shorten(names, 5)}" for names, what in kinds if names]
    if problems:
        raise ValueError("; ".join(problems))


def said_zscore(path: Path, known: tuple[str, ...]) -> str:
    """How a weights file says that EEG is scaled, ``n`` where it does not say.

    Args:
        path: the file.
        known: what it may say.

    Raises:
        ValueError: it says something else.
    """
    said = _read(path)[0].get("zscore", "n")
    if said not in known:
        raise _refusal(path, f"metadata zscore {said!r}", f"one of {', '.join(known)}")
    return said


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _refusal(path, f"not readable ({error})", "a safetensors file") from None


def _config(path: Path, text: str, config: type[Config]) -> Config:
    try:
        values = json.loads(text)
        given = set(values)
    except (TypeError, ValueError):
        raise _refusal(path, "metadata config that is not a JSON object", "the net's configuration") from None
    known = {field.name for field in fields(config)}
    needed = {f.name for f in fields(config) if f.default is MISSING and f.default_factory is MISSING}
    wrong = sorted(given - known) + sorted(needed - given)
    if wrong or not isinstance(values, dict):
        raise _refusal(path, f"config keys {shorten(sorted(given))}", shorten(sorted(known), 12))
    return config(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    )


def _check_tensors(path: Path, expected: Mapping[str, Tensor], arrived: Mapping[str, Tensor]) -> None:
    problems = [f"no tensor {name}" for name in expected if name not in arrived]
    problems += [f"unknown tensor {name}" for name in arrived if name not in expected]
    problems += [
        f"{name} of shape {tuple(arrived[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in arrived and arrived[name].shape != tensor.shape
    ]
    if problems:
        raise _refusal(path, shorten(problems, 2), f"the {len(expected)} tensors of its config")


def _refusal(path: Path, arrived: str, expected: str) -> ValueError:
    return ValueError(f"{path.name}: {arrived}, expected {expected}. {REMEDY}")
