"""Manifests, hashes, weights and the scaffold."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from harness.errors import SubmissionError, UsageError
from harness.submission.manifest import load_submission, register_weights, weights_faults, weights_file
from harness.submission.new import make_submission as scaffold
from harness.tasks.splits import load_split

REPOSITORY = Path(__file__).parents[2]


def _messages(caught):
    return [str(fault) for fault in caught.value.faults]


def _add(folder, text):
    path = folder / "submission.toml"
    path.write_text(path.read_text() + text)


def _weights(folder, content=b"numbers", **keys):
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights/w.safetensors").write_bytes(content)
    entry = {
        "corpus": "sparrkulee",
        "split": "held-out-subjects",
        "feature": "mel",
        "file": "weights/w.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        **keys,
    }
    _add(folder, "\n[[weights]]\n" + "\n".join(f'{k} = "{v}"' for k, v in entry.items()) + "\n")
    return folder


def test_folder_without_a_manifest(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SubmissionError) as caught:
        load_submission(tmp_path / "empty")
    assert _messages(caught) == [
        f"{tmp_path}/empty: no submission.toml, and no sub-*.json, expected a submission folder or a"
        " folder of predictions.\n"
        f"  `harness new {tmp_path}/empty` makes a submission that works."
    ]


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 4000, "-9223372036854775809"])
def test_a_number_of_more_than_64_bits_is_refused(make_submission, number):
    folder = make_submission()
    _add(folder, f"\n[variants.a.options]\nd = {number}\n")
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    bits = int(number, 0).bit_length()
    assert f"not readable as TOML (a whole number of {bits} bits, more than 64)" in str(caught.value)


def test_missing_folder(tmp_path):
    with pytest.raises(SubmissionError, match="nowhere: no such file or folder, expected a submission"):
        load_submission(tmp_path / "nowhere")


def test_a_name_that_no_disk_takes_is_a_missing_folder_and_no_error_of_the_system(tmp_path):
    with pytest.raises(SubmissionError, match="xxx: no such file or folder, expected a submission"):
        load_submission(tmp_path / ("x" * 300))


def test_manifest_that_is_not_toml(make_submission):
    folder = make_submission()
    _add(folder, "features = [\n")
    with pytest.raises(SubmissionError, match=r"submission\.toml: not readable as TOML"):
        load_submission(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": None}, "the key 'version' is missing."),
        ({"licens": "MIT"}, "unknown key 'licens'.\n  Did you mean 'licence'?"),
        (
            {"features": ["Mel"]},
            'features[0]: \'Mel\', expected a feature\'s name like "mel", or "*" for any.',
        ),
        ({"features": []}, "features: [] should be non-empty."),
        ({"version": "1.0"}, "version: '1.0', expected a version like \"1.0.0\"."),
        ({"authors": "me"}, "authors: 'me' of type string, expected array."),
        (
            {"entry_point": "nothere:Decoder"},
            "entry_point: 'nothere:Decoder', and no nothere.py in the folder, expected \"module:Name\""
            " of a module in the submission folder.",
        ),
        (
            {"entry_point": "predictor.py"},
            "entry_point: 'predictor.py', expected \"module:Name\", where module.py lies in the"
            " submission folder.",
        ),
    ],
)
def test_bad_manifest(make_submission, changes, message):
    folder = make_submission(**changes)
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    joiner = ": "
    assert _messages(caught) == [f"{folder}/submission.toml{joiner}{message}"]


def test_all_faults_of_a_manifest_at_once(make_submission):
    folder = make_submission(version=None, titel="x", features=["Mel"])
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    assert len(caught.value.faults) == 3


def test_a_submission_for_any_feature_decodes_every_one(make_submission):
    some, every = load_submission(make_submission()), load_submission(make_submission("any", features=["*"]))
    for feature in ("mel", "pitch"):
        every.check_feature(feature)
        assert every.decodes(feature)
    assert (some.decodes("mel"), some.decodes("pitch")) == (True, False)
    with pytest.raises(SubmissionError) as caught:
        some.check_feature("pitch")
    assert _messages(caught) == [
        "tiny: --feature: 'pitch', expected one of mel, envelope, what the manifest declares."
    ]


def test_submission_without_weights_needs_none(make_submission):
    submission = load_submission(make_submission())
    assert submission.weights("simulated", load_split("held-out-subjects"), "mel", "default") is None


def test_weights_are_found_and_verified(make_submission):
    submission = load_submission(_weights(make_submission()))
    split = load_split("held-out-subjects")
    found = submission.weights("sparrkulee", split, "mel", "default")
    assert found.path == submission.folder / "weights/w.safetensors"
    # The challenge's test set is served by the weights of the held-out split.
    assert submission.weights("sparrkulee", load_split("challenge-2024"), "mel", "default") == found
    assert weights_faults(submission) == []


def test_no_weights_for_a_run_says_how_to_train_them(make_submission):
    submission = load_submission(_weights(make_submission()))
    with pytest.raises(SubmissionError) as caught:
        submission.weights("simulated", load_split("known-subjects"), "envelope", "default")
    assert _messages(caught) == [
        "tiny: weights: none for corpus simulated, split known-subjects, feature envelope, variant"
        " default, expected an entry [[weights]] in submission.toml (there: sparrkulee"
        " held-out-subjects mel default).\n"
        f"  Train them: harness train {submission.folder} --split known-subjects --feature envelope"
        " --variant default"
    ]


def test_changed_weights_are_refused(make_submission):
    folder = _weights(make_submission())
    (folder / "weights/w.safetensors").write_bytes(b"other numbers")
    with pytest.raises(SubmissionError, match="the manifest.s.\n  The file changed after training") as caught:
        load_submission(folder).weights("sparrkulee", load_split("held-out-subjects"), "mel", "default")
    assert [str(fault) for fault in weights_faults(load_submission(folder))] == _messages(caught)


def test_weights_outside_the_folder_are_refused(make_submission, tmp_path):
    folder = _weights(make_submission(), file="weights/../../../secret")
    (tmp_path / "secret").write_bytes(b"numbers")
    with pytest.raises(SubmissionError, match="a path inside the folder"):
        load_submission(folder).weights("sparrkulee", load_split("held-out-subjects"), "mel", "default")


def test_two_entries_for_one_run_are_refused(make_submission):
    with pytest.raises(SubmissionError, match="two entries for sparrkulee held-out-subjects mel default"):
        load_submission(_weights(_weights(make_submission())))


def test_code_hash_changes_with_code_and_not_with_weights(make_submission):
    folder = make_submission()
    before = load_submission(folder).code_sha256()
    _weights(folder)
    (folder / "README.md").write_text("words")
    assert load_submission(folder).code_sha256() == before
    (folder / "helper.py").write_text("A = 1\n")
    assert load_submission(folder).code_sha256() != before


def _trained_for(make_submission, **record):
    """A package whose weights for mel have a training record that says ``record``."""
    folder = _weights(make_submission(), training="weights/w.json")
    sha256 = hashlib.sha256(b"numbers").hexdigest()
    said = {"weights_sha256": sha256, **record}
    (folder / "weights/w.json").write_text(json.dumps(said))
    return folder


def test_weights_that_were_trained_for_another_feature_are_refused(make_submission):
    """The targets of music have one shape: their nets take each other's weights without a word."""
    folder = _trained_for(make_submission, feature="mel80")
    submission = load_submission(folder)
    with pytest.raises(SubmissionError) as caught:
        submission.weights("sparrkulee", load_split("held-out-subjects"), "mel", "default")
    expected = [
        f"{folder}/weights/w.safetensors: trained for feature mel80, by weights/w.json, expected mel, as its"
        " entry [[weights]] in submission.toml says.\n"
        f'  Say feature = "mel80" there, or train it: harness train {folder} --feature mel'
    ]
    assert _messages(caught) == [str(fault) for fault in weights_faults(submission)] == expected


