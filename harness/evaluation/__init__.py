"""The one place where the steps are put in order: prepare, predict, score, record."""
