"""How many threads a program may use. No torch here."""

from __future__ import annotations

import os


def granted_threads() -> int:
    """As many as Snakemake granted (OMP_NUM_THREADS), or all cores.

    OpenMP takes a number for each level of nesting ("4,2"); the first is that of a program's own threads.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(granted) if granted.isdecimal() else 0) or os.cpu_count() or 1
