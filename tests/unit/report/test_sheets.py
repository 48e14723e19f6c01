"""Sheets show the right image in the right cell, fit the page, and are equal bytes for equal inputs."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from styledistill.core.errors import UserError
from styledistill.core.files import write_json
from styledistill.core.images import save_png
from styledistill.report.figures import charts, sheets
from styledistill.report.figures.distances import Extremes, Judged, extremes
from styledistill.splits.pairs import Pair

SIDE = 32
MODELS = ["teacher", "pretrained", "mse"]


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    for number in range(2):
        save_png(image(number), tmp_path / "images" / "golden" / f"c{number}.png")
    for number in range(3):
        save_png(image(10 + number), tmp_path / "images" / "golden" / f"s{number}.png")
    for index, model in enumerate(MODELS):
        for content in range(2):
            for style in range(3):
                seed = 100 * (index + 1) + 10 * content + style
                save_png(image(seed), tmp_path / "golden" / model / f"c{content}_s{style}.png")
    return tmp_path


def cell(sheet: Image.Image, grid: sheets.Grid, *where: int) -> np.ndarray:
    x, y = grid.corner(*where)
    return np.asarray(sheet.crop((x, y, x + grid.side, y + grid.side)))


def enlarged(seed: int, side: int) -> np.ndarray:
    return np.asarray(sheets.enlarge(Image.fromarray(image(seed)), side))


def test_every_image_stands_in_its_cell_of_the_golden_sheet(golden):
    grid = sheets.golden_grid(2, 3, len(MODELS))
    sheets.save_sheet(sheets.golden_sheet(golden, 2, 3, MODELS), golden / "sheet")
    sheet = Image.open(golden / "sheet.png")
    assert sheet.size == grid.size
    for style in range(3):
        panel, band = divmod(style, grid.rows // 2)
        for content in range(2):
            seeds = [content, 10 + style, *(100 * (index + 1) + 10 * content + style for index in range(3))]
            for column, seed in enumerate(seeds):
                shown = cell(sheet, grid, panel, 2 * band + content, column)
                assert np.array_equal(shown, enlarged(seed, grid.side))


@pytest.mark.parametrize(("contents", "styles", "models"), [(2, 2, 4), (3, 6, 6), (7, 6, 5), (1, 1, 1), (20, 40, 5)])
def test_a_golden_sheet_fits_the_page(contents, styles, models):
    grid = sheets.golden_grid(contents, styles, models)
    width, height = (pixels / charts.DPI * 25.4 for pixels in grid.size)
    assert width <= sheets.PAGE_MM[0] and height <= sheets.PAGE_MM[1]
    assert grid.panels * grid.rows >= contents * styles


def test_forty_two_pairs_are_larger_in_two_panels_than_in_one():
    grid = sheets.golden_grid(7, 6, 5)
    assert grid.panels == 2
    assert grid.side / charts.DPI * 25.4 > 11  # millimeters


def test_cells_of_a_grid_do_not_overlap():
    grid = sheets.golden_grid(3, 5, 2)
    canvas = np.zeros(grid.size[::-1], int)
    for panel in range(grid.panels):
        for row in range(grid.rows):
            for column in range(grid.columns):
                x, y = grid.corner(panel, row, column)
                canvas[y : y + grid.side, x : x + grid.side] += 1
    assert canvas.max() == 1
    assert canvas[: grid.header].max() == 0


def test_a_missing_image_is_named(golden):
    (golden / "golden" / "mse" / "c1_s2.png").unlink()
    with pytest.raises(UserError, match=r"mse/c1_s2\.png"):
        sheets.golden_sheet(golden, 2, 3, MODELS)


def test_samples_show_contents_down_and_styles_across(tmp_path):
    names = [f"c{number:02d}" for number in range(3)], [f"s{number:02d}" for number in range(2)]
    table = pd.DataFrame(
        [{"name": name, "role": role} for role, some in zip(("content", "style"), names, strict=True) for name in some]
    )
    (tmp_path / "blocks" / "train").mkdir(parents=True)
    table.to_csv(tmp_path / "blocks" / "train" / "0000.csv", index=False)
    for number, name in enumerate([*names[0], *names[1]]):
        save_png(image(number), tmp_path / "images" / "train" / "0000" / f"{name}.png")
    for c, content in enumerate(names[0]):
        for s, style in enumerate(names[1]):
            save_png(image(50 + 10 * c + s), tmp_path / "teacher" / "train" / "0000" / f"{content}_{style}.png")
    sheet, grid = sheets.dataset_samples(tmp_path), sheets.samples_grid(3, 2)
    assert np.array_equal(cell(sheet.image, grid, 0, 2, 0), enlarged(1, grid.side))  # content c01
    assert np.array_equal(cell(sheet.image, grid, 0, 0, 2), enlarged(4, grid.side))  # style s01
    assert np.array_equal(cell(sheet.image, grid, 0, 2, 2), enlarged(61, grid.side))  # c01 in the style of s01


def test_the_sheet_in_the_pdf_is_the_sheet_at_its_printed_size(golden):
    sheet = sheets.golden_sheet(golden, 2, 3, MODELS)
    pdf = sheets.sheet_pdf(sheet)
    start, length = pdf.index(b"/DCTDecode"), int(re.search(rb"/DCTDecode /Length (\d+)", pdf)[1])
    begin = pdf.index(b"stream\n", start) + len(b"stream\n")
    inside = Image.open(io.BytesIO(pdf[begin : begin + length]))
    assert inside.size == sheet.image.size
    assert np.abs(np.asarray(inside, float) - np.asarray(sheet.image, float)).mean() < 8
    box = [float(number) for number in re.search(rb"MediaBox \[([^\]]*)\]", pdf)[1].split()]
    assert box[2:] == pytest.approx([pixels * 72 / charts.DPI for pixels in sheet.image.size], abs=0.01)
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", pdf), 1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj" % number)


def test_extreme_pairs_stand_with_their_images_closest_left_and_farthest_right(tmp_path):
    found = {}
    for m, model in enumerate(("mse", "gram50")):
        judged = []
        for number in range(4):
            files = [tmp_path / f"{role}{number}.png" for role in ("content", "style")]
            name = f"0000_c00_s0{number}"
            made = [tmp_path / "validation" / maker / f"{name}.png" for maker in ("teacher", model)]
            for column, path in enumerate([*files, *made]):
                save_png(image(10 * number + column + (100 * m if column == 3 else 0)), path)
            judged.append(Judged(Pair("val", name, "0000_c00", f"0000_s0{number}", *files), 0.1 * number))
        found[model] = Extremes(judged[:2], judged[:1:-1])
    sheet, grid = sheets.extreme_pairs(tmp_path, found, "teacher_mse"), sheets.extremes_grid(2, 2)
    for panel, numbers in enumerate(([0, 1], [3, 2])):
        for row in range(4):
            for column in range(4):
                seed = 10 * numbers[row % 2] + column + (100 * (row // 2) if column == 3 else 0)
                assert np.array_equal(cell(sheet.image, grid, panel, row, column), enlarged(seed, grid.side))
    captions = [label for label in sheet.labels if label.text == "gram50  0.300"]
    assert len(captions) == 1
    x, y = grid.corner(1, 2, 3)
    assert captions[0].x == x + grid.side / 2 and y + grid.side < captions[0].y < y + grid.side + grid.caption


def test_extremes_come_from_both_ends_and_never_meet(tmp_path):
    names = [f"0000_c00_s0{number}" for number in range(5)]
    write_json(tmp_path / "shards" / "val.json", {"shards": [{"pairs": [f"val_{name}" for name in names]}]})
    rows = [
        {"set": "val", "pair": name, "teacher_mse": value} for name, value in zip(names, (3, 1, 5, 2, 4), strict=True)
    ]
    rows.append({"set": "golden", "pair": "c0_s0", "teacher_mse": 0})
    (tmp_path / "metrics").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "metrics" / "mse.csv", index=False)
    found = extremes(tmp_path, "mse", "teacher_mse", most=3)
    assert [one.distance for one in found.closest] == [1, 2]
    assert [one.distance for one in found.farthest] == [5, 4]
    assert found.closest[0].pair.style_file == tmp_path / "images" / "val" / "0000" / "s01.png"


def test_equal_inputs_give_equal_bytes(golden):
    for name in ("first", "second"):
        sheets.save_sheet(sheets.golden_sheet(golden, 2, 3, MODELS), golden / name)
    for suffix in (".png", ".pdf"):
        assert (golden / f"first{suffix}").read_bytes() == (golden / f"second{suffix}").read_bytes()
