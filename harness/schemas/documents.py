"""JSON and TOML from bytes that somebody handed in, read strictly.

What is refused, as ``ValueError`` with the reason in one line: text that is not UTF-8, a key twice, a
number that is not finite, a whole one of more than 64 bits, characters that no text has, dates, and nesting
deeper than any of our schemas.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
_TOO_DEEP = f"nested deeper than {MAX_DEPTH}"
MAX_KEY_DOTS = 200
"""Dots on one line of TOML: a key of thousands of parts takes the parser minutes."""
MAX_INTEGER = 2**63 - 1
"""As TOML has them; Python would not print one of thousands of digits."""
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes) -> Any:
    """A JSON document.

    Raises:
        ValueError: see the module.
    """
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_refuse,
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(document)
    if _LONE_SURROGATE.search(data):  # an escaped half of a character: no file and no terminal takes it
        try:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair, which is no character") from None
    return document


def parse_toml(data: bytes) -> dict[str, Any]:
    """A TOML document.

    Raises:
        ValueError: see the module.
    """
    import tomllib  # not for those who read JSON only

    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark: save it as plain UTF-8")
    if any(line.count(b".") > MAX_KEY_DOTS for line in data.split(b"\n")):
        raise ValueError(f"more than {MAX_KEY_DOTS} dots on one line")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(document)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:60]!r} is there twice")
            seen.add(key)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:60]} is too large for a number")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _check(document: object) -> None:
    """Refuse nesting beyond MAX_DEPTH, and values that JSON does not have."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, int):
                if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
                    raise ValueError(f"a whole number of {value.bit_length()} bits, more than 64")
            elif not (value is None or isinstance(value, str | float)):
                raise ValueError(f"a {type(value).__name__} ({value}): write it as a string")
        if not below:
            return
        level = below
    raise ValueError(_TOO_DEEP)
