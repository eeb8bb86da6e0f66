"""What this machine offers to keep a predictor apart, why not more, and what would change that."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.errors import shorten
from harness.execution import isolation
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, Means, gpu_devices
from harness.execution.landlock import SIGNALS_SINCE
from harness.execution.landlock import version as landlock_version

_SETTINGS = {
    "apparmor": "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "clone": "/proc/sys/kernel/unprivileged_userns_clone",
    "most": "/proc/sys/user/max_user_namespaces",
}
_CONTAINER_FILES = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman", "/.singularity.d": "Apptainer"}
_INSTALL = {
    "debian": "sudo apt-get install bubblewrap",
    "fedora": "sudo dnf install bubblewrap",
    "rhel": "sudo dnf install bubblewrap",
    "suse": "sudo zypper install bubblewrap",
    "arch": "sudo pacman -S bubblewrap",
    "alpine": "sudo apk add bubblewrap",
}
_PROFILE = r"""printf 'abi <abi/4.0>,\ninclude <tunables/global>\nprofile bwrap /usr/bin/bwrap flags=(unconfined) {\n  userns,\n}\n' | sudo tee /etc/apparmor.d/bwrap"""  # noqa: E501 - a command to be copied
_WITHOUT_ROOT = "Without root: ask whoever runs the machine; until then Landlock does."


@dataclass(frozen=True)
class Machine:
    """What decides which means work.

    Attributes:
        systems: names of the distribution and of those it is like, such as ubuntu and debian.
        container: the kind of container this is; empty for none.
        root: whether this is root.
        settings: of the kernel, as `_SETTINGS` names them; absent where the kernel has no such setting.
    """

    systems: tuple[str, ...]
    container: str
    root: bool
    settings: Mapping[str, str]


class Finding(NamedTuple):
    """One means of isolation, and how to get it.

    Attributes:
        means: as it was tried.
        why: in words; empty where it works.
        commands: that would enable it, one of them or in turn; comments begin with #.
    """

    means: Means
    why: str
    commands: tuple[str, ...]


def this_machine() -> Machine:
    """The machine that this runs on."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    container = next((kind for file, kind in _CONTAINER_FILES.items() if Path(file).exists()), "")
    settings = {}
    for name, file in _SETTINGS.items():
        if Path(file).is_file():
            settings[name] = Path(file).read_text().strip()
    systems = (release.get("ID", ""), *release.get("ID_LIKE", "").split())
    return Machine(systems, container, os.geteuid() == 0, settings)


def findings(machine: Machine) -> list[Finding]:
    """Every means, the strongest first, and why it does not work where it does not."""
    return [
        explained(isolation.bubblewrap(), machine, isolation.bubblewrap_program() is not None),
        explained(isolation.landlocked(), machine, True),
    ]


def explained(means: Means, machine: Machine, installed: bool) -> Finding:
    """Say why a means does not work, and what would enable it.

    Args:
        means: as it was tried.
        machine: on which.
        installed: whether its program is there.
    """
    if means.works:
        return Finding(means, "", ())
    if means.name == LANDLOCK:
        return Finding(means, means.detail, _for_landlock(machine))
    if not installed:
        known = [_INSTALL[system] for system in machine.systems if system in _INSTALL]
        commands = (*known[:1], "# without root: a bwrap that you built, first on PATH, works as well")
        return Finding(means, "the program bwrap is not installed", commands)
    if machine.container:
        allowed = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
        why = f"{machine.container} keeps programs from making name spaces ({means.detail})"
        return Finding(means, why, (f"docker run {allowed} --security-opt systempaths=unconfined …",))
    if machine.settings.get("apparmor") == "1" and not machine.root:
        why = (
            "AppArmor keeps programs without a profile from making user name spaces (Ubuntu 23.10 and later)"
        )
        return Finding(means, why, (_PROFILE, "sudo systemctl reload apparmor", f"# {_WITHOUT_ROOT}"))
    if machine.settings.get("clone") == "0" and not machine.root:
        why = "this kernel keeps users from making name spaces"
        return Finding(means, why, ("sudo sysctl kernel.unprivileged_userns_clone=1", f"# {_WITHOUT_ROOT}"))
    if machine.settings.get("most") == "0":
        why = "this kernel allows no user name spaces"
        return Finding(means, why, ("sudo sysctl user.max_user_namespaces=15000", f"# {_WITHOUT_ROOT}"))
    return Finding(means, means.detail, ())


def described(found: Sequence[Finding]) -> dict[str, object]:
    """The findings as plain values, for ``harness doctor --json``."""
    means = [
        {**finding.means._asdict(), "why_not": finding.why or None, "commands": list(finding.commands)}
        for finding in found
    ]
    return {"isolation": strongest(found), "means": means, "notes": notes(strongest(found))}


def text(found: Sequence[Finding]) -> str:
    """The findings for a person."""
    used = strongest(found)
    refused = "No isolation works here: strangers' code is refused (your own runs with --no-isolation)."
    lines = [refused if used is None else f"Predictors run in {used}."]
    for finding in found:
        works = "yes" if finding.means.works else "no "
        lines.append(f"  {works}  {finding.means.name}: {finding.why or finding.means.detail}")
        lines += [f"         {command}" for command in finding.commands]
    return "\n".join([*lines, *notes(used)])


def strongest(found: Sequence[Finding]) -> str | None:
    """The name of the first means that works; None where none does."""
    return next((finding.means.name for finding in found if finding.means.works), None)


def notes(used: str | None) -> list[str]:
    """What else there is to know about the means in use."""
    said = []
    if used == LANDLOCK:
        said.append("Landlock: no locks between processes (/dev/shm is everybody's); see SECURITY.md.")
        if landlock_version() < SIGNALS_SINCE:
            said.append("This kernel's Landlock does not know signals: predictors may send none at all.")
    if used == BUBBLEWRAP and os.geteuid() == 0:
        said.append("As root: every worker gets a user of its own.")
    if used is not None and (devices := gpu_devices()):
        said.append(
            f"Graphics processors: predictors are handed {len(devices)} device files"
            f" ({shorten([str(path) for path in devices], 3)}), and memory shared without a file, which their"
            " drivers need and no limit counts. CUDA_VISIBLE_DEVICES= (or HIP_VISIBLE_DEVICES=) hides them."
        )
    return said


def _for_landlock(machine: Machine) -> tuple[str, ...]:
    if machine.container:
        return (f"# a newer {machine.container}: its filter of system calls must let Landlock pass",)
    return ("# Linux 5.13 or newer with landlock in its list of security modules: lsm=landlock,… at boot",)
