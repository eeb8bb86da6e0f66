"""Fixtures: a machine with secrets on it, an organiser who scores, and packages that are up to no good."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest
from documents import SMALL_SPLIT

from harness.evaluation.evaluate import evaluate
from harness.execution import Run, child, isolation
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from redteam.attacks import TEMPLATE
from redteam.redteam_world import HONEST, MANIFEST, SECRET, World


@pytest.fixture(params=[isolation.bubblewrap, isolation.landlocked], ids=["bubblewrap", "landlock"])
def means(request):
    """Each means of isolation that works here."""
    tried = request.param()
    if not tried.works:
        pytest.skip(f"{tried.name}: {tried.detail}")
    return tried.name


@pytest.fixture
def world(official_split, monkeypatch):
    # Not below pytest's folder, which only its owner may enter: the isolation alone protects this one.
    folder = Path(tempfile.mkdtemp(prefix="redteam-"))
    folder.chmod(0o777)
    (folder / "labels.txt").write_text(SECRET)
    (folder / "labels.txt").chmod(0o666)
    for name in ("outside", "scratch"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    abstract = f"redteam-{os.getpid()}"
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "scratch"))
    monkeypatch.setenv("HARNESS_LABELS", SECRET)
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.3)
    with ExitStack() as stack:
        tcp, udp, path, hidden = (
            stack.enter_context(socket.socket(family, kind))
            for family, kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
            )
        )
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        path.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        hidden.bind(f"\0{abstract}")
        for listener in (tcp, path, hidden):
            listener.listen()
        for listener in (tcp, udp, path, hidden):
            listener.setblocking(False)
        names = {
            "LABELS": str(folder / "labels.txt"),
            "CORPUS": str(official_split),
            "OUTSIDE": str(folder / "outside"),
            "SOCKET": str(folder / "socket"),
            "ABSTRACT": abstract,
            "PORT": str(tcp.getsockname()[1]),
            "HARNESS": str(os.getpid()),
        }
        yield World(folder, names, (tcp, udp, path, hidden))
    shutil.rmtree(folder)


@pytest.fixture
def package(world, tmp_path):
    """Write an attack as a package; gives its folder."""

    def write(attack, name="hostile"):
        folder = tmp_path / name
        return write_package(folder, attack, {**world.names, "PACKAGE": str(folder)})

    return write


def write_package(folder, attack, names):
    code = TEMPLATE.replace("@ATTACK@", textwrap.indent(attack.code, "    ").lstrip())
    files = {"submission.toml": MANIFEST, "predictor.py": code, **attack.files}
    for file, text in files.items():
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        for key, value in names.items():
            text = text.replace(f"@{key}@", value)
        (folder / file).write_text(text)
    return folder


@pytest.fixture(scope="session")
def task(official_split, tmp_path_factory):
    """Two-second segments of the official fixture's one test subject."""
    path = tmp_path_factory.mktemp("split") / "small-split.json"
    path.write_text(json.dumps(SMALL_SPLIT))
    return open_task(official_split, split_name=str(path))


@pytest.fixture(scope="session")
def worth(task, tmp_path_factory):
    """What each subject scores with the honest package, where nobody attacked anything."""
    folder = write_package(tmp_path_factory.mktemp("worth") / "honest", HONEST, {})
    return evaluate(load_submission(folder), task, Run()).subjects


@pytest.fixture
def score(task, means):
    """Score a package as an organiser does, in one batch; gives the record, and what the package printed."""

    def scored(folder, **allowed):
        printed = []
        record = evaluate(
            load_submission(folder),
            task,
            Run(isolation=means, surrogates=0, **allowed),
            lambda run: printed.append(run.output),
        )
        return record, printed[0]

    return scored
