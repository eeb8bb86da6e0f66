"""Fetching, against a server on this machine."""

import functools
import hashlib
import http.server
import os
import re
import socket
import subprocess
import threading
from dataclasses import replace

import pytest
from own_corpus import TOML

from harness.corpus import fetch
from harness.corpus.base import natural_key
from harness.corpus.declaration import declared, load_declaration
from harness.errors import CorpusError, UsageError
from harness.tasks.splits import load_split


@pytest.fixture
def served(tmp_path):
    """A loopback server of two subjects with hashes and one without; yields url, folder, requests, declaration."""
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
    unverified = ["DTU_S3_000.npz", "DTU_S3_001.npz"]
    listed = {"url": url, "sha256": sha256, "unverified": unverified}
    yield root, tmp_path / "out", requests, replace(declared("dtu"), fetch=listed)
    server.shutdown()
    thread.join()
    server.server_close()


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_what_has_hashes_and_says_what_has_none(served):
    _, out, _, dtu = served
    steps = []
    done = fetch.fetch_corpus(dtu, out, on_progress=lambda *step: steps.append(step))
    assert (done.downloaded, done.present) == (4, 0)
    assert done.remarks == ("not fetched, no sha256 on record: S3; --unverified fetches them",)
    assert _names(out) == [f"DTU_S{s}_00{t}.npz" for s in (1, 2) for t in (0, 1)]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_second_call_goes_on_where_the_first_stopped(served):
    _, out, requests, dtu = served
    fetch.fetch_corpus(dtu, out, subjects=["S1"])
    (out / "DTU_S1_001.npz").write_bytes(b"half a fi")
    requests.clear()
    done = fetch.fetch_corpus(dtu, out)
    assert (done.downloaded, done.present) == (3, 1)
    assert requests == ["/DTU_S1_001.npz", "/DTU_S2_000.npz", "/DTU_S2_001.npz"]


def test_wrong_hash_is_not_kept(served):
    root, out, _, dtu = served
    (root / "DTU_S1_001.npz").write_bytes(b"tampered")
    with pytest.raises(CorpusError, match="a file with another sha256"):
        fetch.fetch_corpus(dtu, out)
    assert _names(out) == ["DTU_S1_000.npz"]


def test_what_a_killed_fetch_left_is_removed_by_the_next(served):
    _, out, _, dtu = served
    ended = subprocess.Popen(["true"])
    ended.wait()
    here = re.sub(r"[^A-Za-z0-9.]", "", socket.gethostname())
    (out / f".fetch-{here}-{ended.pid}").mkdir(parents=True)
    (out / f".fetch-{here}-{ended.pid}/tmpabc").write_bytes(b"half")
    (out / ".fetch-elsewhere-1").mkdir()  # of another machine, which may be at work
    (out / f".fetch-{here}-{os.getppid()}").mkdir()  # of a fetch that runs
    fetch.fetch_corpus(dtu, out)
    hidden = {name for name in _names(out) if name.startswith(".")}
    assert hidden == {".fetch-elsewhere-1", f".fetch-{here}-{os.getppid()}"}


def test_missing_file_on_the_server(served):
    root, out, _, dtu = served
    (root / "DTU_S1_000.npz").unlink()
    with pytest.raises(CorpusError, match=r"HTTP 404 .*expected the file"):
        fetch.fetch_corpus(dtu, out)


def test_no_server(served):
    _, out, _, dtu = served
    with pytest.raises(CorpusError, match=r"no answer \(ConnectionError\)"):
        fetch.fetch_corpus(dtu, out, url="http://127.0.0.1:9/")


@pytest.mark.slow
@pytest.mark.parametrize("url", ["data.example", "ftp://127.0.0.1/", "file:///tmp", "http://", ""])
def test_an_address_of_another_kind_is_wrong_usage(served, url):
    _, out, requests, dtu = served
    with pytest.raises(
        UsageError, match=r"^--url: .*, expected an address that begins with https:// or http"
    ):
        fetch.fetch_corpus(dtu, out, url=url)
    assert requests == []
    assert not out.exists()


