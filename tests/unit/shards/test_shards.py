"""Shards: equal pairs give equal bytes, webdataset reads them, and the index gives back what was written."""

import io
import json

import datasets
import numpy as np
import pytest
import webdataset
from PIL import Image

from styledistill.core.errors import UserError
from styledistill.core.files import read_json, sha256_bytes, write_json
from styledistill.core.images import encode_png
from styledistill.shards.read import PairDataset
from styledistill.shards.write import Pair, block_pairs, write_manifest, write_shard

SETTINGS = {"weights": "tiny", "steps": 4}


def image(seed, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def make_pairs(block, count=3, teacher=SETTINGS):
    for number in range(count):
        seeds = (10 * block, 100 + number, 1000 * block + number)
        sources = {"content": {"source": "scenes"}, "style": {"source": "styles"}}
        yield Pair(f"train_{block:04}_c00_s{number:02}", *(encode_png(image(s)) for s in seeds), sources, teacher)


@pytest.fixture
def shards(tmp_path):
    paths = [tmp_path / "train" / f"{block:04}.tar" for block in range(2)]
    for block, path in enumerate(paths):
        write_shard(path, make_pairs(block))
    return paths


def test_equal_pairs_give_equal_bytes(tmp_path, shards):
    write_shard(tmp_path / "again.tar", make_pairs(1))
    assert (tmp_path / "again.tar").read_bytes() == shards[1].read_bytes()


def test_webdataset_reads_a_shard_as_it_is(shards):
    samples = list(webdataset.WebDataset(str(shards[1]), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [pair.key for pair in make_pairs(1)]
    target = np.asarray(Image.open(io.BytesIO(samples[2]["target.png"])))
    assert np.array_equal(target, image(1002))
    facts = json.loads(samples[2]["json"])
    assert facts["teacher"] == SETTINGS
    assert set(facts["sha256"]) == {"content", "style", "target"}


def test_datasets_reads_what_webdataset_and_the_index_read(tmp_path, shards, monkeypatch):
    """As the data card says, without a network; all three give the same images."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    write_manifest(tmp_path / "train.json", "train", 6, shards)
    ours = PairDataset(tmp_path / "train.json")
    files = [str(shard) for shard in shards]
    table = datasets.load_dataset(
        "webdataset", data_files={"train": files}, split="train", cache_dir=str(tmp_path / "cache")
    )
    plain = list(webdataset.WebDataset(files, shardshuffle=False).decode("pil"))
    assert table["__key__"] == [pair["__key__"] for pair in plain] == ours.keys
    for number, pair in enumerate(plain):
        levels = (ours[number] * 255).round().byte().permute(0, 2, 3, 1).numpy()
        for part, ours_part in zip(("content.png", "style.png", "target.png"), levels, strict=True):
            assert np.array_equal(np.asarray(pair[part].convert("RGB")), ours_part)
            assert np.array_equal(np.asarray(table[number][part].convert("RGB")), ours_part)


def at_gammas(tmp_path, gammas):
    """A block of one pair whose teacher drew at several gammas, packed; the shard and its manifest."""
    table = "name,role,source,image,sha256\nc00,content,scenes,1,aa\ns00,style,oils,3,cc\n"
    (tmp_path / "0003.csv").write_text(table)
    files = ["c00.png", "s00.png", "c00_s00.png", *(f"gamma_{gamma}/c00_s00.png" for gamma in gammas[1:])]
    for number, name in enumerate(files):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(image(number)))
    write_json(tmp_path / "teacher.json", {**SETTINGS, "gamma": gammas[0], "gammas": gammas})
    shard, manifest = tmp_path / "train/0003.tar", tmp_path / "train.json"
    write_shard(shard, block_pairs(tmp_path / "0003.csv", tmp_path, tmp_path, "train_0003"))
    write_manifest(manifest, "train", 1, [shard])
    return shard, manifest


def test_a_pair_has_a_target_at_each_gamma(tmp_path):
    shard, manifest = at_gammas(tmp_path, [0.4, 0.0, 1.0])
    dataset = PairDataset(manifest)
    assert dataset.gammas == [0.4, 0.0, 1.0]
    for at, target in ((0, 2), ((0, 0), 2), ((0, 1), 3), ((0, 2), 4)):
        levels = (dataset[at] * 255).round().byte().permute(0, 2, 3, 1).numpy()
        assert np.array_equal(levels, [image(0), image(1), image(target)])
    (sample,) = webdataset.WebDataset(str(shard), shardshuffle=False).decode("pil")
    assert np.array_equal(np.asarray(sample["target_0.0.png"].convert("RGB")), image(3))
    facts = sample["json"]
    assert facts["sha256"]["target_1.0"] == sha256_bytes(encode_png(image(4)))


def test_datasets_reads_targets_at_several_gammas(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    shard, _ = at_gammas(tmp_path, [0.4, 0.2])
    files = {"train": [str(shard)]}
    table = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert np.array_equal(np.asarray(table[0]["target_0.2.png"].convert("RGB")), image(3))


@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_one_altered_byte_of_a_shard_is_noticed_and_the_other_shards_are_not_blamed(tmp_path, shards, place):
    write_manifest(tmp_path / "train.json", "train", 6, shards)
    data = bytearray(shards[0].read_bytes())
    data[int(place * len(data))] ^= 1
    shards[0].write_bytes(bytes(data))
    with pytest.raises(
        UserError, match=r"0000\.tar: not the shard that .* lists \(sha256 differs\); remove it and run"
    ):
        PairDataset(tmp_path / "train.json")
    write_shard(shards[0], make_pairs(0))
    assert len(PairDataset(tmp_path / "train.json")) == 6
    shards[1].write_bytes(shards[1].read_bytes()[:-600])
    with pytest.raises(UserError, match=r"0001\.tar: not the shard"):
        PairDataset(tmp_path / "train.json")


def test_a_damaged_image_is_not_packed(tmp_path):
    whole = encode_png(image(1))
    hurt = bytearray(whole)
    hurt[len(hurt) // 2] ^= 1
    for damaged in (bytes(hurt), whole[:-20], b""):
        with pytest.raises(UserError, match=r"train_0000_c00_s00\.style\.png: cannot be read.*remove it"):
            write_shard(tmp_path / "0000.tar", [Pair("train_0000_c00_s00", whole, damaged, whole, {}, SETTINGS)])


def test_the_index_reads_the_first_pairs_in_the_written_order(tmp_path, shards):
    write_manifest(tmp_path / "train.json", "train", 5, shards)
    dataset = PairDataset(tmp_path / "train.json")
    assert dataset.keys == [pair.key for block in (0, 1) for pair in make_pairs(block)][:5]
    item = dataset[4]
    assert item.shape == (3, 3, 16, 16)
    for got, seed in zip(item, (10, 101, 1001), strict=True):
        assert np.array_equal((got * 255).round().byte().permute(1, 2, 0).numpy(), image(seed))


def test_a_changed_shard_is_refused(tmp_path, shards):
    write_manifest(tmp_path / "train.json", "train", 6, shards)
    write_shard(shards[1], make_pairs(7))
    with pytest.raises(UserError, match=r"0001\.tar: not the shard"):
        PairDataset(tmp_path / "train.json")
    shards[1].unlink()
    with pytest.raises(UserError, match=r"0001\.tar: the shard is missing"):
        PairDataset(tmp_path / "train.json")


def test_a_manifest_of_too_few_or_mixed_pairs_is_refused_and_not_written(tmp_path, shards):
    with pytest.raises(UserError, match="7 pairs asked for, but the train shards hold only 6"):
        write_manifest(tmp_path / "train.json", "train", 7, shards)
    write_shard(shards[1], make_pairs(1, teacher={"weights": "other"}))
    with pytest.raises(UserError, match="different teacher settings"):
        write_manifest(tmp_path / "train.json", "train", 6, shards)
    assert not (tmp_path / "train.json").exists()


def test_pairs_with_a_fault_are_replaced_by_later_ones_and_named(tmp_path, shards):
    keys = [pair.key for block in (0, 1) for pair in make_pairs(block)]
    faults = {keys[0]: "style 2 is over 1", keys[3]: "style 3 is over 1", keys[5]: "style 4 is over 1"}
    write_manifest(tmp_path / "train.json", "train", 3, shards, faults=faults)
    manifest = read_json(tmp_path / "train.json")
    assert [key for shard in manifest["shards"] for key in shard["pairs"]] == [keys[1], keys[2], keys[4]]
    assert manifest["dropped"] == {keys[0]: faults[keys[0]], keys[3]: faults[keys[3]]}
    assert PairDataset(tmp_path / "train.json").keys == [keys[1], keys[2], keys[4]]
    with pytest.raises(UserError, match=r"4 pairs asked for, .* hold only 3, and 3 more that pairs\.keep drops"):
        write_manifest(tmp_path / "train.json", "train", 4, shards, faults=faults)
    write_manifest(tmp_path / "train.json", "train", 3, shards)
    assert "dropped" not in read_json(tmp_path / "train.json")


def test_images_of_different_sizes_are_refused_and_leave_no_shard(tmp_path):
    small, large = encode_png(image(1)), encode_png(image(2, 32))
    with pytest.raises(UserError, match="different sizes"):
        write_shard(tmp_path / "0000.tar", [Pair("train_0000_c00_s00", small, small, large, {}, SETTINGS)])
    assert list(tmp_path.iterdir()) == []


def test_a_block_is_packed_contents_first(tmp_path):
    table = "name,role,source,image,sha256\nc00,content,scenes,1,aa\nc01,content,faces,2,bb\ns00,style,oils,3,cc\n"
    (tmp_path / "0003.csv").write_text(table)
    for name in ("c00", "c01", "s00", "c00_s00", "c01_s00"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(image(len(name))))
    write_json(tmp_path / "teacher.json", SETTINGS)
    pairs = list(block_pairs(tmp_path / "0003.csv", tmp_path, tmp_path, "val_0003"))
    assert [pair.key for pair in pairs] == ["val_0003_c00_s00", "val_0003_c01_s00"]
    assert pairs[1].sources == {
        "content": {"source": "faces", "image": "2", "sha256": "bb"},
        "style": {"source": "oils", "image": "3", "sha256": "cc"},
    }


def test_a_block_of_triplets_is_packed_side_by_side(tmp_path):
    rows = [f"{role[0]}0{number},{role},{role},{number},aa" for role in ("content", "style") for number in range(2)]
    (tmp_path / "0003.csv").write_text("\n".join(["name,role,source,image,sha256", *rows, ""]))
    for name in ("c00", "c01", "s00", "s01", "c00_s00", "c01_s01"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(image(len(name))))
    write_json(tmp_path / "teacher.json", {"method": "images"})
    pairs = list(block_pairs(tmp_path / "0003.csv", tmp_path, tmp_path, "val_0003"))
    assert [pair.key for pair in pairs] == ["val_0003_c00_s00", "val_0003_c01_s01"]
