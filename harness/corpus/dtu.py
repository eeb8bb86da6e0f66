"""The DTU trials (Fuglsang et al. 2017) as preprocessed and published with VLAAI, read in place.

``DTU_S<subject>_<trial>.npz`` holds ``eeg`` (n_times, 64) and ``envelope`` (n_times, 1), 64 Hz.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.corpus.almost import almost_notes
from harness.corpus.array_files import check_rate, open_npz
from harness.corpus.base import (
    Corpus,
    Recording,
    Series,
    SubjectFault,
    cut_in_time,
    length_fault,
    natural_key,
)
from harness.corpus.declaration import Declaration
from harness.corpus.walk import visible
from harness.errors import CorpusError, Fault, raise_all

_TRIAL_NAME = re.compile(r"DTU_(?P<subject>S\d+)_(?P<trial>\d+)\.npz")


def open_trials(folder: Path, declaration: Declaration) -> Corpus:
    """Open a folder of DTU trials. The stimulus of a recording is its trial, ``trial-003``.

    Args:
        folder: holds the files.
        declaration: what the corpus is.

    Raises:
        CorpusError: no usable trial at all.
    """
    recordings: list[Recording] = []
    faults: list[SubjectFault] = []
    strange: list[str] = []
    for path in visible(folder, "*"):
        match = _TRIAL_NAME.fullmatch(path.name)
        if match is None:
            strange.append(path.name)
            continue
        try:
            recordings.append(_trial(path, match["subject"], f"trial-{match['trial']}", declaration))
        except CorpusError as error:
            faults += [SubjectFault(match["subject"], fault) for fault in error.faults]
    if not recordings:
        reasons = [entry.fault for entry in faults] or [
            Fault(str(folder), "no trial", "files DTU_S<subject>_<trial>.npz")
        ]
        raise CorpusError(*reasons)
    recordings.sort(key=lambda r: (natural_key(r.subject), natural_key(r.stimulus)))
    faults.sort(key=lambda entry: (natural_key(entry.subject), entry.fault.where))
    notes = tuple(almost_notes(strange))
    return Corpus(declaration, "trials", folder, tuple(recordings), tuple(faults), notes)


def _trial(path: Path, subject: str, stimulus: str, declaration: Declaration) -> Recording:
    arrays = open_npz(path)
    check_rate(path, declaration.sample_rate_hz)
    widths = {"eeg": declaration.n_channels}
    widths |= {name: feature.n_bands for name, feature in declaration.features.items()}
    for key, width in widths.items():
        if key not in arrays:
            raise CorpusError(Fault(str(path), f"arrays {', '.join(arrays) or 'none'}", f"also {key!r}"))
        if arrays[key].shape[1] != width:
            raise CorpusError(Fault(f"{path}: {key}", f"shape {arrays[key].shape}", f"(n_times, {width})"))
    lengths = {key: arrays[key].shape[0] for key in widths}
    wrong = [length_fault(str(path), key, lengths["eeg"], lengths[key]) for key in declaration.features]
    raise_all(CorpusError, [fault for fault in wrong if fault])
    n_times = min(lengths.values())
    series = {key: Series((arrays[key],), 0, width) for key, width in widths.items()}
    eeg = series.pop("eeg")
    return Recording(subject, stimulus, cut_in_time(n_times), eeg, series)
