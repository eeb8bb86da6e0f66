"""Units of EEG channels in EDF and BDF files, where mne takes what it does not know for volts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.errors import CorpusError, Fault, shorten

# Volts in one of each. Texts are compared in small letters: some amplifiers write UV, and none megavolts.
VOLTS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("v", "volt", "volts"), 1.0),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1e-3),
    **dict.fromkeys(("uv", "µv", "μv", "\x83\xcav", "microv", "microvolt", "microvolts"), 1e-6),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-9),
}
# What mne knows, exactly as it compares; all else counts as volts.
_BY_MNE: Final = {**dict.fromkeys(("uV", "µV", "μV", "\x83\xcaV"), 1e-6), "mV": 1e-3}
_FORMATS: Final = (".edf", ".bdf")
_HEADER_BYTES, _LABEL_BYTES, _TRANSDUCER_BYTES, _UNIT_BYTES = 256, 16, 80, 8


def unit_factors(
    path: Path, name: str, channels: Sequence[str], listed: Mapping[str, str]
) -> tuple[dict[str, float], list[str]]:
    """What to multiply each channel's numbers by that mne gives, so that they are volts; and remarks.

    Args:
        path: the unpacked recording.
        name: of the recording, for messages.
        channels: names of the EEG channels.
        listed: name -> unit, as channels.tsv says.

    Raises:
        CorpusError: channels whose unit neither the file nor channels.tsv says.
    """
    if path.suffix.lower() not in _FORMATS:
        return {}, []
    written = _units_in(path)
    factors, unknown, differing = {}, [], []
    for channel in channels:
        # mne numbers channels of one label
        text = written.get(channel, written.get(channel.rpartition("-")[0], ""))
        said = listed.get(channel, "")
        volts, said_volts = VOLTS.get(text.lower()), VOLTS.get(said.lower())
        if volts is None and said_volts is None:
            unknown.append(f"{channel} ({text!r})")
            continue
        if volts is not None and said_volts is not None and volts != said_volts:
            differing.append(f"{channel} ({text} in the file, {said} in channels.tsv)")
        factors[channel] = (volts or said_volts or 1.0) / _BY_MNE.get(text, 1.0)
    if unknown:
        raise CorpusError(
            Fault(
                name,
                f"EEG channels in a unit that is not known: {shorten(unknown)}",
                "V, mV, uV or nV",
                "Say it in a column units of channels.tsv.",
            )
        )
    remarks = [f"units as the file says: {shorten(differing, 3)}"] if differing else []
    return {channel: factor for channel, factor in factors.items() if factor != 1}, remarks


def _units_in(path: Path) -> dict[str, str]:
    """Label -> unit, from the header of an EDF or BDF file, which mne has read before."""
    with path.open("rb") as file:
        n_signals = int(file.read(_HEADER_BYTES)[-4:])
        labels = _texts(file.read(n_signals * _LABEL_BYTES), _LABEL_BYTES)
        file.seek(n_signals * _TRANSDUCER_BYTES, 1)
        units = _texts(file.read(n_signals * _UNIT_BYTES), _UNIT_BYTES)
    return dict(zip(labels, units, strict=True))


def _texts(field: bytes, width: int) -> list[str]:
    return [
        field[start : start + width].decode("latin-1").strip(" \0") for start in range(0, len(field), width)
    ]
