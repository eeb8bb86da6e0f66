"""DMF2Mel's prediction at the paper's size against a straightforward port of what its release does.

python -m benchmarks.dmf2mel

Both run the same weights on the same two windows of 10 s, in turn, on one thread.
"""

import importlib
import sys
from pathlib import Path

import torch

from benchmarks.ports.dmf2mel import forward
from benchmarks.timing import interleaved, report

PACKAGE = Path(__file__).parent.parent / "submissions" / "dmf2mel"
WINDOWS = 2


def main() -> dict[str, float]:
    """Measure; the ratio is the port's median time over ours."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sys.path.insert(0, str(PACKAGE))
    model = importlib.import_module("model")
    net = model.Dmf2Mel(model.PRESETS["paper"]).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("gamma"):  # at its initial 0 ADAF's attentions would not be seen
            torch.nn.init.constant_(parameter, 0.5)
    eeg, index = torch.randn(WINDOWS, net.config.window_samples, 64), torch.arange(WINDOWS)
    with torch.inference_mode():
        ours, theirs = net(eeg, index), forward(net, eeg, index)
        difference = float((ours - theirs).norm() / theirs.norm())
        port_seconds, net_seconds = interleaved(
            lambda: forward(net, eeg, index), lambda: net(eeg, index), rounds=3
        )
    return {
        "port_seconds": port_seconds,
        "harness_seconds": net_seconds,
        "times_faster": port_seconds / net_seconds,
        "largest_difference": difference,
    }


if __name__ == "__main__":
    report("dmf2mel", main())
