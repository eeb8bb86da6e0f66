"""Wheels of this kit and of what it scores predictions with, for machines without a network.

They are made of what is installed here, file by file as the installers recorded it, so that the platform
computes with the versions that this machine computes with. What was built for this machine only, or changed
since, is refused: then the wheels come from a folder (``--wheels``).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

import harness
from harness.errors import Fault, HostingError, raise_all
from harness.files import read_regular
from harness.hosting.archive import zip_bytes
from harness.shipped import shipped_folder

# What is imported when predictions are scored; a test scores with these and nothing else.
NEEDED = (
    "attrs",
    "jsonschema",
    "jsonschema-specifications",
    "msgspec",
    "numpy",
    "orjson",
    "platformdirs",
    "psutil",
    "referencing",
    "rpds-py",
    "scipy",
    "typing-extensions",
)
MACHINE = "x86_64"
"""Of the platforms' workers."""
_MOST_WHEEL_BYTES = 1 << 30
_NOT_PACKED = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}
_PORTABLE = re.compile(rf"any|manylinux\w*_{MACHINE}", re.ASCII)
_OWN = "eeg_speech_harness"


def python_needed() -> str:
    """The Python that the wheels are for, as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def wheels(folder: Path | None = None) -> Mapping[str, bytes]:
    """File name -> wheel, of this kit and of everything in ``NEEDED``.

    Args:
        folder: where wheels lie that others made; None to make them of what is installed.

    Raises:
        HostingError: a package is missing, changed, or not for the platforms' machines.
    """
    own = {f"{_OWN}-{harness.__version__}-py3-none-any.whl": own_wheel()}
    return {**own, **(installed_wheels() if folder is None else wheels_of(folder))}


@functools.cache
def installed_wheels(names: tuple[str, ...] = NEEDED) -> Mapping[str, bytes]:
    """Wheels of packages that are installed here."""
    made: dict[str, bytes] = {}
    faults: list[Fault] = []
    if platform.machine() != MACHINE:
        where = "the packages that are installed here"
        faults.append(Fault(where, f"for {platform.machine()}", f"for {MACHINE}", _remedy()))
        raise HostingError(*faults)
    for name in names:
        try:
            file, data = installed_wheel(name)
        except HostingError as error:
            faults += error.faults
        else:
            made[file] = data
    raise_all(HostingError, faults)
    return made


def installed_wheel(name: str) -> tuple[str, bytes]:
    """A package that is installed here as a wheel: its file name, and its bytes.

    Raises:
        HostingError: not installed, not from a wheel, changed since, or built for this machine only.
    """
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise HostingError(Fault(name, "not installed", "what scoring needs", _remedy())) from None
    tags = re.findall(r"^Tag: (\S+?)-(\S+?)-(\S+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    if not tags or found.files is None:
        expected = "a package that pip installed from a wheel"
        raise HostingError(Fault(name, "no list of its files and tags", expected, _remedy()))
    if not all(_PORTABLE.fullmatch(tag[2]) for tag in tags):
        arrived = f"built for {tags[0][2]}"
        raise HostingError(Fault(name, arrived, f"for any {MACHINE} Linux (manylinux)", _remedy()))
    files: dict[str, bytes] = {}
    for entry in sorted(found.files, key=str):
        path = PurePosixPath(str(entry))
        if ".." in path.parts or "__pycache__" in path.parts or path.suffix == ".pyc":
            continue
        if path.parent.suffix == ".dist-info" and path.name in _NOT_PACKED:
            continue
        try:
            data = Path(str(found.locate_file(entry))).read_bytes()
        except OSError as error:
            arrived = f"cannot be read: {error.strerror}"
            raise HostingError(Fault(f"{name}: {path}", arrived, "", _remedy())) from None
        if entry.hash is not None and _digest(data) != f"{entry.hash.mode}={entry.hash.value}":
            expected = "the file that was installed"
            raise HostingError(Fault(f"{name}: {path}", "changed since", expected, _remedy()))
        files[str(path)] = data
    info = next(name for name in files if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
    python, abi, place = (".".join(sorted({tag[part] for tag in tags})) for part in range(3))
    return f"{info.removesuffix('.dist-info')}-{python}-{abi}-{place}.whl", _wheel(files, info)


def own_wheel() -> bytes:
    """This kit as a wheel, without its baselines: modules, schemas and splits."""
    package = Path(harness.__file__).parent
    files: dict[str, bytes] = {}
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_file() and "__pycache__" not in inside.parts and inside.parts[0] != "shipped":
            files[f"harness/{inside.as_posix()}"] = path.read_bytes()
    for path in sorted(shipped_folder("splits").glob("*.json")):
        files[f"harness/shipped/splits/{path.name}"] = path.read_bytes()
    info = f"{_OWN}-{harness.__version__}.dist-info"
    said = f"Metadata-Version: 2.1\nName: eeg-speech-harness\nVersion: {harness.__version__}\n"
    files[f"{info}/METADATA"] = said.encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: harness\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    return _wheel(files, info)


def wheels_of(folder: Path) -> Mapping[str, bytes]:
    """The wheels of ``NEEDED`` that lie in a folder.

    Raises:
        HostingError: no such folder, or not one wheel of each package for this Python and the platforms.
    """
    if not folder.is_dir():
        raise HostingError(Fault(f"--wheels {folder}", "no such folder", "a folder of wheels", _remedy()))
    own = f"cp{python_needed().replace('.', '')}"
    made: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name in NEEDED:
        found = []
        for path in sorted(folder.glob("*.whl")):
            parts = path.stem.split("-")
            if len(parts) < 5 or re.sub(r"[-_.]+", "-", parts[0]).lower() != name:
                continue
            python, abi, place = (part.split(".") for part in parts[-3:])
            if any(_PORTABLE.fullmatch(one) for one in place) and _is_for(own, python, abi):
                found.append(path)
        if len(found) != 1:
            arrived = f"{len(found)} wheels for {own} and {MACHINE}" if found else "no wheel"
            expected = f"one for {own} and {MACHINE} Linux"
            faults.append(Fault(f"--wheels {folder}: {name}", arrived, expected, _remedy(str(folder))))
            continue
        try:
            made[found[0].name] = read_regular(found[0], _MOST_WHEEL_BYTES)
        except OSError as error:
            faults.append(Fault(str(found[0]), error.strerror or "cannot be read", "a wheel"))
    raise_all(HostingError, faults)
    return made


def _is_for(own: str, python: list[str], abi: list[str]) -> bool:
    return (
        "py3" in python or own in python or ("abi3" in abi and any(one.startswith("cp3") for one in python))
    )


def _wheel(files: Mapping[str, bytes], info: str) -> bytes:
    lines = [f"{name},{_digest(data)},{len(data)}" for name, data in files.items()]
    record = f"{info}/RECORD"
    return zip_bytes({**files, record: ("\n".join([*lines, f"{record},,"]) + "\n").encode()})


def _digest(data: bytes) -> str:
    """As wheels write it."""
    digest = hashlib.sha256(data).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _remedy(folder: str = "WHEELS") -> str:
    """How to come by wheels, on a machine with a network."""
    pinned = []
    for name in NEEDED:
        try:
            pinned.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pinned.append(name)
    return (
        f"On a machine with a network: pip download --no-deps --only-binary=:all: --python-version"
        f" {python_needed()} --platform manylinux_2_28_{MACHINE} --platform manylinux2014_{MACHINE}"
        f" --dest {folder} {' '.join(pinned)}; then say --wheels {folder}."
    )
