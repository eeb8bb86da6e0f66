"""Train nets again from their committed recipes, and compare with their committed scores: ``make retrain``.

    python -m benchmarks.retrain                 # of every package the net that its board ranks: hours
    python -m benchmarks.retrain vlaai linear    # these
    python -m benchmarks.retrain convconcatnet --seed 2

Each is trained on the simulated corpus in a copy of its package, without weights, with the seed, the preset
and the number of threads of its training record, and scored on the test part. The mean r may differ by 0.002
from the committed record's. Ends with 1 where one differs by more, or was not trained as its record says.
What came of each is kept in ``retrain.json``, with the sha256 of the committed weights.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from harness import __version__
from harness.errors import Fault, HarnessError, TrainingError, UsageError, no_such, raise_all
from harness.files import alone_in, write_atomically
from harness.records.provenance import now
from harness.records.store import read_record
from harness.submission.find import known_submissions
from harness.submission.manifest import load_submission

REPOSITORY = Path(__file__).parent.parent
BOARD = Path("results", "simulated", "held-out-subjects", "test", "mel")
RUN = {"corpus": "simulated", "split": "held-out-subjects", "feature": "mel"}
MOST_DIFFERENCE = 0.002
FIGURES = Path(__file__).with_name("retrain.json")


@dataclass(frozen=True)
class Committed:
    """What a package has of one training.

    Attributes:
        folder: of the package.
        variant: that was trained.
        seed: of the training.
        training: its record.
        score: mean r on the test part.
        sha256: of the weights.
    """

    folder: Path
    variant: str
    seed: int
    training: dict[str, Any]
    score: float
    sha256: str


def committed(folder: Path, seed: int | None, root: Path = REPOSITORY) -> Committed:
    """What is committed of a package's first variant.

    Args:
        folder: of the package.
        seed: of several trainings; None for the first.
        root: of the repository, with the board.

    Raises:
        TrainingError: no weights, no such seed, no record of their training or of their score, or records
            that do not fit each other.
    """
    submission = load_submission(folder)
    entries = [one for one in submission.manifest.get("weights", []) if RUN.items() <= one.items()]
    entries = [one for one in entries if one.get("variant", submission.variants[0]) == submission.variants[0]]
    found = {}
    for entry in entries:
        path = folder / entry.get("training", "")
        training = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        if "seed" in training:
            found[training["seed"]] = (entry, training)
    if not found or (seed is not None and seed not in found):
        arrived = "no weights with a record of their training" if not found else f"seed {seed}"
        expected = ", ".join(map(str, sorted(found))) if found else "weights for simulated mel"
        raise TrainingError(
            Fault(f"{folder.name}: --seed", arrived, f"one of {expected}" if found else expected)
        )
    chosen = min(found) if seed is None else seed
    entry, training = found[chosen]
    records = [read_record(path) for path in sorted((root / BOARD).glob("*.json"))]
    of_it = [one for one in records if one.submission.weights_sha256 == entry["sha256"]]
    if not of_it:
        where = f"{folder.name}: weights of seed {chosen}"
        raise TrainingError(Fault(where, "no score of theirs", f"a record in {BOARD}", "Score them first."))
    if of_it[0].split.sha256 != training["split"]["sha256"]:
        raise TrainingError(
            Fault(
                f"{folder.name}: weights of seed {chosen}",
                f"trained on another split ({training['split']['name']})",
                f"{of_it[0].split.name}, that of their score, with the same hash",
            )
        )
    variant = entry.get("variant", submission.variants[0])
    return Committed(folder, variant, chosen, training, of_it[0].score, entry["sha256"])


def differences(before: Committed, training: dict[str, Any]) -> list[Fault]:
    """In what a new training is not the committed one, besides its weights."""
    faults = []
    for key, words in (("recipe", "recipe"), ("corpus_fingerprint", "training data"), ("split", "split")):
        old, new = before.training.get(key), training.get(key)
        if isinstance(old, dict) and isinstance(new, dict):  # keys that a recipe has only since are left out
            new = _of_keys(new, old)
            which = sorted(name for name in old if old[name] != new.get(name))
            old, new = ({name: one.get(name) for name in which} for one in (old, new))
        if old != new:
            where = f"{before.folder.name} ({before.variant}), seed {before.seed}: {words}"
            faults.append(Fault(where, f"{new}", f"{old}, that of the committed training"))
    return faults


def _of_keys(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """What ``new`` has under the keys of ``old``, in tables within it too."""
    kept = {name: new.get(name) for name in old}
    tables = {name: old[name] for name in old if isinstance(old[name], dict) and isinstance(kept[name], dict)}
    return kept | {name: _of_keys(kept[name], table) for name, table in tables.items()}


def again(before: Committed, scratch: Path) -> tuple[dict[str, Any], float, str]:
    """Train and score a copy; gives its training record, score and the weights' sha256."""
    copy = scratch / before.folder.name
    ignored = shutil.ignore_patterns("training", "weights", "__pycache__")
    shutil.copytree(before.folder, copy, ignore=ignored)
    manifest = tomlkit.parse((copy / "submission.toml").read_text("utf-8"))
    manifest.remove("weights")
    (copy / "submission.toml").write_text(tomlkit.dumps(manifest), "utf-8")
    recipe = before.training.get("recipe") or {}
    threads = before.training["report"].get("threads", 1)
    options = ["--split", RUN["split"], "--feature", RUN["feature"], "--variant", before.variant]
    preset = ["--preset", recipe["preset"]] if "preset" in recipe else []
    _harness(threads, "train", str(copy), *options, *preset, "--seed", str(before.seed))
    said = _harness(threads, "score", str(copy), *options, "--no-controls", "--json", "--out", str(scratch))
    entry = load_submission(copy).manifest["weights"][0]
    training = json.loads((copy / entry["training"]).read_text("utf-8"))
    return training, float(json.loads(said)["score"]), str(entry["sha256"])


