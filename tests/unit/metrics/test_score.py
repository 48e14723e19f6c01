"""A set of images and its scores: rows, summaries, networks that are left out, and what is seen only once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from smooth import images

from styledistill.config import Metrics, Networks
from styledistill.core.files import write_json
from styledistill.core.images import save_png
from styledistill.core.tensors import to_uint8
from styledistill.metrics.score import (
    COLUMNS,
    MEASURES,
    load_instruments,
    read_activations,
    score_set,
    style_activations,
    write_activations,
    write_scores,
)
from styledistill.splits.pairs import Pair, golden_pairs, validation_pairs

SRC = Path(__file__).parents[3] / "src"
SEEDED = Networks(**dict.fromkeys(("vgg19", "vgg16", "alexnet", "inception", "art_inception"), "seeded"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Crops of 2 golden contents and 2 golden styles, the teacher's images (noisy mixtures) beside them."""
    folder = tmp_path_factory.mktemp("run")
    crops = to_uint8(images(4))
    for name, crop in zip(("c0", "c1", "s0", "s1"), crops, strict=True):
        save_png(crop, folder / f"images/golden/{name}.png")
    for index, (c, s) in enumerate((c, s) for c in range(2) for s in range(2)):
        mixed = (images(4)[c] + images(4)[2 + s]) / 2 + 0.02 * images(1, seed=10 + index)[0]
        save_png(to_uint8(mixed[None])[0], folder / f"teacher/c{c}_s{s}.png")
        save_png(crops[c], folder / f"content/c{c}_s{s}.png")
        save_png(crops[2 + s], folder / f"style/c{c}_s{s}.png")
    return folder


@pytest.fixture(scope="module")
def instruments():
    return load_instruments(Metrics(), SEEDED, torch.device("cpu"))


def test_a_gpu_measures_with_all_bits_of_float32(instruments):
    """PyTorch's own default lets convolutions there round to ten bits."""
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.fixture(scope="module")
def styles(run, instruments):
    return style_activations(golden_pairs(run / "images", 2, 2), instruments, 16)


def scored(run, instruments, styles, model, batch=16):
    return score_set(golden_pairs(run / "images", 2, 2), run / model, run / "teacher", styles, instruments, batch)


@pytest.fixture(scope="module")
def scores(run, instruments, styles):
    return {model: scored(run, instruments, styles, model) for model in ("content", "style", "teacher")}


def column(scores, name):
    return [row[name] for row in scores.rows]


def test_rows_stand_in_the_order_of_the_pairs(scores):
    assert column(scores["teacher"], "pair") == ["c0_s0", "c0_s1", "c1_s0", "c1_s1"]
    assert set(scores["teacher"].rows[0]) == set(COLUMNS)


def test_the_content_control_has_no_distance_to_the_content(scores):
    for name in ("lpips", "st_lpips", "cfsd", "cfsd_mean"):
        assert max(column(scores["content"], name)) < 1e-5 * min(column(scores["style"], name))


def test_the_style_control_has_no_distance_to_the_style(scores):
    for name in ("gram_distance", "color_distance"):
        assert column(scores["style"], name) == pytest.approx([0] * 4, abs=1e-5)
        assert min(column(scores["content"], name)) > 1e-3
    for name in ("fid", "fid_64", "kid"):
        assert scores["style"].summary[name] == pytest.approx(0, abs=1e-6)
        assert abs(scores["content"].summary[name]) > 1e-3


def test_the_teacher_has_no_distance_to_itself(scores):
    assert column(scores["teacher"], "teacher_mse") == [0] * 4
    assert column(scores["teacher"], "teacher_lpips") == [0] * 4
    assert column(scores["teacher"], "teacher_st_lpips") == [0] * 4
    assert min(column(scores["content"], "teacher_st_lpips")) > 1e-3
    assert column(scores["teacher"], "teacher_ssim") == [1] * 4
    assert min(column(scores["content"], "teacher_mse")) > 1e-4


def test_cfsd_mean_is_cfsd_per_patch(scores):
    row = scores["style"].rows[0]
    assert row["cfsd_mean"] * 16 * 16 == pytest.approx(row["cfsd"])


def test_artfid_joins_the_means_of_the_set(scores):
    facts = scores["teacher"].summary
    assert facts["pairs"] == 4
    assert facts["artfid"] == pytest.approx((1 + np.mean(column(scores["teacher"], "lpips"))) * (1 + facts["fid"]))


def test_the_batch_size_does_not_change_scores(run, instruments, styles, scores):
    single = scored(run, instruments, styles, "teacher", batch=1)
    for name in set(MEASURES) - {"teacher_psnr"}:
        assert column(single, name) == pytest.approx(column(scores["teacher"], name), rel=1e-4, abs=1e-7)


def test_rows_and_summary_name_the_networks_and_that_they_are_seeded(tmp_path, scores, instruments):
    import json

    import pandas as pd

    write_scores("teacher", {"golden": scores["teacher"]}, instruments, tmp_path / "t.csv", tmp_path / "t.json")
    rows, facts = pd.read_csv(tmp_path / "t.csv"), json.loads((tmp_path / "t.json").read_text())
    assert tuple(rows.columns) == COLUMNS
    named = "alexnet seeded-1 (random); shift_tolerant_alexnet bapps alex_shift_tolerant; vgg19 seeded-1 (random)"
    assert set(rows["networks"]) == {named}
    assert facts["seeded"] == ["alexnet", "vgg19", "inception"]
    assert facts["sets"]["golden"]["fid"] > 0


