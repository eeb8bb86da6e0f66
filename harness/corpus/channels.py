"""Excluded channels: zero in all EEG that a system is given, in training and in scoring.

A channel that is excluded stays in its place and holds zeros, whatever the file holds: weights trained on all
channels can be run, and no other channel moves. What the file holds is not checked, so that a channel that is
not finite can be excluded; it enters the fingerprint of the data all the same, which is that of the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.corpus.base import Corpus, Recording
from harness.corpus.declaration import Declaration
from harness.errors import Fault, HarnessError, counted, did_you_mean, raise_all


def channel_names(declaration: Declaration) -> tuple[str, ...]:
    """What a corpus calls its channels: their declared names, else numbers from 1."""
    return tuple(declaration.channel_names) or tuple(str(k + 1) for k in range(declaration.n_channels))


def named_channels(
    declaration: Declaration, given: Sequence[str | int], where: str, kind: type[HarnessError]
) -> tuple[str, ...]:
    """Channels by the names that a corpus has for them, in its order, each once.

    Args:
        declaration: of the corpus.
        given: names, or numbers from 1, which name channels too where they have names of their own.
        where: who names them, for messages.
        kind: of the error.

    Raises:
        HarnessError: of the kind: a channel that there is not, or no channel is left (all faults at once).
    """
    if not given:
        return ()
    names = channel_names(declaration)
    numbers = {str(k + 1): name for k, name in enumerate(names)}
    chosen, faults = set(), []
    for channel in dict.fromkeys(map(str, given)):
        found = channel if channel in names else numbers.get(channel)
        if found is None:
            faults.append(
                Fault(
                    where,
                    f"no channel {channel!r}",
                    f"channels of {declaration.name}, "
                    + (f"{names[0]} to {names[-1]} or " if declaration.channel_names else "")
                    + f"1 to {len(names)}",
                    _meant(channel, declaration.channel_names),
                )
            )
        else:
            chosen.add(found)
    if not faults and len(chosen) == len(names):
        faults.append(Fault(where, f"all {counted(len(names), 'channel')}", "one left, at least"))
    raise_all(kind, faults)
    return tuple(name for name in names if name in chosen)


def _meant(channel: str, names: Sequence[str]) -> str:
    """A remedy where a name is nearly one of a corpus's own."""
    same = [name for name in names if name.casefold() == channel.casefold()]
    return f"Did you mean {same[0]!r}?" if same else did_you_mean(channel, names)


def without_channels(recording: Recording, declaration: Declaration, names: Sequence[str]) -> Recording:
    """A recording with more channels excluded.

    Args:
        recording: of the corpus.
        declaration: of the corpus.
        names: as :func:`named_channels` gives them.
    """
    if not names:
        return recording
    known = channel_names(declaration)
    more = {known.index(name) for name in names}
    return replace(recording, channels_excluded=tuple(sorted(more | set(recording.channels_excluded))))


def corpus_without_channels(corpus: Corpus, names: Sequence[str]) -> Corpus:
    """A corpus of whose every recording channels are excluded; names as :func:`named_channels` gives them."""
    recordings = tuple(without_channels(one, corpus.declaration, names) for one in corpus.recordings)
    return replace(corpus, recordings=recordings)
