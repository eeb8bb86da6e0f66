"""A submission whose training draws one offset from its seed: a second's work."""

# Draws an offset from the seed, and has a recipe: one training is a second's work. Fails where a file says so.
TRAIN = """
import os
from pathlib import Path
import numpy as np

def train(data, setup, progress):
    if Path(__file__).with_name(f"fail-{setup.seed}.md").exists():
        raise ValueError("told to fail")
    offset = np.random.default_rng(setup.seed).normal(size=(1, 10)).astype(np.float32)
    return {"offset": offset}, {"validation_pearson_r": 0.0}
"""
PREDICT = """
import numpy as np
from safetensors.numpy import load_file


class Decoder:
    def __init__(self, setup):
        self.offset = load_file(setup.weights)["offset"]

    def predict(self, eeg, subjects):
        return np.cumsum(eeg, axis=1)[:, :, :10] + np.cumsum(eeg[:, :, 10:20], axis=1) * self.offset
"""
