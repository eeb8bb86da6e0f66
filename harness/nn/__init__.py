"""What the packages with a torch net share: their weights files, and prediction in blocks."""

from harness.nn.inference import predict_blocks
from harness.nn.weights import Loaded, load_net, metadata
from harness.predictor import zscore

__all__ = ["Loaded", "load_net", "metadata", "predict_blocks", "zscore"]
