"""Charts show the numbers that they were given, mark what they should, and are equal bytes for equal inputs."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from styledistill.core.errors import UserError
from styledistill.core.images import save_png
from styledistill.report.figures import charts
from styledistill.report.figures.distances import distance_measure, golden_distances


def history(epochs: int = 8) -> pd.DataFrame:
    rates = [1e-4] * 3 + [5e-5] * 3 + [2.5e-5] * (epochs - 6)
    losses = [1.0, 0.5, 0.3, 0.29, 0.2, 0.15, 0.16, 0.17]
    return pd.DataFrame({"epoch": range(1, epochs + 1), "rate": rates, "train_loss": losses, "val_loss": losses})


def test_reductions_of_the_rate_are_found_where_they_happen():
    assert charts.rate_reductions(history()) == [(4, 5e-5), (7, 2.5e-5)]


def test_a_rate_that_falls_in_each_epoch_is_no_row_of_reductions():
    falling = history().assign(rate=[1e-4 * (8 - epoch) for epoch in range(8)])
    assert charts.rate_reductions(falling) == []


def test_loss_curves_have_a_panel_per_loss_with_its_numbers():
    figure = charts.loss_curves({"mse": history(), "gram50": history() * 2})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mse", "gram50"]
    drawn = [line.get_ydata() for line in figure.axes[1].get_lines()]
    assert any(len(line) == 8 and np.allclose(line, history()["val_loss"] * 2) for line in drawn)


def test_quality_against_cost_shows_each_model_at_its_numbers():
    metrics = pd.DataFrame({"model": ["teacher", "mse"], "teacher_lpips": [0.0, 0.2]})
    benchmark = pd.DataFrame({"model": ["mse", "teacher"], "seconds": [0.01, 1.0], "megabytes": [5.0, 7.0]})
    left, right = charts.quality_cost(metrics, benchmark, ["teacher", "mse"], "teacher_lpips").axes
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in left.get_lines()}
    assert points == {(1.0, 0.0), (0.01, 0.2)}
    assert {float(line.get_xdata()[0]) for line in right.get_lines()} == {5.0, 7.0}


def test_a_benchmark_without_costs_is_refused():
    metrics, benchmark = pd.DataFrame({"model": ["mse"], "teacher_mse": [1.0]}), pd.DataFrame({"model": ["mse"]})
    with pytest.raises(UserError, match="benchmark"):
        charts.quality_cost(metrics, benchmark, ["mse"], "teacher_mse")


def test_the_rate_is_marked_in_every_panel_at_its_epoch():
    for axes in charts.loss_curves({"mse": history(), "gram50": history()}).axes:
        marked = [
            line.get_xdata()[0]
            for line in axes.get_lines()
            if len(line.get_xdata()) == 2 and line.get_linestyle() == ":"
        ]
        assert marked == [4, 7]
        assert [text.get_text() for text in axes.texts] == ["rate 5e-05", "rate 2.5e-05"]


THREE = {"teacher_lpips": 0.1, "teacher_st_lpips": 0.1, "teacher_mse": 0.2}


@pytest.mark.parametrize(
    ("columns", "measure"),
    [
        ({"teacher_lpips": 0.1, "teacher_mse": 0.2, "seeded": ""}, "teacher_lpips"),
        ({"teacher_lpips": 0.1, "teacher_mse": 0.2, "seeded": "vgg19"}, "teacher_lpips"),
        ({"teacher_st_lpips": 0.1, "teacher_mse": 0.2, "seeded": ""}, "teacher_st_lpips"),  # no LPIPS
        ({"teacher_lpips": 0.1, "teacher_mse": 0.2, "seeded": "alexnet vgg19"}, "teacher_mse"),
        ({"teacher_mse": 0.2, "seeded": ""}, "teacher_mse"),
        ({**THREE, "seeded": ""}, "teacher_lpips"),
        ({**THREE, "seeded": "alexnet"}, "teacher_st_lpips"),
        ({**THREE, "seeded": "vgg16 shift_tolerant_alexnet"}, "teacher_mse"),
    ],
)
def test_figures_go_by_the_first_distance_of_trained_weights(columns, measure):
    assert distance_measure(pd.DataFrame([columns])) == measure


def test_a_table_without_distance_to_the_teacher_is_refused():
    with pytest.raises(UserError, match="teacher"):
        distance_measure(pd.DataFrame({"model": ["mse"]}))


@pytest.fixture
def distances(tmp_path) -> dict[str, pd.DataFrame]:
    """Two models on 11 contents and 2 styles: content + 100 x style, and ten times that."""
    (tmp_path / "metrics").mkdir()
    for model, factor in (("recolor", 1), ("mse", 10)):
        rows = [
            {"set": name, "pair": f"c{c}_s{s}", "teacher_mse": factor * (c + 100 * s + (7 if name == "val" else 0))}
            for name in ("val", "golden")
            for s in range(2)
            for c in range(11)
        ]
        pd.DataFrame(rows).to_csv(tmp_path / "metrics" / f"{model}.csv", index=False)
    for name in (*(f"c{number}" for number in range(11)), "s0", "s1"):
        save_png(np.zeros((8, 8, 3), np.uint8), tmp_path / "images" / "golden" / f"{name}.png")
    return golden_distances(tmp_path, ["recolor", "mse"], "teacher_mse")


def test_golden_distances_have_contents_down_and_styles_across_in_their_order(distances):
    assert list(distances["mse"].index) == [f"c{number}" for number in range(11)]  # c10 last, not after c1
    assert distances["mse"].loc["c10", "s1"] == 1100
    assert distances["recolor"].loc["c3", "s0"] == 3


def test_the_breakdown_shows_means_by_image(distances, tmp_path):
    by_content, by_style = charts.by_image(distances, "teacher_mse", tmp_path / "images" / "golden").axes[:2]

    def marks(axes) -> list[list[float]]:
        return [list(bars.lines[0].get_ydata()) for bars in axes.containers]

    assert marks(by_content) == [[50 + c for c in range(11)], [500 + 10 * c for c in range(11)]]
    assert marks(by_style) == [[5, 105], [50, 1050]]
    spans = by_style.containers[0].lines[2][0].get_segments()
    assert [tuple(span[:, 1]) for span in spans] == [(0, 10), (100, 110)]
    assert len(by_content.artists) == 11  # an image below each place


@pytest.mark.parametrize(("contents", "styles"), [(1, 1), (7, 6), (20, 40)])
def test_the_breakdown_s_images_and_their_names_do_not_overlap(contents, styles, tmp_path):
    names = [f"c{n}" for n in range(contents)], [f"s{n}" for n in range(styles)]
    for name in (*names[0], *names[1]):
        save_png(np.zeros((8, 8, 3), np.uint8), tmp_path / f"{name}.png")
    table = pd.DataFrame(np.ones((contents, styles)), index=names[0], columns=names[1])
    figure = charts.by_image({"mse": table}, "teacher_mse", tmp_path)
    figure.draw_without_rendering()
    for axes in figure.axes:
        for shown in (axes.artists, axes.get_xticklabels()):
            boxes = sorted((artist.get_window_extent().x0, artist.get_window_extent().x1) for artist in shown)
            assert all(right[0] >= left[1] for left, right in pairwise(boxes))


def test_equal_inputs_give_equal_bytes(tmp_path):
    for name in ("first", "second"):
        charts.save_chart(charts.loss_curves({"mse": history()}), tmp_path / name)
    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()
    assert b"CreationDate" not in (tmp_path / "first.pdf").read_bytes()
