"""Which means of isolation is used, and that a run is refused where what should hold does not."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from harness.errors import PredictorError, SubmissionError, UsageError
from harness.execution import (
    PredictorSpec,
    Run,
    SegmentInput,
    diagnosis,
    isolation,
    landlock,
    predict_segments,
    seccomp,
)
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, NONE, Means, choose
from harness.predictor import Setup

CODE = """
class Decoder:
    def __init__(self, setup):
        self.setup = setup

    def predict(self, eeg, subjects):
        {}
        return eeg[:, :, :1]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a package with a line of code in its ``predict``; gives the run."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))

    def with_line(line="pass", means=isolation.STRONGEST, **options):
        folder = tmp_path / "package"
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text(CODE.format(line))
        setup = Setup("mel", 1, 8, 64, 8, 64, "default", {}, None, 0)
        spec = PredictorSpec("demo", folder, "model:Decoder", setup, **options.pop("spec", {}))
        segments = [SegmentInput("a", "unknown")]
        with predict_segments(
            spec, segments, lambda i: np.zeros((8, 64), np.float32), Run(isolation=means), **options
        ) as made:
            return made

    return with_line


def having(monkeypatch, *working):
    """Let only these means work."""
    for function, name in (("bubblewrap", BUBBLEWRAP), ("landlocked", LANDLOCK)):
        means = Means(name, name in working, "tried" if name in working else f"no {name} today")
        monkeypatch.setattr(isolation, function, lambda means=means: means)


def needs(tried):
    if not tried.works:
        pytest.skip(f"{tried.name}: {tried.detail}")


def test_the_strongest_that_works_is_chosen(monkeypatch):
    for working, chosen in (((BUBBLEWRAP, LANDLOCK), BUBBLEWRAP), ((LANDLOCK,), LANDLOCK)):
        having(monkeypatch, *working)
        assert choose("strongest") == chosen
        assert choose(LANDLOCK) == LANDLOCK
        assert choose(NONE) == NONE


def test_without_any_nothing_runs_but_one_s_own_code(monkeypatch, run):
    having(monkeypatch)
    with pytest.raises(PredictorError) as caught:
        run()
    assert str(caught.value) == (
        "isolation: no means of it works on this machine (bubblewrap: no bubblewrap today; landlock: no landlock"
        " today), expected a process that cannot read labels.\n"
        "  `harness doctor` says what to install or allow. For your own code: --no-isolation."
    )
    assert run(means=NONE).isolation == NONE


def test_a_means_that_is_asked_for_is_never_replaced_by_another(monkeypatch):
    having(monkeypatch, LANDLOCK)
    with pytest.raises(PredictorError, match=r"\(bubblewrap: no bubblewrap today\)"):
        choose(BUBBLEWRAP)


def test_an_unknown_means_is_refused():
    with pytest.raises(UsageError) as caught:
        choose("docker")
    assert str(caught.value) == (
        "isolation: 'docker', expected one of strongest, bubblewrap, landlock, none."
    )


@pytest.mark.parametrize("tried", [isolation.bubblewrap, isolation.landlocked])
def test_the_run_names_the_means(run, tried):
    needs(tried())
    assert run(means=tried().name).isolation == tried().name


def test_without_isolation_the_users_files_are_open(run, tmp_path):
    (tmp_path / "mine").write_text("my own")
    assert run(f"print(open({str(tmp_path / 'mine')!r}).read())", NONE).output == "my own"


def test_a_run_is_refused_where_a_file_outside_can_be_read(monkeypatch, run):
    needs(isolation.landlocked())
    narrow = isolation.landlock_ruleset
    monkeypatch.setattr(
        isolation, "landlock_ruleset", lambda readable, writable: narrow([*readable, Path("/")], writable)
    )
    with pytest.raises(PredictorError) as caught:
        run(means=LANDLOCK)
    assert str(caught.value) == (
        "demo, starting model:Decoder: the isolation does not hold: the process could read a file outside,"
        " expected a process that cannot.\n"
        "  `harness doctor` says what this machine offers."
    )


def test_a_run_is_refused_where_calls_are_not_filtered(monkeypatch, run):
    needs(isolation.landlocked())
    monkeypatch.setattr(isolation, "filter_of_calls", lambda name: seccomp.program([]))
    with pytest.raises(
        PredictorError, match="the isolation does not hold: the process could open a socket and make"
    ):
        run(means=LANDLOCK)


