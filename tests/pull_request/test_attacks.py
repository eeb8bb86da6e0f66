"""Pull requests that attack: each job runs as in the workflows, and what is shown is what the base's code says."""

import hashlib
import json
import shutil
import threading
import zipfile

import numpy as np
import pytest
from jobs import run_own, run_predict, run_rank
from repository_fixtures import BOARD, OFFICIAL, SYSTEMS

from harness.predictions import write_predictions

PERFECT = {"score": 0.99, "ci95": [0.98, 1.0]}
LEAVES_A_MARK = 'import pathlib\npathlib.Path("{mark}").write_text("ran")\n'


def rows(document):
    (board,) = document["boards"]
    return {row["system"]: row for row in board["rows"]}


def stops(document):
    return [remark["text"] for remark in document["remarks"] if remark["stop"]]


def ranked(upstream, commit, tmp_path, left):
    """What the clean job leaves, from what the others left."""
    ranking = run_rank(upstream, commit, tmp_path, left)
    return json.loads((ranking / "data.json").read_text())


@pytest.fixture
def before(upstream):
    """The mean r of each system at the base."""
    return {name: json.loads(upstream.record(name).read_text())["score"] for name in ("alpha", "beta")}


def labels(where):
    """Predictions that score 1: the references themselves."""
    from harness.tasks.task import open_task

    data, split = where
    task = open_task(data, split_name=str(split), part="test", feature="mel")
    return [
        (subject, {segment: array.astype("float32") for segment, array in task.references(subject).items()})
        for subject in task.by_subject
    ]


class Lingering(threading.Thread):
    """What a process that outlives its job could go on doing: editing all that the job has, over and over."""

    def __init__(self, predictions, checkout, forged):
        super().__init__(daemon=True)
        self.predictions, self.checkout, self.forged = predictions, checkout, forged
        self.over, self.rounds = threading.Event(), 0

    def run(self):
        while not self.over.wait(0.01):
            self.edit()

    def edit(self):
        for name in ("alpha", "beta"):
            path = self.predictions / BOARD / name / "default.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.forged, path)
            record = self.checkout / f"results/{BOARD}/{name}.json"
            record.write_text(json.dumps({**json.loads(record.read_text()), **PERFECT}))
        for place in ("data.json", "records/x.json", f"results/{BOARD}/alpha.json"):
            path = self.predictions / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(PERFECT))
        scorer = self.checkout.parent / "base/harness/scoring/score.py"
        scorer.write_text("SCORER_VERSION = 1\n\n\ndef pearson_r(*_):\n    return 1.0\n")
        self.rounds += 1


@pytest.mark.slow
def test_what_a_lingering_process_edits_reaches_nothing(
    upstream, pulled, fork, tmp_path, before, official_split, small_split
):
    fork.add_system("submissions/gamma", f"-{SYSTEMS['baselines/alpha']}")
    commit = pulled()
    predictions = run_predict(upstream, commit, tmp_path)
    forged = tmp_path / "forged.npz"
    write_predictions(forged, labels((official_split, small_split)))
    honest = {path: path.read_bytes() for path in predictions.rglob("*.npz")}
    assert [path.relative_to(predictions).as_posix() for path in honest] == [f"{BOARD}/gamma/default.npz"]

    lingering = Lingering(predictions, tmp_path / "predict/pull", forged)
    lingering.edit()
    shutil.copytree(predictions, tmp_path / "artifact")  # what is uploaded; the machine is gone afterwards
    lingering.start()
    try:
        document = ranked(upstream, commit, tmp_path, {"predictions": tmp_path / "artifact"})
    finally:
        lingering.over.set()
        lingering.join()
    assert lingering.rounds > 1
    found = rows(document)
    assert set(found) == {"alpha", "beta", "gamma"}
    for name, score in before.items():
        assert (found[name]["pearson_r"], found[name]["how"]) == (score, "from record")
        assert found[name]["event"] is None
    assert found["gamma"]["pearson_r"] == pytest.approx(-before["alpha"], abs=1e-9)
    assert document["code"] == "base"
    assert stops(document) == []


LEFT = {
    "nothing": (
        lambda path: path.unlink(),
        "the job that runs the pull request's submissions left no predictions",
    ),
    "words": (
        lambda path: (path.unlink(), path.with_suffix(".txt").write_text("no\x1b[31m memory")),
        "memory",
    ),
    "device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "a device, not a regular file"),
    "rubbish": (lambda path: path.write_bytes(b"Rar!" * 99), "begins with b'Rar!', expected a zip archive"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:300]), "a zip cut off after 300 bytes"),
    "others": (
        lambda path: shutil.copy(path.parents[1] / "whole/default.npz", path),
        None,  # its own affair: it could have predicted the same
    ),
    "whole": (lambda path: None, None),
}


