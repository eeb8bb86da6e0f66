"""The fingerprint of a simulated corpus: its recipe, once its files match the hashes they came with."""

from __future__ import annotations

import hashlib
import json

from harness.conventions import SIMULATED_MARKER
from harness.corpus.base import Corpus
from harness.errors import CorpusError, raise_all


def recipe_fingerprint(corpus: Corpus) -> str | None:
    """sha256 of a simulated corpus's recipe and generator version; None where its marker is gone.

    The corpus is made anew on every machine, and two processors may differ in the last bits of a
    sample, so hashes of samples would tell apart what is the same data.

    Raises:
        CorpusError: files were changed, or are missing.
    """
    from harness.corpus.simulated import read_marker, verify

    for root in corpus.folder.parents:
        if (root / SIMULATED_MARKER).is_file():
            marker = read_marker(root)
            if marker is None:
                return None
            raise_all(CorpusError, verify(root))
            recipe = {key: marker[key] for key in ("generator_version", "recipe")}
            return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    return None
