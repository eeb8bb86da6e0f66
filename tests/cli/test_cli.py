"""The command, as a user types it: answers, refusals, exit codes, whole messages."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from conftest import REPOSITORY
from documents import SMALL_SPLIT
from own_corpus import SUBJECTS, make_own_corpus, write_split

from harness.cli import output
from harness.cli.group import cli
from harness.records.store import read_record
from harness.submission.training_record import SIGNATURE

HARNESS = [sys.executable, "-c", "from harness.cli.main import main; main()"]


def _tables(text):
    return re.sub(r"predicted in .*", "predicted in …", text)


def test_score_prints_subjects_bands_mean_and_writes_a_record(harness, make_submission, where, tmp_path):
    code, out, err = harness("score", make_submission(), *where)
    assert code == 0
    assert out.startswith("tiny on sparrkulee, split small-split, part test, feature mel\n\nsubject")
    assert re.search(r"^sub-043 +-?0\.\d{4} +19$", out, re.M)
    assert re.search(r"^Pearson r( +-?0\.\d{4}){10}$", out, re.M)
    assert re.search(r"^mean r -?0\.\d{4} \(one subject: no interval\)$", out, re.M)
    path = "results/sparrkulee/small-split/test/mel/tiny.json"
    assert err.endswith(f"record written to {path}\n")
    record = read_record(tmp_path / path)
    assert record.corpus.kind == "real"
    assert record.submission.variant == "default"


def test_json_is_the_record_and_only_it(harness, make_submission, where, tmp_path):
    code, out, _ = harness(
        "score", make_submission(predict="print('hello')\nreturn eeg[:, :, :10]"), *where, "--json"
    )
    assert code == 0
    written = tmp_path / "results/sparrkulee/small-split/test/mel/tiny.json"
    assert out == written.read_text()


def test_same_inputs_same_bytes_but_for_time(harness, make_submission, where, official_split, tmp_path):
    folder = make_submission()
    records = []
    for layout in (
        official_split / "derivatives/preprocessed_eeg",
        official_split / "derivatives/split_data",
    ):
        options = ["--data", layout, *where[2:], "--json", "--out", tmp_path / layout.name]
        records.append(json.loads(harness("score", folder, *options)[1]))
    for record in records:
        del record["run"]
    assert records[0] == records[1]


def test_second_run_says_unchanged(harness, make_submission, where):
    folder = make_submission()
    harness("score", folder, *where)
    assert "record unchanged in results/" in harness("score", folder, *where)[2]


def test_jobs_do_not_change_the_record(harness, make_submission, where):
    folder = make_submission()
    harness("score", folder, *where)
    assert "record unchanged" in harness("score", folder, *where, "--jobs", 2)[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["p.zip", "p.npz", "folder"])
def test_predictions_score_like_their_submission(harness, make_submission, where, name, tmp_path):
    folder = make_submission()
    direct = json.loads(harness("score", folder, *where, "--json")[1])
    assert harness("predict", folder, *where, "--out", name)[0] == 0
    again = json.loads(harness("score", name, *where, "--json")[1])
    assert again["score"] == pytest.approx(direct["score"], abs=1e-6)
    assert again["corpus"] == direct["corpus"]
    assert again["submission"]["kind"] == "predictions"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "unknown"),
        ({"subject_ids": "told"}, "sub-043"),
        (
            {
                "cut": "in-time",
                "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.1},
                "segment_seconds": 0.5,
                "parts": {part: {"subjects": "all"} for part in ("train", "val", "test")},
            },
            "sub-0",  # segments of all subjects, in any order
        ),
    ],
)
def test_whose_eeg_it_is_stays_unknown_where_no_training_met_them(
    harness, make_submission, where, changes, told
):
    Path(where[-1]).write_text(json.dumps({**SMALL_SPLIT, **changes}))
    folder = make_submission(predict="raise ValueError(f'told {subjects[-1]}')")
    code, _, err = harness("score", folder, *where)
    assert code == 1
    assert f"told {told}" in err


def test_saved_predictions_are_those_of_the_score(harness, make_submission, where, tmp_path):
    folder = make_submission()
    harness("score", folder, *where, "--save-predictions", "kept.npz")
    harness("predict", folder, *where, "--out", "made.npz")
    with np.load(tmp_path / "kept.npz") as kept, np.load(tmp_path / "made.npz") as made:
        assert sorted(kept) == sorted(made)
        assert all(np.array_equal(kept[key], made[key]) for key in kept)


def test_challenge_test_set_without_labels_is_predicted_not_scored(
    harness, make_submission, official_split, tmp_path
):
    folder = make_submission()
    data = ["--data", official_split / "test_set"]
    assert harness("predict", folder, *data, "--out", "p.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert archive.namelist() == ["sub-086.json", "sub-087.json"]
        first = json.loads(archive.read("sub-086.json"))
    assert list(first) == ["segment_sub-086_0", "segment_sub-086_1"]
    assert np.shape(first["segment_sub-086_0"]) == (1920, 10)
    code, out, err = harness("score", folder, *data)
    assert (code, out) == (1, "")
    assert err == (
        f"error: {official_split}/test_set/TASK2_regression: part test of split challenge-2024: no mel for"
        " 4 of 4 segments (segment_sub-086_0, segment_sub-086_1, segment_sub-087_0 and 1 more), expected"
        " references to score against.\n"
        "  Point --labels at the folder that holds them; `harness predict` needs none.\n"
    )


def test_organiser_scores_the_challenge_test_set_with_labels(
    harness, make_submission, official_split, tmp_path, rng
):
    labels = tmp_path / "labels"
    labels.mkdir()
    for subject in ("sub-086", "sub-087"):
        segments = {f"segment_{subject}_{i}": rng.uniform(size=(1920, 10)).tolist() for i in range(2)}
        (labels / f"{subject}.json").write_text(json.dumps(segments))
    data = ["--data", official_split / "test_set", "--labels", labels]
    code, out, _ = harness("score", labels, *data, "--json")  # references as predictions: r is 1
    assert code == 0
    assert json.loads(out)["score"] == pytest.approx(1, abs=1e-12)
    direct = json.loads(harness("score", make_submission(), *data, "--json")[1])
    harness("predict", tmp_path / "submissions/tiny", *data[:2], "--out", "p.zip")
    through = json.loads(harness("score", "p.zip", *data, "--json")[1])
    assert through["score"] == pytest.approx(direct["score"], abs=1e-6)


def test_labels_apart_from_the_eeg(harness, make_submission, where, official_split, tmp_path):
    shutil.copytree(official_split / "derivatives/preprocessed_eeg", tmp_path / "eeg/preprocessed_eeg")
    shutil.copytree(official_split / "derivatives/preprocessed_stimuli", tmp_path / "hidden")
    folder = make_submission()
    direct = json.loads(harness("score", folder, *where, "--json")[1])
    apart = ["--data", "eeg", *where[2:], "--labels", "hidden", "--json"]
    assert json.loads(harness("score", folder, *apart)[1])["subjects"] == direct["subjects"]


def test_missing_segments_count_zero_and_are_said(harness, make_submission, where, tmp_path):
    folder = make_submission()
    full = json.loads(harness("score", folder, *where, "--json")[1])
    harness("predict", folder, *where, "--out", "p.npz")
    with np.load(tmp_path / "p.npz") as stored:
        kept = {key: stored[key] for key in list(stored)[:-1]}
    np.savez(tmp_path / "p.npz", **kept)
    code, out, _ = harness("score", "p.npz", *where)
    assert code == 0
    assert "1 segment without a prediction counts 0" in out
    record = read_record(tmp_path / "results/sparrkulee/small-split/test/mel/p.json")
    assert record.subjects["sub-043"].missing == ("sub-043_podcast_3_008",)
    assert record.subjects["sub-043"].segments == full["subjects"]["sub-043"]["segments"]


def test_constant_predictions_are_flagged(harness, make_submission, where):
    body = "return np.ones((*eeg.shape[:2], self.n_bands), np.float32)"
    code, out, _ = harness("score", make_submission(predict=body), *where)
    assert code == 0
    assert "mean r 0.0000" in out
    assert "19 segments with a constant prediction count 0" in out


def test_partial_part_is_marked(harness, make_submission, official_split, small_split, tmp_path):
    document = json.loads(small_split.read_text())
    document["parts"]["test"]["subjects"] = ["sub-043", "sub-044"]
    small_split.write_text(json.dumps(document))
    where = ["--data", official_split, "--split", small_split]
    folder = make_submission()
    assert harness("score", folder, *where)[0] == 1
    code, out, err = harness("score", folder, *where, "--partial")
    assert code == 0
    assert "PARTIAL: 1 subject of the part is not in the corpus: sub-044" in out
    assert "tiny.partial.json" in err


BAD_PREDICTORS = {
    "swapped": ("return np.zeros((len(eeg), 10, eeg.shape[1]), np.float32)", "Axes look swapped"),
    "short": ("return eeg[:, 15:, :10]", "Return n_frames = 128 frames"),
    "float64": ("return eeg[:, :, :10].astype(float)", "float64 values, expected float32"),
    "nan": ("return eeg[:, :, :10] * np.nan", "are NaN or infinite"),
    "raises": ("raise ValueError('my own fault')", "my own fault"),
    "two lines": ("raise ValueError('first\\nsecond')", "raised ValueError: first second"),
    "exit": ("sys.exit(0)", "before it had predicted all segments"),
    "hard exit": ("os._exit(0)", "exit code 0"),
    "none": ("return None", "predict returned None"),
}


@pytest.mark.slow
@pytest.mark.parametrize("bad", list(BAD_PREDICTORS))
def test_bad_predictor_is_refused_without_a_traceback_of_ours(harness, make_submission, where, bad, tmp_path):
    body, message = BAD_PREDICTORS[bad]
    code, out, err = harness("score", make_submission(predict=body), *where)
    assert (code, out) == (1, "")
    assert message in err or bad in ("exit", "hard exit")
    assert "tiny" in err
    assert re.search(r"tiny, batch \d of 2, segments? (surrogate of )?sub-043_(audiobook|podcast)_", err)
    assert "harness/" not in err
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_predictor_that_sleeps_for_ever_meets_the_time_limit(harness, make_submission, where):
    body = "while True:\n    time.sleep(1)"
    started = time.monotonic()
    code, _, err = harness("score", make_submission(predict=body), *where, "--time-limit", 1.5)
    assert code == 1
    assert time.monotonic() - started < 20
    assert "1.5 s" in err


def test_check_lists_every_fault(harness, make_submission, where):
    folder = make_submission(predict="return eeg[:, :, :3]")
    with (folder / "submission.toml").open("a") as file:
        file.write(
            '[[weights]]\ncorpus = "dtu"\nsplit = "dtu"\nfeature = "envelope"\nfile = "weights/a"\n'
            f'sha256 = "{"0" * 64}"\n'
            '[[weights]]\ncorpus = "sparrkulee"\nsplit = "small-split"\nfeature = "mel"\n'
            f'file = "weights/b"\nsha256 = "{"0" * 64}"\n'
        )
    code, out, err = harness("check", folder, *where)
    assert code == 1
    assert out == "ok: manifest of tiny 1.0.0\n"
    assert err.count("error: ") == 2
    assert "weights/a" in err
    assert "weights/b" in err


@pytest.mark.slow
def test_check_finds_what_score_would_refuse_in_predictions(harness, make_submission, where, tmp_path):
    folder = make_submission()
    assert harness("check", folder, *where)[0] == 0
    harness("predict", folder, *where, "--out", "folder")
    assert harness("check", "folder", *where)[0] == 0
    (tmp_path / "folder/sub-043.json").write_text('{"sub-043_audiobook_1_000": [[1e999]]}')
    code, _, err = harness("check", "folder", *where)
    assert code == 1
    assert "sub-043_audiobook_1_000" in err


@pytest.mark.slow
def test_new_submission_passes_check_and_score(harness, where, tmp_path):
    assert harness("new", "submissions/my-model")[0] == 0
    code, out, _ = harness("check", "submissions/my-model", *where)
    assert (code, out.splitlines()[-1]) == (0, "submissions/my-model can be scored")
    assert harness("score", "submissions/my-model", *where)[0] == 0
    code, _, err = harness("new", "submissions/my-model")
    assert (code, err) == (
        1,
        "error: submissions/my-model: there already, expected a new folder.\n  Choose another name.\n",
    )


@pytest.mark.slow
def test_train_then_score(harness, where, tmp_path):
    source = REPOSITORY / "baselines" / "linear"
    shutil.copytree(source, tmp_path / "linear", ignore=shutil.ignore_patterns("weights"))
    manifest = tmp_path / "linear/submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    code, _, err = harness("score", "linear", *where)
    assert code == 1
    assert "Train them: harness train" in err
    code, out, _ = harness("train", "linear", *where)
    assert code == 0
    assert "validation_pearson_r" in out
    assert harness("score", "linear", *where)[0] == 0


@pytest.mark.slow
def test_train_on_the_subjects_that_are_there(harness, where, tiny, small_split):
    document = json.loads(small_split.read_text())
    document["parts"]["train"]["subjects"] = ["sub-001", "sub-002"]
    document["parts"]["val"]["subjects"] = ["sub-027", "sub-028"]
    small_split.write_text(json.dumps(document))
    folder = tiny().folder
    options = [*where, "--device", "cpu", "--epochs", 1]
    code, _, err = harness("train", folder, *options)
    assert (code, "1 of 2 subjects is not in the corpus: sub-028" in err) == (1, True)
    assert harness("train", folder, *options, "--partial")[0] == 0
    record = json.loads((folder / "weights/sparrkulee-small-split-mel.json").read_text())
    assert record["subjects"] == ["sub-001"]


@pytest.mark.slow
def test_train_a_net_then_score_what_next_says(harness, where, tiny, small_split):
    folder = tiny().folder
    code, out, err = harness("train", folder, *where, "--device", "cpu", "--epochs", 2, "--seed", 5)
    assert code == 0
    assert re.match(r"tiny trained on sparrkulee in [\d.]+ s\n  validation_pearson_r: ", out)
    assert "\n  preset: compact\n  epochs: 2\n" in out
    command = f"harness score {folder} --data {where[1]} --split {small_split} --part val --feature mel"
    work = folder / "training" / "sparrkulee-small-split-mel-compact"
    assert err.endswith(f"\nlog and checkpoint: {work}\nnext: {command}\n")
    code, out, _ = harness(*command.split()[1:])
    assert code == 0
    seen = "\nweights have seen 0 of 1 subject and 2 of 2 stimuli (verified: trained by the machine that scored)\n"
    assert seen in out


@pytest.mark.slow
def test_record_says_what_the_weights_have_seen_where_it_is_on_record(harness, where, tiny):
    folder = tiny().folder
    harness("train", folder, *where, "--device", "cpu", "--epochs", 1)

    def overlap():
        return json.loads(harness("score", folder, *where, "--json")[1])["overlap"]

    assert overlap() == {"subjects_seen": 0, "subjects": 1, "stimuli_seen": 2, "stimuli": 2}
    path = folder / "weights" / "sparrkulee-small-split-mel.json"
    whole = path.read_text()
    path.write_text(whole.replace('"sub-001"', '"sub-043"'))
    assert overlap() is None  # changed after this machine had signed it
    unsigned = {key: value for key, value in json.loads(path.read_text()).items() if key != SIGNATURE}
    path.write_text(json.dumps(unsigned))
    assert overlap()["subjects_seen"] == 1  # its author's word
    path.write_text(json.dumps({**json.loads(whole), "weights_sha256": "0" * 64}))
    assert overlap() is None  # a record of other weights
    for content in ("half a", "[]", "[1]", '{"weights_sha256": 3}', "null"):
        path.write_text(content)
        assert overlap() is None
    path.unlink()
    code, out, _ = harness("score", folder, *where)
    assert code == 0
    assert "have seen" not in out


def test_train_refuses_an_unknown_preset(harness, where, tiny):
    code, out, err = harness("train", tiny().folder, *where, "--preset", "huge")
    assert (code, out) == (2, "")
    assert err.endswith("error: --preset (variant default): 'huge', expected one of paper, compact.\n")


def test_import_weights_then_score(harness, where, make_submission, small_split, tmp_path):
    folder = make_submission(importer="convert:convert")
    (folder / "convert.py").write_text("def convert(tensors):\n    return tensors, {'config': '{}'}\n")
    np.savez(tmp_path / "release.npz", w=np.ones(3))
    options = ["--corpus", "sparrkulee", "--feature", "mel", "--split", small_split]
    code, out, err = harness("import-weights", folder, tmp_path / "release.npz", *options)
    assert code == 0
    assert re.fullmatch(
        r"weights: .*sparrkulee-small-split-mel.safetensors \(sha256 .*, in the manifest\)\n", out
    )
    assert err.startswith("What these weights have seen is not on record; score records will say so.\nnext: ")
    record = json.loads(harness("score", folder, *where, "--json")[1])
    assert record["overlap"] is None
    assert record["submission"]["weights_sha256"] is not None


@pytest.mark.parametrize("command", [("predict", "--out"), ("score", "--save-predictions")])
def test_subjects_that_predictions_cannot_name_are_refused_before_predicting(
    harness, make_submission, tmp_path, command
):
    lab = make_own_corpus(tmp_path / "lab", n_channels=4, subjects=["P\\1"])
    split = write_split(tmp_path / "my-lab.json", parts={"test": {"subjects": ["P\\1"]}})
    folder = make_submission(features=["envelope"], predict="raise ValueError('was asked')")
    verb, *options = command
    code, _, err = harness(verb, folder, "--data", lab, "--split", split, *options, tmp_path / "p.zip")
    assert (code, err) == (
        1,
        "error: subject 'P\\1': a name that no file of predictions can have, expected 1 to 200 bytes of"
        " printable characters without '/' and '\\', the first not '.'.\n"
        "  Rename the subject's files of EEG, and the subject in the split.\n",
    )
    assert not (tmp_path / "p.zip").exists()


def test_import_weights_for_a_corpus_of_ones_own(harness, make_submission, tmp_path):
    lab = make_own_corpus(tmp_path / "lab", n_channels=4, subjects=SUBJECTS[:1])
    split = write_split(tmp_path / "my-lab.json")
    folder = make_submission(importer="convert:convert", features=["envelope"])
    (folder / "convert.py").write_text("def convert(tensors):\n    return tensors, {'config': '{}'}\n")
    np.savez(tmp_path / "release.npz", w=np.ones(3))
    command = ["import-weights", folder, tmp_path / "release.npz", "--feature", "envelope", "--split", split]
    code, _, err = harness(*command, "--corpus", "my-lab")
    assert (code, err) == (
        2,
        "error: --corpus: 'my-lab', expected one of dtu, nmed-t, simulated, simulated-nmed-t, sparrkulee.\n"
        "  For another one, --data names the folder with its corpus.toml.\n",
    )
    code, _, err = harness(*command, "--corpus", "sparkulee")
    assert err.endswith("Did you mean 'sparrkulee'?\n")
    code, out, _ = harness(*command, "--corpus", "my-lab", "--data", lab)
    assert code == 0
    assert "weights/my-lab-my-lab-envelope.safetensors" in out


def test_describe_names_corpus_parts_and_labels(harness, official_split):
    code, out, _ = harness("data", "describe", official_split)
    assert code == 0
    assert out.startswith("sparrkulee (real EEG), layout preprocessed, ")
    assert "3 subjects: sub-001, sub-027, sub-043\n6 recordings of 2 stimuli, 2 min" in out
    assert re.search(r"held-out-subjects +val +1 of 16", out)
    assert "6 recordings cut to the shortest" in out
    document = json.loads(harness("data", "describe", official_split, "--json")[1])
    assert document["features"] == {"mel": 6, "mel-28": 0, "envelope": 6}


def test_describe_says_what_is_broken_and_exits_1(harness, official_split, tmp_path):
    shutil.copytree(official_split / "derivatives", tmp_path / "tree")
    next((tmp_path / "tree").rglob("sub-043*podcast_3_eeg.npy")).write_bytes(b"")
    code, out, _ = harness("data", "describe", "tree")
    assert code == 1
    assert "broken: tree/preprocessed_eeg/sub-043" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["score", "nowhere"], 1, "nowhere: no such file or folder"),
        (["score", "nowhere", "--part", "train"], 2, "'train' is not one of 'val', 'test'"),
        (["score", "nowhere", "--split-name", "x"], 2, "No such option"),
        (["score"], 2, "Missing argument 'SYSTEM...'"),
        (["predict", "nowhere"], 2, "Missing option '--out'"),
        (["data", "describe", "nowhere"], 1, "nowhere: no such folder"),
        (
            ["data", "fetch", "nmed-t", "x"],
            2,
            "CORPUS: 'nmed-t', which nobody may fetch, expected one of dtu, sparrkulee",
        ),
        (["data", "fetch", "dtuu", "x"], 2, "Did you mean 'dtu'?"),
        (["sore"], 2, "No such command 'sore'"),
    ],
)
def test_wrong_usage(harness, arguments, code, message):
    assert harness(*arguments)[0] == code
    assert message in harness(*arguments)[2]


def test_progress_of_a_second_run_under_one_title_is_counted_from_its_own_beginning(monkeypatch, capsys):
    times = iter([0.0, 1.0, 40.0, 41.0, 61.0])
    monkeypatch.setattr(output, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with output.progress("predicting") as show:
        for done, total in ((4, 64), (64, 64), (8, 64), (28, 64)):
            show(done, total)
    assert capsys.readouterr().err == "predicting: 64 of 64, 0 s left\npredicting: 28 of 64, 36 s left\n"


def test_every_command_has_help_and_stands_in_the_readme():
    readme = (REPOSITORY / "README.md").read_text()
    for path, command in commands():
        name = " ".join(path)
        assert command.help, name
        assert f"harness {path[0] if path[0] in ('figure', 'host', 'queue') else name}" in readme, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def commands(group=cli, path=()):
    """Every command, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"),
    list(commands()),
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_every_commands_help_ends_with_examples_that_parse(path, command):
    shown = command.get_help(click.Context(command))
    title, *examples = shown[shown.index("\n  Example") :].strip().splitlines()
    assert title == ("Example:" if len(examples) == 1 else "Examples:")
    assert 1 <= len(examples) <= 2
    for words in map(shlex.split, examples):
        assert tuple(words[: len(path) + 1]) == ("harness", *path)
        context = command.make_context(path[-1], words[len(path) + 1 :])
        assert not context.args


