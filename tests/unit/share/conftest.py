"""A run with a student that draws, and shards: what is published; and the page of a student in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import CAMERA, DESKTOP, MICRO, RUNTIME, serve, show, started
from selenium import webdriver

from styledistill.core.files import read_json, write_json, write_text
from styledistill.core.images import encode_png, save_png
from styledistill.shards.write import block_pairs, write_manifest, write_shard
from styledistill.share.write_site import drawn_contents, drawn_styles, write_site
from styledistill.splits import tables

ROOT = Path(__file__).parents[3]
TEACHER = {"model": "owner/teacher", "steps": 50, "gamma": 0.75, "weights": "ab" * 32, "code": "0123456789abcdef"}
CARD = """---
license: cc-by-4.0
---

# Pairs

## Sources

| source | license |
| --- | --- |
| `photos` | cc-by-4.0 |

## Stylizer

Not of the model card.
"""


@pytest.fixture
def run(trial: Path, tmp_path: Path) -> Path:
    """The folder of a run: tables and a golden sheet, weights of micro as the student mse, shards with their card."""
    results = shutil.copytree(trial, tmp_path / "results" / "trial")
    student = results / "students" / "mse"
    shutil.rmtree(student / "onnx")  # of a micro student nobody needs them; a test adds some
    shutil.copy(ROOT / "weights/micro/student.safetensors", student)
    micro = read_json(ROOT / "weights/micro/config.json")
    write_json(student / "config.json", micro | {"loss": {"pixel": 1.0}, "seed": 1})
    write_json(student / "distill.run.json", {"host": "a-host", "settings": {"batch": 4}, "versions": {"torch": "2"}})
    write_json(results / "tables/metrics.run.json", {"host": "a-host", "settings": {"fid_minimum": 200}})
    write_text(results / "blocks/golden.csv", "name,role,source,image,sha256\nc0,content,photos,a,00\n")
    save_png(np.zeros((8, 8, 3), np.uint8), results / "figures/golden.png")
    make_shards(results)
    return results


def make_shards(results: Path) -> None:
    for split in ("train", "val"):
        rows = [tables.BlockRow(f"{role[0]}00", role, "photos", role, "00") for role in ("content", "style")]
        tables.write(results / f"blocks/{split}/0000.csv", tables.BlockRow._fields, rows)
        images = results / "made"
        images.mkdir(exist_ok=True)
        for number, name in enumerate(("c00", "s00", "c00_s00")):
            noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
            (images / f"{name}.png").write_bytes(encode_png(noise))
        write_json(images / "teacher.json", TEACHER)
        shard = results / f"shards/{split}/0000.tar"
        write_shard(shard, block_pairs(results / f"blocks/{split}/0000.csv", images, images, f"{split}_0000"))
        write_manifest(results / f"shards/{split}.json", split, 1, [shard])
        write_json(results / f"shards/{split}/pack.run.json", {"host": "a-host"})
    write_text(results / "shards/README.md", CARD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a host serves; the page lies below a path."""
    root = tmp_path_factory.mktemp("host")
    styles = dict(list(drawn_styles().items())[:3])
    write_site(root / "some" / "path", {"micro": MICRO, "again": MICRO}, drawn_contents(), styles, RUNTIME)
    return root


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server, _ = serve(folder)
    yield f"http://127.0.0.1:{server.server_port}/some/path/"
    server.shutdown()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = started(tmp_path_factory.mktemp("profile"), *CAMERA)
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    """The page on a desktop with its first image drawn; after the test, nothing may stand in the console."""
    chromium.get_log("browser")
    show(chromium, address, DESKTOP)
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
