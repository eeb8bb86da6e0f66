"""Every reader of a file that somebody hands in: a valid file, its pieces that hurt, and how it is read.

A reader gives a value or a `HarnessError` whatever the bytes; anything else that it raises, and a call
that takes seconds, is a fault of ours.
"""

import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from documents import CORPUS_DATA, RUN, SMALL_SPLIT, SPLIT_PART, SYSTEM

from harness import npy
from harness.corpus import open_corpus
from harness.corpus.array_files import open_npy, open_npz, release_maps
from harness.corpus.declaration import load_declaration
from harness.corpus.simulated.marker import read_marker
from harness.errors import CorpusError, Fault
from harness.evaluation.overlap import seen_in_training
from harness.features.audio import load_audio
from harness.page.system import training_facts
from harness.predictions import Expected, LabelStore, is_predictions, predictions_sha256, read_predictions
from harness.preprocessing.recipe import load_recipe
from harness.pull_request.comment import comment_text, load_data
from harness.records.build import build_record
from harness.records.document import record_bytes
from harness.records.milestone import parse_milestone
from harness.records.store import read_record
from harness.scoring.chance import Band, Chance
from harness.scoring.score import SubjectScore, combine
from harness.submission.manifest import Weights, load_submission, weights_faults
from harness.tasks.splits import load_split
from harness.training.import_weights import read_tensors

EXPECTED = Expected({"sub-086": ["seg-1", "seg-2"]}, n_times=3, n_bands=2, feature="mel")
ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)
REPOSITORY = Path(__file__).parents[2]

# Pieces that broke readers, of ours or of others; they are put anywhere into a valid file.
TOKENS = [
    b"[" * 3000, b"{'a':" * 3000, b'{"a":' * 3000, b"(" * 200, b"a." * 3000, b"[[a]]\n" * 50, b"[a.b]\n",
    b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 5000, b"9" * 30, b"-1", b"0", b"true", b"null", b'""',
    b"\0", b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", b"\n", b"\r", b'"', b"'", b'"""', b"#",
    b"|O", b"<f8", b"<M8[s]", b"|V0", b"|S9999999", b"<U1", b"'descr'", b"True", b"(3L, 2L)", b"(-3, -2)",
    b"(99999999999999999999, 2)", b"(4611686018427387904, 0)", b"()", b"PK\x01\x02", b"PK\x03\x04",
    b"PK\x05\x06" + b"\0" * 18, b"\x93NUMPY\x02\x00\xff\xff\xff\xff", b"\x93NUMPY\x01\x00",
    b"2020-01-01", b"1979-99-99T99:99:99Z", b"../", b"/dev/zero", b"/proc/self/mem", b"name", b"weights",
]  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """One way in.

    Attributes:
        place: of the file, below a folder of its own; the folder is what some readers are given.
        valid: bytes that it takes.
        read: called with that folder.
        wrap: makes a file of one of its members; mutated members then pass the archive's checksums.
    """

    place: str
    valid: bytes
    read: Callable[[Path], object]
    wrap: Callable[[bytes], bytes] | None = None
    member: bytes = b""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file with one to six changes: bits, cuts, repetitions, and the pieces above."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out) + 1)
        end = min(len(out), at + chance.choice([1, 1, 2, 4, 16, 100]))
        what = chance.randrange(7)
        if what == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            out[at:end] = chance.randbytes(end - at)
        elif what == 2:
            del out[at:end]
        elif what == 3:
            out[at:at] = out[at:end] * chance.choice([1, 2, 50])
        elif what == 4:
            out[at:at] = chance.choice(TOKENS)
        elif what == 5:
            out[at:end] = chance.choice(TOKENS)
        elif chance.random() < 0.2:
            del out[at:]
    return bytes(out)


def attempt(reader: Reader, chance: random.Random, folder: Path) -> bytes:
    """Write a mutated file to the reader's place, read it, and give the bytes."""
    if reader.wrap and chance.random() < 0.6:
        data = reader.wrap(mutated(reader.member, chance))
    else:
        data = mutated(reader.valid, chance)
    path = folder / reader.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    prepare(reader, folder)
    reader.read(folder)
    return data


