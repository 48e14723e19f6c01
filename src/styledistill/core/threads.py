"""How many threads a program may use. No torch here."""

from __future__ import annotations

import os

_MOST = 1024


def granted_threads() -> int:
    """As many as Snakemake granted (OMP_NUM_THREADS), or all cores.

    OpenMP takes a number for each level of nesting ("4,2"); the first is that of a program's own threads. A number
    that no machine has cores for is none: so many threads would hang, or take all memory.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    count, cores = int(granted) if granted.isdecimal() else 0, os.cpu_count() or 1
    return count if 0 < count <= max(_MOST, cores) else cores
