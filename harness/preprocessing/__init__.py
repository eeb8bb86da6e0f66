"""From raw recordings to a corpus folder: steps, recipes that put them in order, and reports."""
