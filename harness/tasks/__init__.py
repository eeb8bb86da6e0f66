"""What is asked, of whom: splits, segments, and the fingerprint of the data."""
