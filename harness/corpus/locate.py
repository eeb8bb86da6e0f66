"""Which corpus lies in a folder, and opening it.

The user points at the root of a download or at any folder inside it that holds one layout; nothing is
converted or copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.conventions import SIMULATED_MARKER, SIMULATED_PREFIX
from harness.corpus import dtu, sparrkulee
from harness.corpus.base import Corpus
from harness.errors import CorpusError, Fault

_SPARRKULEE_FOLDERS = ("", "derivatives")
_CHALLENGE_FOLDERS = ("", "TASK2_regression", "test_set/TASK2_regression", "test_set")
_DTU_FOLDERS = ("", "DTU", "dtu", "evaluation_datasets/DTU")


def open_corpus(folder: Path, *, layout: str | None = None, feature_folder: Path | None = None) -> Corpus:
    """Open the corpus in a folder.

    Args:
        folder: root of a download, or a folder with one layout.
        layout: take this layout where the folder holds several; else the first of preprocessed,
            split_data, challenge, trials.
        feature_folder: where mel and envelope files lie if not beside the EEG.

    Raises:
        CorpusError: the folder is missing, empty, or of no known layout.
    """
    if not folder.is_dir():
        arrived = "a file" if folder.exists() else "no such folder"
        raise CorpusError(
            Fault(str(folder), arrived, "the folder of a corpus", "Check --data or HARNESS_DATA.")
        )
    found = layouts(folder)
    if layout is not None:
        found = {name: place for name, place in found.items() if name == layout}
    if not found:
        raise CorpusError(
            Fault(
                str(folder),
                "an empty folder" if not any(folder.iterdir()) else "no corpus of a known layout",
                "preprocessed_eeg/, split_data/, a challenge test set (*_mapping.json), or DTU_S*_*.npz"
                if layout is None
                else f"the layout {layout}",
                "`harness data simulate DIR` or `harness data fetch dtu DIR` make a corpus that works.",
            )
        )
    name, place = next(iter(found.items()))
    return _open(name, place, folder, feature_folder)


def layouts(folder: Path) -> dict[str, Path]:
    """The layouts that a folder holds and where, the one that :func:`open_corpus` takes first."""
    return dict(_layouts(folder))


def is_feature_folder(folder: Path) -> bool:
    """Whether a folder holds mel or envelope files in SparrKULee's naming."""
    return _feature_place(folder) is not None


def _layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    for base in (folder / sub for sub in _SPARRKULEE_FOLDERS):
        if (base / "preprocessed_eeg").is_dir() and any((base / "preprocessed_eeg").glob("sub-*/")):
            yield "preprocessed", base / "preprocessed_eeg"
            break
    else:
        if folder.name == "preprocessed_eeg" and any(folder.glob("sub-*/")):
            yield "preprocessed", folder
    for base in (folder, folder / "split_data", folder / "derivatives" / "split_data"):
        if next(base.glob(f"*{sparrkulee.SEPARATOR}eeg.npy"), None):
            yield "split_data", base
            break
    for base in (folder / sub for sub in _CHALLENGE_FOLDERS):
        if next(base.glob("*_mapping.json"), None):
            yield "challenge", base
            break
    for base in (folder / sub for sub in _DTU_FOLDERS):
        if next(base.glob("DTU_S*.npz"), None):
            yield "trials", base
            break


def _open(layout: str, place: Path, folder: Path, feature_folder: Path | None) -> Corpus:
    features = _feature_place(feature_folder) if feature_folder else None
    if features is not None and layout in ("trials", "challenge"):
        raise CorpusError(
            Fault(
                f"--labels {feature_folder}",
                "a folder of stimulus features",
                f"references by segment id for the layout {layout}: a zip, an npz, or a folder of one JSON"
                " file a subject, like predictions",
            )
        )
    if layout == "trials":
        return dtu.open_trials(place)
    if layout == "challenge":
        return sparrkulee.open_challenge(place)
    if layout == "split_data":
        corpus = sparrkulee.open_split_data(place, features)
    else:
        beside = place.parent / "preprocessed_stimuli"
        corpus = sparrkulee.open_preprocessed(place, features or (beside if beside.is_dir() else None))
    if _is_simulated(corpus, place, folder):
        return replace(corpus, name="simulated", simulated=True)
    return corpus


def _is_simulated(corpus: Corpus, place: Path, folder: Path) -> bool:
    """A marker in any folder above, or one simulated stimulus: a copied part is simulated still."""
    roots = (folder, place, place.parent, place.parent.parent)
    return any((root / SIMULATED_MARKER).is_file() for root in roots) or any(
        recording.stimulus.startswith(SIMULATED_PREFIX) for recording in corpus.recordings
    )


def _feature_place(folder: Path) -> Path | None:
    names = ("preprocessed_stimuli", "derivatives/preprocessed_stimuli", "split_data")
    for base in (folder, *(folder / name for name in names)):
        if next(base.glob(f"*{sparrkulee.SEPARATOR}mel.npy"), None) or next(
            base.glob(f"*{sparrkulee.SEPARATOR}envelope.npy"), None
        ):
            return base
    return None
