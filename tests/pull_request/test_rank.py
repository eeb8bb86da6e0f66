"""What a branch changes: each kind of change is reported as what it is, and no record is trusted that was touched."""

import hashlib
import json
import os
import re
import subprocess

import numpy as np
import pytest
from repository_fixtures import BOARD, EDITOR, OFFICIAL, SYSTEMS

from harness.errors import PredictorError
from harness.pull_request.as_jobs import ScoredAsJobs
from harness.pull_request.changes import changes_since
from harness.pull_request.comment import load_data
from harness.records.key import record_key
from harness.records.store import read_record

CUMSUM = SYSTEMS["baselines/alpha"]
# The same system with the sign of every prediction turned: its score is the negative.
NEGATED = f"-{CUMSUM}"


def rows(document):
    (board,) = document["boards"]
    return {row["system"]: row for row in board["rows"]}


def texts(document, stop):
    return [remark["text"] for remark in document["remarks"] if remark["stop"] is stop]


def test_where_nothing_changed_every_row_is_its_record(ranked, fork, tmp_path):
    code, document, text, _ = ranked("--records", tmp_path / "records")
    assert code == 0
    assert document["remarks"] == []
    assert not (tmp_path / "records").exists()
    for name, row in rows(document).items():
        record = json.loads(fork.record(name).read_text())
        assert (row["how"], row["event"]) == ("from record", None)
        assert row["pearson_r"] == record["score"]
        assert (row["before"]["rank"], row["before"]["ties"]) == (row["rank"], row["ties"])
    assert load_data(tmp_path / "ranking.json") == document
    assert "** as before." in text
    assert "|" not in text


def test_a_changed_system_is_scored_and_its_old_record_called_stale(ranked, fork, tmp_path):
    before = read_record(fork.record("alpha"))
    fork.add_system("baselines/alpha", NEGATED)
    code, document, text, _ = ranked("--records", tmp_path / "records")
    assert code == 0
    row = rows(document)["alpha"]
    assert (row["how"], row["pearson_r"]) == ("scored now", pytest.approx(-before.score, abs=1e-9))
    assert row["event"] == ("lowered" if before.score > 0 else "improved")
    assert rows(document)["beta"]["how"] == "from record"
    (stale,) = texts(document, False)
    assert stale.startswith(f"stale record, scored again: results/{BOARD}/alpha.json: score ")
    made = read_record(tmp_path / "records" / BOARD / "alpha.json")
    assert made.score == row["pearson_r"]
    assert record_key(made) != record_key(before)
    places = row["before"]["rank"] - row["rank"]
    assert places == 0 or f"{'▲' if places > 0 else '▼'}{abs(places)} |" in text


@pytest.mark.slow
def test_uncommitted_and_untracked_changes_count(ranked, fork):
    fork.add_system("submissions/gamma", CUMSUM)
    code, document, text, _ = ranked(commit=False)
    assert code == 0
    row, old = rows(document)["gamma"], rows(document)["alpha"]
    assert (row["how"], row["event"], row["before"]) == ("scored now", "added", None)
    assert row["pearson_r"] == old["pearson_r"]
    assert "| new |" in text


def test_a_changed_document_of_a_system_scores_nothing(ranked, fork):
    fork.write("baselines/alpha/README.md", "other words")
    code, document, _, _ = ranked()
    assert (code, document["remarks"]) == (0, [])
    assert rows(document)["alpha"]["how"] == "from record"


def test_a_record_edited_by_hand_is_named_and_not_trusted(ranked, fork):
    path = fork.record("beta")
    record = json.loads(path.read_text())
    honest = record["score"]
    record["score"] = 0.9
    path.write_text(json.dumps(record))
    code, document, text, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert stop.startswith(
        f"record edited by hand, or not of this code: results/{BOARD}/beta.json: score 0.900000, now "
    )
    assert rows(document)["beta"]["pearson_r"] == honest
    assert rows(document)["beta"]["event"] is None
    assert text.index("**Must be fixed**") < text.index("record edited by hand")


def test_a_forged_record_with_the_right_score_is_still_found(ranked, fork):
    path = fork.record("beta")
    record = json.loads(path.read_text())
    record["chance"]["circular_shifts"]["high"] = 0.0
    record["overlap"] = {"subjects_seen": 0, "subjects": 1, "stimuli_seen": 0, "stimuli": 1}
    path.write_text(json.dumps(record))
    code, document, _, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert "chance.circular_shifts.high 0.000000, now " in stop
    assert "overlap " in stop