def test_a_run_is_refused_where_the_filter_is_refused(monkeypatch, run):
    needs(isolation.landlocked())
    monkeypatch.setattr(isolation, "filter_of_calls", lambda name: b"12345678")
    with pytest.raises(PredictorError) as caught:
        run(means=LANDLOCK)
    assert str(caught.value) == (
        "demo, starting model:Decoder: its process ended with exit code 1 before its work was done.\n"
        "  Raise an exception that says what is wrong.\n"
        "  Its last lines:\n"
        "    the predictor's process cannot be confined: OSError: [Errno 22] prctl 22"
    )


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6])
def test_older_landlock_holds_too(monkeypatch, run, abi):
    needs(isolation.landlocked())
    if landlock.version() < abi:
        pytest.skip(f"this kernel has version {landlock.version()}")
    monkeypatch.setattr(landlock, "version", lambda: abi)
    line = (
        "import os\n"
        "        for attack in (lambda: os.kill(os.getppid(), 9), lambda: os.kill(-1, 0), lambda: os.listdir('/'),\n"
        "                       lambda: os.truncate(__file__, 0), lambda: os.open(__file__, os.O_TRUNC)):\n"
        "            try: print('GOT', attack())\n"
        "            except OSError as error: print(type(error).__name__)"
    )
    made = run(line, LANDLOCK)
    first, everybody, *rest = made.output.splitlines()
    assert everybody in (
        "PermissionError",
        "ProcessLookupError",
        "GOT None",
    )  # it succeeds where it reached nobody
    assert [first, *rest] == ["PermissionError"] * 4


def test_bubblewrap_without_landlock_leaves_no_process_of_its_own_to_attack(monkeypatch, run):
    needs(isolation.bubblewrap())
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr("harness.execution.child.other_group", lambda: None)
    monkeypatch.setattr("harness.execution.drive.other_group", lambda: None)
    line = "import os; print(os.getpid(), sorted(n for n in os.listdir('/proc') if n.isdecimal()))"
    assert run(line, BUBBLEWRAP).output == "1 ['1']"


def test_data_where_every_predictor_may_read_are_refused(run, monkeypatch):
    needs(isolation.bubblewrap())
    with pytest.raises(PredictorError) as caught:
        run(hidden=[Path("/usr/share/labels")])
    assert str(caught.value) == (
        "/usr/share/labels: inside /usr, which a predictor may read (programs and packages), expected data and"
        " labels elsewhere.\n"
        "  Move them, for example to your home folder."
    )


def test_data_around_a_folder_that_every_predictor_may_read_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(isolation, "readable_paths", lambda: (tmp_path / "data" / "lib",))
    with pytest.raises(PredictorError) as caught:
        isolation.check_hidden([tmp_path / "data"])
    assert str(caught.value) == (
        f"{tmp_path}/data: around {tmp_path}/data/lib, which a predictor may read (programs and packages),"
        " expected data and labels elsewhere.\n"
        "  Move them, for example to your home folder."
    )
    isolation.check_hidden([tmp_path / "elsewhere"], scratch=tmp_path)


def test_a_link_into_a_readable_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(isolation, "readable_paths", lambda: (tmp_path / "env",))
    (tmp_path / "env").mkdir()
    (tmp_path / "link.npy").symlink_to(tmp_path / "env" / "labels.npy")
    with pytest.raises(PredictorError, match=r"link\.npy: inside .*env, which a predictor may read"):
        isolation.check_hidden([tmp_path / "link.npy"])


def test_only_programs_libraries_are_readable_for_being_loaded(monkeypatch):
    maps = "".join(
        f"7f00-7f10 {rights} 00000000 08:01 {number} {file}\n"
        for number, (rights, file) in enumerate(
            [
                ("r-xp", "/opt/a/lib one.so"),
                ("r-xp", "/opt/b/libtwo.so.1.2"),
                ("r--p", "/opt/c/libthree.so"),
                ("r-xp", "/data.sources/corpus/eeg.npy"),
                ("r-xp", "/my.solutions/x.sorted"),
                ("r-xp", "/opt/d/libfour.so (deleted)"),
                ("r-xp", "[vdso]"),
            ]
        )
    )
    monkeypatch.setattr(Path, "read_text", lambda path, **_: maps)
    assert isolation._libraries() == [Path("/opt/a"), Path("/opt/b")]


def test_what_can_be_read_holds_the_harness_and_no_more_of_its_repository():
    package = isolation.PACKAGE
    assert any(package.is_relative_to(path) for path in isolation.readable_paths())
    assert not any(package.parent.is_relative_to(path) for path in isolation.readable_paths())
    assert not any(Path.home().is_relative_to(path) for path in isolation.readable_paths())