@pytest.mark.slow
def test_predictions_that_cannot_be_read_stop_their_own_row_only(upstream, pulled, fork, tmp_path, before):
    for name in LEFT:
        fork.add_system(f"submissions/{name}", f"-{SYSTEMS['baselines/alpha']}")
    commit = pulled()
    predictions = run_predict(upstream, commit, tmp_path)
    for name, (leave, _) in LEFT.items():
        leave(predictions / BOARD / name / "default.npz")
    document = ranked(upstream, commit, tmp_path, {"predictions": predictions})
    found, stopped = rows(document), sorted(stops(document))
    assert {name: found[name]["pearson_r"] for name in before} == before
    refused = sorted(name for name, (_, said) in LEFT.items() if said is not None)
    assert set(found) == {*before, "others", "whole"}
    assert len(stopped) == len(refused)
    for name, text in zip(refused, stopped, strict=True):
        assert text.startswith(f"{name} (default) on {BOARD}: ")
        assert LEFT[name][1] in text


UNASKED = [
    "setup.py", "setup.cfg", "sitecustomize.py", "tests/conftest.py", "conftest.py", "numpy.py", "pytest.ini",
    "tox.ini", "harness/usercustomize.py", "evil.pth", ".githooks/pre-commit", ".python-version",
    "scipy/__init__.py", "GNUmakefile", "makefile", "mypy.ini", ".coveragerc", "ruff.toml", "pytest.toml",
    "torch.so", "numpy.cpython-311-x86_64-linux-gnu.so", "random.pyc", "yaml/__init__.pyc",
    "numpy/__init__.cpython-311-x86_64-linux-gnu.so", "harness/__init__.so",
]  # fmt: skip


@pytest.mark.slow
def test_files_that_tools_run_unasked_are_named_and_stop_and_do_not_run(
    upstream, pulled, fork, tmp_path, before
):
    mark = tmp_path / "ran"
    for name in UNASKED:
        fork.write(name, LEAVES_A_MARK.format(mark=mark))
    fork.add_system("submissions/gamma", f"-{SYSTEMS['baselines/alpha']}")
    fork.write("submissions/gamma/setup.py", "# a submission's own, which nobody runs\n")
    commit = pulled()
    predictions = run_predict(upstream, commit, tmp_path)
    document = ranked(upstream, commit, tmp_path, {"predictions": predictions})
    assert sorted(stops(document)) == sorted(
        f"adds {name}, which tools run without being asked" for name in UNASKED
    )
    assert not mark.exists()
    assert {name: rows(document)[name]["pearson_r"] for name in before} == before
    assert rows(document)["gamma"]["pearson_r"] == pytest.approx(-before["alpha"], abs=1e-9)


SLY = """import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "weights"))
import helper


class Decoder:
    def __init__(self, setup):
        self.n_bands = setup.n_bands

    def predict(self, eeg, subjects):
        return np.float32(helper.SIGN) * eeg[:, :, : self.n_bands]
"""


@pytest.mark.slow
def test_code_below_weights_is_code(upstream, pulled, fork, tmp_path):
    for repository in (upstream,):
        repository.add_system("submissions/sly", SYSTEMS["submissions/beta"])
        repository.write("submissions/sly/predictor.py", SLY)
        repository.write("submissions/sly/weights/helper.py", "SIGN = 1\n")
        repository.score("submissions/sly")
        repository.commit("Take the sly one")
    score = json.loads(upstream.record("sly").read_text())["score"]
    assert score != 0
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.write("submissions/sly/weights/helper.py", "SIGN = -1\n")
    commit = pulled()
    predictions = run_predict(upstream, commit, tmp_path)
    document = ranked(upstream, commit, tmp_path, {"predictions": predictions})
    row = rows(document)["sly"]
    assert (row["how"], row["pearson_r"]) == ("scored now", pytest.approx(-score, abs=1e-9))
    named = [
        remark["text"] for remark in document["remarks"] if f"results/{BOARD}/sly.json" in remark["text"]
    ]
    assert len(named) == 1  # the record that no longer holds


