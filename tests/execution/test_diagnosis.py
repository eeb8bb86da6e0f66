"""What `harness doctor` says of machines unlike this one."""

from __future__ import annotations

import json

import pytest

from harness.execution import isolation
from harness.execution.diagnosis import Machine, described, explained, text, this_machine
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
    ("settings", "command"),
    [
        ({"clone": "0"}, "sudo sysctl kernel.unprivileged_userns_clone=1"),
        ({"most": "0"}, "sudo sysctl user.max_user_namespaces=15000"),
    ],
)
def test_a_kernel_or_a_cluster_that_allows_no_name_spaces(settings, command):
    finding = explained(FAILED, Machine(("rhel",), "", False, settings), installed=True)
    assert finding.commands == (
        command,
        "# Without root: ask whoever runs the machine; until then Landlock does.",
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


def test_this_machine_is_described():
    machine = this_machine()
    assert machine.systems
    assert set(machine.settings) <= {"apparmor", "clone", "most"}
