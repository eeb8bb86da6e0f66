"""Score records: the typed value, its file, its key, and whether it can be made again."""