RANK_RECORDS = ["--format", "--sort", "--bands", "--pairs", "--results"]
RANK_CHANGES = ["--data", "--jobs", "--out", "--records"]
VALUES = {"--format": "nonsense", "--sort": "rank", "--jobs": 7}


def given(options):
    """Options with a value, where they take one."""
    flags = ("--bands", "--pairs")
    return [
        word
        for name in options
        for word in ([name] if name in flags else [name, VALUES.get(name, "/nonexistent")])
    ]


@pytest.mark.parametrize("options", [[one] for one in RANK_RECORDS] + [["--format", "--results"]])
def test_options_of_committed_records_are_wrong_usage_with_changed_since(harness, options):
    code, out, err = harness("rank", "--changed-since", "HEAD", *given(options))
    assert (code, out) == (2, "")
    assert err.endswith(f"\nError: {', '.join(options)}: for committed records, not for --changed-since.\n")


@pytest.mark.parametrize("options", [[one] for one in RANK_CHANGES] + [["--data", "--jobs"]])
def test_options_of_changed_since_are_wrong_usage_without_it(harness, options):
    code, out, err = harness("rank", *given(options))
    assert (code, out) == (2, "")
    assert err.endswith(f"\nError: {', '.join(options)}: for --changed-since only.\n")


def test_a_corpus_that_the_environment_names_is_no_wrong_usage(harness, make_record, monkeypatch):
    make_record("alone", [0.05])
    monkeypatch.setenv("HARNESS_DATA", "/nonexistent")
    code, out, _ = harness("rank")
    assert (code, "1 system, 1 subject" in out) == (0, True)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom harness.cli.main import cli\n"
        "cli.main(['score', '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'scipy', 'pandas', 'librosa', 'rich', 'jsonschema'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_scoring_imports_neither_torch_nor_pandas(official_split):
    code = (
        "import sys\nimport harness.scoring.score, harness.tasks.splits, harness.records.record, harness.evaluation.evaluate\n"
        "heavy = {'torch', 'pandas', 'librosa'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def sleeping(make_submission, where, tmp_path):
    """A score under way whose predictor sleeps: the process, and the folder of its temporary files."""
    folder = make_submission(predict="print(os.getpid(), file=sys.stderr)\ntime.sleep(100)")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [*HARNESS, "score", folder, *map(str, where)],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(scratch.rglob("*.npy")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, scratch


@pytest.mark.slow
def test_interrupt_ends_the_predictor_and_leaves_nothing(sleeping, tmp_path):
    process, scratch = sleeping
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted: nothing half-written is left behind" in err
    assert "Traceback" not in err
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "results").exists()


def test_broken_pipe_is_silent(official_split):
    command = " ".join([sys.executable, "-c", "'from harness.cli.main import main; main()'"])
    done = subprocess.run(
        f"{command} data describe {official_split} | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A tiny simulated corpus and a split of 2 s segments for it."""
    from harness.corpus.simulated.make import simulate
    from harness.corpus.simulated.recipe import Recipe

    root = tmp_path_factory.mktemp("simulated")
    subjects = ("sub-001", "sub-027", "sub-086")
    simulate(
        root / "corpus",
        Recipe(subjects=subjects, recording_seconds=6.0, n_train_stimuli=2, n_test_stimuli=2),
        jobs=1,
    )
    parts = {**SMALL_SPLIT["parts"], "test": {"subjects": ["sub-086"]}}
    split = {**SMALL_SPLIT, "name": "tiny-split", "corpora": ["simulated"], "parts": parts}
    (root / "tiny-split.json").write_text(json.dumps(split))
    return root


@pytest.mark.slow
def test_every_output_on_simulated_data_says_so(harness, make_submission, simulated):
    where = ["--data", simulated / "corpus", "--split", simulated / "tiny-split.json"]
    folder = make_submission()
    for command in (["score"], ["check"], ["predict", "--out", "p.npz"]):
        code, out, _ = harness(command[0], folder, *command[1:], *where)
        assert code == 0
        assert "simulated data (no real EEG)" in out, command
    assert "SIMULATED, no real EEG" in harness("data", "describe", simulated / "corpus")[1]


def test_labels_apart_from_a_simulated_corpus_change_the_fingerprint(harness, make_submission, simulated):
    where = ["--data", simulated / "corpus", "--split", simulated / "tiny-split.json"]
    folder = make_submission()
    honest = json.loads(harness("score", folder, *where, "--json")[1])
    harness("predict", folder, *where, "--out", "p.npz")
    code, out, err = harness("score", folder, *where, "--labels", "p.npz", "--json")
    assert json.loads(out)["score"] == pytest.approx(1, abs=1e-6)
    assert json.loads(out)["corpus"]["fingerprint"] != honest["corpus"]["fingerprint"]
    assert (code, "a record of another corpus data" in err) == (1, True)


def test_damaged_simulated_corpus_is_refused_before_anything_runs(
    harness, make_submission, simulated, tmp_path
):
    shutil.copytree(simulated / "corpus", tmp_path / "damaged")
    where = ["--data", tmp_path / "damaged", "--split", simulated / "tiny-split.json"]
    path = next((tmp_path / "damaged").rglob("sub-086*run-01*_eeg.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    folder = make_submission(predict="raise ValueError('ran all the same')")
    for command in ("check", "score"):
        code, _, err = harness(command, folder, *where)
        assert code == 1
        assert "sha256" in err
        assert "ran all the same" not in err
    assert harness("score", make_submission("other"), *where, "--part", "val")[0] == 0
    path.unlink()
    code, out, _ = harness("data", "describe", tmp_path / "damaged")
    assert code == 1
    assert f"broken: {path}: no such file" in out


def test_training_on_a_damaged_simulated_corpus_is_refused(harness, make_submission, simulated, tmp_path):
    shutil.copytree(simulated / "corpus", tmp_path / "damaged")
    path = next((tmp_path / "damaged").rglob("sub-001*run-01*_eeg.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text(
        "def train(data, setup, progress):\n    raise ValueError('trained all the same')\n"
    )
    split = ["--split", simulated / "tiny-split.json"]
    code, _, err = harness("train", folder, "--data", tmp_path / "damaged", *split)
    assert (code, f"error: {path}: sha256" in err, "all the same" in err) == (1, True, False)
    assert not (folder / "weights").exists()
    assert "trained all the same" in harness("train", folder, "--data", simulated / "corpus", *split)[2]


def test_stimulus_features_are_refused_as_labels_where_they_do_not_fit(
    harness, make_submission, official_split
):
    labels = official_split / "derivatives" / "preprocessed_stimuli"
    code, _, err = harness(
        "score", make_submission(), "--data", official_split / "test_set", "--labels", labels
    )
    assert code == 1
    assert "a folder of stimulus features, expected references by segment id for the layout challenge" in err


def test_broken_mel_does_not_stop_the_envelope(
    harness, make_submission, official_split, small_split, tmp_path
):
    shutil.copytree(official_split / "derivatives", tmp_path / "tree")
    for path in (tmp_path / "tree/preprocessed_stimuli").glob("*_-_mel.npy"):
        np.save(path, np.load(path).T)
    where = ["--data", tmp_path / "tree/preprocessed_eeg", "--split", small_split]
    folder = make_submission()
    assert harness("score", folder, *where, "--feature", "envelope")[0] == 0
    code, _, err = harness("score", folder, *where)
    assert code == 1
    assert err.count("error: ") == 2  # one for each of the two files, not one for each recording
    assert "Axes look swapped" in err


def test_score_survives_a_stdout_that_has_gone(make_submission, where, tmp_path):
    command = [*HARNESS, "score", make_submission(), *map(str, where)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    read_record(tmp_path / "results/sparrkulee/small-split/test/mel/tiny.json")


@pytest.mark.slow
def test_names_that_the_terminal_cannot_show_are_escaped(make_submission, where, tmp_path):
    folder = make_submission().rename(tmp_path / "naïve")
    command = [*HARNESS, "check", folder, *map(str, where)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "na\\xefve can be scored" in done.stdout) == (0, True)


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "-1", "0"])
@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
def test_limits_that_are_no_limits(harness, option, value):
    assert harness("score", "nowhere", option, value)[0] == 2


def test_termination_leaves_nothing(sleeping):
    process, scratch = sleeping
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert list(scratch.iterdir()) == []
