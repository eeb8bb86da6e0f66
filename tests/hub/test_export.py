"""What is exported for Hugging Face's hub: the package, its card, its results in two forms."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from conftest import REPOSITORY
from ruamel.yaml import YAML

from harness.boards.board import board_names, load_board
from harness.boards.ranking import rank
from harness.errors import SubmissionError, UsageError
from harness.hub.export import export_hub
from harness.submission.manifest import load_submission

SCHEMA = json.loads(Path(__file__).with_name("every_eval_ever.json").read_text())
VLAAI = REPOSITORY / "baselines" / "vlaai"
RESULTS = REPOSITORY / "results"
BOARD = "simulated-held-out-subjects-test-mel"


def front(folder):
    """The card's front matter and its text."""
    _, matter, text = (folder / "README.md").read_text().split("---\n", 2)
    return YAML(typ="safe").load(matter), text


def read_yaml(path):
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    names = [
        name
        for name in board_names(RESULTS)
        if (RESULTS.joinpath(*name) / "vlaai-original.json").exists()
        or (RESULTS.joinpath(*name) / "vlaai-original.seed-0.json").exists()
    ]
    rankings = [rank(load_board(RESULTS, name)) for name in names]
    out = tmp_path_factory.mktemp("hub") / "vlaai"
    return export_hub(
        load_submission(VLAAI), rankings, out, repository="lab/vlaai", source="https://example.org/kit"
    ), rankings


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_the_package_is_whole_and_its_code_has_the_same_hash(exported):
    folder = exported[0].folder
    there, here = load_submission(folder), load_submission(VLAAI)
    assert there.code_sha256() == here.code_sha256()
    assert (folder / "submission.toml").read_bytes() == (VLAAI / "submission.toml").read_bytes()
    for entry in here.manifest["weights"]:
        for key in ("file", "training"):
            assert (folder / entry[key]).read_bytes() == (VLAAI / entry[key]).read_bytes()
    assert exported[0].n_files == len(files(folder))
    assert exported[0].n_bytes == sum(map(len, files(folder).values()))


def test_the_same_gives_the_same_bytes_and_nothing_of_this_machine(exported, tmp_path):
    made, rankings = exported
    again = export_hub(
        load_submission(VLAAI),
        rankings,
        tmp_path / "x",
        repository="lab/vlaai",
        source="https://example.org/kit",
    )
    assert files(again.folder) == files(made.folder)
    texts = [data for name, data in files(made.folder).items() if not name.endswith((".safetensors", ".py"))]
    assert not any(str(REPOSITORY).encode() in data for data in texts)


def test_the_card_says_licence_data_and_what_needs_no_brain(exported):
    matter, text = front(exported[0].folder)
    assert (matter["license"], matter["library_name"]) == ("mit", "eeg-speech-harness")
    assert {"eeg", "mel", "envelope"} <= set(matter["tags"])
    real, simulated = text.index("### On real EEG"), text.index("### On simulated data (no real EEG)")
    table = text[real:simulated]
    assert "dtu/dtu/val/envelope" in table
    assert "simulated/" not in table
    rest = text[simulated:]
    assert "dtu/" not in rest.partition("## From the package")[0]
    assert "± 0.0008 (3)" in rest
    assert "without the EEG" in rest
    assert "harness score hf:lab/vlaai@REVISION" in text
    assert "nothing about brains" in rest


def test_links_that_lead_out_of_the_package_are_text_and_code_keeps_its_comments(tmp_path, make_submission):
    folder = make_submission()
    (folder / "README.md").write_text(
        "# tiny\n\nSee [results](../../docs/results.md#x), [code](predictor.py), [paper](https://doi.org/1).\n\n"
        "```\n# a comment\n```\n\n## More\n"
    )
    made = export_hub(load_submission(folder), [], tmp_path / "out", repository="lab/tiny")
    _, text = front(made.folder)
    assert "See results, [code](predictor.py), [paper](https://doi.org/1)." in text
    assert "\n### tiny\n" in text
    assert "\n# a comment\n" in text
    assert "\n#### More\n" in text
    assert "There is no score record of this code and these weights." in text


def test_results_for_the_hub_are_what_its_library_reads(exported):
    library = pytest.importorskip("huggingface_hub")
    made, rankings = exported
    (ranking,) = (one for one in rankings if "-".join(one.board.name) == BOARD)
    entries = read_yaml(made.folder / ".eval_results" / f"{BOARD}.yaml")
    parsed = library.parse_eval_result_entries(entries)
    rows = [row for row in ranking.rows if row.name == "vlaai"]
    assert [one.value for one in parsed] == [row.score.value for row in rows]
    first = parsed[0]
    assert (first.dataset_id, first.task_id) == ("lab/simulated", "held-out-subjects-test-mel")
    assert (first.source_url, first.date) == ("https://example.org/kit", rows[0].finished)
    low, high = rows[0].score.ci95
    for said in (
        "simulated data (no real EEG)",
        f"{low:.4f} to {high:.4f}",
        "without the EEG: ",
        "by seed: 0: ",
    ):
        assert said in first.notes
    other = read_yaml(made.folder / ".eval_results" / "dtu-dtu-val-envelope.yaml")
    assert all("real EEG: dtu" in one["notes"] and one["dataset"]["id"] == "lab/dtu" for one in other)


