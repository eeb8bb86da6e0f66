"""The predictor's process: what it may see and use."""

from harness.isolation.process import PredictorRun, predict_segments
from harness.isolation.spec import Limits, PredictorSpec, SegmentInput

__all__ = ["Limits", "PredictorRun", "PredictorSpec", "SegmentInput", "predict_segments"]
