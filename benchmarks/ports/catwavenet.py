"""CAT-WaveNet straight from its description, run as its release runs: all four stages in every call.

Functions of a state under the release's names, the unused parameters among them. Weight normalisation is
computed in every call; the attention makes its queries, keys and values. Arrays are (b, channels, t).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor

State = dict[str, Tensor]

N_LAYERS, DILATION_CYCLE, WINDOW_SAMPLES = 36, 12, 1920
STAGES = (("block1", 1, 128, 10), ("block2", 10, 128, 80), ("block3", 80, 512, 257))  # before, filters, bands


def catwavenet(state: State, eeg: Tensor) -> dict[str, Tensor]:
    """EEG (b, t, 64) -> every stage's output (b, t, bands)."""
    eeg = eeg.transpose(1, 2)
    outputs = {"eeg2envblock": wavenet(state, "eeg2envblock", eeg)}
    before = outputs["eeg2envblock"]
    for name, *_ in STAGES:
        p = F.linear(before.transpose(1, 2), state[f"{name}.proj1.weight"], state[f"{name}.proj1.bias"])
        p = cross_attention(state, f"{name}.crossattn2", p.transpose(1, 2), p.transpose(1, 2))
        e = cross_attention(state, f"{name}.crossattn3", eeg, eeg)
        x = cross_attention(state, f"{name}.crossattn1", p, e)
        outputs[name] = before = wavenet(state, f"{name}.Fast1", x)
    return {name: output.transpose(1, 2) for name, output in outputs.items()}


def wavenet(state: State, name: str, x: Tensor) -> Tensor:
    """The regressor."""
    x, total = F.relu(normed_conv(state, f"{name}.init_conv.0.conv", x)), torch.zeros(())
    for i in range(N_LAYERS):
        layer = f"{name}.residual_layer.residual_blocks.{i}"
        y = normed_conv(state, f"{layer}.dilated_conv_layer.conv", x, 2 ** (i % DILATION_CYCLE))
        signal, gate = y.chunk(2, dim=1)
        y = torch.tanh(signal) * torch.sigmoid(gate)
        total = total + normed_conv(state, f"{layer}.skip_conv", y)
        x = (x + normed_conv(state, f"{layer}.res_conv", y)) * 0.5**0.5
    y = F.relu(normed_conv(state, f"{name}.final_conv.0.conv", total * (1 / N_LAYERS) ** 0.5))
    return conv(state, f"{name}.final_conv.2", y)


def cross_attention(state: State, name: str, a: Tensor, s: Tensor) -> Tensor:
    """Two layers of attention between two series, and the convolution over their ends."""
    a_input, s_input, skip = a, s, torch.zeros(())
    for i in range(2):
        from_a = attention(state, f"{name}.audio_encoder.{i}", s, a)
        from_s = attention(state, f"{name}.spike_encoder.{i}", from_a, s)
        a = norm(state, f"{name}.LayernormList_audio.{i}", from_a + a)
        s = norm(state, f"{name}.LayernormList_spike.{i}", from_s + s)
        skip = skip + a
    y = conv(state, f"{name}.projection", torch.cat([skip, a_input, s, s_input], dim=1), padding=1)
    return norm(state, f"{name}.layernorm_out", y)


def attention(state: State, name: str, asks: Tensor, answers: Tensor) -> Tensor:
    """Channels are the tokens, time is the feature axis."""
    q, k, v = (
        projection(state, f"{name}.{which}", x)
        for which, x in (("w_qs", asks), ("w_ks", answers), ("w_vs", answers))
    )
    weights = torch.softmax(q @ k.transpose(1, 2) / WINDOW_SAMPLES**0.5, dim=2)
    return norm(state, f"{name}.layer_norm", weights @ v + answers)


