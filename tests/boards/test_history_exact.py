"""Exact events of small repositories, of files that have what a milestone needs and no more."""

import json

import pytest
from repository_fixtures import Repository

from harness.boards.history import EVENTS, Event, happened, history, history_json, history_text
from harness.errors import RepositoryError
from harness.records.milestone import parse_milestone
from harness.records.verify import SAME_R


def document(score=0.5, *, scorer=1, split="1", data="2", measures=None, by=None, **made_of):
    found = {
        "score": score,
        "scorer_version": scorer,
        "split": {"sha256": split},
        "corpus": {"fingerprint": data},
        "submission": {"code_sha256": "3", "weights_sha256": "4", **made_of},
    }
    if measures:
        found["split"]["measures"] = measures
        found["measures"] = {name: {"value": value} for name, value in by.items()}
    return found


def milestone(*arguments, **values):
    return parse_milestone(json.dumps(document(*arguments, **values)).encode())


def by_measure(name, value, score=0.5):
    return milestone(score, measures=[name, "pearson_r"], by={name: value})


FIRST = milestone(0.5)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (None, None, None),
        (None, FIRST, "added"),
        (FIRST, None, "withdrawn"),
        (FIRST, FIRST, None),
        (FIRST, milestone(0.5 + 2 * SAME_R), "improved"),
        (FIRST, milestone(0.5 - 2 * SAME_R), "lowered"),
        (FIRST, milestone(0.5 + 0.9 * SAME_R), None),
        (FIRST, milestone(0.5 - 0.9 * SAME_R), None),
        (milestone(0.0), milestone(SAME_R), None),
        (FIRST, milestone(0.9, scorer=2, split="9", code_sha256="9"), "re-scored: scorer changed"),
        (FIRST, milestone(0.9, split="9", code_sha256="9"), "re-scored: split or corpus changed"),
        (FIRST, milestone(0.5, data="9"), "re-scored: split or corpus changed"),
        (FIRST, by_measure("cosine", 0.5), "re-scored: split or corpus changed"),
        (FIRST, milestone(0.5, code_sha256="9"), "made again"),
        (FIRST, milestone(0.5, weights_sha256="9"), "made again"),
        (FIRST, milestone(0.5, predictions_sha256="9"), "made again"),
        (FIRST, milestone(0.5, members=[{"name": "one"}]), "made again"),
        (FIRST, milestone(0.6, code_sha256="9"), "improved"),
        (by_measure("cosine", 0.2), by_measure("cosine", 0.3, score=0.1), "improved"),
        (by_measure("cosine", 0.2), by_measure("cosine", 0.1, score=0.9), "lowered"),
        (by_measure("cosine", 0.2), by_measure("cosine", 0.2, score=0.9), None),
        (by_measure("of-old", 0.2), by_measure("of-old", 0.3), "improved"),
        (by_measure("of-old", 0.3), by_measure("of-old", 0.2), "lowered"),
    ],
)  # fmt: skip
def test_what_lies_between_two_records(before, after, what):
    assert happened(before, after) == what
    assert what is None or what in EVENTS


@pytest.fixture
def small_one(tmp_path, monkeypatch):
    """A repository without records; each commit is an hour later than the one before."""
    made = Repository(tmp_path / "small")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch", "main")
    hours = iter(range(24))
    commit = made.commit

    def later(message="Step"):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-04T{next(hours):02d}:05:06+02:00")
        return commit(message)

    made.commit = later
    return made


