"""Straightforward ports of released systems, for comparison: what the released code does, step by step."""
