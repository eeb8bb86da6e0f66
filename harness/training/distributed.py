"""One training on several GPUs: the processes that ``torchrun`` starts, and what they exchange.

    torchrun --nproc-per-node 4 --no-python harness train baselines/vlaai --preset paper --device cuda

Without torchrun there is one process, and everything here does nothing. Imports torch where it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import Fault, TrainingError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Processes(NamedTuple):
    """This process among those of one training.

    Attributes:
        rank: 0 for the one that validates, writes and prints.
        world: how many there are.
        local_rank: number on this machine, which is the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0


def this_process() -> Processes:
    """What torchrun's environment says; one process without it."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(name in os.environ for name in names):
        return Processes()
    return Processes(*(int(os.environ[name]) for name in names))


def choose_device(name: str, process: Processes) -> torch.device:
    """The device of this process.

    Args:
        name: auto (a GPU where there is one), cpu or cuda.
        process: which GPU, of several.

    Raises:
        TrainingError: CUDA is asked for, and there is none, or too few GPUs for the processes.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise TrainingError(
            Fault(
                "--device cuda",
                f"torch {torch.__version__} finds no CUDA device",
                "an NVIDIA GPU, its driver, and a torch built for CUDA",
                "Use --device cpu, or install such a torch.",
            )
        )
    if process.local_rank >= torch.cuda.device_count():
        raise TrainingError(
            Fault(
                "torchrun",
                f"process {process.local_rank + 1} of this machine, and {torch.cuda.device_count()} GPUs",
                "one GPU a process",
                "Give torchrun --nproc-per-node the number of GPUs.",
            )
        )
    return torch.device("cuda", process.local_rank)


@contextmanager
def joined(process: Processes, device: torch.device) -> Iterator[None]:
    """Connect the processes of one training, and part again."""
    if process.world == 1:
        yield
        return
    import torch

    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def sum_over(values: Tensor, process: Processes) -> Tensor:
    """The sum of a tensor over all processes."""
    if process.world > 1:
        import torch

        torch.distributed.all_reduce(values)
    return values


def from_first(value: float, process: Processes, device: torch.device) -> float:
    """The first process's number, in every process."""
    if process.world == 1:
        return value
    import torch

    shared = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.broadcast(shared, src=0)
    return float(shared.item())
