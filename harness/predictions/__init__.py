"""Predictions files: the official zip, a folder of its JSON files, and npz; strict both ways."""

from harness.predictions.expected import Expected
from harness.predictions.reading import (
    LabelStore,
    first_label_shape,
    is_predictions,
    predictions_sha256,
    read_predictions,
)
from harness.predictions.writing import check_destination, check_subjects, write_predictions

__all__ = [
    "Expected",
    "LabelStore",
    "check_destination",
    "check_subjects",
    "first_label_shape",
    "is_predictions",
    "predictions_sha256",
    "read_predictions",
    "write_predictions",
]
