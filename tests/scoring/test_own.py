"""A scorer of somebody's own: how it is found, what it is given, and everything that it may do wrong."""

import heapq
import pickle

import numpy as np
import pytest

from harness.errors import RecordError, UsageError
from harness.scoring.own import load_scorer
from harness.scoring.pearson import pearson_r

CODE = '''
import numpy as np
import math

def mean_r(references, predictions):
    """Pearson r by numpy's own function."""
    print("not an answer")
    return np.array([
        np.mean([np.corrcoef(one[:, band], other[:, band])[0, 1] for band in range(one.shape[1])])
        for one, other in zip(references, predictions)
    ])

def error(references, predictions):
    return float(np.mean((references - predictions) ** 2))

def raises(references, predictions):
    raise ValueError("no such\\nband")

def inside_numpy(references, predictions):
    return np.linalg.inv(references)

def leaves(references, predictions):
    raise SystemExit(3)

def writes(references, predictions):
    references[:] = predictions
    return 1.0

def wide(references, predictions):
    return references

def ragged(references, predictions):
    return [[1.0], [1.0, 2.0]]

def nothing(references, predictions):
    pass

def words(references, predictions):
    return ["good"] * len(references)

def complex_(references, predictions):
    return np.ones(len(references), complex)

def truth(references, predictions):
    return references.any(axis=(1, 2))

def nan(references, predictions):
    values = np.ones(len(references))
    values[1] = np.nan
    return values

def infinite(references, predictions):
    return math.inf

def one_array(references):
    return 1.0

CONSTANT = 3

def nan_twice(references, predictions):
    return [np.nan, 1.0, 2.0, -np.inf]

def mapping(references, predictions):
    return {"s-0": 1.0}

def says_nothing(references, predictions):
    raise KeyError

def says_much(references, predictions):
    raise ValueError("0123456789" * 40)

exec("def made(a, b):\\n    raise ValueError('of no file')")

def calls_made(references, predictions):
    made(references, predictions)

def doubles(references, predictions):
    return references.dtype == predictions.dtype == np.float64 and 0.5 or 0.0

def few_digits(references, predictions):
    return np.array([2048, 2050, 2050, 2048], np.float16)
'''
FORM = "expected FILE.py:FUNCTION or MODULE:FUNCTION, such as scorer.py:mean_r."
SIGNATURE = "expected a function of two arrays: def score(references, predictions)."
LOOKED_FOR = "\n  It is looked for where Python looks, and in the current folder."


