"""Zip archives that come out with the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_MODE = 0o644
_LEVEL = 6
_PACKED = {".zip", ".whl", ".npz", ".png"}  # compressed already


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip of files, name -> bytes, in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = _MODE << 16
            entry.create_system = 3  # Unix, on every machine
            packed = PurePosixPath(name).suffix in _PACKED
            entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, compresslevel=_LEVEL)
    return buffer.getvalue()
