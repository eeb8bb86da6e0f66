"""A submission: a folder with a manifest, code and weights.

``submission.toml`` is valid against ``harness/schemas/submission.json``. Weights are named there by
corpus, split, feature and variant, each with its sha256; a file that does not match is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.conventions import DEFAULT_VARIANT, quoted
from harness.corpus.declaration import declared
from harness.errors import Fault, SubmissionError, UsageError, did_you_mean, no_such, raise_all
from harness.execution.code import code_files, files_sha256, hash_code
from harness.files import MOST_WEIGHTS_BYTES, file_sha256, is_inside, read_regular, write_atomically
from harness.predictor import Setup
from harness.schemas.documents import parse_json, parse_toml
from harness.schemas.validate import schema_faults
from harness.tasks.sizes import Sizes
from harness.tasks.splits import Split

MANIFEST = "submission.toml"
MOST_MANIFEST_BYTES = 1 << 20
MOST_TRAINING_BYTES = 8 << 20
# What a manifest that decodes every feature names.
ANY_FEATURE = "*"


@dataclass(frozen=True)
class Weights:
    """A verified weights file.

    Attributes:
        path: absolute.
        sha256: of the file.
        training: absolute path of the record of its training; None where the manifest names none.
        seed: of the training, where the manifest lists several; else None.
        note: what a reader of its scores must know of it; empty for nothing.
        one_series: whether every band is the same series by design.
    """

    path: Path
    sha256: str
    training: Path | None = None
    seed: int | None = None
    note: str = ""
    one_series: bool = False


@dataclass(frozen=True)
class Submission:
    """A submission folder whose manifest is valid.

    Attributes:
        folder: absolute.
        manifest: the manifest's values.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens, the same as the folder's name."""
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """The submission's version, as its authors number it."""
        return str(self.manifest["version"])

    @property
    def is_ensemble(self) -> bool:
        """Whether the manifest lists members in place of code (see ``harness.submission.ensemble``)."""
        return "members" in self.manifest

    @property
    def features(self) -> tuple[str, ...]:
        """What the system decodes; ``*`` is every feature."""
        return tuple(self.manifest["features"])

    def decodes(self, feature: str) -> bool:
        """Whether the system decodes a feature."""
        return feature in self.features or ANY_FEATURE in self.features

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants, the default first."""
        return tuple(self.manifest.get("variants", {DEFAULT_VARIANT: {}}))

    def variant(self, name: str | None) -> str:
        """The variant to use: the one named, or the manifest's first.

        Raises:
            UsageError: there is no such variant.
        """
        if name is None:
            return self.variants[0]
        if name not in self.variants:
            raise UsageError(no_such(f"{self.name}: --variant", name, self.variants))
        return name

    def options(self, variant: str) -> Mapping[str, Any]:
        """The options of a variant."""
        options: Mapping[str, Any] = self.manifest.get("variants", {}).get(variant, {}).get("options", {})
        return options

    def ablation_of(self, variant: str) -> str | None:
        """The variant that this one is an ablation of; None where it is a system of its own."""
        of: str | None = self.manifest.get("variants", {}).get(variant, {}).get("ablation_of")
        return of

    def setup(self, sizes: Sizes, variant: str, *, weights: Path | None = None, seed: int = 0) -> Setup:
        """What the system's code is built with for a run."""
        return Setup(
            feature=sizes.feature,
            n_bands=sizes.n_bands,
            n_frames=sizes.n_frames,
            n_channels=sizes.n_channels,
            segment_samples=sizes.segment_samples,
            sample_rate_hz=sizes.sample_rate_hz,
            variant=variant,
            options=self.options(variant),
            weights=weights,
            seed=seed,
        )

    def check_feature(self, feature: str) -> None:
        """Refuse a feature that the system does not decode.

        Raises:
            SubmissionError: another feature.
        """
        if not self.decodes(feature):
            raise SubmissionError(
                Fault(
                    f"{self.name}: --feature",
                    repr(feature),
                    f"one of {', '.join(self.features)}, what the manifest declares",
                    did_you_mean(feature, self.features),
                )
            )

    @property
    def is_deterministic(self) -> bool:
        """Whether the trainer draws nothing at random, so that one training is all that there is."""
        return bool(self.manifest.get("deterministic_training", False))

    def seeds(self, corpus: str, split: Split | str, feature: str, variant: str) -> tuple[int, ...]:
        """The seeds of a run's trainings, ascending; empty where the manifest lists no seed."""
        wanted = (corpus, _trained_on(split), feature, variant)
        entries = self.manifest.get("weights", [])
        return tuple(
            sorted(e["seed"] for e in entries if "seed" in e and _key(e, self.variants[0]) == wanted)
        )

    def weights(
        self, corpus: str, split: Split | str, feature: str, variant: str, seed: int | None = None
    ) -> Weights | None:
        """The weights for a run, verified; None if the submission has no weights and no trainer.

        Args:
            corpus: name of the corpus.
            split: whose training part they were trained on; or the name of that part's split.
            feature: that is decoded.
            variant: that is run.
            seed: of several trainings this one; None for the first of them, or the only one.

        Raises:
            SubmissionError: no weights for this run or of this seed, the file is missing, its hash is
                wrong, or it was trained for another feature.
        """
        entries = self.manifest.get("weights", [])
        if not entries and "trainer" not in self.manifest:
            return None
        trained_on = _trained_on(split)
        wanted = (corpus, trained_on, feature, variant)
        found = [entry for entry in entries if _key(entry, self.variants[0]) == wanted]
        for entry in sorted(found, key=lambda entry: int(entry.get("seed", 0))):
            if seed is None or entry.get("seed") == seed:
                return _verified(self.folder, entry)
        if found:
            raise SubmissionError(self._no_such_seed(seed, found, f"--variant {variant} --feature {feature}"))
        have = [" ".join(_key(entry, self.variants[0])) for entry in entries]
        known = declared(corpus)
        made_on_first_use = known is not None and known.simulated
        raise SubmissionError(
            Fault(
                f"{self.name}: weights",
                f"none for corpus {corpus}, split {trained_on}, feature {feature}, variant {variant}",
                f"an entry [[weights]] in {MANIFEST} (there: {'; '.join(have) or 'none'})",
                f"Train them: harness train {quoted(self.folder)} --split {trained_on} --feature"
                f" {feature} --variant {variant}{'' if made_on_first_use else ' --data DIR'}",
            )
        )

    def file_of(self, corpus: str, split: Split, feature: str, variant: str, seed: int | None = None) -> str:
        """Where the weights of a run and seed lie, or are to lie, inside the folder."""
        first = self.variants[0]
        wanted = (corpus, split.name, feature, variant, seed)
        for entry in self.manifest.get("weights", []):
            if _key_and_seed(entry, first) == wanted:
                return str(entry["file"])
        return weights_file(corpus, split, feature, variant, first, seed)

    def _no_such_seed(self, seed: int | None, found: list[Mapping[str, Any]], run: str) -> Fault:
        seeds = sorted(entry["seed"] for entry in found if "seed" in entry)
        return Fault(
            f"{self.name}: --weights-seed",
            f"{seed}",
            f"one of {', '.join(map(str, seeds))}, those of the manifest"
            if seeds
            else "no such option: the manifest lists one training of this run, without a seed",
            f"Train it: harness train {quoted(self.folder)} --seeds {seed}-{seed} {run}",
        )

    @property
    def listed(self) -> tuple[str, ...]:
        """Files of the folder that are not code: the manifest, weights, and training records."""
        entries = self.manifest.get("weights", [])
        files = (entry[key] for entry in entries for key in ("file", "training") if key in entry)
        return (MANIFEST, *files)

    def code_hashes(self) -> dict[str, str]:
        """The sha256 of every file of the folder that counts as code, by its path in the folder.

        Raises:
            SubmissionError: the folder holds what cannot be code, such as a link that leaves it.
        """
        return hash_code(code_files(self.folder, self.listed))

    def code_sha256(self, hashes: Mapping[str, str] | None = None) -> str:
        """Hash of everything that decides a prediction, except the weights.

        That is the code, and the manifest without its list of weights: new weights do not change the hash.

        Args:
            hashes: as `code_hashes` gives them; None to look at the files now.

        Raises:
            SubmissionError: as `code_hashes`.
        """
        manifest = {key: value for key, value in self.manifest.items() if key != "weights"}
        described = json.dumps(manifest, sort_keys=True, default=str).encode()
        return files_sha256(described, self.code_hashes() if hashes is None else hashes)


