"""Finished triplets as a source: a folder with a table, a tar, and what is wrong with rows of them."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest
from archived import tarred
from PIL import Image

from styledistill.config import TripletsSource
from styledistill.core.errors import UserError
from styledistill.core.images import encode_png, square_crop
from styledistill.sources import registry

SIDES = {"content": (24, 32), "style": (20, 20), "target": (24, 32)}


def drawn(role: str, number: int, shape: tuple[int, int] | None = None) -> bytes:
    rng = np.random.default_rng([len(role), number])
    return encode_png(rng.integers(0, 256, (*(shape or SIDES[role]), 3), dtype=np.uint8))


def write(folder: Path, rows: list[tuple[str, ...]], head: tuple[str, ...] = ("content", "style", "target")) -> Path:
    with (folder / "triplets.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = []
    for number in range(3):
        rows.append(tuple(f"{role}_{number}.png" for role in SIDES))
        for role, name in zip(SIDES, rows[-1], strict=True):
            (tmp_path / name).write_bytes(drawn(role, number))
    return write(tmp_path, rows)


def tar(path: Path, samples: dict[str, tuple[str, ...]]) -> Path:
    members = {f"{key}.{role}.png": drawn(role, int(key[-1])) for key, roles in samples.items() for role in roles}
    path.write_bytes(tarred(members))
    return path


def source(path: Path, take: str = "content") -> TripletsSource:
    return TripletsSource(kind="triplets", path=str(path), take=take)


def excluded(one: TripletsSource) -> dict[str, str]:
    bad = [*registry.left_out(one), *(row for row in registry.index(one) if isinstance(row, registry.Excluded))]
    return {row.image: row.reason for row in bad}


def test_both_sources_name_the_same_triplets_and_give_their_images(folder):
    contents, styles = source(folder), source(folder, "style")
    assert registry.names(contents) == registry.names(styles) == [f"target_{n}.png" for n in range(3)]
    content, style = (registry.entry(one, "target_1.png") for one in (contents, styles))
    assert (content.width, content.height, style.width, style.height) == (32, 24, 20, 20)
    for one, role, entry in ((contents, "content", content), (styles, "style", style)):
        crop = registry.crop(one, "target_1.png", 16, entry.sha256)
        wanted = square_crop(Image.open(folder / f"{role}_1.png"), 16)
        assert np.array_equal(np.asarray(crop), np.asarray(wanted))
    target = registry.target(contents, "target_1.png", 16, content.sha256)
    assert np.array_equal(np.asarray(target), np.asarray(square_crop(Image.open(folder / "target_1.png"), 16)))


def test_a_tar_of_webdataset_gives_what_the_folder_gives(folder, tmp_path):
    place = tar(tmp_path / "all.tar", {f"a/{n}": tuple(SIDES) for n in range(3)})
    one, other = (registry.entry(source(path), name) for path, name in ((folder, "target_2.png"), (place, "a/2")))
    assert one.sha256 == other.sha256 and registry.names(source(place)) == ["a/0", "a/1", "a/2"]


def test_an_image_of_several_triplets_is_no_copy_but_a_triplet_twice_is(folder):
    write(folder, [("content_0.png", "style_0.png", "target_0.png"), ("content_0.png", "style_1.png", "target_1.png")])
    one, other = registry.index(source(folder))
    assert one.sha256 != other.sha256
    (folder / "again.png").write_bytes((folder / "target_0.png").read_bytes())
    write(folder, [("content_0.png", "style_0.png", "target_0.png"), ("content_0.png", "style_0.png", "again.png")])
    one, other = registry.index(source(folder))
    assert one.sha256 == other.sha256


@pytest.mark.parametrize("take", ["content", "style"])
def test_a_bad_row_is_named_with_its_reason_in_both_sources(folder, take):
    (folder / "small.png").write_bytes(drawn("target", 5, (24, 30)))
    (folder / "broken.png").write_bytes(drawn("target", 6)[:60])
    (folder / "copy.png").write_bytes(drawn("target", 0))
    row = ("content_0.png", "style_0.png")
    (folder / "tiny.png").write_bytes(drawn("style", 7, (8, 20)))
    targets = ("small.png", "broken.png", "gone.png", "", "../x.png", "copy.png", "copy.png")
    write(folder, [*((*row, target) for target in targets), ("content_0.png", "tiny.png", "target_0.png")])
    reasons = excluded(source(folder, take))
    assert reasons.pop("small.png") == "content of 32 x 24 pixels, target of 30 x 24; both must be of one size"
    # Else the sources would be out of step behind it, and each content with the style of another triplet.
    assert reasons.pop("target_0.png") == "style: 20 x 8 pixels; a crop takes at least 16 x 16"
    assert reasons.pop("broken.png").startswith("target: cannot be read as an image")
    assert reasons.pop("gone.png") == f"target: {folder / 'gone.png'} cannot be read (No such file or directory)"
    assert reasons == {
        "row 5": "no target",
        "row 6": "target lies outside the folder",
        "copy.png": "there is a triplet of this name already",
    }
    good = [row.image for row in registry.index(source(folder, take)) if isinstance(row, registry.Entry)]
    assert good == ["copy.png"]


def test_a_sample_that_lacks_an_image_is_named(tmp_path):
    place = tar(tmp_path / "half.tar", {"0": ("content", "style", "target"), "1": ("content", "target")})
    assert excluded(source(place)) == {"1": "no style"}


def test_a_tar_that_is_damaged_in_the_middle_is_no_shorter_list(tmp_path):
    place = tar(tmp_path / "all.tar", {f"{n}": tuple(SIDES) for n in range(3)})
    with tarfile.open(place) as file:
        header = file.getmembers()[4].offset
    data = bytearray(place.read_bytes())
    data[header] ^= 255
    place.write_bytes(data)
    with pytest.raises(UserError, match=rf"all\.tar: .* \(a damaged header at byte {header:,}\)\. Is it whole\?"):
        registry.names(source(place))


def test_a_tar_with_a_name_that_leads_out_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"all\.tar: refused, because it holds a path that climbs out"):
        registry.names(source(tar(tmp_path / "all.tar", {"../0": tuple(SIDES)})))


def test_a_table_without_a_column_and_one_without_rows(tmp_path):
    write(tmp_path, [("a", "b")], ("content", "target"))
    with pytest.raises(UserError, match=r"triplets\.csv: no column style\. A table of triplets has content, st"):
        registry.names(source(tmp_path))
    write(tmp_path, [])
    with pytest.raises(UserError, match=r": no triplets in it\.$"):
        registry.names(source(tmp_path))
    assert source(tmp_path / "none").missing() == (
        f"path: no file {tmp_path / 'none'}. Put the list of triplets there, or set the path to yours."
    )


def test_an_image_that_was_exchanged_is_noticed(folder):
    entry = registry.entry(source(folder), "target_0.png")
    (folder / "target_0.png").write_bytes(drawn("target", 9))
    with pytest.raises(UserError, match=r"'target_0\.png' has changed since its source was indexed"):
        registry.target(source(folder), "target_0.png", 16, entry.sha256)
