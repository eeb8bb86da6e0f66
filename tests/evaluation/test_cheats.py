"""What each control says of systems that score without decoding, and that docs/controls.md says the same."""

import hashlib
import json

import numpy as np
import pytest
from cheats import ALIGNED, ASKED, CHEATS, HONEST, LOAD, N_CHANNELS, memorised, table
from conftest import REPOSITORY
from own_corpus import make_own_corpus, own_split

from harness.evaluation.bugs import look_at_submission
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Twelve subjects, two stories of 20 s, four channels."""
    return make_own_corpus(tmp_path_factory.mktemp("lab"), n_channels=N_CHANNELS)


@pytest.fixture
def task(lab, tmp_path):
    """64 segments of 5 s of eight subjects, who all hear both stories; names are hidden."""
    parts = {"train": {"subjects": ["P01"]}, "test": {"subjects": list(ASKED)}}
    split = own_split(tmp_path / "lab-split.json", parts=parts).folder / "lab-split.json"
    return open_task(lab, split_name=split, feature="envelope")


@pytest.fixture
def planted(make_submission, lab, task):
    """Write a cheat's package; a training record may say which stimuli it knows."""

    def make(body, knows, stimuli=()):
        folder = make_submission("planted", predict=body, features=["envelope"])
        for name, array in memorised(lab, task, knows).items():
            np.save(folder / f"{name}.npy", array)
        if stimuli:
            (folder / "weights.bin").write_bytes(b"weights")
            sha256 = hashlib.sha256(b"weights").hexdigest()
            said = {"weights_sha256": sha256, "subjects": ["P01"], "stimuli": list(stimuli)}
            (folder / "training.json").write_text(json.dumps(said))
            entry = {
                "corpus": "my-lab", "split": "lab-split", "feature": "envelope", "file": "weights.bin",
                "sha256": sha256, "training": "training.json",
            }  # fmt: skip
            lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
            manifest = folder / "submission.toml"
            manifest.write_text("\n".join([manifest.read_text(), "[[weights]]", *lines, ""]))
        return load_submission(folder)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_what_the_controls_say_of_a_cheat(planted, task, name):
    body, knows, expected = CHEATS[name]
    look = look_at_submission(planted(body, knows), task, Run(jobs=1, order_seed="0" * 32))
    assert [one.name for one in look.findings] == expected


def test_a_decoder_is_found_to_do_nothing_of_the_kind(planted, task):
    look = look_at_submission(planted(HONEST + "return out", "nothing"), task, Run(jobs=1))
    assert look.findings == []


def test_a_replay_of_a_known_stimulus_is_seen_by_stimuli_alone(planted, task):
    body = HONEST + LOAD + "memory = memory[:1]\n" + ALIGNED + "return out"
    record = evaluate(planted(body, "whole stories", stimuli=["story-a"]), task, Run())
    assert record.controls.flags == ()
    assert record.stimuli.seen.value > 0.95
    assert 0.1 < record.stimuli.unseen.value < 0.3  # what is alike anywhere in the known story


def test_the_docs_show_this_table():
    assert table() in (REPOSITORY / "docs" / "controls.md").read_text()
