"""Weights cross corpora: another board's weights, where channels, rates and feature are the task's own.

``--weights-of dtu`` takes the weights that a manifest lists for the corpus ``dtu``, ``--weights-of
dtu/dtu-unheard`` those of one of its splits. Nothing is resampled, mapped or left out to make weights fit:
what differs is refused. What a corpus is says the record of the training, or its declaration where it comes
with the harness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.corpus.declaration import Declaration, declared
from harness.errors import Fault, SubmissionError, did_you_mean, raise_all, shorten
from harness.files import read_regular
from harness.records.record import MOST_RECORD_BYTES, Transfer
from harness.schemas.documents import parse_json
from harness.submission.manifest import Submission, Weights
from harness.tasks.sizes import Sizes
from harness.tasks.splits import Split

OPTION = "--weights-of"


class TrainedOn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What EEG weights were trained on, and what they answer.

    Attributes:
        n_channels: EEG channels.
        sample_rate_hz: of the EEG.
        n_bands: numbers in each frame of the feature.
        frame_rate_hz: frames a second; None where every segment has a number of frames of its own.
        frames_per_segment: that number, and
        segment_samples: how long a segment is, where it has one; else None.
        channel_names: where they are known.
    """

    n_channels: int
    sample_rate_hz: float
    n_bands: int
    frame_rate_hz: float | None = None
    frames_per_segment: int | None = None
    segment_samples: int | None = None
    channel_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Wanted:
    """Which weights are asked for: of one system and feature, of a corpus, and of one of its splits."""

    where: str
    corpus: str
    split: str | None


def trained_on(declaration: Declaration, size: Sizes) -> TrainedOn:
    """What weights trained on a corpus and feature have seen and answer.

    Args:
        declaration: of the corpus.
        size: of the task.
    """
    feature = declaration.features[size.feature]
    own = feature.frame_rate_hz is None
    return TrainedOn(
        n_channels=size.n_channels,
        sample_rate_hz=float(size.sample_rate_hz),
        n_bands=size.n_bands,
        frame_rate_hz=None if feature.frame_rate_hz is None else float(feature.frame_rate_hz),
        frames_per_segment=size.n_frames if own else None,
        segment_samples=size.segment_samples if own else None,
        channel_names=tuple(declaration.channel_names),
    )


def transfer_of(
    submission: Submission, asked: str, declaration: Declaration, split: Split, size: Sizes, variant: str
) -> Transfer:
    """Whose weights a run takes, after checking that they fit the task.

    Args:
        submission: whose manifest lists them.
        asked: CORPUS or CORPUS/SPLIT, as the user names them; of several splits, a corpus alone means its
            default one.
        declaration: of the task's corpus.
        split: of the task.
        size: of the task.
        variant: that is run.

    Raises:
        SubmissionError: the manifest lists no such weights, or those of several splits; they are the task's
            own; or channels, rates or bands are not the task's, or not known (all faults at once).
    """
    corpus, _, named = asked.partition("/")
    where = f"{submission.name}: {OPTION} {asked}"
    wanted = _Wanted(where, corpus, named or None)
    found = Transfer(corpus=corpus, split=_split(submission, wanted, size.feature, variant))
    if (found.corpus, found.split) == (declaration.name, split.training_split):
        raise SubmissionError(
            Fault(where, "the weights of this very board", "those of another", f"Leave out {OPTION}.")
        )
    weights = submission.weights(found.corpus, found.split, size.feature, variant)
    if found.corpus != declaration.name:
        raise_all(SubmissionError, _misfits(where, found, weights, declaration, size))
    return found


