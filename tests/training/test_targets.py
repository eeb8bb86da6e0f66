"""Further targets: where they come from, how they are cut and kept, and losses over all of them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from package_fixtures import AUDIO_SECONDS as SECONDS

from harness.corpus import open_corpus
from harness.errors import CorpusError, TrainingError
from harness.features.audio import load_audio
from harness.features.spectrograms import for_spectra, spectra
from harness.nn import zscore
from harness.tasks.segments import cut_segments
from harness.training import losses, targets, train_submission
from harness.training.crops import make_crops
from harness.training.recipe import Recipe
from harness.training.targets import find_audio, with_targets
from harness.training.training_data import TrainingData

RATE_HZ = 16000
FURTHER = ("envelope", "mel80", "magnitude")
RECIPE = Recipe(
    epochs=1, batch_size=4, crop_seconds=2.0, crops_per_recording=3, zscore=False, targets={"mel": FURTHER}
)


@pytest.fixture
def tree(audio_tree):
    return audio_tree


@pytest.fixture
def data(tree, two_subjects):
    corpus = open_corpus(tree)
    return TrainingData(corpus, two_subjects, "mel", cut_segments(corpus, two_subjects, "val"))


def _message(error):
    return str(error.value)


def test_no_further_targets_change_nothing(data):
    assert with_targets(data.corpus, data.stretches(), (), 64) == data.stretches()


def test_targets_are_the_audios_and_are_cut_to_the_shortest(data, tree):
    found = with_targets(data.corpus, data.stretches(), FURTHER, 64)
    assert [(r.id, start) for r, start, _ in found] == [(r.id, start) for r, start, _ in data.stretches()]
    for (recording, start, stop), (_, _, before) in zip(found, data.stretches(), strict=True):
        samples = for_spectra(*load_audio(find_audio(data.corpus, recording.stimulus)))
        frames = len(spectra(samples, RATE_HZ)["magnitude"])
        assert frames == SECONDS[recording.stimulus] * 64 == len(samples) / 250
        assert stop == min(before, frames)
        kept = recording.feature(targets.AUDIO, start, stop)
        assert np.array_equal(kept.ravel(), samples[start * 250 : stop * 250])
    assert {before - stop for (_, _, stop), (_, _, before) in zip(found, data.stretches(), strict=True)} == {
        0,
        1154 - 768,  # a recording cut 80, 10 and 10 in time loses two samples
    }


def test_audio_lies_in_the_root_whatever_folder_is_given(tree):
    for folder in (tree, tree / "derivatives", tree / "derivatives" / "preprocessed_eeg"):
        corpus = open_corpus(folder)
        assert find_audio(corpus, "audiobook_1").name == "audiobook_1.npz"
        assert find_audio(corpus, "podcast_3").name == "podcast_3.npz.gz"
        assert find_audio(corpus, "podcast_4") is None


def test_audio_is_read_once_and_anew_where_it_is_another(data, tree, monkeypatch):
    computed = []
    monkeypatch.setattr(targets, "for_spectra", lambda *a: computed.append(1) or for_spectra(*a))
    first = with_targets(data.corpus, data.stretches(), FURTHER, 64)
    n_first = len(computed)
    again = with_targets(data.corpus, data.stretches(), FURTHER, 64)
    assert n_first <= 2  # an earlier test may have computed them
    assert len(computed) == n_first
    assert again == first
    assert not isinstance(first[0][0].feature_series[targets.AUDIO].pieces[0].mapped().base, type(None))
    audio, rate_hz = load_audio(tree / "stimuli/eeg/audiobook_1.npz")
    np.savez(tree / "stimuli/eeg/audiobook_1.npz", audio=-audio * 0.5, fs=rate_hz)
    other = with_targets(data.corpus, data.stretches(), FURTHER, 64)
    assert len(computed) == n_first + 1
    half = first[0][0].feature(targets.AUDIO, 0, 100) / -2
    assert other[0][0].feature(targets.AUDIO, 0, 100) == pytest.approx(half, rel=1e-4)


def test_audio_of_another_rate_is_brought_to_16_khz(data, tree):
    audio, _ = load_audio(tree / "stimuli/eeg/audiobook_1.npz")
    np.savez(tree / "stimuli/eeg/audiobook_1.npz", audio=np.repeat(audio, 3), fs=3 * RATE_HZ)
    found = [r for r, _, _ in with_targets(data.corpus, data.stretches(), ("mel80",), 64)]
    lengths = {r.stimulus: r.feature_series[targets.AUDIO].n_times for r in found}
    assert lengths == {"audiobook_1": 22 * 64, "podcast_3": 12 * 64}


def test_missing_audio_names_stimuli_place_and_remedy(data, tree):
    (tree / "stimuli/eeg/podcast_3.npz.gz").unlink()
    with pytest.raises(TrainingError) as error:
        make_crops(data, RECIPE, seed=0)
    where = tree / "derivatives" / "preprocessed_eeg"
    remedy = "  Point --data at a corpus with it, or choose a --variant that is trained without it."
    assert _message(error) == "\n".join(
        f"{where}: training part, target {name}: 1 stimulus without audio (podcast_3), expected"
        f" stimuli/eeg/<stimulus>.npz or .npz.gz.\n{remedy}"
        for name in ("mel80", "magnitude")
    )


def test_missing_labels_of_a_further_target(data):
    bare = [
        (replace(r, feature_series={"mel": r.feature_series["mel"]}), a, b) for r, a, b in data.stretches()
    ]
    with pytest.raises(TrainingError, match="target envelope: 4 recordings without envelope .sub-001_audio"):
        with_targets(data.corpus, bare, ("envelope",), 64)


def test_broken_audio_is_named(data, tree):
    (tree / "stimuli/eeg/podcast_3.npz.gz").write_bytes(b"\x1f\x8b cut short")
    with pytest.raises(CorpusError, match=r"podcast_3\.npz\.gz: cannot be read"):
        make_crops(data, RECIPE, seed=0)


def test_a_cache_that_cannot_be_written_is_named(data, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(TrainingError, match=r"file/eeg-speech-harness/audio/.*\n.*XDG_CACHE_HOME"):
        make_crops(data, RECIPE, seed=0)


def test_crops_hold_all_targets_side_by_side(data):
    crops = make_crops(data, RECIPE, seed=3)
    assert list(crops.bands) == ["mel", *FURTHER]
    plan = crops.epoch(1)
    rows = [row for batch in crops.batches(1) for row in batch.target]
    for crop, row in zip(plan, rows, strict=True):
        recording, _, stop = crops.stretches[crop.stretch]
        assert crop.start + 128 <= stop
        own = [recording.feature(name, crop.start, crop.start + 128) for name in ("mel", "envelope")]
        audio = recording.feature(targets.AUDIO, crop.start, crop.start + 128).ravel()
        made = spectra(audio, RATE_HZ)
        assert np.array_equal(row, np.concatenate([*own, made["mel80"], made["magnitude"]], axis=1))
        assert row.shape == (128, 10 + 1 + 80 + 257)


def test_the_features_crops_are_those_without_further_targets(data):
    """Where audio is as long as the recordings; the same crops, and the same mixtures."""
    long = replace(
        data,
        corpus=replace(data.corpus, recordings=tuple(r for r in data.corpus.recordings if "audio" in r.id)),
    )
    recipe = replace(RECIPE, zscore=True, mixup_rounds=1, targets={})
    plain = list(make_crops(long, recipe, seed=3).batches(1))
    more = list(make_crops(long, replace(recipe, targets=RECIPE.targets), seed=3).batches(1))
    for one, other in zip(plain, more, strict=True):
        assert np.array_equal(one.eeg, other.eeg)
        assert np.allclose(one.target, other.target[:, :, :10], atol=1e-6)
        features, made = np.split(other.target, [11], axis=2)
        assert np.allclose(features, zscore(features), atol=1e-4)
        assert made.min() >= 0
        assert made[:, :, 80:].mean() > 100  # of audio of standard deviation 1, and not scaled again


@pytest.mark.parametrize("ddof", [0, 1])
def test_spectra_are_scaled_again_only_where_the_recipe_says_so(data, ddof):
    recipe = replace(RECIPE, zscore=True, zscore_ddof=ddof, zscore_spectra=True)
    for batch in make_crops(data, recipe, seed=3).batches(1):
        assert np.abs(batch.target.mean(axis=1)).max() < 1e-4
        assert batch.target.std(axis=1, ddof=ddof) == pytest.approx(1, abs=1e-4)
        assert batch.eeg.std(axis=1, ddof=ddof) == pytest.approx(1, abs=1e-4)


def test_a_recipe_for_mel_has_no_further_targets_for_the_envelope(data, tree):
    (tree / "stimuli/eeg/podcast_3.npz.gz").unlink()
    crops = make_crops(replace(data, feature="envelope"), RECIPE, seed=0)
    assert crops.bands == {"envelope": 1}


@pytest.mark.parametrize(
    ("feature", "further"),
    [("mel", ("mel",)), ("pitch", ("mel80", "pitch")), ("mel", ("mel80", "mel80"))],
)
def test_targets_that_cannot_be_meant(feature, further):
    with pytest.raises(
        TrainingError, match=f"recipe: targets of {feature}: .*, expected other targets, each once"
    ):
        Recipe(epochs=1, targets={feature: further})


def test_pearson_and_l1_are_summed_and_kl_is_the_features(rng):
    pairs = [
        tuple(torch.from_numpy(rng.standard_normal((3, 20, n)).astype(np.float32)) for _ in range(2))
        for n in (10, 1, 7)
    ]
    weights = {"pearson": 1.0, "l1": 0.2, "kl": 0.5, "info_nce": 0.3}
    whole, parts = losses.total(weights, *pairs[0], temperature=0.1, further=pairs[1:])
    alone = [losses.total(weights, *pair, temperature=0.1)[1] for pair in pairs]
    for name in ("pearson", "l1"):
        assert parts[name].item() == pytest.approx(sum(each[name].item() for each in alone), abs=1e-6)
    for name in ("kl", "info_nce"):
        assert torch.equal(parts[name], alone[0][name])
    assert whole.item() == pytest.approx(
        sum(weights[name] * parts[name].item() for name in weights), abs=1e-6
    )


NET = """
forward = Tiny.forward

