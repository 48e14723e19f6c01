"""Two whole runs on one machine give equal bytes."""

from __future__ import annotations

import pytest
from comparing import assert_alike, results
from running import ROOT, SMOKE, run_workflow

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_a_run_elsewhere_and_in_another_order_gives_equal_bytes(smoke, tmp_path):
    """One job after the other, where the first run had two side by side."""
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    done = run_workflow(tmp_path, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]
    found = results(tmp_path)
    assert_alike(found, results(smoke))
    kinds = {name.rpartition(".")[2] for name in found}
    assert {"png", "tar", "safetensors", "onnx", "csv", "json"} <= kinds