@pytest.mark.parametrize(
    "record", [{"feature": "mel"}, {}, {"feature": 3}, {"feature": "mel80", "weights_sha256": "0" * 64}]
)
def test_a_training_record_that_fits_or_says_nothing_of_these_weights_refuses_none(make_submission, record):
    folder = _trained_for(make_submission, **record)
    assert weights_faults(load_submission(folder)) == []
    (folder / "weights/w.json").write_text("[1, 2")
    assert weights_faults(load_submission(folder)) == []


def test_code_hash_holds_whatever_is_not_listed_with_a_hash_of_its_own(make_submission):
    folder = _weights(make_submission())
    seen = {load_submission(folder).code_sha256()}
    for name in ("weights/evil.py", "training.csv", "net.so", "sitecustomize.py", "weights/w.json"):
        (folder / name).write_text("A = 1\n")
        seen.add(load_submission(folder).code_sha256())
    assert len(seen) == 6


def test_code_hash_is_blind_to_what_is_never_there_when_it_runs(make_submission):
    folder = make_submission()
    before = load_submission(folder).code_sha256()
    (folder / "__pycache__").mkdir()
    (folder / "training").mkdir()
    for name in (
        "NOTES.md",
        "__pycache__/predictor.pyc",
        "training/x.csv",
        "x.partial",
        ".DS_Store",
        "a.py~",
    ):
        (folder / name).write_text("A = 1\n")
    assert load_submission(folder).code_sha256() == before