def load_submission(folder: Path) -> Submission:
    """Read a submission's manifest.

    Raises:
        SubmissionError: no folder, no manifest, not TOML, not valid by its schema, or an entry point whose
            module is not in the folder (all faults at once).
    """
    from harness.submission.find import known_submissions  # which imports from here

    path = folder / MANIFEST
    try:
        is_folder, is_there = folder.is_dir(), folder.exists()
    except OSError:  # its name is too long
        is_folder = is_there = False
    if not is_folder:
        raise SubmissionError(
            Fault(
                str(folder),
                "a file" if is_there else "no such file or folder",
                "a submission folder, or predictions (.zip, .npz, or a folder of sub-*.json)",
                did_you_mean(folder.name, [known.name for known in known_submissions()]),
            )
        )
    try:
        manifest = parse_toml(read_regular(path, MOST_MANIFEST_BYTES))
    except FileNotFoundError:
        raise SubmissionError(
            Fault(
                str(folder),
                f"no {MANIFEST}, and no sub-*.json",
                "a submission folder or a folder of predictions",
                f"`harness new {quoted(folder)}` makes a submission that works.",
            )
        ) from None
    except OSError as error:
        raise SubmissionError(Fault(str(path), error.strerror or "cannot be read")) from None
    except ValueError as error:
        raise SubmissionError(Fault(str(path), f"not readable as TOML ({error})")) from None
    submission = Submission(folder.resolve(), manifest)
    raise_all(SubmissionError, schema_faults(manifest, "submission", str(path)))
    raise_all(SubmissionError, _manifest_faults(submission, str(path)))
    return submission


