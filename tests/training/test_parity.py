"""The releases' own losses and targets, from fixtures that their code wrote (`tests/golden/training`).

What is asked of a loss: its value, its parts and its gradients. Then ten steps of the optimiser with each
release's recipe against a loop written here, which knows nothing of the kit's.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import GOLDEN
from nets import PACKAGES, relative

from harness.corpus import open_corpus
from harness.features.audio import load_audio
from harness.training import losses
from harness.training.crops import make_crops, mixup, prepared
from harness.training.distributed import Processes
from harness.training.loop import _Loop
from harness.training.recipe import Recipe
from harness.training.running import Running
from harness.training.targets import find_audio
from harness.training.training_data import TrainingData

FOLDER = GOLDEN / "training"
META = json.loads((FOLDER / "meta.json").read_text())
CLOSE = 1e-5
STAGES = {"mel": 10, "envelope": 1, "mel80": 80, "magnitude": 257}


@pytest.fixture(scope="module")
def dmf2mel():
    return dict(np.load(FOLDER / "dmf2mel-loss.npz"))


@pytest.fixture(scope="module")
def catwavenet():
    return dict(np.load(FOLDER / "catwavenet-targets.npz"))


def _recipe(package, name, variant):
    return package(name).train.SYSTEM.recipe("paper", variant)[1]


@pytest.mark.parametrize("outputs", ["ten", "one"])
def test_dmf2mels_loss_and_gradients(dmf2mel, package, outputs):
    """One output is repeated for ten bands, as the variant `broadcast` does."""
    recipe, expected = _recipe(package, "submissions/dmf2mel", "broadcast"), META[f"dmf2mel_{outputs}"]
    target = torch.from_numpy(dmf2mel["target"])
    output = torch.from_numpy(dmf2mel["prediction"])[..., : 10 if outputs == "ten" else 1]
    output = output.clone().requires_grad_()
    prediction = output.repeat(1, 1, 10 // output.shape[2])
    assert dict(recipe.losses) == expected["weights"]
    loss, parts = losses.total(recipe.losses, prediction, target, temperature=recipe.info_nce_temperature)
    assert loss.item() == pytest.approx(expected["total"], rel=CLOSE)
    for name, part in parts.items():
        assert part.item() == pytest.approx(expected[name], rel=CLOSE), name
    (gradient,) = torch.autograd.grad(loss, output, retain_graph=True)
    assert relative(gradient, dmf2mel[f"grad_total_{outputs}"]) < CLOSE
    (gradient,) = torch.autograd.grad(parts["info_nce"], output)
    if outputs == "ten":
        assert relative(gradient, dmf2mel["grad_info_nce_ten"]) < CLOSE
    else:  # a cosine with one series knows its sign alone: what is there is rounding
        assert np.abs(gradient.numpy()).max() < 1e-6
        assert np.abs(dmf2mel["grad_info_nce_one"]).max() < 1e-6


def test_catwavenets_targets_loss_and_gradients(catwavenet, package):
    recipe, expected = _recipe(package, "submissions/catwavenet", "full"), META["catwavenet"]
    bands = {"mel": 10, **{name: STAGES[name] for name in recipe.targets["mel"]}}

    def floats(name):
        return catwavenet[name].astype(np.float32)

    series = [floats("mel"), floats("envelope"), floats("wav").reshape(4, 160, 250)]
    eeg, target = floats("eeg"), np.concatenate(series, axis=2)
    subjects = np.arange(4)
    for shares in (expected["lambda_first"], expected["lambda_second"]):
        given = SimpleNamespace(random=lambda shape, dtype, s=shares: np.array(s, dtype).reshape(shape))
        eeg, target, subjects = mixup(eeg, target, subjects, given)
    eeg, target = prepared(eeg, target, bands, recipe)
    assert relative(eeg, catwavenet["eeg_mixed"]) < CLOSE
    made = dict(zip(bands, np.split(target, np.cumsum([*bands.values()])[:-1], axis=2), strict=True))
    for name, values in made.items():
        assert relative(values, catwavenet[f"target_{name}"]) < CLOSE, name
    for name, mean in expected["mean_abs"].items():
        assert np.abs(made[name]).mean() == pytest.approx(mean, rel=CLOSE)

    outputs = {name: torch.from_numpy(floats(f"prediction_{name}")).requires_grad_() for name in bands}
    first, *further = losses.pairs(bands, outputs, torch.from_numpy(target))
    loss, parts = losses.total(recipe.losses, *first, temperature=0.1, further=further)
    assert loss.item() == pytest.approx(expected["total"], rel=CLOSE)
    for name, part in parts.items():
        assert part.item() == pytest.approx(expected[name], rel=CLOSE), name
    loss.backward()
    for name, output in outputs.items():
        assert relative(output.grad, catwavenet[f"grad_{name}"]) < CLOSE, name


def test_a_recipe_that_scales_the_spectra_has_another_loss(catwavenet, package):
    """So that the test above would see it: the loss is 33.5 with the release's targets."""
    recipe = _recipe(package, "submissions/catwavenet", "full")
    audio = catwavenet["wav"][:1].astype(np.float32).reshape(1, 160, 250)
    means = []
    for scaled in (False, True):
        other = replace(recipe, zscore_spectra=scaled)
        _, target = prepared(np.zeros((1, 160, 64), np.float32), audio, {"magnitude": 257}, other)
        means.append(np.abs(target).mean())
    assert means[0] > 100
    assert means[1] < 1