def test_a_link_that_leaves_the_package_is_refused_when_it_is_hashed(make_submission, tmp_path):
    folder = make_submission()
    (tmp_path / "labels").mkdir()
    (folder / "linked").symlink_to(tmp_path / "labels")
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder).code_sha256()
    assert _messages(caught) == [
        f"{folder}: linked: a link that leaves the folder (to {tmp_path}/labels), expected a regular file of"
        " the folder.\n  Remove it, or put what it leads to in its place."
    ]


def test_a_checkout_with_the_line_ends_of_windows_has_the_same_hashes(make_submission, tmp_path):
    folder = make_submission()
    _weights(folder, content=b"one\ntwo\r\n")
    base = folder.parent
    (base / ".gitattributes").write_bytes((REPOSITORY / ".gitattributes").read_bytes())
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        _git(base, *arguments)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", base, clone], check=True)
    submission = load_submission(clone / folder.name)
    assert submission.code_sha256() == load_submission(folder).code_sha256()
    assert weights_faults(submission) == []


def _git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def test_code_hash_changes_with_options(make_submission):
    folder = make_submission()
    _add(folder, '\n[variants.wide]\ntitle = "wide"\noptions = { width = 3 }\n')
    before = load_submission(folder).code_sha256()
    path = folder / "submission.toml"
    path.write_text(path.read_text().replace("width = 3", "width = 4"))
    submission = load_submission(folder)
    assert submission.code_sha256() != before
    assert submission.options("wide") == {"width": 4}


def test_unknown_variant_suggests_the_nearest(make_submission):
    folder = make_submission()
    _add(folder, '\n[variants.full]\ntitle = "all"\n\n[variants.no-mixup]\ntitle = "less"\n')
    submission = load_submission(folder)
    assert submission.variant(None) == "full"
    with pytest.raises(UsageError) as caught:
        submission.variant("nomixup")
    assert _messages(caught) == [
        "tiny: --variant: 'nomixup', expected one of full, no-mixup.\n  Did you mean 'no-mixup'?"
    ]


def test_registering_weights_keeps_comments_and_replaces_the_same_run(make_submission):
    folder = make_submission()
    _add(folder, "# a remark that stays\n")
    entry = {
        "corpus": "dtu",
        "split": "dtu",
        "feature": "envelope",
        "variant": "default",
        "file": "weights/dtu-envelope.safetensors",
        "sha256": "0" * 64,
    }
    register_weights(load_submission(folder), entry)
    register_weights(load_submission(folder), {**entry, "feature": "mel"})
    register_weights(load_submission(folder), {**entry, "sha256": "1" * 64})
    text = (folder / "submission.toml").read_text()
    assert "# a remark that stays" in text
    listed = load_submission(folder).manifest["weights"]
    assert [(item["feature"], item["sha256"][0]) for item in listed] == [
        ("envelope", "1"),
        ("mel", "0"),
    ]


def test_weights_files_are_named_by_corpus_feature_and_variant():
    held_out, known = load_split("held-out-subjects"), load_split("known-subjects")
    assert weights_file("simulated", held_out, "mel", "full", "full") == "weights/simulated-mel.safetensors"
    assert (
        weights_file("simulated", known, "mel", "no-esm", "full")
        == "weights/simulated-known-subjects-mel-no-esm.safetensors"
    )


def test_scaffold_makes_a_valid_submission(tmp_path):
    scaffold(tmp_path / "submissions" / "my-model")
    submission = load_submission(tmp_path / "submissions" / "my-model")
    assert submission.name == "my-model"
    assert "{{" not in "".join(p.read_text() for p in submission.folder.iterdir())


def test_scaffold_fills_an_empty_folder_and_refuses_one_that_holds_something(tmp_path):
    (tmp_path / "my-model").mkdir()
    scaffold(tmp_path / "my-model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "my-model").iterdir()}
    with pytest.raises(SubmissionError, match="there already, expected a new folder"):
        scaffold(tmp_path / "my-model")
    assert {path.name: path.read_bytes() for path in (tmp_path / "my-model").iterdir()} == before


def test_scaffold_suggests_a_name(tmp_path):
    with pytest.raises(SubmissionError) as caught:
        scaffold(tmp_path / "My Model!")
    assert _messages(caught) == [
        f"{tmp_path}/My Model!: the name 'My Model!', expected lower-case words joined by hyphens.\n"
        f"  For example: harness new {tmp_path}/my-model"
    ]
