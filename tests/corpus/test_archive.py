"""Fetching raw recordings from the archive, against a server on this machine, through the archive's own client."""

import functools
import hashlib
import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections import namedtuple
from dataclasses import replace

import pytest

from harness.corpus import archive
from harness.corpus.declaration import declared
from harness.errors import CorpusError, UsageError

EVENTS = "onset\tduration\tstim_file\ttrigger_file\tnoise_file\n"
STIMULUS = "stimuli/eeg/tale.npz.gz"


def recording(subject, session, run="01"):
    return f"{subject}/{session}/eeg/{subject}_{session}_task-listeningActive_run-{run}"


FILES = {
    "dataset_description.json": b'{"Name": "small"}',
    "participants.tsv": b"participant_id\nsub-001\nsub-002\n",
    f"{recording('sub-001', 'ses-a')}_eeg.bdf.gz": b"eeg of one" * 1000,
    f"{recording('sub-001', 'ses-a')}_events.tsv": f"{EVENTS}0\t9\teeg/tale.npz.gz\tn/a\tn/a\n".encode(),
    f"{recording('sub-001', 'ses-b')}_eeg.bdf.gz": b"eeg of one again" * 1000,
    f"{recording('sub-001', 'ses-b')}_events.tsv": f"{EVENTS}0\t9\teeg/lost.npz.gz\tn/a\tn/a\n".encode(),
    f"{recording('sub-002', 'ses-a')}_eeg.bdf.gz": b"eeg of two" * 1000,
    f"{recording('sub-002', 'ses-a')}_events.tsv": f"{EVENTS}0\t9\tn/a\tn/a\tn/a\n".encode(),
    STIMULUS: b"audio",
    "stimuli/eeg/t_tale.npz.gz": b"triggers",
    "stimuli/eeg/other.npz.gz": b"of nobody here",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine: the client takes https only."""
    pytest.importorskip("nemar", reason="the extra raw is not installed")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl, which makes a certificate for the server")
    folder = tmp_path_factory.mktemp("certificate")
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    command = ["openssl", *words.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def served(tmp_path, certificate, monkeypatch):
    """The archive on this machine; yields its folder, an output folder, requests, and how to fetch."""
    root = tmp_path / "served"
    dataset = root / "nm000999"
    for path, content in FILES.items():
        (dataset / "v1.0.0" / path).parent.mkdir(parents=True, exist_ok=True)
        (dataset / "v1.0.0" / path).write_bytes(content)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

    handler = functools.partial(Handler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}/"
    entries = [
        {
            "path": path,
            "url": f"{url}nm000999/v1.0.0/{path}",
            "size": len(content),
            "checksum_algorithm": "sha256",
            "checksum": hashlib.sha256(content).hexdigest(),
        }
        for path, content in FILES.items()
    ]
    (dataset / "manifest.json").write_text(json.dumps({"files": entries}))
    version = {"version": "v1.0.0", "manifest_url": f"{url}nm000999/manifest.json"}
    index = {"dataset_id": "nm000999", "latest": "v1.0.0", "versions": [version]}
    (dataset / "index.html").write_text(json.dumps(index))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    small = replace(
        declared("sparrkulee"), fetch={"nemar": "nm000999"}, subjects=("sub-001", "sub-002", "sub-003")
    )
    out = tmp_path / "out"
    yield dataset, out, requests, functools.partial(archive.fetch_archive, small, out, url=url)
    server.shutdown()
    thread.join()
    server.server_close()


def fetched(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_everything_comes_with_the_stimuli_that_events_name(served):
    _, out, _, fetch = served
    steps = []
    done = fetch(on_progress=lambda *step: steps.append(step))
    assert fetched(out) == set(FILES) - {"stimuli/eeg/other.npz.gz"}
    assert all((out / path).read_bytes() == FILES[path] for path in fetched(out))
    assert (done.downloaded, done.present) == (10, 0)
    assert steps[-1][:2] == (10, 10)
    assert done.remarks == [
        "not in the archive: 1 stimulus file that events name (eeg/lost.npz.gz); recordings of these cannot be"
        " prepared",
        "not in the archive: 1 of 3 subjects: sub-003",
        "not in the archive: preprocessed EEG and features; `harness data prepare` makes them of what was fetched",
    ]


def test_subjects_and_sessions_are_chosen(served):
    _, out, _, fetch = served
    fetch(subjects=["001"], sessions=["ses-a"])
    root = {"dataset_description.json", "participants.tsv"}
    own = {path for path in FILES if path.startswith("sub-001/ses-a/")}
    assert fetched(out) == root | own | {STIMULUS, "stimuli/eeg/t_tale.npz.gz"}
    done = fetch(subjects=["sub-002"])
    assert fetched(out) == root | own | {path for path in FILES if "sub-002" in path} | {
        STIMULUS,
        "stimuli/eeg/t_tale.npz.gz",
    }
    assert (done.downloaded, done.present) == (2, 2)


def test_a_second_call_goes_on_where_the_first_stopped(served):
    _, out, requests, fetch = served
    fetch(subjects=["sub-001"], sessions=["a"])
    bdf = out / f"{recording('sub-001', 'ses-a')}_eeg.bdf.gz"
    bdf.write_bytes(bdf.read_bytes()[:-1] + b"X")  # as long, and another file
    (out / STIMULUS).unlink()
    (out / f"{STIMULUS}.part").write_bytes(FILES[STIMULUS][:2])
    requests.clear()
    done = fetch(subjects=["sub-001"], sessions=["a"])
    assert (done.downloaded, done.present) == (2, 4)
    assert bdf.read_bytes() == FILES[bdf.relative_to(out).as_posix()]
    assert (out / STIMULUS).read_bytes() == FILES[STIMULUS]
    assert len([path for path in requests if "/v1.0.0/" in path]) == 2


def test_another_hash_than_listed_is_not_kept(served):
    dataset, out, _, fetch = served
    path = f"{recording('sub-002', 'ses-a')}_eeg.bdf.gz"
    (dataset / "v1.0.0" / path).write_bytes(b"EEG of two" * 1000)
    with pytest.raises(CorpusError) as caught:
        fetch(subjects=["sub-002"])
    assert "run-01_eeg.bdf.gz" in str(caught.value)
    assert path not in fetched(out)
    assert f"{recording('sub-002', 'ses-a')}_events.tsv" in fetched(out)


def test_who_is_not_in_the_archive_is_refused(served):
    with pytest.raises(UsageError) as caught:
        served[3](subjects=["sub-01", "sub-002"])
    assert str(caught.value) == (
        "--subjects: sub-01, which the archive does not hold, expected sub-001, sub-002.\n  Did you mean 'sub-001'?"
    )
    with pytest.raises(
        UsageError, match="--sessions: ses-c, which the archive does not hold, expected ses-a, ses-b"
    ):
        served[3](subjects=["sub-001"], sessions=["c"])


def test_too_little_room_is_said_before_anything_is_fetched(served, monkeypatch):
    _, out, _, fetch = served
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(CorpusError) as caught:
        fetch()
    assert str(caught.value).startswith(
        f"{out}: 0.0 GiB free, expected 0.0 GiB for what is asked and not there yet"
    )
    assert fetched(out) == set()


def test_an_archive_is_asked_by_https_only(tmp_path):
    with pytest.raises(
        UsageError, match="^--url: 'http://127.0.0.1:9/', expected an address that begins with"
    ):
        archive.fetch_archive(declared("sparrkulee"), tmp_path / "out", url="http://127.0.0.1:9/")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_no_archive_is_said(tmp_path, certificate):
    small = replace(declared("sparrkulee"), fetch={"nemar": "nm000999"})
    with pytest.raises(
        CorpusError, match=r"^https://127\.0\.0\.1:9/: .*TransportError.*, expected the archive\."
    ):
        archive.fetch_archive(small, tmp_path / "out", url="https://127.0.0.1:9/")


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nemar", None)
    with pytest.raises(UsageError) as caught:
        archive.fetch_archive(declared("sparrkulee"), tmp_path / "out")
    assert str(caught.value) == (
        "nemar-py: not installed, expected the extra raw.\n  pip install 'eeg-speech-harness[raw]'"
    )


def test_the_command_refuses_what_is_for_other_corpora(harness, tmp_path):
    for options, said in (
        (("dtu", tmp_path / "out", "--sessions", "a"), "--sessions: for an archive of raw recordings"),
        (
            ("sparrkulee", tmp_path / "out", "--unverified"),
            "--unverified: the archive lists a hash or a size",
        ),
    ):
        code, _, error = harness("data", "fetch", *options)
        assert code == 2
        assert said in error


def test_the_command_fetches_from_the_archive(served, harness, monkeypatch):
    _, out, _, fetch = served
    small = fetch.args[0]
    monkeypatch.setattr("harness.cli.data._to_fetch", lambda _: small)
    code, answer, error = harness(
        "data",
        "fetch",
        "sparrkulee",
        out,
        "--subjects",
        "sub-001",
        "--sessions",
        "ses-a",
        "--url",
        fetch.keywords["url"],
    )
    assert (code, answer) == (0, f"6 files fetched, 0 there already, in {out}\n")
    assert "`harness data prepare` makes them of what was fetched" in error


def rewritten(dataset, path, content):
    """Serve another content under a path, with its right size and hash."""
    (dataset / "v1.0.0" / path).write_bytes(content)
    manifest = dataset / "manifest.json"
    files = json.loads(manifest.read_text())["files"]
    for entry in files:
        if entry["path"] == path:
            entry |= {"size": len(content), "checksum": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps({"files": files}))


def test_a_broken_table_of_events_is_said_and_stops_nothing(served):
    dataset, out, _, fetch = served
    path = f"{recording('sub-002', 'ses-a')}_events.tsv"
    rewritten(dataset, path, EVENTS.encode() + b"0\t9\teeg/tale.npz.gz\t" + b"x" * 140_000 + b"\n")
    done = fetch()
    assert fetched(out) == set(FILES) - {"stimuli/eeg/other.npz.gz"}
    assert done.remarks[0].startswith(f"stimuli that it names are not fetched: {out / path}: cannot be read")


def test_room_is_asked_for_the_stimuli_too_once_events_name_them(served, monkeypatch):
    dataset, out, _, fetch = served
    rewritten(dataset, STIMULUS, b"a" * 50_000)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage(60_000))
    with pytest.raises(CorpusError, match="GiB free, expected .* for what is asked and not there yet"):
        fetch()
    assert STIMULUS not in fetched(out)
    assert not any(path.endswith(".bdf.gz") for path in fetched(out))


@pytest.mark.parametrize("path", ["../sub-009/x_events.tsv", "sub-001/../../out-of-it", "/tmp/absolute.tsv"])
def test_a_listed_file_that_leads_out_of_the_folder_is_refused(served, path):
    dataset, out, _, fetch = served
    manifest = dataset / "manifest.json"
    files = json.loads(manifest.read_text())["files"]
    files.append({**files[0], "path": path})
    manifest.write_text(json.dumps({"files": files}))
    with pytest.raises(CorpusError, match="Unsafe manifest path"):
        fetch()
    assert not (out.parent / "out-of-it").exists()
