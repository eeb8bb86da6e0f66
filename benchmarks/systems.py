"""How fast every system predicts at its paper preset, in how much memory, and whether the batch matters.

    python -m benchmarks.systems

Speed and memory: a batch of 8 segments of 30 s of mel, each system in a process of its own on all cores,
with initial values (which say nothing about speed) or, for a system without presets, committed weights.
Batch: every committed set of weights for simulated mel predicts 32 validation segments at once and one by
one; the figure is the largest change of any r.
"""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import report
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ
from harness.predictor import Setup
from harness.submission.manifest import Submission, load_submission

REPOSITORY = Path(__file__).parent.parent
# Variants that are nets of their own; for every other package, its first variant.
VARIANTS = {"vlaai": ("original", "challenge"), "happyquokka": ("conditioned", "unconditioned")}
SEGMENTS, SEGMENT_SECONDS = 8, 30
ROUNDS_SECONDS = 3.0  # a quick system is asked again until then; its quickest answer counts
BATCH = 32
FEATURE = "mel"


def systems() -> list[tuple[Submission, str]]:
    """Every package that predicts speech by itself, and its variants that are measured.

    The nets of music take spectra of one second, and say nothing at 30 s of mel.
    """
    folders = sorted(path.parent for path in REPOSITORY.glob("*/*/submission.toml"))
    packages = [load_submission(folder) for folder in folders]
    return [
        (package, variant)
        for package in packages
        if any(weights["feature"] == FEATURE for weights in package.manifest.get("weights", ()))
        for variant in VARIANTS.get(package.name, package.variants[:1])
    ]


def main() -> dict[str, float]:
    """Measure each system in a process of its own."""
    figures = {}
    for package, variant in systems():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.systems", str(package.folder), variant],
            check=True,
            stdout=subprocess.PIPE,
        )
        key = f"{package.name}_{variant}"
        figures |= {f"{key}_{name}": value for name, value in json.loads(done.stdout).items()}
        print(f"{key}: {done.stdout.decode().strip()}", file=sys.stderr)
    changes = [value for name, value in figures.items() if name.endswith("_batch_change")]
    return {**figures, "largest_batch_change": max(changes)}


def measure(package: Submission, variant: str) -> dict[str, float]:
    """One system: seconds of EEG a second, peak memory in MB, parameters, largest change of an r."""
    bare = _peak_mb()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        weights, n_parameters = _paper_weights(package, variant, Path(folder))
        predict = _decoder(package, _setup(package, variant, weights))
        n_times = SEGMENT_SECONDS * SAMPLE_RATE_HZ
        eeg = np.random.default_rng(0).standard_normal((SEGMENTS, n_times, 64), dtype=np.float32)
        subjects = ["sub-001"] * SEGMENTS
        predict(eeg[:1], subjects[:1])  # not counted: what is made once
        seconds: list[float] = []
        while sum(seconds) < ROUNDS_SECONDS:
            start = time.perf_counter()
            predict(eeg, subjects)
            seconds.append(time.perf_counter() - start)
        figures["parameters"] = n_parameters
        figures["seconds_of_eeg_a_second"] = SEGMENTS * SEGMENT_SECONDS / min(seconds)
        figures["peak_mb"] = _peak_mb()
        figures["bare_mb"] = bare
    change = _batch_change(package, variant)
    return figures if change is None else {**figures, "batch_change": change}


def _setup(package: Submission, variant: str, weights: Path | None) -> Setup:
    return Setup(
        feature=FEATURE,
        n_bands=N_MEL_BANDS,
        n_frames=SEGMENT_SECONDS * SAMPLE_RATE_HZ,
        n_channels=64,
        segment_samples=SEGMENT_SECONDS * SAMPLE_RATE_HZ,
        sample_rate_hz=SAMPLE_RATE_HZ,
        variant=variant,
        options=package.options(variant),
        weights=weights,
        seed=0,
    )


def _paper_weights(package: Submission, variant: str, folder: Path) -> tuple[Path, int]:
    """A weights file of the paper's net; the committed one where the system has no presets."""
    sys.path.insert(0, str(package.folder))
    module, _, name = package.manifest["trainer"].partition(":")
    trainer = getattr(importlib.import_module(module), name)
    if not hasattr(trainer, "recipe"):
        from safetensors.numpy import load_file

        path = _committed(package, variant)
        return path, sum(array.size for array in load_file(path).values())
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    setup = _setup(package, variant, None)
    config, _ = trainer.recipe("paper", variant)
    net = trainer.build(config, setup, ())
    path = folder / "weights.safetensors"
    save_file(
        {name: value.contiguous().clone() for name, value in net.state_dict().items()},
        path,
        dict(trainer.metadata(config, setup, ())),
    )
    return path, sum(parameter.numel() for parameter in net.parameters())


def _committed(package: Submission, variant: str) -> Path:
    from harness.tasks.splits import load_split

    weights = package.weights("simulated", load_split("held-out-subjects"), FEATURE, variant)
    if weights is None:
        raise SystemExit(f"{package.name}: no weights")
    return weights.path


def _decoder(package: Submission, setup: Setup):  # type: ignore[no-untyped-def]  # the package's own class
    module, _, name = package.manifest["entry_point"].partition(":")
    return getattr(importlib.import_module(module), name)(setup).predict


def _batch_change(package: Submission, variant: str) -> float | None:
    """Largest change of a segment's and band's r from a batch of 32 to batches of 1; None without weights."""
    from harness.corpus.simulated.make import default_folder, is_complete, simulate
    from harness.errors import SubmissionError
    from harness.scoring.pearson import pearson_r
    from harness.tasks.task import open_task

    try:
        path = _committed(package, variant)
    except SubmissionError:
        return None
    folder = default_folder()
    if not is_complete(folder):
        simulate(folder)
    task = open_task(folder, part="val", feature=FEATURE)
    segments = task.segments[:BATCH]
    eeg = np.stack([segment.eeg() for segment in segments])
    subjects = [segment.subject for segment in segments]
    predict = _decoder(package, _setup(package, variant, path))
    together = predict(eeg, subjects)
    alone = np.concatenate([predict(eeg[i : i + 1], subjects[i : i + 1]) for i in range(BATCH)])
    references = [segment.feature(FEATURE) for segment in segments]
    changes = [
        np.abs(pearson_r(reference, one) - pearson_r(reference, other)).max()
        for reference, one, other in zip(references, together, alone, strict=True)
    ]
    return float(max(changes))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(load_submission(Path(sys.argv[1])), sys.argv[2])))
    else:
        report("systems", main())
