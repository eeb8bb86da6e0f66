"""uv.lock: of this pyproject.toml, and of the versions that the tests run with."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import REPOSITORY
from uv import find_uv_bin

LOCK = tomllib.loads((REPOSITORY / "uv.lock").read_text())
# Constraints that the lock does not have: of packages that its systems (Linux) do not need, and of pillow, of
# which the extra trackio takes none from 13 on.
NOT_LOCKED = {"pyee", "tzdata", "pillow"}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def check(folder, tmp_path):
    """What `uv lock --check` says without a network, and with nothing in its cache."""
    return subprocess.run(
        [
            find_uv_bin(),
            "lock",
            "--check",
            "--offline",
            "--cache-dir",
            tmp_path / "cache",
            "--python",
            sys.executable,
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def copied(tmp_path):
    """What the lock is made of, in a folder of its own."""
    folder = tmp_path / "copy"
    (folder / "harness").mkdir(parents=True)
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "harness/__init__.py"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    return folder


def test_the_lock_is_of_this_project(copied, tmp_path):
    done = check(copied, tmp_path)
    assert done.returncode == 0, done.stderr + "Run make lock."


def test_a_lock_of_another_dependency_is_found(copied, tmp_path):
    project = copied / "pyproject.toml"
    project.write_text(project.read_text().replace('"numpy>=1.26"', '"numpy>=1.27"'))
    assert check(copied, tmp_path).returncode != 0


def test_its_versions_are_those_of_the_constraints():
    locked = {}
    for package in LOCK["package"]:
        locked.setdefault(canonical(package["name"]), set()).add(package.get("version"))
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.M))
    assert len(pinned) > 150
    wrong = {
        name: (version, locked.get(canonical(name)))
        for name, version in pinned.items()
        if name not in NOT_LOCKED and locked.get(canonical(name)) != {version}
    }
    assert wrong == {}


def test_every_file_has_its_hash_and_every_declared_python_has_wheels():
    files = [
        file
        for package in LOCK["package"]
        for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ()))
    ]
    assert len(files) > 1000
    assert [file["url"] for file in files if not file["hash"].startswith("sha256:")] == []
    (torch,) = (package for package in LOCK["package"] if package["name"] == "torch")
    for minor in (11, 12, 13, 14):
        assert any(f"-cp3{minor}-" in file["url"] for file in torch["wheels"]), minor
