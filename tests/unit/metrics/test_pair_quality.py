"""Structure and style of a teacher's pairs, by the trained network that comes with a package."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from styledistill import perceptual
from styledistill.config import Keep, Metrics, Networks
from styledistill.core.images import save_png
from styledistill.metrics.pair_quality import qualities
from styledistill.metrics.score import load_instruments, score_set, style_activations
from styledistill.procedural.draw import draw
from styledistill.splits.pairs import pairs_of

CPU = torch.device("cpu")
NETWORKS = Networks(features="efficientnet_lite0", alexnet="seeded", inception="seeded")


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """Two contents and a style; one pair is the content itself, one the style itself."""
    folder = tmp_path_factory.mktemp("block")
    images = {"c00": draw("scenes", 1, 64), "c01": draw("scenes", 2, 64), "s00": draw("styles", 3, 64)}
    for name, image in images.items():
        save_png(np.asarray(image), folder / f"{name}.png")
    for name, image in (("c00_s00", images["c00"]), ("c01_s00", images["s00"])):
        save_png(np.asarray(image), folder / "teacher" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def found(block):
    pairs = pairs_of(block, ["c00_s00", "c01_s00"])
    return qualities(pairs, block / "teacher", perceptual.features(NETWORKS), CPU)


def test_the_content_itself_keeps_its_structure_and_the_style_itself_its_style(found):
    content, style = found
    assert content.structure == 0 < style.structure
    assert style.style == 0 < content.style


def test_they_are_the_measures_of_the_score_tables(block, found):
    pairs = pairs_of(block, ["c00_s00", "c01_s00"])
    instruments = load_instruments(Metrics(), NETWORKS, CPU)
    rows = score_set(pairs, block / "teacher", None, style_activations(pairs, instruments, 2), instruments, 2).rows
    for row, quality in zip(rows, found, strict=True):
        assert (row["cfsd_mean"], row["gram_distance"]) == pytest.approx(quality[1:], rel=1e-4, abs=1e-6)


def test_a_pair_beyond_a_limit_and_one_of_no_number_may_not_teach():
    keep = Keep(structure_max=0.5)
    assert keep.fault(0.5, 99.0) == ""
    assert keep.fault(0.51, 0.0) == "structure 0.51 is over 0.5"
    assert keep.fault(0.1, float("nan")) == "style is no number"
