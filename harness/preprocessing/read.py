"""One raw recording through mne: BDF, EDF, BrainVision, EEGLAB, FIF, as they are or gzipped.

A file is opened without reading its samples; `read_eeg` then fills one float32 array in blocks, so that a
recording of 8,192 Hz takes half of what mne's own float64 would. Gzipped files are unpacked into a scratch
folder first, whole or with an error that says where they end.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import re
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault, shorten
from harness.preprocessing.units import unit_factors

SUFFIXES: Final = (".bdf", ".edf", ".vhdr", ".set", ".fif")
# What a recording's header file needs beside it: BrainVision has three files, EEGLAB may have two.
COMPANIONS: Final = {".vhdr": (".eeg", ".dat", ".vmrk"), ".set": (".fdt",)}
MICROVOLT: Final = 1e6  # mne's unit is the volt
BLOCK_SECONDS: Final = 10.0
EXTRA: Final = "raw"
# Channels of BioSemi's amplifier that are no EEG, and those of eyes, heart and muscles by their usual names,
# where no channels.tsv says what they are.
_NO_EEG: Final = re.compile(
    r"EXG\d+|GSR\d+|Erg\d+|Resp|Plet|Temp|Status|([LRHV]?EOG|ECG|EKG|EMG)([ _-]?[A-Z0-9]+)?", re.IGNORECASE
)
# What mne warns of where a file ends early: EDF and BDF, and FIF.
_TRUNCATED: Final = (
    "Number of records from the header does not match the file size",
    "Invalid tag with only",
)
# What a header of BrainVision says of its data file; how many times there are is optional.
_SAID: Final = ("DataFormat", "BinaryFormat", "NumberOfChannels", "DataPoints")
_SAMPLE_BYTES: Final = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
# mne wants names of FIF files to end in raw.fif, where BIDS wants eeg.fif.
_NAMING: Final = "does not conform to MNE naming conventions"


class ListedChannel(NamedTuple):
    """A channel as channels.tsv has it.

    Attributes:
        kind: in BIDS' words, such as EEG; empty where none is said.
        is_good: whether its status is anything but bad.
        unit: empty where none is said.
    """

    kind: str
    is_good: bool
    unit: str = ""


Listed = Mapping[str, ListedChannel]


@dataclass(frozen=True)
class RawEeg:
    """An opened recording.

    Attributes:
        name: the file's name, for messages.
        mne_raw: mne's object; samples are read when they are asked for.
        eeg_names: names of the EEG channels in the file's order.
        bad_names: EEG channels that channels.tsv or the file itself calls bad.
        remarks: what mne warned of, and what channels.tsv and the file do not agree on.
        factors: EEG channel -> what its numbers are multiplied by to be volts; 1 for all others.
    """

    name: str
    mne_raw: Any
    eeg_names: tuple[str, ...]
    bad_names: tuple[str, ...]
    remarks: tuple[str, ...]
    factors: Mapping[str, float]

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return float(self.mne_raw.info["sfreq"])

    @property
    def n_times(self) -> int:
        """Samples of every channel."""
        return int(self.mne_raw.n_times)

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self.n_times / self.rate_hz


def import_mne() -> Any:
    """The package mne, or an error that says how to install it.

    Raises:
        CorpusError: it is not installed.
    """
    try:
        import mne
        import mne_bids  # noqa: F401 - both or neither
    except ImportError as error:
        raise CorpusError(
            Fault(
                f"the package {error.name or 'mne'}",
                "not installed",
                "mne and mne-bids, which read raw recordings",
                f"pip install 'eeg-speech-harness[{EXTRA}]'",
            )
        ) from None
    return mne


@contextlib.contextmanager
def opened(path: Path, scratch: Path, channels: Listed | None = None) -> Iterator[RawEeg]:
    """Open a recording; what had to be unpacked is removed at the end.

    Args:
        path: the recording, one of `SUFFIXES`, with or without ``.gz``.
        scratch: an existing folder for unpacked files, with room for them.
        channels: by name, as channels.tsv says; None where there is none.

    Raises:
        CorpusError: not readable, truncated, or of another format than its name says.
        OSError: the scratch folder cannot be written.
    """
    mne = import_mne()
    with _unpacked(path, scratch) as plain, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with _without_log():
                raw = mne.io.read_raw(plain, preload=False, verbose="WARNING")
        except Exception as error:  # mne's readers raise whatever their parsing meets
            raise _unreadable(path.name, error, plain) from None
        said = [_without_folder(str(warning.message).strip(), plain) for warning in caught]
        for text in said:
            if any(one in text for one in _TRUNCATED):
                there = raw.n_times / raw.info["sfreq"]
                raise CorpusError(
                    Fault(
                        path.name,
                        f"another size than it should have, {there:.1f} s of it are there",
                        "a whole file",
                        "It is truncated, or the recording was not stopped: copy it again.",
                    )
                )
        remarks = tuple(dict.fromkeys(text for text in said if _NAMING not in text))
        try:
            _check_whole(path.name, plain, raw)
            yield _described(path.name, plain, raw, channels, remarks)
        finally:
            raw.close()


def _check_whole(name: str, path: Path, raw: Any) -> None:
    """Refuse an empty recording, and BrainVision's data file where it is another size than its header says.

    mne reads such a file as far as it goes, and says nothing.

    Raises:
        CorpusError: it is one.
    """
    if not raw.n_times:
        raise CorpusError(Fault(name, "no samples", "a recording", "Copy it again."))
    if path.suffix != ".vhdr":
        return
    header = path.read_text("latin-1")
    said = {key: (found[1] if (found := re.search(rf"(?im)^{key}=(\S+)", header)) else "") for key in _SAID}
    data = Path(raw.filenames[0])
    n_bytes = _SAMPLE_BYTES.get(said["BinaryFormat"].upper(), 0) * int(said["NumberOfChannels"][:9] or 0)
    size = data.stat().st_size
    if not n_bytes or said["DataFormat"].upper() == "ASCII":
        return
    counts = re.fullmatch(r"[0-9]{1,18}", said["DataPoints"])
    wanted = int(counts[0]) * n_bytes if counts else size - size % n_bytes
    if size != wanted:
        more = f", {wanted} by the DataPoints of its header" if counts else ""
        raise CorpusError(
            Fault(
                name,
                f"a data file of {size} bytes",
                f"{n_bytes} for each time{more}",
                "It is truncated, or another recording's: copy it again.",
            )
        )


def read_eeg(raw: RawEeg, names: Sequence[str]) -> NDArray[np.float32]:
    """EEG channels by name, (n_channels, n_times) float32 microvolts.

    Raises:
        CorpusError: the file cannot be read to its end, or a number is not finite.
    """
    scale = MICROVOLT * np.array([[raw.factors.get(name, 1.0)] for name in names])
    eeg = np.empty((len(names), raw.n_times), np.float32)
    for start, stop, block in _blocks(raw, list(names)):
        eeg[:, start:stop] = block * scale
    broken = np.flatnonzero(~np.isfinite(eeg).all(axis=1))
    if broken.size:
        raise CorpusError(
            Fault(
                raw.name,
                f"numbers that are not finite in {shorten([names[int(i)] for i in broken])}",
                "finite ones",
            )
        )
    return eeg


def read_status(raw: RawEeg, name: str) -> NDArray[np.int64]:
    """The trigger channel, (n_times,) whole numbers.

    Raises:
        CorpusError: the file has no such channel, or cannot be read to its end.
    """
    if name not in raw.mne_raw.ch_names:
        raise CorpusError(
            Fault(
                raw.name,
                f"no channel {name!r} among {shorten(raw.mne_raw.ch_names, 8)}",
                "the amplifier's trigger channel",
                "`--recipe simple` cuts by the onsets in events.tsv and needs none.",
            )
        )
    status = np.empty(raw.n_times, np.int64)
    for start, stop, block in _blocks(raw, [name]):
        status[start:stop] = np.rint(block[0]).astype(np.int64)
    return status


def _blocks(raw: RawEeg, names: list[str]) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    n_block = max(round(BLOCK_SECONDS * raw.rate_hz), 1)
    for start in range(0, raw.n_times, n_block):
        stop = min(start + n_block, raw.n_times)
        try:
            block = raw.mne_raw.get_data(picks=names, start=start, stop=stop, verbose="ERROR")
        except Exception as error:  # as above
            raise _unreadable(raw.name, error, Path(raw.mne_raw.filenames[0])) from None
        yield start, stop, block


def _described(name: str, path: Path, raw: Any, channels: Listed | None, remarks: tuple[str, ...]) -> RawEeg:
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    listed: dict[str, ListedChannel] = {}
    odd: list[str] = []
    by_file = [one for one in raw.ch_names if kinds[one] == "eeg" and not _NO_EEG.fullmatch(one)]
    if channels:
        listed, odd = _matched(name, raw.ch_names, channels)
        said = {one: known.kind.upper() or ("EEG" if one in by_file else "") for one, known in listed.items()}
        eeg = [one for one in raw.ch_names if said.get(one) == "EEG"]
        bad = [one for one in eeg if not listed[one].is_good]
    else:
        eeg = by_file
        bad = [one for one in eeg if one in raw.info["bads"]]
    if not eeg:
        raise CorpusError(
            Fault(name, f"no EEG channel among {shorten(raw.ch_names, 8)}", "some, by file or channels.tsv")
        )
    units = {one: listed[one].unit for one in eeg if one in listed}
    factors, of_units = unit_factors(path, name, eeg, units)
    return RawEeg(name, raw, tuple(eeg), tuple(bad), (*remarks, *odd, *of_units), factors)


def _matched(name: str, there: Sequence[str], channels: Listed) -> tuple[dict[str, ListedChannel], list[str]]:
    """The file's channels with what channels.tsv says of each, whatever the case; and what is in one only.

    Raises:
        CorpusError: channels.tsv names none of the file's.
    """
    by_name = {one.casefold(): said for one, said in channels.items()}
    listed = {one: by_name[one.casefold()] for one in there if one.casefold() in by_name}
    if not listed:
        raise CorpusError(
            Fault(
                name,
                f"channels {shorten(there, 8)}",
                f"those of channels.tsv, {shorten(list(channels), 8)}",
                "It is another recording's, or its names are not the file's.",
            )
        )
    known = {one.casefold() for one in listed}
    unlisted = [one for one in there if one not in listed and not _NO_EEG.fullmatch(one)]
    absent = [one for one in channels if one.casefold() not in known]
    odd = [f"not in channels.tsv, and so left out: {shorten(unlisted)}"] if unlisted else []
    return listed, [*odd, *([f"in channels.tsv and not in the file: {shorten(absent)}"] if absent else [])]


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Keep mne from printing its warnings on stdout; they are caught as Python's."""

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("mne")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


