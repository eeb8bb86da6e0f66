"""A submission's own code called by the harness, and the weights it gives written into its folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import Fault, TrainingError
from harness.files import write_atomically
from harness.submission.manifest import Submission, load_submission, register_weights
from harness.tasks.splits import Split


def write_weights(
    submission: Submission,
    corpus: str,
    split: Split,
    feature: str,
    variant: str,
    weights: tuple[Mapping[str, np.ndarray[Any, Any]], Mapping[str, str]],
    record: Mapping[str, Any],
    seed: int | None = None,
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
    with _alone(submission.folder):
        submission = load_submission(submission.folder)
        return _write(submission, (corpus, split, feature, variant), seed, arrays, metadata, record)


def _write(
    submission: Submission,
    run: tuple[str, Split, str, str],
    seed: int | None,
    arrays: Mapping[str, np.ndarray[Any, Any]],
    metadata: Mapping[str, str],
    record: Mapping[str, Any],
) -> tuple[Path, str]:
    corpus, split, feature, variant = run
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
    content = _weights_bytes(arrays, metadata)
    sha256 = hashlib.sha256(content).hexdigest()
    text = json.dumps({"weights_sha256": sha256, **record}, indent=1) + "\n"
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
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        for file, new in files.items():
            write_atomically(file, new)
        register_weights(load_submission(submission.folder), entry)
    except BaseException as error:
        # Weights that the manifest does not know would be refused: leave the submission as it was.
        with contextlib.suppress(OSError):
            for file, old in before.items():
                if old is None:
                    file.unlink(missing_ok=True)
                else:
                    write_atomically(file, old)
        if not isinstance(error, OSError):
            raise
        raise TrainingError(
            Fault(
                str(path),
                error.strerror or "cannot be written",
                "a folder with room that can be written",
                "Fix that and run the same command again (harness train --resume goes on where it was).",
            )
        ) from None
    return path, sha256


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Until this ends, no other training writes into the folder: each reads the manifest, then writes it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _weights_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> bytes:
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
