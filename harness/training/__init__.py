"""Training a submission: its data, its trainer, its weights."""

from harness.training.run import Options, Trained, TrainingResult, train_submission
from harness.training.training_data import TrainingData

__all__ = ["Options", "Trained", "TrainingData", "TrainingResult", "train_submission"]