def _split(submission: Submission, wanted: _Wanted, feature: str, variant: str) -> str:
    """The split of the weights that are meant."""
    first = submission.variants[0]
    entries: Sequence[Mapping[str, Any]] = submission.manifest.get("weights", [])
    of_corpus = [entry for entry in entries if entry["corpus"] == wanted.corpus]
    fitting = [
        entry["split"]
        for entry in of_corpus
        if (entry["feature"], entry.get("variant", first)) == (feature, variant)
    ]
    splits = list(dict.fromkeys(fitting))
    if wanted.split in splits:
        return str(wanted.split)
    if splits and wanted.split is None:
        shipped = declared(wanted.corpus)
        usual = shipped.default_split if shipped is not None else ""
        if len(splits) == 1 or usual in splits:
            return usual if len(splits) > 1 else str(splits[0])
        some = ", ".join(f"{wanted.corpus}/{one}" for one in splits)
        raise SubmissionError(Fault(wanted.where, "weights of several splits", f"one of {some}"))
    have = [f"{e['corpus']}/{e['split']} {e['feature']} {e.get('variant', first)}" for e in entries]
    asked = f"{wanted.corpus}/{wanted.split}" if wanted.split else wanted.corpus
    pairs = [(str(entry["corpus"]), f"{entry['corpus']}/{entry['split']}") for entry in entries]
    known = list(dict.fromkeys([corpus for corpus, _ in pairs] + [both for _, both in pairs]))
    raise SubmissionError(
        Fault(
            wanted.where,
            f"no weights of {asked} for the feature {feature} and the variant {variant}",
            f"weights that the manifest lists (there: {shorten(list(dict.fromkeys(have)), 12) or 'none'})",
            "" if asked in known else did_you_mean(asked, known),
        )
    )


def _misfits(
    where: str, transfer: Transfer, weights: Weights | None, declaration: Declaration, size: Sizes
) -> list[Fault]:
    """Why weights of another corpus cannot be run on this one."""
    theirs = _recorded(weights) or _declared(transfer.corpus, size)
    if theirs is None:
        return [
            Fault(
                where,
                f"no record of channels and rates of the corpus {transfer.corpus}",
                "what the weights were trained on",
                "Train them again with this version: the record of training then says it.",
            )
        ]
    own = trained_on(declaration, size)
    words = {
        "n_channels": "channels",
        "sample_rate_hz": "Hz of EEG",
        "n_bands": f"bands of {size.feature}",
        "frame_rate_hz": f"frames of {size.feature} a second",
        "frames_per_segment": f"frames of {size.feature} a segment",
        "segment_samples": "samples a segment",
    }
    faults = [
        Fault(
            where,
            f"weights trained with {_shown(getattr(theirs, key))} {what}",
            f"{_shown(getattr(own, key))}, as the corpus {declaration.name} has",
        )
        for key, what in words.items()
        if getattr(theirs, key) != getattr(own, key)
    ]
    if (
        not faults
        and theirs.channel_names
        and own.channel_names
        and theirs.channel_names != own.channel_names
    ):
        differ = [
            f"{a} for {b}" for a, b in zip(theirs.channel_names, own.channel_names, strict=True) if a != b
        ]
        faults.append(
            Fault(
                where,
                f"weights trained with other channels, or in another order ({shorten(differ, 4)})",
                f"those of the corpus {declaration.name}, in its order",
            )
        )
    return faults


def _recorded(weights: Weights | None) -> TrainedOn | None:
    """What the record of a training says; None where it does not."""
    if weights is None or weights.training is None:
        return None
    try:
        record = parse_json(read_regular(weights.training, MOST_RECORD_BYTES))
        if not isinstance(record, dict) or record.get("weights_sha256") != weights.sha256:
            return None
        said = msgspec.convert(record["trained_on"], TrainedOn)
        return said if len(said.channel_names) in (0, said.n_channels) else None
    except (OSError, ValueError, KeyError, msgspec.ValidationError):
        return None


def _declared(corpus: str, size: Sizes) -> TrainedOn | None:
    """What the declaration of a corpus that comes with the harness says; None where it does not."""
    declaration = declared(corpus)
    feature = declaration.features.get(size.feature) if declaration is not None else None
    if declaration is None or feature is None or feature.frame_rate_hz is None:
        return None
    return TrainedOn(
        n_channels=declaration.n_channels,
        sample_rate_hz=float(declaration.sample_rate_hz),
        n_bands=feature.n_bands,
        frame_rate_hz=float(feature.frame_rate_hz),
        channel_names=tuple(declaration.channel_names),
    )


def _shown(value: float | None) -> str:
    return "no fixed number of" if value is None else f"{value:g}"