def test_code_and_weights_that_changed_since_they_were_hashed_do_not_run(run, tmp_path):
    with pytest.raises(SubmissionError) as caught:
        run(spec={"code_hashes": {"model.py": "0" * 64}})
    assert str(caught.value) == (
        f"{tmp_path}/package: model.py changed while it was being scored, expected one state of it.\n"
        "  Score it again."
    )


def test_links_out_of_the_package_stop_the_run(run, tmp_path):
    run()
    (tmp_path / "package" / "labels").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="labels: a link that leaves the folder"):
        run()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_command_line_s_no_isolation_reaches_the_run(harness, make_submission, where, monkeypatch):
    having(monkeypatch)
    folder = make_submission()
    code, _, err = harness("score", folder, *where)
    assert code == 1
    assert "isolation: no means of it works on this machine" in err
    code, out, _ = harness("score", folder, *where, "--no-isolation", "--json")
    assert (code, json.loads(out)["run"]["isolation"]) == (0, "none")


NVIDIA = ("nvidia0", "nvidiactl")
RENDER, KFD = ("dri/renderD128",), ("kfd",)


@pytest.fixture
def machine_with(monkeypatch):
    """Pretend that this machine has device files, and a torch of this build."""
    root = Path(tempfile.mkdtemp(dir="/dev/shm"))  # below /dev, where bubblewrap expects devices

    def having_devices(names, build="", **environment):
        for name in names:
            (root / "dev" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "dev" / name).touch()
        monkeypatch.setattr(isolation, "_ROOT", root)
        monkeypatch.setattr(isolation, "_torch_build", lambda: build)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        isolation._gpu_devices.cache_clear()
        isolation._readable_paths.cache_clear()
        return root / "dev"

    yield having_devices
    monkeypatch.undo()
    shutil.rmtree(root)
    isolation._gpu_devices.cache_clear()
    isolation._readable_paths.cache_clear()


@pytest.mark.parametrize(
    ("there", "build", "environment", "handed"),
    [
        (NVIDIA, "", {}, NVIDIA),
        (NVIDIA, "cu128", {"CUDA_VISIBLE_DEVICES": "0"}, NVIDIA),
        (NVIDIA, "", {"CUDA_VISIBLE_DEVICES": ""}, ()),
        (NVIDIA, "", {"CUDA_VISIBLE_DEVICES": "-1"}, ()),
        (NVIDIA, "cpu", {}, ()),
        (RENDER, "", {}, ()),  # a desktop's own
        (RENDER, "xpu", {}, RENDER),
        ((*KFD, *RENDER), "rocm6", {}, (*KFD, *RENDER)),
        ((*KFD, *RENDER), "rocm6", {"HIP_VISIBLE_DEVICES": ""}, ()),
        ((), "", {}, ()),
    ],
)
def test_memory_that_no_limit_counts_is_allowed_only_beside_a_graphics_processor(
    machine_with, there, build, environment, handed
):
    dev = machine_with(there, build, **environment)
    assert set(isolation.gpu_devices()) == {dev / name for name in handed}
    filters = {
        shared: seccomp.program(seccomp.rules(landlock=False, shared_memory=shared))
        for shared in (True, False)
    }
    assert isolation.filter_of_calls(BUBBLEWRAP) == filters[bool(handed)]
    zero = "/dev/zero"
    assert (zero in dict(isolation.landlock_ruleset([], [])["paths"])) == bool(handed)
    bound = isolation.bubblewrap_command("bwrap", [], [], own_user=True)
    assert (zero in bound) != bool(handed)  # it is hidden behind /dev/null
    assert [path for path in bound if path.startswith(str(dev))] == [
        str(path) for path in isolation.gpu_devices() for _ in range(2)
    ]
    said = "\n".join(diagnosis.notes(LANDLOCK))
    assert (f"predictors are handed {len(handed)} device files" in said) == bool(handed)


@pytest.mark.slow
@pytest.mark.parametrize("means", [isolation.bubblewrap, isolation.landlocked])
@pytest.mark.parametrize("environment", [{}, {"CUDA_VISIBLE_DEVICES": ""}])
def test_a_run_says_whether_it_was_handed_a_graphics_processor(run, machine_with, means, environment):
    tried = means()
    if not tried.works:
        pytest.skip(f"{tried.name}: {tried.detail}")
    machine_with(NVIDIA, **environment)
    line = "import mmap\n        try:\n            print('GOT', len(mmap.mmap(-1, 4096)))\n        except OSError:\n            print('refused')"
    made = run(line, means=tried.name)
    assert (made.gpu, made.output) == ((False, "refused") if environment else (True, "GOT 4096"))
    assert run(means=NONE).gpu is False
