"""What a run refuses before any process starts, and what it hands to the workers' loop and gets from it."""

from __future__ import annotations

import datetime
import errno
import os
import tempfile
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from harness.errors import PredictorError, UsageError
from harness.execution import PredictorSpec, Run, SegmentInput, predict_segments, run
from harness.execution.isolation import BUBBLEWRAP, NONE
from harness.predictor import Setup

SEGMENTS = [SegmentInput(name, "unknown") for name in ("b", "a", "c")]


def read_eeg(i):
    raise AssertionError(i)


class FakeDrive:
    """Keeps what a run hands to it, and gives what a test says."""

    made: list[tuple[object, ...]]
    seconds, wall_seconds, n_children = 3.0, 2.0, 2

    def __init__(self, *of):
        self.made.append(of)
        self.store = np.arange(6.0).reshape(3, 2)
        self.children = [None] * self.n_children

    def run(self):
        return "what it said"


@pytest.fixture
def drive(monkeypatch):
    """Stand in for the loop that starts workers, on a machine where bubblewrap works."""
    made = SimpleNamespace(drives=[], hidden=[])
    monkeypatch.setattr(FakeDrive, "made", made.drives, raising=False)
    monkeypatch.setattr(run, "Drive", FakeDrive)
    monkeypatch.setattr(run, "choose", lambda asked: {"strongest": BUBBLEWRAP, "none": NONE}[asked])
    monkeypatch.setattr(run, "check_hidden", lambda *of: made.hidden.append(of))
    monkeypatch.setattr(run, "gpu_devices", lambda: (Path("/dev/gpu0"),))
    return made


