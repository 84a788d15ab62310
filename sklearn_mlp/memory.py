"""How much memory there is."""

import os
from pathlib import Path

MEMORY_FILE = Path("/proc/meminfo")
"""Where Linux says what is available, in lines like ``MemAvailable:  1024 kB``."""


def available_memory() -> float:
    """The bytes that a process may still take, roughly; infinity where the system does not say.

    It is what Linux calls available, or else the memory that is built in.
    """
    try:
        lines = MEMORY_FILE.read_text().splitlines()
        (found,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return 1024 * float(found)
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        return float("inf")
