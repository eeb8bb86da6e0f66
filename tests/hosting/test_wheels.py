"""Wheels made of what is installed, and what is refused."""

import io
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest

import harness
from harness.errors import HostingError
from harness.hosting import wheels as made
from harness.hosting.wheels import NEEDED, installed_wheel, own_wheel, wheels_of


def test_installed_package_becomes_the_same_wheel_twice_and_pip_takes_it(tmp_path):
    name, data = installed_wheel("referencing")
    assert (name, data) == installed_wheel("referencing")
    assert name == f"referencing-{metadata.version('referencing')}-py3-none-any.whl"
    (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
    subprocess.run([*command, tmp_path / "there", tmp_path / name], check=True, capture_output=True)
    assert (tmp_path / "there/referencing/__init__.py").is_file()


def test_own_wheel_is_this_version_with_splits_and_schemas_and_nothing_secret():
    names = zipfile.ZipFile(io.BytesIO(own_wheel())).namelist()
    assert f"eeg_speech_harness-{harness.__version__}.dist-info/METADATA" in names
    assert "harness/shipped/splits/held-out-subjects.json" in names
    assert "harness/schemas/score-record.json" in names
    assert not [name for name in names if "__pycache__" in name or "baselines" in name]
    assert own_wheel() == own_wheel()


def installed(tmp_path, monkeypatch, tag="py3-none-any", changed=False):
    """A package of one file, as pip would have installed it."""
    info = tmp_path / "tiny-1.0.dist-info"
    info.mkdir()
    (tmp_path / "tiny.py").write_text("x = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    (info / "RECORD").write_text(
        f"tiny.py,{made._digest(b'x = 1' + bytes([10]))},6\ntiny-1.0.dist-info/METADATA,,\n"
        "tiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n../../bin/tiny,,\n"
    )
    if changed:
        (tmp_path / "tiny.py").write_text("x = 2\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_package_that_was_changed_since_is_refused(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch, changed=True)
    with pytest.raises(
        HostingError, match=r"(?s)tiny: tiny.py: changed since, expected the file .*pip download"
    ):
        installed_wheel("tiny")


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_17_aarch64"])
def test_package_that_was_built_for_another_machine_is_refused(tmp_path, monkeypatch, tag):
    installed(tmp_path, monkeypatch, tag=tag)
    with pytest.raises(HostingError, match=r"(?s)tiny: built for .*--wheels WHEELS"):
        installed_wheel("tiny")


def test_missing_packages_are_all_named_with_what_to_do():
    with pytest.raises(HostingError) as error:
        made.installed_wheels(("no-such-one", "no-such-two"))
    said = str(error.value)
    assert "no-such-one: not installed" in said
    assert "no-such-two: not installed" in said
    assert "pip download --no-deps --only-binary=:all:" in said
    assert f"numpy=={metadata.version('numpy')}" in said


def test_folder_of_wheels_is_taken_and_every_gap_in_it_named(tmp_path):
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for name in NEEDED:
        binary = name in ("msgspec", "numpy", "orjson", "psutil", "rpds-py", "scipy")
        tag = f"{own}-{own}-manylinux_2_28_x86_64" if binary else "py3-none-any"
        (tmp_path / f"{name.replace('-', '_')}-1.0-{tag}.whl").write_bytes(name.encode())
    assert sorted(wheels_of(tmp_path).values()) == sorted(name.encode() for name in NEEDED)
    (tmp_path / f"numpy-1.0-{own}-{own}-manylinux_2_28_x86_64.whl").unlink()
    (tmp_path / "numpy-1.0-cp39-cp39-manylinux_2_28_x86_64.whl").write_bytes(b"")
    (tmp_path / f"scipy-2.0-{own}-{own}-manylinux_2_28_x86_64.whl").write_bytes(b"")
    with pytest.raises(HostingError) as error:
        wheels_of(tmp_path)
    assert "numpy: no wheel" in str(error.value)
    assert "scipy: 2 wheels" in str(error.value)
    with pytest.raises(HostingError, match="no such folder"):
        wheels_of(tmp_path / "nowhere")
