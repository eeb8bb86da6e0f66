"""Raw recordings of every format, as they are and gzipped, and broken ones."""

from __future__ import annotations

import builtins
import gzip
import os
import shutil
import struct
from pathlib import Path

import edfio
import mne
import numpy as np
import pytest
from bids_tree import RATE_HZ, bdf, status_of

from harness.errors import CorpusError
from harness.preprocessing.read import ListedChannel, import_mne, opened, read_eeg, read_status

NAMES = ("Fp1", "Cz", "Pz", "Oz")


@pytest.fixture(scope="module")
def eeg():
    """Four channels, 12 s at 256 Hz, microvolts; more than one block."""
    rng = np.random.default_rng(3)
    return np.round(20 * rng.standard_normal((4, 12 * RATE_HZ)), 1)


@pytest.fixture(scope="module")
def written(eeg, tmp_path_factory):
    """The same recording in every format: suffix -> path."""
    folder = tmp_path_factory.mktemp("formats")
    (folder / "a_eeg.bdf").write_bytes(bdf(eeg, status_of(eeg.shape[1], [1, 2]), names=NAMES))
    signals = [
        edfio.EdfSignal(row, RATE_HZ, label=name, physical_dimension="uV", physical_range=(-3276.8, 3276.7))
        for name, row in zip(NAMES, eeg, strict=True)
    ]
    edfio.Edf(signals).write(folder / "a_eeg.edf")
    info = mne.create_info(list(NAMES), RATE_HZ, "eeg")
    raw = mne.io.RawArray(eeg * 1e-6, info, verbose="ERROR")
    mne.export.export_raw(folder / "a_eeg.vhdr", raw, fmt="brainvision", verbose="ERROR")
    mne.export.export_raw(folder / "a_eeg.set", raw, fmt="eeglab", verbose="ERROR")
    raw.save(folder / "a_raw.fif", verbose="ERROR")
    (folder / "a_raw.fif").rename(folder / "a_eeg.fif")
    return {suffix: folder / f"a_eeg{suffix}" for suffix in (".bdf", ".edf", ".vhdr", ".set", ".fif")}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("suffix", [".bdf", ".edf", ".vhdr", ".set", ".fif"])
def test_every_format_gives_the_same_microvolts(written, eeg, tmp_path, suffix, packed):
    path = written[suffix]
    if packed:
        for source in path.parent.glob("a_eeg.*"):
            (tmp_path / f"{source.name}.gz").write_bytes(gzip.compress(source.read_bytes()))
        path = tmp_path / f"a_eeg{suffix}.gz"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with opened(path, scratch) as raw:
        assert (raw.eeg_names, raw.rate_hz, raw.n_times) == (NAMES, 256, 3072)
        assert raw.remarks == ()
        arrived = read_eeg(raw, ["Pz", "Fp1"])
    assert arrived.dtype == np.float32
    np.testing.assert_allclose(arrived, eeg[[2, 0]], atol=0.06)  # EDF has steps of 0.1
    assert list(scratch.iterdir()) == []


def test_the_status_channel_is_whole_numbers(written, tmp_path):
    with opened(written[".bdf"], tmp_path) as raw:
        status = read_status(raw, "Status")
    assert (status & 0xFFFF).tolist() == (status_of(3072, [1, 2]) & 0xFFFF).tolist()


def test_a_file_without_status_says_what_there_is(eeg, tmp_path):
    (tmp_path / "b_eeg.bdf").write_bytes(bdf(eeg, None, names=NAMES))
    with opened(tmp_path / "b_eeg.bdf", tmp_path) as raw, pytest.raises(CorpusError) as raised:
        read_status(raw, "Status")
    assert str(raised.value) == (
        "b_eeg.bdf: no channel 'Status' among Fp1, Cz, Pz, Oz, expected the amplifier's trigger channel.\n"
        "  `--recipe simple` cuts by the onsets in events.tsv and needs none."
    )


def test_channels_tsv_says_which_are_eeg_and_which_are_bad(written, tmp_path):
    kinds = {"Fp1": ("EOG", True), "cz": ("EEG", False), "Pz": ("EEG", True), "Status": ("TRIG", True)}
    said = {name: ListedChannel(*kind) for name, kind in kinds.items()}
    with opened(written[".bdf"], tmp_path, said) as raw:
        assert raw.eeg_names == ("Cz", "Pz")
        assert raw.bad_names == ("Cz",)
        assert raw.remarks == ("not in channels.tsv, and so left out: Oz",)
    said["T7"] = ListedChannel("EEG", True)
    with opened(written[".bdf"], tmp_path, said) as raw:
        assert raw.remarks[-1] == "in channels.tsv and not in the file: T7"