@pytest.mark.slow
def test_a_changed_harness_gets_the_bases_rows_and_its_own_word_beside_them(
    upstream, pulled, fork, tmp_path, before
):
    fork.write("harness/scoring/score.py", "SCORER_VERSION = 2\n# scores everything 0.99\n")
    for name in before:
        record = fork.record(name)
        record.write_text(json.dumps({**json.loads(record.read_text()), **PERFECT, "scorer_version": 2}))
    commit = pulled()
    own = run_own(upstream, commit, tmp_path)
    said = json.loads((own / "data.json").read_text())
    for row in said["boards"][0]["rows"]:
        row["pearson_r"] = 0.99
    said["remarks"].append({"stop": False, "kind": "check", "text": "all is well"})
    (own / "data.json").write_text(json.dumps(said))
    predictions = run_predict(upstream, commit, tmp_path)
    document = ranked(upstream, commit, tmp_path, {"predictions": predictions, "own": own})
    assert {name: rows(document)[name]["pearson_r"] for name in before} == before
    assert stops(document) == []
    texts = [remark["text"] for remark in document["remarks"]]
    assert "all is well" not in texts
    for name in before:
        assert any(
            text.startswith(
                f"NOT VERIFIED, a record of the pull request's own harness: results/{BOARD}/{name}.json: score 0.990000, now "
            )
            for text in texts
        )
    (board,) = document["own"]["boards"]
    assert board["rows"] == [
        {"system": row["system"], "pearson_r": 0.99, "base": before[row["system"]]}
        for row in said["boards"][0]["rows"]
    ]
    assert "all is well" in [remark["text"] for remark in document["own"]["remarks"]]


@pytest.mark.slow
def test_an_own_word_that_is_none_is_said_to_be_none(upstream, pulled, fork, tmp_path, before):
    fork.write("harness/other.py", "VALUE = 2\n")
    commit = pulled()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/data.json").write_text('{"version": 2, "html": "<b>"}')
    document = ranked(upstream, commit, tmp_path, {"own": tmp_path / "own"})
    assert document["own"] is None
    assert {name: rows(document)[name]["pearson_r"] for name in before} == before
    texts = [remark["text"] for remark in document["remarks"]]
    assert any(text.startswith("what the pull request's own code left is not shown: ") for text in texts)


@pytest.mark.slow
def test_a_removed_submission_takes_its_records_along_or_stops(upstream, pulled, fork, tmp_path):
    fork.git("rm", "-r", "--quiet", "submissions/beta")
    elsewhere = json.loads(fork.record("beta").read_text())
    elsewhere["corpus"]["name"] = "dtu"
    fork.write("results/dtu/dtu/val/mel/beta.json", elsewhere)
    document = ranked(upstream, pulled(), tmp_path, {})
    assert stops(document) == [
        "removes the submission beta and leaves its record results/dtu/dtu/val/mel/beta.json: remove that too",
        f"removes the submission beta and leaves its record results/{BOARD}/beta.json: remove that too",
    ]
    assert document["boards"][0]["gone"] == ["beta"]


def test_a_forged_split_does_not_move_the_bases_rows(upstream, pulled, fork, tmp_path, before):
    split = fork.read("splits/small-split.json")
    fork.write("splits/small-split.json", {**split, "segment_seconds": 3})
    document = ranked(upstream, pulled(), tmp_path, {})
    assert {name: rows(document)[name]["pearson_r"] for name in before} == before
    assert [remark["text"] for remark in document["remarks"]] == [
        "edits the split small-split (splits/small-split.json): the rows here are of the base's split"
    ]


@pytest.mark.slow
def test_a_submission_that_lies_elsewhere_is_not_run_by_whoever_trusts_the_base(
    upstream, pulled, fork, tmp_path, before
):
    mark = tmp_path / "ran"
    fork.add_system("docs/evil", SYSTEMS["submissions/beta"], name="evil")
    predictor = fork.path("docs/evil/predictor.py")
    predictor.write_text(LEAVES_A_MARK.format(mark=mark) + predictor.read_text())
    fork.path("submissions/evil").symlink_to("../docs/evil")
    record = json.loads(fork.record("beta").read_text())
    record["submission"] |= {"name": "evil"}
    fork.record("evil").write_text(json.dumps({**record, **PERFECT}))
    commit = pulled()
    predictions = run_predict(upstream, commit, tmp_path)
    document = ranked(upstream, commit, tmp_path, {"predictions": predictions})
    assert stops(document) == ["submissions/evil is a link: put the folder itself there"]
    assert {name: row["pearson_r"] for name, row in rows(document).items()} == before
    assert not mark.exists()


