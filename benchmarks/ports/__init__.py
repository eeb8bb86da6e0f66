"""Straightforward ports of released systems, against which the packages are timed."""
