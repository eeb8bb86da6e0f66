"""What `harness doctor` says of machines unlike this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.execution import diagnosis, isolation
from harness.execution.diagnosis import (
    Finding,
    Machine,
    described,
    explained,
    findings,
    notes,
    text,
    this_machine,
)
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, Means

BARE = Machine(("ubuntu", "debian"), "", False, {})
FAILED = Means(BUBBLEWRAP, False, "bwrap: setting up uid map: Permission denied")
WORKS = Means(LANDLOCK, True, "version 4, with seccomp")


def lines(means, machine, installed=True):
    return text([explained(means, machine, installed), explained(WORKS, machine, True)]).splitlines()


def test_not_installed():
    found = lines(FAILED, BARE, installed=False)
    assert found[:4] == [
        "Predictors run in landlock.",
        "  no   bubblewrap: the program bwrap is not installed",
        "         sudo apt-get install bubblewrap",
        "         # without root: a bwrap that you built, first on PATH, works as well",
    ]
    assert found[4] == "  yes  landlock: version 4, with seccomp"


@pytest.mark.parametrize(
    ("systems", "command"),
    [
        (("fedora",), "sudo dnf install bubblewrap"),
        (("rocky", "rhel", "centos", "fedora"), "sudo dnf install bubblewrap"),
        (("opensuse-leap", "suse", "opensuse"), "sudo zypper install bubblewrap"),
        (("arch",), "sudo pacman -S bubblewrap"),
    ],
)
def test_every_distribution_has_its_own_command(systems, command):
    finding = explained(FAILED, Machine(systems, "", False, {}), installed=False)
    assert finding.commands[0] == command


def test_apparmor_of_ubuntu():
    found = lines(FAILED, Machine(("ubuntu", "debian"), "", False, {"apparmor": "1"}))
    assert found[1:5] == [
        "  no   bubblewrap: AppArmor keeps programs without a profile from making user name spaces"
        " (Ubuntu 23.10 and later)",
        "         printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap"
        " flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/bwrap",
        "         sudo systemctl reload apparmor",
        "         # Without root: ask whoever runs the machine; until then Landlock does.",
    ]


def test_a_container():
    found = lines(FAILED, Machine(("debian",), "Docker", True, {}))
    assert found[1:3] == [
        "  no   bubblewrap: Docker keeps programs from making name spaces"
        " (bwrap: setting up uid map: Permission denied)",
        "         docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
        " --security-opt systempaths=unconfined …",
    ]


@pytest.mark.parametrize(
    ("settings", "why", "command"),
    [
        (
            {"clone": "0"},
            "this kernel keeps users from making name spaces",
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        ),
        (
            {"most": "0"},
            "this kernel allows no user name spaces",
            "sudo sysctl user.max_user_namespaces=15000",
        ),
    ],
)
def test_a_kernel_or_a_cluster_that_allows_no_name_spaces(settings, why, command):
    assert explained(FAILED, Machine(("rhel",), "", False, settings), installed=True) == Finding(
        FAILED, why, (command, "# Without root: ask whoever runs the machine; until then Landlock does.")
    )


def test_one_command_installs_it_where_two_would_do():
    """Rocky is like RHEL and like Fedora."""
    machine = Machine(("rocky", "rhel", "centos", "fedora"), "", False, {})
    assert explained(FAILED, machine, installed=False).commands == (
        "sudo dnf install bubblewrap",
        "# without root: a bwrap that you built, first on PATH, works as well",
    )


def test_what_works_needs_no_reason_and_no_command():
    works = Means(BUBBLEWRAP, True, "bubblewrap 0.9.0")
    assert explained(works, BARE, True) == Finding(works, "", ())


@pytest.mark.parametrize(
    ("container", "command"),
    [
        ("", "# Linux 5.13 or newer with landlock in its list of security modules: lsm=landlock,… at boot"),
        ("Podman", "# a newer Podman: its filter of system calls must let Landlock pass"),
    ],
)
def test_why_there_is_no_landlock(container, command):
    """Its program is the kernel: none is asked for."""
    refused = Means(LANDLOCK, False, "Linux 4.18 does not offer Landlock")
    assert explained(refused, Machine(("debian",), container, False, {}), False) == Finding(
        refused, "Linux 4.18 does not offer Landlock", (command,)
    )


def test_an_unknown_reason_is_quoted():
    finding = explained(Means(BUBBLEWRAP, False, "bwrap: odd"), BARE, installed=True)
    assert (finding.why, finding.commands) == ("bwrap: odd", ())


def test_nothing_works():
    no_landlock = explained(Means(LANDLOCK, False, "Linux 4.18 does not offer Landlock"), BARE, True)
    found = text([explained(FAILED, BARE, True), no_landlock]).splitlines()
    assert found == [
        "No isolation works here: strangers' code is refused (your own runs with --no-isolation).",
        "  no   bubblewrap: bwrap: setting up uid map: Permission denied",
        "  no   landlock: Linux 4.18 does not offer Landlock",
        "         # Linux 5.13 or newer with landlock in its list of security modules: lsm=landlock,… at boot",
    ]
    assert described([no_landlock])["isolation"] is None


def test_doctor_says_what_a_run_would_use(harness):
    working = [tried.name for tried in (isolation.bubblewrap(), isolation.landlocked()) if tried.works]
    code, out, err = harness("doctor", "--json")
    document = json.loads(out)
    assert (code, err) == (0 if working else 1, "")
    assert document["isolation"] == (working[0] if working else None)
    assert [means["name"] for means in document["means"]] == [BUBBLEWRAP, LANDLOCK]
    assert harness("doctor")[1].splitlines()[0] == (
        f"Predictors run in {working[0]}."
        if working
        else "No isolation works here: strangers' code is refused (your own runs with --no-isolation)."
    )


def test_doctor_fails_where_nothing_works(harness, monkeypatch):
    for function, name in (("bubblewrap", BUBBLEWRAP), ("landlocked", LANDLOCK)):
        monkeypatch.setattr(isolation, function, lambda name=name: Means(name, False, "off"))
    assert harness("doctor")[0] == 1


@pytest.fixture
def means(monkeypatch):
    """Say what each means answers here, and whether bwrap is there."""

    def say(bubblewrap, landlocked, program):
        monkeypatch.setattr(isolation, "bubblewrap", lambda: bubblewrap)
        monkeypatch.setattr(isolation, "landlocked", lambda: landlocked)
        monkeypatch.setattr(isolation, "bubblewrap_program", lambda: program)

    return say


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "the program bwrap is not installed"),
        ("/usr/bin/bwrap", "bwrap: setting up uid map: Permission denied"),
    ],
)
def test_both_means_are_asked_and_whether_bwrap_is_there(means, program, why):
    means(FAILED, WORKS, program)
    found = findings(BARE)
    assert [(one.means, one.why) for one in found] == [(FAILED, why), (WORKS, "")]


def test_findings_as_plain_values(monkeypatch):
    monkeypatch.setattr(diagnosis, "landlock_version", lambda: 6)
    monkeypatch.setattr(diagnosis, "gpu_devices", lambda: ())
    found = [explained(FAILED, BARE, False), explained(WORKS, BARE, True)]
    assert described(found) == {
        "isolation": "landlock",
        "means": [
            {
                "name": "bubblewrap",
                "works": False,
                "detail": "bwrap: setting up uid map: Permission denied",
                "why_not": "the program bwrap is not installed",
                "commands": [
                    "sudo apt-get install bubblewrap",
                    "# without root: a bwrap that you built, first on PATH, works as well",
                ],
            },
            {
                "name": "landlock",
                "works": True,
                "detail": "version 4, with seccomp",
                "why_not": None,
                "commands": [],
            },
        ],
        "notes": [LOCKS],
    }
    assert text(found).splitlines()[-1] == LOCKS


LOCKS = "Landlock: no locks between processes (/dev/shm is everybody's); see SECURITY.md."
SIGNALS = "This kernel's Landlock does not know signals: predictors may send none at all."
OWN_USERS = "As root: every worker gets a user of its own."


def processors(number, named):
    return (
        f"Graphics processors: predictors are handed {number} device files ({named}), and memory shared without a"
        " file, which their drivers need and no limit counts. CUDA_VISIBLE_DEVICES= (or HIP_VISIBLE_DEVICES=)"
        " hides them."
    )


@pytest.mark.parametrize(
    ("used", "version", "user", "n_devices", "said"),
    [
        (LANDLOCK, 5, 0, 0, [LOCKS, SIGNALS]),
        (LANDLOCK, 6, 0, 0, [LOCKS]),
        (LANDLOCK, 7, 1000, 3, [LOCKS, processors(3, "/dev/nvidia0, /dev/nvidia1, /dev/nvidia2")]),
        (BUBBLEWRAP, 5, 0, 0, [OWN_USERS]),
        (BUBBLEWRAP, 5, 1, 0, []),
        (
            BUBBLEWRAP,
            5,
            1000,
            5,
            [processors(5, "/dev/nvidia0, /dev/nvidia1, /dev/nvidia2 and 2 more")],
        ),
        (None, 5, 0, 5, []),
    ],
)
def test_what_else_there_is_to_know(monkeypatch, used, version, user, n_devices, said):
    devices = tuple(Path(f"/dev/nvidia{number}") for number in range(n_devices))
    monkeypatch.setattr(diagnosis, "landlock_version", lambda: version)
    monkeypatch.setattr(diagnosis.os, "geteuid", lambda: user)
    monkeypatch.setattr(diagnosis, "gpu_devices", lambda: devices)
    assert notes(used) == said


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Make another machine's files, and ask what is found there."""

    def make(files, release, user=1000):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        monkeypatch.setattr(diagnosis, "Path", lambda name: Path(f"{tmp_path}{name}"))
        monkeypatch.setattr(diagnosis.platform, "freedesktop_os_release", release)
        monkeypatch.setattr(diagnosis.os, "geteuid", lambda: user)
        return this_machine()

    return make


def test_a_machine_is_read_from_its_files(machine):
    files = {
        "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
        "proc/sys/kernel/unprivileged_userns_clone": "0\n",
        "proc/sys/user/max_user_namespaces": "15000\n",
        "run/.containerenv": "",
    }
    assert machine(files, lambda: {"ID": "rocky", "ID_LIKE": "rhel centos fedora"}) == Machine(
        ("rocky", "rhel", "centos", "fedora"),
        "Podman",
        False,
        {"apparmor": "1", "clone": "0", "most": "15000"},
    )


@pytest.mark.parametrize(
    ("file", "container"),
    [(".dockerenv", "Docker"), ("run/.containerenv", "Podman"), (".singularity.d/x", "Apptainer"), ("x", "")],
)
def test_kinds_of_containers_are_known_by_a_file(machine, file, container):
    assert machine({file: ""}, lambda: {"ID": "arch"}) == Machine(("arch",), container, False, {})


@pytest.mark.parametrize(("user", "root"), [(0, True), (1, False)])
def test_a_machine_without_a_release_file_and_without_settings(machine, user, root):
    def none_there():
        raise OSError

    assert machine({}, none_there, user) == Machine(("",), "", root, {})