@pytest.fixture
def package(tmp_path):
    """Make the specification of a package; gives its folder as well."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "model.py").write_text("")

    def spec(entry_point="model:Decoder", options=None, weights=None, **how):
        setup = Setup("mel", 2, 8, 64, 8, 64, "wide", options or {}, weights, 0)
        return PredictorSpec("demo", folder, entry_point, setup, **how)

    spec.folder = folder
    return spec


def predicted(spec, segments=SEGMENTS, how=None, **options):
    with predict_segments(spec, segments, read_eeg, how or Run(), **options) as made:
        return made, dict(made.predictions)


def refusal(spec, kind=PredictorError, **options):
    with pytest.raises(kind) as caught:
        predicted(spec, **options)
    return str(caught.value)


# What is handed on, and what comes back


def test_the_loop_is_handed_all_that_was_asked_and_gives_each_segment_its_prediction(drive, package):
    spec, how, progress = package(), Run(order_seed="x", jobs=2), print
    hidden = [Path("/data")]
    made, predictions = predicted(
        spec, how=how, batch_segments=5, on_progress=progress, hidden=hidden, n_sizing=2
    )
    assert drive.drives == [(spec, SEGMENTS, read_eeg, how, 5, progress, BUBBLEWRAP, "x", 2)]
    assert drive.hidden == [(hidden, Path(tempfile.gettempdir()))]
    assert {name: list(array) for name, array in predictions.items()} == {
        "b": [0.0, 1.0],
        "a": [2.0, 3.0],
        "c": [4.0, 5.0],
    }
    assert (made.seconds, made.wall_seconds, made.output) == (3.0, 2.0, "what it said")
    assert (made.isolation, made.order_seed, made.gpu) == (BUBBLEWRAP, "x", True)
    assert made.predictions == {}  # its context is left


def test_what_nobody_asks_for_is_32_segments_at_once_sized_by_all_in_a_new_order(drive, package):
    spec = package()
    made = [predicted(spec)[0] for _ in range(2)]
    for (*of, seed, n_sizing), one in zip(drive.drives, made, strict=True):
        assert of == [spec, SEGMENTS, read_eeg, Run(), 32, None, BUBBLEWRAP]
        assert (len(seed), n_sizing) == (32, 3)
        assert one.order_seed == seed
    assert made[0].order_seed != made[1].order_seed


def test_seconds_are_at_most_what_all_workers_can_have_taken(monkeypatch, drive, package):
    monkeypatch.setattr(FakeDrive, "seconds", 4.5)
    assert predicted(package())[0].seconds == 4.0


def test_without_isolation_nothing_is_looked_for_and_no_processor_is_handed_on(drive, package):
    spec = package()
    made, _ = predicted(spec, how=Run(isolation="none"), hidden=[spec.folder / "model.py"])
    assert (made.isolation, made.gpu, drive.hidden) == (NONE, False, [])


def test_no_segments_need_no_worker(drive, package):
    made, predictions = predicted(package(entry_point="gone:Decoder"), segments=[], how=Run(order_seed="x"))
    assert (made.seconds, made.wall_seconds, made.output, made.isolation, made.order_seed) == (
        *(0.0, 0.0, ""),
        *(BUBBLEWRAP, "x"),
    )  # fmt: skip
    assert (predictions, drive.drives) == ({}, [])


@pytest.mark.parametrize(
    ("number", "explained"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_only_a_full_disk_is_explained(monkeypatch, drive, package, number, explained):
    def fails(drive):
        raise OSError(number, "no")

    monkeypatch.setattr(FakeDrive, "run", fails)
    if explained:
        assert refusal(package()) == (
            f"temporary folder {tempfile.gettempdir()}: no space left, "
            "expected room for the predictions and a few batches of EEG.\n"
            "  Set TMPDIR to a folder with more room."
        )
    else:
        with pytest.raises(OSError, match="no"):
            predicted(package())


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": Run(jobs=0)}, "jobs: 0, expected 1 or more."),
        ({"how": Run(jobs=-2)}, "jobs: -2, expected 1 or more."),
        ({"batch_segments": 0}, "batch_segments: 0, expected 1 or more."),
        (
            {"segments": [SegmentInput(name, "s") for name in "cabaccd"]},
            "segments: ids used twice: a, c, expected ids that differ.",
        ),
    ],
)
def test_options_that_ask_for_nothing(drive, package, options, message):
    assert refusal(package(), UsageError, **options) == message
    assert drive.drives == []


def test_one_job_and_one_segment_at_once_are_enough(drive, package):
    predicted(package(), how=Run(jobs=1), batch_segments=1)
    assert len(drive.drives) == 1


# The entry point


@pytest.mark.parametrize(
    "entry_point",
    ["model", "model:", ":Decoder", "model:De-coder", "mo-del:Decoder", "a..b:Decoder", "model:A:B", ""],
)
def test_an_entry_point_of_another_form(drive, package, entry_point):
    assert refusal(package(entry_point)) == (
        f"demo, entry point {entry_point}: not of the form, expected module:Class, as model:Decoder."
    )


@pytest.mark.parametrize(
    ("entry_point", "file"), [("model:Decoder", ""), ("a.b:C", "a/b.py"), ("a.b:C", "a/b/__init__.py")]
)
def test_an_entry_point_is_a_file_or_a_package(drive, package, entry_point, file):
    if file:
        path = package.folder / file
        path.parent.mkdir(parents=True)
        path.touch()
    predicted(package(entry_point))
    assert len(drive.drives) == 1


def test_an_entry_point_that_is_not_there_names_what_is(drive, package):
    for name in ("zoo.py", "also.py", "notes.txt"):
        (package.folder / name).touch()
    (package.folder / "a").mkdir()
    (package.folder / "a/b").mkdir()  # a folder is no module of its own
    assert refusal(package("a.b:C")) == (
        f"demo, entry point a.b:C: there is no file a/b.py in {package.folder}.\n"
        "  Python files there: also.py, model.py, zoo.py."
    )
    for path in package.folder.glob("*.py"):
        path.unlink()
    assert refusal(package("a.b:C")).endswith("\n  Python files there: none.")


# Options of the variant


def test_options_that_json_cannot_hold_are_refused_all_at_once(drive, package):
    options = {
        "day": datetime.date(2024, 1, 1),
        "deep": MappingProxyType({"rates": [0.5, True, None, "x"]}),
        "names": {"of": {"a"}},
    }
    expected = "expected numbers, strings, true or false, lists and tables."
    assert refusal(package(options=options)) == (
        f"demo, option day of variant wide: it holds a value of type date, {expected}\n"
        f"demo, option names of variant wide: it holds a value of type set, {expected}"
    )
    around = []
    around.append(around)
    assert refusal(package(options={"x": around})) == (
        f"demo, option x of variant wide: it holds Circular reference detected, {expected}"
    )


# What must stay hidden


def holds(spec, hidden):
    return refusal(spec, hidden=hidden)


def held(folder, names):
    return (
        f"{folder}: it holds data or labels that no predictor may read ({names}), expected a folder of code, "
        "and data elsewhere.\n"
        "  Move the data out of the submission's folder."
    )


def test_a_package_that_holds_hidden_files_by_any_name_is_refused(drive, package, tmp_path):
    labels, data = tmp_path / "labels.npy", package.folder / "parts/data"
    labels.write_bytes(b"1")
    data.mkdir(parents=True)
    (data / "eeg.npy").touch()
    os.link(labels, package.folder / "parts/second.npy")
    (package.folder / "to").symlink_to("parts/data/eeg.npy")
    hidden = [tmp_path / "gone", labels, data]
    assert holds(package(), hidden) == held(package.folder, "parts/data/eeg.npy, parts/second.npy, to")
    assert holds(package(), [labels]) == held(package.folder, "parts/second.npy")
    assert holds(package(), [data]) == held(package.folder, "parts/data/eeg.npy, to")
    listed = package(listed=("parts/second.npy",))  # it is not copied as code
    predicted(listed, hidden=[labels])
    assert drive.hidden[-1][0] == [labels]


def test_only_the_code_that_was_hashed_is_looked_at_and_what_is_gone_is_left_to_the_copy(
    drive, package, tmp_path
):
    for name in ("a.npy", "b.npy"):
        (package.folder / name).touch()
    hidden = [package.folder / "a.npy", package.folder / "b.npy"]
    some = package(code_hashes={"gone.npy": "0" * 64, "b.npy": "0" * 64})
    assert holds(some, hidden) == held(package.folder, "b.npy")
    predicted(package(code_hashes={"model.py": "0" * 64}), hidden=hidden)


def test_a_package_among_the_data_may_run(drive, package, tmp_path):
    predicted(package(), hidden=[tmp_path, tmp_path / "other"])
    (tmp_path / "package-2").mkdir()  # beside it, though its name begins alike
    predicted(package(), hidden=[tmp_path / "package-2"])


def test_weights_are_looked_at_wherever_they_lie(drive, package, tmp_path):
    weights, inside = tmp_path / "weights.npy", package.folder / "weights/own.npy"
    inside.parent.mkdir()
    for path in (weights, inside):
        path.write_bytes(b"1")
    assert holds(package(weights=weights), [weights]) == held(package.folder, str(weights))
    listed = package(weights=inside, listed=("weights/own.npy",))
    assert holds(listed, [inside.parent]) == held(package.folder, "weights/own.npy")
    predicted(package(weights=weights), hidden=[tmp_path / "gone"])


def test_links_to_a_package_and_to_data_are_followed(drive, package, tmp_path):
    (package.folder / "data").mkdir()
    (package.folder / "data/eeg.npy").touch()
    (tmp_path / "by-link").symlink_to(package.folder)
    (tmp_path / "data-by-link").symlink_to(package.folder / "data")
    made = package()
    spec = PredictorSpec("demo", tmp_path / "by-link", made.entry_point, made.setup)
    assert holds(spec, [tmp_path / "data-by-link"]) == held(tmp_path / "by-link", "data/eeg.npy")