def several(self, eeg, subject_index):
    mel = forward(self, eeg, subject_index)
    if not self.training:
        return mel
    outputs = {"mel": mel, "envelope": self.more(mel), "mel80": self.most(mel)}
    return {name: outputs[name] for name in GIVEN}

def build(self, config, setup, subjects):
    net = Tiny(config, setup.n_bands, len(subjects))
    net.more, net.most = nn.Linear(10, 1), nn.Linear(10, 80)
    return net

Tiny.forward, System.build = several, build
GIVEN = ("mel80", "mel", "envelope")
"""


def test_a_net_is_trained_on_all_its_targets(tiny, tree, split):
    submission = tiny(code=NET, targets={"mel": ("envelope", "mel80")}, dropout=0.0, epochs=6)
    trained = train_submission(submission, open_corpus(tree), split, "mel", device="cpu")
    record = trained.path.with_suffix(".json").read_text()
    assert '"targets": {\n   "mel": [\n    "envelope",\n    "mel80"' in record
    with (trained.folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["l1"]) > 2  # three targets of about 0.8 each
    for row in rows:
        assert float(row["loss"]) == pytest.approx(float(row["pearson"]) + 0.2 * float(row["l1"]), abs=1e-5)
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


@pytest.mark.parametrize(
    ("change", "arrived"),
    [
        ("GIVEN = ('mel', 'envelope')", "envelope, mel"),
        ("Tiny.forward = forward", "one array"),
    ],
)
def test_a_net_with_other_outputs_is_refused(tiny, tree, split, change, arrived):
    submission = tiny(code=NET + change, targets={"mel": ("envelope", "mel80")})
    with pytest.raises(TrainingError) as error:
        train_submission(submission, open_corpus(tree), split, "mel", device="cpu")
    assert _message(error).startswith(
        f"net: outputs in training: {arrived}, expected a mapping with envelope, mel, mel80."
    )
