"""The targets of a block of finished triplets: cropped as its contents are, and of one triplet with both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from styledistill.config import TripletsSource
from styledistill.core.errors import UserError
from styledistill.core.files import write_csv
from styledistill.core.images import load_array, save_png
from styledistill.sources import registry
from styledistill.splits import tables
from styledistill.splits.triplets import bring_targets

ROLES = ("content", "style", "target")


@pytest.fixture
def block(tmp_path: Path) -> tuple[Path, dict[str, TripletsSource], list[tables.BlockRow]]:
    """A folder of two triplets of 48 x 32 pixels, its two sources, and the rows of a block of both."""
    random = np.random.default_rng(0)
    rows = [[f"{role}_{number}.png" for role in ROLES] for number in range(2)]
    for name in (name for row in rows for name in row):
        save_png(random.integers(0, 256, (32, 48, 3), dtype=np.uint8), tmp_path / name)
    write_csv(tmp_path / "triplets.csv", ROLES, rows)
    sources = {role: TripletsSource(kind="triplets", path=str(tmp_path), take=role) for role in ROLES[:2]}
    members = []
    for role, source in sources.items():
        for number in range(2):
            entry = registry.entry(source, f"target_{number}.png")
            members.append(tables.BlockRow(f"{role[0]}0{number}", role, role, entry.image, entry.sha256))
            crop = registry.crop(source, entry.image, 32, entry.sha256)
            save_png(crop, tmp_path / "images" / f"{members[-1].name}.png")
    return tmp_path, sources, members


def test_each_target_is_cut_as_its_content_is(block):
    folder, sources, members = block
    tables.write(folder / "0000.csv", tables.BlockRow._fields, members)
    brought = bring_targets(folder / "0000.csv", sources, folder / "images", folder / "out")
    assert [path.name for path in sorted((folder / "out").iterdir())] == ["c00_s00.png", "c01_s01.png"]
    for number, triplet in enumerate(brought):
        for role, path in zip(ROLES, triplet, strict=True):
            wanted = load_array(folder / f"{role}_{number}.png")[:, 8:40]
            assert np.array_equal(load_array(path), wanted), role


def test_a_content_with_the_style_of_another_triplet_is_refused(block):
    folder, sources, members = block
    first, second = (row for row in members if row.role == "style")
    crossed = [*members[:2], second._replace(name="s00"), first._replace(name="s01")]
    tables.write(folder / "0000.csv", tables.BlockRow._fields, crossed)
    with pytest.raises(UserError, match=r"c00 is of the triplet target_0\.png and s00 of target_1\.png"):
        bring_targets(folder / "0000.csv", sources, folder / "images", folder / "out")
    assert not (folder / "out").exists()
