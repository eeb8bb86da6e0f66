"""Training a submission: its data, its trainer, its weights."""

from harness.training.run import Trained, TrainingResult, train_submission
from harness.training.training_data import TrainingData

__all__ = ["Trained", "TrainingData", "TrainingResult", "train_submission"]
