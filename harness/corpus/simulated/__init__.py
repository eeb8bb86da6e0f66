"""The simulated corpus: speech, head and EEG made from a recipe."""
