"""A server on this machine that answers huggingface-hub as the hub does, with the hub's refusals and faults."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_" + "a" * 34  # what the server takes for a token
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub:
    """Model repositories that are served.

    Attributes:
        endpoint: address, for HF_ENDPOINT.
        asked: method and path of every request, in order.
        ranges: headers Range of the requests for files that had one.
        private: repositories that are shown to who has the token only.
        gated: repositories whose owners ask for consent.
        said: repository -> entries of its list of files that are not there, name -> size.
        cut: names of files whose first download ends in the middle.
        broken: status that everything is answered with; None for none.
    """

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.asked, self.ranges = [], []
        self.private, self.gated = set(), set()
        self.said, self.cut = {}, set()
        self.broken = None
        self._files, self._names = {}, {}

    def add(self, repository, folder, *, revision="main"):
        """Put a folder's files into a repository as its newest commit, and give the commit.

        The hub adds a .gitattributes of its own, and so does this.
        """
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        files.setdefault(".gitattributes", b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
        whole = hashlib.sha1(repository.encode())
        for name, data in sorted(files.items()):
            whole.update(f"\0{name}\0".encode() + hashlib.sha1(data).digest())
        commit = whole.hexdigest()
        self._files[repository, commit] = files
        names = self._names.setdefault(repository, {})
        names.update({revision: commit, commit: commit})
        return commit

    def answer(self, path, query, headers):
        """Status, headers and body of a GET."""
        if self.broken is not None:
            return self.broken, {}, b"{}"
        api, file = _API.fullmatch(path), _FILE.fullmatch(path)
        if not (api or file):
            return 404, {}, b"{}"
        if api:
            repository, what, revision = api[1], api[2], unquote(api[3] or "main")
        else:
            repository, what, revision = file[1], "file", unquote(file[2])
        known = headers.get("authorization") == f"Bearer {TOKEN}"
        if repository not in self._names or (repository in self.private and not known):
            # The hub does not tell a private repository from one that there is not.
            return 404 if known else 401, _refused("RepoNotFound", "Repository not found"), b"{}"
        if repository in self.gated and what == "file":
            return 403 if known else 401, _refused("GatedRepo", "Access is restricted"), b"{}"
        commit = self._names[repository].get(revision)
        if commit is None:
            return 404, _refused("RevisionNotFound", f"Invalid rev id: {revision}"), b"{}"
        files = self._files[repository, commit]
        if what == "file":
            return self._file(unquote(file[3]), files, commit)
        sizes = {name: len(data) for name, data in files.items()} | self.said.get(repository, {})
        if what == "tree":
            entries = [_tree_entry(name, size, files) for name, size in sorted(sizes.items())]
            return 200, _JSON, json.dumps(entries).encode()
        with_sizes = query.get("blobs") in (["True"], ["true"], ["1"])
        siblings = [
            {"rfilename": name}
            | ({"size": size, "blobId": _etag(files.get(name, b""))} if with_sizes else {})
            for name, size in sorted(sizes.items())
        ]
        about = {
            "_id": "0" * 24,
            "id": repository,
            "modelId": repository,
            "sha": commit,
            "private": repository in self.private,
            "gated": "manual" if repository in self.gated else False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }
        return 200, _JSON, json.dumps(about).encode()

    def _file(self, name, files, commit):
        if name not in files:
            return 404, _refused("EntryNotFound", f"Entry not found: {name}"), b""
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_etag(files[name])}"', "Accept-Ranges": "bytes"}
        return 200, headers, files[name]


_JSON = {"Content-Type": "application/json"}


def _refused(code, message):
    return {"X-Error-Code": code, "X-Error-Message": message}


def _etag(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _tree_entry(name, size, files):
    return {"type": "file", "path": name, "size": size, "oid": _etag(files.get(name, b""))}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._respond(with_body=False)

    def do_GET(self):
        self._respond(with_body=True)

    def log_message(self, *_arguments):
        """Say nothing."""

    def _respond(self, *, with_body):
        hub, asked = self.server.hub, urlsplit(self.path)
        hub.asked.append((self.command, asked.path))
        status, headers, body = hub.answer(asked.path, parse_qs(asked.query), self.headers)
        whole = len(body)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if status == 200 and "ETag" in headers and wanted:
            if with_body:
                hub.ranges.append(wanted[0])
            first, last = int(wanted[1]), int(wanted[2] or whole - 1)
            status, body = 206, body[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{last}/{whole}"
        name = asked.path.rsplit("/", 1)[-1]
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        if name in hub.cut and "ETag" in headers:
            hub.cut.discard(name)
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def hub():
    """A hub that serves what a test adds; see :class:`Hub`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hub_environment(hub, tmp_path):
    """Variables by which a process asks that hub, with caches of its own and no token of the user."""
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "",
    }
