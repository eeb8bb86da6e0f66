"""What is decoded: names, bands and rates, and how features are computed from audio."""
