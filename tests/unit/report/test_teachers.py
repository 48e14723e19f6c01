"""The sheet of the teacher beside other stylizers, and the script that makes what it shows."""

from __future__ import annotations

import csv
from pathlib import Path

import compare_teachers
import numpy as np
import pandas as pd
from click.testing import CliRunner

from styledistill.config import Metrics, Networks, Teacher
from styledistill.config.as_json import as_json
from styledistill.core.images import load_array, open_rgb, save_png
from styledistill.report.figures import teachers
from styledistill.report.figures.sheets import enlarge

ROOT = Path(__file__).parents[3]
TITLES = {"teacher": "teacher (StyleID)", "other": "other (InST)"}


def test_each_pair_has_its_row_with_the_distances_beneath(trial):
    scores = pd.read_csv(trial / "teachers" / "scores.csv")
    sheet = teachers.teachers_sheet(trial, scores, TITLES)
    grid = teachers.teachers_grid(4, 2)
    shown = {
        (0, 0): "images/golden/c0.png", (0, 1): "images/golden/s0.png", (2, 2): "golden/teacher/c1_s0.png",
        (3, 3): "teachers/other/c1_s1.png",
    }  # fmt: skip
    for (row, column), name in shown.items():
        x, y = grid.corner(0, row, column)
        cell = sheet.image.crop((x, y, x + grid.side, y + grid.side))
        assert cell.tobytes() == enlarge(open_rgb(trial / name), grid.side).tobytes(), name
    texts = [label.text for label in sheet.labels]
    assert texts[:4] == ["content", "style", "teacher (StyleID)", "other (InST)"]
    assert texts[4:6] == ["structure 1.00  style 0.100", "structure 2.00  style 0.200"]
    assert texts[-1] == "structure 3.10  style 0.200"
    left, top = grid.corner(0, 3, 3)
    assert sheet.labels[-1].x == left + grid.side / 2
    assert top + grid.side < sheet.labels[-1].y <= sheet.image.height


def test_means_are_those_of_the_rows(trial):
    found = teachers.means(pd.read_csv(trial / "teachers" / "scores.csv"), TITLES)
    assert found["teacher"].tolist() == list(TITLES.values())
    assert np.allclose(found[["cfsd", "gram_distance"]], [[1.55, 0.1], [2.55, 0.2]])


def test_the_script_stylizes_and_scores(tmp_path: Path):
    """InST on the embedded teacher, a style learned in two steps; the content itself in the teacher's place."""
    random = np.random.default_rng(0)
    golden, stylized = tmp_path / "images" / "golden", tmp_path / "stylized"
    for name in ("c0", "s0", "s1"):
        save_png(random.integers(0, 256, (64, 64, 3), dtype=np.uint8), golden / f"{name}.png")
    for name in ("c0_s0", "c0_s1"):
        save_png(load_array(golden / "c0.png"), stylized / f"{name}.png")
    inst = {"steps": 2, "learning_rate": 0.05}
    asked = {"inst": Teacher(weights=str(ROOT / "weights/tiny_teacher"), method="inst", steps=2, inst=inst)}
    networks = Networks(features="efficientnet_lite0", alexnet="seeded", inception="seeded")
    words = [
        "--teachers", as_json(asked), "--stylized", str(stylized), "--images", str(tmp_path / "images"),
        "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out"), "--golden-contents", "1",
        "--golden-styles", "2", "--settings", as_json(Metrics()), "--networks", as_json(networks), "--device", "cpu",
    ]  # fmt: skip
    done = CliRunner().invoke(compare_teachers.main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert load_array(tmp_path / "out" / "inst" / "c0_s1.png").shape == (64, 64, 3)
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert [(row["model"], row["pair"]) for row in rows] == [
        ("teacher", "c0_s0"), ("teacher", "c0_s1"), ("inst", "c0_s0"), ("inst", "c0_s1"),
    ]  # fmt: skip
    assert float(rows[0]["cfsd"]) < 1e-6 < float(rows[2]["cfsd"])
    assert len(list((tmp_path / "store").glob("*/*/*.safetensors"))) == 2
