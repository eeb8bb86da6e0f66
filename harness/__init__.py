"""A challenge kit for decoding speech features from EEG."""

__version__ = "0.1.0"
