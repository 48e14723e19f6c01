"""Round-trip errors of a run's blocks: read back as written, and summed up by split."""

from __future__ import annotations

import math

from styledistill.config import Keep
from styledistill.splits import inversions
from styledistill.splits.inversions import Inversion


def test_a_split_is_summed_up_and_its_worst_image_named(tmp_path):
    for block, errors in (("0000", (0.1, 0.2, math.nan)), ("0001", (0.7, 0.3, 0.1))):
        rows = [Inversion(name, error) for name, error in zip(("c00", "s00", "s01"), errors, strict=True)]
        inversions.write(tmp_path / f"teacher/train/{block}/inversion.csv", rows)
    (found,) = inversions.summaries(tmp_path, ["train", "val"])
    assert found == ("train", 6, 5, 0.2, 0.7, "train_0001_c00")
    assert inversions.read(tmp_path / "teacher/train/0001") == {"c00": 0.7, "s00": 0.3, "s01": 0.1}


def test_nothing_is_said_where_nothing_was_measured(tmp_path):
    inversions.write(tmp_path / "teacher/train/0000/inversion.csv", [Inversion("c00", math.nan)])
    assert inversions.summaries(tmp_path, ["train"]) == []


def test_a_pair_whose_inversion_failed_or_is_unknown_may_not_teach():
    keep = Keep(inversion_max=0.5)
    assert keep.fault(9.0, 9.0, 0.5) == ""
    assert keep.fault(0.1, 0.1, 0.51) == "inversion 0.51 is over 0.5"
    assert keep.fault(0.1, 0.1, math.nan) == "inversion is no number"


def test_only_what_failed_is_named(tmp_path):
    rows = [Inversion("c00", 1.0), Inversion("s00", 1.01), Inversion("s01", math.nan)]
    (line,) = inversions.failed(rows, {name: tmp_path / f"{name}.png" for name in ("c00", "s00", "s01")})
    assert line.startswith(f"warning: the inversion of {tmp_path}/s00.png failed") and "1.01, over 1." in line
