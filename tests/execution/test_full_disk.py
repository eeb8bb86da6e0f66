"""A full disk, wherever it fills: a clear error, no stored record lost, nothing left in the temporary folder."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from repository_fixtures import OFFICIAL

# Of a temporary folder: from too small for the folder of a run to too small for the EEG of all batches.
SIZES_KIB = (4, 16, 32, 48, 96, 160, 320, 640)
ENOUGH_KIB = 64 * 1024


@pytest.fixture
def disk(tmp_path):
    """Mount a disk of a size in KiB; gives its folder."""
    mounted = []

    def mount(size_kib):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        options = f"size={size_kib}k,mode=1777"
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True
            )
        except OSError:
            pytest.skip("no program mount")
        if done.returncode:
            pytest.skip(f"no disk of a chosen size can be mounted: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def score(make_submission, small_split, tmp_path):
    """Score a system in a process of its own; gives exit code, stdout and stderr."""
    system = make_submission()

    def run(scratch, results, *options, packages=()):
        command = ["score", packages or system, "--data", OFFICIAL, "--split", small_split, "--out", results]
        return subprocess.run(
            [sys.executable, "-m", "harness", *map(str, command), *options],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
        )

    return run


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_full_temporary_folder_loses_no_record_and_is_named(disk, score, tmp_path):
    results, roomy = tmp_path / "results", disk(ENOUGH_KIB)
    done = score(roomy, results)
    assert done.returncode == 0, done.stderr
    assert list(roomy.iterdir()) == []
    (before,) = files(results).items()
    n_full = 0
    for size_kib in SIZES_KIB:
        scratch = disk(size_kib)
        done = score(scratch, results, "--replace")
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode == 0:
            assert json.loads(before[0].read_text())["score"] == json.loads(before[1])["score"]
            (before,) = files(results).items()
        else:
            n_full += 1
            assert done.returncode == 1
            assert re.search(
                rf"temporary folder {scratch}: no space left|the disk of {scratch} was nearly full",
                done.stderr,
            ), (size_kib, done.stderr)
            assert dict([before]) == files(results)
        assert list(scratch.iterdir()) == [], size_kib
    assert n_full >= 3
    assert score(roomy, results).returncode == 0


@pytest.mark.slow
def test_a_full_results_folder_keeps_the_record_that_is_there(disk, score):
    roomy, results = disk(ENOUGH_KIB), disk(64)
    done = score(roomy, results)
    assert done.returncode == 0, done.stderr
    (path,) = files(results)
    there = path.read_bytes()
    with (results / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1024))
        except OSError:
            pass
    done = score(roomy, results, "--replace")
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"error: {path}: No space left on device, expected a results folder that can be written.\n"
        "  The score stands; choose another folder with --out, or keep --json's output.\n"
    )
    assert path.read_bytes() == there
    assert sorted(files(results)) == sorted([path, results / "filler"])