@pytest.mark.slow
def test_a_forged_record_behind_a_link_is_found(ranked, fork):
    fork.add_system("submissions/gamma", NEGATED)
    fork.score("submissions/gamma")
    record = json.loads(fork.record("gamma").read_text())
    board = fork.record("gamma").parent
    board.rename(fork.path("elsewhere"))
    board.symlink_to(fork.path("elsewhere"))
    fork.record("gamma").write_text(json.dumps({**record, "score": 0.9}))
    code, document, _, _ = ranked()
    assert code == 1
    forged, *gone = texts(document, True)
    assert forged.startswith(
        f"record edited by hand, or not of this code: results/{BOARD}/gamma.json: score 0.900000"
    )
    assert [text.split(" and leaves ")[0] for text in gone] == [
        f"removes the record results/{BOARD}/{name}.json" for name in ("alpha", "beta")
    ]
    assert rows(document)["gamma"]["pearson_r"] == record["score"]


def test_a_changed_record_of_a_board_that_is_not_ranked_here_is_named(ranked, fork):
    fork.write("results/dtu/dtu/val/envelope/alpha.json", {"score": 0.9})
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False) == [
        "NOT VERIFIED, of no board that is ranked here: results/dtu/dtu/val/envelope/alpha.json (added)"
    ]


@pytest.mark.slow
def test_a_record_scored_honestly_is_reproduced(ranked, fork):
    fork.add_system("submissions/gamma", NEGATED)
    fork.score("submissions/gamma")
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False) == [f"record reproduced: results/{BOARD}/gamma.json"]


def test_an_edited_split_is_named_and_voids_its_records(ranked, fork):
    split = fork.read("splits/small-split.json")
    fork.write("splits/small-split.json", {**split, "segment_seconds": 3})
    code, document, _, _ = ranked()
    assert code == 0
    notes = texts(document, False)
    assert notes[0] == (
        "edits the split small-split (splits/small-split.json): records of it are void, and are scored"
        " again or left out"
    )
    assert [note.split(":")[0] for note in notes[1:]] == ["stale record, scored again"] * 2
    for row in rows(document).values():
        assert (row["how"], row["event"]) == ("scored now", "re-scored: split or corpus changed")


@pytest.mark.slow
def test_an_edited_scorer_is_named_and_no_stored_score_is_taken(ranked, fork):
    fork.write("harness/scoring/score.py", "SCORER_VERSION = 1\n# faster\n")
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False) == [
        "edits the scorer (harness/scoring/score.py), SCORER_VERSION stays 1: no stored score is taken over"
    ]
    assert {row["how"] for row in rows(document).values()} == {"scored now"}


def test_a_scorer_that_moves_a_stored_score_without_a_new_version_stops(ranked, fork, upstream):
    # The scorer that runs here is the real one, so the record at the base holds what another gave.
    path = upstream.record("alpha")
    record = json.loads(path.read_text())
    honest = record["score"]
    for values in (record, *record["subjects"].values()):
        values["bands"] = [0.5] * 10
    record["score"] = record["subjects"]["sub-043"]["pearson_r"] = 0.5
    del record["controls"]
    path.write_text(json.dumps(record))
    upstream.commit("Score with an older scorer")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.write("harness/scoring/score.py", "SCORER_VERSION = 1\n# other\n")
    code, document, _, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert stop == (
        "moves a stored score without raising SCORER_VERSION: alpha (default) on"
        f" {BOARD}, 0.500000 becomes {honest:.6f}"
    )


def test_what_scores_rest_on_is_named_and_no_stored_score_is_taken(ranked, fork):
    fork.write("harness/nn/attention.py", "# other\n")
    fork.write("harness/page/build.py", "# other\n")
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False) == [
        "edits what scores rest on, 1 file (harness/nn/attention.py): no stored score is taken over",
        "edits the harness: 1 file (harness/page/build.py)",
    ]
    assert {row["how"] for row in rows(document).values()} == {"scored now"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edited", "scorer", "odd"),
    [
        ("nn/attention.py", "SCORER_VERSION = 1\n", {"score": 0.5}),
        ("scoring/statistics.py", "SCORER_VERSION = 1\n", {"ci95": [-0.9, 0.9]}),
        ("scoring/chance.py", "SCORER_VERSION = 1\n# faster\n", {"ci95": [-0.9, 0.9]}),
    ],
)
def test_a_record_that_the_edited_harness_no_longer_makes_stops(ranked, fork, upstream, edited, scorer, odd):
    # The harness that runs here is the real one, so the record at the base holds what another gave.
    path = upstream.record("alpha")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **odd}))
    upstream.commit("Score with an older harness")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.write(f"harness/{edited}", "# other\n")
    fork.write("harness/scoring/score.py", scorer)
    code, document, _, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert stop.startswith(f"record that this harness no longer makes: results/{BOARD}/alpha.json: ")
    assert stop.endswith(". Score it again and commit the record, or undo the edit.")