def projection(state: State, name: str, x: Tensor) -> Tensor:
    """A query, key or value."""
    x = norm(
        state,
        f"{name}.reg1",
        F.prelu(conv(state, f"{name}.conv1d", x), state[f"{name}.nonlinearity1.weight"]),
    )
    x = conv(state, f"{name}.dconv1d", x, padding=1, groups=x.shape[1])
    x = norm(state, f"{name}.reg2", F.prelu(x, state[f"{name}.nonlinearity2.weight"]))
    return conv(state, f"{name}.res_out", x)


def conv(state: State, name: str, x: Tensor, padding: int = 0, groups: int = 1) -> Tensor:
    """A plain convolution."""
    return F.conv1d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding, groups=groups)


def normed_conv(state: State, name: str, x: Tensor, dilation: int = 1) -> Tensor:
    """A weight-normalised convolution."""
    v, g = state[f"{name}.weight_v"], state[f"{name}.weight_g"]
    weight = v * (g / torch.linalg.vector_norm(v, dim=(1, 2), keepdim=True))
    reach = dilation * (v.shape[2] // 2)
    return F.conv1d(x, weight, state[f"{name}.bias"], padding=reach, dilation=dilation)


def norm(state: State, name: str, x: Tensor) -> Tensor:
    """One group over channels and time."""
    return F.group_norm(x, 1, state[f"{name}.weight"], state[f"{name}.bias"], 1e-8)


def random_state(seed: int) -> State:
    """Random weights under the release's names, 93,991,284 parameters."""
    torch.manual_seed(seed)
    state: State = {}

    def add(name: str, *shape: int) -> None:
        fan_in = 1
        for size in shape[1:]:
            fan_in *= size
        state[f"{name}.weight"] = torch.randn(shape) * fan_in**-0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0])

    def add_normed(name: str, *shape: int) -> None:
        add(name, *shape)
        state[f"{name}.weight_v"] = state.pop(f"{name}.weight")
        state[f"{name}.weight_g"] = 1 + 0.1 * torch.rand(shape[0], 1, 1)

    def add_norm(name: str, n: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + 0.1 * torch.randn(n), 0.1 * torch.randn(n)

    def add_wavenet(name: str, n: int, n_bands: int) -> None:
        add(f"{name}.proj1", n, n)
        add_normed(f"{name}.init_conv.0.conv", n, 64, 1)
        for i in range(N_LAYERS):
            layer = f"{name}.residual_layer.residual_blocks.{i}"
            add_normed(f"{layer}.dilated_conv_layer.conv", 2 * n, n, 3)
            add_normed(f"{layer}.res_conv", n, n, 1)
            add_normed(f"{layer}.skip_conv", n, n, 1)
        add_normed(f"{name}.final_conv.0.conv", n, n, 1)
        add(f"{name}.final_conv.2", n_bands, n, 1)

    def add_projection(name: str) -> None:
        add(f"{name}.conv1d", 128, 64, 1)
        add(f"{name}.dconv1d", 128, 1, 3)
        for out in ("res_out", "skip_out"):
            add(f"{name}.{out}", 64, 128, 1)
        for i in (1, 2):
            state[f"{name}.nonlinearity{i}.weight"] = torch.full((1,), 0.25)
            add_norm(f"{name}.reg{i}", 128)

    add_wavenet("eeg2envblock", 128, 1)
    for block, n_before, n, n_bands in STAGES:
        add(f"{block}.proj1", 64, n_before)
        for which in (1, 2, 3):
            module = f"{block}.crossattn{which}"
            for side in ("audio", "spike"):
                for i in range(2):
                    for letter in "qkv":
                        add_projection(f"{module}.{side}_encoder.{i}.w_{letter}s")
                    add_norm(f"{module}.{side}_encoder.{i}.layer_norm", 64)
                    add_norm(f"{module}.LayernormList_{side}.{i}", 64)
            add(f"{module}.projection", 64, 256, 3)
            add_norm(f"{module}.layernorm_out", 64)
        add_wavenet(f"{block}.Fast1", n, n_bands)
    return state
