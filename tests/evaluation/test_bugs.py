"""Predictors whose answers depend on what they should not, answers that know the fixed cuts, and the command."""

import base64
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import REPOSITORY
from own_corpus import make_own_corpus, write_split

from harness.corpus import open_corpus
from harness.errors import CorpusError
from harness.evaluation.bugs import look_at_submission, sampled
from harness.evaluation.invariance import find_variance
from harness.evaluation.prepare import prepare
from harness.evaluation.recut import compare_cuts, recut_segments
from harness.execution import Run
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.tasks.task import open_task
from harness.training import train_submission

RUN = Run(jobs=1)
ANSWER = "out = np.cumsum(eeg, axis=1)[:, :, :self.n_bands].copy()\n"
# What predict does after ANSWER -> findings.
DEPENDENT = {
    "normalised over the batch": ("out -= out.mean(axis=0)", ["depends-on-batch-size", "depends-on-batch"]),
    "the first of the batch is another": (
        "out[0] = np.flip(out[0], axis=0)",
        ["depends-on-order", "depends-on-batch-size", "depends-on-batch"],
    ),
    "a generator that nobody seeds": (
        "out += np.random.default_rng().standard_normal(out.shape).astype('float32')",
        ["not-repeatable"],
    ),
    "dropout that is left on": (
        "out *= np.random.random(out.shape) > 0.5",
        ["depends-on-order", "depends-on-batch-size", "depends-on-batch"],
    ),
    "state from call to call": (
        "self.n = getattr(self, 'n', 0) + len(eeg)\nout[:, : 10 * self.n] = 0",
        ["depends-on-batch-size"],
    ),
    "a name that decides": (
        "if subjects[0] != 'unknown':\n    out = out[:, ::-1].copy()",
        ["depends-on-subject-name"],
    ),
}


@pytest.fixture
def task(official_split, small_split):
    """Two-second segments of one subject, whose name is hidden."""
    return open_task(official_split, split_name=str(small_split))


def variance(folder, task):
    return find_variance(prepare(load_submission(folder), task, RUN))


@pytest.mark.slow
@pytest.mark.parametrize("what", DEPENDENT)
def test_what_an_answer_depends_on_is_named(make_submission, task, what):
    body, names = DEPENDENT[what]
    found = variance(make_submission(predict=f"{ANSWER}{body}\nreturn out"), task)
    assert [one.name for one in found] == names
    assert {one.severity for one in found} == {"error"}


def test_the_docs_say_which_dependences_are_found():
    docs = (REPOSITORY / "docs" / "findings.md").read_text()
    section = docs.split("## Planted dependences, and what is found\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| ([a-z][^|]+) \| ([^|]+) \|$", section, re.M))
    rows.pop("planted")
    assert rows == {what: ", ".join(f"`{name}`" for name in names) for what, (_, names) in DEPENDENT.items()}


@pytest.mark.slow
def test_evidence_says_what_was_changed_and_by_how_much(make_submission, task):
    (found,) = variance(
        make_submission(predict=f"{ANSWER}{DEPENDENT['a name that decides'][0]}\nreturn out"), task
    )
    assert re.fullmatch(
        r"told 'somebody-else' where subjects are hidden, as 'unknown', an answer changes by \d\.\d+ of its own"
        r" size over time",
        found.evidence,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        f"{ANSWER}return out",
        f"{ANSWER}return out * (1 + 1e-5 * len(eeg))",  # the last digits of a net
        "return np.zeros((*eeg.shape[:2], self.n_bands), np.float32)",
    ],
)
def test_an_answer_to_the_segment_alone_is_no_finding(make_submission, task, body):
    assert variance(make_submission(predict=body), task) == []


def test_names_that_are_told_may_decide(make_submission, task):
    told = replace(task, split=replace(task.split, subject_ids="told"))
    body = f"{ANSWER}if subjects[0] != 'sub-043':\n    out = out[:, ::-1].copy()\nreturn out"
    assert variance(make_submission(predict=body), told) == []