def test_a_raised_scorer_version_is_named(fork):
    fork.write("harness/scoring/score.py", "SCORER_VERSION: Final = 2\n")
    fork.commit("Raise")
    assert changes_since("origin/main", fork.folder).scorer_versions() == (1, 2)


def test_a_scorer_version_that_python_cannot_read_is_none(fork):
    fork.write("harness/scoring/score.py", f"SCORER_VERSION = {'9' * 5000}\n")
    fork.commit("Raise")
    assert changes_since("origin/main", fork.folder).scorer_versions() == (1, None)


def test_a_member_whose_name_is_too_long_stops_its_own_submission_only(ranked, fork):
    fork.add_system("submissions/gamma", NEGATED)
    manifest = fork.path("submissions/gamma/submission.toml").read_text().splitlines()
    lines = [line for line in manifest if not line.startswith("entry_point")]
    lines += [f'[[members]]\nsubmission = "../{name}"' for name in ("x" * 300, "beta")]
    fork.write("submissions/gamma/submission.toml", "\n".join(lines) + "\n")
    code, document, _, _ = ranked()
    (stop,) = texts(document, True)
    assert (code, sorted(rows(document))) == (1, ["alpha", "beta"])
    assert stop.startswith("submissions/gamma: submissions/gamma/submission.toml: member 1, ../xxx")


def test_a_second_submission_under_a_name_is_refused_with_both_folders(ranked, fork):
    fork.add_system("submissions/alpha", NEGATED)
    code, document, _, _ = ranked()
    assert code == 1
    assert texts(document, True) == [
        "two submissions named alpha: submissions/alpha and baselines/alpha; the first is refused, choose"
        " another name"
    ]
    assert rows(document)["alpha"]["how"] == "from record"


def test_a_name_taken_from_another_folder_is_refused_too(ranked, fork):
    fork.add_system("submissions/zeta", NEGATED, name="alpha")
    fork.add_system("submissions/eta", NEGATED, name="theta")
    code, document, _, _ = ranked()
    assert code == 1
    assert len(texts(document, True)) == 2
    assert texts(document, True)[0].startswith(
        "two submissions named alpha: submissions/zeta and baselines/alpha"
    )
    assert texts(document, True)[1] == "submissions/eta is named theta; folder and name must be one"
    assert set(rows(document)) == {"alpha", "beta"}


@pytest.mark.slow
def test_two_records_of_one_name_are_named(ranked, fork):
    fork.add_system("submissions/alpha-x", CUMSUM)
    manifest = fork.path("baselines/alpha/submission.toml")
    variants = '[variants.default]\ntitle = "t"\n[variants.x]\ntitle = "t"\n'
    manifest.write_text(manifest.read_text() + variants)
    code, document, _, _ = ranked()
    assert code == 1
    assert texts(document, True) == [
        f"two records of one name, results/{BOARD}/alpha-x.json: alpha (x) and alpha-x; rename one"
    ]


def test_edits_of_the_harness_and_of_ci_are_named(ranked, fork):
    fork.write("harness/other.py", "VALUE = 2\n")
    fork.write(".github/workflows/check.yml", "on: push\n")
    fork.write("splits/new-split.json", {})
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False) == [
        "adds the split new-split (splits/new-split.json)",
        "edits the harness: 1 file (harness/other.py)",
        "edits what CI runs: 1 file (.github/workflows/check.yml)",
    ]


def test_a_withdrawn_system_is_named_as_gone(ranked, fork):
    fork.git("rm", "-r", "--quiet", "submissions/beta", str(fork.record("beta")))
    code, document, text, _ = ranked()
    assert code == 0
    assert texts(document, False) == [
        "removes the submission submissions/beta",
        f"removes the record results/{BOARD}/beta.json",
    ]
    assert set(rows(document)) == {"alpha"}
    assert document["boards"][0]["gone"] == ["beta"]
    assert "No longer ranked: `beta`." in text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["removed", "removed, and a document edited", "results is a file"])
def test_nobody_takes_away_the_record_of_another_system(ranked, fork, how):
    whole = how == "results is a file"
    fork.git("rm", "-r", "--quiet", "results" if whole else str(fork.record("beta")))
    if whole:
        fork.write("results", "nothing\n")
    if "document" in how:
        fork.write("submissions/beta/README.md", "A better word.\n")
    code, document, _, _ = ranked()
    assert code == 1
    gone = ["alpha", "beta"] if whole else ["beta"]
    assert texts(document, True) == [
        f"removes the record results/{BOARD}/{name}.json and leaves {name} as it was: restore it, or withdraw both"
        for name in gone
    ]
    # A submission of which anything changed is scored again, and stays on the board.
    assert document["boards"][0]["gone"] == ([] if "document" in how else gone)


