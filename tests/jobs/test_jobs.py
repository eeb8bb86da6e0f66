"""Jobs without a cluster: options, refusals, the local pool, and how a job's command is told from another."""

import json
import re
import sys
from pathlib import Path

import pytest
from seeded import PREDICT, TRAIN

from harness.errors import UsageError
from harness.jobs.run import run_tasks
from harness.jobs.slurm import Slurm, State, minutes, options
from harness.jobs.task import ENDED, JOB, Job, Task, read
from harness.submission.manifest import load_submission


@pytest.fixture
def folder(make_submission):
    made = make_submission(trainer="train:train")
    (made / "train.py").write_text(TRAIN)
    (made / "predictor.py").write_text(PREDICT)
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("1:30", 2),
        ("4:00:00", 240),
        ("0:00:01", 1),
        ("1-12", 36 * 60),
        ("1-12:30", 36 * 60 + 30),
        ("2-00:00:00", 2880),
        ("0", None),
        ("4h", None),
        ("", None),
        ("1:2:3:4", None),
    ],
)
def test_times_as_sbatch_reads_them(text, expected):
    assert minutes(text) == expected


def test_options_of_sbatch_are_taken_as_they_are():
    assert options(["partition=gpu", "--qos=high", "exclusive", "gres=gpu:a100:2"]) == {
        "partition": "gpu",
        "qos": "high",
        "exclusive": True,
        "gres": "gpu:a100:2",
    }


def test_every_option_that_is_none_is_named_at_once():
    with pytest.raises(UsageError) as error:
        options(["=x", "mem=", "array=0-9", "time=4h", "qos=a", "qos=b", "comment=a\n#SBATCH --uid=0"])
    assert str(error.value).splitlines() == [
        "--slurm =x: no option of sbatch, expected KEY=VALUE, such as partition=gpu or mem=16G.",
        "--slurm mem=: no option of sbatch, expected KEY=VALUE, such as partition=gpu or mem=16G.",
        "--slurm array=0-9: array is what the harness sets itself, expected another option of sbatch.",
        "--slurm time=4h: '4h', expected a time of sbatch, such as 90, 4:00:00 or 1-12:00:00.",
        "--slurm qos=b: qos is given twice, expected once.",
        r"--slurm comment=a\n#SBATCH --uid=0: no option of sbatch, expected KEY=VALUE, such as partition=gpu or"
        " mem=16G.",
    ]


@pytest.mark.slow
def test_without_slurm_it_says_what_to_do(harness, folder, where, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, out, err = harness("train", folder, *where, "--executor", "slurm")
    assert (code, out) == (2, "")
    assert "error: --executor slurm: no sbatch, srun, squeue on PATH, expected SLURM's commands" in err
    assert "error: --executor slurm: submitit is not installed, expected the extra slurm." in err
    assert "pip install 'eeg-speech-harness[slurm]'" in err
    assert err.count("Use --executor local: the same jobs on this machine.") == 2
    assert not (folder / "training").exists() or not any((folder / "training").rglob(JOB))


def test_options_that_contradict_each_other(harness, folder, where):
    for given, said in (
        (("--slurm", "qos=a"), "--slurm: for --executor slurm only."),
        (("--executor", "local", "--slurm", "qos=a"), "--slurm: for --executor slurm only."),
        (("--variants", "all"), "--variants: for --executor only, and without --variant."),
        (("--executor", "local", "--variants", "a,,b"), "--variants a,,b: expected all, or names, each once"),
    ):
        code, _, err = harness("train", folder, *where, *given)
        assert (code, said in err) == (2, True), err


@pytest.mark.slow
def test_local_jobs_train_the_weights_of_one_process(harness, folder, where):
    assert harness("train", folder, *where, "--seeds", "3")[0] == 0
    alone = load_submission(folder).manifest["weights"]
    (folder / "fail-1.md").write_text("told to")
    code, out, err = harness("train", folder, *where, "--seeds", "3", "--executor", "local", "--jobs", "2")
    assert code == 1
    assert load_submission(folder).manifest["weights"] == alone
    assert sorted(re.findall(r"^seed (\d): tiny, seed \1, trained", out, re.M)) == ["0", "2"]
    assert "error: seed 1: job 1: failed with exit code 1.\n  the last" in err


@pytest.mark.slow
def test_variants_and_seeds_are_a_job_each(harness, folder, where, tmp_path):
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text() + '[variants.a]\ntitle = "A"\n[variants.b]\ntitle = "B"\n')
    given = ("--variants", "all", "--executor", "local", "--jobs", "2")
    code, out, err = harness("train", folder, *where, *given, "--seeds", "2")
    assert code == 0, err
    assert sorted(re.findall(r"^(\w, seed \d): tiny", out, re.M)) == [
        "a, seed 0", "a, seed 1", "b, seed 0", "b, seed 1",
    ]  # fmt: skip
    code, out, err = harness(
        "score", folder, *where, *given[:4], "--no-controls", "--json", "--out", "results"
    )
    assert code == 0, err
    said = [(one["submission"]["variant"], one["submission"]["training"]["seed"]) for one in json.loads(out)]
    assert sorted(said) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert len(list((tmp_path / "results").rglob("*.json"))) == 4


