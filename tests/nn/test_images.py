"""Layers of nets that take a spectrum for an image."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.nn.images import SameConvolution, Spectrum, SpectrumFront, batch_norm, he_uniform, same_padding
from harness.nn.spectra import KINDS, power_spectrum


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 4, 5, 6, 63, 125])
@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_padding_gives_as_many_values_as_strides_begin(n, kernel, stride):
    before, after = same_padding(n, kernel, stride)
    assert 0 <= before <= after <= before + 1
    padded = n + before + after
    assert padded >= kernel
    least = -(-n // stride)
    assert (padded - kernel) // stride + 1 == least


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_one_of_a_padded_image(rng, stride):
    x = torch.from_numpy(rng.standard_normal((2, 3, 9, 6)).astype(np.float32))
    layer = SameConvolution(3, 4, stride=stride)
    top, left = same_padding(9, 4, stride)[0], same_padding(6, 4, stride)[0]
    image = torch.zeros(2, 3, 16, 13)
    image[:, :, top : top + 9, left : left + 6] = x
    expected = F.conv2d(image, layer.weight, layer.bias, stride)
    made = layer(x)
    assert made.shape == (2, 4, -(-9 // stride), -(-6 // stride))
    assert torch.allclose(made, expected[:, :, : made.shape[2], : made.shape[3]], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spectrum_is_the_power_spectrum_and_bears_no_gradient(rng, kind):
    eeg = torch.from_numpy(rng.standard_normal((2, 125, 5)).astype(np.float32)).requires_grad_()
    made = Spectrum(kind, 125.0)(eeg)
    assert not made.requires_grad
    assert np.array_equal(made.numpy(), power_spectrum(eeg.detach().numpy(), kind, 125.0))


def test_a_front_leaves_a_quarter_of_rows_and_columns():
    front = SpectrumFront((3, 5)).eval()
    assert front(torch.zeros(2, 63, 125)).shape == (2, 5, 15, 31)


def test_norms_and_kernels_are_kerass():
    norm = batch_norm(3)
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)
    torch.manual_seed(0)
    layer = nn.Linear(600, 50)
    he_uniform(layer)
    assert layer.weight.abs().max().item() == pytest.approx((6 / 600) ** 0.5, rel=1e-3)
    assert layer.weight.std().item() == pytest.approx((2 / 600) ** 0.5, rel=0.02)
    assert not layer.bias.any()