def test_the_whole_history_of_a_small_repository(small_one, monkeypatch):
    at = "results/c/s/test/mel"

    def event(hour, commit, what, name, before, after, board="c/s/test/mel"):
        return Event(f"2026-03-04T{hour:02d}:05:06+02:00", commit, what, board, name, before, after)

    small_one.write(f"{at}/a.b.json", document(0.25))
    small_one.write("results/c/s/val/mel/a.json", document(0.75))
    for other in (
        "README.md",
        f"{at}/a.txt",
        f"{at}/deep/a.json",
        "results/c/s/a.json",
        "other/c/s/test/mel/a.json",
    ):
        small_one.write(other, document(0.5))
    first = small_one.commit()
    small_one.write("README.md", "words")
    small_one.commit()
    small_one.path(f"{at}/a.b.json").rename(small_one.path(f"{at}/b.json"))
    third = small_one.commit()
    small_one.write(f"{at}/b.json", "{")
    small_one.write("results/c/s/val/mel/a.json", document(0.125))
    fourth = small_one.commit()
    small_one.write(f"{at}/b.json", document(1.0, code_sha256="5"))
    fifth = small_one.commit()
    small_one.git("checkout", "--quiet", "-b", "other")
    for score in (0.1, 0.9, 0.5):
        small_one.write(f"{at}/new.json", document(score))
        small_one.commit()
    small_one.git("checkout", "--quiet", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-04T20:05:06+02:00")
    small_one.git("merge", "--quiet", "--no-ff", "-m", "Merge", "other")
    merged = small_one.git("rev-parse", "HEAD")
    events = [
        event(0, first, "added", "a.b", None, 0.25),
        event(0, first, "added", "a", None, 0.75, "c/s/val/mel"),
        event(2, third, "withdrawn", "a.b", 0.25, None),
        event(2, third, "added", "b", None, 0.25),
        event(3, fourth, "unreadable", "b", 0.25, None),
        event(3, fourth, "lowered", "a", 0.75, 0.125, "c/s/val/mel"),
        event(4, fifth, "added", "b", None, 1.0),
        event(20, merged, "added", "new", None, 0.5),
    ]
    assert history(small_one.folder) == events
    assert history(small_one.folder, until=fourth) == events[:6]
    assert [one.name for one in history(small_one.folder, "other")] == ["a"]
    assert history(small_one.folder, "none") == []
    monkeypatch.chdir(small_one.path("results/c"))
    assert history() == events
    assert history_json(events[:1]) == (
        '[\n {\n  "date": "2026-03-04T00:05:06+02:00",\n'
        f'  "commit": "{first}",\n  "what": "added",\n  "board": "c/s/test/mel",\n  "name": "a.b",\n'
        '  "before": null,\n  "after": 0.25\n }\n]'
    )


def test_names_that_hold_anything_are_read_and_shown_on_one_line(small_one):
    # Each one ended the command with a traceback, for any commit that had it.
    names = ["a\nb", "c\x01d", "\x01e f", "g\x1b[31m", "h\udcff", "i j", "\nk", "l:m"]
    for name in names:
        small_one.write(f"results/c/s/te\nst/mel/{name}.json", document(0.5))
    commit = small_one.commit()
    events = history(small_one.folder)
    assert sorted(event.name for event in events) == sorted(names)
    assert {(event.board, event.what, event.commit, event.after) for event in events} == {
        ("c/s/te\nst/mel", "added", commit, 0.5)
    }
    lines = history_text(events).splitlines()
    assert len(lines) == 2 + len(names)
    assert all(line.isprintable() and "c/s/te\\nst/mel" in line for line in lines[2:])
    json.loads(history_json(events).encode())


def test_a_shallow_clone_is_told_what_to_do(small_one, tmp_path):
    small_one.write("results/c/s/test/mel/a.json", document())
    for _ in range(2):
        small_one.commit()
    shallow = tmp_path / "shallow"
    small_one.git("clone", "--quiet", "--depth", "1", small_one.folder.as_uri(), str(shallow))
    with pytest.raises(RepositoryError) as caught:
        history(shallow)
    assert str(caught.value) == (
        f"{shallow}: a shallow clone, expected the whole history, which is where the events are.\n"
        "  Fetch the rest: git fetch --unshallow"
    )
    with pytest.raises(RepositoryError, match="an option|bad revision"):
        history(small_one.folder, until="--all")


def test_the_whole_table_of_events():
    assert history_text([]) == "no record was ever committed"
    assert history_json([]) == "[]"
    events = [
        Event(
            "2026-03-04T05:06:07+02:00", "0123456789abcdef", "lowered", "c/s/test/mel", "1e5", 0.12345, -0.5
        ),
        Event(
            "2026-03-05T05:06:07+02:00", "1123456789abcdef", "withdrawn", "c/s/t\net/mel", "b\tc", 0.5, None
        ),
    ]
    assert history_text(events) == (
        "date        commit      event      board          record    before    after\n"
        "----------  ----------  ---------  -------------  --------  --------  -------\n"
        "2026-03-04  0123456789  lowered    c/s/test/mel   1e5       0.1235    -0.5000\n"
        "2026-03-05  1123456789  withdrawn  c/s/t\\net/mel  b\\tc      0.5000"
    )
