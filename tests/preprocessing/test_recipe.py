"""Recipes: what comes with the harness, and what is refused."""

from __future__ import annotations

import hashlib

import pytest

from harness.errors import CorpusError, UsageError
from harness.preprocessing import recipe as recipes
from harness.preprocessing.recipe import load_recipe, recipe_names

MINIMAL = """
name = "mine"
title = "for tests"
[[steps]]
step = "cut_at_events"
[[steps]]
step = "resample"
to_hz = 64
"""


@pytest.fixture
def refused(tmp_path):
    """The message with which a recipe is refused, its file called mine.toml."""

    def refuse(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        with pytest.raises(CorpusError) as raised:
            load_recipe(str(path))
        return str(raised.value)

    return refuse


def test_recipes_that_come_with_the_harness():
    assert recipe_names() == ["simple", "sparrkulee"]
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.rate_hz == 64
        content = (recipes.FOLDER / f"{name}.toml").read_bytes()
        assert recipe.sha256 == hashlib.sha256(content).hexdigest()


def test_sparrkulee_is_the_public_pipeline():
    recipe = load_recipe("sparrkulee")
    assert [type(step).__name__ for step in recipe.steps] == [
        "HighPass",
        "FlattenPeaks",
        "AlignToTriggers",
        "WienerFilter",
        "AverageReference",
        "Resample",
    ]
    wiener = recipe.steps[3]
    assert [recipe.channels.names.index(name) for name in wiener.reference_channels] == [
        0, 1, 2, 32, 33, 34, 35, 36,
    ]  # fmt: skip
    assert (wiener.delay_samples, wiener.beyond_mean_power, wiener.widen_seconds) == (3, 5, 0.5)
    assert (recipe.steps[0].cutoff_hz, recipe.steps[0].order) == (0.5, 1)


def test_sparrkulee_has_the_channels_of_biosemis_cap_in_mnes_order():
    import mne

    recipe = load_recipe("sparrkulee")
    assert list(recipe.channels.names) == mne.channels.make_standard_montage("biosemi64").ch_names
    assert recipe.channels.other_names[::31] == ("A1", "A32", "B31")


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    recipe = load_recipe(str(path))
    assert recipe.channels.names == ()
    assert recipe.steps == (recipes.CutAtEvents(), recipes.Resample(to_hz=64))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UsageError) as raised:
        load_recipe("sparkulee")
    assert str(raised.value) == (
        "--recipe: 'sparkulee', expected simple, sparrkulee or a .toml file.\n  Did you mean 'sparrkulee'?"
    )


def test_everything_that_is_wrong_is_said_at_once(refused):
    text = """
nam = "mine"
title = ""
channels = {names = ["Cz"], other_names = ["A1", "A2"]}
[[steps]]
step = "highpass"
[[steps]]
step = "high_pass"
cutof_hz = 3
[[steps]]
step = "resample"
to_hz = -64
"""
    assert refused(text).splitlines() == [
        "mine.toml: unknown key 'nam'.",
        "  Did you mean 'name'?",
        "mine.toml: name: None, expected a text on one line, 500 characters at most.",
        "mine.toml: title: '', expected a text on one line, 500 characters at most.",
        "mine.toml: channels: other_names: 2 names, expected 1, as many as names.",
        "mine.toml: steps[0]: step: 'highpass', expected one of high_pass, band_pass, flatten_peaks, bridge_peaks,"
        " align_to_triggers, cut_at_events, wiener_filter, average_reference, resample.",
        "  Did you mean 'high_pass'?",
        "mine.toml: steps[1]: unknown key 'cutof_hz'.",
        "  Did you mean 'cutoff_hz'?",
        "mine.toml: steps[2]: Expected `float` >= 1.0 (`to_hz`).",
    ]


def test_a_recording_is_cut_once_and_resampled_once_after_it(refused):
    assert refused('name = "a"\ntitle = "b"\n[[steps]]\nstep = "average_reference"\n').splitlines() == [
        "mine.toml: steps: 0 steps that cut the recording, expected one of align_to_triggers and cut_at_events,"
        " once.",
        "mine.toml: steps: 0 times resample, expected once.",
    ]
    swapped = MINIMAL.replace('"cut_at_events"', '"resample"\nto_hz = 64', 1).replace(
        'step = "resample"\nto_hz = 64\n', 'step = "resample"\nto_hz = 64\n', 1
    )
    swapped = swapped.rsplit("[[steps]]", 1)[0] + '[[steps]]\nstep = "cut_at_events"\n'
    assert refused(swapped) == (
        "mine.toml: steps: resample before cut_at_events, expected resample after it."
    )


def test_no_toml_and_no_file_are_refused(refused, tmp_path):
    assert "not readable as TOML" in refused("name = ")
    with pytest.raises(CorpusError, match="none.toml: No such file or directory, expected a recipe"):
        load_recipe(str(tmp_path / "none.toml"))
    assert refused("").startswith("mine.toml: name: None, expected a text on one line")


@pytest.mark.parametrize(
    ("written", "instead", "fault"),
    [
        ('name = "mine"', 'name = "two\\nlines"', "name: 'two\\nlines', expected a text on one line"),
        ('name = "mine"', f'name = "{"x" * 501}"', "expected a text on one line, 500 characters at most"),
        ("to_hz = 64", "to_hz = 1e-9", "Expected `float` >= 1.0 (`to_hz`)"),
        ('step = "cut_at_events"', "step = [1]", "steps[0]: step: [1], expected one of high_pass"),
        (
            'step = "cut_at_events"',
            'step = "align_to_triggers"\nrest_values = [5, 1]',
            "steps[0]: rest_values: [5, 1], expected [least, most].",
        ),
        (
            "[[steps]]",
            '[[steps]]\nstep = "band_pass"\nlow_hz = 30\nhigh_hz = 1\n[[steps]]',
            "steps[0]: low_hz 30 and high_hz 1, expected low_hz below high_hz.",
        ),
        (
            "[[steps]]",
            '[channels]\nnames = ["Cz", "Pz", "cz", " "]\n[[steps]]',
            "channels: names: Cz, cz more than once, expected each channel once.\n"
            "mine.toml: channels: names: ' ', expected names.",
        ),
        (
            "[[steps]]",
            "[channels]\nby_position = true\n[[steps]]",
            "channels: by_position: true without names",
        ),
        (
            "[[steps]]",
            '[[steps]]\nstep = "wiener_filter"\nreference_channels = ["Cz", "Cz"]\n[[steps]]',
            "steps[0]: reference_channels: Cz, Cz, expected at least one channel, and each once.",
        ),
        (
            "[[steps]]",
            '[channels]\nnames = ["Fp1"]\n[[steps]]\nstep = "wiener_filter"\nreference_channels = ["Fp2"]\n[[steps]]',
            "steps[0]: reference_channels: Fp2, expected some of channels.names.\n  Did you mean 'Fp1'?",
        ),
    ],
)
def test_values_that_no_recording_could_be_made_by_are_refused(refused, written, instead, fault):
    assert written in MINIMAL
    assert fault in refused(MINIMAL.replace(written, instead, 1))
