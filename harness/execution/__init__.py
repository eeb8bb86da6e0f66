"""The predictor's process: what it may see and use."""

from harness.execution.exchange import unnamed_storage
from harness.execution.run import PredictorRun, full_disk_explained, predict_segments
from harness.execution.spec import DEFAULT_RUN, PredictorSpec, Run, SegmentInput

__all__ = [
    "DEFAULT_RUN",
    "PredictorRun",
    "PredictorSpec",
    "Run",
    "SegmentInput",
    "full_disk_explained",
    "predict_segments",
    "unnamed_storage",
]
