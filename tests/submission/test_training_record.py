"""What a training record is worth: verified by this machine's signature, declared, or changed since."""

import json
import re
import shutil
import stat

import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split

from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, plain
from harness.records.record import VOLATILE
from harness.submission.training_record import (
    DECLARED,
    TAMPERED,
    UNKNOWN,
    VERIFIED,
    Seen,
    key_file,
    read_training,
    signed,
    training_here,
)

TRAIN = """
import numpy as np

def train(data, setup, progress):
    return {"w": np.ones(setup.n_channels, np.float32)}, {"validation_pearson_r": 0.125, "by": {1: 2, 10: 3}}
"""
SAID = {"subjects": ["P01"], "stimuli": ["story-a"]}


@pytest.fixture
def own_key(monkeypatch, tmp_path):
    """Choose the machine that the next commands run on: each has a key of its own, none at first."""

    def use(name):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config" / name))

    use("here")
    return use


@pytest.fixture
def lab(tmp_path, make_submission, harness):
    """A package that trains, and commands on a laboratory's corpus."""
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    parts = {
        "train": {"subjects": ["P01"]},
        "val": {"subjects": ["P02"]},
        "test": {"subjects": list(SUBJECTS[6:])},
    }
    split = own_split(tmp_path / "lab-split.json", parts=parts).folder / "lab-split.json"
    package = make_submission(predict="return eeg[:, :, :1]", features=["envelope"], trainer="train:train")
    (package / "train.py").write_text(TRAIN)

    def run(command, *options):
        asked = ("--data", folder, "--split", split, "--feature", "envelope")
        return harness(command, package, *asked, *options)

    run.package = package
    return run


def scored(lab):
    code, text, _ = lab("score", "--surrogates", "1", "--no-isolation", "--json", "--replace")
    assert code == 0
    record = parse_record(text.encode(), "r.json")
    assert inconsistencies(record, "r.json") == []
    return record


def training_file(lab):
    return next((lab.package / "weights").glob("*.json"))


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_this_machine_trained_is_verified_and_declared_elsewhere(lab, own_key):
    assert not key_file().exists()
    assert lab("train")[0] == 0
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    here = scored(lab)
    assert here.run.training == VERIFIED
    assert plain(here)["overlap"] == {"subjects_seen": 0, "subjects": 6, "stimuli_seen": 2, "stimuli": 2}
    own_key("elsewhere")
    elsewhere = scored(lab)
    assert elsewhere.run.training == DECLARED
    lasting = [{k: v for k, v in plain(one).items() if k not in VOLATILE} for one in (here, elsewhere)]
    assert lasting[0] == lasting[1]  # whose word it is depends on the machine, so it stands beside the host


def test_training_again_verifies_what_another_machine_handed_in(lab, own_key):
    own_key("author")
    lab("train")
    own_key("organiser")
    assert scored(lab).run.training == DECLARED
    lab("train")
    assert scored(lab).run.training == VERIFIED


@pytest.mark.slow
def test_console_check_and_board_say_whose_word_it_is(lab, own_key, harness):
    own_key("author")
    lab("train")
    own_key("organiser")
    said = "weights have seen 0 of 6 subjects and 2 of 2 stimuli"
    assert f"\n{said} (declared by the author, not verified)\n" in lab("score", "--no-isolation")[1]
    line = "ok: training record: declared, the author's word (this machine did not train the weights)"
    assert line in lab("check", "--quick", "--no-isolation")[1].splitlines()
    assert "0 of 2 (declared)" in harness("rank")[1]
    lab("train")
    assert f"\n{said} (verified: trained by the machine that scored)\n" in lab("score", "--no-isolation")[1]
    assert "0 of 2 (verified)" in harness("rank")[1]
    own_key("reader")  # who has the record, and did not train
    assert "0 of 2 (declared)" in harness("rank")[1]
    own_key("organiser")
    assert harness("rank", "--board", "my-lab/lab-split/test/envelope", "--format", "csv")[1].count(
        "verified"
    )


def test_a_score_record_that_was_edited_or_has_no_seal_is_declared(lab, own_key):
    lab("train")
    record = scored(lab)
    assert training_here(record) == VERIFIED
    document = plain(record)
    again = parse_record(json.dumps(document).encode(), "r.json")
    assert training_here(again) == VERIFIED
    document["overlap"]["stimuli_seen"] = 1
    assert training_here(parse_record(json.dumps(document).encode(), "r.json")) == DECLARED
    document = plain(record)
    del document["run"]["training_seal"]
    assert training_here(parse_record(json.dumps(document).encode(), "r.json")) == DECLARED
    key_file().unlink()
    assert training_here(record) == DECLARED


def test_a_record_changed_since_it_was_signed_is_named_and_not_believed(lab, own_key, harness):
    lab("train")
    edit(training_file(lab), stimuli=["something-else"])
    record = scored(lab)
    assert (record.run.training, record.overlap) == (TAMPERED, None)
    text = lab("score", "--no-isolation")[1]
    assert "\nTRAINING RECORD CHANGED: it is not what this machine signed when it trained the weights" in text
    line = "ok: training record: CHANGED since this machine signed it; nothing that it says is believed"
    assert line in lab("check", "--quick", "--no-isolation")[1].splitlines()
    assert "TRAINING RECORD CHANGED" in harness("rank")[1]