@pytest.mark.slow
def test_members_of_an_ensemble_are_asked_one_by_one(make_submission, task, tmp_path):
    make_submission("steady", predict=f"{ANSWER}return out")
    make_submission("moody", predict=f"{ANSWER}{DEPENDENT['normalised over the batch'][0]}\nreturn out")
    folder = tmp_path / "submissions" / "both"
    folder.mkdir()
    (folder / "submission.toml").write_text(
        'name = "both"\nversion = "1.0.0"\ntitle = "for tests"\nauthors = ["a test"]\nlicence = "MIT"\n'
        'features = ["mel"]\n[[members]]\nsubmission = "../steady"\n[[members]]\nsubmission = "../moody"\n'
    )
    found = variance(folder, task)
    assert [one.name for one in found] == ["depends-on-batch-size", "depends-on-batch"]
    assert all(one.evidence.startswith("moody/default: asked ") for one in found)


def test_a_sample_has_as_many_segments_of_every_subject(simulated_lab):
    few = sampled(simulated_lab, 6)
    assert {subject: len(own) for subject, own in few.by_subject.items()} == {"P10": 2, "P11": 2, "P12": 2}
    assert [segment.id for segment in few.by_subject["P10"]] == ["P10_story-a_000", "P10_story-b_003"]
    assert sampled(simulated_lab).segments == simulated_lab.segments


@pytest.fixture
def lab(tmp_path):
    """A laboratory's folder, and its split."""
    return make_own_corpus(tmp_path / "my-lab", n_channels=32), write_split(tmp_path / "my-lab.json")


@pytest.fixture
def simulated_lab(lab):
    """24 segments of 5 s of three subjects; the EEG follows the envelope."""
    return open_task(lab[0], split_name=str(lab[1]), part="test", feature="envelope")


def looked_up(task):
    """The body of a predict that knows the fixed cuts by their first samples, with some noise in the answers."""
    rng = np.random.default_rng(4)
    table = {}
    for segment in task.segments:
        answer = segment.feature("envelope") + 2 * rng.standard_normal((task.n_frames, 1))
        table[segment.eeg()[:2].tobytes().hex()[:64]] = base64.b85encode(
            answer.astype("<f2").tobytes()
        ).decode()
    return (
        f"import base64\ntable = {table!r}\nout = np.random.random((*eeg.shape[:2], 1)).astype('float32')\n"
        "for row, one in zip(out, eeg):\n"
        "    known = table.get(one[:2].tobytes().hex()[:64])\n"
        "    if known:\n"
        "        row[:, 0] = np.frombuffer(base64.b85decode(known), '<f2')\n"
        "return out"
    )


def test_a_look_up_of_the_fixed_cuts_collapses_in_other_cuts(make_submission, simulated_lab):
    folder = make_submission(predict=looked_up(simulated_lab), features=["envelope"])
    look = look_at_submission(load_submission(folder), simulated_lab, RUN, recut=True)
    assert "collapse-in-other-cuts" in [one.name for one in look.findings]
    (finding,) = (one for one in look.findings if one.name == "collapse-in-other-cuts")
    assert re.fullmatch(
        r"18 cuts of the same recordings half a segment later: mean r -?0\.0\d{3}, 0\.[1-9]\d{3} in the fixed"
        r" cuts \(paired over 24 segments: p = \S+\)",
        finding.evidence,
    )
    assert finding.evidence == look.seen[-1]


@pytest.mark.slow
def test_a_decoder_does_not_collapse_in_other_cuts(lab, simulated_lab, tmp_path):
    shutil.copytree(
        REPOSITORY / "baselines/linear", tmp_path / "linear", ignore=shutil.ignore_patterns("weights")
    )
    manifest = tmp_path / "linear/submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    submission = load_submission(tmp_path / "linear")
    train_submission(submission, open_corpus(lab[0]), load_split(lab[1]), "envelope")
    look = look_at_submission(load_submission(tmp_path / "linear"), simulated_lab, RUN, recut=True)
    assert look.findings == []
    assert [re.sub(r"[+-]?\d\.\d+", "#", line) for line in look.seen] == [
        "24 of 24 segments of 3 subjects beside their references",
        "# on 24 surrogates, # more with the EEG (too few subjects for a test)",
        "its answers to other batches, orders and names",
        "18 cuts of the same recordings half a segment later: mean r #, # in the fixed cuts (paired over 24"
        " segments: p = #)",
    ]


