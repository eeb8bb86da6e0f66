"""What of a task no predictor may read."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import PredictorError
from harness.evaluation.evaluate import evaluate
from harness.execution import Run, isolation
from harness.submission.manifest import load_submission
from harness.tasks.task import Task, open_task


def test_files_of_the_corpus_wherever_they_lie_are_private(official_split, small_split, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(official_split, corpus)
    moved = sorted(open_task(corpus, split_name=str(small_split)).corpus.files)[0]
    elsewhere = tmp_path / "elsewhere.npy"
    moved.rename(elsewhere)
    moved.symlink_to(elsewhere)
    task = open_task(corpus, split_name=str(small_split))
    assert elsewhere in {path.resolve() for path in task.private}
    assert task.corpus.folder in task.private


def test_labels_apart_are_private_and_so_is_each_file_of_them(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "S01.json").write_text("{}")
    corpus = SimpleNamespace(folder=Path("/data"), files=frozenset())
    task = SimpleNamespace(corpus=corpus, labels=SimpleNamespace(path=tmp_path / "labels"))
    assert Task.private.fget(task) == (
        Path("/data"),
        tmp_path / "labels",
        tmp_path / "labels" / "S01.json",
    )


def test_a_run_is_refused_where_data_lie_in_a_readable_folder(
    official_split, small_split, make_submission, monkeypatch, tmp_path
):
    if not isolation.landlocked().works:
        pytest.skip(isolation.landlocked().detail)
    shutil.copytree(official_split, tmp_path / "corpus")
    task = open_task(tmp_path / "corpus", split_name=str(small_split))
    moved = sorted(task.corpus.files)[0]
    (tmp_path / "env").mkdir()
    moved.rename(tmp_path / "env" / "moved")
    moved.symlink_to(tmp_path / "env" / "moved")
    readable = (*isolation.readable_paths(), tmp_path / "env")
    monkeypatch.setattr(isolation, "readable_paths", lambda: readable)
    with pytest.raises(PredictorError) as caught:
        evaluate(load_submission(make_submission()), task, Run(isolation="landlock"))
    assert str(caught.value) == (
        f"{moved}: inside {tmp_path}/env, which a predictor may read (programs and packages), expected data and"
        " labels elsewhere.\n"
        "  Move them, for example to your home folder."
    )
