"""kill -9 at random moments, one of each command; ``make kill-test`` takes many more (docs/faults.md)."""

import json
import random
import time

import pytest
from kills import COMMANDS, kill_and_repeat, make_stage, reference, start
from repository_fixtures import BOARD, SYSTEMS, Repository

from harness.boards.board import BoardName, load_board
from harness.boards.formats import boards_text
from harness.boards.ranking import rank
from harness.records.store import read_record


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return make_stage(tmp_path_factory.mktemp("stage") / "stage")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_nothing_half_and_can_be_given_again(name, stage, tmp_path):
    took, expected = reference(name, stage, tmp_path)
    assert expected
    kill_and_repeat(name, stage, tmp_path, random.Random(name), took, expected)


@pytest.mark.slow
def test_five_scores_at_once_into_one_folder_lose_nothing(tmp_path):
    stage = make_stage(tmp_path / "stage")
    repository = Repository(stage)
    names = ["beta", "gamma", "delta", "epsilon", "zeta"]
    for name in names[1:]:
        repository.add_system(f"submissions/{name}", SYSTEMS["submissions/beta"])
    command = COMMANDS["score"]
    processes = [
        start(
            type(command)(tuple(word.replace("beta", name) for word in command.arguments), command.results),
            stage,
        )
        for name in names
    ]
    for process in processes:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
    scored = stage / "scored" / BOARD
    assert sorted(path.name for path in scored.iterdir()) == sorted(f"{name}.json" for name in names)
    scores = {name: read_record(scored / f"{name}.json").score for name in names}
    assert len({scores[name] for name in names[1:]}) == 1
    assert scores["beta"] == pytest.approx(-scores["gamma"])


@pytest.mark.slow
def test_five_scores_of_one_system_at_once_leave_one_whole_record(tmp_path):
    stage = make_stage(tmp_path / "stage")
    processes = [start(COMMANDS["score"], stage) for _ in range(5)]
    for process in processes:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
    (record,) = (stage / "scored" / BOARD).iterdir()
    assert read_record(record).submission.name == "beta"
    assert json.loads(record.read_text())["flags"]["partial"] is False


@pytest.mark.slow
def test_scores_beside_boards_never_show_half_a_record(tmp_path):
    stage = make_stage(tmp_path / "stage")
    command = COMMANDS["score"]
    start(command, stage).communicate(timeout=240)
    scores = [
        start(type(command)((*command.arguments, "--replace"), command.results), stage) for _ in range(2)
    ]
    n_boards = 0
    while any(process.poll() is None for process in scores):
        text = boards_text(
            [rank(load_board(stage / "scored", BoardName(*BOARD.split("/"))))], "json", one=True
        )
        document = json.loads(text)
        assert ([row["name"] for row in document["rows"]], document["left_out"]) == (["beta"], [])
        n_boards += 1
        time.sleep(0.005)
    for process in scores:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
    assert n_boards > 20
    assert [path.name for path in (stage / "scored" / BOARD).iterdir()] == ["beta.json"]
