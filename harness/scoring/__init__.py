"""Arrays in, numbers out: measures, scores, chance and statistics."""
