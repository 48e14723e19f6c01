"""Where the reference values lie: `tests/parity/fixtures`, or the folder that STYLEDISTILL_PARITY names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of the authors' inputs and outputs."""
    return Path(os.environ.get("STYLEDISTILL_PARITY", Path(__file__).parent / "fixtures"))