def _words(work, *arrays):
    """What Python or numpy itself says of work that fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        work(*arrays)
    return f"{caught.type.__name__}: {caught.value}"


@pytest.fixture
def scorer(tmp_path, monkeypatch):
    (tmp_path / "scorer.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return lambda name, **more: load_scorer(f"scorer.py:{name}", **more)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    references = {f"s-{number}": rng.standard_normal((50, 3)) for number in range(4)}
    return references, {key: one + rng.standard_normal(one.shape) for key, one in references.items()}


def test_it_is_given_the_arrays_of_a_subject_in_their_order(scorer, arrays, capsys):
    references, predictions = arrays
    expected = np.mean([pearson_r(one, predictions[key]).mean() for key, one in references.items()])
    turned = dict(reversed(predictions.items()))
    assert scorer("mean_r").score("x", references, turned) == pytest.approx(expected, abs=1e-12)
    captured = capsys.readouterr()
    assert (captured.out, "not an answer" in captured.err) == ("", True)


def test_one_number_is_a_subjects_score_and_lower_may_be_better(scorer, arrays):
    references, predictions = arrays
    found = scorer("error", higher_is_better=False)
    assert found.sign == -1
    expected = np.mean([(one - predictions[key]) ** 2 for key, one in references.items()])
    assert found.score("x", references, predictions) == pytest.approx(expected)
    assert found.score("x", references, references) == 0
    assert len(found.sha256) == 64


def test_a_function_has_its_name_as_given_and_higher_is_better_unless_it_is_said(scorer):
    found = [scorer("error"), scorer("error", higher_is_better=False)]
    assert [(one.name, one.higher_is_better, one.sign) for one in found] == [
        ("scorer.py:error", True, 1), ("scorer.py:error", False, -1),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64])
def test_both_arrays_are_float64_whatever_they_are_kept_as(kind, scorer, arrays):
    kept = [{key: one.astype(kind) for key, one in side.items()} for side in arrays]
    assert scorer("doubles").score("x", *kept) == 0.5


def test_values_of_few_digits_have_a_mean_of_many(scorer, arrays):
    assert scorer("few_digits").score("x", *arrays) == 2049  # which float16 does not have


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", r"raised ValueError: no such\nband (scorer.py, line 17)."),
        ("inside_numpy", f"raised {_words(np.linalg.inv, np.ones((4, 50, 3)))} (scorer.py, line 20)."),
        ("leaves", "raised SystemExit: 3 (scorer.py, line 23)."),
        ("writes", "raised ValueError: assignment destination is read-only (scorer.py, line 26)."),
        ("wide", "gave shape (4, 50, 3), expected (4,) (n_segments), or one number."),
        (
            "ragged",
            f"gave a list ({_words(np.asarray, [[1.0], [1.0, 2.0]])}), expected (4,) (n_segments), or one"
            " number.",
        ),
        ("nothing", "gave a NoneType, expected numbers, (4,) (n_segments), or one number."),
        ("mapping", "gave a dict, expected numbers, (4,) (n_segments), or one number."),
        ("words", "gave <U4, expected numbers, (4,) (n_segments), or one number."),
        ("complex_", "gave complex128, expected numbers, (4,) (n_segments), or one number."),
        ("truth", "gave bool, expected numbers, (4,) (n_segments), or one number."),
        ("nan", "1 of 4 values is NaN or infinite, expected finite numbers.\n  Of the segments s-1."),
        (
            "nan_twice",
            "2 of 4 values are NaN or infinite, expected finite numbers.\n  Of the segments s-0, s-3.",
        ),
        ("infinite", "gave inf, expected a finite number."),
        ("says_nothing", "raised KeyError (scorer.py, line 67)."),
        ("says_much", f"raised ValueError: {28 * '0123456789'}01234567 (scorer.py, line 70)."),
        ("calls_made", "raised ValueError: of no file (scorer.py, line 75)."),
    ],
)
def test_what_it_does_wrong_is_said_with_record_and_subject(name, said, scorer, arrays):
    with pytest.raises(RecordError) as error:
        scorer(name).score("a.json: sub-001", *arrays)
    assert str(error.value) == f"a.json: sub-001: scorer.py:{name}: {said}"


def test_an_error_inside_a_library_has_no_line_of_ones_own(arrays):
    words = _words(heapq.heappush, np.ones(1), 1)
    with pytest.raises(RecordError) as error:
        load_scorer("heapq:heappush").score("x", *arrays)
    assert str(error.value) == f"x: heapq:heappush: raised {words}."


@pytest.mark.parametrize(
    ("gone", "said"),
    [(["s-2"], "1 of 4 segments has no prediction"), (["s-3", "s-0"], "2 of 4 segments have no prediction")],
)
def test_a_segment_without_a_prediction_is_refused(gone, said, scorer, arrays):
    references, predictions = arrays
    for one in gone:
        del predictions[one]
    with pytest.raises(RecordError) as error:
        scorer("mean_r").score("a.json: sub-001", references, predictions)
    assert str(error.value) == (
        f"a.json: sub-001: scorer.py:mean_r: {said}, expected all.\n"
        "  Only the measures of the kit say what such a segment counts."
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("scorer.py", f": 'scorer.py', {FORM}"),
        (":mean_r", f": ':mean_r', {FORM}"),
        ("scorer.py:", f": 'scorer.py:', {FORM}"),
        ("scorer.py:a-b", f": 'scorer.py:a-b', {FORM}"),
        ("gone.py:mean_r", f" gone.py:mean_r: no such file, {FORM}"),
        ("folder.py:mean_r", f" folder.py:mean_r: no such file, {FORM}"),
        (f"{70 * 'a'}.py:f", f" {40 * 'a'}...{12 * 'a'}.py:f: no such file, {FORM}"),
        ("short.py:mean_s", " short.py: 'mean_s', expected one of mean_r, other.\n  Did you mean 'mean_r'?"),
        (
            "short.py:gone",
            " short.py: 'gone', expected one of mean_r, other.\n  short.py has no such function.",
        ),
        ("scorer.py:CONSTANT", f" scorer.py:CONSTANT: not a function (int), {SIGNATURE}"),
        (
            "scorer.py:one_array",
            f" scorer.py:one_array: cannot take two arrays (too many positional arguments), {SIGNATURE}",
        ),
        ("no_such_module:f", f" no_such_module:f: no module no_such_module, {FORM}{LOOKED_FOR}"),
        ("short.inner:f", f" short.inner:f: no module short.inner, {FORM}{LOOKED_FOR}"),
        ("short.file:f", f" short.file:f: no module short.file, {FORM}\n  A file's name ends in .py."),
        ("../scorer:f", f" ../scorer:f: '../scorer' is no module, {FORM}"),
        (
            "broken.py:f",
            " broken.py:f: cannot be imported: SyntaxError: 'return' outside function (broken.py, line 1),"
            f" {FORM}",
        ),
        (
            "needs.py:f",
            " needs.py:f: cannot be imported: ModuleNotFoundError: No module named 'no_such_thing' (needs.py,"
            f" line 2), {FORM}",
        ),
        (
            "needs:f",
            " needs:f: cannot be imported: ModuleNotFoundError: No module named 'no_such_thing' (needs.py,"
            f" line 2), {FORM}",
        ),
        ("leaving.py:f", f" leaving.py:f: cannot be imported: SystemExit: 0 (leaving.py, line 1), {FORM}"),
    ],
)
def test_what_is_not_found_is_said(given, said, scorer, tmp_path):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "short.py").write_text("VALUE = 1\ndef mean_r(a, b): ...\ndef other(a, b): ...\n")
    (tmp_path / "short.file.py").write_text("def f(a, b): ...\n")
    (tmp_path / "broken.py").write_text("return 1\n")
    (tmp_path / "needs.py").write_text("\nimport no_such_thing\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(UsageError) as error:
        load_scorer(given)
    assert str(error.value) == f"--scorer{said}"


def test_a_folders_name_may_hold_a_colon(tmp_path, arrays):
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b" / "own.py").write_text("def score(a, b):\n    return 0.25\n")
    assert load_scorer(f"{tmp_path / 'a:b' / 'own.py'}:score").score("x", *arrays) == 0.25


def test_a_file_is_a_module_of_its_own_name_in_which_dataclasses_and_pickle_find_things(tmp_path, arrays):
    (tmp_path / "my own-scorer.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Share:\n"
        "    value: float = 0.25\n"
        "def score(a, b):\n"
        "    return Share().value\n"
    )
    found = load_scorer(f"{tmp_path / 'my own-scorer.py'}:score")
    assert found.score("x", *arrays) == 0.25
    assert found.function.__module__ == "harness_scorer_my_own_scorer"
    assert pickle.loads(pickle.dumps(found.function)) is found.function


def test_a_module_of_the_current_folder_and_a_file_beside_another_are_found(tmp_path, monkeypatch, arrays):
    (tmp_path / "own_helper_of_tests.py").write_text("def score(a, b):\n    return 0.25\n")
    (tmp_path / "other.py").write_text("from own_helper_of_tests import score\n")
    assert load_scorer(f"{tmp_path / 'other.py'}:score").score("x", *arrays) == 0.25
    monkeypatch.chdir(tmp_path)
    assert load_scorer("own_helper_of_tests:score").score("x", *arrays) == 0.25
