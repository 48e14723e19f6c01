"""Finished triplets of a folder, distilled by configuration alone, and a program of one's own as the teacher."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archived import hub, image
from PIL import Image
from running import preset, run_workflow
from serving import serving

from styledistill.core.images import load_array, save_png, square_crop
from styledistill.procedural.draw import draw

COUNT, SIDE = 16, 80
ROLES = ("content", "style", "target")
BLOCKS = {"train": 2, "val": 1, "contents": {"contents": 3}, "styles": {"styles": 3}}
SMALL = {
    "image_size": 64,
    "pairs": {"train": 5, "val": 3},
    "losses": {"mse": {"pixel": 1.0}},
    "benchmark": {"repeats": 1},
    "demo": False,
}


def filtered(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The content with the mean color of the style: a filter that a small network can learn."""
    return np.clip(content * 0.5 + style.mean((0, 1)) * 0.5, 0, 255).astype(np.uint8)


def triplets(folder: Path) -> Path:
    rows = []
    for number in range(COUNT):
        content, style = (np.array(draw(kind, number, SIDE)) for kind in ("scenes", "styles"))
        names = [f"{role}/{number}.png" for role in ("content", "style", "target")]
        for name, made in zip(names, (content, style, filtered(content, style)), strict=True):
            save_png(made, folder / name)
        rows.append(names)
    with (folder / "triplets.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("content", "style", "target"), *rows])
    return folder


def configured(folder: Path, place: Path) -> Path:
    source = {"kind": "triplets", "path": str(place), "license": "cc-by-4.0"}
    return preset(
        folder / "triplets.yaml",
        run="triplets",
        sources={"contents": {**source, "take": "content"}, "styles": {**source, "take": "style"}},
        blocks=BLOCKS,
        golden={"contents": {"contents": 1}, "styles": {"styles": 1}},
        teacher={"method": "images"},
        **SMALL,
    )


@pytest.mark.long
def test_a_folder_of_triplets_is_distilled_by_configuration_alone(tmp_path):
    place = triplets(tmp_path / "mine")
    # A bad row is left out by name, and the rest goes on.
    with (place / "triplets.csv").open("a") as file:
        file.write("content/0.png,style/0.png,target/none.png\n")
    done = run_workflow(tmp_path, "--cores", "2", "--configfile", str(configured(tmp_path, place)))
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "results" / "triplets"
    assert (run / "students/mse/student.safetensors").is_file() and (run / "report.html").is_file()
    excluded = (run / "index/contents.excluded.csv").read_text()
    assert re.search(r"target/none\.png,target: .*cannot be read", excluded)
    manifest = json.loads((run / "shards/train.json").read_text())
    keys = [key for shard in manifest["shards"] for key in shard["pairs"]]
    assert keys == [f"train_{block}_c0{n}_s0{n}" for block, last in (("0000", 3), ("0001", 2)) for n in range(last)]
    assert manifest["teacher"] == {"model": None, "method": "images", "triplets": ["mine"]}
    rows = {row["name"]: row["image"] for row in csv.DictReader((run / "blocks/train/0001.csv").open())}
    assert rows["c01"] == rows["s01"]
    wanted = square_crop(Image.open(place / rows["c01"]), 64)
    assert np.array_equal(load_array(run / "teacher/train/0001/c01_s01.png"), np.asarray(wanted))
    golden = {row["name"]: row["image"] for row in csv.DictReader((run / "blocks/golden.csv").open())}
    assert np.array_equal(
        load_array(run / "golden/teacher/c0_s0.png"), np.asarray(square_crop(Image.open(place / golden["c0"]), 64))
    )
    # Targets of two data sets may have the same content and style, so none is kept where other runs look.
    assert list((run / "teacher/kept").rglob("*.png")) and not list(tmp_path.glob("resources/pairs/*"))
    card = (run / "shards/README.md").read_text()
    assert "license: cc-by-4.0" in card and "finished triplets" in card and "styleid" not in card.lower()


def test_triplets_of_the_hub_are_fetched_by_the_block_and_a_bad_row_is_replaced_in_both_sources(tmp_path, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "STYLEDISTILL_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    cells = {role: [image(30 * n + k, 80, 80) for k in range(10)] for n, role in enumerate(ROLES)}
    cells["style"] = [b"no image" if number in (6, 9) else cell for number, cell in enumerate(cells["style"])]
    buffer = io.BytesIO()
    pq.write_table(pa.table({role: [{"bytes": cell} for cell in of] for role, of in cells.items()}), buffer)
    source = {"kind": "hub_triplets", "repo": "own/set", "license": "cc-by-4.0", "spares": 1.0}
    config = preset(
        tmp_path / "hub.yaml",
        run="hub",
        sources={"contents": {**source, "take": "content"}, "styles": {**source, "take": "style"}},
        blocks={"train": 1, "val": 1, "contents": {"contents": 2}, "styles": {"styles": 2}},
        golden={"contents": {"contents": 1}, "styles": {"styles": 1}},
        teacher={"method": "images"},
        **{**SMALL, "pairs": {"train": 2, "val": 2}},
    )
    run = tmp_path / "results" / "hub"
    with serving(hub("own/set", {"0.parquet": buffer.getvalue()})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        wanted = [f"results/hub/teacher/{split}/0000/c01_s01.png" for split in ("train", "val")]
        done = run_workflow(tmp_path, *wanted, "--cores", "2", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]
    replaced = []
    for split in ("train", "val"):
        rows = {row["name"]: row["image"] for row in csv.DictReader((run / f"blocks/{split}/0000.csv").open())}
        for n in range(2):
            assert rows[f"c0{n}"] == rows[f"s0{n}"]
            number = int(rows[f"c0{n}"].rpartition("/")[2])
            target = np.asarray(square_crop(Image.open(io.BytesIO(cells["target"][number])), 64))
            assert np.array_equal(load_array(run / f"teacher/{split}/0000/c0{n}_s0{n}.png"), target)
        replaced += csv.DictReader((run / f"blocks/{split}/0000.excluded.csv").open())
    assert replaced and all(row["reason"].startswith("style: cannot be read as an image") for row in replaced)
    assert {row["source"] for row in replaced} == {"contents", "styles"}
    facts = json.loads((run / "teacher/val/0000/teacher.json").read_text())
    assert facts["triplets"] == ["own/set"]


@pytest.mark.long
def test_a_program_of_ones_own_makes_the_pairs_and_a_failed_pair_stops_only_its_block(tmp_path):
    program = tmp_path / "mine.py"
    program.write_text(
        "import sys\nfrom PIL import Image\ncontent, style = (Image.open(p) for p in sys.argv[1:3])\n"
        "if style.getpixel((0, 0)) == Image.open('bad.png').getpixel((0, 0)): sys.exit('style is too wild')\n"
        "Image.blend(content, style, 0.5).save(sys.argv[3])\n"
    )
    save_png(np.full((8, 8, 3), 255, np.uint8), tmp_path / "bad.png")
    command = f"{shlex.quote(sys.executable)} mine.py {{content}} {{style}} {{output}}"
    teacher = {"method": "command", "command": command}
    config = preset(tmp_path / "own.yaml", run="own", teacher=teacher, **SMALL)
    words = ("--cores", "2", "--configfile", str(config))
    first = run_workflow(tmp_path, "results/own/images/train/0001/s01.png", *words)
    assert first.returncode == 0, first.stderr[-3000:]
    save_png(load_array(tmp_path / "results/own/images/train/0001/s01.png"), tmp_path / "bad.png")
    done = run_workflow(tmp_path, "dataset", "--keep-going", *words)
    log = (tmp_path / "results/own/logs/teach/train/0001.log").read_text()
    assert done.returncode != 0 and "error: teacher: pair c00_s01: " in log and "code 1: style is too wild" in log
    assert not (tmp_path / "results/own/teacher/train/0001/c00_s00.png").exists()
    assert (tmp_path / "results/own/shards/train/0000.tar").is_file()
    save_png(np.full((8, 8, 3), 255, np.uint8), tmp_path / "bad.png")
    again = run_workflow(tmp_path, "dataset", *words)
    assert again.returncode == 0, again.stderr[-3000:]
    facts = json.loads((tmp_path / "results/own/teacher/train/0001/teacher.json").read_text())
    assert facts["command"] == command and set(facts["files"]) >= {"mine.py"}

    # The same pairs, but those farther from their style than half of them are replaced by later ones.
    def kept(most: float) -> dict:
        pairs = {**SMALL["pairs"], "keep": {"style_max": most}}
        preset(tmp_path / "own.yaml", run="own", teacher=teacher, **{**SMALL, "pairs": pairs})
        done = run_workflow(tmp_path, "dataset", *words)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads((tmp_path / "results/own/shards/train.json").read_text())

    assert kept(1000.0)["dropped"] == {}
    styles = {
        f"train_{table.stem}_{row['pair']}": float(row["style"])
        for table in sorted((tmp_path / "results/own/quality/train").glob("*.csv"))
        for row in csv.DictReader(table.open())
    }
    assert len(styles) == 18
    most = round(float(np.median(list(styles.values()))), 3)
    listed = kept(most)
    taken = [key for shard in listed["shards"] for key in shard["pairs"]]
    assert taken == [key for key, style in styles.items() if style <= most][:5]
    before = list(styles)[: list(styles).index(taken[-1])]
    assert list(listed["dropped"]) == [key for key in before if key not in taken] != []
    card = (tmp_path / "results/own/shards/README.md").read_text()
    assert all(f"`{key}`: style " in card for key in listed["dropped"])
