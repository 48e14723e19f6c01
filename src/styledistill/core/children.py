"""Programs that this one starts and that shall not outlive it."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from functools import partial


def ending_with_parent() -> Callable[[], None]:
    """For `preexec_fn` of subprocess. On Linux the kernel kills the program when its parent dies, be it of SIGKILL."""
    return partial(_ask_kernel, ctypes.CDLL(None))  # loaded here, for between fork and exec a lock may be held


def _ask_kernel(libc: ctypes.CDLL) -> None:
    if sys.platform == "linux":
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
