"""hf:owner/name@revision: what is fetched, kept and refused, against a hub on this machine."""

import json
import shutil
import sys

import pytest
from hub_fixtures import TOKEN, Hub

from harness.errors import SubmissionError, UsageError
from harness.records.store import read_record
from harness.submission import hub as hub_module
from harness.submission.hub import cache_folder, fetched, is_hub_name, parsed, source_of
from harness.submission.manifest import load_submission

errors = pytest.importorskip("huggingface_hub.errors")


@pytest.fixture(autouse=True)
def _here(hub, monkeypatch, tmp_path):
    """The hub is the server of this test, and the cache is empty."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def folder(make_submission):
    return make_submission()


def message(text):
    with pytest.raises(SubmissionError) as caught:
        fetched(text)
    return "\n".join(map(str, caught.value.faults))


def test_a_name_is_read():
    name = parsed("hf:my-lab/vlaai.eeg_2@v1.0")
    assert (name.repository, name.revision, name.text) == (
        "my-lab/vlaai.eeg_2",
        "v1.0",
        "hf:my-lab/vlaai.eeg_2@v1.0",
    )
    assert parsed("hf:lab/x@refs/pr/1").revision == "refs/pr/1"
    assert is_hub_name("hf:x")
    assert not is_hub_name("./hf:x")


@pytest.mark.parametrize(
    "text",
    [
        "hf:", "hf:lab", "hf:lab/x", "hf:lab/x@", "hf:/x@main", "hf:lab/@main", "hf:lab/x/y@main",
        "hf:../x@main", "hf:lab/..@main", "hf:lab/x@../../etc", "hf:lab/x@a//b", "hf:lab/x@main\n",
        "hf:lab/x y@main", "hf:-lab/x@main", "hf:lab/x@main@v1", "hf:" + "a" * 97 + "/x@main",
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(text, hub):
    with pytest.raises(UsageError, match="expected hf:owner/name@revision"):
        fetched(text)
    assert hub.asked == []


def test_a_name_without_a_revision_is_told_how_to_say_the_newest():
    with pytest.raises(UsageError, match="hf:lab/x@main is what is newest there"):
        parsed("hf:lab/x")


def test_it_is_fetched_once_and_then_needs_no_network(hub, folder):
    commit = hub.add("lab/tiny", folder)
    got = fetched("hf:lab/tiny@main")
    assert got == cache_folder() / "lab" / "tiny" / commit
    assert source_of(got) == f"lab/tiny@{commit}"
    assert load_submission(got).code_sha256() == load_submission(folder).code_sha256()
    assert not any(path.name in (".cache", ".gitattributes") for path in got.rglob("*"))
    before = len(hub.asked)
    assert fetched(f"hf:lab/tiny@{commit}") == got
    assert len(hub.asked) == before
    assert fetched("hf:lab/tiny@main") == got  # the branch is asked for, the files are not
    assert not any("resolve" in path for _, path in hub.asked[before:])
    assert sorted(path.name for path in got.parent.iterdir()) == [commit, f"{commit}.json"]


def test_a_branch_that_moved_gives_the_new_commit_and_the_old_one_stays(hub, folder):
    hub.add("lab/tiny", folder)
    old = fetched("hf:lab/tiny@main")
    (folder / "predictor.py").write_text((folder / "predictor.py").read_text() + "\n# new\n")
    hub.add("lab/tiny", folder)
    new = fetched("hf:lab/tiny@main")
    assert new != old
    assert load_submission(new).code_sha256() != load_submission(old).code_sha256()


def test_what_the_hub_keeps_beside_a_package_is_not_fetched(hub, folder):
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results" / "x.yaml").write_text("[]\n")
    hub.add("lab/tiny", folder)
    got = fetched("hf:lab/tiny@main")
    assert not (got / ".eval_results").exists()
    assert load_submission(got).code_sha256() == load_submission(folder).code_sha256()


@pytest.mark.parametrize("what", ["changed", "added", "removed", "linked"])
def test_what_was_changed_in_the_cache_is_not_taken_for_the_commit(hub, folder, what):
    commit = hub.add("lab/tiny", folder)
    got = fetched("hf:lab/tiny@main")
    predictor = got / "predictor.py"
    if what == "changed":
        predictor.write_text(predictor.read_text() + "# mine\n")
    elif what == "added":
        (got / "more.py").write_text("")
    else:
        predictor.unlink()
        if what == "linked":
            predictor.symlink_to(folder / "predictor.py")
    said = message(f"hf:lab/tiny@{commit}")
    assert ("more.py" if what == "added" else "predictor.py") in said
    assert "since it was fetched" in said
    assert f"Remove {got}" in said
    assert source_of(got) is None  # by its path neither


def test_bytes_that_the_hub_does_not_list_are_refused(hub, folder, monkeypatch):
    hub.add("lab/tiny", folder)
    monkeypatch.setattr(hub, "_file", lambda *asked: (200, {**Hub._file(hub, *asked)[1]}, b"other bytes"))
    assert "came with other bytes than the hub lists" in message("hf:lab/tiny@main")
    monkeypatch.undo()


def test_no_such_repository_revision_or_consent(hub, folder):
    hub.add("lab/tiny", folder)
    hub.add("lab/secret", folder)
    hub.add("lab/gated", folder)
    hub.private.add("lab/secret")
    hub.gated.add("lab/gated")
    assert "knows no model repository lab/none" in message("hf:lab/none@main")
    assert "does not show it to you" in message("hf:lab/secret@main")
    assert "lab/tiny has no revision v9" in message("hf:lab/tiny@v9")
    assert "ask for consent" in message("hf:lab/gated@main")


def test_a_token_opens_a_private_repository(hub, folder, monkeypatch):
    hub.add("lab/secret", folder)
    hub.private.add("lab/secret")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_submission(fetched("hf:lab/secret@main")).name == "tiny"


def test_a_hub_that_is_broken_or_out_of_reach_is_told_with_what_is_there(hub, folder, monkeypatch):
    commit = hub.add("lab/tiny", folder)
    fetched("hf:lab/tiny@main")
    hub.broken = 503
    assert "the hub answered with 503" in message("hf:lab/tiny@main")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = message("hf:lab/tiny@main")
    assert "the hub cannot be reached" in said
    assert f"Without a network there is hf:lab/tiny@{commit}" in said
    assert fetched(f"hf:lab/tiny@{commit}").is_dir()
    assert "Try again later" in message("hf:lab/other@main")


def test_what_is_no_submission_too_large_or_leads_out_is_refused_before_it_is_fetched(hub, folder):
    (folder / "submission.toml").rename(folder / "config.json")
    hub.add("lab/other", folder)
    assert "no submission.toml among its files" in message("hf:lab/other@main")
    hub.said["lab/other"] = {
        "submission.toml": 10,
        "weights/huge.safetensors": 5 * 2**30,
        "../out.py": 1,
        "/etc/passwd": 1,
        "a\\b": 1,
    }
    said = message("hf:lab/other@main")
    assert "5.0 GiB, expected at most 4 GiB" in said
    for name in ("../out.py", "/etc/passwd", "a\\\\b"):
        assert f"the file {name!r}" in said or f"the file '{name}'" in said
    hub.said["lab/other"] = {"submission.toml": 1} | {f"{k}.py": 1 for k in range(2001)}
    assert "files, expected at most 2,000" in message("hf:lab/other@main")
    assert not any("resolve" in path for _, path in hub.asked)


def test_an_ensemble_is_refused_and_leaves_nothing(hub, folder):
    manifest = (
        'name = "both"\nversion = "1.0.0"\ntitle = "x"\nauthors = ["a"]\nlicence = "MIT"\nfeatures = ["*"]\n'
    )
    members = '[[members]]\nsubmission = "../linear"\n[[members]]\nsubmission = "../vlaai"\n'
    (folder / "submission.toml").write_text(manifest + members)
    commit = hub.add("lab/both", folder)
    assert "an ensemble" in message("hf:lab/both@main")
    assert not (cache_folder() / "lab" / "both" / commit).exists()


def test_a_manifest_that_is_broken_is_told_as_it_is(hub, folder):
    (folder / "submission.toml").write_text("name = 3\n")
    hub.add("lab/broken", folder)
    assert "name" in message("hf:lab/broken@main")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'eeg-speech-harness\[hub\]'"):
        fetched("hf:lab/tiny@main")


def test_a_fetch_that_was_cut_off_goes_on(hub, folder, monkeypatch):
    hub.add("lab/tiny", folder)
    real = hub_module._library

    class Cut:
        def __init__(self, library):
            self.library, self.utils, self.HfApi = library, library.utils, library.HfApi
            self.done = []

        def hf_hub_download(self, *asked, **how):
            if self.done:
                raise KeyboardInterrupt
            self.done.append(asked)
            return self.library.hf_hub_download(*asked, **how)

    monkeypatch.setattr(hub_module, "_library", lambda asked: Cut(real(asked)))
    with pytest.raises(KeyboardInterrupt):
        fetched("hf:lab/tiny@main")
    monkeypatch.setattr(hub_module, "_library", real)
    first = [path for _, path in hub.asked if "resolve" in path]
    got = fetched("hf:lab/tiny@main")
    assert load_submission(got).code_sha256() == load_submission(folder).code_sha256()
    assert sorted(path.name for path in got.parent.iterdir()) == [got.name, f"{got.name}.json"]
    assert first


@pytest.mark.slow
def test_it_scores_as_the_folder_does_and_the_record_says_where_it_is_from(
    hub, folder, where, harness, tmp_path
):
    commit = hub.add("lab/tiny", folder)
    code, out, err = harness("score", "hf:lab/tiny@main", *where, "--out", "far", "--no-controls")
    assert code == 0, err
    assert f"submission from hf:lab/tiny@{commit}\n" in out
    code, _, err = harness("score", folder, *where, "--out", "near", "--no-controls")
    assert code == 0, err
    (far,) = (tmp_path / "far").rglob("*.json")
    (near,) = (tmp_path / "near").rglob("*.json")
    from_hub, from_folder = read_record(far), read_record(near)
    assert from_hub.run.hub == f"lab/tiny@{commit}"
    assert "hub" not in json.loads(near.read_text())["run"]
    assert from_hub.submission == from_folder.submission
    assert (from_hub.score, from_hub.subjects) == (from_folder.score, from_folder.subjects)
    shutil.rmtree(folder)
    code, out, err = harness("verify", far, "--data", where[1], "--split", where[3])
    assert code == 0, out + err


def test_what_was_fetched_is_not_trained(hub, folder, where, harness):
    hub.add("lab/tiny", folder)
    code, _, err = harness("train", "hf:lab/tiny@main", *where)
    assert code == 2
    assert "was fetched, and its files stay as they are" in err
    place = fetched("hf:lab/tiny@main")
    (place / "more.py").write_text("")
    code, _, err = harness("train", place, *where)  # changed by hand, it is no place for weights either
    assert (code, "was fetched" in err) == (2, True)
