"""Round-trip errors of inversions: measured by the rule that inverts, on the card, and as a limit of pairs."""

from __future__ import annotations

import csv
import json

import pytest
from running import ROOT, preset, run_workflow


@pytest.mark.long
def test_pairs_of_a_failed_inversion_do_not_teach(tmp_path):
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    config = tmp_path / "inverted.yaml"
    sections = {"run": "inverted", "losses": {"mse": {"pixel": 1.0}}, "demo": False}
    words = ("dataset", "--cores", "2", "--configfile", str(config))
    preset(config, **sections)
    done = run_workflow(tmp_path, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "results" / "inverted"
    errors = {
        f"{table.parent.name}_{row['image']}": float(row["round_trip"])
        for table in sorted((run / "teacher/train").glob("*/inversion.csv"))
        for row in csv.DictReader(table.open())
    }
    assert len(errors) == 12 and all(0 < error < 5 for error in errors.values())
    worst = max(errors, key=errors.__getitem__)
    assert f"`train_{worst}`" in (run / "shards/README.md").read_text()

    # The pairs of the worst image are passed over for later ones.
    limit = round(sorted(errors.values())[-2] + 1e-4, 4)
    bad = {name for name, error in errors.items() if error > limit}
    assert bad == {worst}
    preset(config, **sections, pairs={"train": 15, "val": 6, "keep": {"inversion_max": limit}})
    done = run_workflow(tmp_path, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    listed = json.loads((run / "shards/train.json").read_text())
    taken = [key for shard in listed["shards"] for key in shard["pairs"]]
    assert len(taken) == 15
    dropped = list(listed["dropped"])
    assert dropped and all("inversion " in reason for reason in listed["dropped"].values())
    for key in [*taken, *dropped]:
        _, block, content, style = key.split("_")
        assert (key in dropped) == bool(bad & {f"{block}_{content}", f"{block}_{style}"})