def test_nobody_takes_away_predictions_that_were_handed_in(ranked, fork, upstream):
    record = json.loads(upstream.record("beta").read_text())
    record["submission"] |= {"name": "handed-in", "kind": "predictions", "predictions_sha256": "9" * 64}
    record["submission"] |= {"variant": None, "code_sha256": None, "version": None}
    upstream.record("handed-in").write_text(json.dumps(record))
    upstream.commit("Hand in")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.git("rm", "--quiet", str(fork.record("handed-in")))
    code, document, _, _ = ranked()
    assert code == 1
    assert texts(document, True) == [
        f"removes the record results/{BOARD}/handed-in.json of predictions: whoever runs the challenge withdraws these"
    ]


def test_a_record_without_a_submission_is_not_ranked(ranked, fork):
    fork.git("rm", "-r", "--quiet", "submissions/beta")
    record = json.loads(fork.record("alpha").read_text())
    record["submission"]["name"] = "ghost"
    fork.record("ghost").write_text(json.dumps(record))
    code, document, _, _ = ranked()
    assert code == 1
    assert texts(document, True) == [
        f"removes the submission beta and leaves its record results/{BOARD}/beta.json: remove that too",
        f"a record without a submission: results/{BOARD}/ghost.json; not ranked",
    ]
    assert (
        texts(document, False)[1] == f"a record without a submission: results/{BOARD}/beta.json; not ranked"
    )
    assert set(rows(document)) == {"alpha"}


def test_broken_foreign_and_doubled_records_are_all_named(ranked, fork):
    fork.record("broken").write_text("{")
    fork.record("copy").write_bytes(fork.record("alpha").read_bytes())
    record = json.loads(fork.record("beta").read_text())
    record["submission"] |= {"name": "handed-in", "kind": "predictions"}
    record["submission"] |= {"variant": None, "code_sha256": None, "predictions_sha256": "9" * 64}
    record["submission"]["version"] = None
    fork.record("handed-in").write_text(json.dumps(record))
    code, document, _, _ = ranked()
    assert code == 1
    broken, doubled, handed = texts(document, True)
    assert broken.startswith(f"broken record: results/{BOARD}/broken.json: not JSON")
    assert doubled.startswith(
        f"results/{BOARD}/copy.json: a record of another board or name, expected results/{BOARD}/alpha.json"
    )
    assert (
        handed
        == f"a record of predictions cannot be made again here: results/{BOARD}/handed-in.json; not ranked"
    )
    assert set(rows(document)) == {"alpha", "beta"}


def test_records_at_the_base_that_are_broken_or_foreign_are_left_out_with_a_remark(ranked, fork, upstream):
    record = json.loads(upstream.record("alpha").read_text())
    upstream.record("broken").write_text("{")
    upstream.record("other").write_text(json.dumps({**record, "scorer_version": 2}))
    upstream.commit("Break")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    fork.git("rm", "--quiet", str(fork.record("broken")), str(fork.record("other")))
    code, document, _, _ = ranked()
    assert code == 0
    notes = texts(document, False)
    assert notes[0] == f"results/{BOARD}/broken.json at the base is not a record; compared without it"
    assert notes[1].startswith(
        f"at the base, compared without it: results/{BOARD}/other.json: another scorer version"
    )
    assert notes[2:] == [f"removes the record results/{BOARD}/{name}.json" for name in ("broken", "other")]
    assert {row["how"] for row in rows(document).values()} == {"from record"}


def test_a_record_at_the_base_that_contradicts_itself_is_not_trusted(ranked, fork, upstream):
    path = upstream.record("alpha")
    record = json.loads(path.read_text())
    honest, record["score"] = record["score"], 0.9
    path.write_text(json.dumps(record))
    upstream.commit("Forge")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, _, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert stop.startswith(
        f"record that this harness no longer makes: results/{BOARD}/alpha.json: score 0.900000, now "
    )
    assert texts(document, False) == [
        f"results/{BOARD}/alpha.json at the base contradicts itself; compared without it"
    ]
    row = rows(document)["alpha"]
    assert (row["how"], row["event"], row["pearson_r"]) == ("scored now", "added", honest)


def test_a_record_of_predictions_that_contradicts_itself_is_not_ranked(ranked, fork, upstream):
    record = json.loads(upstream.record("beta").read_text())
    record["submission"] |= {"name": "handed-in", "kind": "predictions", "version": None, "variant": None}
    record["submission"] |= {"code_sha256": None, "predictions_sha256": "9" * 64}
    upstream.record("handed-in").write_text(json.dumps({**record, "score": 0.9}))
    upstream.commit("Forge")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, _, _ = ranked()
    assert code == 1
    (stop,) = texts(document, True)
    assert stop.startswith(
        f"a record of predictions that contradicts itself, not ranked: results/{BOARD}/handed-in.json: score:"
        " 0.900000, expected "
    )
    assert set(rows(document)) == {"alpha", "beta"}


