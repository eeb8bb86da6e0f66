"""Fetching, against a server on this machine."""

import functools
import hashlib
import http.server
import json
import threading

import pytest

from harness.corpus import fetch
from harness.errors import CorpusError, UsageError
from harness.tasks.splits import load_split


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A loopback server of two subjects with hashes and one without; yields url, folder, requests."""
    root = tmp_path / "served"
    root.mkdir()
    sha256 = {}
    for subject in ("S1", "S2", "S3"):
        for trial in range(2):
            name = f"DTU_{subject}_{trial:03d}.npz"
            content = f"{subject} {trial}".encode() * 100
            (root / name).write_bytes(content)
            if subject != "S3":
                sha256[name] = hashlib.sha256(content).hexdigest()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    listed = {"url": url, "subjects": ["S1", "S2", "S3"], "trials": 2, "sha256": sha256}
    (tmp_path / "list.json").write_text(json.dumps(listed))
    monkeypatch.setattr(fetch, "DTU_LIST", tmp_path / "list.json")
    yield root, tmp_path / "out", requests
    server.shutdown()
    thread.join()
    server.server_close()


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_what_has_hashes_and_says_what_has_none(served):
    _, out, _ = served
    steps = []
    done = fetch.fetch_dtu(out, on_progress=lambda *step: steps.append(step))
    assert (done.downloaded, done.present) == (4, 0)
    assert done.remarks == ("not fetched, no sha256 on record: S3; --unverified fetches them",)
    assert _names(out) == [f"DTU_S{s}_00{t}.npz" for s in (1, 2) for t in (0, 1)]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_second_call_goes_on_where_the_first_stopped(served):
    _, out, requests = served
    fetch.fetch_dtu(out, subjects=["S1"])
    (out / "DTU_S1_001.npz").write_bytes(b"half a fi")
    requests.clear()
    done = fetch.fetch_dtu(out)
    assert (done.downloaded, done.present) == (3, 1)
    assert requests == ["/DTU_S1_001.npz", "/DTU_S2_000.npz", "/DTU_S2_001.npz"]


def test_wrong_hash_is_not_kept(served):
    root, out, _ = served
    (root / "DTU_S1_001.npz").write_bytes(b"tampered")
    with pytest.raises(CorpusError, match="a file with another sha256"):
        fetch.fetch_dtu(out)
    assert _names(out) == ["DTU_S1_000.npz"]


def test_missing_file_on_the_server(served):
    root, out, _ = served
    (root / "DTU_S1_000.npz").unlink()
    with pytest.raises(CorpusError, match=r"HTTP 404 .*expected the file"):
        fetch.fetch_dtu(out)


def test_no_server(served):
    _, out, _ = served
    with pytest.raises(CorpusError, match=r"no answer \(ConnectionError\)"):
        fetch.fetch_dtu(out, url="http://127.0.0.1:9/")


def test_files_without_hashes_need_a_word(served):
    _, out, _ = served
    with pytest.raises(UsageError, match="no sha256 on record for S3"):
        fetch.fetch_dtu(out, subjects=["S3"])
    done = fetch.fetch_dtu(out, subjects=["S3"], unverified=True)
    digest = hashlib.sha256(b"S3 0" * 100).hexdigest()
    assert done.remarks[0] == f"DTU_S3_000.npz: sha256 {digest} (not on record)"


def test_unknown_subject(served):
    with pytest.raises(UsageError, match=r"--subjects: S19, expected some of S1\.\.S3"):
        fetch.fetch_dtu(served[1], subjects=["S19"])


def test_committed_list_covers_training_and_validation_at_a_pinned_commit():
    listed = json.loads(fetch.DTU_LIST.read_text())
    split = load_split("dtu")
    assert listed["subjects"] == [*split.parts["train"], *split.parts["val"], *split.parts["test"]]
    have = {name.split("_")[1] for name in listed["sha256"]}
    assert have == {*split.parts["train"], *split.parts["val"]}
    assert len(listed["sha256"]) == 100
    assert len(set(listed["sha256"].values())) == 100
    commit = listed["url"].split("/")[5]
    assert len(commit) == 40


@pytest.mark.dtu
def test_committed_hashes_are_those_of_the_files(dtu_folder):
    listed = json.loads(fetch.DTU_LIST.read_text())
    for path in sorted(dtu_folder.glob("DTU_S10_*.npz")):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed["sha256"][path.name]
