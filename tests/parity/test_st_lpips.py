"""ST-LPIPS equals the authors' program, on the weights that their package carries (fixture st_lpips)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fill import seeded_image

from styledistill.metrics.st_lpips import st_lpips


@pytest.mark.parametrize("name", ["even", "odd", "small", "square"])
def test_distances(fixtures: Path, name: str) -> None:
    reference = json.loads((fixtures / "st_lpips.json").read_text())
    x, y = (seeded_image(f"st_lpips/{name}/{which}", *reference["sizes"][name], count=2) for which in "xy")
    y[1] = (3 * x[1] + y[1]) / 4
    assert st_lpips("package", 0)(x, y).tolist() == pytest.approx(reference["distances"][name], rel=1e-5)
