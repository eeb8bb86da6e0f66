"""Figures for a paper: boards, comparisons, bands, a segment, learning curves; each with its data as CSV."""
