"""What happened to records, from git's own history: every kind of event, and that nothing said is taken back."""

import json

import pytest
from repository_fixtures import BOARD

from harness.boards.history import EVENTS, happened, history
from harness.errors import RepositoryError


def edit(repository, name, **changes):
    path = repository.record(name)
    record = json.loads(path.read_text())
    for key, value in changes.items():
        record[key] = {**record[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(record))


def kinds(repository):
    return [(event.name, event.what) for event in history(repository.folder)]


STEPS = [
    (lambda r: edit(r, "alpha", score=0.3), ("alpha", "improved")),
    (lambda r: edit(r, "alpha", score=0.2), ("alpha", "lowered")),
    (lambda r: edit(r, "alpha", submission={"code_sha256": "9" * 64}), ("alpha", "made again")),
    (lambda r: edit(r, "beta", scorer_version=2, score=0.1), ("beta", "re-scored: scorer changed")),
    (lambda r: edit(r, "beta", split={"sha256": "8" * 64}), ("beta", "re-scored: split or corpus changed")),
    (
        lambda r: edit(r, "beta", corpus={"fingerprint": "7" * 64}),
        ("beta", "re-scored: split or corpus changed"),
    ),
    (lambda r: r.record("alpha").unlink(), ("alpha", "withdrawn")),
    (lambda r: r.record("alpha").write_text("{"), ("alpha", "unreadable")),
    (lambda r: edit(r, "beta", git=None, seed=1), None),
    (lambda r: r.write("results/notes.md", "not a record"), None),
]


@pytest.mark.slow
def test_every_step_adds_its_event_and_takes_none_back(upstream):
    events = history(upstream.folder)
    assert [(event.name, event.what, event.before) for event in events] == [
        ("alpha", "added", None),
        ("beta", "added", None),
    ]
    assert {event.board for event in events} == {BOARD}
    seen = set()
    for step, expected in STEPS:
        step(upstream)
        commit = upstream.commit("Step")
        longer = history(upstream.folder)
        assert longer[: len(events)] == events
        assert [(event.name, event.what) for event in longer[len(events) :]] == (
            [expected] if expected else []
        )
        assert all(event.commit == commit for event in longer[len(events) :])
        events = longer
        seen.update(event.what for event in events)
    assert seen == set(EVENTS)


@pytest.mark.slow
def test_a_pull_request_is_one_step_however_many_commits_it_has(upstream, fork):
    for score in (0.1, 0.9, 0.5):
        edit(fork, "alpha", score=score)
        fork.commit("Try")
    upstream.git("fetch", "--quiet", str(fork.folder), "feature")
    upstream.git("merge", "--quiet", "--no-ff", "-m", "Merge", "FETCH_HEAD")
    merged = history(upstream.folder)[-1]
    assert (merged.name, merged.after, len(history(upstream.folder))) == ("alpha", 0.5, 3)
    assert merged.commit == upstream.git("rev-parse", "HEAD")


def test_a_shallow_clone_is_refused_and_so_is_no_repository(upstream, tmp_path):
    upstream.commit("Second")
    upstream.git("clone", "--quiet", "--depth", "1", upstream.folder.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(RepositoryError, match="a shallow clone, expected the whole history"):
        history(tmp_path / "shallow")
    with pytest.raises(RepositoryError, match="git log in"):
        history(upstream.folder, until="nowhere")


def test_happened_is_symmetric_where_nothing_is():
    assert happened(None, None) is None


def test_history_as_a_command(harness, upstream, monkeypatch):
    monkeypatch.chdir(upstream.folder)
    code, out, _ = harness("history", "--board", BOARD)
    assert code == 0
    assert out.splitlines()[0].split() == ["date", "commit", "event", "board", "record", "before", "after"]
    assert [line.split()[2:5] for line in out.splitlines()[2:]] == [
        ["added", BOARD, "alpha"],
        ["added", BOARD, "beta"],
    ]
    code, out, _ = harness("history", "--json", "--board", "dtu/dtu/val/envelope")
    assert (code, json.loads(out)) == (0, [])
    code, out, _ = harness("history", "--json")
    assert json.loads(out)[0]["after"] == json.loads(upstream.record("alpha").read_text())["score"]
