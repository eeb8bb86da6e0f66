"""Which corpus lies in a folder, and opening it.

The user points at the root of a download or at any folder inside it that holds one layout; nothing is
converted or copied. A folder with a ``corpus.toml`` is what that says; another is recognised by its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.conventions import MUSIC_MARKER, SIMULATED_MARKER, SIMULATED_PREFIX, Progress
from harness.corpus import dtu, nmedt, plain, sparrkulee
from harness.corpus.almost import preprocessed_places, why_nothing
from harness.corpus.base import Corpus
from harness.corpus.declaration import DECLARATION, Declaration, declared, declared_names, load_declaration
from harness.corpus.nmedt import AudioChoice
from harness.corpus.walk import files_below, visible
from harness.errors import CorpusError, Fault

_SPARRKULEE_FOLDERS = ("", "derivatives")
# Folders of preprocessed EEG, and of the features beside: the challenge's, and the public pipeline's.
_BESIDE = {"preprocessed_eeg": "preprocessed_stimuli", "eeg": "stimuli"}
_PREPROCESSED_FILES = "sub-*/*/*_desc-preproc-audio-*_eeg.npy"
_CHALLENGE_FOLDERS = ("", "TASK2_regression", "test_set/TASK2_regression", "test_set")
_DTU_FOLDERS = ("", "DTU", "dtu", "evaluation_datasets/DTU")
_MUSIC_FOLDERS = ("", "NMED-T", "nmed-t")
_MUSIC_FILES = "song*_Imputed.mat"
_FEATURE_FOLDERS = (
    "",
    "preprocessed_stimuli",
    "derivatives/preprocessed_stimuli",
    "split_data",
    "stimuli",
    "derivatives/stimuli",
)


def open_corpus(
    folder: Path,
    *,
    layout: str | None = None,
    feature_folder: Path | None = None,
    audio: AudioChoice | None = None,
    on_progress: Progress | None = None,
) -> Corpus:
    """Open the corpus in a folder.

    Args:
        folder: root of a download, a folder with one layout, or one with a ``corpus.toml``.
        layout: take this layout where the folder holds several; else the first of preprocessed,
            split_data, challenge, trials, nmed-t.
        feature_folder: where the features' files lie if not beside the EEG.
        audio: for music, where the songs lie if not beside the EEG.
        on_progress: called with what is done and its total, where files must be read first.

    Raises:
        CorpusError: the folder is missing, empty, of no known layout, or contradicts its declaration; or
            audio is named for a corpus that needs none.
    """
    if not folder.is_dir():
        arrived = "a file" if folder.exists() else "no such folder"
        raise CorpusError(
            Fault(str(folder), arrived, "the folder of a corpus", "Check --data or HARNESS_DATA.")
        )
    declaration = load_declaration(folder)
    if declaration is not None and not declaration.simulated and _is_simulated(folder, folder):
        raise CorpusError(
            Fault(
                f"{folder / DECLARATION}: kind",
                f"{declaration.kind!r} beside files of the simulated corpus",
                "'simulated'",
                "Simulated data are never taken for real.",
            )
        )
    if declaration is not None and declaration.eeg is not None:
        _refuse_audio(audio, declaration.name)
        return plain.open_declared(folder, declaration, feature_folder)
    found = dict(_layouts(folder))
    if declaration is not None:
        found = {name: found[name] for name in declaration.layouts if name in found}
    if layout is not None:
        found = {name: place for name, place in found.items() if name == layout}
    if not found:
        raise CorpusError(_nothing(folder, layout, declaration))
    name, place = next(iter(found.items()))
    if name == nmedt.LAYOUT:
        return nmedt.open_nmedt(place, declaration or _of_layout(name, place, folder), audio, on_progress)
    _refuse_audio(audio, f"the layout {name}")
    return _open(name, place, folder, feature_folder, declaration)


def _refuse_audio(audio: AudioChoice | None, what: str) -> None:
    if audio is not None:
        expected = "a corpus of music, whose features are made from its audio"
        raise CorpusError(Fault(f"--audio {audio.folder}", what, expected))


def layouts(folder: Path) -> dict[str, Path]:
    """The layouts that a folder holds and where, the one that :func:`open_corpus` takes first."""
    declaration = load_declaration(folder)
    if declaration is not None and declaration.eeg is not None:
        return {plain.LAYOUT: folder}
    return dict(_layouts(folder))


def is_feature_folder(folder: Path, data: Path) -> bool:
    """Whether a folder holds feature files as the corpus in the folder ``data`` names them."""
    declaration = load_declaration(data) if data.is_dir() else None
    if declaration is not None and declaration.eeg is not None:
        return plain.holds_features(folder, declaration)
    return _feature_place(folder, declaration) is not None


def _nothing(folder: Path, layout: str | None, declaration: Declaration | None) -> Fault:
    if declaration is not None:
        expected = f"the layout {layout or ' or '.join(declaration.layouts)}, as {DECLARATION} declares"
    elif layout is not None:
        expected = f"the layout {layout}"
    else:
        expected = (
            "preprocessed_eeg/, split_data/, a challenge test set (*_mapping.json), DTU_S*_*.npz,"
            f" {_MUSIC_FILES}, or a {DECLARATION}"
        )
    return Fault(
        str(folder),
        "an empty folder" if not any(folder.iterdir()) else "no corpus of a known layout",
        expected,
        why_nothing(folder)
        or "`harness data simulate DIR` or `harness data fetch dtu DIR` make a corpus that works;"
        f" `harness data declare DIR` drafts a {DECLARATION} for recordings of your own.",
    )


def _layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """What a folder holds and where, by usual names; else preprocessed EEG wherever it lies."""
    usual = list(_usual_layouts(folder))
    yield from usual
    if not usual and len(places := preprocessed_places(folder)) == 1:
        yield "preprocessed", folder / places[0]


def _usual_layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    if (place := _preprocessed_place(folder)) is not None:
        yield "preprocessed", place
    for base in (folder, folder / "split_data", folder / "derivatives" / "split_data"):
        if visible(base, f"*{sparrkulee.SEPARATOR}eeg.npy"):
            yield "split_data", base
            break
    for base in (folder / sub for sub in _CHALLENGE_FOLDERS):
        if visible(base, "*_mapping.json"):
            yield "challenge", base
            break
    for base in (folder / sub for sub in _DTU_FOLDERS):
        if visible(base, "DTU_S*.npz"):
            yield "trials", base
            break
    for base in (folder / sub for sub in _MUSIC_FOLDERS):
        if visible(base, _MUSIC_FILES):
            yield nmedt.LAYOUT, base
            break


def _preprocessed_place(folder: Path) -> Path | None:
    """Where preprocessed EEG lies: by the name of its folder, or by the names of its files."""
    bases = [folder / sub for sub in _SPARRKULEE_FOLDERS]
    for base in bases:
        if any((base / "preprocessed_eeg").glob("sub-*/")):
            return base / "preprocessed_eeg"
    if folder.name == "preprocessed_eeg" and any(folder.glob("sub-*/")):
        return folder
    candidates = [base / "eeg" for base in bases] + sorted((folder / "derivatives").glob("*/")) + [folder]
    return next((place for place in candidates if any(place.glob(_PREPROCESSED_FILES))), None)


def _beside(place: Path, declaration: Declaration) -> Path | None:
    """The folder of features beside one of EEG; None where there is none."""
    usual = place.parent / _BESIDE.get(place.name, "stimuli")
    for folder in (usual, *sorted(place.parent.glob("*/"))):
        if any(visible(folder, f"*{sparrkulee.SEPARATOR}{name}.npy") for name in declaration.features):
            return folder
    return usual if usual.is_dir() else None


def _open(
    layout: str, place: Path, folder: Path, feature_folder: Path | None, own: Declaration | None
) -> Corpus:
    declaration = own or _of_layout(layout, place, folder)
    features = _feature_place(feature_folder, declaration) if feature_folder else None
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
        return dtu.open_trials(place, declaration)
    if layout == "challenge":
        return sparrkulee.open_challenge(place, declaration)
    if layout == "split_data":
        return sparrkulee.open_split_data(place, features, declaration)
    return sparrkulee.open_preprocessed(place, features or _beside(place, declaration), declaration)


def _of_layout(layout: str, place: Path, folder: Path) -> Declaration:
    """The corpus of a layout among those that come with the harness."""
    simulated = _is_simulated(place, folder)
    for name in declared_names():
        declaration = declared(name)
        if declaration and layout in declaration.layouts and declaration.simulated == simulated:
            return declaration
    raise CorpusError(Fault(str(place), f"files of the layout {layout}", "of a corpus that is no simulation"))


def _is_simulated(place: Path, folder: Path) -> bool:
    """Whether a marker lies in a folder above, or a stimulus is simulated.

    A part that was copied out of a simulated corpus is simulated too.
    """
    roots = (folder, place, place.parent, place.parent.parent)
    if any((root / name).is_file() for root in roots for name in (SIMULATED_MARKER, MUSIC_MARKER)):
        return True
    names = (f"*audio-{SIMULATED_PREFIX}*_eeg.npy", f"*{sparrkulee.SEPARATOR}{SIMULATED_PREFIX}*.npy")
    return any(Path(file).match(name) for file in files_below(place) for name in names)


def _feature_place(folder: Path, declaration: Declaration | None) -> Path | None:
    names = declaration.features if declaration else _shipped_features()
    for base in (folder / sub for sub in _FEATURE_FOLDERS):
        if any(visible(base, f"*{sparrkulee.SEPARATOR}{name}.npy") for name in names):
            return base
    return None


def _shipped_features() -> list[str]:
    return [name for one in map(declared, declared_names()) if one for name in one.features]
