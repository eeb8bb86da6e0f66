"""What submissions with a torch net share: layers, their weights files, and prediction from them."""

from harness.nn.inference import NetPredictor, predict_blocks
from harness.nn.weights import Loaded, load_net, metadata
from harness.predictor import zscore

__all__ = ["Loaded", "NetPredictor", "load_net", "metadata", "predict_blocks", "zscore"]