def _harness(threads: int, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HARNESS_DATA": ""}
    command = [sys.executable, "-m", "harness", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise TrainingError(Fault(" ".join(arguments[:2]), f"ended with {done.returncode}"))
    return done.stdout


def main(names: list[str], seed: int | None) -> int:
    """Train all that are named; 1 where one is not what is committed."""
    known = {folder.name: folder for folder in known_submissions(REPOSITORY)}
    raise_all(UsageError, [no_such("NET", name, list(known)) for name in names if name not in known])
    trained = [folder for folder in known.values() if "trainer" in load_submission(folder).manifest]
    every = [folder for folder in trained if _has_weights(folder)]
    chosen = [committed(known[name], seed) for name in names] or [committed(one, None) for one in every]
    print("| net | variant | seed | committed r | trained again | difference | same bytes | minutes |")
    print("|---" * 8 + "|", flush=True)
    faults = []
    for before in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="harness-retrain-") as scratch:
            training, score, sha256 = again(before, Path(scratch))
        cells = [before.folder.name, before.variant, before.seed, f"{before.score:.4f}", f"{score:.4f}"]
        cells += [f"{score - before.score:+.4f}", "yes" if sha256 == before.sha256 else "no"]
        print(f"| {' | '.join(map(str, cells))} | {(time.monotonic() - began) / 60:.0f} |", flush=True)
        keep(FIGURES, before, score, sha256 == before.sha256, time.monotonic() - began)
        faults += differences(before, training)
        if abs(score - before.score) > MOST_DIFFERENCE:
            where = f"{before.folder.name} ({before.variant}), seed {before.seed}"
            expected = f"{before.score:.4f} to {MOST_DIFFERENCE:g}"
            faults.append(Fault(where, f"r {score:.4f}", expected))
    raise_all(TrainingError, faults)
    return 0


def keep(file: Path, before: Committed, score: float, same: bool, seconds: float) -> None:
    """Put what came of one training among the figures, in place of what came of an earlier one."""
    with alone_in(file.parent):
        figures = json.loads(file.read_text("utf-8")) if file.exists() else {}
        figures[f"{before.folder.name} ({before.variant}), seed {before.seed}"] = {
            "weights_sha256": before.sha256,
            "committed_r": round(before.score, 6),
            "trained_again_r": round(score, 6),
            "same_bytes": same,
            "seconds": round(seconds),
            "date": now()[:10],
            "harness": __version__,
        }
        ordered = dict(sorted(figures.items()))
        write_atomically(file, (json.dumps(ordered, indent=1) + "\n").encode())


def _has_weights(folder: Path) -> bool:
    return any(RUN.items() <= one.items() for one in load_submission(folder).manifest.get("weights", []))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrain")
    parser.add_argument("nets", nargs="*", metavar="NET")
    parser.add_argument("--seed", type=int, help="of several trainings; default: the first")
    asked = parser.parse_args()
    if asked.seed is not None and len(asked.nets) != 1:
        parser.error("--seed: of one net, which is to be named.")
    try:
        sys.exit(main(asked.nets, asked.seed))
    except HarnessError as error:
        print("\n".join(f"error: {fault}" for fault in error.faults), file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
