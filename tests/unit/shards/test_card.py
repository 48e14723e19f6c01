"""The data card: what it says is what the shards hold, and what it advises works."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import partial
from pathlib import Path

import card as script
import jinja2
import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import DatasetCard

from styledistill.config import FolderSource, ProceduralSource, SkimageSource, gammas_of
from styledistill.core.files import canonical_json, read_json, write_json
from styledistill.core.images import encode_png
from styledistill.core.provenance import run_record
from styledistill.shards.card import SHOWN, card
from styledistill.shards.write import block_pairs, write_manifest, write_shard
from styledistill.sources.registry import Excluded
from styledistill.splits import inversions, tables
from styledistill.splits.names import at_gamma

TEACHER = {
    **{"model": "owner/model", "convention": "ldm", "steps": 50, "gamma": 0.75, "temperature": 1.5, "adain": True},
    **{"dtype": "float16", "layers": [6, 7, 8, 9, 10, 11], "weights": "ab" * 32, "code": "0123456789abcdef"},
}
SOURCES = {
    "paintings": FolderSource(kind="folder", path="/home/me/art", license="cc-by-4.0", citation="Me | You, 2020"),
    "scenes": ProceduralSource(kind="procedural", images="scenes", count=9, license="cc-by-4.0"),
}
ROWS = [("c00", "scenes"), ("c01", "scenes"), ("s00", "paintings"), ("s01", "paintings"), ("s02", "paintings")]
# Two contents and three styles in each block; the manifests take 9 of 12 pairs, and 3 of 6.
PAIRS = {"train": (2, 9), "val": (1, 3)}


def make_run(folder: Path) -> Path:
    """The parts of a run's folder that the card reads, written by the code that writes them in a run."""
    results = folder / "results" / "tried"
    for source in SOURCES:
        tables.write(results / "index" / f"{source}.excluded.csv", Excluded._fields, [])
    for split, (blocks, pairs) in PAIRS.items():
        shards = [make_block(results, split, f"{number:04d}") for number in range(blocks)]
        write_manifest(results / "shards" / f"{split}.json", split, pairs, shards)
    return results


def make_block(results: Path, split: str, block: str) -> Path:
    members = [
        tables.BlockRow(name, {"c": "content", "s": "style"}[name[0]], source, f"{split}{block}{name}", "00")
        for name, source in ROWS
    ]
    tables.write(results / "blocks" / split / f"{block}.csv", tables.BlockRow._fields, members)
    images = results / "images"
    names = [row.name for row in members]
    for name in (*names, *(f"{content}_{style}" for content in names[:2] for style in names[2:])):
        level = len(name) * 9 + int(block)
        for folder in (images, *(images / at_gamma(gamma) for gamma in gammas_of(TEACHER)[1:])):
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.png").write_bytes(encode_png(np.full((8, 8, 3), level, np.uint8)))
    write_json(images / "teacher.json", TEACHER)
    table, shard = results / "blocks" / split / f"{block}.csv", results / "shards" / split / f"{block}.tar"
    write_shard(shard, block_pairs(table, images, images, f"{split}_{block}"))
    return shard


def record(results: Path, job: str, **versions: str) -> None:
    """What a job wrote down beside its images."""
    write_json(results / f"{job}.run.json", {"stage": "x", "versions": {"styledistill": "0.0.1", **versions}})


def written(results: Path, sources=SOURCES) -> str:
    return card(results, sources, 8, 3)