@pytest.mark.parametrize(("size", "found"), [(1.0, ["collapse-in-other-cuts"]), (0.002, [])])
def test_what_scores_as_by_chance_has_nothing_that_could_collapse(simulated_lab, rng, size, found):
    noise = rng.standard_normal((simulated_lab.n_frames, 1))
    answers, other_answers = {}, {}
    others = replace(simulated_lab, segments=recut_segments(simulated_lab, simulated_lab))
    for task, made, r in ((simulated_lab, answers, size), (others, other_answers, 0.0)):
        for segment in task.segments:
            truth = segment.feature("envelope")
            unit = (truth - truth.mean()) / np.linalg.norm(truth - truth.mean())
            other = noise - noise.mean()
            other -= unit * (unit * other).sum()  # no r with the truth but what is added
            made[segment.id] = r * unit + other / np.linalg.norm(other)
    compared = compare_cuts(simulated_lab, answers, others, other_answers)
    assert (compared.fixed > 0, compared.p <= 0.01) == (True, True)
    assert [one.name for one in compared.findings] == found


def test_cuts_lie_half_a_segment_later_within_the_recording(simulated_lab):
    cuts = recut_segments(sampled(simulated_lab, 6), simulated_lab)
    # The other segment of each subject is its recording's last.
    assert [(cut.id, cut.start, cut.stop) for cut in cuts] == [
        (f"{subject}_story-a_000-recut", 250, 750) for subject in ("P10", "P11", "P12")
    ]
    assert cuts[0].eeg().shape == (500, 32)


def test_recordings_of_one_segment_cannot_be_cut_anew(lab, tmp_path, make_submission):
    long = write_split(tmp_path / "long.json", segment_seconds=20)
    task = open_task(lab[0], split_name=str(long), part="test", feature="envelope")
    with pytest.raises(CorpusError) as error:
        recut_segments(task, task)
    assert str(error.value) == (
        "--recut: no recording of two segments or more, expected recordings with their features, longer than"
        " a segment."
    )
    submission = load_submission(make_submission(predict="return eeg[:, :, :1]", features=["envelope"]))
    assert not any("cuts" in line for line in look_at_submission(submission, task, RUN).seen)
    with pytest.raises(CorpusError, match="--recut: no recording of two segments or more"):
        look_at_submission(submission, task, RUN, recut=True)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (
            "return np.tile(np.abs(np.sin(np.arange(eeg.shape[1]) / 9))[:, None], (len(eeg), 1, 1)).astype('f4')",
            ["no-evidence-of-the-eeg"],
        ),
        (
            "memory = np.load(os.path.dirname(__file__) + '/memory.npy')[: eeg.shape[1]]\n"
            "return np.tile(memory, (len(eeg), 1, 1))",
            ["scores-without-the-eeg", "no-evidence-of-the-eeg", "common-to-segments"],
        ),
    ],
)
def test_what_needs_no_eeg_is_found_by_the_dry_run_on_the_public_part(
    make_submission, lab, tmp_path, body, names
):
    split = write_split(
        tmp_path / "six.json", parts={"test": {"subjects": [f"P{number:02d}" for number in range(1, 7)]}}
    )
    task = open_task(lab[0], split_name=str(split), part="test", feature="envelope")
    folder = make_submission(predict=body, features=["envelope"])
    mean = np.mean([segment.feature("envelope") for segment in task.segments], axis=0)
    np.save(folder / "memory.npy", mean.astype(np.float32))
    look = look_at_submission(load_submission(folder), task, RUN, recut=False)
    assert [one.name for one in look.findings if "eeg" in one.name or "common" in one.name] == names
    assert not any("cuts" in line for line in look.seen)


# --- the command


@pytest.mark.slow
def test_check_says_what_it_looked_at_and_that_nothing_was_found(harness, make_submission, where):
    code, out, _ = harness("check", make_submission(predict=f"{ANSWER}return out"), *where)
    assert code == 0
    assert [re.sub(r"[+-]?\d\.\d+", "#", line) for line in out.splitlines()[4:-1]] == [
        "looked at: 19 of 19 segments of 1 subject beside their references",
        "looked at: # on 19 surrogates, # more with the EEG (too few subjects for a test)",
        "looked at: its answers to other batches, orders and names",
        "looked at: 17 cuts of the same recordings half a segment later: mean r #, # in the fixed cuts (paired"
        " over 19 segments: p = #)",
        "no findings",
    ]


