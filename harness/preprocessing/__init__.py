"""From raw recordings to a corpus folder: steps, recipes that order them, and reports."""
