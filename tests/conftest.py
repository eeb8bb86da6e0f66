"""Fixtures that several test files share."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import SMALL_SPLIT, record_of

from harness.cli.main import main
from harness.corpus import open_corpus
from harness.records.document import parse_record, plain
from harness.records.record import Overlap
from harness.records.store import write_record
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split

GOLDEN = Path(__file__).parent / "golden"
REPOSITORY = Path(__file__).parent.parent

# The background jobs of a shell ignore Ctrl-C, and so would everything that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "api_fixtures",
    "hosting_fixtures",
    "hub_fixtures",
    "music_fixtures",
    "package_fixtures",
    "page_fixtures",
    "repository_fixtures",
    "slurm_fixtures",
]

# The train.py of a submission with a tiny net; the fixture `tiny` appends to it.
TINY_TRAIN = '''
import dataclasses, json, os, sys
import torch
from torch import nn
from harness.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Config:
    width: int = 4


class Tiny(nn.Module):
    """A convolution, dropout, a readout; and an offset for each known subject."""

    def __init__(self, config, n_bands, n_subjects):
        super().__init__()
        self.convolution = nn.Conv1d(64, config.width, 9, padding=4)
        self.dropout = nn.Dropout(DROPOUT)
        self.readout = nn.Linear(config.width, n_bands)
        self.offsets = nn.Embedding(n_subjects + 1, config.width)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, eeg, subject_index):
        if self.training:
            self.steps += 1
        x = self.convolution(eeg.transpose(1, 2)).transpose(1, 2) + self.offsets(subject_index + 1)[:, None]
        return self.readout(self.dropout(torch.tanh(x)))


class System:
    presets = ("paper", "compact")

    def recipe(self, preset, variant):
        return Config(), Recipe(**{**COMMON, **{"paper": {"epochs": 9}, "compact": {}}[preset]})

    def build(self, config, setup, subjects):
        return Tiny(config, setup.n_bands, len(subjects))

    def metadata(self, config, setup, subjects):
        return {"config": json.dumps(dataclasses.asdict(config)), "subjects": json.dumps(list(subjects))}


DROPOUT = 0.1
COMMON = dict(
    epochs=3, batch_size=4, crop_seconds=2.0, crops_per_recording=6, learning_rate=3e-3
)
SYSTEM = System()
'''


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path_factory):
    """No test reads the user's corpus, writes to the user's cache, or depends on the terminal."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def official_split():
    """A small SparrKULee tree: both layouts of the same recordings, and a challenge test set."""
    return GOLDEN / "official-split" / "sparrkulee"


@pytest.fixture(scope="session")
def dtu_folder():
    """Real DTU recordings, where the environment names them."""
    folder = os.environ.get("HARNESS_TEST_DTU")
    if not folder:
        pytest.skip("HARNESS_TEST_DTU does not name a folder of DTU trials")
    return Path(folder)


@pytest.fixture
def small_split(tmp_path):
    """A split of 2 s segments over the three subjects of the official fixture."""
    path = tmp_path / "small-split.json"
    path.write_text(json.dumps(SMALL_SPLIT))
    return path


@pytest.fixture
def make_submission(tmp_path):
    """Write a submission whose predictor has the given body."""

    def make(name="tiny", predict="return np.cumsum(eeg, axis=1)[:, :, :self.n_bands]", **extra):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        keys = {
            "name": name,
            "version": "1.0.0",
            "title": "for tests",
            "authors": ["a test"],
            "licence": "MIT",
            "entry_point": "predictor:Decoder",
            "features": ["mel", "envelope"],
            **extra,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
        (folder / "submission.toml").write_text("\n".join(lines) + "\n")
        (folder / "predictor.py").write_text(
            "import os, sys, time\nimport numpy as np\n\n\n"
            "class Decoder:\n"
            "    def __init__(self, setup):\n"
            "        self.n_bands = setup.n_bands\n\n"
            "    def predict(self, eeg, subjects):\n"
            + "".join(f"        {line}\n" for line in predict.splitlines())
        )
        return folder

    return make


@pytest.fixture
def rng():
    """Seeded random numbers."""
    return np.random.default_rng(20260101)


@pytest.fixture
def tiny(make_submission):
    """Make the package; ``recipe`` changes values, ``code`` is run at the end of its train.py."""

    def make(name="tiny", code="", dropout=0.1, **recipe):
        folder = make_submission(name, trainer="train:SYSTEM")
        changes = f"\nDROPOUT = {dropout}\nCOMMON |= {recipe!r}\n"
        (folder / "train.py").write_text(TINY_TRAIN + changes + code)
        return load_submission(folder)

    return make


@pytest.fixture
def corpus(official_split):
    """The official fixture: one subject trains, one validates."""
    return open_corpus(official_split)


@pytest.fixture
def split(small_split):
    """Two-second segments."""
    return load_split(small_split)


@pytest.fixture
def two_subjects(small_split):
    """A split with two training subjects."""
    document = json.loads(small_split.read_text())
    document["name"] = "two-subjects"
    document["parts"]["train"]["subjects"] = ["sub-001", "sub-043"]
    document["parts"]["test"]["subjects"] = ["sub-086"]
    path = small_split.with_name("two-subjects.json")
    path.write_text(json.dumps(document))
    return load_split(path)


@pytest.fixture
def harness(monkeypatch, capsys, tmp_path):
    """Run a command line in this process; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


@pytest.fixture
def where(official_split, small_split):
    """Options that ask for two-second segments of the official fixture's one test subject."""
    return ["--data", official_split, "--split", small_split]


@pytest.fixture
def make_record(tmp_path):
    """Write a record of given per-subject scores below a results folder; gives its path."""

    def make(name, scores, *, variant="default", chance=0.01, kind="simulated", **changes):
        record = record_of(
            name,
            scores,
            chance=chance,
            system={"variant": variant},
            corpus={"name": "sparrkulee", "kind": "real"} if kind == "real" else None,
            overlap=Overlap(subjects_seen=0, subjects=len(scores), stimuli_seen=3, stimuli=4),
        )
        document = plain(record)
        for key, value in changes.items():  # whole values, or some keys of an object
            document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
        record = parse_record(json.dumps(document).encode(), name)
        return write_record(tmp_path / "results", record, replace=True)[0]

    return make
