"""What the page is made of: warnings, the glance, images within their budget, numbers and durations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from styledistill import config as configuration
from styledistill.core.images import save_png
from styledistill.core.provenance import duration, read_records, stage_costs
from styledistill.report.page import page
from styledistill.report.page.data_uri import inline_images
from styledistill.report.page.warnings import cautions
from styledistill.report.tables.model import measured


def test_warnings_name_what_they_warn_of(trial_config, trial):
    said = page.page_context(trial, trial_config)["cautions"]
    assert [one.section for one in said] == ["metrics", "metrics", "differences", "losses"]
    assert "vgg19, alexnet and inception" in said[0].text
    assert "golden has 4 pairs" in said[1].text and "val" not in said[1].text
    assert "golden has 2 contents and 2 styles and val has 2" in said[2].text
    # Not mse, whose only term holds all of the gradient.
    assert "gram50" in said[3].text and "2.0 %" in said[3].text


def test_no_warning_where_all_is_well(trial_config):
    fine = configuration.validate(trial_config.model_dump() | {"networks": {}})
    pairs = pd.DataFrame({"set": "golden", "content": range(5), "style": range(5)})
    shares = pd.DataFrame({"share_pixel": [0.05, 0.5], "share_gram": [0.95, 0.5]})
    records = [{"versions": {"torch": "2.15.0"}}] * 2
    assert cautions(fine, [], pairs, {"gram50": shares}, records) == []
    records[1] = {"versions": {"torch": "2.16.0"}}
    (mixed,) = cautions(fine, [], pairs, {"gram50": shares}, records)
    assert mixed.section == "configuration" and "torch: 2.15.0 and 2.16.0" in mixed.text


def test_a_glance_compares_with_pretrained_and_with_the_teacher():
    metrics = pd.DataFrame(
        {
            "model": ["recolor", "teacher", "pretrained", "mse"],
            "teacher_mse": [0.02, 0.0, 0.05, 0.01],
            "laplacian_energy": [1.0, 2.0, 1.0, 1.5],
        }
    )
    costs = pd.DataFrame({"model": ["teacher", "mse"], "seconds": [2.0, 0.01], "megabytes": [7.0, 4.0]})
    (seen,) = page.glance(metrics, costs, ["mse"])
    assert (seen.of_pretrained, seen.of_recolor, seen.sharpness) == pytest.approx((0.2, 0.5, 0.75))
    assert (seen.faster, seen.megabytes) == pytest.approx((200, 4))
    assert page.glance(metrics, costs.iloc[:1], ["mse"])[0].faster is None


@pytest.fixture
def noise(tmp_path) -> dict[str, Path]:
    """Two files of 32 x 32 pixels of noise, some 3,000 bytes each as PNG."""
    files = {name: tmp_path / f"{name}.png" for name in ("a", "b")}
    for name, path in files.items():
        save_png(np.random.default_rng(ord(name)).integers(0, 256, (32, 32, 3), dtype=np.uint8), path)
    return files


def test_images_are_lossless_while_they_fit_and_smaller_when_not(noise):
    lossless, words = inline_images(noise, 100_000)
    assert lossless["a"].startswith("data:image/png") and "PNG" in words
    smaller, words = inline_images(noise, 4_000)
    assert smaller["a"].startswith("data:image/webp") and "quality 90" in words
    assert sum(map(len, smaller.values())) <= 4_000 < sum(map(len, lossless.values()))
    assert "at most 128 pixels" in inline_images(noise, 10)[1]  # the smallest there is


def test_a_large_golden_set_is_shown_in_part_and_said_so(trial, trial_config, monkeypatch):
    monkeypatch.setattr(page, "_MOST_GOLDEN", 1)
    context = page.page_context(trial, trial_config)
    assert (context["contents"], context["styles"]) == (["c0"], ["s0"])
    assert "1 of 2 contents and 1 of 2 styles" in context["golden_words"]
    assert "mse/c0_s0" in context["images"] and "mse/c1_s0" not in context["images"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("", "–"), ("nan", "–"), ("inf", "∞"), (0, "0"), ("0.012345", "0.0123"), (4.6, "4.60"), (1234567, "1,234,567"),
     (1e-9, "1.0e-09"), (-2.5, "−2.50"), (0.09999999, "0.100"), (9.999, "10.0")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert page.number(value) == text


def test_counts_are_whole_numbers_with_thousands_apart():
    assert [measured(count, digits=0).text for count in (30, 7800, -7800)] == ["30", "7,800", "−7,800"]


def test_stages_add_up(trial):
    (cost,) = stage_costs([record for record in read_records(trial) if record["stage"] == "teach"])
    assert (cost.jobs, cost.seconds, cost.slowest, cost.peak_memory_mb) == (2, 61.0, 31.0, 501.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.24, "4.2 s"), (59.98, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text