@contextlib.contextmanager
def _unpacked(path: Path, scratch: Path) -> Iterator[Path]:
    """The file without .gz, its companions beside it."""
    if path.suffix != ".gz":
        yield path
        return
    stem = path.with_suffix("")
    folder = scratch / stem.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _unpack(path, folder / stem.name)
        for suffix in COMPANIONS.get(stem.suffix, ()):
            beside = stem.with_suffix(suffix)
            packed = beside.with_name(f"{beside.name}.gz")
            if packed.is_file():
                _unpack(packed, folder / beside.name)
            elif beside.is_file():
                (folder / beside.name).symlink_to(beside.resolve())
        yield folder / stem.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(source: Path, target: Path) -> None:
    with target.open("wb") as file:
        try:
            with gzip.open(source) as packed:
                while block := packed.read(1 << 16):  # what a broken block held is lost
                    file.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorpusError(
                Fault(
                    source.name,
                    f"a gzip file that cannot be unpacked ({error}), after {file.tell()} bytes",
                    "a whole one",
                    "It is truncated or broken: copy it again.",
                )
            ) from None


def _without_folder(text: str, path: Path) -> str:
    """What mne says of a file, which it may call by its whole path, with the file's name only."""
    for folder in (path.parent.resolve(), path.parent.absolute()):
        text = text.replace(f"{folder}/", "")
    return text


def _unreadable(name: str, error: Exception, path: Path) -> CorpusError:
    if isinstance(error, MemoryError):
        raise error
    reason = " ".join(_without_folder(str(error), path).split())[:200] or type(error).__name__
    return CorpusError(
        Fault(
            name,
            f"cannot be read ({reason})",
            "a recording of the format that its name says",
            "It may be truncated, or lack a file that belongs to it: copy it again.",
        )
    )
