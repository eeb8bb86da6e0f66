"""Training a submission: its data, its trainer, its weights."""

from harness.training.data import TrainingData
from harness.training.train import Options, Trained, TrainingResult, train_submission

__all__ = ["Options", "Trained", "TrainingData", "TrainingResult", "train_submission"]