def test_a_stale_record_that_the_range_did_not_touch_is_scored_again(ranked, fork, upstream):
    record = json.loads(upstream.record("alpha").read_text())
    record["submission"]["code_sha256"] = "9" * 64
    upstream.record("alpha").write_text(json.dumps(record))
    upstream.commit("Forget to score")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, _, _ = ranked()
    assert code == 0
    (note,) = texts(document, False)
    assert note.startswith(
        f"stale record, scored again: results/{BOARD}/alpha.json: submission.code_sha256 9999"
    )
    assert rows(document)["alpha"]["event"] == "made again"


@pytest.mark.slow
def test_an_ensemble_changes_with_its_member(ranked, fork, upstream):
    manifest = {"name": "both", "version": "1.0.0", "title": "t", "authors": ["a"], "licence": "MIT"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in manifest.items()]
    members = [f'[[members]]\nsubmission = "../../{place}"' for place in SYSTEMS]
    upstream.write("submissions/both/submission.toml", "\n".join([*lines, 'features = ["mel"]', *members]))
    upstream.score("submissions/both")
    upstream.commit("Add an ensemble")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, _, _ = ranked()
    assert (code, rows(document)["both"]["how"]) == (0, "from record")
    fork.add_system("baselines/alpha", NEGATED)
    code, document, _, _ = ranked()
    assert code == 0
    assert {name for name, row in rows(document).items() if row["how"] == "scored now"} == {"alpha", "both"}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["by its path", "through a link", "through another link", "code"])
def test_an_ensemble_changes_with_a_member_that_lies_elsewhere(
    ranked, fork, upstream, harness, tmp_path, way
):
    manifest = {"name": "both", "version": "1.0.0", "title": "t", "authors": ["a"], "licence": "MIT"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in manifest.items()]
    upstream.add_system("extras/deep/member", CUMSUM)
    upstream.add_system("extras/other/member", NEGATED)
    upstream.path("extras/link").symlink_to("deep")
    named = "extras/deep/member" if way in ("by its path", "code") else "extras/link/member"
    members = [f'[[members]]\nsubmission = "../../{place}"' for place in ("baselines/alpha", named)]
    upstream.write("submissions/both/submission.toml", "\n".join([*lines, 'features = ["mel"]', *members]))
    upstream.score("submissions/both")
    upstream.commit("Add an ensemble")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, _, _ = ranked()
    assert (code, rows(document)["both"]["how"]) == (0, "from record")
    if way == "through another link":
        fork.path("extras/link").unlink()
        fork.path("extras/link").symlink_to("other")
    elif way == "code":
        fork.write("extras/deep/member/more.py", "A = 1\n")
    else:
        fork.add_system("extras/deep/member", NEGATED)
    for by_base in (False, True):
        predictions = ()
        if by_base:
            left = tmp_path / "predictions"
            since = ("rank", "--changed-since", "origin/main", "--data", OFFICIAL)
            code, _, err = harness(*since, "--predictions-out", left)
            assert code == 0, err
            predictions = ("--predictions", left)
        code, document, _, _ = ranked(*predictions)
        assert (code, rows(document)["both"]["how"]) == (0, "scored now")
        (stale,) = texts(document, False)
        assert stale.startswith(f"stale record, scored again: results/{BOARD}/both.json: ")


@pytest.mark.parametrize(
    "path", [".gitattributes", "submissions/.gitattributes", "baselines/conftest.py", ".lfsconfig"]
)
def test_files_that_git_or_tools_obey_stop_it_beside_packages_too(ranked, fork, path):
    fork.write(path, "# nothing yet\n")
    code, document, _, _ = ranked()
    assert (code, texts(document, True)) == (
        1,
        [f"adds {path}, which tools run without being asked"],
    )


def test_a_member_outside_the_repository_is_refused(ranked, fork, tmp_path):
    fork.add_system("submissions/gamma", CUMSUM)
    fork.path("submissions/gamma").rename(tmp_path / "gamma")
    manifest = {"name": "both", "version": "1.0.0", "title": "t", "authors": ["a"], "licence": "MIT"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in manifest.items()]
    outside = os.path.relpath(tmp_path / "gamma", fork.path("submissions/both"))
    members = [f'[[members]]\nsubmission = "{place}"' for place in ("../../baselines/alpha", outside)]
    fork.write("submissions/both/submission.toml", "\n".join([*lines, 'features = ["mel"]', *members]))
    code, document, _, _ = ranked()
    assert (code, set(rows(document))) == (1, {"alpha", "beta"})
    expected = f"submissions/both has a member outside the repository: {tmp_path}/gamma"
    assert texts(document, True) == [expected]


