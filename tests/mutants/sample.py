"""Which mutants are tried where not all are."""

import zlib


def is_in_sample(name: str, of: int) -> bool:
    """Whether a mutant is the one in so many that is tried: by its name, so that it is always the same one."""
    return zlib.crc32(name.encode()) % of == 0
