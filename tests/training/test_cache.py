"""Copies on a local disk: the same numbers, never stale, never half, and clear where they cannot be made."""

import errno
import json
import os
import re
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.corpus.array_files import open_npy, open_npz, release_maps
from harness.corpus.base import Series
from harness.corpus.channels import corpus_without_channels
from harness.errors import CorpusError, TrainingError, UsageError
from harness.tasks.segments import cut_segments
from harness.training import Cache, Deadline, Running, Unfinished
from harness.training import cache as cache_module
from harness.training import copies as copies_module
from harness.training.cache import from_cache
from harness.training.copies import copied_dtype, copy, copy_of, key_of
from harness.training.training_data import TrainingData

FILES = 6  # of the fixture: four of EEG, two of mel


@pytest.fixture
def own(official_split, tmp_path):
    """The fixture's corpus, in a folder that may be changed."""
    shutil.copytree(official_split, tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def data(own, split):
    """Training and validation part of it."""
    return opened(own, split)


def opened(folder, split):
    corpus = open_corpus(folder)
    return TrainingData(corpus, split, "mel", cut_segments(corpus, split, "val", feature="mel"))


def cached(data, cache, **running):
    lines = []
    made = from_cache(data, ("mel",), cache, Running(say=lines.append, **running))
    return made if isinstance(made, Unfinished) else made[0], lines


def files_of(data):
    recordings = [recording for recording, _, _ in data.stretches()]
    recordings += [segment.recording for segment in data.validation]
    series = [one for r in recordings for one in (r.eeg_series, r.feature_series["mel"])]
    return {piece.path for one in series for piece in one.pieces}


def everything(data):
    """All that a training reads: the training part, then the segments of the validation part."""
    arrays = [(r.eeg(a, b), r.feature("mel", a, b)) for r, a, b in data.stretches()]
    return [*arrays, *((segment.eeg(), segment.feature("mel")) for segment in data.validation)]


def kept(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_float32_gives_the_same_numbers_in_the_same_order_of_memory(data, tmp_path):
    cache = Cache(tmp_path / "cache")
    copied, lines = cached(data, cache)
    assert {path.parent for path in files_of(copied)} == {cache.folder}
    for pair, other in zip(everything(data), everything(copied), strict=True):
        for one, two in zip(pair, other, strict=True):
            assert (one.tobytes(), one.strides, one.dtype) == (two.tobytes(), two.strides, two.dtype)
    assert copied.fingerprint == data.fingerprint
    assert lines[0] == f"cache {cache.folder}: 0 of 6 files are there, 6 are copied (1.39 MB, float32)"
    assert re.fullmatch(rf"cache {cache.folder}: copied in [\d.]+ s, [\d.]+ [kM]B a second", lines[1])
    before = kept(cache.folder)
    assert len(before) == 2 * FILES
    again, lines = cached(data, cache)
    assert lines == [f"cache {cache.folder}: 1.39 MB in 6 files, all there (float32)"]
    assert (kept(cache.folder), files_of(again)) == (before, files_of(copied))


def test_taking_the_fingerprint_shows_how_far_it_is_and_happens_once(data, tmp_path):
    shown = []
    fresh = replace(data)
    fresh.take_fingerprint(lambda *step: shown.append(step))
    assert fresh.fingerprint == data.fingerprint
    names = [recording.id for recording, _, _ in data.stretches()]
    assert shown == [
        (number, len(names), f"recordings looked at, {name}") for number, name in enumerate(names)
    ]
    fresh.take_fingerprint(lambda *step: shown.append(step))
    assert len(shown) == len(names)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_excluded_channels_share_the_copies_and_not_the_fingerprint(data, tmp_path, dtype):
    cache = Cache(tmp_path / "cache", dtype)
    whole, _ = cached(data, cache)
    corpus = corpus_without_channels(data.corpus, ("1", "64"))
    validation = cut_segments(corpus, data.split, "val", feature="mel")
    before = kept(cache.folder)
    less, _ = cached(replace(data, corpus=corpus, validation=validation), cache)
    assert before.items() <= kept(cache.folder).items()  # nothing is copied again
    for (eeg, mel), (zeroed, same) in zip(everything(whole), everything(less), strict=True):
        assert not zeroed[:, [0, 63]].any()
        np.testing.assert_array_equal(zeroed[:, 1:63], eeg[:, 1:63])
        np.testing.assert_array_equal(mel, same)
    assert less.fingerprint != whole.fingerprint


def test_the_same_corpus_gives_the_same_copies(data, tmp_path):
    for name in ("one", "two"):
        cached(data, Cache(tmp_path / name, "float16"))
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")
    )
    assert one == two


@pytest.mark.slow
@pytest.mark.parametrize("time_axis", [0, 1])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f4", "<f2", "<i2", "<i4", "compressed", "stored"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_layout_reads_as_the_corpus_does(tmp_path, time_axis, order, kind, dtype):
    rng = np.random.default_rng(0)
    pieces, cache = [], Cache(tmp_path / "cache", dtype)
    cache.folder.mkdir()
    for number, n_times in enumerate((300, 170)):
        values = np.round(rng.normal(scale=300, size=(n_times, 5)), 3)
        values = np.asarray(values if time_axis == 0 else values.T, order=order)
        path = tmp_path / f"{number}.npy"
        if kind in ("compressed", "stored"):
            path = path.with_suffix(".npz")
            (np.savez_compressed if kind == "compressed" else np.savez)(path, eeg=values.astype("<f4"))
            pieces.append(open_npz(path)["eeg"])
        else:
            np.save(path, values.astype(kind))
            pieces.append(open_npy(path))
    made = []
    for piece in pieces:
        key = key_of(piece, dtype)
        n_bytes = np.prod(piece.shape) * np.dtype(copied_dtype(piece, dtype)).itemsize
        assert sum(copy(piece, key, cache)) == n_bytes
        made.append(copy_of(piece, cache, key))
    for chosen in (slice(0, 1), slice(0, 2)):
        source = Series(tuple(pieces[chosen]), time_axis, 4)
        factors = tuple(factor for _, factor in made[chosen])
        copied = copies_module.ScaledSeries(tuple(one for one, _ in made[chosen]), time_axis, 4, factors)
        for start, stop in ((0, 300), (7, 131), (299, source.n_times)):
            for once in (False, True):
                if stop > source.n_times:
                    continue
                expected, found = (one.read(start, stop, once=once) for one in (source, copied))
                orders = [np.stack([one]).strides for one in (found, expected)]  # as batches are made
                assert (found.dtype, orders[0]) == (np.float32, orders[1])
                if dtype == "float32" or kind in ("<f2", "<i2"):
                    np.testing.assert_array_equal(found, expected)
                else:
                    np.testing.assert_allclose(found, expected, rtol=2**-11)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_float16_rounds_to_11_bits_in_whatever_unit(tmp_path, unit):
    values = (np.random.default_rng(1).normal(size=(64, 500)) * unit).astype(np.float32)
    values[3, 7], values[4, 8], values[5] = np.nan, np.inf, 0
    np.save(tmp_path / "a.npy", values)
    array, cache = open_npy(tmp_path / "a.npy"), Cache(tmp_path / "cache", "float16")
    cache.folder.mkdir()
    key = key_of(array, "float16")
    for _ in copy(array, key, cache):
        pass
    half, factor = copy_of(array, cache, key)
    assert (half.dtype, np.log2(factor) % 1) == ("<f2", 0)
    read = copies_module.ScaledSeries((half,), 1, 64, (factor,)).read(0, 500).T
    large = np.abs(values) > unit * 1e-3  # smaller ones differ by less than 1e-3 of a thousandth
    np.testing.assert_allclose(read[large], values[large], rtol=2**-11)
    np.testing.assert_allclose(read, values, rtol=2**-11, atol=unit * 2**-24)
    assert np.isnan(read[3, 7])
    assert read[4, 8] == np.inf
    assert not read[5].any()


def test_a_changed_file_is_copied_again_and_no_other(own, data, split, tmp_path):
    cache = Cache(tmp_path / "cache")
    cached(data, cache)
    path = sorted(own.rglob("sub-001*audiobook_1*.npy"))[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # far from the places that are looked at
    path.write_bytes(content)
    copied, lines = cached(opened(own, split), cache)
    assert lines[0].startswith(f"cache {cache.folder}: 5 of 6 files are there, 1 are copied")
    for pair, other in zip(everything(opened(own, split)), everything(copied), strict=True):
        np.testing.assert_array_equal(pair[0], other[0])


@pytest.mark.parametrize("damage", ["cut", "empty", "note", "gone"])
def test_a_damaged_copy_is_made_again(data, tmp_path, damage):
    cache = Cache(tmp_path / "cache")
    copied, _ = cached(data, cache)
    whole = everything(copied)
    release_maps()  # a file that is cut short under a map ends the process
    place = sorted(cache.folder.glob("*.npy"))[2]
    if damage == "note":
        place.with_suffix(".json").write_text('{"factor": "x"}')
    elif damage == "gone":
        place.unlink()
    else:
        os.truncate(place, 0 if damage == "empty" else place.stat().st_size - 1)
    again, lines = cached(data, cache)
    assert "5 of 6 files are there" in lines[0]
    for one, two in zip(whole, everything(again), strict=True):
        np.testing.assert_array_equal(one[0], two[0])


def interrupted_at(number, monkeypatch, error):
    """Raise in the middle of the copy of that number, counted from 0."""
    begun = []
    whole = copies_module._blocks

    def exact(array):
        begun.append(array)
        for block in whole(array):
            if len(begun) == number + 1:
                raise error
            yield block

    monkeypatch.setattr(copies_module, "_blocks", exact)


def test_an_interrupted_copy_leaves_whole_files_and_goes_on(data, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    interrupted_at(2, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt) as caught:
        cached(data, cache)
    assert caught.value.__notes__ == [
        f"2 of 6 files are in the cache {cache.folder}: the same command goes on there."
    ]
    monkeypatch.undo()
    before = kept(cache.folder)
    assert len(before) == 4  # two copies, and nothing half
    _, lines = cached(data, cache)
    assert "2 of 6 files are there, 4 are copied" in lines[0]
    assert {name: time for name, time in kept(cache.folder).items() if name in before} == before


def test_the_deadline_stops_between_files(data, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    left = iter((False, True))
    monkeypatch.setattr(Deadline, "comes_within", lambda *_: next(left))
    stopped, _ = cached(data, cache, deadline=Deadline.after(60, "1m"))
    assert stopped.words == f"2 of 6 files are in the cache {cache.folder}"
    monkeypatch.undo()
    _, lines = cached(data, cache)
    assert "2 of 6 files are there, 4 are copied" in lines[0]


def test_too_little_room_is_said_before_anything_is_copied(data, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1_000_000))
    cache = Cache(tmp_path / "cache")
    with pytest.raises(TrainingError) as caught:
        cached(data, cache)
    assert str(caught.value) == (
        f"--cache {cache.folder}: 1 MB are free, expected 1.39 MB (0 of 6 files are there).\n"
        "  Make room, or choose another folder. --cache-dtype float16 takes half."
    )
    assert list(cache.folder.iterdir()) == []
    with pytest.raises(TrainingError, match=r"expected 1.04 MB .*\n  Make room, or choose another folder\.$"):
        cached(data, replace(cache, dtype="float16"))


def test_a_disk_that_fills_up_keeps_what_is_whole(data, tmp_path, monkeypatch):
    cache, write = Cache(tmp_path / "cache"), copies_module.write_atomically
    written = []

    def full(path, content):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        write(path, content)

    monkeypatch.setattr(copies_module, "write_atomically", full)
    with pytest.raises(TrainingError) as caught:
        cached(data, cache)
    assert str(caught.value) == (
        f"--cache {cache.folder}: No space left on device, expected a folder with room that can be written.\n"
        "  Make room or choose another folder; what is copied stays, and the same command goes on there."
    )
    assert len(kept(cache.folder)) == 6
    monkeypatch.undo()
    assert "3 of 6 files are there" in cached(data, cache)[1][0]


def test_a_file_that_changes_while_it_is_copied(data, tmp_path, monkeypatch):
    whole = copies_module._blocks

    def changing(array):
        yield from whole(array)
        os.utime(array.path, ns=(1, 1))

    monkeypatch.setattr(copies_module, "_blocks", changing)
    with pytest.raises(CorpusError) as caught:
        cached(data, Cache(tmp_path / "cache"))
    assert str(caught.value).partition(".npy: ")[2] == (
        "it was changed while it was copied, expected a corpus that stays as it is.\n"
        "  Wait until nothing writes there, then give the same command again."
    )
    assert kept(tmp_path / "cache") == {}


def test_a_file_that_is_cut_short_is_named(own, data, tmp_path):
    path = sorted(own.rglob("sub-027*podcast*.npy"))[0]
    os.truncate(path, path.stat().st_size - 5)
    with pytest.raises(CorpusError) as caught:
        cached(data, Cache(tmp_path / "cache"))
    assert str(caught.value) == (
        f"{path}: it ends before its last number.\n  The file may be damaged: copy or fetch it again."
    )


def test_two_trainings_at_once_copy_nothing_twice(data, tmp_path, monkeypatch):
    cache, begun, whole = Cache(tmp_path / "cache"), [], copies_module._blocks
    monkeypatch.setattr(cache_module, "_WAIT_SECONDS", 0.01)
    both, lines = threading.Barrier(2), []

    def slow(array):
        begun.append(array.path)
        yield from whole(array)

    look = cache_module._look

    def together(*arguments):
        found = look(*arguments)
        both.wait(timeout=30)  # both see an empty cache
        return found

    monkeypatch.setattr(copies_module, "_blocks", slow)
    monkeypatch.setattr(cache_module, "_look", together)
    made = []

    def train():
        result, said = cached(data, cache)
        made.append(files_of(result))
        lines.extend(said)

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == len(set(begun)) == FILES
    assert made[0] == made[1]
    assert sum("6 are copied" in line for line in lines) == 1


def test_a_full_cache_needs_no_room_and_no_right_to_write(data, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    cached(data, cache)
    monkeypatch.setattr(cache_module, "alone_in", None)
    monkeypatch.setattr(cache_module, "_check_room", None)
    assert "all there" in cached(data, cache)[1][0]


def test_a_cache_inside_the_corpus_or_the_submission_is_refused(own, data, tmp_path):
    for folder in (data.corpus.folder, data.corpus.folder / "deep"):
        with pytest.raises(UsageError) as caught:
            cached(data, Cache(folder))
        assert str(caught.value) == (
            f"--cache {folder}: a folder inside {data.corpus.folder}, expected one apart from it, on a local"
            " disk.\n  What lies there would be taken for a part of it."
        )
    with pytest.raises(UsageError, match="a folder inside"):
        from_cache(data, ("mel",), Cache(tmp_path / "net/cache"), Running(), avoid=(tmp_path / "net",))


def test_a_file_in_the_place_of_the_folder(data, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(TrainingError) as caught:
        cached(data, Cache(tmp_path / "cache"))
    assert str(caught.value).startswith(f"--cache {tmp_path / 'cache'}: File exists, expected a folder with")


def test_weights_are_the_same_with_float32_and_float16_is_on_record(tiny, harness, where, tmp_path):
    """And a training goes on with the numbers that it began with."""
    options = [*where, "--device", "cpu"]
    sums, records = {}, {}
    for name, more in {
        "plain": [],
        "copied": ["--cache", tmp_path / "cache"],
        "half": ["--cache", tmp_path / "cache", "--cache-dtype", "float16"],
    }.items():
        folder = tiny(name).folder
        code, _, err = harness("train", folder, *options, *more)
        assert code == 0, err
        weights = next(folder.glob("weights/*.safetensors"))
        sums[name] = weights.read_bytes()
        records[name] = json.loads(weights.with_suffix(".json").read_text())
    assert sums["plain"] == sums["copied"] != sums["half"]
    assert records["plain"]["recipe"] == records["copied"]["recipe"]
    assert records["half"]["recipe"] == {**records["plain"]["recipe"], "data_dtype": "float16"}
    assert len({record["corpus_fingerprint"] for record in records.values()}) == 1
    r = [record["report"]["validation_pearson_r"] for record in records.values()]
    assert r[2] == pytest.approx(r[0], abs=1e-3)
    code, _, err = harness("train", folder, *options, "--resume")
    assert code == 1
    assert "checkpoint.pt: data_dtype: 'float16', expected None, that of this training." in err


def test_a_dtype_without_a_cache_is_wrong_usage(harness):
    code, _, err = harness("train", "nowhere", "--cache-dtype", "float16")
    assert (code, "--cache-dtype: of the copies in --cache, which is not given." in err) == (2, True)