def test_a_system_that_fails_its_check_is_not_ranked(ranked, fork):
    fork.add_system("submissions/gamma", "eeg[:, :-1]")
    fork.add_system("submissions/delta", CUMSUM)
    fork.write("submissions/delta/submission.toml", 'name = "delta"\n')
    code, document, _, _ = ranked()
    assert code == 1
    broken, failed = texts(document, True)
    assert broken.startswith(
        "submissions/delta: submissions/delta/submission.toml: the key 'version' is missing"
    )
    assert re.match(
        "submissions/gamma cannot be scored: gamma, batch [12] of 2, segments (surrogate of )?sub-043_",
        failed,
    )
    assert "Return n_frames = 128 frames" in failed
    assert "127, 64), expected (" in failed
    assert "128, 10) (n_segments, n_frames, n_bands)" in failed
    assert set(rows(document)) == {"alpha", "beta"}


def test_the_range_begins_where_the_branch_did(ranked, fork, upstream):
    upstream.write("harness/other.py", "VALUE = 3\n")
    upstream.commit("Go on")
    fork.git("fetch", "--quiet", "origin")
    fork.write("README.md", "others\n")
    _, document, _, _ = ranked()
    assert document["remarks"] == []
    assert document["base"] != fork.git("rev-parse", "origin/main")


def test_odd_file_names_arrive_as_they_are(fork):
    fork.write("submissions/béta\n\t`x`/submission.toml", "")
    fork.commit("Odd")
    changes = changes_since("origin/main", fork.folder / "splits")
    assert changes.submissions() == {"submissions/béta\n\t`x`": "added"}
    assert changes.root == fork.folder


def test_a_ref_that_does_not_exist_a_branch_without_ancestor_and_an_option_as_a_ref(ranked, fork):
    code, _, text, error = ranked(ref="nowhere")
    assert (code, text) == (2, "")
    assert error == (
        f"error: --changed-since nowhere: no such commit in {fork.folder}, expected a branch, tag or commit"
        " of this repository.\n  Fetch it first, for example: git fetch origin main; then --changed-since"
        " origin/main\n"
    )
    code, _, _, error = ranked(ref="--output=x")
    assert (code, "no such commit" in error) == (2, True)
    assert not fork.path("x").exists()
    tree = fork.git("rev-parse", "HEAD^{tree}")
    orphan = fork.git("commit-tree", tree, "-m", "alone")
    code, _, _, error = ranked(ref=orphan)
    assert (code, "no commit in common with HEAD" in error) == (2, True)
    assert "git fetch --unshallow" in error


def test_a_folder_without_git_a_repository_without_a_commit_and_no_git(harness, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    asked = ("rank", "--changed-since", "main", "--data", OFFICIAL)
    code, _, error = harness(*asked)
    assert code == 1
    assert error.startswith(f"error: {outside}: no git repository, expected a clone of the repository")
    subprocess.run(["git", "init", "--quiet"], check=True, env=os.environ | EDITOR)
    code, _, error = harness(*asked)
    assert (code, "a git repository without a commit" in error) == (1, True)
    monkeypatch.setenv("PATH", str(outside))
    code, _, error = harness(*asked)
    assert code == 1
    assert error.startswith("error: git: not installed, expected the command git")


def test_a_board_that_is_not_there_and_options_without_a_ref(ranked, harness):
    code, _, _, error = ranked("--board", "dtu/dtu/val/envelope")
    assert code == 2
    assert f"not of the corpus sparrkulee in {OFFICIAL}, expected {BOARD}" in error
    code, document, _, _ = ranked("--board", BOARD)
    assert (code, len(document["boards"])) == (0, 1)
    code, _, error = harness("rank", "--out", "x.json")
    assert (code, "--out: for --changed-since only." in error) == (2, True)


OTHER = "results/my-lab/small-split/val/mel"


@pytest.fixture
def elsewhere(upstream, fork):
    """Records of a corpus that is not here: those of the board that is, under the other's name."""
    for name in ("alpha", "beta"):
        document = json.loads(upstream.record(name).read_text())
        document["corpus"] = {"name": "my-lab", "kind": "real", "fingerprint": "0" * 64}
        upstream.write(f"{OTHER}/{name}.json", json.dumps(document))
    upstream.commit("Add a board of another corpus")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")


@pytest.mark.slow
def test_records_of_a_corpus_that_is_not_here_are_called_stale_where_they_are(ranked, fork, elsewhere):
    _, document, _, _ = ranked()
    assert document["remarks"] == []
    fork.add_system("baselines/alpha", NEGATED)
    code, document, _, _ = ranked()
    assert code == 0
    assert texts(document, False)[-1] == (
        "1 stale record of the corpus my-lab, which is not here, of other code of alpha:"
        f" {OTHER}/alpha.json. Score again where the data are, and commit the records; --data names the corpus"
        " that is checked."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("splits/small-split.json", "of another split file than splits/small-split.json"),
        ("harness/corpus/base.py", "made before the range edited what scores rest on"),
    ],
)
def test_an_edited_split_and_an_edited_harness_make_all_of_them_stale(ranked, fork, elsewhere, path, cause):
    fork.path(path).parent.mkdir(parents=True, exist_ok=True)
    with fork.path(path).open("a") as file:
        file.write("\n")
    _, document, _, _ = ranked()
    assert any(
        text.startswith(
            f"2 stale records of the corpus my-lab, which is not here, {cause}: {OTHER}/alpha.json,"
        )
        for text in texts(document, False)
    )


