"""Words of messages: numbers and what is counted."""

import pytest

from harness.errors import counted, some_of


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 subjects"), (1, "1 subject"), (2, "2 subjects"), (21, "21 subjects")]
)
def test_one_is_counted_in_the_singular(number, words):
    assert counted(number, "subject") == words


def test_a_plural_of_its_own():
    assert (counted(1, "stimulus", "stimuli"), counted(2, "stimulus", "stimuli")) == (
        "1 stimulus",
        "2 stimuli",
    )


@pytest.mark.parametrize(
    ("number", "total", "words"),
    [
        (0, 3, "0 of 3 subjects are"),
        (1, 3, "1 of 3 subjects is"),
        (2, 3, "2 of 3 subjects are"),
        (1, 1, "1 of 1 subject is"),
        (0, 1, "0 of 1 subject are"),
    ],
)
def test_the_noun_goes_with_the_whole_and_the_verb_with_the_part(number, total, words):
    assert some_of(number, total, "subject", "is", "are") == words


def test_some_of_a_plural_of_its_own_and_without_a_verb():
    assert some_of(1, 2, "stimulus", several="stimuli") == "1 of 2 stimuli"
    assert some_of(1, 1, "stimulus", "counts", "count", several="stimuli") == "1 of 1 stimulus counts"
