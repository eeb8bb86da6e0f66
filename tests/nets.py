"""What every net is asked, in a few lines each."""

import numpy as np
import torch


def n_parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def relative(a, b):
    """2-norm of the difference, relative to b's."""
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))


def without_gradient(net, *inputs):
    """Names of the parameters that no gradient reaches in one step of training."""
    torch.manual_seed(0)
    net.train()
    output = net(*inputs)
    (output * torch.randn_like(output)).sum().backward()
    return [
        name
        for name, parameter in net.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]


def eeg_of(rng, *shape):
    return rng.standard_normal((*shape, 64)).astype(np.float32)


def converted(net, convert, state, config=None):
    """The net of release-named weights, in eval mode."""
    own, read = convert(state)
    built = net(config or read)
    built.load_state_dict({name: torch.from_numpy(array) for name, array in own.items()}, strict=True)
    return built.eval()
