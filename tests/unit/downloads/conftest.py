from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's proxies nor its mirror."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "STYLEDISTILL_MIRROR"):
        monkeypatch.delenv(name, raising=False)