@pytest.mark.slow
def test_check_prints_findings_and_still_says_that_it_can_be_scored(harness, make_submission, where):
    folder = make_submission(predict="return np.zeros((*eeg.shape[:2], self.n_bands), np.float32)")
    code, out, _ = harness("check", folder, *where)
    assert code == 0
    assert out.splitlines()[-5:] == [
        "looked at: 17 cuts of the same recordings half a segment later: mean r 0.0000, 0.0000 in the fixed cuts"
        " (paired over 19 segments: p = 1)",
        "error: constant-output: 19 of 19 segments are constant over time in at least one band, which counts 0.",
        "  Likely cause: a unit that is dead after training, an output that saturates, or weights that were not"
        " loaded.",
        "1 finding",
        f"{folder} can be scored",
    ]


def test_check_quick_looks_for_no_bugs(harness, make_submission, where):
    folder = make_submission(predict="return np.zeros((*eeg.shape[:2], self.n_bands), np.float32)")
    code, out, _ = harness("check", folder, *where, "--quick")
    assert code == 0
    assert "looked at" not in out
    assert "finding" not in out


@pytest.mark.slow
def test_check_json_is_what_was_found_and_only_it(harness, make_submission, where):
    folder = make_submission(predict="return np.zeros((*eeg.shape[:2], self.n_bands), np.float32)")
    code, out, _ = harness("check", folder, *where, "--json")
    document = json.loads(out)
    assert (code, document["can_be_scored"], document["faults"]) == (0, True, [])
    assert [sorted(finding) for finding in document["findings"]] == [
        ["evidence", "likely_cause", "name", "severity"]
    ]
    assert document["findings"][0]["name"] == "constant-output"
    quick = json.loads(harness("check", folder, *where, "--json", "--quick")[1])
    assert (quick["findings"], quick["looked_at"]) == (None, [])


def test_check_json_says_what_score_would_refuse(harness, make_submission, where):
    code, out, err = harness("check", make_submission(predict="return eeg"), *where, "--json")
    document = json.loads(out)
    assert (code, document["can_be_scored"], document["findings"]) == (1, False, None)
    assert [fault["arrived"] for fault in document["faults"]] == ["predict returned shape (4, 128, 64)"]
    assert "error: tiny, " in err


def test_a_predictor_that_fails_beyond_the_dry_run_cannot_be_scored(harness, make_submission, where):
    folder = make_submission(
        predict=f"{ANSWER}if len(eeg) > 4:\n    raise ValueError('too many')\nreturn out"
    )
    code, out, err = harness("check", folder, *where)
    assert code == 1
    assert "raised ValueError: too many" in err
    assert "can be scored" not in out


def test_predictions_are_looked_at_too(harness, make_submission, where):
    folder = make_submission(predict="return np.zeros((*eeg.shape[:2], self.n_bands), np.float32)")
    harness("predict", folder, *where, "--out", "p.npz")
    code, out, _ = harness("check", "p.npz", *where)
    assert code == 0
    assert (
        "looked at: 19 of 19 segments of 1 subject beside their references\nerror: constant-output: " in out
    )
    assert "other batches" not in out


def test_without_references_there_is_no_look(harness, make_submission, official_split):
    code, out, err = harness("check", make_submission(), "--data", official_split / "test_set")
    assert code == 0
    assert "no look for bugs: " in err
    assert "looked at" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submissions/tiny", "--recut", "--quick"], "--recut is a look for bugs, which --quick leaves out."),
        (["p.npz", "--recut"], "--recut is for submissions; SYSTEM is a predictions file."),
    ],
)
def test_recut_is_refused_where_it_can_do_nothing(harness, make_submission, where, arguments, message):
    harness("predict", make_submission(), *where, "--out", "p.npz")
    code, _, err = harness("check", *arguments, *where)
    assert (code, err.splitlines()[-1]) == (2, f"Error: {message}")