LEFT_OUT = {
    ("none", "none"): ({"lpips", "teacher_lpips"}, {"lpips", "fid", "fid_64", "artfid", "kid", "kid_low", "kid_high"}),
    ("none", "inception"): ({"lpips", "teacher_lpips"}, {"lpips", "artfid"}),
    ("alexnet", "none"): (set(), {"fid", "fid_64", "artfid", "kid", "kid_low", "kid_high"}),
}


@pytest.mark.parametrize(("lpips", "fid"), LEFT_OUT)
def test_without_a_network_its_measures_are_left_out_and_the_others_stay(tmp_path, run, styles, scores, lpips, fid):
    import json

    import pandas as pd

    without = load_instruments(Metrics(lpips=lpips, fid=fid), SEEDED, torch.device("cpu"))
    assert (without.lpips is None, without.inception is None) == (lpips == "none", fid == "none")
    assert set(without.labels) == {"vgg19", "shift_tolerant_alexnet", lpips, fid} - {"none"}
    seen = style_activations(golden_pairs(run / "images", 2, 2), without, 16)
    assert seen.keys() == (set() if fid == "none" else styles.keys())
    found, whole = scored(run, without, seen, "content"), scores["content"]
    of_pairs, of_set = LEFT_OUT[lpips, fid]
    assert set(whole.rows[0]) - set(found.rows[0]) == of_pairs and set(whole.summary) - set(found.summary) == of_set
    # To the last bit.
    for mine, theirs in zip(found.rows, whole.rows, strict=True):
        assert mine | {"networks": ""} == {name: theirs[name] for name in mine} | {"networks": ""}
    assert found.summary == {name: whole.summary[name] for name in found.summary}
    write_scores("content", {"golden": found}, without, tmp_path / "t.csv", tmp_path / "t.json")
    rows, facts = pd.read_csv(tmp_path / "t.csv"), json.loads((tmp_path / "t.json").read_text())
    assert tuple(rows.columns) == tuple(name for name in COLUMNS if name not in of_pairs)
    named = ["shift_tolerant_alexnet bapps alex_shift_tolerant", "vgg19 seeded-1 (random)"]
    assert set(rows["networks"]) == {"; ".join(["alexnet seeded-1 (random)"] * (lpips != "none") + named)}
    assert facts["sets"]["golden"].keys() == found.summary.keys()
    assert facts["seeded"] == [name for name in (lpips, "vgg19", fid) if name != "none"]


def test_without_lpips_and_fid_their_packages_are_not_imported():
    code = (
        "import sys, torch; from styledistill.config import Metrics, Networks;"
        "from styledistill.metrics.score import load_instruments;"
        "load_instruments(Metrics(lpips='none', fid='none'), Networks(features='efficientnet_lite0'),"
        " torch.device('cpu'));"
        "print(sorted({'lpips', 'pytorch_fid', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SRC, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_image_is_named(run, instruments, styles):
    from styledistill.core.errors import UserError

    with pytest.raises(UserError, match=r"c0_s0\.png"):
        scored(run, instruments, styles, "nothing")


def test_styles_are_seen_by_inception_once_for_all_models(tmp_path, run, instruments, styles):
    seen = []
    handle = instruments.inception.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        style_activations(golden_pairs(run / "images", 2, 2), instruments, 16)
        assert seen == [2]
        seen.clear()
        scored(run, instruments, styles, "teacher")
        assert sum(seen) == 4  # the stylized images alone
        seen.clear()
        scored(run, instruments, styles, "content")
        assert sum(seen) == 2  # each content is the image of two pairs
    finally:
        handle.remove()
    write_activations(tmp_path / "styles.npz", styles, run / "images")
    again = read_activations(tmp_path / "styles.npz", run / "images")
    assert again.keys() == styles.keys()
    assert all(np.array_equal(again[file], styles[file]) for file in styles)


def test_without_the_teachers_images_distances_to_it_are_missing(tmp_path, run, instruments, styles):
    import pandas as pd

    pairs = golden_pairs(run / "images", 2, 2)
    alone = score_set(pairs, run / "style", None, styles, instruments, 16)
    write_scores("style", {"golden": alone}, instruments, tmp_path / "t.csv", tmp_path / "t.json")
    rows = pd.read_csv(tmp_path / "t.csv")
    for name in ("teacher_ssim", "teacher_mse", "teacher_st_lpips"):
        assert rows[name].isna().all()
    assert rows["lpips"].notna().all() and rows["st_lpips"].notna().all()


def test_validation_pairs_follow_the_manifest(tmp_path):
    shards = [{"file": "val/0001.tar", "pairs": ["val_0001_c03_s05"]}, {"file": "x", "pairs": ["val_0000_c00_s00"]}]
    write_json(tmp_path / "val.json", {"shards": shards})
    first, second = validation_pairs(Path("images"), tmp_path / "val.json")
    assert first == Pair(
        "val",
        "0001_c03_s05",
        "0001_c03",
        "0001_s05",
        Path("images/val/0001/c03.png"),
        Path("images/val/0001/s05.png"),
    )
    assert second.name == "0000_c00_s00"


def test_a_key_that_is_none_is_named(tmp_path):
    from styledistill.core.errors import UserError

    write_json(tmp_path / "val.json", {"shards": [{"pairs": ["val-1"]}]})
    with pytest.raises(UserError, match="val-1"):
        validation_pairs(Path("images"), tmp_path / "val.json")
