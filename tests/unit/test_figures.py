"""Figures show the right picture in the right cell, mark what they should, and are equal bytes for equal inputs."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from styledistill.core.errors import UserError
from styledistill.core.images import save_png
from styledistill.report import figures

SIDE = 32
MODELS = ["teacher", "pretrained", "mse"]


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    for number in range(2):
        save_png(picture(number), tmp_path / "images" / "golden" / f"c{number}.png")
    for number in range(3):
        save_png(picture(10 + number), tmp_path / "images" / "golden" / f"s{number}.png")
    for index, model in enumerate(MODELS):
        for content in range(2):
            for style in range(3):
                seed = 100 * (index + 1) + 10 * content + style
                save_png(picture(seed), tmp_path / "golden" / model / f"c{content}_s{style}.png")
    return tmp_path


def cell(sheet: Image.Image, grid: figures.Grid, *where: int) -> np.ndarray:
    x, y = grid.corner(*where)
    return np.asarray(sheet.crop((x, y, x + grid.side, y + grid.side)))


def enlarged(seed: int, side: int) -> np.ndarray:
    return np.asarray(figures.enlarge(Image.fromarray(picture(seed)), side))


def test_every_picture_stands_in_its_cell_of_the_golden_sheet(golden):
    grid = figures.golden_grid(2, 3, len(MODELS))
    figures.save_sheet(figures.golden_sheet(golden, 2, 3, MODELS), golden / "sheet")
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
    grid = figures.golden_grid(contents, styles, models)
    width, height = (pixels / figures.DPI * 25.4 for pixels in grid.size)
    assert width <= figures.PAGE_MM[0] and height <= figures.PAGE_MM[1]
    assert grid.panels * grid.rows >= contents * styles


def test_forty_two_pairs_are_larger_in_two_panels_than_in_one():
    grid = figures.golden_grid(7, 6, 5)
    assert grid.panels == 2
    assert grid.side / figures.DPI * 25.4 > 11  # millimetres


def test_cells_of_a_grid_do_not_overlap():
    grid = figures.golden_grid(3, 5, 2)
    canvas = np.zeros(grid.size[::-1], int)
    for panel in range(grid.panels):
        for row in range(grid.rows):
            for column in range(grid.columns):
                x, y = grid.corner(panel, row, column)
                canvas[y : y + grid.side, x : x + grid.side] += 1
    assert canvas.max() == 1
    assert canvas[: grid.header].max() == 0


def test_a_missing_picture_is_named(golden):
    (golden / "golden" / "mse" / "c1_s2.png").unlink()
    with pytest.raises(UserError, match=r"mse/c1_s2\.png"):
        figures.golden_sheet(golden, 2, 3, MODELS)


def test_samples_show_contents_down_and_styles_across(tmp_path):
    names = [f"c{number:02d}" for number in range(3)], [f"s{number:02d}" for number in range(2)]
    table = pd.DataFrame(
        [{"name": name, "role": role} for role, some in zip(("content", "style"), names, strict=True) for name in some]
    )
    (tmp_path / "blocks" / "train").mkdir(parents=True)
    table.to_csv(tmp_path / "blocks" / "train" / "0000.csv", index=False)
    for number, name in enumerate([*names[0], *names[1]]):
        save_png(picture(number), tmp_path / "images" / "train" / "0000" / f"{name}.png")
    for c, content in enumerate(names[0]):
        for s, style in enumerate(names[1]):
            save_png(picture(50 + 10 * c + s), tmp_path / "teacher" / "train" / "0000" / f"{content}_{style}.png")
    sheet, grid = figures.dataset_samples(tmp_path), figures.samples_grid(3, 2)
    assert np.array_equal(cell(sheet.picture, grid, 0, 2, 0), enlarged(1, grid.side))  # content c01
    assert np.array_equal(cell(sheet.picture, grid, 0, 0, 2), enlarged(4, grid.side))  # style s01
    assert np.array_equal(cell(sheet.picture, grid, 0, 2, 2), enlarged(61, grid.side))  # c01 in the style of s01


def test_the_sheet_in_the_pdf_is_the_sheet_at_its_printed_size(golden):
    sheet = figures.golden_sheet(golden, 2, 3, MODELS)
    pdf = figures.sheet_pdf(sheet)
    start, length = pdf.index(b"/DCTDecode"), int(re.search(rb"/DCTDecode /Length (\d+)", pdf)[1])
    begin = pdf.index(b"stream\n", start) + len(b"stream\n")
    inside = Image.open(io.BytesIO(pdf[begin : begin + length]))
    assert inside.size == sheet.picture.size
    assert np.abs(np.asarray(inside, float) - np.asarray(sheet.picture, float)).mean() < 8
    box = [float(number) for number in re.search(rb"MediaBox \[([^\]]*)\]", pdf)[1].split()]
    assert box[2:] == pytest.approx([pixels * 72 / figures.DPI for pixels in sheet.picture.size], abs=0.01)
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", pdf), 1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj" % number)


def history(epochs: int = 8) -> pd.DataFrame:
    rates = [1e-4] * 3 + [5e-5] * 3 + [2.5e-5] * (epochs - 6)
    losses = [1.0, 0.5, 0.3, 0.29, 0.2, 0.15, 0.16, 0.17]
    return pd.DataFrame(
        {"epoch": range(1, epochs + 1), "learning_rate": rates, "train_loss": losses, "val_loss": losses}
    )


def test_reductions_of_the_rate_are_found_where_they_happen():
    assert figures.rate_reductions(history()) == [(4, 5e-5), (7, 2.5e-5)]
    assert figures.rate_reductions(history().drop(columns="learning_rate")) == []


def test_loss_curves_have_a_panel_per_loss_with_its_numbers():
    figure = figures.loss_curves({"mse": history(), "gram50": history() * 2})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mse", "gram50"]
    drawn = [line.get_ydata() for line in figure.axes[1].get_lines()]
    assert any(len(line) == 8 and np.allclose(line, history()["val_loss"] * 2) for line in drawn)


def test_quality_against_cost_shows_each_model_at_its_numbers():
    metrics = pd.DataFrame({"model": ["teacher", "mse"], "teacher_lpips": [0.0, 0.2]})
    benchmark = pd.DataFrame({"model": ["mse", "teacher"], "seconds": [0.01, 1.0], "megabytes": [5.0, 7.0]})
    left, right = figures.quality_cost(metrics, benchmark, ["teacher", "mse"]).axes
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in left.get_lines()}
    assert points == {(1.0, 0.0), (0.01, 0.2)}
    assert {float(line.get_xdata()[0]) for line in right.get_lines()} == {5.0, 7.0}


def test_a_table_without_distance_to_the_teacher_is_refused():
    with pytest.raises(UserError, match="teacher"):
        figures.quality_cost(
            pd.DataFrame({"model": ["mse"]}), pd.DataFrame({"model": ["mse"], "seconds": [1]}), ["mse"]
        )


def test_equal_inputs_give_equal_bytes(golden):
    for name in ("first", "second"):
        figures.save_sheet(figures.golden_sheet(golden, 2, 3, MODELS), golden / name)
        figures.save_chart(figures.loss_curves({"mse": history()}), golden / f"{name}_chart")
    for one, other in (("first", "second"), ("first_chart", "second_chart")):
        for suffix in (".png", ".pdf"):
            assert (golden / f"{one}{suffix}").read_bytes() == (golden / f"{other}{suffix}").read_bytes()
    for name in ("first", "first_chart"):
        assert b"CreationDate" not in (golden / f"{name}.pdf").read_bytes()
