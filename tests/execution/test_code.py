"""What counts as a submission's code: it alone is copied, and all of it is hashed."""

from __future__ import annotations

import os
import socket
import stat
import subprocess

import pytest

from harness.errors import SubmissionError
from harness.execution import code
from harness.execution.code import code_files, copy_code, copy_file, files_sha256, hash_code


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "predictor.py").write_text("A = 1\n")
    return folder


def write(folder, name, content="x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(folder, *listed):
    return list(code_files(folder, listed))


def messages(folder):
    with pytest.raises(SubmissionError) as caught:
        code_files(folder)
    return [str(fault) for fault in caught.value.faults]


CODE = [
    "helper.py",
    "deep/er/helper.py",
    "weights/evil.py",
    "weights/unlisted.safetensors",
    "data.csv",
    "vocabulary.txt",
    "net.so",
    "run.sh",
    "notes.md.py",
    "README.py",
    "trainings/x.csv",
    "deep/training/x.csv",
    "sitecustomize.py",
    "x.pth",
    ".hidden",
    "a name with spaces",
]
NO_CODE = [
    "README.md",
    "docs/how.md",
    "LICENSE",
    "LICENCE.txt",
    "CITATION.cff",
    "training/x.csv",
    "training/code.py",
    "x.partial",
    "__pycache__/predictor.cpython-311.pyc",
    "predictor.pyc",
    "deep/__pycache__/helper.py",
    ".git/config",
    ".gitignore",
    ".DS_Store",
    "deep/.DS_Store",
    "._predictor.py",
    "__MACOSX/predictor.py",
    "Thumbs.db",
    "desktop.ini",
    ".predictor.py.swp",
    "predictor.py~",
    "#predictor.py#",
    ".#predictor.py",
    ".ipynb_checkpoints/predictor.py",
    ".idea/workspace.xml",
    ".vscode/settings.json",
    ".nfs0001",
]


@pytest.mark.parametrize("name", CODE)
def test_any_file_that_could_decide_a_prediction_is_code(package, name):
    write(package, name)
    assert sorted(names(package)) == sorted(["predictor.py", name])


@pytest.mark.parametrize("name", NO_CODE)
def test_documents_and_what_tools_leave_are_not(package, name):
    write(package, name)
    assert names(package) == ["predictor.py"]


def test_the_manifest_and_what_it_lists_are_not_code(package):
    for name in ("submission.toml", "weights/a.safetensors", "weights/a.json", "weights/b.safetensors"):
        write(package, name)
    listed = ("submission.toml", "weights/a.safetensors", "./weights//a.json")
    assert names(package, *listed) == ["predictor.py", "weights/b.safetensors"]


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        check=True,
        capture_output=True,
    )


def test_what_git_ignores_is_not_code_unless_it_is_tracked(package):
    for name in ("a.log", "b.log", "c.txt", "out/x.py"):
        write(package, name)
    write(package.parent, ".gitignore", "*.log\nout/\n")
    git(package.parent, "init", "-q")
    git(package.parent, "add", "-f", "package/b.log")
    assert names(package) == ["b.log", "c.txt", "predictor.py"]


def test_what_one_user_ignores_decides_nothing(package, tmp_path):
    for name in ("a.log", "b.json", "c.txt"):
        write(package, name)
    write(package.parent, ".gitignore", "*.log\n")
    git(package.parent, "init", "-q")
    write(package.parent, ".git/info/exclude", "*.json\n")
    write(tmp_path, "mine", "*.txt\n")
    git(package.parent, "config", "core.excludesFile", str(tmp_path / "mine"))
    assert names(package) == ["b.json", "c.txt", "predictor.py"]


def test_settings_and_hooks_of_a_package_s_own_repository_are_not_run(package, tmp_path):
    git(package, "init", "-q")
    for setting in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor"):
        git(package, "config", setting, f"touch {tmp_path}/ran")
    assert names(package) == ["predictor.py"]
    assert not (tmp_path / "ran").exists()


def test_a_package_that_git_ignores_as_a_whole_is_taken_as_it_is(package):
    git(package.parent, "init", "-q")
    write(package.parent, ".gitignore", "package/\n")
    assert names(package) == ["predictor.py"]


def test_a_package_of_another_owner_s_repository_has_the_same_code(package):
    write(package, "a.log")
    write(package.parent, ".gitignore", "*.log\n")
    git(package.parent, "init", "-q")
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    os.chown(package.parent, 12345, 12345)
    os.chown(package.parent / ".git", 12345, 12345)
    assert names(package) == ["predictor.py"]


