"""Mean r on the test part over hours of training EEG, an eighth of the simulated corpus to four times of it.

    python -m benchmarks.learning_curve WORK_FOLDER [SYSTEM ...]

Up to all of the corpus, a share is so many training subjects with both of their recordings; twice and four
times, every training subject has four and eight recordings, of further stimuli (``data simulate --hours``).
The validation and test parts are the same bytes everywhere. A net takes as many steps on a share as on the
whole (epochs grow as the share shrinks), and as many epochs on more. Each point is kept in
``learning_curve.json`` once it is there, and not computed again; WORK_FOLDER has the larger corpora (0.9 GB)
and half-done trainings.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from harness.corpus.simulated.corpora import SPEECH, cached, make
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.files import write_atomically
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from harness.training import Running, train_submission

REPOSITORY = Path(__file__).parent.parent
FIGURES = Path(__file__).with_name("learning_curve.json")
SPLIT = "held-out-subjects"
FEATURE = "mel"
# system -> its variant, and the epochs of its recipe (None: it has none).
SYSTEMS: dict[str, tuple[str, int | None]] = {
    "linear": ("default", None),
    "banded-ridge": ("default", None),
    "vlaai": ("original", 20),
    "convconcatnet": ("default", 20),
}
# share -> training subjects, recordings of each.
SHARES = {
    "an eighth": (9, 2),
    "a quarter": (17, 2),
    "half": (35, 2),
    "all": (69, 2),
    "twice": (69, 4),
    "four times": (69, 8),
}
ALL = 69
SECONDS = 122.0


def point(system: str, share: str, work: Path) -> dict[str, Any]:
    """Train one system on one share, and score it on the test part."""
    variant, recipe_epochs = SYSTEMS[system]
    n_subjects, n_recordings = SHARES[share]
    hours = n_subjects * n_recordings * SECONDS / 3600
    if n_recordings == 2:
        folder = cached(SPEECH)
    else:
        folder = work / f"{n_recordings}-recordings"
        make(SPEECH, folder, hours=hours)
    document = json.loads((REPOSITORY / "splits" / f"{SPLIT}.json").read_text("utf-8"))
    document["name"] = f"{n_subjects}-subjects-{n_recordings}-recordings"
    every = document["parts"]["train"]["subjects"]
    document["parts"]["train"]["subjects"] = [every[i * ALL // n_subjects] for i in range(n_subjects)]
    split = work / f"{document['name']}.json"
    split.write_text(json.dumps(document))

    package = work / "packages" / f"{system}-{document['name']}"
    if not package.exists():
        source = REPOSITORY / "baselines" / system
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("training", "__pycache__"))
    epochs = None if recipe_epochs is None else round(recipe_epochs * max(1.0, ALL / n_subjects))
    task = open_task(folder, split_name=split, part="val", feature=FEATURE)
    started = time.monotonic()
    train_submission(
        load_submission(package),
        task.corpus,
        task.split,
        FEATURE,
        variant=variant,
        epochs=epochs,
        resume=epochs is not None,
        out=work / "training" / package.name if epochs is not None else None,
        running=Running(
            lambda done, total, note="": print(
                f"{system}, {share}: {done} of {total} {note}", file=sys.stderr
            )
        ),
    )
    seconds = time.monotonic() - started
    parts = {}
    for part in ("val", "test"):
        task = open_task(folder, split_name=split, part=part, feature=FEATURE)
        record = evaluate(load_submission(package), task, Run(variant=variant))
        parts[part] = {"r": round(record.score, 6), "ci95": [round(end, 6) for end in record.ci95 or ()]}
    return {"hours": round(hours, 2), "epochs": epochs, "seconds": round(seconds), **parts}


def main(work: Path, systems: list[str]) -> None:
    """Compute every point that is not there, cheapest first."""
    work.mkdir(parents=True, exist_ok=True)
    for share in SHARES:
        for system in systems:
            figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
            if share in figures.get(system, {}):
                continue
            made = point(system, share, work)
            print(f"{system}, {share}: {made}", file=sys.stderr)
            figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
            figures.setdefault(system, {})[share] = made
            ordered = {one: figures[one] for one in SYSTEMS if one in figures}
            write_atomically(FIGURES, (json.dumps(ordered, indent=1) + "\n").encode())


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(SYSTEMS):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or list(SYSTEMS))
