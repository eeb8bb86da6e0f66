"""A submission's own code called by the harness, and the weights it gives written into its folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import Fault, TrainingError
from harness.files import alone_in, write_atomically
from harness.submission.manifest import Submission, load_submission, register_weights
from harness.submission.training_record import signed
from harness.tasks.splits import Split


def write_weights(
    submission: Submission,
    corpus: str,
    split: Split,
    feature: str,
    variant: str,
    weights: tuple[Mapping[str, np.ndarray[Any, Any]], Mapping[str, str]],
    record: Mapping[str, Any],
    *,
    seed: int | None = None,
    before_named: Callable[[Path], None] | None = None,
    trained_here: bool = False,
) -> tuple[Path, str]:
    """Write weights and their record, then name both in the manifest.

    Args:
        submission: whose weights.
        corpus: name of the corpus that they are for.
        split: that they are for.
        feature: that they decode.
        variant: that uses them.
        weights: name -> array, and the file's metadata.
        record: where they come from; the file's sha256 is added.
        seed: where they are one of several trainings; else None.
        before_named: called with the weights file once it is there; where it raises, everything is as before.
        trained_here: whether this machine trained them, and signs the record.

    Returns:
        The weights file and its sha256.

    Raises:
        TrainingError: a number is not finite, or the files cannot be written.
        SubmissionError: the manifest cannot be written.
    """
    arrays, metadata = weights
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise TrainingError(
            Fault(f"{submission.name}: weights {', '.join(bad)}", "numbers that are not finite")
        )
    run = (corpus, split, feature, variant)
    seeds = submission.seeds(*run)
    if seeds and seed is None:
        raise TrainingError(
            Fault(
                f"{submission.name}: weights",
                f"several trainings of this run (seeds {', '.join(map(str, seeds))})",
                "weights that have no seed, or a seed for each",
                "Remove these entries from the manifest first, or give the new weights a variant.",
            )
        )
    relative = submission.file_of(*run, seed=seed)
    path = submission.folder / relative
    content = weights_bytes(arrays, metadata)
    sha256 = hashlib.sha256(content).hexdigest()
    whole = {"weights_sha256": sha256, **record}
    text = json.dumps(signed(whole) if trained_here else whole, indent=1) + "\n"
    entry: dict[str, str | int] = {
        "corpus": corpus,
        "split": split.name,
        "feature": feature,
        "variant": variant,
        **({} if seed is None else {"seed": seed}),
        "file": relative,
        "sha256": sha256,
        "training": str(Path(relative).with_suffix(".json")),
    }
    files = {path: content, path.with_suffix(".json"): text.encode()}
    try:
        with alone_in(submission.folder):  # other weights of it may be written at once, into one manifest
            _put(submission, files, entry, path, before_named)
    except OSError as error:
        raise TrainingError(
            Fault(
                str(path),
                error.strerror or "cannot be written",
                "a folder with room that can be written",
                "Fix that and run the same command again (harness train --resume goes on where it was).",
            )
        ) from None
    return path, sha256


def _put(
    submission: Submission,
    files: Mapping[Path, bytes],
    entry: Mapping[str, str | int],
    weights: Path,
    before_named: Callable[[Path], None] | None,
) -> None:
    """Write files and name them in the manifest, or leave the submission as it was.

    Weights that the manifest does not know would be refused.
    """
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        for file, new in files.items():
            write_atomically(file, new)
        if before_named is not None:
            before_named(weights)
        register_weights(load_submission(submission.folder), entry)
    except BaseException:
        with contextlib.suppress(OSError):
            for file, old in before.items():
                if old is None:
                    file.unlink(missing_ok=True)
                else:
                    write_atomically(file, old)
        raise


def weights_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; the same content gives the same bytes.

    safetensors writes the metadata's keys in random order, so the header is written again, sorted.
    """
    from safetensors.numpy import save

    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    if not metadata:
        whole: bytes = save(plain)
        return whole
    content = save(plain, dict(metadata))
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]
