"""What only a GPU shows: the nets and the training on CUDA, half precision, NCCL, the fused scan.

Skipped where torch finds no GPU, and in CI, which has none. The CPU is the reference.
"""

import csv
import socket

import numpy as np
import pytest
import torch
from nets import PACKAGES, build, eeg_of, relative, side_by_side
from safetensors.torch import load_file

from harness.nn import mamba
from harness.submission.manifest import load_submission
from harness.training import train_submission
from harness.training.distributed import Processes, from_first, joined, sum_over

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU"),
    pytest.mark.filterwarnings("ignore:Specified kernel cache directory"),
]
GPU = torch.device("cuda", 0)
CASES = [
    pytest.param(package, variant, id=f"{package.name}-{variant}")
    for package in PACKAGES
    for variant in package.paper
]


@pytest.fixture(autouse=True)
def float32_as_it_is(monkeypatch):
    """Products of float32 in float32, whatever the GPU would rather take."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def modules(package, request):
    """The modules of the case's package."""
    return package(request.getfixturevalue("case").folder)


@pytest.fixture
def train(corpus, split):
    """Train on the fixture's mel; gives the weights, the rows of the log and what was trained."""

    def run(submission, **options):
        trained = train_submission(load_submission(submission.folder), corpus, split, "mel", **options)
        with (trained.folder / "log.csv").open(newline="") as file:
            return load_file(trained.path), list(csv.DictReader(file)), trained

    return run


def _step(net, eeg, index, weights, device):
    """A net's output in eval mode, and its gradients, on a device."""
    net = net.to(device)
    for parameter in net.parameters():
        parameter.grad = None
    output = side_by_side(net(eeg.to(device), index.to(device)))
    (output * weights.to(device)).sum().backward()
    gradients = {
        name: parameter.grad.cpu().clone()
        for name, parameter in net.named_parameters()
        if parameter.grad is not None
    }
    return output.detach().cpu(), gradients


@pytest.mark.parametrize(("case", "variant"), CASES)
def test_output_and_gradients_of_the_cpu(case, variant, modules, make_setup, rng):
    net = build(modules.train.SYSTEM, case, make_setup(variant=variant))
    eeg, index = torch.from_numpy(eeg_of(rng, 3, case.length)), torch.tensor([0, 2, -1])
    with torch.inference_mode():
        shape = side_by_side(net(eeg, index)).shape
    weights = torch.from_numpy(rng.standard_normal(shape, np.float32))
    expected, gradients = _step(net, eeg, index, weights, torch.device("cpu"))
    with torch.backends.cudnn.flags(enabled=False):  # whose recurrent nets give no gradient in eval mode
        output, own = _step(net, eeg, index, weights, GPU)
    assert relative(output, expected) < 1e-4
    assert own.keys() == gradients.keys()
    whole = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    for name, gradient in gradients.items():
        assert (own[name] - gradient).norm() < 1e-3 * whole, name


def test_training_ends_where_that_on_the_cpu_ends(tiny, train):
    values = {"dropout": 0.0, "epochs": 3, "learning_rate": 1e-3}
    here, rows, _ = train(tiny("here", **values), device="cpu")
    there, other, trained = train(tiny("there", **values), device="cuda")
    assert trained.report["device"] == torch.cuda.get_device_name(GPU)
    assert [float(row["loss"]) for row in other] == pytest.approx(
        [float(row["loss"]) for row in rows], abs=1e-4
    )
    for name, value in here.items():
        assert there[name].numpy() == pytest.approx(value.numpy(), abs=2e-4), name


@pytest.mark.parametrize("number_format", ["bf16", "fp16"])
def test_half_precision_is_near_and_learns(tiny, train, number_format):
    values = {"dropout": 0.0, "epochs": 12}
    _, rows, _ = train(tiny("whole", **values), device="cuda")
    weights, halved, _ = train(tiny("half", autocast=number_format, **values), device="cuda")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    losses = [float(row["loss"]) for row in halved]
    assert losses == pytest.approx([float(row["loss"]) for row in rows], abs=0.03)
    assert losses != [float(row["loss"]) for row in rows]  # it did go another way
    assert losses[-1] < losses[0] - 0.05


def test_training_goes_on_where_it_stopped(tiny, train, tmp_path):
    whole, _, _ = train(tiny("whole", epochs=4), device="cuda")
    submission = tiny("halves", epochs=4)
    train(submission, device="cuda", epochs=2, out=tmp_path / "out")
    halves, rows, _ = train(submission, device="cuda", epochs=4, resume=True, out=tmp_path / "out")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for name, value in whole.items():
        assert halves[name].numpy() == pytest.approx(value.numpy(), abs=1e-5), name


def test_processes_exchange_by_nccl(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    one = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in one.items():
        monkeypatch.setenv(name, str(value))
    process = Processes(world=2)  # as one of several, though the group has this one alone
    with joined(process, GPU):
        assert torch.distributed.get_backend() == "nccl"
        assert torch.equal(sum_over(torch.ones(3, device=GPU), process).cpu(), torch.ones(3))
        assert from_first(0.25, process, GPU) == 0.25
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 2).to(GPU)
        parallel = torch.nn.parallel.DistributedDataParallel(net, device_ids=[GPU])
        x = torch.randn(5, 4, device=GPU)
        parallel(x).square().sum().backward()
        reached = [parameter.grad.clone() for parameter in net.parameters()]
        net.zero_grad()
        net(x).square().sum().backward()
        for parameter, gradient in zip(net.parameters(), reached, strict=True):
            assert torch.allclose(parameter.grad, gradient)
    assert not torch.distributed.is_initialized()


def _scan_inputs(dtype, b=2, t=150, d=6, n_states=16):
    generator = torch.Generator().manual_seed(7)
    u, dt = (torch.randn(b, t, d, generator=generator, dtype=dtype) for _ in range(2))
    B, C = (torch.randn(b, t, n_states, generator=generator, dtype=dtype) for _ in range(2))
    A = -torch.rand(d, n_states, generator=generator, dtype=dtype) * 3
    return [u, torch.nn.functional.softplus(dt), A, B, C]


def _scanned(inputs):
    own = [x.clone().requires_grad_() for x in inputs]
    y = mamba.selective_scan(*own)
    (y * torch.linspace(-1, 1, y.shape[1], dtype=y.dtype, device=y.device)[:, None]).sum().backward()
    return [y.detach().cpu(), *(x.grad.cpu() for x in own)]


def test_the_scan_in_blocks_is_the_cpus():  # in float64, which the fused one does not take
    inputs = _scan_inputs(torch.float64)
    for own, expected in zip(_scanned([x.to(GPU) for x in inputs]), _scanned(inputs), strict=True):
        assert relative(own, expected) < 1e-12


@pytest.mark.skipif(mamba._mamba_ssm() is None, reason="mamba_ssm is not installed")
def test_the_fused_scan_is_the_cpus():
    inputs = _scan_inputs(torch.float32)
    for own, expected in zip(_scanned([x.to(GPU) for x in inputs]), _scanned(inputs), strict=True):
        assert relative(own, expected) < 2e-5
    with torch.autocast("cuda", torch.bfloat16):
        half = mamba.selective_scan(*(x.to(GPU) for x in inputs))
    assert half.dtype == torch.float32
    assert relative(half.cpu(), mamba.selective_scan(*inputs)) < 2e-5