def weights_faults(submission: Submission) -> list[Fault]:
    """What is wrong with any weights file that the manifest lists."""
    faults: list[Fault] = []
    for entry in submission.manifest.get("weights", []):
        try:
            _verified(submission.folder, entry)
        except SubmissionError as error:
            faults += error.faults
    return faults


def weights_file(
    corpus: str, split: Split, feature: str, variant: str, first_variant: str, seed: int | None = None
) -> str:
    """Where trained weights lie inside a submission folder; ``seed`` is that of one of several trainings."""
    names = [corpus]
    known = declared(corpus)
    if known is None or split.name != known.default_split:
        names.append(split.name)
    names.append(feature)
    if variant != first_variant:
        names.append(variant)
    if seed is not None:
        names.append(f"seed-{seed}")
    return f"weights/{'-'.join(names)}.safetensors"


def register_weights(
    submission: Submission, entry: Mapping[str, str | int], replacing: Mapping[str, Any] | None = None
) -> None:
    """Write a weights entry into the manifest, in place of the one for the same run and seed if there is one.

    A note on the weights before is not one on these, and goes.

    Comments and order of the manifest stay as they are.

    Args:
        submission: whose manifest.
        entry: to write.
        replacing: an entry whose place it takes; None for that of the same run and seed.

    Raises:
        SubmissionError: the manifest cannot be written.
    """
    import tomlkit

    path = submission.folder / MANIFEST
    document = tomlkit.parse(path.read_text("utf-8"))
    first = submission.variants[0]
    table = tomlkit.table()
    table.update(entry)
    listed = document.get("weights")
    if listed is None:
        listed = tomlkit.aot()
        document["weights"] = listed
    place = _key_and_seed(replacing or entry, first)
    same = [i for i, old in enumerate(listed) if _key_and_seed(old, first) == place]
    if same:
        for key in [key for key in listed[same[0]] if key not in entry]:
            del listed[same[0]][key]
        listed[same[0]].update(entry)
    else:
        listed.append(table)
    try:
        write_atomically(path, tomlkit.dumps(document).encode("utf-8"))
    except OSError as error:
        raise SubmissionError(Fault(str(path), error.strerror or "cannot be written")) from None


def _trained_on(split: Split | str) -> str:
    """The name of the split whose training part weights are of."""
    return split if isinstance(split, str) else split.training_split


def _key(entry: Mapping[str, Any], first_variant: str) -> tuple[str, str, str, str]:
    return (
        str(entry["corpus"]),
        str(entry["split"]),
        str(entry["feature"]),
        str(entry.get("variant", first_variant)),
    )


def _key_and_seed(entry: Mapping[str, Any], first_variant: str) -> tuple[object, ...]:
    return (*_key(entry, first_variant), entry.get("seed"))


