"""DMF2Mel computed the straightforward way, as its release does it, with the weights of a net of the package.

The Cox-de Boor recursion on the whole grid at every call; attention as softmax of a matrix; two- and
three-dimensional convolutions on images and volumes of height 1; nine neighbours unfolded and weighed by nine
rows of nine weights; the selective scan one sample after the other, with all its decays and inputs at once.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

SPLINE_ORDER = 3


def forward(net: nn.Module, eeg: Tensor, subject_index: Tensor) -> Tensor:
    """What ``net(eeg, subject_index)`` gives in eval mode; every subject must be a learned one."""
    x0 = _esm(net.esm, eeg, subject_index)
    a = x0
    for number in range(net.config.n_hams):
        a = _hams(net.multiscale.hams, a) if number == 0 else _hams(net.multiscale.hams, a + x0)
    b = x0
    for _ in range(net.config.n_dcfam):
        b = _dcfam(net.window.dcfam, b) + x0
    f = net.fusions
    a = _attention(f[0], a, a, a)
    b = _attention(f[0], b, b, b)
    c = _attention(f[0], b, a, a)
    c = _attention(f[1], c, a, a)
    c = _attention(f[2], b, c, c)
    c = _attention(f[3], c, a, a)
    c = _attention(f[4], b, c, c)
    c = _attention(f[5], c, b, b)
    m = _mamba_block(net.backbone.block, c) + c
    return net.readout(_mamba_block(net.backbone.block, m))


def _esm(esm: nn.Module, eeg: Tensor, subject_index: Tensor) -> Tensor:
    one_hot = F.one_hot(subject_index, esm.projection.in_features).float()[:, None]
    kv = eeg + esm.norm(esm.projection(one_hot))
    f = esm.norm(_attention(esm.attention, eeg + esm.positions, kv, kv))
    y = esm.feed_forward.norm(f).transpose(1, 2)
    y = esm.feed_forward.narrow(F.relu(esm.feed_forward.widen(y))).transpose(1, 2) + f
    return kv + y + f


def _attention(layer: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    residual, n_heads = q, layer.n_heads
    q, k, v = (
        _agkan(projection, layer.norm(x)).unflatten(2, (n_heads, -1)).transpose(1, 2)
        for projection, x in ((layer.queries, q), (layer.keys, k), (layer.values, v))
    )
    weights = torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5, dim=-1)
    return _agkan(layer.output, (weights @ v).transpose(1, 2).flatten(2)) + residual


def _agkan(layer: nn.Module, x: Tensor) -> Tensor:
    gate = torch.sigmoid(layer.gate(x))
    slots = layer.recover(torch.softmax(layer.compress(x), dim=-1))
    return layer.norm(gate * _kan(layer.kan, x) + (1 - gate) * slots)


def _kan(layer: nn.Module, x: Tensor) -> Tensor:
    step = 2.0 / layer.grid
    grid = torch.arange(-SPLINE_ORDER, layer.grid + SPLINE_ORDER + 1) * step - 1.0
    flat = x.flatten(0, 1)[..., None]  # (n, d_in, 1)
    bases = ((flat >= grid[:-1]) & (flat < grid[1:])).to(x.dtype)
    for k in range(1, SPLINE_ORDER + 1):
        rising = (flat - grid[: -(k + 1)]) / (grid[k:-1] - grid[: -(k + 1)]) * bases[..., :-1]
        falling = (grid[k + 1 :] - flat) / (grid[k + 1 :] - grid[1:-k]) * bases[..., 1:]
        bases = rising + falling
    scaled = layer.spline * layer.scaler[..., None]
    y = F.linear(F.silu(flat[..., 0]), layer.base) + F.linear(bases.flatten(1), scaled.flatten(1))
    return y.unflatten(0, x.shape[:2])


def _separable(conv: nn.Module, x: Tensor) -> Tensor:
    size = conv.depthwise.shape[3]
    y = F.conv2d(x, conv.depthwise, padding=size // 2, groups=x.shape[1])
    return F.conv2d(y, conv.pointwise)


def _adaf(block: nn.Module, x: Tensor) -> Tensor:
    """(b, d, 1, t)."""
    w = torch.sigmoid(block.balance)
    p = _position_attention(block.position_attention, F.relu(_separable(block.reduce_position, x)))
    p = F.relu(_separable(block.restore_position, F.relu(_separable(block.position, p)) * w[0]))
    c = _channel_attention(block.channel_attention, F.relu(_separable(block.reduce_channel, x)))
    c = F.relu(_separable(block.restore_channel, F.relu(_separable(block.channel, c)) * w[1]))
    return F.relu(_separable(block.merge, p + c))


def _position_attention(block: nn.Module, x: Tensor) -> Tensor:
    q, k, v = (_separable(conv, x).flatten(2) for conv in (block.queries, block.keys, block.values))
    weights = torch.softmax(q.transpose(1, 2) @ k, dim=-1)
    return block.gamma * (v @ weights.transpose(1, 2)).view_as(x) + x


def _channel_attention(block: nn.Module, x: Tensor) -> Tensor:
    flat = x.flatten(2)
    energy = flat @ flat.transpose(1, 2)
    weights = torch.softmax(energy.amax(dim=-1, keepdim=True).expand_as(energy) - energy, dim=-1)
    return block.gamma * (weights @ flat).view_as(x) + x


def _hams(hams: nn.Module, x: Tensor) -> Tensor:
    e0 = x.transpose(1, 2)
    e1 = hams.to_half(e0)
    e2 = hams.to_quarter(e1)
    e3 = hams.to_eighth(e2)

    def attend(y: Tensor) -> Tensor:
        return _adaf(hams.adaf, y[:, :, None])[:, :, 0]

    s = F.max_pool1d(e0, 8) + F.max_pool1d(e1, 4) + F.max_pool1d(e2, 2) + e3
    f = attend(attend(attend(s))) + s
    f = attend(f) + f
    levels = []
    for level in (e3, e2, e1, e0):
        refined = level + F.interpolate(f, size=level.shape[2])
        levels.append(refined + attend(refined))
    y = levels[0]
    for finer in levels[1:]:
        y = F.interpolate(y, scale_factor=2) + finer
    return (y + e0).transpose(1, 2)


def _dcfam(block: nn.Module, x: Tensor) -> Tensor:
    b, c, p = x.shape
    h, group = block.n_heads, block.group
    volume = F.conv3d(x[:, :, None, None], block.qkv)  # (b, 3 c, 1, 1, p)
    qkv = F.conv3d(volume, block.qkv_depthwise, padding=1, groups=3 * c)[:, :, 0]

    local = qkv.reshape(b, p, 3 * h, group).permute(0, 2, 1, 3)[:, :, None]  # (b, 3 h, 1, p, c / h)
    local = F.conv3d(local, block.mix.weight[..., None, None, None], block.mix.bias)[:, :, 0]
    local = local.permute(0, 3, 1, 2).reshape(b, 9 * group, 1, 1, p)
    local = F.conv3d(local, block.local_kernel, block.local_bias, padding=1, groups=group)[:, :, 0, 0]
    local = block.local_norm(local)

    q, k, v = (part.reshape(b, h, group, p) for part in qkv.chunk(3, dim=1))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    overall = torch.softmax(q @ k.transpose(2, 3) * block.temperature, dim=-1) @ v
    overall = F.conv3d(overall.reshape(b, c, 1, 1, p), block.project)[:, :, 0, 0]
    overall = block.global_norm(overall)

    aggregation = block.aggregation
    values = aggregation.values(local).transpose(1, 2)[:, :, None]  # (b, c, 1, p)
    values = F.unfold(values, 3, padding=1).reshape(b, h, group, 9, p).permute(0, 1, 4, 3, 2)
    near, far = (
        layer(view).reshape(b, p, h, 9, 9).permute(0, 2, 1, 3, 4)
        for layer, view in ((aggregation.local_weights, local), (aggregation.global_weights, overall))
    )
    y = ((near + far) @ values).sum(dim=3)  # (b, h, p, c / h)
    return y.permute(0, 1, 3, 2).reshape(b, c, p) + local.transpose(1, 2)


def _mamba_block(block: nn.Module, x: Tensor) -> Tensor:
    def convolved(y: Tensor) -> Tensor:
        return F.relu(block.conv_norm(block.conv(y.transpose(1, 2)))).transpose(1, 2)

    def fed(y: Tensor) -> Tensor:
        half = block.half_step
        return half.narrow(F.silu(half.widen(half.norm(y))))

    x = convolved(x)
    ahead, back = _mamba(block.mamba.onward, x), _mamba(block.mamba.backward_, x.flip(1)).flip(1)
    x = block.mamba.output(torch.cat([ahead, back], dim=2))
    x = x + 0.5 * fed(x)
    x = x + convolved(x)
    return x + 0.5 * fed(x)


def _mamba(layer: nn.Module, x: Tensor) -> Tensor:
    n_times, rank = x.shape[1], layer.dt_proj.in_features
    u, z = layer.in_proj(x).chunk(2, dim=-1)
    u = F.silu(layer.conv1d(u.transpose(1, 2))[..., :n_times])  # (b, d, t)
    poles = -layer.A_log.exp()  # (d, N)
    n_states = poles.shape[1]
    step, entry, exit_ = layer.x_proj(u.transpose(1, 2)).split([rank, n_states, n_states], dim=-1)
    dt = F.softplus(layer.dt_proj(step)).transpose(1, 2)  # (b, d, t)
    decays = torch.exp(torch.einsum("bdt,dn->bdtn", dt, poles))
    inputs = torch.einsum("bdt,btn,bdt->bdtn", dt, entry, u)
    state, outputs = decays.new_zeros(*u.shape[:2], n_states), []
    for i in range(n_times):
        state = decays[:, :, i] * state + inputs[:, :, i]
        outputs.append(torch.einsum("bdn,bn->bd", state, exit_[:, i]))
    y = torch.stack(outputs, dim=2) + u * layer.D[:, None]
    return layer.out_proj((y * F.silu(z.transpose(1, 2))).transpose(1, 2))
