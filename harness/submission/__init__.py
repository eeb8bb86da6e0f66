"""A submission: its folder, manifest, code and weights."""
