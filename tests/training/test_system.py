"""`NetSystem`: the trainer that most packages use."""

import json
from dataclasses import dataclass, replace

import pytest
from torch import nn

from harness.errors import TrainingError
from harness.training.loop import as_built
from harness.training.recipe import Recipe
from harness.training.system import NetSystem


@dataclass(frozen=True)
class Config:
    n_bands: int = 1
    width: int = 3


@dataclass(frozen=True)
class TableConfig(Config):
    n_subjects: int = 71


class Net(nn.Linear):
    def __init__(self, config):
        super().__init__(64, config.n_bands)
        self.config = config


class TableNet(Net):
    pass


LONG, SHORT, OTHER = Recipe(epochs=9), Recipe(epochs=2), Recipe(epochs=3)
SYSTEM = NetSystem(
    nets={"plain": Net, "table": TableNet},
    configs={"plain": {"paper": Config(width=8), "compact": Config()}, "table": {"paper": TableConfig()}},
    recipes={"paper": LONG, "compact": SHORT},
    variant_recipes={"table": {"paper": OTHER}},
)


def test_recipes_by_preset_and_variant():
    assert SYSTEM.presets == ("paper", "compact")
    assert SYSTEM.recipe("paper", "plain") == (Config(width=8), LONG)
    assert SYSTEM.recipe("compact", "plain") == (Config(), SHORT)
    assert SYSTEM.recipe("paper", "table") == (TableConfig(), OTHER)
    for preset, variant in (("compact", "table"), ("papr", "plain"), ("paper", "none")):
        with pytest.raises(KeyError):
            SYSTEM.recipe(preset, variant)


def test_builds_the_variant_for_the_feature_and_the_subjects(make_setup):
    net = SYSTEM.build(Config(), make_setup(variant="plain"), ["sub-001"])
    assert (type(net), net.config) == (Net, Config(n_bands=10))
    net = SYSTEM.build(TableConfig(), make_setup(variant="table"), ["sub-004", "sub-009"])
    assert (type(net), net.config) == (TableNet, TableConfig(n_bands=10, n_subjects=2))


def test_the_record_has_the_sizes_that_the_run_decided(make_setup):
    net = SYSTEM.build(TableConfig(), make_setup(variant="table"), ["sub-004", "sub-009"])
    assert as_built(net, TableConfig()) == TableConfig(n_bands=10, n_subjects=2)
    net.config = {"n_bands": 10}  # of another kind: the net's own affair
    assert as_built(net, TableConfig()) == TableConfig()
    assert as_built(nn.Linear(2, 2), TableConfig()) == TableConfig()


def test_metadata_names_the_subjects_of_a_table_only(make_setup):
    subjects = ["sub-004", "sub-009"]
    plain = SYSTEM.metadata(Config(), make_setup(variant="plain"), subjects)
    assert plain == {"net": "Net", "config": '{"n_bands": 10, "width": 3}'}
    table = SYSTEM.metadata(TableConfig(), make_setup(variant="table"), subjects)
    assert json.loads(table["subjects"]) == subjects
    assert json.loads(table["config"])["n_subjects"] == 2


def test_an_imported_table_begins_at_the_first_subject(make_setup):
    said = SYSTEM.metadata(TableConfig(n_bands=10, n_subjects=3), make_setup(variant="table"), ())
    assert json.loads(said["subjects"]) == ["sub-001", "sub-002", "sub-003"]


@pytest.mark.parametrize(
    ("one_output", "remedy"),
    [
        ((), "Give the --feature that these weights decode."),
        (
            ("repeated",),
            "--variant repeated repeats the one output for every band, as the release was trained.",
        ),
    ],
)
def test_imported_weights_of_other_bands_are_refused(make_setup, one_output, remedy):
    system = replace(SYSTEM, one_output=one_output)
    with pytest.raises(TrainingError) as caught:
        system.metadata(TableConfig(n_bands=1, n_subjects=3), make_setup(variant="table"), ())
    assert str(caught.value) == (
        "variant table: weights of a net of n_bands = 1: asked for mel, which has 10.\n  " + remedy
    )
    assert system.metadata(TableConfig(n_subjects=3), make_setup(variant="table"), ["S1"] * 3)
