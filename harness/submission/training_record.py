"""The record of a training beside its weights: what they have seen, and whether that is verified.

A training record is written by whoever hands in the weights, and could say anything: it is declared. What
``harness train`` writes on this machine it signs, with a key that lies in the user's configuration folder and
is made by the first training. Such a record is verified here, and declared everywhere else.

    signed          a training record with its signature
    read_training   weights -> what their record says, and how far it is to be believed
    excluded_in_training  channels that weights were not given
    sealed          a score record that says verified, with this machine's seal
    training_here   how far a score record's training is to be believed on this machine

The signature is HMAC-SHA256 (RFC 2104) over the record as JSON with sorted keys; the weights' sha256 is one
of its values. The key's id, a hash of the key, tells a record that was changed after this machine signed it
from one that another machine signed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from harness.files import read_regular
from harness.records.document import plain
from harness.records.record import DECLARED, TAMPERED, TRAINING_STATUSES, VERIFIED, VOLATILE, Record
from harness.schemas.documents import parse_json
from harness.schemas.validate import schema
from harness.submission.manifest import MOST_TRAINING_BYTES, Weights

KEY_NAME: Final = "training.key"
SIGNATURE: Final = "signature"
KEY_BYTES: Final = 32
_KEY_ID_DIGITS: Final = 16
MOST_NAME: Final = 100  # characters of a channel's name


class Seen(NamedTuple):
    """What weights have seen in training."""

    subjects: frozenset[str]
    stimuli: frozenset[str]


class Training(NamedTuple):
    """What is known of the training of some weights.

    Attributes:
        status: ``verified``, ``declared``, or ``tampered`` where a record was changed after this machine
            signed it, or lies beside other weights; None without a record that can be believed.
        seen: None where the status is ``tampered`` or None.
    """

    status: str | None
    seen: Seen | None


UNKNOWN = Training(None, None)


def key_file() -> Path:
    """Where the key lies: in the user's configuration folder."""
    import platformdirs

    return Path(platformdirs.user_config_path("eeg-speech-harness")) / KEY_NAME


def signed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A training record with this machine's signature; as it was where no key can be kept.

    Args:
        record: plain JSON values, with the sha256 of the weights.
    """
    key = _key() or _new_key()
    if key is None:
        return dict(record)
    read = json.loads(json.dumps(record))  # as it will be read again
    return {**record, SIGNATURE: {"key": _key_id(key), "hmac_sha256": _hmac(key, read)}}


def read_training(weights: Sequence[Weights | None]) -> Training:
    """What any of the weights has seen; the status is that of the worst of their records.

    Args:
        weights: of a system, or of the members of an ensemble.

    Returns:
        ``UNKNOWN`` if any weights have no training record, or one that does not say what was seen
        (imported weights), says that nothing was, or is of other weights.
    """
    key = _key()
    found = [_training(one, key) for one in weights]
    if any(one.status == TAMPERED for one in found):
        return Training(TAMPERED, None)
    seen = [one.seen for one in found if one.seen is not None]
    if not seen or len(seen) < len(found):
        return UNKNOWN
    status = max((one.status or DECLARED for one in found), key=TRAINING_STATUSES.index)
    subjects, stimuli = (frozenset().union(*sides) for sides in zip(*seen, strict=True))
    return Training(status, Seen(subjects, stimuli))


def excluded_in_training(weights: Sequence[Weights | None]) -> tuple[str, ...]:
    """The EEG channels that a training of any of the weights was not given, by their records.

    A name that no record of a score could hold is left out.
    """
    names: list[str] = []
    for one in weights:
        said = _said(one)
        names += said[1].channels_excluded if said else []
    form = schema("score-record")["$defs"]["text"]
    return tuple(
        name
        for name in dict.fromkeys(names)
        if len(name) <= MOST_NAME and re.fullmatch(form["pattern"], name)
    )


def sealed(record: Record) -> Record:
    """A score record that says ``verified`` with this machine's seal, by which it knows its word again.

    The seal is an HMAC as above, over all of the record but time, host and commit.
    """
    key = _key()
    if record.run.training != VERIFIED or key is None:
        return record
    run = msgspec.structs.replace(record.run, training_seal=_hmac(key, _lasting(record)))
    return msgspec.structs.replace(record, run=run)


def training_here(record: Record) -> str | None:
    """How far the training of a score record is to be believed on this machine.

    A record that another machine calls verified, or one that was edited, is declared.
    """
    if record.training != VERIFIED:
        return record.training
    key, seal = _key(), record.run.training_seal
    if key is None or not seal or not hmac.compare_digest(seal, _hmac(key, _lasting(record))):
        return DECLARED
    return VERIFIED


def _lasting(record: Record) -> dict[str, Any]:
    return {name: value for name, value in plain(record).items() if name not in VOLATILE}


class _Said(msgspec.Struct):
    """What is read of a training record; submissions write it themselves, and it has no schema."""

    weights_sha256: str
    subjects: list[str]
    stimuli: list[str]
    channels_excluded: list[str] = []


def _said(weights: Weights | None) -> tuple[Mapping[str, Any], _Said] | None:
    """The record of a training, and what is read of it; None where there is none that can be read."""
    if weights is None or weights.training is None:
        return None
    try:
        record = parse_json(read_regular(weights.training, MOST_TRAINING_BYTES))
        return record, msgspec.convert(record, _Said)
    except (OSError, ValueError, msgspec.ValidationError):
        return None


def _training(weights: Weights | None, key: bytes | None) -> Training:
    found = _said(weights)
    if weights is None or found is None:
        return UNKNOWN
    record, said = found
    status = _status(record, key)
    of_these = said.weights_sha256 == weights.sha256
    if status == TAMPERED or (status == VERIFIED and not of_these):
        return Training(TAMPERED, None)
    if not (of_these and said.subjects and said.stimuli):  # nobody trains on nothing
        return UNKNOWN
    return Training(status, Seen(frozenset(said.subjects), frozenset(said.stimuli)))


def _status(record: Mapping[str, Any], key: bytes | None) -> str:
    """Whose word a record is, by its signature."""
    signature = record.get(SIGNATURE)
    if key is None or not isinstance(signature, Mapping) or signature.get("key") != _key_id(key):
        return DECLARED
    content = {name: value for name, value in record.items() if name != SIGNATURE}
    said = signature.get("hmac_sha256")
    same = isinstance(said, str) and hmac.compare_digest(said.encode(), _hmac(key, content).encode())
    return VERIFIED if same else TAMPERED


def _hmac(key: bytes, record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"id of a training key " + key).hexdigest()[:_KEY_ID_DIGITS]


def _key() -> bytes | None:
    """This machine's key; None where there is none yet, or it cannot be read."""
    try:
        key = bytes.fromhex(read_regular(key_file(), 4 * KEY_BYTES).decode("ascii").strip())
    except (OSError, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _new_key() -> bytes | None:
    """Make the key, for its user alone; None where it cannot be kept."""
    path, key = key_file(), secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f"{key.hex()}\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # another process may have been first: its key is taken
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
    except FileExistsError:
        pass
    except OSError:
        return None
    return _key()
