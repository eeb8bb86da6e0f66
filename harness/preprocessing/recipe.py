"""Recipes: the steps from raw EEG to the EEG of a corpus, in order, as data.

A recipe is a TOML file; those that come with the harness are in ``recipes/``. ``name``, ``title`` and
``steps``, each step a table whose ``step`` says which and whose other keys are its values, with units in
their names. A copy of the recipe goes with the corpus that was made by it; its sha256 says whether two
corpora were made alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec

from harness.errors import CorpusError, Fault, UsageError, counted, did_you_mean, raise_all, shorten, show
from harness.files import read_regular
from harness.schemas.documents import parse_toml
from harness.schemas.validate import is_text

MOST_RECIPE_BYTES: Final = 1 << 20
FOLDER: Final = Path(__file__).parent / "recipes"
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Order = Annotated[int, msgspec.Meta(ge=1, le=20)]
TriggerValue = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_T = TypeVar("_T", bound=msgspec.Struct)


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="step", kw_only=True):
    """What all steps share: the key ``step`` says which one it is."""


class HighPass(_Step, frozen=True, tag="high_pass"):
    """`harness.preprocessing.steps.high_pass`."""

    cutoff_hz: Positive
    order: Order = 1


class BandPass(_Step, frozen=True, tag="band_pass"):
    """`harness.preprocessing.steps.band_pass`."""

    low_hz: Positive
    high_hz: Positive
    order: Order = 4


class FlattenPeaks(_Step, frozen=True, tag="flatten_peaks"):
    """`harness.preprocessing.steps.flatten_peaks`."""

    beyond_microvolt: Positive


class BridgePeaks(_Step, frozen=True, tag="bridge_peaks"):
    """`harness.preprocessing.steps.bridge_peaks`."""

    beyond_microvolt: Positive


class AlignToTriggers(_Step, frozen=True, tag="align_to_triggers"):
    """`harness.preprocessing.triggers`: cut the recording at each stimulus, by the clock of the stimulus.

    Attributes:
        channel: of the triggers.
        rest_values: the rest value is the most frequent one from the first to the last of these.
        most_drift_ppm: the most that two clocks can differ; beyond it, a trigger was taken for another.
    """

    channel: str = "Status"
    rest_values: tuple[TriggerValue, TriggerValue] = (1, 255)
    most_drift_ppm: Positive = 500.0


class CutAtEvents(_Step, frozen=True, tag="cut_at_events"):
    """Cut the recording at each stimulus, by onset and duration in events.tsv."""


class WienerFilter(_Step, frozen=True, tag="wiener_filter"):
    """`harness.preprocessing.steps.wiener_filter`; the reference channels by name."""

    reference_channels: tuple[str, ...]
    beyond_mean_power: Positive = 5.0
    widen_seconds: Positive = 0.5
    delay_samples: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3


class AverageReference(_Step, frozen=True, tag="average_reference"):
    """`harness.preprocessing.steps.average_reference`."""


class Resample(_Step, frozen=True, tag="resample"):
    """`harness.preprocessing.steps.resample`."""

    to_hz: Annotated[float, msgspec.Meta(ge=1, le=1e6)]


Step = (
    HighPass
    | BandPass
    | FlattenPeaks
    | BridgePeaks
    | AlignToTriggers
    | CutAtEvents
    | WienerFilter
    | AverageReference
    | Resample
)
_KINDS: Final[dict[str, type[Step]]] = {
    "high_pass": HighPass,
    "band_pass": BandPass,
    "flatten_peaks": FlattenPeaks,
    "bridge_peaks": BridgePeaks,
    "align_to_triggers": AlignToTriggers,
    "cut_at_events": CutAtEvents,
    "wiener_filter": WienerFilter,
    "average_reference": AverageReference,
    "resample": Resample,
}


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which EEG channels are taken.

    Attributes:
        names: these, in this order; none for all EEG channels that the first recording has.
        other_names: what the same channels are called by others, in the same order.
        by_position: where none of either names is in the file, take as many from the first.
    """

    names: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    by_position: bool = False


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        name: as in ``--recipe``, or the stem of the file.
        title: what it does, in words.
        channels: which EEG channels are taken.
        steps: in order.
        content: the file's bytes.
    """

    name: str
    title: str
    channels: Channels
    steps: tuple[Step, ...]
    content: bytes

    @property
    def sha256(self) -> str:
        """The sha256 of the file's bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def rate_hz(self) -> float:
        """Samples a second of the result."""
        return next(step.to_hz for step in reversed(self.steps) if isinstance(step, Resample))

    @property
    def by_triggers(self) -> bool:
        """Whether a trigger track is needed."""
        return any(isinstance(step, AlignToTriggers) for step in self.steps)


def recipe_names() -> list[str]:
    """Recipes that come with the harness."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or by the path of a TOML file.

    Raises:
        UsageError: no such recipe.
        CorpusError: everything that is wrong with it.
    """
    known = recipe_names()
    path = FOLDER / f"{name}.toml" if name in known else Path(name)
    if name not in known and path.suffix != ".toml":
        expected = f"{', '.join(known)} or a .toml file"
        raise UsageError(Fault("--recipe", repr(name), expected, did_you_mean(name, known)))
    try:
        content = read_regular(path, MOST_RECIPE_BYTES)
        document = parse_toml(content)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read", "a recipe")) from None
    except ValueError as error:
        raise CorpusError(Fault(str(path), f"not readable as TOML ({error})", "a recipe")) from None
    return _checked(path, document, content)


