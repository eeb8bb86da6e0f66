"""Figures that docs/results.md shows. ``python -m benchmarks`` measures all of them."""
