"""The fingerprint of the data: its value by an independent computation, and what changes it."""

import binascii
import hashlib

import numpy as np
import pytest

from harness.tasks.fingerprint import Fingerprint
from harness.tasks.task import open_task


def _expected(eeg, references):
    """As documented: sorted lines of id, what, and the CRC-32 of EEG or the sha256 of a reference."""
    lines = [f"{name}\0eeg\0{binascii.crc32(values.tobytes()):08x}\n" for name, values in eeg.items()]
    lines += [
        f"{name}\0reference\0{hashlib.sha256(values.tobytes()).hexdigest()}\n"
        for name, values in references.items()
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@pytest.fixture
def data(rng):
    """EEG and references of three segments, little-endian float32 in C order."""
    names = ("b", "a", "a_1")
    eeg = {name: rng.standard_normal((6, 4)).astype("<f4") for name in names}
    return eeg, {name: rng.standard_normal((6, 2)).astype("<f4") for name in names}


def _fingerprint(eeg, references):
    digest = Fingerprint()
    for name, values in eeg.items():
        digest.add_eeg(name, values)
    for name, values in references.items():
        digest.add_reference(name, values)
    return digest.hexdigest()


def test_fingerprint_is_that_of_the_bytes(data):
    assert _fingerprint(*data) == _expected(*data)


def test_order_memory_order_and_width_of_numbers_do_not_matter(data):
    eeg, references = data
    turned = {name: np.asfortranarray(eeg[name].astype(np.float64)) for name in reversed(eeg)}
    assert _fingerprint(turned, references) == _expected(*data)


@pytest.mark.parametrize("what", [0, 1])
def test_one_changed_bit_is_another_fingerprint(data, what):
    before = _fingerprint(*data)
    values = data[what]["a"]
    values.view(np.uint32)[3, 1] ^= 1
    assert _fingerprint(*data) != before


def test_what_another_fingerprint_holds_is_added_to_what_is_there(data):
    eeg, references = data
    digest, other = Fingerprint(), Fingerprint()
    digest.add_eeg("a", eeg["a"])
    for name, values in references.items():
        other.add_reference(name, values)
    digest.add_all(other)
    assert digest.hexdigest() == _expected({"a": eeg["a"]}, references)
    assert other.hexdigest() == _expected({}, references)


def test_a_tasks_fingerprint_is_that_of_its_segments(official_split, small_split):
    task = open_task(official_split, split_name=small_split)
    eeg = {segment.id: np.ascontiguousarray(segment.eeg()) for segment in task.segments}
    references = {segment.id: np.ascontiguousarray(segment.feature("mel")) for segment in task.segments}
    assert len(eeg) == 19
    assert task.fingerprint() == _expected(eeg, references)