def _checked(path: Path, document: dict[str, Any], content: bytes) -> Recipe:
    where = path.name
    keys = ("name", "title", "channels", "steps")
    faults = [
        Fault(where, f"unknown key {key!r}", remedy=did_you_mean(key, keys) or f"Known: {', '.join(keys)}.")
        for key in document
        if key not in keys
    ]
    faults += [
        Fault(f"{where}: {key}", show(repr(document.get(key))), "a text on one line, 500 characters at most")
        for key in ("name", "title")
        if not isinstance(document.get(key), str) or not is_text(document[key])
    ]
    channels, wrong_channels = _channels(document.get("channels", {}), f"{where}: channels")
    steps, wrong_steps = _steps(document.get("steps"), where)
    raise_all(CorpusError, [*faults, *wrong_channels, *wrong_steps])
    raise_all(CorpusError, [*_order_faults(where, steps), *_value_faults(where, steps, channels)])
    return Recipe(document["name"], document["title"], channels, steps, content)


def _channels(table: object, where: str) -> tuple[Channels, list[Fault]]:
    """The channels of a recipe, and what is wrong with them."""
    channels = _converted(table, Channels, where)
    if isinstance(channels, Fault):
        return Channels(), [channels]
    faults = []
    for key in ("names", "other_names"):
        names = getattr(channels, key)
        again = sorted({name for name in names if [one.lower() for one in names].count(name.lower()) > 1})
        if again:
            faults.append(Fault(f"{where}: {key}", f"{shorten(again)} more than once", "each channel once"))
        odd = [name for name in names if not is_text(name)]
        if odd:
            faults.append(Fault(f"{where}: {key}", shorten([repr(name) for name in odd]), "names"))
    if channels.by_position and not channels.names:
        faults.append(
            Fault(f"{where}: by_position", "true without names", "names, to say how many are taken")
        )
    if channels.other_names and len(channels.other_names) != len(channels.names):
        arrived = counted(len(channels.other_names), "name")
        expected = f"{len(channels.names)}, as many as names"
        faults.append(Fault(f"{where}: other_names", arrived, expected))
    return channels, faults


def _steps(tables: object, where: str) -> tuple[tuple[Step, ...], list[Fault]]:
    """The steps of a recipe, and what is wrong with any."""
    if not isinstance(tables, list) or not tables:
        return (), [Fault(f"{where}: steps", "none", "one table [[steps]] for each step")]
    steps: list[Step] = []
    faults = []
    for index, table in enumerate(tables):
        place = f"{where}: steps[{index}]"
        kind = table.get("step") if isinstance(table, dict) else None
        if not isinstance(kind, str) or kind not in _KINDS:
            remedy = did_you_mean(str(kind), list(_KINDS))
            faults.append(Fault(f"{place}: step", f"{kind!r}", f"one of {', '.join(_KINDS)}", remedy))
            continue
        step = _converted(table, _KINDS[kind], place)
        if isinstance(step, Fault):
            faults.append(step)
        else:
            steps.append(step)
    return tuple(steps), faults


def _converted(table: object, kind: type[_T], where: str) -> _T | Fault:
    """A table as a struct; a fault where it does not fit."""
    known = list(kind.__struct_fields__)
    for key in table if isinstance(table, dict) else ():
        if key not in (*known, "step"):
            remedy = did_you_mean(key, known) or f"Known: {', '.join(known) or 'none but step'}."
            return Fault(where, f"unknown key {show(repr(key))}", remedy=remedy)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        said = str(error).replace(" - at `$.", " (`").replace("`$`", "the table")
        return Fault(where, said + (")" if "(`" in said else ""))


def _order_faults(where: str, steps: tuple[Step, ...]) -> list[Fault]:
    """What is wrong with the order of the steps."""
    cuts = [index for index, step in enumerate(steps) if isinstance(step, AlignToTriggers | CutAtEvents)]
    rates = [index for index, step in enumerate(steps) if isinstance(step, Resample)]
    faults = []
    if len(cuts) != 1:
        faults.append(
            Fault(
                f"{where}: steps",
                f"{counted(len(cuts), 'step')} that cut the recording",
                "one of align_to_triggers and cut_at_events, once",
            )
        )
    if len(rates) != 1:
        faults.append(Fault(f"{where}: steps", f"{len(rates)} times resample", "once"))
    if len(cuts) == len(rates) == 1 and rates[0] < cuts[0]:
        faults.append(
            Fault(
                f"{where}: steps",
                f"resample before {steps[cuts[0]].__struct_config__.tag}",
                "resample after it",
            )
        )
    return faults


def _value_faults(where: str, steps: tuple[Step, ...], channels: Channels) -> list[Fault]:
    """Values that each are right, and not together."""
    faults = []
    for index, step in enumerate(steps):
        place = f"{where}: steps[{index}]"
        match step:
            case BandPass() if step.low_hz >= step.high_hz:
                arrived = f"low_hz {step.low_hz:g} and high_hz {step.high_hz:g}"
                faults.append(Fault(place, arrived, "low_hz below high_hz"))
            case AlignToTriggers() if step.rest_values[0] > step.rest_values[1]:
                faults.append(Fault(f"{place}: rest_values", f"{list(step.rest_values)}", "[least, most]"))
            case WienerFilter():
                faults += _reference_faults(f"{place}: reference_channels", step, channels)
            case _:
                pass
    return faults


def _reference_faults(place: str, step: WienerFilter, channels: Channels) -> list[Fault]:
    """What is wrong with the channels that tell eye artefacts."""
    names = step.reference_channels
    if not names or len(set(names)) < len(names):
        return [Fault(place, f"{shorten(names, 8) or 'none'}", "at least one channel, and each once")]
    unknown = [name for name in names if channels.names and name not in channels.names]
    if unknown:
        return [
            Fault(place, shorten(unknown), "some of channels.names", did_you_mean(unknown[0], channels.names))
        ]
    return []