def prepare(reader: Reader, folder: Path) -> None:
    """What else a folder needs for this reader to get to its file."""
    if reader.place == "package/submission.toml":
        (folder / "package/predictor.py").write_text("")
    if reader.place.startswith("package/weights/"):
        (folder / "package/predictor.py").write_text("")
        (folder / "package/submission.toml").write_text(MANIFEST)
    if reader.place == "sub-086_mapping.json":
        (folder / "preprocessed_eeg").mkdir(exist_ok=True)
        np.savez(folder / "preprocessed_eeg/sub-086_eeg.npz", **{"eeg-1": np.zeros((128, 64), np.float32)})


def _npy(array: np.ndarray = ARRAY) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _predictions(path: Path) -> object:
    is_predictions(path)
    return list(read_predictions(path, EXPECTED)), predictions_sha256(path)


def _labels(path: Path) -> object:
    store = LabelStore(path, 2)
    return [store.subject(subject) for subject in store.subjects()]


def _header(path: Path) -> object:
    try:
        with path.open("rb") as file:
            return npy.read_header(file)
    except ValueError as error:
        raise CorpusError(Fault(str(path), str(error))) from None


def _npy_file(path: Path) -> object:
    release_maps()
    return open_npy(path).mapped().sum()


def _npz_file(path: Path) -> object:
    release_maps()
    return [array.mapped().sum() for array in open_npz(path).values()]


def _package(folder: Path) -> object:
    submission = load_submission(folder)
    return weights_faults(submission), submission.code_sha256(), submission.variants, submission.name


def _training(folder: Path) -> object:
    weights = Weights(folder / "weights/a.safetensors", "0" * 64, folder / "weights/a.json")
    facts = training_facts(load_submission(folder), "0" * 64)
    return seen_in_training(SimpleNamespace(segments=[]), [weights]), facts


def _manifest() -> str:
    keys = ['name = "package"', 'version = "1.0.0"', 'title = "t"', 'authors = ["a"]', 'licence = "MIT"',
            'entry_point = "predictor:Decoder"', 'features = ["mel", "envelope"]',
            "[variants.default]", 'title = "d"', "options = {width = 4, rates = [0.5, 1e-3], on = true}",
            "[[weights]]", 'corpus = "simulated"', 'split = "held-out-subjects"', 'feature = "mel"',
            'variant = "default"', 'file = "weights/a.safetensors"', f'sha256 = "{"0" * 64}"',
            'training = "weights/a.json"']  # fmt: skip
    return "\n".join(keys) + "\n"