def test_what_lies_where_files_go_is_named(served):
    _, out, _, dtu = served
    out.write_text("a file")
    with pytest.raises(CorpusError, match="out: a file, expected a folder for the corpus"):
        fetch.fetch_corpus(dtu, out)
    out.unlink()
    (out / "DTU_S1_000.npz").mkdir(parents=True)
    with pytest.raises(CorpusError, match=r"DTU_S1_000\.npz: is a directory, expected a file or nothing"):
        fetch.fetch_corpus(dtu, out)


def test_no_subject_is_no_name(served):
    with pytest.raises(UsageError, match=r"--subjects: '', expected some of S1\.\.S3"):
        fetch.fetch_corpus(served[3], served[1], subjects=[""])


def test_files_without_hashes_need_a_word(served):
    _, out, _, dtu = served
    with pytest.raises(UsageError, match="no sha256 on record for S3"):
        fetch.fetch_corpus(dtu, out, subjects=["S3"])
    done = fetch.fetch_corpus(dtu, out, subjects=["S3"], unverified=True)
    digest = hashlib.sha256(b"S3 0" * 100).hexdigest()
    assert done.remarks[0] == f"DTU_S3_000.npz: sha256 {digest} (not on record)"


def test_a_corpus_of_ones_own_may_be_fetched(served, tmp_path, harness):
    root, out, _, dtu = served
    (root / "eeg").mkdir()
    (root / "eeg/P 1_a.npy").write_bytes(b"numbers")
    (tmp_path / "corpus.toml").write_text(
        TOML.format(rate=100, n_channels=4, pitch_rate=100)
        + f'\n[fetch]\nurl = "{dtu.fetch["url"]}"\n\n[fetch.sha256]\n'
        + f'"eeg/P 1_a.npy" = "{hashlib.sha256(b"numbers").hexdigest()}"\n'
    )
    code, answer, _ = harness("data", "fetch", tmp_path / "corpus.toml", out)
    assert (code, answer) == (0, f"1 file fetched, 0 there already, in {out}\n")
    assert (out / "eeg/P 1_a.npy").read_bytes() == b"numbers"


def test_files_that_lead_out_of_the_folder_are_not_fetched(tmp_path):
    (tmp_path / "corpus.toml").write_text(
        TOML.format(rate=100, n_channels=4, pitch_rate=100)
        + f'\n[fetch]\nurl = "http://127.0.0.1:9/"\n\n[fetch.sha256]\n"../x" = "{"0" * 64}"\n'
    )
    with pytest.raises(CorpusError) as caught:
        load_declaration(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/corpus.toml: fetch: '../x', expected a path below the folder, parts joined by /, none"
        " hidden, no '..'."
    )


def test_unknown_subject(served):
    with pytest.raises(UsageError, match=r"--subjects: S19, expected some of S1\.\.S3"):
        fetch.fetch_corpus(served[3], served[1], subjects=["S19"])


def test_committed_list_covers_every_part_at_a_pinned_commit():
    listed = declared("dtu").fetch
    split = load_split("dtu")
    named = [name.split("_")[1] for name in listed["sha256"]]
    assert sorted(set(named), key=natural_key) == [
        *split.parts["train"],
        *split.parts["val"],
        *split.parts["test"],
    ]
    assert len(named) == 180
    assert "unverified" not in listed
    assert len(set(listed["sha256"].values())) == 180
    commit = listed["url"].split("/")[5]
    assert len(commit) == 40


@pytest.mark.dtu
def test_committed_hashes_are_those_of_the_files(dtu_folder):
    listed = declared("dtu").fetch
    for path in sorted(dtu_folder.glob("DTU_S10_*.npz")):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed["sha256"][path.name]
