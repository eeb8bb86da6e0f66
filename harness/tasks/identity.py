"""Which stimuli are the same: those whose feature is the same to the last digit, whatever files are called.

Files of one stimulus may have many names: all trials of DTU hold one stretch of speech. What counts as heard
before is a stimulus, not a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from harness.corpus.base import Recording, Series


def same_stimuli(
    recordings: Iterable[Recording], feature: str, looked_at: Collection[str] = ()
) -> Mapping[str, str]:
    """For each stimulus the name of the first that is the same.

    Two names are one stimulus where any recording of the one has the same feature as any of the other; of
    subjects that are not looked at closely, the first recording of each name stands for all.

    Args:
        recordings: whose features are compared; without the feature, a name stays by itself.
        feature: what is compared, such as the envelope.
        looked_at: subjects of whom every recording is compared.

    Returns:
        name -> name, in the order of the recordings; recordings without a name are left out.
    """
    first: dict[str, str] = {}
    named: dict[str, str] = {}  # content -> the name that it was first seen under
    known: dict[Series, str] = {}
    for recording in recordings:
        name = recording.stimulus
        if not name or (name in first and recording.subject not in looked_at):
            continue
        first.setdefault(name, name)
        series = recording.feature_series.get(feature)
        if series is None:
            continue
        if series not in known:
            known[series] = _content(series)
        other = named.setdefault(known[series], name)
        _join(first, name, other)
    return {name: _root(first, name) for name in first}


def _content(series: Series) -> str:
    """The hash of a feature's numbers, as float32 with time first."""
    values = np.ascontiguousarray(series.read(0, series.n_times))
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()


def _root(first: Mapping[str, str], name: str) -> str:
    while first[name] != name:
        name = first[name]
    return name


def _join(first: dict[str, str], one: str, other: str) -> None:
    """Make two names one stimulus, under the name that stands first."""
    roots = {_root(first, one), _root(first, other)}
    earliest = next(name for name in first if name in roots)
    for root in roots:
        first[root] = earliest
