"""Predictions kept beside records, so that another scorer or measure can be applied without any system.

``<results>/predictions/<sha256>.npz`` is named by its bytes, so that the same predictions are there once.
``<results>/predictions/records/<sha256 of the record's file>.json`` says which are a record's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import Fault, RecordError
from harness.files import file_sha256, read_regular, write_atomically
from harness.predictions import write_predictions

if TYPE_CHECKING:
    from harness.conventions import Array

FOLDER = "predictions"
_MOST_NOTE_BYTES = 10_000
_REMEDY = "Score it again with --keep-predictions."


def keep_predictions(results: Path, subjects: Iterable[tuple[str, Mapping[str, Array]]]) -> str:
    """Keep predictions below a results folder; gives their sha256.

    Raises:
        PredictionsError: the folder cannot be written, or an array cannot be kept.
    """
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{secrets.token_hex(8)}.npz"
    try:
        write_predictions(draft, subjects)
        sha256 = file_sha256(draft)
        draft.replace(folder / f"{sha256}.npz")
        return sha256
    finally:
        draft.unlink(missing_ok=True)


def note_predictions(results: Path, record_sha256: str, predictions_sha256: str) -> None:
    """Say which predictions are a record's."""
    note = json.dumps({"predictions": predictions_sha256}) + "\n"
    write_atomically(results / FOLDER / "records" / f"{record_sha256}.json", note.encode())


def kept_predictions(results: Path, record_sha256: str, where: str) -> Path:
    """The predictions of a record, whole and as they were kept.

    Args:
        results: the folder.
        record_sha256: of the record's file.
        where: the record, for messages.

    Raises:
        RecordError: none were kept, or they are gone or damaged.
    """
    note = results / FOLDER / "records" / f"{record_sha256}.json"
    try:
        sha256 = str(json.loads(read_regular(note, _MOST_NOTE_BYTES))["predictions"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordError(Fault(where, "its predictions were not kept", "", _REMEDY)) from None
    path = results / FOLDER / f"{Path(sha256).name}.npz"
    try:
        found = file_sha256(path)
    except OSError as error:
        said = f"its predictions are gone ({path.name}: {error.strerror})"
        raise RecordError(Fault(where, said, "", _REMEDY)) from None
    if found != sha256:
        raise RecordError(Fault(where, f"its predictions are damaged ({path.name})", "", _REMEDY))
    return path
