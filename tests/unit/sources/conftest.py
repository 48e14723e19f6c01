"""Archives and the hub are asked alone: a fresh working directory, no mirror, no proxy, little patience."""

from __future__ import annotations

import huggingface_hub.constants
import pytest

from styledistill.downloads.http import Patience


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A fresh working directory, no mirror, no proxy, little patience."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "STYLEDISTILL_MIRROR", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Patience, "__new__", lambda cls, *a, **k: tuple.__new__(cls, (4, 0.01, 5.0)))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def endpoint(monkeypatch):
    """Makes a server the hub."""

    def use(server):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_ENDPOINT", server.address)

    return use
