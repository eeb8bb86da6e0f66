"""Does a system decode DTU's envelope, or know where in the trial it is? All trials have one envelope.

    python -m benchmarks.dtu_unheard DTU_FOLDER [SYSTEM[/VARIANT] ...]

Trials are cut in half. A system trained on the subjects S1..S8 is scored on S9 and S10's late halves twice:
trained on the late halves (`heard`), and trained on the early ones (`unheard`), where the envelope that is
asked for was in no training. What only knows the place in the trial scores nothing there.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from harness.training import train_submission

REPOSITORY = Path(__file__).parent.parent
SYSTEMS = (
    "linear/default",
    "vlaai/original",
    "vlaai/challenge",
    "happyquokka/conditioned",
    "happyquokka/unconditioned",
    "dprnn/default",
    "convconcatnet/default",
)
FIGURES = Path(__file__).with_name("dtu_unheard.json")


def main(dtu: Path, systems: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Train and score each system twice; gives system -> {heard, unheard}: mean r over S9 and S10."""
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        halves = {half: Path(name, half) for half in ("early", "late")}
        for path in sorted(dtu.glob("DTU_S*.npz")):
            with np.load(path) as trial:
                middle = len(trial["eeg"]) // 2
                for half, cut in (("early", slice(None, middle)), ("late", slice(middle, None))):
                    halves[half].mkdir(exist_ok=True)
                    arrays = {key: trial[key][cut] for key in ("eeg", "envelope")}
                    np.savez(halves[half] / path.name, **arrays)
        for system in systems:
            package, _, variant = system.partition("/")
            figures[system] = {
                "heard": _score(package, variant, halves["late"], halves["late"], Path(name)),
                "unheard": _score(package, variant, halves["early"], halves["late"], Path(name)),
            }
            print(f"{system}: {figures[system]}", file=sys.stderr)
    return figures


def _score(package: str, variant: str, training: Path, scored: Path, scratch: Path) -> float:
    """Mean r on the validation part of one folder, of weights trained on another."""
    folder = scratch / "packages" / package
    shutil.rmtree(folder, ignore_errors=True)
    source = next(REPOSITORY.glob(f"*/{package}/submission.toml")).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("training", "__pycache__"))
    submission = load_submission(folder)
    task = open_task(training, part="val")
    train_submission(submission, task.corpus, task.split, task.feature, variant=variant, seed=1)
    task = open_task(scored, part="val")
    return evaluate(load_submission(folder), task, Run(variant=variant)).score


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    made = main(Path(sys.argv[1]), tuple(sys.argv[2:]) or SYSTEMS)
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for system, values in made.items():
        known[system] = {key: round(value, 4) for key, value in values.items()}
    FIGURES.write_text(json.dumps(known, indent=1) + "\n")
    print(json.dumps(made, indent=1))
