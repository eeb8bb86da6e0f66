"""Plain data as YAML: mappings, lists, texts, numbers, booleans.

Texts are always quoted, as in JSON, which YAML reads the same way: a time stays the text that it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def yaml_bytes(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """A document in block style, its keys in this order."""
    return ("\n".join(_lines(document, "")) + "\n").encode()


def _lines(value: Any, indent: str) -> list[str]:
    lines = []
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(entry, Mapping | list) and entry:
                lines += [f"{indent}{key}:", *_lines(entry, f"{indent}  ")]
            else:
                lines.append(f"{indent}{key}: {json.dumps(entry, ensure_ascii=False)}")
        return lines
    for entry in value:
        if isinstance(entry, Mapping):
            first, *rest = _lines(entry, f"{indent}  ")
            lines += [f"{indent}- {first.strip()}", *rest]
        else:
            lines.append(f"{indent}- {json.dumps(entry, ensure_ascii=False)}")
    return lines
