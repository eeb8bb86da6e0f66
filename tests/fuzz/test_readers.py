"""Every reader, on what strangers hand in: a value or an error of the harness, and soon."""

import contextlib
import os
import random
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readers import READERS, attempt, mutated, prepare

from harness.errors import HarnessError
from harness.schemas.documents import parse_json, parse_toml
from harness.submission.training_record import UNKNOWN

MOST_SECONDS = 5  # of one file, on a machine that is busy with other things

names = pytest.mark.parametrize("name", READERS)


@names
def test_the_valid_file_is_read(name, tmp_path):
    reader = READERS[name]
    path = tmp_path / reader.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.valid)
    prepare(reader, tmp_path)
    if name == "manifest":  # its weights are not there
        assert "No such file" in str(reader.read(tmp_path)[0][0])
    else:
        assert reader.read(tmp_path) is not None


@pytest.mark.slow
@names
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_mutated_bytes_give_a_value_or_an_error_of_ours(name, tmp_path_factory, seed):
    began = time.monotonic()
    with contextlib.suppress(HarnessError):
        attempt(READERS[name], random.Random(seed), tmp_path_factory.mktemp("f"))
    assert time.monotonic() - began < MOST_SECONDS


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as one:  # names of sockets are short
        one.bind(path.name)


def make_giant(path):
    with path.open("wb") as file:
        file.truncate(1 << 43)


KINDS = {
    "a named pipe": make_fifo,
    "a socket": make_socket,
    "a folder": lambda path: path.mkdir(),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/full": lambda path: path.symlink_to("/dev/full"),
    "a link into /proc": lambda path: path.symlink_to("/proc/self/environ"),
    "a link to the memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a sparse giant": make_giant,
    "an empty file": lambda path: path.write_bytes(b""),
}
# Readers for which some file is none at all, as the caller asks for.
NONE_IS_FINE = {"simulated marker", "training record"}


@names
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_and_nobody_waits(name, kind, tmp_path):
    reader = READERS[name]
    if name in ("npy header", "score record in git"):
        pytest.skip("reads what was opened already")
    path = tmp_path / reader.place
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)
    prepare(reader, tmp_path)
    began = time.monotonic()
    if name in NONE_IS_FINE:
        with contextlib.suppress(
            HarnessError
        ):  # a link that leaves the submission is refused with its manifest
            assert reader.read(tmp_path) in (None, (UNKNOWN, None))
    else:
        with pytest.raises(HarnessError) as caught:
            reader.read(tmp_path)
        named = (str(tmp_path), path.name, "sub-086.json: not in the folder")
        assert any(name in str(caught.value) for name in named)
    assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@names
def test_a_file_without_permission_is_refused(name, tmp_path):
    reader = READERS[name]
    path = tmp_path / reader.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.valid)
    path.chmod(0)
    prepare(reader, tmp_path)
    if name in NONE_IS_FINE:
        assert reader.read(tmp_path) in (None, (UNKNOWN, None))
    else:
        with pytest.raises(HarnessError, match="(?i)permission denied"):
            reader.read(tmp_path)


texts = st.text(max_size=20)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.slow
@names
@settings(max_examples=25, deadline=None)
@given(document=documents)
def test_any_json_is_a_value_or_an_error_of_ours(name, tmp_path_factory, document):
    import json

    reader = READERS[name]
    if not reader.place.endswith(".json"):
        return
    folder = tmp_path_factory.mktemp("f")
    path = folder / reader.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    prepare(reader, folder)
    with contextlib.suppress(HarnessError):
        reader.read(folder)


@settings(max_examples=50, deadline=None)
@given(document=st.dictionaries(texts, documents.filter(lambda value: value is not None), max_size=8))
def test_any_toml_manifest_is_refused_with_every_key_named(tmp_path_factory, document):
    import tomlkit

    folder = tmp_path_factory.mktemp("f") / "package"
    folder.mkdir()
    with contextlib.suppress(TypeError, ValueError):  # null has no form in TOML
        (folder / "submission.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    with pytest.raises(HarnessError):
        READERS["manifest"].read(folder.parent)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" * 3000 + b"]" * 3000, "nested deeper than 64"),
        (b"[" * 80 + b"]" * 80, "nested deeper than 64"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is there twice"),
        (b'{"a": 1e999}', "1e999 is too large for a number"),
        (b'{"a": NaN}', "NaN is not a number of JSON"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair, which is no character"),
        (b'{"\xff": 1}', "'utf-8' codec can't decode byte 0xff in position 2: invalid start byte"),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_json_is_read_strictly(data, why):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        parse_json(data)
    assert str(caught.value) == why


def test_a_whole_surrogate_pair_is_a_character():
    assert parse_json(b'{"a": "\\ud83e\\udde0"}') == {"a": "\U0001f9e0"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a = " + b"[" * 3000, "nested deeper than 64"),
        (b"a = " + b"[" * 80 + b"]" * 80, "nested deeper than 64"),
        (b"a." * 3000 + b"a = 1", "more than 200 dots on one line"),
        (b"a = 2020-01-01", "a date (2020-01-01): write it as a string"),
        (b"a = 1\na = 2", "Cannot overwrite a value (at end of document)"),
        (b"\xef\xbb\xbfa = 1", "it begins with a byte order mark: save it as plain UTF-8"),
    ],
)
def test_toml_is_read_strictly(data, why):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_toml(data)
    assert str(caught.value) == why


def test_mutations_are_the_seeds(tmp_path):
    assert mutated(b"abc" * 9, random.Random(3)) == mutated(b"abc" * 9, random.Random(3))