@pytest.mark.slow
def test_code_that_a_submission_has_outside_its_folder_runs_in_no_clean_job(
    upstream, pulled, fork, tmp_path, before
):
    mark = tmp_path / "ran"
    upstream.write("docs/shared.py", upstream.path("submissions/beta/predictor.py").read_text())
    upstream.path("submissions/beta/predictor.py").unlink()
    upstream.path("submissions/beta/predictor.py").symlink_to("../../docs/shared.py")
    upstream.commit("Link")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.write("docs/shared.py", LEAVES_A_MARK.format(mark=mark) + fork.path("docs/shared.py").read_text())
    document = ranked(upstream, pulled(), tmp_path, {})
    assert not mark.exists()
    assert set(rows(document)) <= set(before)
    assert {row["how"] for row in rows(document).values()} == {"from record"}
    assert any("beta" in remark["text"] for remark in document["remarks"])


def test_options_of_one_job_are_refused_in_the_other(harness, fork, monkeypatch):
    monkeypatch.chdir(fork.folder)
    since = ["rank", "--changed-since", "HEAD"]
    for options, said in [
        (["rank", "--predictions", "x"], "--predictions: for --changed-since only."),
        (["rank", "--predictions-out", "x"], "--predictions-out: for --changed-since only."),
        ([*since, "--own", "x"], "--own: for --predictions only."),
        (
            [*since, "--predictions-out", "x", "--out", "y"],
            "--out: not for --predictions-out, which scores nothing.",
        ),
    ]:
        code, _, error = harness(*options)
        assert (code, error.splitlines()[-1]) == (2, f"Error: {said}")


@pytest.mark.slow
def test_archives_of_predictions_hold_what_was_predicted_and_nothing_else(upstream, pulled, fork, tmp_path):
    fork.add_system("submissions/gamma", f"-{SYSTEMS['baselines/alpha']}")
    fork.add_system("submissions/delta", "eeg[:, :-1]")
    predictions = run_predict(upstream, pulled(), tmp_path)
    with zipfile.ZipFile(predictions / BOARD / "gamma/default.npz") as archive:
        assert all(name.startswith("sub-043_") for name in archive.namelist())
    said = (predictions / BOARD / "delta/default.txt").read_text()
    assert said.startswith("delta, batch 1 of 1, segments sub-043_")
    assert "predict returned shape (19, 127, 64)" in said


@pytest.mark.slow
def test_nothing_that_looks_at_a_package_runs_its_trainer_or_importer(ranked, fork, harness, tmp_path):
    fork.add_system("submissions/evil", "eeg[:, :, : self.n_bands]")
    marker = tmp_path / "ran"
    fork.write(
        "submissions/evil/train.py", f"open({str(marker)!r}, 'w').close()\n\n\ndef go(*_):\n    pass\n"
    )
    manifest = fork.path("submissions/evil/submission.toml")
    weights = fork.path("submissions/evil/w.npz")
    np.savez(weights, a=np.zeros(1))
    entry = {"corpus": "sparrkulee", "split": "small-split", "feature": "mel", "file": "w.npz"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = f'{manifest.read_text()}trainer = "train:go"\nimporter = "train:go"\n\n[[weights]]\n'
    manifest.write_text("\n".join([text, *lines, f'sha256 = "{sha256}"']) + "\n")
    fork.score("submissions/evil")
    code, document, _, _ = ranked()
    assert (code, [row["how"] for row in document["boards"][0]["rows"] if row["system"] == "evil"]) == (
        0,
        ["scored now"],
    )
    left = tmp_path / "predictions"
    since = ("rank", "--changed-since", "origin/main", "--data", OFFICIAL)
    asked = ("--data", OFFICIAL, "--split", "splits/small-split.json")
    for command in (
        (*since, "--predictions-out", left),
        (*since, "--predictions", left),
        ("check", "submissions/evil", *asked),
        ("predict", "submissions/evil", *asked, "--out", "evil.npz"),
        ("verify", fork.record("evil"), *asked),
        ("page", tmp_path / "page"),
        ("compare", "evil"),
        ("rank",),
    ):
        code, _, err = harness(*command)
        assert code == 0, (command, err)
        assert not marker.exists(), command
    harness("train", "submissions/evil", *asked, "--partial")
    assert marker.exists()  # the one that is to
