"""Records made again: what is the same, what differs, and in what."""

import json
import re

import numpy as np
import pytest
from msgspec.structs import replace

from harness.records.store import read_record
from harness.records.verify import MADE_FROM, verification_text, verify

OVERLAP = {"subjects_seen": 0, "subjects": 1, "stimuli_seen": 1, "stimuli": 2}


@pytest.fixture
def scored(harness, make_submission, where, tmp_path):
    """A scored submission: its folder, its record's path, and the option that names the corpus."""
    folder = make_submission()
    code, _, err = harness("score", folder, *where)
    assert code == 0, err
    return folder, tmp_path / "results/sparrkulee/small-split/test/mel/tiny.json", where[:2]


@pytest.fixture
def verified(harness, scored, small_split):
    """Verify the record of a submission, or another; gives exit code, stdout and stderr."""
    folder, path, data = scored

    def run(system=folder, path=path):
        return harness("verify", path, system, *data, "--split", small_split)

    return run


def rows(out):
    """What differs, from the table below the verdict."""
    return [re.split(r"  +", line)[0] for line in out.splitlines()[4:]]


def test_the_same_system_reproduces(verified):
    code, out, _ = verified()
    assert code == 0
    assert re.fullmatch(
        r"reproduced: mean r -?0\.\d{4}\ncode, weights, split, corpus, scorer and versions are the record's\n",
        out,
    )


@pytest.mark.slow
def test_changed_code_is_named_and_so_is_what_it_changes(verified, scored):
    predictor = scored[0] / "predictor.py"
    predictor.write_text(predictor.read_text() + "\n# a remark\n")
    code, out, _ = verified()
    assert code == 1
    assert re.match(
        r"NOT REPRODUCED: the record's score, but NOT FROM WHAT IT NAMES: mean r -?0\.\d{4}\n", out
    )
    assert rows(out) == ["code"]
    predictor.write_text(predictor.read_text().replace("np.cumsum(eeg, axis=1)", "-np.cumsum(eeg, axis=1)"))
    code, out, _ = verified()
    assert code == 1
    assert out.startswith("NOT REPRODUCED: a subject's r is ")
    assert rows(out) == [
        "code",
        "score",
        "chance: circular_shifts low and 5 more",
        "bands: 0 and 9 more",
        "subjects: sub-043 pearson_r and 10 more",
        "controls: blind value and 9 more",
    ]


def test_every_kind_of_difference_is_named(verified, scored):
    path = scored[1]
    document = json.loads(path.read_text())
    document["split"]["sha256"] = document["corpus"]["fingerprint"] = "9" * 64
    document["submission"]["weights_sha256"] = "8" * 64
    document["scorer_version"] = 7
    document["environment"]["numpy"] = "1.0"
    path.write_text(json.dumps(document))
    code, out, _ = verified()
    assert code == 1
    assert rows(out) == ["weights", "split", "corpus", "scorer", "version of numpy"]
    assert "8888888888888888…" in out


@pytest.mark.parametrize("place", sorted(MADE_FROM))
def test_whatever_a_score_is_made_from_must_be_the_records(make_record, place):
    recorded = read_record(make_record("one", [0.1, 0.2]))
    *way, last = place.split(".")
    value = getattr(getattr(recorded, way[0]) if way else recorded, last)
    other = {"measures": ("pearson_r", "centred_cosine")}.get(last, 9 if isinstance(value, int) else "9" * 64)
    part = replace(getattr(recorded, way[0]), **{last: other}) if way else other
    verification = verify(recorded, replace(recorded, **{way[0] if way else last: part}))
    assert [one.what for one in verification.differences] == [MADE_FROM[place]]
    assert (verification.same_result, verification.reproduced) == (True, False)
    assert verification_text(verification).startswith(
        "NOT REPRODUCED: the record's score, but NOT FROM WHAT IT NAMES: mean r 0.1500\n"
    )