def _record() -> bytes:
    scores = {"sub-086": SubjectScore(0.1, (0.1, 0.2), 4, (), (), ())}
    record = build_record(
        combine(scores),
        chance=Chance(Band(-0.1, 0.0, 0.1, 100), None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        **RUN,
    )
    return record_bytes(record)


def _safetensors() -> bytes:
    from safetensors.numpy import save

    return save({"a": ARRAY, "b": ARRAY[0]}, {"net": "Tiny"})


def _torch() -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({"state_dict": {"a": torch.ones(3, 2)}, "epoch": 3}, file)
    return file.getvalue()


def _gzip(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, mtime=0)


MANIFEST = _manifest()
JSON = json.dumps({"seg-1": ARRAY.tolist(), "seg-2": ARRAY.tolist()}).encode()
NPY = _npy()
AUDIO = {"audio.npy": _npy(np.zeros(99, np.int16)), "fs.npy": _npy(np.array(48000))}
COMMENT = (REPOSITORY / "docs/pull-request.json").read_bytes()
TRAINING = json.dumps(
    {"weights_sha256": "0" * 64, "subjects": ["sub-001"], "stimuli": ["a"], "recipe": {"epochs": 3}}
).encode()
MARKER = json.dumps(
    {"simulated": True, "generator_version": 1, "recipe": {}, "sizes": {}, "files": {}}
).encode()

CORPUS = """
name = "my-lab"
title = "Audiobooks"
licence = "CC BY 4.0"
citation = "A. Author 2025"
kind = "real"
sample_rate_hz = 100
default_split = "my-split.json"
subjects = ["sub-001..sub-012", "S1"]

[channels]
count = 2
names = ["Fz", "Cz"]

[eeg]
files = "eeg/{subject}/{stimulus}.npy"
axes = "times, channels"

[features.envelope]
title = "Envelope"
bands = 1
frame_rate_hz = 50
files = ["features/{stimulus}_envelope.npy"]
"""
RECIPE = (REPOSITORY / "harness/preprocessing/recipes/simple.toml").read_bytes()

READERS = {
    "predictions zip": Reader(
        "p.zip", _zip({"sub-086.json": JSON}), lambda f: _predictions(f / "p.zip"),
        lambda member: _zip({"sub-086.json": member}), JSON,
    ),
    "predictions npz": Reader(
        "p.npz", _zip({"sub-086/seg-1.npy": NPY}), lambda f: _predictions(f / "p.npz"),
        lambda member: _zip({"sub-086/seg-1.npy": member, "sub-086/seg-2.npy": NPY}), NPY,
    ),
    "predictions folder": Reader("p/sub-086.json", JSON, lambda f: _predictions(f / "p")),
    "labels zip": Reader(
        "l.zip", _zip({"sub-086.json": JSON}), lambda f: _labels(f / "l.zip"),
        lambda member: _zip({"sub-086.json": member}), JSON,
    ),
    "labels npz": Reader(
        "l.npz", _zip({"sub-086/seg-1.npy": NPY}), lambda f: _labels(f / "l.npz"),
        lambda member: _zip({"sub-086/seg-1.npy": member}), NPY,
    ),
    "labels folder": Reader("l/sub-086.json", JSON, lambda f: _labels(f / "l")),
    "npy header": Reader("a.npy", NPY[:128], lambda f: _header(f / "a.npy")),
    "corpus npy": Reader("a.npy", NPY, lambda f: _npy_file(f / "a.npy")),
    "corpus npz": Reader(
        "a.npz", _zip({"eeg.npy": NPY}, zipfile.ZIP_STORED), lambda f: _npz_file(f / "a.npz"),
        lambda member: _zip({"eeg.npy": member}, zipfile.ZIP_STORED), NPY,
    ),
    "corpus npz, compressed": Reader(
        "a.npz", _zip({"eeg.npy": NPY}), lambda f: _npz_file(f / "a.npz"),
        lambda member: _zip({"eeg.npy": member, "other.npy": NPY}), NPY,
    ),
    "corpus declaration": Reader("corpus.toml", CORPUS.encode(), load_declaration),
    "recipe": Reader("recipe.toml", RECIPE, lambda f: load_recipe(str(f / "recipe.toml"))),
    "challenge mapping": Reader("sub-086_mapping.json", b'{"seg-1": {"eeg": "eeg-1"}}', open_corpus),
    "simulated marker": Reader("simulated.json", MARKER, read_marker),
    "audio": Reader(
        "a.npz", _zip(AUDIO), lambda f: load_audio(f / "a.npz"),
        lambda member: _zip({**AUDIO, "audio.npy": member}), AUDIO["audio.npy"],
    ),
    "audio, gz": Reader(
        "a.npz.gz", _gzip(_zip(AUDIO)), lambda f: load_audio(f / "a.npz.gz"), _gzip, _zip(AUDIO)
    ),
    "split": Reader(
        "small-split.json", json.dumps(SMALL_SPLIT).encode(), lambda f: load_split(f / "small-split.json")
    ),
    "manifest": Reader("package/submission.toml", MANIFEST.encode(), lambda f: _package(f / "package")),
    "training record": Reader("package/weights/a.json", TRAINING, lambda f: _training(f / "package")),
    "score record": Reader("tiny.json", _record(), lambda f: read_record(f / "tiny.json")),
    "score record in git": Reader("tiny.json", _record(), lambda f: parse_milestone((f / "tiny.json").read_bytes())),
    "ranking for the comment": Reader("data.json", COMMENT, lambda f: comment_text(load_data(f / "data.json"))),
    "weights safetensors": Reader(
        "w.safetensors", _safetensors(), lambda f: read_tensors(f / "w.safetensors")
    ),
    "weights npz": Reader(
        "w.npz", _zip({"a.npy": NPY}), lambda f: read_tensors(f / "w.npz"),
        lambda member: _zip({"a.npy": member}), NPY,
    ),
    "weights pt": Reader("w.pt", _torch(), lambda f: read_tensors(f / "w.pt")),
}  # fmt: skip
