"""``harness train``: run a submission's trainer, write its weights, register them in the manifest.

A trainer lies in the submission folder and is named in the manifest by ``trainer = "module:name"``. It is
a ``recipe.TorchSystem``, which the loop here trains, or a function that does everything itself:

    def train(data: TrainingData, setup: Setup, progress) -> (weights: dict[str, array], report: dict)

``progress(done, total, note)`` may be called at any time. Training runs in the harness's own process:
it needs labels, and it is your code on your machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.conventions import quoted
from harness.corpus import Corpus
from harness.corpus.channels import channel_names
from harness.corpus.simulated.check import check_simulated
from harness.errors import Fault, SplitError, TrainingError, UsageError, counted, raise_all, shorten
from harness.files import alone_in
from harness.predictor import Setup
from harness.records import provenance
from harness.records.record import VERIFIED
from harness.submission.manifest import Submission, Weights, weights_file
from harness.submission.own_code import imported
from harness.submission.training_record import read_training
from harness.submission.transfer import trained_on
from harness.tasks.segments import cut_segments
from harness.tasks.sizes import sizes
from harness.tasks.splits import Split
from harness.training.cache import from_cache
from harness.training.copies import Cache
from harness.training.distributed import this_process
from harness.training.outlook import reading_lines
from harness.training.recipe import chosen_recipe
from harness.training.running import Running, Unfinished
from harness.training.trackers import check_tracker
from harness.training.training_data import TrainingData
from harness.training.version import TRAINING_VERSION
from harness.training.write_weights import write_weights

DEFAULT_PRESET = "compact"


@dataclass(frozen=True)
class TrainingResult:
    """What a trainer returns.

    Attributes:
        weights: name -> array, as the submission's predictor reads them.
        report: what was chosen and how well it does on the validation part; plain JSON values.
        metadata: what the weights file says of itself.
        recipe: how the weights came to be, for the training record; plain JSON values.
        folder: where checkpoint and log lie, where there are any.
        seconds_before: spent by the calls that this one goes on from.
    """

    weights: Mapping[str, np.ndarray[Any, Any]]
    report: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    seconds_before: float = 0.0


@dataclass(frozen=True)
class Trained:
    """Weights that were written.

    Attributes:
        path: the weights file.
        sha256: of the file, as in the manifest.
        report: the trainer's report.
        seconds: how long the training took.
        folder: where checkpoint and log lie, where there are any.
        signed: whether the record beside the weights bears this machine's signature.
    """

    path: Path
    sha256: str
    report: Mapping[str, Any]
    seconds: float
    folder: Path | None = None
    signed: bool = True


def train_submission(
    submission: Submission,
    corpus: Corpus,
    split: Split,
    feature: str,
    *,
    variant: str | None = None,
    seed: int = 0,
    preset: str | None = None,
    epochs: int | None = None,
    device: str = "auto",
    resume: bool = False,
    out: Path | None = None,
    partial: bool = False,
    one_of_several: bool = False,
    cache: Cache | None = None,
    running: Running | None = None,
) -> Trained | Unfinished | None:
    """Train a submission on the training part, choosing on the validation part.

    The weights file is written whole or not at all, its provenance beside it, and the manifest last:
    an interrupted training leaves the submission as it was. Of several processes (``torchrun``) the first
    writes, and the others return None.

    Args:
        submission: with a trainer.
        corpus: with recordings and labels of both parts.
        split: who trains and who validates.
        feature: what is decoded.
        variant: of the submission; None for its first.
        seed: of everything that is drawn.
        preset: the recipe; None for ``compact``. This and the four that follow are for a `TorchSystem`, as
            are deadline and log of ``running``; a trainer that is a function takes none of them.
        epochs: instead of the recipe's.
        device: auto, cpu or cuda.
        resume: go on from the work folder's checkpoint.
        out: the work folder; None for one below the submission's ``training/``.
        partial: go on although subjects of both parts are not in the corpus; the training record names those
            that were there.
        one_of_several: the weights are those of this seed, beside others of the same run.
        cache: where copies of the data lie, or are made before the first step; None to read the corpus.
        running: where the training shows how far it is, and when it stops; None for nowhere and never.

    Returns:
        The weights that were written; where the training stands, if it stopped at its deadline; or None.

    Raises:
        UsageError: no such variant or preset, or options that the trainer does not take.
        TrainingError: the submission has no trainer, or the trainer failed; or its other weights of this run
            have seeds, and these would have none.
        SubmissionError: feature or manifest do not fit.
        SplitError, CorpusError: the split or the data do not fit, or labels are missing.
    """
    submission.check_feature(feature)
    chosen = submission.variant(variant)
    if "trainer" not in submission.manifest:
        raise TrainingError(
            Fault(
                f"{submission.folder}",
                "a manifest without the key 'trainer'",
                'trainer = "module:function"',
                "Train its members, each by itself."
                if submission.is_ensemble
                else "A submission without one is not trained by the harness.",
            )
        )
    seeds = submission.seeds(corpus.name, split, feature, chosen)
    if seeds and not one_of_several:
        raise TrainingError(
            Fault(
                f"{submission.name}: weights",
                f"several trainings of this run (seeds {', '.join(map(str, seeds))})",
                "--seeds, which says which of them to train",
                f"For example: harness train {quoted(submission.folder)} --seeds {seed}-{seed}",
            )
        )
    data = _training_data(corpus, split, feature, partial)
    setup = submission.setup(sizes(corpus.declaration, split, feature), chosen, seed=seed)
    started = time.monotonic()
    running = running or Running()
    with imported(submission, "trainer") as trainer:
        if hasattr(trainer, "recipe"):
            chosen_preset = preset or DEFAULT_PRESET
            own = seed if one_of_several else None
            folder = out or work_folder(submission, corpus.name, split, setup, chosen_preset, own)
            _, recipe = chosen_recipe(trainer, chosen_preset, chosen, epochs)
            targets = recipe.targets.get(feature, ())
            check_tracker(running.log)
            with _own_work_folder(folder):
                ready = _ready(data, (feature, *targets), cache, submission, running)
                if isinstance(ready, Unfinished):
                    return ready
                data, running = ready
                result = _fitted(
                    trainer,
                    data,
                    setup,
                    running,
                    preset=chosen_preset,
                    folder=folder,
                    epochs=epochs,
                    device=device,
                    resume=resume,
                )
        else:
            given = {"--preset": preset, "--epochs": epochs, "--out": out}
            given["--resume"] = resume and not one_of_several  # there it leaves out seeds that are done
            given["--device cuda"] = device == "cuda"
            given["--max-time"] = running.deadline.is_set
            given["--log"] = running.log
            _refuse_options(submission, [name for name, value in given.items() if value])
            ready = _ready(data, (feature,), cache, submission, running)
            if isinstance(ready, Unfinished):
                return ready
            data, running = ready
            for line in reading_lines(data, None):
                running.say(line)
            result = _result(submission, trainer(data, setup, running.show))
    if isinstance(result, Unfinished):
        return result
    seconds = time.monotonic() - started + result.seconds_before
    if this_process().rank > 0:
        return None
    return _write(submission, data, setup, result, seconds, seed if one_of_several else None)


def _ready(
    data: TrainingData,
    names: Sequence[str],
    cache: Cache | None,
    submission: Submission,
    running: Running,
) -> tuple[TrainingData, Running] | Unfinished:
    """The data to train on, from a cache where there is one, identified; and the time that is left."""
    if cache is None:
        data.take_fingerprint(running.show)
        return data, running
    made = from_cache(data, names, cache, running, avoid=(submission.folder,))
    if isinstance(made, Unfinished):
        return made
    cached, is_used = made
    cached.take_fingerprint(running.show)
    deadline = replace(running.deadline, is_used=running.deadline.is_used or is_used)
    return cached, replace(running, deadline=deadline)


def work_folder(
    submission: Submission, corpus: str, split: Split, setup: Setup, preset: str, seed: int | None = None
) -> Path:
    """Where checkpoint and log of a training lie, unless the user names another place."""
    file = weights_file(corpus, split, setup.feature, setup.variant, submission.variants[0], seed)
    return submission.folder / "training" / f"{Path(file).stem}-{preset}"


@contextmanager
def _own_work_folder(folder: Path) -> Iterator[None]:
    """Keep a second training from the folder: each would write into the other's log and checkpoint.

    Of several processes of one training the first holds it.

    Raises:
        TrainingError: another training has it, or it cannot be made.
    """
    if this_process().rank > 0:
        yield
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with ExitStack() as stack:
        try:
            held = stack.enter_context(alone_in(folder, wait=False))
        except OSError as error:
            said, remedy = error.strerror or "cannot be made", "Choose another folder with --out."
            raise TrainingError(Fault(str(folder), said, "a folder for log and checkpoint", remedy)) from None
        for path in reversed(missing):  # those that nothing was written to go again, the innermost first
            stack.callback(_remove_empty, path)
        if not held:
            raise TrainingError(
                Fault(
                    str(folder),
                    "another training is writing there",
                    "a work folder of its own",
                    "Wait for it, or choose another folder with --out.",
                )
            )
        yield


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _fitted(
    system: Any,
    data: TrainingData,
    setup: Setup,
    running: Running,
    *,
    preset: str,
    folder: Path,
    epochs: int | None,
    device: str,
    resume: bool,
) -> TrainingResult | Unfinished:
    """Train a `TorchSystem` with the loop; the only place here that imports torch."""
    from harness.training.loop import fit, plain_config

    notes = list(system.notes(setup)) if hasattr(system, "notes") else []
    fitted = fit(
        system,
        data,
        setup,
        running,
        preset=preset,
        folder=folder,
        epochs=epochs,
        device=device,
        resume=resume,
    )
    if isinstance(fitted, Unfinished):
        return fitted
    return TrainingResult(
        weights={name: tensor.numpy() for name, tensor in fitted.weights.items()},
        report={
            f"validation_{data.measure.name}": fitted.validation,
            "preset": preset,
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            f"best_epoch_{data.measure.name}": fitted.best,
            "epochs_averaged": fitted.n_averaged,
            "parameters": fitted.n_parameters,
            "device": fitted.device,
            "processes": fitted.world,
            "threads": fitted.threads,
            "recordings_too_short": len(fitted.too_short),
            **({"notes": notes} if notes else {}),
        },
        metadata={**system.metadata(fitted.config, setup, fitted.subjects), **fitted.recipe.scaling()},
        recipe={
            "preset": preset,
            "config": plain_config(fitted.built),
            **asdict(fitted.recipe),
        },
        folder=folder,
        seconds_before=fitted.seconds_before,
    )


def _result(submission: Submission, returned: object) -> TrainingResult:
    where = f"{submission.name}: trainer {submission.manifest['trainer']!r}"
    if (
        not isinstance(returned, tuple)
        or len(returned) != 2
        or not all(isinstance(part, Mapping) for part in returned)
        or not all(isinstance(array, np.ndarray) for array in returned[0].values())
    ):
        raise TrainingError(
            Fault(
                where, f"returned {type(returned).__name__}", "(weights: name -> numpy array, report: dict)"
            )
        )
    return TrainingResult(*returned)


def _refuse_options(submission: Submission, given: list[str]) -> None:
    if given:
        raise UsageError(
            Fault(
                f"{submission.name}: {', '.join(given)}",
                f"the trainer {submission.manifest['trainer']!r} is a function, which takes no such option",
                "a trainer with presets for it",
                "Leave it out.",
            )
        )


def _check_serves_itself(split: Split) -> None:
    """Refuse a split that is scored with the weights of another: those of its own would never be taken.

    Raises:
        SplitError: its ``training_split`` is another.
    """
    if split.training_split != split.name and "train" in split.parts:
        raise SplitError(
            Fault(
                f"split {split.name}: training_split",
                f"{split.training_split!r}: systems are scored here with the weights of that split",
                "a split whose own training part its systems are trained on",
                f"Train with --split {split.training_split}, or train and score with a copy of"
                " this split file under a name of its own, without the key 'training_split'.",
            )
        )


def _training_data(corpus: Corpus, split: Split, feature: str, partial: bool) -> TrainingData:
    _check_serves_itself(split)
    validation = cut_segments(corpus, split, "val", partial=partial, feature=feature)
    data = TrainingData(corpus, split, feature, validation, partial)
    parts = {
        "training": [recording for recording, _, _ in data.stretches()],
        "validation": [segment.recording for segment in data.validation],
    }
    faults = []
    for part, recordings in parts.items():
        lacking = sorted({r.id for r in recordings if feature not in r.feature_series})
        if lacking and feature in corpus.absent:
            faults.append(corpus.absent[feature])
        elif lacking:
            faults.append(
                Fault(
                    f"{corpus.folder}: {part} part",
                    f"{counted(len(lacking), 'recording')} without {feature} ({shorten(lacking, 3)})",
                    f"labels of the training and validation parts for {feature}",
                    "Weights are chosen on the validation part and never on test: point --data at a corpus"
                    " with these labels, or choose another --feature or --split.",
                )
            )
    raise_all(TrainingError, list(dict.fromkeys(faults)))
    check_simulated(corpus, {r.id: r for recordings in parts.values() for r in recordings}.values())
    return data


def _write(
    submission: Submission,
    data: TrainingData,
    setup: Setup,
    result: TrainingResult,
    seconds: float,
    seed: int | None,
) -> Trained:
    record = {
        "corpus_fingerprint": data.fingerprint,
        **_training_record(submission, data, setup, result, seconds),
    }
    path, sha256 = write_weights(
        submission,
        data.corpus.name,
        data.split,
        setup.feature,
        setup.variant,
        (result.weights, result.metadata),
        record,
        seed=seed,
        trained_here=True,
    )
    status = read_training([Weights(path, sha256, path.with_suffix(".json"))]).status
    return Trained(path, sha256, result.report, seconds, result.folder, signed=status == VERIFIED)


def _training_record(
    submission: Submission,
    data: TrainingData,
    setup: Setup,
    result: TrainingResult,
    seconds: float,
) -> dict[str, Any]:
    recordings = [recording for recording, _, _ in data.stretches()]
    declaration = data.corpus.declaration
    size = sizes(declaration, data.split, setup.feature)
    numbers = recordings[0].channels_excluded if recordings else ()
    excluded = [channel_names(declaration)[number] for number in numbers]
    return {
        "submission": {"name": submission.name, "version": submission.version},
        "variant": setup.variant,
        "corpus": data.corpus.name,
        "split": {"name": data.split.name, "sha256": data.split.sha256},
        "feature": setup.feature,
        "seed": setup.seed,
        "training_version": TRAINING_VERSION,
        "trained_on": msgspec.to_builtins(trained_on(declaration, size)),
        **({"channels_excluded": excluded} if excluded else {}),
        "subjects": list(dict.fromkeys(recording.subject for recording in recordings)),
        "stimuli": sorted({recording.stimulus for recording in recordings}),
        "recipe": {**result.recipe, **data.rounding} or None,
        "report": dict(result.report),
        "environment": provenance.environment(),
        "run": {"finished": provenance.now(), "seconds": round(seconds, 1), **provenance.host()._asdict()},
    }
