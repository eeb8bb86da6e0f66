"""Every hostile package: what the organiser sees, that nothing is stolen, lost or left, and what comes next."""

from __future__ import annotations

import re

import pytest
from conftest import REPOSITORY

from harness.errors import HarnessError
from redteam.attacks import ATTACKS
from redteam.redteam_world import HONEST, SECRET, processes_in

SECURITY = REPOSITORY / "SECURITY.md"
LEAST = 36  # as many as the threat model names; there are more


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= LEAST


def test_the_threat_model_counts_them():
    (said,) = re.findall(r"`tests/redteam/` holds (\d+) hostile packages", SECURITY.read_text())
    assert int(said) == len(ATTACKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_stolen_lost_or_left(name, package, score, world, worth):
    attack = ATTACKS[name]
    hostile = package(attack)
    before = world.state()
    try:
        record, said = score(hostile, **attack.run)
    except HarnessError as error:
        record, said = None, str(error)

    if record is not None:
        assert attack.prints
        assert re.fullmatch(attack.prints, said), said
    else:
        assert attack.fails
        assert re.search(attack.fails, said), said
    assert SECRET not in said
    assert world.heard() == []
    assert world.state() == before  # labels and all else outside, and an empty temporary folder
    assert processes_in(world.folder / "scratch") == []
    # The next submission scores as before; and so does this one, which predicts what the honest one does.
    next_record = score(package(HONEST, "honest"))[0] if record is None else record
    assert next_record.subjects == worth