def test_one_system_and_one_subject(ranked, fork, upstream):
    upstream.git("rm", "-r", "--quiet", "submissions/beta", str(upstream.record("beta")))
    upstream.commit("Leave one")
    fork.git("pull", "--quiet", "--rebase", "origin", "main")
    code, document, text, _ = ranked()
    assert code == 0
    (row,) = document["boards"][0]["rows"]
    assert (row["rank"], row["rank_low"], row["rank_high"], row["ci95"]) == (1, 1, 1, None)
    assert document["boards"][0]["subjects"] == 1
    assert "feature mel: 1 system, 1 subject**" in text
    assert "nan" not in text.lower()


LEARNT = """import numpy as np


class Decoder:
    def __init__(self, setup):
        self.n_bands, self.gain = setup.n_bands, np.load(setup.weights)

    def predict(self, eeg, subjects):
        return self.gain * np.cumsum(eeg, axis=1)[:, :, : self.n_bands]
"""


def add_learnt(fork):
    """A submission whose weights are of another split of the corpus, and of no other board."""
    fork.add_system("submissions/gamma", CUMSUM)
    fork.write("submissions/gamma/predictor.py", LEARNT)
    weights = fork.path("submissions/gamma/weights/elsewhere.npy")
    weights.parent.mkdir()
    np.save(weights, np.float32(-1))
    entry = {
        "corpus": "sparrkulee",
        "split": "elsewhere",
        "feature": "mel",
        "file": "weights/elsewhere.npy",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in entry.items())
    manifest = fork.path("submissions/gamma/submission.toml")
    manifest.write_text(f"{manifest.read_text()}[[weights]]\n{lines}\n")


@pytest.mark.slow
def test_records_of_other_weights_and_of_fewer_channels_are_made_again_as_such(ranked, fork):
    add_learnt(fork)
    options = ("--data", OFFICIAL, "--split", "splits/small-split.json")
    fork.harness("score", "submissions/gamma", *options, "--weights-of", "sparrkulee/elsewhere")
    fork.harness("score", "baselines/alpha", *options, "--exclude-channels", "1,2")
    stems = ("gamma.from-sparrkulee.elsewhere", "alpha.without-1-2")
    systems = ("gamma (transfer from sparrkulee/elsewhere)", "alpha (without channels 1, 2)")
    honest = [json.loads(fork.record(stem).read_text())["score"] for stem in stems]
    code, document, text, _ = ranked()
    assert code == 0
    assert sorted(texts(document, False)) == [
        f"record reproduced: results/{BOARD}/{stem}.json" for stem in sorted(stems)
    ]
    assert [rows(document)[system]["pearson_r"] for system in systems] == honest
    assert all(system in text for system in systems)
    # with another gain the same record is stale, and made again
    np.save(fork.path("submissions/gamma/weights/elsewhere.npy"), np.float32(1))
    new = hashlib.sha256(fork.path("submissions/gamma/weights/elsewhere.npy").read_bytes()).hexdigest()
    manifest = fork.path("submissions/gamma/submission.toml")
    manifest.write_text(re.sub(r'sha256 = "[0-9a-f]+"', f'sha256 = "{new}"', manifest.read_text()))
    code, document, _, _ = ranked()
    assert code == 1  # the record that the range adds is not of this code
    assert rows(document)[systems[0]]["pearson_r"] == pytest.approx(-honest[0], abs=1e-9)


@pytest.mark.slow
def test_records_of_other_weights_are_made_in_two_jobs_too(
    fork, pulled, upstream, tmp_path, harness, monkeypatch
):
    add_learnt(fork)
    options = ("--data", OFFICIAL, "--split", "splits/small-split.json")
    fork.harness("score", "submissions/gamma", *options, "--weights-of", "sparrkulee/elsewhere")
    fork.commit("Change")
    monkeypatch.chdir(fork.folder)
    made = tmp_path / "made"
    rank = ("rank", "--changed-since", "origin/main", "--data", OFFICIAL)
    assert harness(*rank, "--predictions-out", made)[0] == 0
    assert (made / BOARD / "gamma" / "default.from-sparrkulee.elsewhere.npz").is_file()
    out = tmp_path / "ranking.json"
    assert harness(*rank, "--predictions", made, "--out", out)[0] == 0
    document = json.loads(out.read_text())
    assert rows(document)["gamma (transfer from sparrkulee/elsewhere)"]["how"] == "scored now"


