"""`python src/score.py` on folders that no workflow made."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import score_variants
import scoring
from click.testing import CliRunner

import score
from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.images import save_png
from styledistill.core.tensors import load_images
from styledistill.metrics.score_folders import find_pairs


def image(seed, size=(64, 64)):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((size[0] // 4, size[1] // 4, 1), dtype=np.uint8))


@pytest.fixture
def folders(tmp_path):
    """Two contents, two styles, and stylized images that are the contents themselves, named as StyleID names them."""
    for index in range(2):
        save_png(image(index), tmp_path / f"cnt/0{index}.png")
        save_png(image(10 + index), tmp_path / f"sty/0{index}.png")
        for style in range(2):
            save_png(image(index), tmp_path / f"out/0{index}_stylized_0{style}.png")
    return tmp_path


def run(folders, *arguments):
    places = [f"--{name}={folders / folder}" for name, folder in (("stylized", "out"), ("content", "cnt"))]
    done = CliRunner().invoke(score.main, [*places, f"--style={folders / 'sty'}", "--seeded", *arguments])
    return done.exit_code, done.output


def test_names_of_the_authors_and_of_this_program_are_read(folders):
    save_png(image(0), folders / "out/00_01.png")
    found = [
        (pair.name, pair.content, pair.style) for pair in find_pairs(*(folders / f for f in ("out", "cnt", "sty")))
    ]
    assert found[0] == ("00_01", "00", "01")
    assert found[1:] == [(f"0{c}_stylized_0{s}", f"0{c}", f"0{s}") for c in range(2) for s in range(2)]


def test_names_with_underscores_find_their_images(tmp_path):
    for name in ("cnt/a_b", "sty/c_d", "out/a_b_c_d"):
        save_png(image(1), tmp_path / f"{name}.png")
    (pair,) = find_pairs(*(tmp_path / folder for folder in ("out", "cnt", "sty")))
    assert (pair.content, pair.style) == ("a_b", "c_d")


def test_scores_are_printed_and_written(folders):
    code, said = run(folders, f"--out={folders / 'scores.csv'}", f"--teacher={folders / 'out'}")
    assert code == 0, said
    rows = pd.read_csv(folders / "scores.csv")
    assert list(rows["pair"]) == [f"0{c}_stylized_0{s}" for c in range(2) for s in range(2)]
    assert rows["lpips"].max() == 0 and rows["teacher_ssim"].min() == 1  # the contents, compared with themselves
    assert rows["gram_distance"].min() > 1e-3
    printed = dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
    assert float(printed["fid"]) > 0 and float(printed["artfid"]) == pytest.approx(1 + float(printed["fid"]), rel=1e-3)
    assert "seeded-1 (random)" in said


def test_without_downloads_the_networks_of_packages_give_the_other_scores(folders, monkeypatch):
    """With the options that docs/scores.md names; without them the line says what to run, and no word of `seeded`."""
    monkeypatch.chdir(folders)
    places = ["--stylized=out", "--content=cnt", "--style=sty", "--lpips=none", "--fid=none"]
    done = CliRunner().invoke(score.main, [*places, "--features=efficientnet_lite0", "--out=scores.csv"])
    assert done.exit_code == 0, done.output
    assert "efficientnet_lite0 imagenet" in done.output and "vgg19" not in done.output
    assert pd.read_csv("scores.csv")[["cfsd", "gram_distance", "st_lpips"]].notna().all(axis=None)
    done = CliRunner().invoke(score.main, places)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "python src/weights.py vgg19" in done.output and "seeded" not in done.output


def test_images_of_several_sizes_are_refused_or_cut_to_one(folders):
    save_png(image(0, (64, 96)), folders / "cnt/00.png")
    code, said = run(folders)
    assert code == 1 and "00.png: 96 x 64 pixels" in said.replace(str(folders), "") and "--size" in said
    code, said = run(folders, "--size=48")
    assert code == 0, said
    code, said = run(folders, "--size=64", "--fid=art_inception")
    assert code == 1 and "at least 75" in said


def test_the_other_pairs_are_scored_where_an_image_is_bad(folders):
    code, whole = run(folders, f"--out={folders / 'whole.csv'}", f"--teacher={folders / 'out'}")
    assert code == 0, whole
    (folders / "cnt/00.png").write_bytes(b"no image")
    (folders / "out/01_stylized_00.png").write_bytes((folders / "cnt/01.png").read_bytes()[:50])
    code, said = run(folders, f"--out={folders / 'some.csv'}", f"--teacher={folders / 'out'}")
    assert code == 1 and "Traceback" not in said
    *_, last = said.splitlines()
    assert last.startswith("error: 3 of 4 pairs are not in these scores")
    assert all(name in last for name in ("00_stylized_00", "00_stylized_01", "01_stylized_00"))
    assert said.count("left out: ") == 2  # each once, though two pairs have that content, and the teacher's is the same
    kept, before = pd.read_csv(folders / "some.csv"), pd.read_csv(folders / "whole.csv")
    assert list(kept["pair"]) == ["01_stylized_01"]
    assert kept["gram_distance"][0] == pytest.approx(before["gram_distance"][3], rel=1e-5)


def test_a_name_that_no_table_can_hold_is_left_out_and_named(folders, capsys):
    for folder, name in (("cnt", b"\xff"), ("out", b"\xff_00")):
        (folders / folder / f"{os.fsdecode(name)}.png").write_bytes((folders / "cnt/00.png").read_bytes())
    assert len(find_pairs(*(folders / folder for folder in ("out", "cnt", "sty")))) == 4
    said = capsys.readouterr().err
    assert said.count("its name is not UTF-8") == 2 and "udcff" in said


def test_no_good_pair_is_an_error(folders):
    for style in range(2):
        (folders / f"sty/0{style}.png").write_bytes(b"no image")
    code, said = run(folders, f"--out={folders / 'none.csv'}")
    assert code == 1 and "error: " in said and "no pair whose images can all be read" in said
    assert not (folders / "none.csv").exists()


def test_a_step_names_every_bad_image_of_a_run(tmp_path, capsys):
    for number in range(4):
        save_png(image(number), tmp_path / f"{number}.png")
    for number in (1, 3):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    files = [tmp_path / f"{number}.png" for number in range(4)]
    with pytest.raises(UserError, match=r"2 of the images .* first .*1\.png.*verify\.py .*--repair"):
        with scoring.naming_all_bad(tmp_path, files):
            load_images(files)
    said = capsys.readouterr().err
    assert "1.png" in said and "3.png" in said and "0.png" not in said


def test_the_ablation_names_every_bad_image_of_its_variants(tmp_path):
    images, folder = tmp_path / "images", tmp_path / "ablation"
    for role in "cs":
        save_png(image(role == "c"), images / f"golden/{role}0.png")
    for number, variant in enumerate(("default", "flat", "bare")):
        save_png(image(number), folder / variant / "c0_s0.png")
    words = ["default", "flat", "bare", f"--folder={folder}", f"--images={images}", "--device=cpu", "--settings={}"]
    networks = config.Networks(**dict.fromkeys(config.Networks.model_fields.keys() - {"seed", "features"}, "seeded"))
    words += ["--golden-contents=1", "--golden-styles=1", f"--networks={networks.model_dump_json()}"]
    done = CliRunner().invoke(score_variants.main, words)
    assert done.exit_code == 0, done.output
    for variant in ("flat", "bare"):
        (folder / variant / "c0_s0.png").write_bytes(b"no image")
    done = CliRunner().invoke(score_variants.main, words)
    assert done.exit_code == 1 and "error: 2 of the images to score cannot be read" in done.output, done.output
    assert all(f"{variant}/c0_s0.png: cannot be read" in done.output for variant in ("flat", "bare"))


def test_a_name_that_fits_no_pair_is_told(folders):
    save_png(image(0), folders / "out/00_stylized_07.png")
    with pytest.raises(UserError, match="00_stylized_07: belongs to no pair"):
        find_pairs(*(folders / folder for folder in ("out", "cnt", "sty")))


def test_an_empty_folder_is_told(folders, tmp_path):
    with pytest.raises(UserError, match="nowhere: no images"):
        find_pairs(folders / "out", folders / "nowhere", folders / "sty")
