"""A scorer of somebody's own: how it is found, what it is given, and everything that it may do wrong."""

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
'''


@pytest.fixture
def scorer(tmp_path):
    path = tmp_path / "scorer.py"
    path.write_text(CODE)
    return lambda name, **more: load_scorer(f"{path}:{name}", **more)


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", r"raised ValueError: no such\\nband \(scorer.py, line 17\)."),
        ("inside_numpy", r"raised LinAlgError: .*square \(scorer.py, line 20\)."),
        ("leaves", r"raised SystemExit: 3 \(scorer.py, line 23\)."),
        ("writes", r"raised ValueError: assignment destination is read-only"),
        ("wide", r"gave shape \(4, 50, 3\), expected \(4,\) \(n_segments\), or one number."),
        ("ragged", r"gave a list \(ValueError: .*\), expected \(4,\)"),
        ("nothing", r"gave a NoneType, expected numbers"),
        ("words", r"gave <U4, expected numbers"),
        ("complex_", r"gave complex128, expected numbers"),
        ("truth", r"gave bool, expected numbers"),
        ("nan", r"1 of 4 values is NaN or infinite, expected finite numbers.\n  Of the segments s-1."),
        ("infinite", r"gave inf, expected a finite number."),
    ],
)
def test_what_it_does_wrong_is_said_with_record_and_subject(name, said, scorer, arrays):
    with pytest.raises(RecordError, match=said) as error:
        scorer(name).score("a.json: sub-001", *arrays)
    assert str(error.value).startswith("a.json: sub-001: ")


def test_a_segment_without_a_prediction_is_refused(scorer, arrays):
    references, predictions = arrays
    del predictions["s-2"]
    with pytest.raises(RecordError, match="1 of 4 segments has no prediction, expected all"):
        scorer("mean_r").score("x", references, predictions)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("scorer.py", "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        (":mean_r", "expected FILE.py:FUNCTION"),
        ("scorer.py:", "expected FILE.py:FUNCTION"),
        ("scorer.py:a-b", "expected FILE.py:FUNCTION"),
        ("gone.py:mean_r", "no such file"),
        ("folder.py:mean_r", "no such file"),
        ("scorer.py:mean_s", "Did you mean 'mean_r'?"),
        ("scorer.py:CONSTANT", r"not a function \(int\), expected a function of two arrays"),
        ("scorer.py:one_array", r"cannot take two arrays \(too many positional arguments\)"),
        ("no_such_module_here:f", "no module no_such_module_here"),
        ("scorer.inner:f", "no module scorer.inner"),
        ("../scorer:f", "is no module"),
        ("broken.py:f", r"cannot be imported: SyntaxError: .*\(broken.py, line 1\)"),
        (
            "needs.py:f",
            r"cannot be imported: ModuleNotFoundError: No module named 'no_such_thing' \(needs.py",
        ),
        ("needs:f", "cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("leaving.py:f", r"cannot be imported: SystemExit: 0 \(leaving.py, line 1\)"),
    ],
)
def test_what_is_not_found_is_said(given, said, scorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "needs.py").write_text("import no_such_thing\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(UsageError, match=said):
        load_scorer(given)


def test_a_module_of_the_current_folder_and_a_file_beside_another_are_found(tmp_path, monkeypatch, arrays):
    (tmp_path / "own_helper_of_tests.py").write_text("def score(a, b):\n    return 0.25\n")
    (tmp_path / "other.py").write_text("from own_helper_of_tests import score\n")
    assert load_scorer(f"{tmp_path / 'other.py'}:score").score("x", *arrays) == 0.25
    monkeypatch.chdir(tmp_path)
    assert load_scorer("own_helper_of_tests:score").score("x", *arrays) == 0.25