@pytest.mark.slow
def test_jobs_give_the_verdict_of_one_process(ranked, fork, tmp_path):
    """A changed system, one that fails, an edited record: document, exit code and records as without jobs."""
    fork.add_system("baselines/alpha", NEGATED)
    fork.add_system("submissions/late", "eeg[:, :, : self.n_bands] if len(eeg) < 5 else eeg[:, 1:]")
    record = fork.read(f"results/{BOARD}/beta.json")
    record["score"] += 0.01
    fork.write(f"results/{BOARD}/beta.json", record)
    code, document, _, _ = ranked("--records", tmp_path / "here")
    given = ("--records", tmp_path / "there", "--executor", "local", "--jobs", "1")
    code_jobs, by_jobs, _, error = ranked(*given)
    assert (code, code_jobs) == (1, 1)
    drawn = re.compile(r"sub-\d+_\w+")  # the order in which segments are asked is drawn anew
    here, there = ([drawn.sub("", one["text"]) for one in each["remarks"]] for each in (document, by_jobs))
    assert there == here
    assert by_jobs["boards"] == document["boards"]
    stops = texts(document, True)
    assert any(text.startswith("late (default) on ") for text in stops)
    assert any("beta.json" in text for text in stops)
    assert sorted(re.findall(r"^(\w+) on \S+: job \d+, log: ", error, re.M)) == ["alpha", "beta", "late"]
    here = sorted((tmp_path / "here").rglob("*.json"))
    assert [path.name for path in here] == ["alpha.json", "beta.json"]
    for path in here:
        one = read_record(path)
        other = read_record(tmp_path / "there" / path.relative_to(tmp_path / "here"))
        assert (record_key(one), one.subjects) == (record_key(other), other.subjects)


def test_jobs_are_for_what_scores_submissions_only(harness, fork, monkeypatch, tmp_path):
    monkeypatch.chdir(fork.folder)
    job = ("--executor", "local")
    changed = ("rank", "--changed-since", "origin/main", "--data", OFFICIAL, *job)
    for given, said in (
        (("rank", *job), "--executor: for --changed-since only."),
        (("rank", "--slurm", "qos=a"), "--slurm: for --executor slurm only."),
        ((*changed, "--predictions-out", tmp_path), "--executor: not for --predictions-out"),
        (
            (*changed, "--predictions", tmp_path),
            "--executor: not for --predictions, which runs no submission",
        ),
    ):
        code, out, error = harness(*given)
        assert (code, out, said in error) == (2, "", True), error
    code, _, error = harness(*changed)
    assert (code, "job" in error) == (0, False), error  # nothing to score: no job


@pytest.mark.slow
def test_a_job_that_scored_what_was_there_before_an_edit_is_not_believed(ranked, fork, monkeypatch):
    """The record of a job is taken only where its key is that of what lies here now."""
    fork.add_system("baselines/alpha", NEGATED)
    real = ScoredAsJobs.expect

    def edited_before_the_job(self, asked):
        fork.add_system("baselines/alpha", f"2 * {CUMSUM}")
        real(self, asked)

    monkeypatch.setattr(ScoredAsJobs, "expect", edited_before_the_job)
    code, document, _, _ = ranked("--executor", "local", "--jobs", "1")
    (text,) = texts(document, True)
    assert code == 1
    assert "its job scored other code, weights or data than those that are here" in text
    assert "alpha" not in rows(document)


def test_an_edit_of_code_or_harness_is_another_job(fork, ranked, monkeypatch):
    """A finished job of the same command must not stand for a score after an edit."""
    seen = []
    monkeypatch.setattr(ScoredAsJobs, "expect", lambda self, asked: seen.extend(map(self._task, asked)))
    monkeypatch.setattr(ScoredAsJobs, "record", lambda *_: (_ for _ in ()).throw(PredictorError()))
    for expression in (NEGATED, f"2 * {CUMSUM}"):
        fork.add_system("baselines/alpha", expression)
        ranked("--executor", "local", "--jobs", "1")
    fork.write("harness/scoring/score.py", "SCORER_VERSION = 1\n# other\n")
    ranked("--executor", "local", "--jobs", "1")
    alphas = [task for task in seen if task.name.startswith("alpha")]
    assert len(alphas) == 3
    assert len({task.folder(fork.folder) for task in alphas}) == 3
