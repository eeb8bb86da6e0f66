"""Several trainings of one system: weights for one run that differ in their seed alone.

    [[weights]]
    corpus = "simulated"
    split = "held-out-subjects"
    feature = "mel"
    seed = 2                            # the same keys with other seeds: other trainings
    file = "weights/simulated-mel-seed-2.safetensors"

They are one system only where they were made in one way, which the records of training beside the weights
must say: one recipe, one split, one training part. A manifest with ``deterministic_training = true`` says
that its trainer draws nothing at random: one training then is all that there is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import Fault, SubmissionError, TrainingError, counted, raise_all
from harness.files import is_inside, read_regular
from harness.records.record import MOST_RECORD_BYTES, Training
from harness.schemas.documents import parse_json
from harness.submission.manifest import Submission, Weights
from harness.tasks.splits import Split

# What must be the same in the records of training of one system.
_SAME = {
    "recipe": "recipe",
    "split": "split",
    "corpus_fingerprint": "training data",
}
# Likewise, in records that say it.
_WHERE_SAID = {"training_version": "version of the training", "channels_excluded": "list of channels"}
# Of a recipe in a record: the sizes of the net as it was built, which no recipe says beforehand.
_OF_THE_RUN = ("config",)
# Corpus, split (or the name of the one trained on), feature and variant.
Wanted = tuple[str, Split | str, str, str]


@dataclass(frozen=True)
class _Known:
    """What is known of one training.

    Attributes:
        seed: by the manifest.
        facts: of its record, those that must be the same for all seeds.
    """

    seed: int
    facts: dict[str, Any]


def training_of(submission: Submission, weights: Weights | None, wanted: Wanted) -> Training | None:
    """What a score record says of the training of weights; None where it is not known to be one of several.

    Args:
        submission: whose weights.
        weights: that are run.
        wanted: corpus, split (or the name of the one trained on), feature and variant of the run.

    Raises:
        SubmissionError: seeds of the run that differ in recipe, split or data, or whose records of training
            do not say them (all faults at once).
    """
    if weights is None:
        return None
    if weights.seed is None:
        if not submission.is_deterministic:
            return None
        facts, _ = _facts(submission, weights)
        return Training(seed=None, recipe_sha256=_sha256(facts or {}))
    known, faults = [], []
    for seed in submission.seeds(*wanted):
        other = submission.weights(*wanted, seed=seed)
        facts, why = _facts(submission, other) if other else (None, "no weights")
        if facts is None:
            faults.append(
                Fault(
                    f"{submission.name}: weights of seed {seed}",
                    why,
                    "a record of their training, since seeds of one system share a recipe",
                    "Train them with harness train --seeds, or leave out `seed`.",
                )
            )
        else:
            known.append(_Known(seed, facts))
    raise_all(SubmissionError, faults + _differing(submission, known))
    own = next(one for one in known if one.seed == weights.seed)
    return Training(seed=weights.seed, recipe_sha256=_sha256(own.facts))


def _differing(submission: Submission, known: list[_Known]) -> list[Fault]:
    faults = []
    for one in known[1:]:
        words = {**_SAME, **_WHERE_SAID}
        what = [word for key, word in words.items() if one.facts.get(key) != known[0].facts.get(key)]
        if what:
            keys = _keys(known[0].facts["recipe"], one.facts["recipe"]) if "recipe" in what else []
            faults.append(
                Fault(
                    f"{submission.name}: weights of seed {one.seed}",
                    f"another {' and '.join(what)}" + (f" ({', '.join(keys)})" if keys else ""),
                    f"that of seed {known[0].seed}: seeds of one system differ in nothing else",
                    "Train it again with the same recipe and data, or give it a variant of its own.",
                )
            )
    return faults


def _keys(one: object, other: object) -> list[str]:
    """Names of what differs in two recipes."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return []
    return sorted(str(key) for key in {*one, *other} if one.get(key) != other.get(key))


def _facts(submission: Submission, weights: Weights) -> tuple[dict[str, Any] | None, str]:
    """Recipe, split and data of a training; None, and why, where no record of these weights says so."""
    if weights.training is None or not is_inside(weights.training, submission.folder):
        return None, "no record of their training"
    try:
        record = parse_json(read_regular(weights.training, MOST_RECORD_BYTES))
    except (OSError, ValueError):
        return None, f"{weights.training.name}, which cannot be read"
    if not isinstance(record, dict) or record.get("weights_sha256") != weights.sha256:
        return None, f"{weights.training.name}, a record of other weights"
    if weights.seed is not None and record.get("seed") != weights.seed:
        return None, f"{weights.training.name}, a record of seed {record.get('seed')}"
    lacking = [key for key in _SAME if key not in record]
    if lacking:
        return None, f"{weights.training.name}, which does not say {', '.join(lacking)}"
    return {key: record[key] for key in (*_SAME, *(one for one in _WHERE_SAID if one in record))}, ""


def refuse_another(
    submission: Submission, wanted: Wanted, kept: Sequence[int], now: Mapping[str, Any], seeds: Sequence[int]
) -> None:
    """Refuse trainings that would not be one system with those that are kept, before they are made.

    Args:
        submission: whose weights.
        wanted: corpus, split, feature and variant of the run.
        kept: seeds whose weights stay as they are.
        now: what the records of the new trainings will say, as far as it is known; of a recipe any of its
            keys.
        seeds: that are to be trained.

    Raises:
        TrainingError: a kept training was of another recipe, split or version.
    """
    faults = []
    for seed in kept:
        weights = submission.weights(*wanted, seed=seed)
        facts, _ = _facts(submission, weights) if weights else (None, "")
        if facts is None:  # said where they are used
            continue
        recipe = facts["recipe"] if isinstance(facts["recipe"], dict) else {}
        own = now.get("recipe", recipe)
        keys = [key for key in _keys(recipe, own) if key not in _OF_THE_RUN]
        what = [f"another recipe ({', '.join(keys)})"] if keys else []
        what += [
            f"another {word}"
            for key, word in {**_SAME, **_WHERE_SAID}.items()
            if key in now and key != "recipe" and facts.get(key) != now[key]
        ]
        if what:
            faults.append(
                Fault(
                    f"{submission.name}: weights of seed {seed}, which are kept",
                    f"of {' and '.join(what)}",
                    f"that of the {counted(len(seeds), 'training')} asked for: seeds of one system differ in"
                    " nothing else",
                    "Train it again with them, without --resume, or give the same preset and epochs.",
                )
            )
    raise_all(TrainingError, faults)


def recorded_seed(submission: Submission, weights: Weights) -> int | None:
    """The seed that the record of a training names; None where none does."""
    if weights.training is None or not is_inside(weights.training, submission.folder):
        return None
    try:
        record = parse_json(read_regular(weights.training, MOST_RECORD_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("weights_sha256") != weights.sha256:
        return None
    seed = record.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 else None


def _sha256(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