def test_channels_tsv_of_another_recording_is_refused(written, tmp_path):
    said = {"E1": ListedChannel("EEG", True)}
    with (
        pytest.raises(CorpusError, match="Fp1, Cz, Pz, Oz, Status, expected those of channels.tsv, E1"),
        opened(written[".bdf"], tmp_path, said),
    ):
        pass


def edf_in(path, unit, eeg, scale):
    signals = [
        edfio.EdfSignal(
            row * scale,
            RATE_HZ,
            label=name,
            physical_dimension=unit,
            physical_range=(-200 * scale, 200 * scale),
        )
        for name, row in zip(NAMES, eeg, strict=True)
    ]
    edfio.Edf(signals).write(path)
    return path


@pytest.mark.parametrize(
    ("unit", "scale", "listed"),
    [
        ("V", 1e-6, ""),
        ("mV", 1e-3, ""),
        ("UV", 1, ""),
        ("microV", 1, ""),
        ("nV", 1e3, "uV"),  # the file is right
        ("", 1, "µV"),
        ("AU", 1e-3, "mV"),
    ],
)
def test_every_unit_gives_microvolts(eeg, tmp_path, unit, scale, listed):
    path = edf_in(tmp_path / "a_eeg.edf", unit, eeg, scale)
    said = {name: ListedChannel("EEG", True, listed) for name in NAMES}
    with opened(path, tmp_path, said) as raw:
        np.testing.assert_allclose(read_eeg(raw, NAMES), eeg, atol=0.006)
        assert [text.partition(":")[0] for text in raw.remarks] == ["units as the file says"] * (unit == "nV")


def test_a_unit_that_nobody_says_is_refused(eeg, tmp_path):
    path = edf_in(tmp_path / "a_eeg.edf", "", eeg, 1)
    with pytest.raises(CorpusError) as caught, opened(path, tmp_path):
        pass
    assert str(caught.value) == (
        "a_eeg.edf: EEG channels in a unit that is not known: Fp1 (''), Cz (''), Pz (''), Oz (''), expected V,"
        " mV, uV or nV.\n  Say it in a column units of channels.tsv."
    )


def test_external_channels_of_biosemi_are_no_eeg(eeg, tmp_path):
    (tmp_path / "b_eeg.bdf").write_bytes(bdf(eeg, None, names=("Fp1", "EXG1", "GSR1", "Temp")))
    with opened(tmp_path / "b_eeg.bdf", tmp_path) as raw:
        assert raw.eeg_names == ("Fp1",)


@pytest.mark.parametrize("name", ["HEOG", "VEOG1", "eog left", "ECG", "EKG", "EMG-2"])
def test_eyes_heart_and_muscles_are_no_eeg(eeg, tmp_path, name):
    (tmp_path / "b_eeg.bdf").write_bytes(bdf(eeg, None, names=("Fp1", name, "F9", "PO9")))
    with opened(tmp_path / "b_eeg.bdf", tmp_path) as raw:
        assert raw.eeg_names == ("Fp1", "F9", "PO9")


def test_channels_tsv_without_a_type_leaves_the_kind_to_the_file(eeg, tmp_path):
    status = status_of(eeg.shape[1], [1])
    (tmp_path / "b_eeg.bdf").write_bytes(bdf(eeg, status, names=("Fp1", "EXG1", "Pz", "Oz")))
    channels = {name: ListedChannel("", name != "Pz") for name in ("Fp1", "EXG1", "Pz", "Oz", "Status")}
    with opened(tmp_path / "b_eeg.bdf", tmp_path, channels) as raw:
        assert raw.eeg_names == ("Fp1", "Pz", "Oz")
        assert raw.bad_names == ("Pz",)


def test_a_truncated_bdf_is_refused_and_not_read_as_far_as_it_goes(written, tmp_path):
    whole = written[".bdf"].read_bytes()
    path = tmp_path / "b_eeg.bdf"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError) as raised, opened(path, tmp_path):
        pass
    assert str(raised.value) == (
        "b_eeg.bdf: another size than it should have, 5.0 s of it are there, expected a whole file.\n"
        "  It is truncated, or the recording was not stopped: copy it again."
    )
    path.write_bytes(whole[:100])
    with (
        pytest.raises(CorpusError, match=r"b_eeg\.bdf: cannot be read \(.*\), expected a recording"),
        opened(path, tmp_path),
    ):
        pass


def tags_of(content):
    """Where each tag of a FIF file begins."""
    places, place = [], 0
    while place < len(content):
        places.append(place)
        _, _, size, following = struct.unpack(">iiii", content[place : place + 16])
        place += 16 + size if following == 0 else len(content)
    return places