def row_of(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_hub_reads_the_front_matter(tmp_path):
    facts = DatasetCard(written(make_run(tmp_path))).data.to_dict()
    assert facts["license"] == "cc-by-4.0"
    assert facts["task_categories"] == ["image-to-image"]
    assert facts["size_categories"] == ["n<1K"]
    assert {"style-transfer", "webdataset"} <= set(facts["tags"])
    files = {part["split"]: part["path"] for part in facts["configs"][0]["data_files"]}
    assert files == {"train": ["train/0000.tar", "train/0001.tar"], "val": ["val/0000.tar"]}


def test_the_template_asks_for_nothing_that_it_is_not_given(tmp_path, monkeypatch):
    """The hub's library leaves out what the template misspells, without a word."""
    monkeypatch.setattr(jinja2, "Template", partial(jinja2.Template, undefined=jinja2.StrictUndefined))
    assert written(make_run(tmp_path))


def test_a_card_of_triplets_says_nothing_of_weights_or_crossed_pairs(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "TEACHER", {"model": None, "method": "images", "triplets": ["mine"]})
    monkeypatch.setitem(globals(), "ROWS", [row for row in ROWS if row[0] != "s02"])
    monkeypatch.setitem(globals(), "PAIRS", {"train": (2, 3), "val": (1, 2)})
    monkeypatch.setattr(jinja2, "Template", partial(jinja2.Template, undefined=jinja2.StrictUndefined))
    text = written(make_run(tmp_path))
    assert "each content of it with its own style" in text and "every content of it" not in text
    assert row_of(text, "`train`")[1:] == ["3", "3", "3", "2", "4"]
    assert '| triplets | `["mine"]` |' in text
    for said in ("StyleID", "sha256 over the weights", "draws no random numbers", "``"):
        assert said not in text.replace("```", ""), said
    assert DatasetCard(text).data.to_dict()["tags"] == ["style-transfer", "knowledge-distillation", "webdataset"]


def test_targets_at_further_gammas_are_named(tmp_path, monkeypatch):
    assert "further gammas" not in written(make_run(tmp_path / "one"))
    monkeypatch.setitem(globals(), "TEACHER", TEACHER | {"gammas": [0.75, 0.5, 0.0]})
    text = written(make_run(tmp_path / "three"))
    assert "further gammas: `<key>.target_0.5.png`, `<key>.target_0.0.png`." in text
    assert "| gammas | `[0.75,0.5,0.0]` |" in text


def test_round_trips_of_inversions_are_summed_up(tmp_path):
    results = make_run(tmp_path)
    assert "inversion" not in written(results).split("## Loading")[0]
    rows = [inversions.Inversion("c00", 0.1), inversions.Inversion("s00", 0.7)]
    inversions.write(results / "teacher/train/0001/inversion.csv", rows)
    stylizer = written(results).split("## Stylizer")[1]
    assert row_of(stylizer, "`train`")[1:] == ["2", "0.400", "0.700", "`train_0001_s00`"]


def test_counts_are_those_of_the_pairs_that_the_manifests_list(tmp_path):
    """The second training block gives its first content only, the validation block too: their second is not counted."""
    text = written(make_run(tmp_path))
    #                  pairs, contents, styles, tar files, pairs in these
    assert row_of(text, "`train`")[1:] == ["9", "3", "6", "2", "12"]
    assert row_of(text, "`val`")[1:] == ["3", "1", "3", "1", "6"]
    assert row_of(text, "`scenes`")[2:6] == ["3", "0", "1", "0"]
    assert row_of(text, "`paintings`")[2:6] == ["0", "6", "0", "3"]
    assert "12 pairs. Each is a content image" in text
    assert "- 6 pairs of the tar files, which the manifests do not list" in text


def test_equal_shards_have_equal_cards_wherever_they_lie(tmp_path):
    first = written(make_run(tmp_path / "a"))
    assert written(make_run(tmp_path / "b")) == first
    assert str(tmp_path) not in first and "/home/me" not in first
    assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d", first.replace("CVPR 2024", ""))


def test_the_versions_are_those_of_the_jobs_that_made_the_images(tmp_path):
    results = make_run(tmp_path)
    assert "ran with: not recorded." in written(results)
    record(results, "images/train/0000/crop", pillow="99.1")
    record(results, "teacher/train/0000/teach", torch="99.2", diffusers="99.3")
    record(results, "teacher/val/0000/teach", torch="99.4", diffusers="99.3")
    record(results, "teacher/val/0007/teach", torch="1.0")  # of a block that no manifest lists any more
    told = "ran with: styledistill 0.0.1, pillow 99.1, torch 99.2 and 99.4, diffusers 99.3."
    assert told in written(results)


def test_the_version_of_the_data_set_is_that_of_its_manifests(tmp_path):
    results = make_run(tmp_path)
    digest, command = re.search(r"Version of this data set: `(\w+)` \(`(.*?)`", written(results)).groups()
    said = subprocess.run(command, shell=True, cwd=results / "shards", capture_output=True, text=True, check=True)
    assert said.stdout.startswith(digest) and len(digest) == 16
    manifest = results / "shards" / "val.json"
    manifest.write_text(manifest.read_text().replace('"gamma": 0.75', '"gamma": 0.5'))
    assert digest not in written(results)


def test_jobs_write_down_this_programs_version(tmp_path):
    with run_record(tmp_path / "x.run.json", "x", {}):
        pass
    versions = read_json(tmp_path / "x.run.json")["versions"]
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert versions["styledistill"] == project["version"] and {"numpy", "pillow", "scikit-image"} <= set(versions)


def test_the_teacher_stands_there_with_the_hash_of_its_weights(tmp_path):
    text = written(make_run(tmp_path))
    assert row_of(text, "model")[1] == '`"owner/model"`'
    assert row_of(text, "steps")[1] == "`50`" and row_of(text, "layers")[1] == "`[6,7,8,9,10,11]`"
    assert f"`{TEACHER['weights']}`" in text


@pytest.mark.parametrize(
    ("scenes", "paintings", "word"),
    [
        ({}, {"license": "mit"}, "mit"),  # what StyleDistill draws has its own license
        ({}, {"license": "cc-by-4.0"}, "other"),
        ({}, {}, "unknown"),
        ({"license": "ask me"}, {"license": "ask me"}, "other"),
        ({"license": "cc0-1.0"}, {"license": "cc0-1.0"}, "cc0-1.0"),
    ],
)
def test_the_hub_is_told_a_license_only_where_all_sources_have_it(tmp_path, scenes, paintings, word):
    sources = {
        "scenes": ProceduralSource(kind="procedural", images="scenes", count=9, **scenes),
        "paintings": FolderSource(kind="folder", path="art", **paintings),
    }
    text = written(make_run(tmp_path), sources)
    assert DatasetCard(text).data.license == word
    assert row_of(text, "`paintings`")[6] == paintings.get("license", "not stated")


def test_words_on_rights_stand_in_the_table_whatever_is_in_them(tmp_path):
    text = written(make_run(tmp_path))
    assert row_of(text, "`paintings`")[6:] == ["cc-by-4.0", r"Me \| You, 2020"]
    photographs = SOURCES | {"scenes": SkimageSource(kind="skimage")}
    assert "scikit-image" in row_of(written(make_run(tmp_path), photographs), "`scenes`")[6]


def test_files_that_were_left_out_are_named_up_to_a_number(tmp_path):
    results = make_run(tmp_path)
    # A decoder's reason may hold an address in memory, which no two runs share.
    bad = [Excluded(f"bad{n:03d}.png", f"image: <BytesIO at 0x{n:x}>") for n in range(SHOWN + 3)]
    tables.write(results / "index" / "paintings.excluded.csv", Excluded._fields, bad)
    text = written(results)
    assert f"- {SHOWN + 3} files of `paintings`, which could not be used: `bad000.png`, `bad001.png`" in text
    assert f"`bad{SHOWN - 1:03d}.png` and 3 more." in text
    assert f"bad{SHOWN:03d}.png" not in text and "0x" not in text
    assert "of `scenes`, which could" not in text


def test_the_code_on_the_card_gives_exactly_the_listed_pairs(tmp_path, monkeypatch):
    results = make_run(tmp_path)
    monkeypatch.chdir(results / "shards")
    listing, plain, _ = re.findall(r"```python\n(.*?)```", written(results), re.S)
    names = {}
    exec(listing + plain, names)
    assert [pair["__key__"] for pair in names["pairs"]] == [
        *(f"train_0000_{content}_{style}" for content in ("c00", "c01") for style in ("s00", "s01", "s02")),
        *(f"train_0001_c00_{style}" for style in ("s00", "s01", "s02")),
    ]
    assert names["target"].size == (8, 8)


def test_the_script_writes_the_card(tmp_path):
    results = make_run(tmp_path)
    arguments = {
        **{"results": results, "out": results / "shards" / "README.md", "size": 8, "seed": 3},
        "sources": canonical_json({name: source.model_dump() for name, source in SOURCES.items()}),
    }
    done = CliRunner().invoke(script.main, [f"--{name}={value}" for name, value in arguments.items()])
    assert done.exit_code == 0, done.output
    assert (results / "shards" / "README.md").read_text() == written(results)