# --- ten steps


SECONDS = 2.0
RELEASES = {  # package -> variant, and what the release trains with: epochs a learning rate stands, losses
    "happyquokka": ("conditioned", "pearson l1"),
    "ssm2mel": ("full", "pearson l1"),
    "dmf2mel": ("full", "pearson l1 info_nce"),
    "catwavenet": ("full", "pearson l1 kl"),
}


def _own_pearson(prediction, target):
    p, q = (x - x.mean(dim=1, keepdim=True) for x in (prediction, target))
    return -((p * q).sum(1) / (p.norm(dim=1) * q.norm(dim=1) + 1e-6)).mean()


def _own_info_nce(prediction, target):
    def one_way(x, y):
        n = len(x)
        sums = [
            [(F.cosine_similarity(x[i], y[j], dim=-1) / 0.1).exp().sum() for j in range(n)] for i in range(n)
        ]
        pos = sum(sums[i][i] for i in range(n))
        neg = [sum(sums[i][j] for j in range(n) if j != i) for i in range(n)]
        return sum(-torch.log(pos / (pos + one)) for one in neg) / n

    return (one_way(prediction, target) + one_way(target, prediction)) / 2


def _own_loss(name, outputs, targets):
    if name == "dmf2mel":
        p, q = outputs["mel"], targets["mel"]
        return _own_pearson(p, q) + 0.5 * F.l1_loss(p, q) + 0.1 * _own_info_nce(p, q)
    loss = sum(
        _own_pearson(outputs[k], targets[k]) + 0.2 * F.l1_loss(outputs[k], targets[k]) for k in outputs
    )
    if name == "catwavenet":
        logs = [F.log_softmax(x["mel"], dim=-1) for x in (outputs, targets)]
        loss = loss + F.kl_div(*logs, reduction="none", log_target=True).mean()
    return loss


def _own_spectra(wave):
    """(b, n_samples) -> mel80, magnitude."""
    padded = F.pad(wave, (250, 250))
    window = torch.hann_window(400)
    spectrum = torch.stft(padded, 512, 250, 400, window, center=False, return_complex=True)
    power = spectrum.abs().square()  # (b, 257, t)
    filters = torch.from_numpy(librosa.filters.mel(sr=16000, n_fft=512, n_mels=80, htk=True, norm="slaney"))
    return (filters @ power).transpose(1, 2), power.transpose(1, 2)


def _scaled(x):
    return (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True)  # torch's: n - 1


