"""Mamba's forward and backward pass against mambapy's parallel scan, with the same weights; peak memory.

    python -m benchmarks.mamba

One layer, on one core: 8 segments of 10 s, 64 channels, 128 states. Memory is what the pass adds to a process
that has torch and the layer already.
"""

from __future__ import annotations

import json
import subprocess
import sys

import torch

from benchmarks.timing import interleaved, report
from harness.nn.mamba import Mamba

SEGMENTS, SAMPLES, CHANNELS, STATES = 8, 640, 64, 128

_CHILD = """
import re, torch
from pathlib import Path
from harness.nn.mamba import Mamba
torch.set_num_threads(1)
def peak():  # of this process alone; getrusage's is inherited from the parent
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
def run(samples):
    x = torch.randn(SEGMENTS, samples, CHANNELS, requires_grad=True)
    layer(x).sum().backward()
layer = Mamba(CHANNELS, STATES)
before = peak()
run(SAMPLES)
print(peak() - before)
"""


def main() -> dict[str, float]:
    """Measure; both give the same output and gradients, checked before timing."""
    from mambapy.mamba import MambaBlock, MambaConfig

    torch.manual_seed(0)
    torch.set_num_threads(1)
    ours = Mamba(CHANNELS, STATES)
    theirs = MambaBlock(MambaConfig(d_model=CHANNELS, n_layers=1, d_state=STATES))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(SEGMENTS, SAMPLES, CHANNELS)

    def step(layer: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        series = x.clone().requires_grad_()
        y = layer(series)
        y.square().sum().backward()
        assert series.grad is not None
        return y.detach(), series.grad

    difference = max(float((a - b).norm() / b.norm()) for a, b in zip(step(ours), step(theirs), strict=True))
    slow, fast = interleaved(lambda: step(theirs), lambda: step(ours), rounds=3)
    with torch.inference_mode():
        slow_forward, fast_forward = interleaved(lambda: theirs(x), lambda: ours(x), rounds=3)
    return {
        "mambapy_seconds": slow,
        "harness_seconds": fast,
        "times_faster": slow / fast,
        "forward_times_faster": slow_forward / fast_forward,
        "peak_mb": _peak_mb(),
        "largest_difference": difference,
    }


def _peak_mb() -> float:
    """Of the forward and backward pass, in a process of its own."""
    sizes = "SEGMENTS, SAMPLES, CHANNELS, STATES = "
    sizes += f"{SEGMENTS}, {SAMPLES}, {CHANNELS}, {STATES}\n"
    done = subprocess.run([sys.executable, "-c", sizes + _CHILD], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


if __name__ == "__main__":
    report("mamba", main())
