"""The server of the tests answers huggingface-hub as the hub does: asked by the library's own client."""

import shutil
from pathlib import Path

import pytest
from hub_fixtures import TOKEN

LINEAR = Path(__file__).parent.parent / "baselines/linear"
errors = pytest.importorskip("huggingface_hub.errors")


@pytest.fixture
def client(hub):
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.endpoint, token=False)


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "linear"
    shutil.copytree(LINEAR, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_a_snapshot_is_the_folder(hub, client, package, tmp_path):
    commit = hub.add("lab/linear", package)
    got = Path(client.snapshot_download("lab/linear", revision="main", local_dir=tmp_path / "got"))
    shutil.rmtree(got / ".cache")
    ours = {path.relative_to(package): path.read_bytes() for path in package.rglob("*") if path.is_file()}
    theirs = {path.relative_to(got): path.read_bytes() for path in got.rglob("*") if path.is_file()}
    assert theirs.pop(Path(".gitattributes"))
    assert theirs == ours
    assert client.model_info("lab/linear", revision="main").sha == commit


def test_sizes_are_told_before_a_download(hub, client, package):
    hub.add("lab/linear", package)
    hub.said["lab/linear"] = {"weights/huge.safetensors": 1 << 40}
    info = client.model_info("lab/linear", revision="main", files_metadata=True)
    sizes = {one.rfilename: one.size for one in info.siblings}
    assert sizes["submission.toml"] == (package / "submission.toml").stat().st_size
    assert sizes["weights/huge.safetensors"] == 1 << 40


def test_a_new_commit_moves_the_branch_and_leaves_the_old_commit(hub, client, package):
    old = hub.add("lab/linear", package)
    (package / "more.py").write_text("MORE = 1\n")
    new = hub.add("lab/linear", package)
    assert old != new
    assert client.model_info("lab/linear", revision="main").sha == new
    assert client.model_info("lab/linear", revision=old).sha == old


def test_refusals_are_the_hubs(hub, client, package):
    hub.add("lab/linear", package)
    hub.add("lab/secret", package)
    hub.add("lab/gated", package)
    hub.private.add("lab/secret")
    hub.gated.add("lab/gated")
    with pytest.raises(errors.RepositoryNotFoundError):
        client.model_info("lab/none", revision="main")
    with pytest.raises(errors.RepositoryNotFoundError):
        client.model_info("lab/secret", revision="main")
    with pytest.raises(errors.RevisionNotFoundError):
        client.model_info("lab/linear", revision="v9")
    with pytest.raises(errors.GatedRepoError):
        client.hf_hub_download("lab/gated", "submission.toml", revision="main")
    assert client.model_info("lab/secret", revision="main", token=TOKEN).private


@pytest.mark.slow  # the library waits a second before it goes on
def test_a_download_that_was_cut_goes_on_where_it_ended(hub, client, package, tmp_path):
    data = bytes(range(256)) * (24 << 12)  # more than twice what the library writes at once
    (package / "weights/large.bin").write_bytes(data)
    hub.add("lab/linear", package)
    hub.cut.add("large.bin")
    asked = {"filename": "weights/large.bin", "revision": "main", "local_dir": tmp_path / "got"}
    try:
        path = client.hf_hub_download("lab/linear", **asked)
    except Exception:  # huggingface-hub 1.0.0 leaves it to the next call to go on, 2.4.0 does so itself
        path = client.hf_hub_download("lab/linear", **asked)
    assert Path(path).read_bytes() == data
    [asked] = hub.ranges
    first = int(asked.removeprefix("bytes=").split("-")[0])
    assert 0 < first <= len(data) // 2


def test_a_hub_that_is_broken_says_so(hub, client, package):
    hub.add("lab/linear", package)
    hub.broken = 503
    with pytest.raises(errors.HfHubHTTPError) as caught:
        client.model_info("lab/linear", revision="main")
    assert caught.value.response.status_code == 503
