"""Figures that the README quotes. ``python -m benchmarks`` runs all of them."""