def test_other_versions_time_host_and_commit_are_no_failure(verified, scored):
    path = scored[1]
    document = json.loads(path.read_text())
    document["environment"] |= {"numpy": "1.0", "gone": "2"}
    document["run"] |= {"machine": "Other", "processors": 99, "finished": "2020-01-01T00:00:00Z"}
    document["git"] = {"commit": "1" * 40, "dirty": True}
    path.write_text(json.dumps(document))
    code, out, _ = verified()
    assert (code, out.startswith("reproduced: mean r ")) == (0, True)
    assert rows(out) == ["version of numpy", "version of gone"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "row"),
    [
        (lambda record: record["chance"]["circular_shifts"].update(high=0.9), "chance: circular_shifts high"),
        (lambda record: record.update(overlap={**OVERLAP, "stimuli_seen": 0}), "overlap"),
        (lambda record: record["flags"].update(references_constant=["x"]), "flags: references_constant"),
        (lambda record: record["subjects"]["sub-043"].update(segments=20), "subjects: sub-043 segments"),
        (lambda record: record["split"].update(segment_seconds=3), "split: segment_seconds"),
    ],
)
def test_a_record_that_was_edited_beside_its_scores_is_not_reproduced(verified, scored, change, row):
    path = scored[1]
    document = json.loads(path.read_text())
    del document["controls"]  # which would contradict the edits, and a record may lack
    change(document)
    path.write_text(json.dumps(document))
    code, out, _ = verified()
    assert code == 1
    assert out.startswith("NOT REPRODUCED: every subject's r is the record's, but not what else it says\n")
    assert rows(out) == [row]


def test_a_score_that_was_edited_is_compared_even_where_the_record_holds_together(verified, scored):
    path = scored[1]
    document = json.loads(path.read_text())
    (subject,) = document["subjects"].values()
    del document["controls"]
    document["score"] = subject["pearson_r"] = 0.5
    document["bands"] = subject["bands"] = [0.5] * 10
    path.write_text(json.dumps(document))
    code, out, _ = verified()
    assert (code, out.startswith("NOT REPRODUCED: a subject's r is 0.")) == (1, True)
    assert re.search(r"^score +0\.500000 +-?0\.\d{6}$", out, re.M)


def test_a_record_that_contradicts_itself_is_refused_before_anything_runs(verified, scored):
    folder, path, _ = scored
    document = json.loads(path.read_text())
    honest, document["score"] = document["score"], 0.9
    path.write_text(json.dumps(document))
    (folder / "predictor.py").write_text("raise SystemExit('has run')\n")
    code, out, err = verified()
    assert (code, out) == (1, "")
    assert err == (
        f"error: {path}: score: 0.900000, expected {honest:.6f}, the mean of its subjects.\n"
        "  It was edited after it was scored: score it again, or restore it.\n"
    )


def test_stored_predictions_are_verified_too(harness, verified, scored, where, tmp_path):
    harness("predict", scored[0], *where, "--out", "kept.npz")
    harness("score", "kept.npz", *where)
    path = tmp_path / "results/sparrkulee/small-split/test/mel/kept.json"
    code, out, err = verified("kept.npz", path)
    assert code == 0, err
    assert out.startswith("reproduced")
    with np.load("kept.npz") as arrays:
        changed = {
            key: -arrays[key] if arrays[key].dtype.kind == "f" else arrays[key] for key in arrays.files
        }
    np.savez("kept.npz", **changed)
    code, out, _ = verified("kept.npz", path)
    assert code == 1
    assert rows(out)[:2] == ["predictions", "score"]


def test_members_of_an_ensemble_are_named(make_record):
    members = [
        {"name": name, "version": "1", "variant": "default", "code_sha256": "1" * 64, "weights_sha256": None}
        for name in ("one", "two")
    ]
    recorded = read_record(make_record("both", [0.1, 0.2], submission={"members": members}))
    changed = tuple(replace(member, code_sha256="2" * 64) for member in recorded.submission.members[1:])
    same = replace(recorded.submission, members=(recorded.submission.members[0], *changed))
    (difference,) = verify(recorded, replace(recorded, submission=same)).differences
    assert (difference.what, difference.result, difference.remark) == ("code of two", False, False)
    fewer = replace(recorded.submission, members=())
    (difference,) = verify(recorded, replace(recorded, submission=fewer)).differences
    assert (difference.what, difference.recorded, difference.now) == (
        "members",
        "one default, two default",
        "none",
    )


def test_without_a_system_its_submission_is_looked_for(harness, scored, small_split):
    _, path, data = scored
    options = [*data, "--split", small_split]
    code, out, _ = harness("verify", path, *options)  # submissions/tiny lies in the current folder
    assert (code, out.startswith("reproduced")) == (0, True)
    document = json.loads(path.read_text())
    document["submission"]["name"] = "gone"
    path.write_text(json.dumps(document))
    code, _, err = harness("verify", path, *options)
    assert code == 2
    assert "no submission baselines/gone or submissions/gone here" in err


def test_real_data_must_be_named(harness, scored):
    folder, path, _ = scored
    code, _, err = harness("verify", path, folder)
    assert code == 2
    assert "--data: not given, expected the sparrkulee corpus that the record was scored on" in err