def test_a_fif_file_that_ends_early_is_refused_even_where_a_tag_ends(written, tmp_path):
    whole = written[".fif"].read_bytes()
    path = tmp_path / "b_eeg.fif"
    for left in tags_of(whole)[-8:]:
        path.write_bytes(whole[:left])
        said = "s of it are there, expected a whole file"
        with pytest.raises(CorpusError, match=said), opened(path, tmp_path):
            pass


@pytest.mark.parametrize(
    ("left", "points", "said"),
    [
        (0, False, "no samples"),
        (49151, False, "a data file of 49151 bytes, expected 16 for each time."),
        (24576, True, "a data file of 24576 bytes, expected 16 for each time, 49152 by the DataPoints"),
    ],
)
def test_a_truncated_data_file_of_brainvision_is_refused(written, tmp_path, left, points, said):
    for source in written[".vhdr"].parent.glob("a_eeg.[ev][eh]*"):
        shutil.copy(source, tmp_path)
    data, header = tmp_path / "a_eeg.eeg", tmp_path / "a_eeg.vhdr"
    if points:
        text = header.read_text("utf-8").replace("[Common Infos]", "[Common Infos]\nDataPoints=3072")
        header.write_text(text, "utf-8")
    with opened(header, tmp_path) as raw:
        assert raw.n_times == 3072
    os.truncate(data, left)
    with pytest.raises(CorpusError, match=said), opened(header, tmp_path):
        pass


def test_what_mne_warns_of_is_a_remark_and_not_printed(eeg, tmp_path, capfd):
    content = bytearray(bdf(eeg, None, names=NAMES))
    content[168:176] = b"99.99.99"  # the header's date
    (tmp_path / "b_eeg.bdf").write_bytes(content)
    with opened(tmp_path / "b_eeg.bdf", tmp_path) as raw:
        assert raw.remarks == ("Invalid measurement date encountered in the header.",)
        read_eeg(raw, NAMES)
    assert capfd.readouterr() == ("", "")


def test_a_gzip_that_ends_early_is_refused_and_leaves_nothing(written, tmp_path):
    packed = gzip.compress(written[".bdf"].read_bytes())
    path = tmp_path / "b_eeg.bdf.gz"
    path.write_bytes(packed[: len(packed) // 2])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(CorpusError) as raised, opened(path, scratch):
        pass
    where, arrived = str(raised.value).split(": a gzip file that cannot be unpacked (")
    assert where == "b_eeg.bdf.gz"
    assert arrived.startswith("Compressed file ended before the end-of-stream marker was reached), after ")
    assert arrived.endswith(" bytes, expected a whole one.\n  It is truncated or broken: copy it again.")
    assert list(scratch.iterdir()) == []
    path.write_bytes(b"no gzip at all")
    with pytest.raises(CorpusError, match=r"cannot be unpacked \(Not a gzipped file"), opened(path, scratch):
        pass


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "b_eeg.edf"
    path.write_text("no recording")
    with pytest.raises(CorpusError, match=r"b_eeg\.edf: cannot be read"), opened(path, tmp_path):
        pass


def test_numbers_that_are_not_finite_are_refused_with_their_channel(tmp_path):
    eeg = np.zeros((2, 512))
    eeg[1, 300] = np.nan
    raw = mne.io.RawArray(eeg, mne.create_info(["Cz", "Pz"], 256, "eeg"), verbose="ERROR")
    raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    with (
        opened(tmp_path / "a_raw.fif", tmp_path) as opened_raw,
        pytest.raises(
            CorpusError, match=r"a_raw\.fif: numbers that are not finite in Pz, expected finite ones\."
        ),
    ):
        read_eeg(opened_raw, ["Cz", "Pz"])


def test_without_mne_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == "mne":
            raise ImportError("no mne", name="mne")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CorpusError) as raised:
        import_mne()
    assert str(raised.value) == (
        "the package mne: not installed, expected mne and mne-bids, which read raw recordings.\n"
        "  pip install 'eeg-speech-harness[raw]'"
    )


def test_real_biosemi_files_are_read(tmp_path):
    folder = os.environ.get("HARNESS_TEST_REAL")
    if not folder:
        pytest.skip("HARNESS_TEST_REAL does not name a folder of real recordings")
    for name, rate_hz in (("Newtest17-256.bdf", 256), ("Newtest17-2048.bdf.gz", 2048)):
        with opened(Path(folder) / "bdf" / name, tmp_path) as raw:
            assert (len(raw.eeg_names), raw.rate_hz, raw.seconds) == (16, rate_hz, 60)
            eeg = read_eeg(raw, raw.eeg_names)
            status = read_status(raw, "Status")
        assert 1 < np.median(eeg.std(axis=1)) < 1e5
        assert (status >= 0).all()
    assert list(tmp_path.iterdir()) == []
