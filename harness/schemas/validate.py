"""Documents (splits, manifests, records) against the JSON Schemas in ``harness/schemas/``.

jsonschema finds what is wrong; this module says it the way the rest of the harness does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Fault, did_you_mean

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

MOST_FAULTS = 1000
"""The most faults of one document; a hostile one has a million."""
_LEAST = {
    "minimum": "a number of at least",
    "exclusiveMinimum": "a number above",
    "maximum": "a number of at most",
    "exclusiveMaximum": "a number below",
}
SCHEMA_FOLDER = Path(__file__).parent


@lru_cache(maxsize=8)
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema ``harness/schemas/<name>.json`` with the definitions of ``common.json``."""
    document: dict[str, Any] = json.loads((SCHEMA_FOLDER / f"{name}.json").read_text("utf-8"))
    common = json.loads((SCHEMA_FOLDER / "common.json").read_text("utf-8"))
    return {**document, "$defs": {**common["$defs"], **document.get("$defs", {})}}


def schema_faults(document: Any, name: str, where: str) -> list[Fault]:
    """Everything that is not valid in a document.

    Args:
        document: plain JSON values (dict, list, str, numbers, None).
        name: the schema, "split", "submission" or "score-record".
        where: the file, for the message.

    Returns:
        Faults in the document's order, up to ``MOST_FAULTS``; empty where it is valid.
    """
    found = islice(_validator(name).iter_errors(document), MOST_FAULTS)
    errors = sorted(found, key=lambda error: list(map(str, error.path)))
    return list(islice((fault for error in errors for fault in _faults(error, where)), MOST_FAULTS))


def is_text(text: str) -> bool:
    """Whether a text is what the schemas call one: it can be seen as it is, and is not long."""
    rule = schema("corpus")["$defs"]["text"]
    return len(text) <= rule["maxLength"] and bool(re.search(rule["pattern"].replace("$", r"\Z"), text))


@lru_cache(maxsize=8)
def _validator(name: str) -> Validator:
    """A validator that is fast on any document; jsonschema itself compares all pairs of a list's items."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def unique(_: Validator, wanted: bool, items: object, __: object) -> Iterator[ValidationError]:
        if wanted and isinstance(items, list):
            times = Counter(json.dumps(item, sort_keys=True) for item in items)
            for item in (item for item, n in times.items() if n > 1):
                yield ValidationError(f"{_shown(json.loads(item))} is there {times[item]} times")

    def pattern(_: Validator, wanted: str, text: object, __: object) -> Iterator[ValidationError]:
        # Python's $ lets a line end pass, the standard's does not.
        if isinstance(text, str) and not re.search(wanted.replace("$", r"\Z"), text):
            yield ValidationError(f"{_shown(text)} does not match {wanted}")

    checks: Any = {"uniqueItems": unique, "pattern": pattern}
    whole = schema(name)
    inlined = {key: _inlined(part, whole["$defs"]) for key, part in whole.items() if key != "$defs"}
    inlined["$defs"] = whole["$defs"]
    made: Validator = extend(Draft202012Validator, checks)(inlined)  # type: ignore[no-untyped-call]
    return made


def _inlined(part: Any, definitions: Mapping[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """A part of a schema with its definitions in place of the references to them.

    jsonschema looks up a reference anew for every value, which is most of what a record costs. A reference
    beside which anything is asked stays, and so does one to what it stands in.
    """
    if isinstance(part, list):
        return [_inlined(one, definitions, inside) for one in part]
    if not isinstance(part, dict):
        return part
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions and name not in inside and not part.keys() - {"$ref", "title", "description"}:
        return _inlined(definitions[name], definitions, (*inside, name))
    return {key: _inlined(one, definitions, inside) for key, one in part.items()}


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
        choices = [repr(one) if "," in str(one) else str(one) for one in rule]
        yield Fault(place, _shown(error.instance), "one of " + ", ".join(choices))
    elif error.validator in _LEAST:
        yield Fault(place, _shown(error.instance), f"{_LEAST[error.validator]} {rule}")
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
