"""CAT-WaveNet's prediction of a 30 s segment, against a straightforward port that does what its release does.

Both have the same random weights of the release's size, and one thread. Ours stops after mel, with weight
normalisation folded.

python -m benchmarks.catwavenet
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.ports.catwavenet import WINDOW_SAMPLES, catwavenet, random_state
from benchmarks.timing import interleaved, report
from harness.nn import metadata, zscore
from harness.predictor import Setup

PACKAGE = Path(__file__).parent.parent / "submissions" / "catwavenet"
N_PARAMETERS = 93_991_284
ROUNDS = 3


def main() -> dict[str, float]:
    """Measure; the ratio is the port's median time over the package's predictor's."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(PACKAGE))
    from import_weights import convert
    from model import CatWaveNet
    from predictor import Decoder
    from safetensors.torch import save_file

    state = random_state(seed=0)
    if (size := sum(tensor.numel() for tensor in state.values())) != N_PARAMETERS:
        raise SystemExit(f"the port has {size} parameters, expected {N_PARAMETERS}")
    weights, config = convert({name: tensor.numpy() for name, tensor in state.items()})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
        save_file(tensors, path, metadata(CatWaveNet, config))
        setup = Setup(
            feature="mel",
            n_bands=10,
            n_frames=WINDOW_SAMPLES,
            n_channels=64,
            segment_samples=WINDOW_SAMPLES,
            sample_rate_hz=64,
            variant="full",
            options={},
            weights=path,
            seed=0,
        )
        decoder = Decoder(setup)
    eeg = np.random.default_rng(0).standard_normal((1, WINDOW_SAMPLES, 64)).astype(np.float32)

    def port() -> np.ndarray:
        with torch.inference_mode():
            return catwavenet(state, torch.from_numpy(zscore(eeg)))["block1"].numpy()

    def ours() -> np.ndarray:
        return decoder.predict(eeg, ["sub-086"])

    expected = port()
    difference = float(np.linalg.norm(ours() - expected) / np.linalg.norm(expected))
    port_seconds, ours_seconds = interleaved(port, ours, ROUNDS)
    return {
        "port_seconds": port_seconds,
        "package_seconds": ours_seconds,
        "times_faster": port_seconds / ours_seconds,
        "largest_difference": difference,
    }


if __name__ == "__main__":
    report("catwavenet", main())