@pytest.mark.slow
def test_a_second_command_of_several_names_every_system_that_fails(harness, folder, where, make_submission):
    broken = make_submission("broken", predict="raise ValueError('no')")
    fine = make_submission("fine")
    code, out, err = harness("score", broken, fine, *where, "--no-controls")
    assert code == 1
    assert "fine" in out
    assert "no" in err


class Queue:
    """An executor whose jobs are what a test says."""

    name = "slurm"

    def __init__(self, *states):
        self.looks, self.submitted, self.stopped = list(states), [], False

    def check(self):
        pass

    def submit(self, folders, below):
        self.submitted += folders
        return [f"7_{number}" for number, _ in enumerate(folders)]

    def states(self, ids):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def stop(self):
        self.stopped = True

    def goes_on(self, ids):
        return f"goes on: {ids}"


def waited(tasks, queue, folder, said, **more):
    return list(run_tasks(tasks, queue, folder, said.append, lambda *_: None, poll_seconds=0, **more))


@pytest.mark.parametrize("between", [(), (State("COMPLETING", "n1"),), (State("REQUEUED"),)])
def test_a_job_that_is_gone_without_an_answer_is_a_failure(between, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.jobs.run._LATE_SECONDS", 0.0)
    said = []
    looks = [State("RUNNING", "n1"), *between, State("PENDING"), State("TIMEOUT")]
    queue = Queue(None, *({"7_0": look} for look in looks))
    (done,) = waited([Task("a", ("rank",))], queue, tmp_path, said)
    assert done.code is None
    assert str(done.fault).startswith("a: job 7_0: ended without an answer (TIMEOUT).")
    assert said[1:] == [
        "SLURM does not answer: still waiting",
        "a: runs on n1",
        "a: was taken away, and is queued again",
    ]


def test_a_job_in_the_queue_is_not_handed_in_again_and_its_end_is_told_once(tmp_path, monkeypatch):
    task = Task("a", ("train", "x", "--resume"))
    queue = Queue({"7_0": State("RUNNING", "n1")})
    monkeypatch.setattr("harness.jobs.run.time.sleep", _interrupting)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        waited([task], queue, tmp_path, [])
    assert interrupt.value.__notes__ == ["goes on: ['7_0']"]
    monkeypatch.undo()
    place = task.folder(tmp_path)
    said = []
    (place / ENDED).write_text('{"code": 0}')
    without_resume = Task("a", ("train", "x"))
    (done,) = waited([without_resume], queue, tmp_path, said)
    assert (done.code, done.fault, len(queue.submitted)) == (0, None, 1)
    assert said[0] == "a: job 7_0 has ended since"
    assert read(place / JOB, Job).seen
    (place / ENDED).unlink()
    queue = Queue({}, {"7_0": State("RUNNING")})

    def ends(*_):
        (place / ENDED).write_text('{"code": 3}')

    monkeypatch.setattr("harness.jobs.run.time.sleep", ends)
    (done,) = waited([without_resume], queue, tmp_path, [])
    assert (done.code, len(queue.submitted)) == (3, 1)  # a job that was seen to end is handed in anew
    assert "failed with exit code 3" in str(done.fault)


def _interrupting(_):
    raise KeyboardInterrupt


def test_jobs_of_one_command_in_two_folders_are_two(tmp_path, monkeypatch):
    task = Task("seed 1 / x", ("train", "x"))
    one = task.folder(Path("jobs"))
    assert re.fullmatch(r"seed-1-x-[0-9a-f]{12}", one.name)
    monkeypatch.chdir(tmp_path)
    assert task.folder(Path("jobs")) != one


def test_a_refused_array_leaves_no_job_behind(tmp_path):
    queue = Queue({})
    queue.submit = lambda *_: (_ for _ in ()).throw(UsageError())
    with pytest.raises(UsageError):
        waited([Task("a", ("rank",))], queue, tmp_path, [])
    assert list(tmp_path.rglob(JOB)) == []


def test_a_time_is_wanted_before_anything_is_handed_in(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: "/bin/true")
    with pytest.raises(UsageError, match="no time for a job"):
        Slurm().check()
    Slurm(minutes=5).check()
    Slurm({"time": "5"}).check()


@pytest.mark.parametrize(
    "words",
    [
        ("score", "none"),
        ("rank", "--data", "none", "--changed-since", "HEAD"),
        ("train", "none"),
        ("queue", "work", "none"),
    ],
    ids=lambda one: one[0],
)
def test_a_machine_without_slurm_is_told_before_anything_is_opened(words, harness, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, _, err = harness(*words, "--executor", "slurm")
    assert code == 2
    assert "no sbatch, srun, squeue on PATH" in err
    assert "submitit is not installed" in err
    assert "none" not in err