def _own_batch(name, crops, step, corpus, rng):
    """What the release makes of a step's crops; the shares of a mixture come from the kit's generator."""
    recordings = [crops.stretches[crop.stretch][0] for crop in step]
    places = [
        (r, slice(crop.start, crop.start + crops.crop_samples))
        for r, crop in zip(recordings, step, strict=True)
    ]
    subjects = torch.tensor([crops.subjects.index(r.subject) for r in recordings])
    series = {
        "eeg": torch.stack([torch.from_numpy(r.eeg(s.start, s.stop)) for r, s in places]),
        "mel": torch.stack([torch.from_numpy(r.feature("mel", s.start, s.stop)) for r, s in places]),
    }
    if name != "catwavenet":
        return series["eeg"], {"mel": series["mel"]}, subjects  # as the corpus has them
    envelope = [torch.from_numpy(r.feature("envelope", s.start, s.stop)) for r, s in places]
    audio = [load_audio(find_audio(corpus, r.stimulus)).audio for r in recordings]
    wave = [
        torch.from_numpy(a[s.start * 250 : s.stop * 250]) for a, (_, s) in zip(audio, places, strict=True)
    ]
    series |= {"envelope": torch.stack(envelope), "wave": torch.stack(wave)}
    for _ in range(2):
        order = subjects.argsort(stable=True)
        half = len(order) // 2
        share = torch.from_numpy(rng.random((half, 1, 1), dtype=np.float32))
        one, other = order[:half], order[half : 2 * half]
        series = {
            k: share.view(half, *[1] * (x.ndim - 1)) * x[one]
            + (1 - share).view(half, *[1] * (x.ndim - 1)) * x[other]
            for k, x in series.items()
        }
        subjects = subjects[one]
    series = {k: _scaled(x) for k, x in series.items()}
    mel80, magnitude = _own_spectra(series["wave"])
    targets = {"envelope": series["envelope"], "mel": series["mel"], "mel80": mel80, "magnitude": magnitude}
    return series["eeg"], targets, subjects


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASES)
def test_ten_steps_are_the_releases(name, package, audio_tree, two_subjects, make_setup):
    """Equal weights and crops; dropout is off, since two loops do not draw alike."""
    variant, kinds = RELEASES[name]
    case = next(one for one in PACKAGES if one.name == name)
    modules = package(case.folder)
    config, recipe = modules.train.SYSTEM.recipe("paper", variant)
    assert list(recipe.losses) == kinds.split()
    drops = {key: 0.0 for key in vars(config) if key.endswith("dropout")}
    config = replace(config, **{**case.tiny, **drops, "window_samples": 128})
    recipe = replace(recipe, batch_size=8, crops_per_recording=5, crop_seconds=SECONDS, step_epochs=2)
    corpus = open_corpus(audio_tree)
    data = TrainingData(corpus, two_subjects, "mel", ())
    crops = make_crops(data, recipe, seed=4, crop_samples=128)
    torch.manual_seed(7)
    net, own = (modules.train.SYSTEM.build(config, make_setup(variant=variant), crops.subjects) for _ in "ab")
    own.load_state_dict(net.state_dict())
    start = {key: value.clone() for key, value in net.named_parameters()}

    loop = _Loop(net, data, crops, recipe, Processes(), torch.device("cpu"), Running())
    optimiser = torch.optim.Adam(own.parameters(), lr=5e-4, betas=(0.9, 0.98), eps=1e-9)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=2, gamma=0.9)
    own.train()
    n_steps = 0
    for epoch in range(1, 6):  # twice 8 of 20 crops: the last 4 are dropped
        loss = loop.train(epoch, SimpleNamespace(best_epoch=0))["loss"]
        steps = [crops.epoch(epoch)[:8], crops.epoch(epoch)[8:16]]
        own_losses = []
        for number, step in enumerate(steps):
            rng = np.random.default_rng(np.random.SeedSequence((4, epoch, number, 0)))
            eeg, targets, subjects = _own_batch(name, crops, step, corpus, rng)
            outputs = own(eeg, subjects)
            outputs = outputs if isinstance(outputs, dict) else {"mel": outputs}
            own_loss = _own_loss(name, outputs, targets)
            optimiser.zero_grad()
            own_loss.backward()
            optimiser.step()
            own_losses.append(own_loss.item())
            n_steps += 1
        schedule.step()
        assert loss == pytest.approx(np.mean(own_losses), rel=2e-5, abs=2e-5), epoch
    assert n_steps == 10
    moved = torch.cat([(value - start[key]).flatten() for key, value in net.named_parameters()])
    expected = torch.cat([(value - start[key]).flatten() for key, value in own.named_parameters()])
    # A weight whose gradient is rounding about zero goes either way by the learning rate: few do.
    assert relative(moved.detach(), expected.detach()) < 0.03
    assert moved.abs().max() > 1e-3


def test_a_recipe_has_no_word_for_what_it_does_not_do():
    assert Recipe(epochs=1).scaling() == {}
    assert Recipe(epochs=1, zscore=False).scaling() == {"zscore": "none"}
    assert Recipe(epochs=1, zscore_ddof=1).scaling() == {"zscore": "n-1"}
