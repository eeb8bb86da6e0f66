"""Predicting with SSM2Mel against a straightforward port, with the same weights.

    python -m benchmarks.ssm2mel

The paper's sizes, two windows of 10 s at a time. Both run on one core and are timed by the CPU, so that other
work on the machine does not count. The port is benchmarks/ports/ssm2mel.py. And
what the preset compact takes in training: seconds of EEG a second, forward and backward.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.ports.ssm2mel import as_released
from benchmarks.timing import report

WINDOWS = 2
CROPS, ROUNDS = 48, 3


def main() -> dict[str, float]:
    """Measure; both give the same output, checked before timing."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "submissions" / "ssm2mel"))
    from model import PRESETS, Ssm2Mel

    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = Ssm2Mel(PRESETS["full"]["paper"]).eval()
    eeg, index = torch.randn(WINDOWS, net.config.window_samples, 64), torch.arange(WINDOWS)

    @torch.inference_mode()
    def ours() -> torch.Tensor:
        return net(eeg, index)

    @torch.inference_mode()
    def port() -> torch.Tensor:
        with as_released():
            return net(eeg, index)

    theirs, own = port(), ours()  # and what either keeps from its first call
    difference = float((own - theirs).norm() / theirs.norm())
    slow, fast = _seconds(port, rounds=1), _seconds(ours, rounds=ROUNDS)
    return {
        "port_seconds": slow,
        "harness_seconds": fast,
        "times_faster": slow / fast,
        "relative_difference": difference,
        "compact_eeg_seconds_a_second": _training(Ssm2Mel(PRESETS["full"]["compact"])),
    }


def _training(net: torch.nn.Module) -> float:
    """Seconds of EEG a second of forward and backward passes."""
    n_times = net.config.window_samples
    eeg, index = torch.randn(CROPS, n_times, 64), torch.zeros(CROPS, dtype=torch.int64)
    seconds = _seconds(lambda: net(eeg, index).square().sum().backward(), ROUNDS)
    return CROPS * n_times / 64 / seconds


def _seconds(function: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    report("ssm2mel", main())
