"""Copies of one image in two splits are found, others are not, and no manifest lists their pairs."""

import io
import json

import duplicates as script
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter

from styledistill.core.errors import UserError
from styledistill.core.images import encode_png, open_rgb, save_png, square_crop
from styledistill.procedural import draw
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.sources import skimage
from styledistill.splits.duplicates import Duplicate, Shown, duplicates, looks, refuse_new
from styledistill.splits.tables import BlockRow, read, write


def photograph(name: str) -> Image.Image:
    return square_crop(open_rgb(skimage.read(name)), 256)


def jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return open_rgb(buffer.getvalue())


def shown(split: str, name: str, image: Image.Image, block: str = "0000") -> Shown:
    return Shown(split, block, name, "photos", f"{name}.jpg", *looks(image))


CHANGES = {
    "recompressed": jpeg,
    "scaled": lambda image: image.resize((90, 90)).resize((256, 256)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "brighter": lambda image: image.point(lambda level: min(255, int(level * 1.08))),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket", "motorcycle"])
def test_a_copy_is_found(name, change):
    found = duplicates(
        [shown("val", "c01", photograph(name)), shown("train", "c05", CHANGES[change](photograph(name)))]
    )
    assert [(one.split, one.block, one.name) for one in found] == [("train", "0000", "c05")]
    assert "looks like c01.jpg of photos in val block 0000" in found[0].reason


def test_other_images_are_not_found():
    named = [shown("val" if n % 2 else "train", name, photograph(name)) for n, name in enumerate(skimage.FILES)]
    assert duplicates(named) == []
    for kind in ("scenes", "faces", "styles"):
        drawn = [Image.fromarray(draw.draw(kind, number, 64)) for number in range(40)]
        assert duplicates([shown("val" if n < 8 else "train", str(n), one) for n, one in enumerate(drawn)]) == []


def test_flat_images_are_told_apart_by_their_colors():
    flat = [Image.new("RGB", (64, 64), color) for color in ("white", "black", "navy")]
    assert (
        duplicates([shown(split, split, one) for split, one in zip(("golden", "val", "train"), flat, strict=True)])
        == []
    )


def test_validation_goes_before_training_and_a_split_may_repeat_itself():
    image = photograph("coffee")
    assert [one.split for one in duplicates([shown("train", "c00", image), shown("val", "c01", image)])] == ["train"]
    assert duplicates([shown("train", "c00", image), shown("train", "c01", image, "0001")]) == []


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_of_a_block_gives_way_to_a_golden_one(split):
    golden = shown("golden", "c2", photograph("coffee"), "")
    copy, other = shown(split, "c03", jpeg(photograph("coffee"))), shown("train", "c04", photograph("chelsea"))
    (found,) = duplicates([golden, copy, other])
    assert (found.split, found.block, found.name) == (split, "0000", "c03")
    assert "looks like c2.jpg of photos in the golden set; its pairs are replaced" in found.reason


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_golden_image_that_students_have_learned_from_is_refused_by_name(split, tmp_path):
    table = tmp_path / "duplicates.excluded.csv"
    golden = shown("golden", "c2", photograph("coffee"), "")
    refuse_new([golden, shown(split, "c03", photograph("rocket"))], [], table)
    copy = shown(split, "c03", jpeg(photograph("coffee")))
    with pytest.raises(
        UserError, match=rf"golden: c2\.jpg of photos looks like c03\.jpg .* {split} block 0000"
    ) as fault:
        refuse_new([golden, copy], [], table)
    assert f"or remove {table}" in str(fault.value) and "\n" not in str(fault.value)
    refuse_new([golden, copy], duplicates([golden, copy]), table)  # no student has seen what was left out


def test_the_script_leaves_out_copies_of_golden_images_and_refuses_later_ones(tmp_path):
    images, tables = tmp_path / "images", {}
    for folder, name, image in (
        ("golden", "c0", photograph("coffee")),
        ("train/0000", "c00", jpeg(photograph("coffee"))),
        ("train/0000", "c01", photograph("rocket")),
        ("val/0000", "c00", photograph("chelsea")),
    ):
        save_png(image, images / folder / f"{name}.png")
        tables.setdefault(folder, []).append(BlockRow(name, "content", "photos", f"{folder} {name}.jpg", "0" * 64))
    for folder, rows in tables.items():
        write(tmp_path / f"{folder}.csv", BlockRow._fields, rows)

    def run(*more):
        blocks = [str(tmp_path / f"{folder}.csv") for folder in ("train/0000", "val/0000")]
        options = ["--golden", tmp_path / "golden.csv", "--images", images, *more]
        return CliRunner().invoke(script.main, [*blocks, *map(str, options)])

    assert run("--out", tmp_path / "out.csv").exit_code == 0
    assert [(one.split, one.name) for one in read(tmp_path / "out.csv", Duplicate)] == [("train", "c00")]
    later = ["--left-out", tmp_path / "out.csv", "--out", tmp_path / "alone.csv"]
    assert run(*later).exit_code == 0 and read(tmp_path / "alone.csv", Duplicate) == []
    save_png(photograph("rocket"), images / "golden" / "c0.png")
    refused = run(*later)
    assert refused.exit_code == 1 and "train/0000 c01.jpg of photos, which is in train block 0000" in refused.output


def test_pairs_of_a_copy_are_replaced_by_later_ones(tmp_path):
    data = encode_png(np.zeros((8, 8, 3), np.uint8))
    keys = [f"train_{block}_c{c:02d}_s{s:02d}" for block in ("0000", "0001") for c in range(2) for s in range(2)]
    shards = [tmp_path / "train" / f"{block}.tar" for block in ("0000", "0001")]
    for shard, part in zip(shards, (keys[:4], keys[4:]), strict=True):
        write_shard(shard, [Pair(key, data, data, data, {}, {"steps": 4}) for key in part])
    out = tmp_path / "train.json"
    left_out = {("0000", "c01"), ("0001", "s00")}
    write_manifest(out, "train", 4, shards, left_out)
    listed = [key for shard in json.loads(out.read_text())["shards"] for key in shard["pairs"]]
    assert listed == [keys[0], keys[1], keys[5], keys[7]]
    with pytest.raises(UserError, match="hold only 4 beside 4 of images that look like one of another split"):
        write_manifest(out, "train", 5, shards, left_out)
