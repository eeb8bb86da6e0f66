"""Documents (splits, manifests, records) against the JSON Schemas in ``harness/schemas/``.

jsonschema finds what is wrong; this module says it the way the rest of the harness does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Fault, did_you_mean

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
SCHEMA_FOLDER = Path(__file__).parent


@lru_cache(maxsize=8)
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema ``harness/schemas/<name>.json`` as a dictionary."""
    document: dict[str, Any] = json.loads((SCHEMA_FOLDER / f"{name}.json").read_text("utf-8"))
    return document


def schema_faults(document: object, name: str, where: str) -> list[Fault]:
    """Everything in which a document departs from a schema.

    Args:
        document: plain JSON values (dict, list, str, numbers, None).
        name: the schema, "split", "submission" or "score-record".
        where: the file, for the message.

    Returns:
        One fault a departure, in the document's order; empty where it is valid.
    """
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema(name))
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [fault for error in errors for fault in _faults(error, where)]


def _faults(error: ValidationError, where: str) -> Iterator[Fault]:
    place = where + "".join(f"[{key}]" if isinstance(key, int) else f": {key}" for key in error.path)
    rule: Any = error.validator_value
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        allowed = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
        for key in error.instance:
            if key not in allowed:
                yield Fault(
                    place,
                    f"unknown key {key!r}",
                    remedy=did_you_mean(str(key), allowed) or f"Known: {', '.join(allowed)}.",
                )
    elif error.validator == "required" and isinstance(error.instance, Mapping):
        # jsonschema reports each missing key as an error of its own; the key opens its message.
        yield Fault(place, f"the key {error.message.split(' is a required')[0]} is missing")
    elif error.validator == "type":
        expected = " or ".join(rule) if isinstance(rule, list) else str(rule)
        yield Fault(place, f"{_shown(error.instance)} of type {_kind(error.instance)}", expected)
    elif error.validator == "enum":
        yield Fault(place, _shown(error.instance), "one of " + ", ".join(map(str, rule)))
    elif error.validator == "pattern":
        expected = error.schema.get("description", rule) if isinstance(error.schema, dict) else rule
        yield Fault(place, _shown(error.instance), str(expected))
    else:
        yield Fault(place, error.message[:300])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
