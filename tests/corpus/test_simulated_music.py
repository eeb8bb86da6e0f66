"""Simulated music and EEG in NMED-T's layout."""

from __future__ import annotations

import numpy as np
import pytest
from music_fixtures import RECIPE, read_wav
from scipy.io import loadmat

from harness.corpus.simulated.marker import is_complete, verify
from harness.corpus.simulated.music import Recipe, default_folder, expected_bytes, simulate_music
from harness.errors import CorpusError


def test_layout_is_the_datasets(music):
    song = loadmat(music / "song23_Imputed.mat")
    assert song["data23"].shape == (125, 1570, 6)  # 12.56 s: no whole seconds
    assert song["data23"].dtype == np.int8
    assert song["fs"].tolist() == [[125.0]]
    assert [name[0] for name in song["subs23"][0]] == ["S02", "S03", "S04", "S05", "S06", "S07"]
    assert is_complete(music)
    assert not verify(music)


@pytest.mark.slow
def test_same_recipe_same_bytes_however_many_processes(music, tmp_path):
    simulate_music(tmp_path / "again", RECIPE, jobs=2)
    assert (tmp_path / "again/SIMULATED.json").read_bytes() == (music / "SIMULATED.json").read_bytes()


def test_another_seed_gives_other_data(tmp_path, music):
    simulate_music(tmp_path / "other", Recipe(seed=2, n_songs=1, n_listeners=1, seconds=4), jobs=1)
    first = loadmat(music / "song21_Imputed.mat")["data21"][:, :500, 0]
    assert not np.array_equal(loadmat(tmp_path / "other/song21_Imputed.mat")["data21"][:, :500, 0], first)


def test_beats_come_at_the_songs_tempo(music):
    samples = read_wav(music / "audio/21.wav")
    assert 0.85 < np.abs(samples).max() <= 0.9 + 1e-4
    assert len(samples) == round(12.36 * 22050)


def test_loud_music_lowers_alpha_and_the_response_follows_the_sound(tmp_path):
    """A decoder can work: the response is in the EEG, and nothing of it without SNR."""
    from harness.corpus.simulated import music_eeg

    rng = np.random.default_rng(0)
    loud = np.sin(2 * np.pi * np.arange(125 * 40) / 125 / 10) > 0
    heard = music_eeg.Heard(
        np.zeros((125 * 40, 8)) + rng.standard_normal((125 * 40, 8)), np.where(loud, 2.0, -2.0)
    )
    who = music_eeg.listener(music_eeg.common_maps(rng), rng)
    quiet = music_eeg.record(heard, who, 0.9, 0.6, np.random.default_rng(1)).astype(float)
    power = np.abs(np.fft.rfft(quiet.reshape(125, 40, 125), axis=2))[:, :, 9:12].mean(axis=(0, 2))
    inside = loud.reshape(40, 125).mean(axis=1)
    assert power[inside > 0.9].mean() < power[inside < 0.1].mean()


def test_default_tree_is_small_and_in_the_cache():
    assert expected_bytes(Recipe()) < 200e6
    assert default_folder().parts[-2:] == ("eeg-speech-harness", "simulated-nmed-t-v1-seed1")


def test_a_recipe_out_of_range_is_refused_with_every_fault():
    with pytest.raises(CorpusError) as caught:
        Recipe(seed=-1, n_songs=11, n_listeners=0, seconds=1)
    assert [str(fault) for fault in caught.value.faults] == [
        "seed: -1, expected 0 or more.",
        "n_songs: 11, expected 1 to 10.",
        "n_listeners: 0, expected 1 to 20.",
        "seconds: 1, expected 4 or more.",
    ]


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CorpusError, match="holds something else"):
        simulate_music(tmp_path, RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
