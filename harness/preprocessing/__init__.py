"""Raw recordings in, a corpus folder out: recipes of steps that are data, and what is known of each result."""
