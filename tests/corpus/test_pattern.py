"""Patterns of file names: equal to a regular expression that backtracks, and never slow."""

import contextlib
import random
import re
import time

import pytest
from own_corpus import make_own_corpus

from harness.corpus.locate import open_corpus
from harness.corpus.pattern import MOST_WILDCARDS, PLACEHOLDERS, Pattern
from harness.errors import CorpusError


def _by_expression(text, path):
    """The same by Python's own regular expressions: placeholders as short as can be, ``*`` as long as can be."""
    parts, seen = [], set()
    for piece in re.split(r"(\{\w*\}|\*)", text):
        name = piece[1:-1]
        if piece == "*":
            parts.append("[^/]*")
        elif not re.fullmatch(r"\{\w*\}", piece):
            parts.append(re.escape(piece))
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            parts.append(f"(?P<{name}>[^/]+?)")
    found = re.fullmatch("".join(parts), path)
    return found.groupdict() if found else None


def test_equal_to_a_regular_expression_on_three_thousand_names():
    draw = random.Random(20260303)
    pieces = [*(f"{{{name}}}" for name in PLACEHOLDERS), "*", "*", "a", "b", "_", "_", "/", "ab"]
    n_matched = 0
    for _ in range(3_000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 7)))
        path = "".join(draw.choices("aab__/", k=draw.randint(1, 12)))
        expected = _by_expression(text, path)
        n_matched += expected is not None
        assert Pattern(text).match(path) == expected, (text, path)
    assert n_matched > 150


@pytest.mark.parametrize(
    "text",
    [
        "*a" * 30 + "b.npy",
        "{subject}" + "*a" * 30 + "b.npy",
        "*" * 200 + "b.npy",
        "{subject}_{session}_{run}_{stimulus}_*_*_*_x.npy",
    ],
)
@pytest.mark.parametrize("name", ["a" * 251, "_".join("a" * 120)])
def test_no_pattern_takes_long_on_a_name_that_almost_fits(text, name):
    started = time.process_time()
    with contextlib.suppress(CorpusError):  # it may be refused, as below
        assert Pattern(text).match(f"{name}.npy") is None
    assert time.process_time() - started < 5


def test_a_name_that_could_be_read_in_far_too_many_ways_is_refused():
    everything = "".join(f"{{{name}}}" for name in PLACEHOLDERS)
    with pytest.raises(CorpusError) as caught:
        Pattern(f"{everything}{everything}").match("a" * 50 + "b.npz")
    assert str(caught.value) == (
        f"{'a' * 50}b.npz: too many ways to read it by"
        " '{subject}{session}{run}{stimulus}{subjec...n}{run}{stimulus}', expected a pattern that leaves little"
        " to guess.\n  Put text between the placeholders, and use fewer of them and of *."
    )


def test_values_are_taken_as_they_are():
    pattern = Pattern("{stimulus}_*_envelope.npy")
    assert pattern.matches("a*_1_envelope.npy", {"stimulus": "a*"})
    assert not pattern.matches("abc_1_envelope.npy", {"stimulus": "a*"})
    assert not pattern.matches("ab_1_envelope.npy", {"stimulus": "a"})


def test_a_declaration_with_far_too_many_wildcards_is_refused(tmp_path):
    lab = make_own_corpus(tmp_path / "lab", n_channels=4, seconds=5.0, subjects=["P01"])
    toml = lab / "corpus.toml"
    toml.write_text(toml.read_text().replace("eeg/{subject}_", "eeg/" + "*a" * MOST_WILDCARDS + "{subject}_"))
    with pytest.raises(CorpusError) as caught:
        open_corpus(lab)
    assert f"{MOST_WILDCARDS + 2} placeholders and * in 'eeg/*a" in str(caught.value)
    assert str(caught.value).endswith(f"expected {MOST_WILDCARDS} at most.")
