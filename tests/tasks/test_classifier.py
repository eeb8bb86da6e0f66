"""Training of the classifier that names stimuli: held to a net trained beside it, and what is kept of it."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save

from harness.nn.song_classifier import ClassifierConfig, SongClassifier, fit_classifier, named_songs
from harness.tasks import classifier
from harness.tasks.classifier import train_classifier

N_SONGS, N_FRAMES, N_BANDS = 3, 7, 4


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder that classifiers are kept in, not there yet. Training takes 3 steps of one thread."""
    monkeypatch.setattr(classifier, "STEPS", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path / "cache/eeg-speech-harness/classifiers"
    torch.set_num_threads(before)


@pytest.fixture
def images():
    """(n, n_frames, n_bands) float32, whose mean and deviation are others when they are summed in float32."""
    rng = np.random.default_rng(1)
    spread = 30 * np.exp(rng.standard_normal((30, N_FRAMES, N_BANDS)))
    return (900 + spread * rng.standard_normal(spread.shape)).astype(np.float32)


@pytest.fixture
def numbers(images):
    return np.arange(len(images)) % N_SONGS


def as_documented(images, numbers):
    """The net, and how segments are scaled for it, in plain steps."""
    mean = np.mean(images.astype(np.float64))
    deviation = np.std(images.astype(np.float64))
    if deviation == 0:
        deviation = 1.0

    def scaled(segments):
        by_bands = np.stack([segment.T for segment in segments])
        return torch.from_numpy((by_bands - np.float32(mean)) / np.float32(deviation))

    with torch.random.fork_rng():
        torch.manual_seed(1369)
        net = SongClassifier(ClassifierConfig(n_songs=N_SONGS))
    fit_classifier(
        net,
        scaled(images),
        torch.from_numpy(numbers),
        steps=3,
        batch_size=20,
        learning_rate=3e-3,
        seed=1369,
    )
    return net, scaled


def kept_name(images, numbers):
    """The file's name: the sha256 of the version, the recipe, torch's version, the shape and the numbers."""
    recipe = f"(1, 3, 20, 0.003, 1369, '{torch.__version__}', {images.shape})"
    return hashlib.sha256(recipe.encode() + images.tobytes() + numbers.tobytes()).hexdigest() + ".safetensors"


def kept(cache):
    """The only file in the user's cache folder, which must lie where classifiers do."""
    (file,) = [path for path in cache.parent.parent.rglob("*") if path.is_file()]
    assert file.parent == cache
    return file


def test_the_classifier_is_the_documented_net_and_is_kept_under_what_decides_it(cache, images, numbers, rng):
    name_of = train_classifier(images, numbers, keep=True)
    net, scaled = as_documented(images, numbers)
    file = kept(cache)
    assert file.name == kept_name(images, numbers)
    state = load_file(file)
    assert state.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        assert torch.equal(state[name], value), name
    others = (900 + 30 * rng.standard_normal((200, N_FRAMES, N_BANDS))).astype(np.float32)
    named = name_of(others)
    assert named.dtype == np.int64
    assert named.tolist() == named_songs(net, scaled(others)).tolist()
    assert set(named.tolist()) == set(range(N_SONGS))


def test_images_without_any_deviation_are_shifted_alone(numbers, rng):
    same = np.full((30, N_FRAMES, N_BANDS), 7, np.float32)
    others = (7 + 0.5 * rng.standard_normal((400, N_FRAMES, N_BANDS))).astype(np.float32)
    net, scaled = as_documented(same, numbers)
    expected = named_songs(net, scaled(others)).tolist()
    assert len(set(expected)) > 1
    assert train_classifier(same, numbers)(others).tolist() == expected


def test_nothing_is_kept_unless_asked_and_nobody_elses_random_numbers_are_drawn(
    cache, images, numbers, monkeypatch
):
    # With several graphics processors torch would warn that it looks after the random numbers of them all.
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    train_classifier(images, numbers)
    assert torch.equal(torch.rand(1), expected)
    assert not cache.parent.parent.exists()


def test_a_kept_classifier_is_read_and_neither_trained_nor_written_again(cache, images, numbers):
    train_classifier(images, numbers, keep=True)
    file = kept(cache)
    state = load(file.read_bytes())
    state["readout.bias"] = torch.tensor([0.0, 0.0, 1e6])
    file.write_bytes(save(state))
    before = file.read_bytes()
    assert set(train_classifier(images, numbers, keep=True)(images).tolist()) == {2}
    assert kept(cache).read_bytes() == before


def test_a_kept_classifier_is_found_whatever_the_width_of_the_numbers(cache, images, numbers):
    named = train_classifier(images, numbers, keep=True)(images)
    name_of = train_classifier(images.astype(np.float64), numbers.astype(np.int32), keep=True)
    assert name_of(images.astype(np.float64)).tolist() == named.tolist()
    assert kept(cache).name == kept_name(images, numbers)


@pytest.mark.parametrize(
    "content",
    [b"no tensors", save({"readout.bias": torch.zeros(3)})],
    ids=["not safetensors", "another net's"],
)
def test_a_kept_file_that_does_not_fit_is_trained_and_written_anew(cache, images, numbers, content):
    named = train_classifier(images, numbers, keep=True)(images)
    file = kept(cache)
    right = file.read_bytes()
    file.write_bytes(content)
    assert train_classifier(images, numbers, keep=True)(images).tolist() == named.tolist()
    assert kept(cache).read_bytes() == right


def test_a_cache_that_cannot_be_written_costs_no_classifier(cache, images, numbers):
    named = train_classifier(images, numbers)(images)
    cache.parent.parent.write_text("no folder")
    assert train_classifier(images, numbers, keep=True)(images).tolist() == named.tolist()