def _verified(folder: Path, entry: Mapping[str, Any]) -> Weights:
    path = folder / entry["file"]
    try:
        sha256 = file_sha256(path, MOST_WEIGHTS_BYTES)
    except OSError as error:
        raise SubmissionError(
            Fault(
                str(path),
                error.strerror or "cannot be read",
                "the weights that the manifest names",
                "Train them again, or remove the entry.",
            )
        ) from None
    if sha256 != entry["sha256"]:
        raise SubmissionError(
            Fault(
                str(path),
                f"sha256 {sha256[:16]}…",
                f"{entry['sha256'][:16]}…, the manifest's",
                "The file changed after training: restore it, or train again.",
            )
        )
    training = folder / entry["training"] if "training" in entry else None
    trained_for = None if training is None else _trained_for(training, sha256)
    if trained_for is not None and trained_for != entry["feature"]:
        raise SubmissionError(
            Fault(
                str(path),
                f"trained for feature {trained_for}, by {entry['training']}",
                f"{entry['feature']}, as its entry [[weights]] in {MANIFEST} says",
                f'Say feature = "{trained_for}" there, or train it: harness train {quoted(folder)} --feature'
                f" {entry['feature']}",
            )
        )
    return Weights(
        path.resolve(),
        sha256,
        training,
        entry.get("seed"),
        entry.get("note", ""),
        entry.get("one_series", False),
    )


def _trained_for(training: Path, sha256: str) -> str | None:
    """The feature that a training record says of these weights; None where it says none, or is of others.

    Targets of one shape fit each other's nets, so that nothing else would tell.
    """
    try:
        record = parse_json(read_regular(training, MOST_TRAINING_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("weights_sha256") != sha256:
        return None
    feature = record.get("feature")
    return feature if isinstance(feature, str) else None


def _manifest_faults(submission: Submission, where: str) -> list[Fault]:
    faults = []
    if "entry_point" not in submission.manifest and not submission.is_ensemble:
        faults.append(Fault(where, "the key 'entry_point' is missing"))
    if submission.is_ensemble:
        faults += [
            Fault(
                f"{where}: {key}",
                "a manifest with members",
                "one without this key",
                "An ensemble has no code of its own; its members are trained by themselves.",
            )
            for key in ("entry_point", "trainer", "importer", "weights", "variants", "deterministic_training")
            if key in submission.manifest
        ]
    for key in ("entry_point", "trainer", "importer"):
        if key not in submission.manifest:
            continue
        module = submission.manifest[key].partition(":")[0]
        place = submission.folder / module.replace(".", "/")
        file = place.with_name(place.name + ".py")
        if not (file.is_file() or (place / "__init__.py").is_file()):
            faults.append(
                Fault(
                    f"{where}: {key}",
                    f"{submission.manifest[key]!r}, and no {file.name} in the folder",
                    '"module:Name" of a module in the submission folder',
                )
            )
    whole = [name for name in submission.variants if submission.ablation_of(name) is None]
    faults += [
        Fault(
            f"{where}: variants: {name}: ablation_of", repr(of), f"one of {', '.join(whole) or 'none here'}"
        )
        for name in submission.variants
        if (of := submission.ablation_of(name)) is not None and of not in whole
    ]
    for entry in submission.manifest.get("weights", []):
        faults += [
            Fault(f"{where}: weights: {key}", repr(entry[key]), "a path inside the folder")
            for key in ("file", "training")
            if key in entry and not is_inside(submission.folder / entry[key], submission.folder)
        ]
        variant = entry.get("variant", submission.variants[0])
        if variant not in submission.variants:
            faults.append(
                Fault(
                    f"{where}: weights: {entry['file']}",
                    f"variant {variant!r}",
                    f"one of {', '.join(submission.variants)}",
                )
            )
    return faults + _twice(submission, where)


def _twice(submission: Submission, where: str) -> list[Fault]:
    """Faults of entries for one run that no seed tells apart."""
    entries = submission.manifest.get("weights", [])
    runs: dict[tuple[str, ...], list[int | None]] = {}
    for entry in entries:
        runs.setdefault(_key(entry, submission.variants[0]), []).append(entry.get("seed"))
    faults = []
    for run, seeds in runs.items():
        for seed, times in Counter(seeds).items():
            if times > 1:
                of = "" if seed is None else f", seed {seed}"
                faults.append(Fault(f"{where}: weights", f"two entries for {' '.join(run)}{of}", "one"))
        if None in seeds and len(set(seeds)) > 1:
            faults.append(
                Fault(
                    f"{where}: weights",
                    f"entries for {' '.join(run)} with a seed, and one without",
                    "`seed` in each of them, or one entry",
                )
            )
    if submission.is_deterministic and any("seed" in entry for entry in entries):
        faults.append(
            Fault(
                f"{where}: deterministic_training",
                "true, and weights with a seed",
                "one of the two: what draws nothing at random has one training",
            )
        )
    return faults
