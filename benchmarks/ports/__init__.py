"""Straightforward ports of what releases do, for benchmarks to measure against."""