def test_the_common_form_holds_score_interval_and_seeds(exported):
    made, rankings = exported
    found = sorted((made.folder / ".eval_results" / "every-eval-ever").glob("*.json"))
    assert [path.stem for path in found] == sorted("-".join(one.board.name) for one in rankings)
    for path in found:
        jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    document = json.loads((made.folder / ".eval_results/every-eval-ever" / f"{BOARD}.json").read_text())
    (ranking,) = (one for one in rankings if "-".join(one.board.name) == BOARD)
    row = next(row for row in ranking.rows if row.system == "vlaai (original)")
    first = next(
        one for one in document["evaluation_results"] if "vlaai (original)" in one["evaluation_name"]
    )
    details = first["score_details"]
    assert details["score"] == row.score.value
    uncertainty = details["uncertainty"]
    interval = uncertainty["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == row.score.ci95
    assert (interval["confidence_level"], uncertainty["num_samples"]) == (0.95, 19)
    assert uncertainty["standard_deviation"] == pytest.approx(
        np.std(list(row.score.subjects.values()), ddof=1)
    )
    assert details["details"]["by seed"].count(":") == 3
    assert first["metric_config"] | {"evaluation_description": ""} == {
        "evaluation_description": "",
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": -1.0,
        "max_score": 1.0,
    }
    assert document["model_info"]["id"] == "lab/vlaai"


def test_results_of_other_code_or_weights_are_left_out_and_named(
    make_submission, make_record, harness, tmp_path
):
    folder = make_submission()
    code = load_submission(folder).code_sha256()
    scores = np.linspace(0.04, 0.06, 9)
    make_record("tiny", scores, submission={"code_sha256": code, "weights_sha256": None})
    make_record("tiny", scores, kind="real", submission={"code_sha256": "0" * 64, "weights_sha256": None})
    code, out, err = harness("export", "hub", folder, "--repository", "lab/tiny")
    assert code == 0, err
    assert "tiny-hub: " in out
    assert "0 of 1 result on real EEG" in out
    assert "note: 1 result of other code or weights left out: tiny on sparrkulee/" in err
    assert "next: hf upload lab/tiny tiny-hub" in err
    found = [path.name for path in (tmp_path / "tiny-hub" / ".eval_results").glob("*.yaml")]
    assert len(found) == 1
    assert found[0].startswith("simulated-")


def test_weights_that_are_not_the_manifests_are_other_weights(make_submission, make_record, harness):
    folder = make_submission()
    code = load_submission(folder).code_sha256()
    make_record("tiny", [0.1] * 9, submission={"code_sha256": code, "weights_sha256": "1" * 64})
    _, out, err = harness("export", "hub", folder, "out")
    assert "no results" in out
    assert "1 result of other code or weights" in err
    assert "no record of tiny with this code and these weights in results" in err
    assert "the card says OWNER" in err


def test_an_unknown_licence_is_named_as_what_it_is(make_submission, tmp_path):
    folder = make_submission(licence="Ours: ask 'us' | <b>")
    made = export_hub(load_submission(folder), [], tmp_path / "out", repository="lab/tiny")
    matter, text = front(made.folder)
    assert (matter["license"], matter["license_name"]) == ("other", "Ours: ask 'us' | <b>")
    assert "Ours: ask 'us' \\| &lt;b>" in text


def test_places_that_are_taken(make_submission, harness, tmp_path):
    folder = make_submission()
    assert harness("export", "hub", folder, "out")[0] == 0
    code, _, err = harness("export", "hub", folder, "out")
    assert (code, "an earlier export" in err) == (2, True)
    (tmp_path / "out" / "stale.py").write_text("")
    assert harness("export", "hub", folder, "out", "--replace")[0] == 0
    assert not (tmp_path / "out" / "stale.py").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    code, _, err = harness("export", "hub", folder, "mine", "--replace")
    assert (code, "is there already" in err) == (2, True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"
    for place in (folder / "inside", folder, folder.parent):
        code, _, err = harness("export", "hub", folder, place, "--replace")
        assert (code, "a folder of its own" in err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--repository", "tiny"], "--repository: 'tiny', expected owner/name"),
        (["--dataset", "dtu"], "expected such as dtu=my-lab/dtu-trials"),
        (["--dataset", "dtu=trials"], "--dataset dtu: 'trials', expected owner/name"),
        (["--source", "http://x"], "expected an address, https://..."),
    ],
)
def test_options_that_cannot_be_meant(make_submission, harness, options, said, tmp_path):
    code, _, err = harness("export", "hub", make_submission(), "out", *options)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_an_ensemble_and_weights_that_have_changed_are_refused(tmp_path, make_submission):
    with pytest.raises(SubmissionError, match="an ensemble, whose members lie outside"):
        export_hub(
            load_submission(REPOSITORY / "baselines" / "ensemble"), [], tmp_path / "x", repository="lab/x"
        )
    folder = make_submission()
    (folder / "weights").mkdir()
    (folder / "weights" / "w.safetensors").write_bytes(b"new")
    with (folder / "submission.toml").open("a") as file:
        file.write(
            '[[weights]]\ncorpus = "simulated"\nsplit = "x"\nfeature = "mel"\n'
            f'file = "weights/w.safetensors"\nsha256 = "{"0" * 64}"\n'
        )
    with pytest.raises(SubmissionError, match=r"w\.safetensors"):
        export_hub(load_submission(folder), [], tmp_path / "x", repository="lab/x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(UsageError, match="--repository"):
        export_hub(load_submission(folder), [], tmp_path / "x", repository="lab/x/y")