def test_links_out_of_the_folder_are_refused_by_name_all_at_once(package, tmp_path):
    write(tmp_path, "secret")
    (package / "a.py").symlink_to(tmp_path / "secret")
    (package / "b").symlink_to(tmp_path)
    (package / "c").symlink_to("/proc/self/environ")
    (package / "d").symlink_to("/dev/zero")
    remedy = "expected a regular file of the folder.\n  Remove it, or put what it leads to in its place."
    assert messages(package) == [
        f"{package}: {name}: a link that leaves the folder (to {target}), {remedy}"
        for name, target in (
            ("a.py", tmp_path / "secret"),
            ("b", tmp_path),
            ("c", "/proc/self/environ"),
            ("d", "/dev/zero"),
        )
    ]


def test_links_inside_the_folder_count_as_what_they_lead_to(package, tmp_path):
    (package / "same.py").symlink_to("predictor.py")
    copied = copy_code(code_files(package), tmp_path / "copy")
    assert copied["same.py"] == copied["predictor.py"]
    assert not (tmp_path / "copy" / "same.py").is_symlink()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.symlink_to("deep"), "a linked folder (to deep)"),
        (lambda path: path.symlink_to("nothing"), "a link to nothing that can be read (to nothing)"),
        (lambda path: path.symlink_to("odd"), "a link to nothing that can be read (to odd)"),
        (os.mkfifo, "a fifo"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "a socket"),
    ],
    ids=["linked folder", "broken link", "circle", "fifo", "socket"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_other_kinds_of_file_are_refused_by_name_and_not_waited_for(package, monkeypatch, make, problem):
    write(package, "deep/helper.py")
    monkeypatch.chdir(package)  # a socket's name must be short
    make(package.joinpath("odd").relative_to(package))
    assert messages(package) == [
        f"{package}: odd: {problem}, expected a regular file of the folder.\n"
        "  Remove it, or put what it leads to in its place."
    ]


def test_far_too_many_files_are_refused(package, monkeypatch):
    monkeypatch.setattr(code, "MAX_FILES", 3)
    for number in range(4):
        write(package, f"{number}.py")
    assert messages(package) == [
        f"{package}: more than 3 files, expected fewer.\n  Remove what is no code, or let git ignore it."
    ]


def test_a_sparse_giant_is_refused_at_once(package):
    os.truncate(write(package, "giant"), 2**40)
    assert messages(package) == [
        f"{package}: giant: more than 1 GiB of code up to here, expected less.\n"
        "  Large files are weights: list them in the manifest."
    ]


def test_copies_have_the_same_bytes_and_nothing_else_of_the_originals(package, tmp_path):
    write(package, "deep/run.sh", "echo\n").chmod(0o4711)
    copied = copy_code(code_files(package), tmp_path / "copy")
    assert copied == hash_code(code_files(package))
    for path in (tmp_path / "copy").rglob("*"):
        assert path.stat().st_mtime == code.COPY_TIME
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o550


def test_a_file_becomes_a_fifo_before_it_is_copied(package, tmp_path):
    files = code_files(package)
    (package / "predictor.py").unlink()
    os.mkfifo(package / "predictor.py")
    with pytest.raises(SubmissionError, match="predictor.py: a named pipe, not a regular file"):
        copy_code(files, tmp_path / "copy")


def test_a_file_that_is_there_already_is_never_written_over(package, tmp_path):
    write(tmp_path, "taken")
    with pytest.raises(FileExistsError):
        copy_file(package / "predictor.py", tmp_path / "taken")


def test_the_hash_tells_names_and_contents_apart():
    one = files_sha256(b"", {"a": "0" * 64, "b": "1" * 64})
    assert one == files_sha256(b"", {"b": "1" * 64, "a": "0" * 64})
    others = [{"a": "1" * 64, "b": "0" * 64}, {"a": "0" * 64}, {"c": "0" * 64, "b": "1" * 64}]
    assert len({one, *(files_sha256(b"", other) for other in others), files_sha256(b"x", {})}) == 5


def test_all_code_together_has_a_most_and_may_reach_it(package, monkeypatch):
    write(package, "a.csv", "x" * 60)
    write(package, "b.csv", "x" * 36)
    monkeypatch.setattr(code, "MAX_CODE_BYTES", 60 + 36 + len("A = 1\n"))
    assert names(package) == ["a.csv", "b.csv", "predictor.py"]
    monkeypatch.setattr(code, "MAX_CODE_BYTES", 60 + 36 + len("A = 1\n") - 1)
    assert messages(package) == [
        f"{package}: predictor.py: more than 0 GiB of code up to here, expected less.\n"
        "  Large files are weights: list them in the manifest."
    ]


def test_exactly_the_most_files_are_let_pass(package, monkeypatch):
    monkeypatch.setattr(code, "MAX_FILES", 3)
    for number in range(2):
        write(package, f"{number}.py")
    assert len(names(package)) == 3


def test_folders_below_folders_are_copied_with_their_times(package, tmp_path):
    write(package, "a/b/c/deep.py")
    copy_code(code_files(package), tmp_path / "copy")
    for folder in ("", "a", "a/b", "a/b/c"):
        assert (tmp_path / "copy" / folder).stat().st_mtime == code.COPY_TIME
    assert (tmp_path / "copy/a/b/c/deep.py").read_text() == "x"


def test_a_copy_is_no_larger_than_it_may_be(package, tmp_path, monkeypatch):
    path = write(package, "w.bin", "x" * 100)
    assert copy_file(path, tmp_path / "one", 100) == hash_code({"w": path})["w"]
    assert (tmp_path / "one").stat().st_mtime == code.COPY_TIME
    with pytest.raises(SubmissionError) as caught:
        copy_file(path, tmp_path / "two", 99)
    assert str(caught.value) == f"{path}: 100 bytes, more than 99."
    assert not (tmp_path / "two").exists()
    files = code_files(package)
    monkeypatch.setattr(code, "MAX_CODE_BYTES", 99)
    with pytest.raises(SubmissionError) as caught:
        copy_code(files, tmp_path / "copy")
    assert str(caught.value) == f"{path}: 100 bytes, more than 99."


def test_what_cannot_be_hashed_says_why(package, tmp_path, monkeypatch):
    with pytest.raises(SubmissionError) as caught:
        hash_code({"gone": package / "gone"})
    assert str(caught.value) == f"{package}/gone: No such file or directory."
    monkeypatch.setattr(code, "MOST_WEIGHTS_BYTES", 5)
    with pytest.raises(SubmissionError) as caught:
        hash_code({"predictor.py": package / "predictor.py"})
    assert str(caught.value) == f"{package}/predictor.py: 6 bytes, more than 5."

    def nameless(*of):
        raise OSError

    monkeypatch.setattr(code, "file_sha256", nameless)
    monkeypatch.setattr(code, "open_regular", nameless)
    for call in (
        lambda: hash_code({"predictor.py": package / "predictor.py"}),
        lambda: copy_file(package / "predictor.py", tmp_path / "copy"),
    ):
        with pytest.raises(SubmissionError) as caught:
            call()
        assert str(caught.value) == f"{package}/predictor.py: cannot be read."


def test_the_hash_is_of_the_first_bytes_and_of_names_and_hashes_in_order():
    import hashlib

    expected = hashlib.sha256(b"first" + b"a\0" + b"0" * 64 + b"\0" + b"\xff\0" + b"1" * 64 + b"\0")
    assert files_sha256(b"first", {"\udcff": "1" * 64, "a": "0" * 64}) == expected.hexdigest()


def test_kinds_of_files_have_names():
    kinds = {stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    kinds |= {stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
    assert {kind: code._kind(kind) for kind in kinds} == kinds


def test_folders_that_cannot_be_read_are_told_and_the_others_looked_at(package, monkeypatch):
    write(package, "closed/x.py")
    write(package, "nameless/x.py")
    write(package, "open/y.py")
    os.mkfifo(package / "open/z")
    scan = os.scandir

    def some(path):
        if path == package / "closed":
            raise PermissionError(13, "Permission denied")
        if path == package / "nameless":
            raise OSError
        return scan(path)

    monkeypatch.setattr(os, "scandir", some)
    assert sorted(messages(package)) == [
        f"{package}/closed: Permission denied, expected a folder that can be read.",
        f"{package}/nameless: cannot be read, expected a folder that can be read.",
        f"{package}: open/z: a fifo, expected a regular file of the folder.\n"
        "  Remove it, or put what it leads to in its place.",
    ]


def test_without_git_everything_is_code(package, monkeypatch, tmp_path):
    write(package, "a.log")
    write(package.parent, ".gitignore", "*.log\n")
    git(package.parent, "init", "-q")
    assert names(package) == ["predictor.py"]
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert names(package) == ["a.log", "predictor.py"]


def test_an_empty_folder_has_no_code(tmp_path):
    (tmp_path / "empty").mkdir()
    assert names(tmp_path / "empty") == []
