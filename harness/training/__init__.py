"""Training a submission: its data, its trainer, its weights."""

from harness.training.copies import Cache
from harness.training.run import Trained, TrainingResult, train_submission
from harness.training.running import Deadline, Running, Unfinished
from harness.training.training_data import TrainingData

__all__ = [
    "Cache",
    "Deadline",
    "Running",
    "Trained",
    "TrainingData",
    "TrainingResult",
    "Unfinished",
    "train_submission",
]
