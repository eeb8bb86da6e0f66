"""The content address of a score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def record_key(record: Mapping[str, Any]) -> str:
    """The content address of a score: of everything that decides it but the harness around the scorer."""
    submission = record["submission"]
    decides = {
        "submission": [submission[name] for name in ("name", "kind", "variant")],
        "made of": [submission[name] for name in ("code_sha256", "weights_sha256", "predictions_sha256")],
        "members": [
            [member[name] for name in ("name", "variant", "code_sha256", "weights_sha256")]
            for member in submission.get("members", [])
        ],
        "split": [record["split"]["sha256"], record["split"]["part"], record["feature"]],
        "corpus": [record["corpus"]["name"], record["corpus"]["fingerprint"]],
        "scorer": record["scorer_version"],
        "seed": record["seed"],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
