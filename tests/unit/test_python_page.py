"""The snippets of docs/python.md, run one after the other as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from styledistill.core.files import read_json
from styledistill.core.images import save_png
from styledistill.core.runtime import use_threads
from styledistill.procedural.draw import draw
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.student.folders import GRAPHS
from styledistill.student.micro_graphs import graphs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Path:
    """A folder with what the page takes for given: weights, a few images, a run with one shard and one ONNX student."""
    use_threads()
    monkeypatch.chdir(tmp_path)
    for name in ("weights", "config.yaml"):
        Path(name).symlink_to(ROOT / name)
    Path("paintings").mkdir()
    images = {
        "photograph": draw("scenes", 1, 64),
        "painting": draw("styles", 2, 96),
        "paintings/a": draw("styles", 3, 64),
    }
    for name, image in images.items():
        save_png(image, f"{name}.png")
    run = Path("results/default")
    (run / "shards" / "train").mkdir(parents=True)
    (run / "students/mse/onnx").mkdir(parents=True)
    square = Path("paintings/a.png").read_bytes()
    write_shard(run / "shards/train/0000.tar", [Pair("train_0000_c00_s00", square, square, square, {}, {})])
    write_manifest(run / "shards/train.json", "train", 1, [run / "shards/train/0000.tar"])
    weights = {name: value.astype(np.float32) for name, value in load_file("weights/micro/student.safetensors").items()}
    made = graphs(weights, read_json("weights/micro/config.json")["network"])
    for name in GRAPHS:
        (run / f"students/mse/onnx/{name}.onnx").write_bytes(made[name]())
    return tmp_path


def test_every_snippet_runs(reader):
    assert len(SNIPPETS) == PAGE.count("```python") == 10
    known: dict[str, object] = {}
    for snippet in SNIPPETS:
        exec(compile(snippet, "docs/python.md", "exec"), known)
    with Image.open("out.png") as image:
        assert image.size == (64, 64)
    assert len(list(Path("stylized").iterdir())) == 1
