"""Training a submission: its data, its trainer, its weights."""

from harness.training.data import TrainingData
from harness.training.train import Trained, TrainingResult, train_submission

__all__ = ["Trained", "TrainingData", "TrainingResult", "train_submission"]