def test_a_signed_record_beside_other_weights_is_named(lab, own_key, make_weights):
    lab("train")
    weights = make_weights(training_file(lab), b"other weights")
    assert read_training([weights]).status == TAMPERED


@pytest.fixture
def make_weights(tmp_path):
    """Weights of some bytes, beside a training record."""
    import hashlib

    from harness.submission.manifest import Weights

    def make(training, content=b"weights"):
        path = tmp_path / "some.safetensors"
        path.write_bytes(content)
        return Weights(path, hashlib.sha256(content).hexdigest(), training)

    return make


@pytest.fixture
def declared_record(tmp_path, make_weights):
    """The weights of a training record with changes; what is None is left out."""

    def make(name="a.json", sign=False, **changes):
        record = {"weights_sha256": make_weights(None).sha256, **SAID, **changes}
        record = {key: value for key, value in record.items() if value is not None}
        path = tmp_path / name
        path.write_text(json.dumps(signed(record) if sign else record))
        return make_weights(path)

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": []},
        {"stimuli": []},
        {"subjects": None},
        {"stimuli": None},
        {"subjects": "P01"},
        {"weights_sha256": "0" * 64},
    ],
)
def test_a_record_that_says_nothing_of_what_was_seen_is_not_believed(declared_record, own_key, changes):
    assert read_training([declared_record(**changes)]) == UNKNOWN


def test_weights_without_a_record_are_unknown_and_so_are_those_beside_them(declared_record, own_key):
    assert read_training([None]) == UNKNOWN
    assert read_training([declared_record(), None]) == UNKNOWN


def test_an_ensemble_is_as_good_as_its_worst_member(declared_record, own_key):
    good = declared_record("good.json", sign=True, stimuli=["story-b"])
    word = declared_record("word.json")
    assert read_training([good]).status == VERIFIED
    seen = Seen(frozenset(["P01"]), frozenset(["story-a", "story-b"]))
    assert read_training([good, word]) == (DECLARED, seen)
    bad = declared_record("bad.json", sign=True)
    edit(bad.training, stimuli=["other"])
    assert read_training([good, word, bad]) == (TAMPERED, None)


@pytest.mark.parametrize(
    "signature",
    [
        {"key": "0" * 16, "hmac_sha256": "0" * 64},
        {"hmac_sha256": "0" * 64},
        "text",
        None,
    ],
)
def test_a_signature_of_nobody_here_is_a_declaration(declared_record, own_key, signature):
    signed({})  # the machine has a key
    assert read_training([declared_record(signature=signature)]).status == DECLARED


@pytest.mark.parametrize("said", ["1", 7, None, "é" * 64])
def test_this_machines_key_with_another_signature_is_named(declared_record, own_key, said):
    record = declared_record(sign=True)
    signature = json.loads(record.training.read_text())["signature"]
    edit(record.training, signature={**signature, "hmac_sha256": said})
    assert read_training([record]).status == TAMPERED


def test_without_its_key_a_record_is_declared(declared_record, own_key):
    record = declared_record(sign=True)
    for content in ("", "no hexadecimal", "ab" * 8):
        key_file().write_text(content)
        assert read_training([record]).status == DECLARED
    key_file().unlink()
    assert read_training([record]).status == DECLARED


def test_a_key_that_cannot_be_kept_leaves_the_record_unsigned_and_says_so(lab, own_key, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "here").write_text("a file")
    code, _, error = lab("train")
    assert code == 0
    assert (
        "The training record is not signed: no key can be kept in the user's configuration folder." in error
    )
    assert "signature" not in json.loads(training_file(lab).read_text())
    assert scored(lab).run.training == DECLARED


def test_the_signature_is_hmac_sha256_of_the_sorted_record(declared_record, own_key):
    import hashlib
    import hmac

    record = json.loads(declared_record(sign=True, b={"z": 1.5, "a": "é"}).training.read_text())
    signature = record.pop("signature")
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    key = bytes.fromhex(key_file().read_text().strip())
    assert signature["hmac_sha256"] == hmac.new(key, text, hashlib.sha256).hexdigest()
    assert re.fullmatch("[0-9a-f]{16}", signature["key"])


def test_the_key_is_made_once(own_key):
    first = signed({"a": 1})
    assert signed({"a": 1}) == first
    shutil.rmtree(key_file().parent)
    assert signed({"a": 1}) != first


def test_imported_weights_are_not_signed(own_key, tmp_path, make_submission, harness, official_split):
    import numpy as np
    from safetensors.numpy import save_file

    package = make_submission(importer="convert:convert")
    (package / "convert.py").write_text("def convert(tensors):\n    return tensors, {}\n")
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "release.safetensors")
    code, _, error = harness(
        "import-weights",
        package,
        tmp_path / "release.safetensors",
        "--corpus",
        "sparrkulee",
        "--feature",
        "mel",
    )
    assert code == 0, error
    assert "signature" not in json.loads(next((package / "weights").glob("*.json")).read_text())
    assert not key_file().exists()
