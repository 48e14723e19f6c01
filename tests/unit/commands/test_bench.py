"""`styledistill bench`: one file of numbers, which are those of `score` on the same images to the last digit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from styledistill.commands import bench, score
from styledistill.core.images import save_png
from styledistill.report.tables.bench import Result

MODULE = """
def mean(content, style):
    return (content.astype("float32") + style) / 510


def small(content, style):
    return content[:32]
"""
MEASURES = {"lpips", "st_lpips", "fid", "artfid", "cfsd", "gram_distance", "color_distance"}


def image(seed, size=64):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((size // 4, size // 4, 1), dtype=np.uint8))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two contents and three styles in the working directory, with a module."""
    monkeypatch.chdir(tmp_path)
    for index in range(3):
        save_png(image(index, 96), tmp_path / f"sty/0{index}.png")
    for index in range(2):
        save_png(image(9 + index, 80), tmp_path / f"cnt/0{index}.png")
    (tmp_path / "bench_mine.py").write_text(MODULE)
    return tmp_path


def run(*words):
    """The exit code, and what stands in the terminal; of what went well without the lines of progress."""
    done = CliRunner().invoke(bench.main, [*words, "--seeded", "--device=cpu"])
    return done.exit_code, done.output if done.exit_code else done.stdout


PLACES = ("--content=cnt", "--style=sty", "--size=64")


def test_the_numbers_are_those_of_score_to_the_last_digit(folders):
    code, said = run("bench_mine:mean", *PLACES, "-o", "a.json", "--pairs=a.csv", "--images=made")
    assert code == 0, said
    assert sorted(path.name for path in (folders / "made").iterdir()) == [
        f"0{content}_0{style}.png" for content in range(2) for style in range(3)
    ]
    words = ["--stylized=made", *PLACES, "--out=b.csv", "--seeded", "--device=cpu"]
    scored = CliRunner().invoke(score.main, words)
    assert scored.exit_code == 0, scored.output
    assert (folders / "a.csv").read_bytes() == (folders / "b.csv").read_bytes()
    assert scored.stdout.startswith(said)  # score says the networks too
    # The same images as a folder of another program: the same numbers, with the same intervals.
    code, _ = run("made", *PLACES, "-o", "c.json", "--version=7", "--name=other")
    first, again = (Result.model_validate_json((folders / f"{name}.json").read_text()) for name in "ac")
    assert code == 0 and first.measures == again.measures and first.data == again.data
    assert (first.stylizer.kind, first.stylizer.origin, first.stylizer.version) == ("python", "bench_mine:mean", None)
    assert (again.stylizer.kind, again.stylizer.name, again.stylizer.version) == ("folder", "other", "7")


def test_the_file_states_what_was_measured_with_what_and_how_sure(folders):
    code, said = run("recolor", *PLACES, "-o", "a.json")
    assert code == 0, said
    result = Result.model_validate_json((folders / "a.json").read_text())
    assert result.measures.keys() >= MEASURES and "teacher_mse" not in result.measures
    assert result.format == "styledistill.bench/1" and result.stylizer.sha256 is None
    assert (result.data.contents.count, result.data.styles.count, result.data.stylized.count) == (2, 3, 6)
    lpips, fid = result.measures["lpips"], result.measures["fid"]
    assert lpips.low <= lpips.value <= lpips.high and lpips.better == "lower"
    assert fid.value > 0 and fid.low is None
    assert set(result.seeded) == {"alexnet", "vgg19", "inception"} and "seed 1; fewer than 5" in result.intervals
    assert "torch" in result.versions
    before = (folders / "a.json").read_bytes()
    assert run("recolor", *PLACES, "-o", "a.json")[0] == 0 and (folders / "a.json").read_bytes() == before
    schema = CliRunner().invoke(bench.main, ["--schema"])
    assert schema.exit_code == 0 and json.loads(schema.output) == Result.model_json_schema()


def test_measures_of_networks_that_are_none_are_left_out(folders):
    assert run("recolor", *PLACES, "-o", "a.json")[0] == 0
    code, said = run("recolor", *PLACES, "-o", "b.json", "--pairs=b.csv", "--lpips=none", "--fid=none")
    assert code == 0, said
    whole, found = (Result.model_validate_json((folders / f"{name}.json").read_text()) for name in "ab")
    gone = {"lpips", "fid", "fid_64", "kid", "artfid"}
    assert found.measures == {name: one for name, one in whole.measures.items() if name not in gone}
    assert found.seeded == ["vgg19"] and set(found.networks) == {"vgg19", "shift_tolerant_alexnet"}
    head = (folders / "b.csv").read_text().splitlines()[0].split(",")
    assert "st_lpips" in head and not {"lpips", "teacher_lpips"} & set(head)
    assert not any(line.split()[0] in gone for line in said.splitlines() if line.split())


def test_a_run_s_golden_set(folders):
    golden = folders / "results/r/images/golden"
    for name in ("c0", "c1", "s0", "s1"):
        save_png(image(sum(map(ord, name))), golden / f"{name}.png")
    for pair in ("c0_s0", "c0_s1", "c1_s0", "c1_s1"):
        save_png(image(5), folders / f"results/r/golden/teacher/{pair}.png")
    code, said = run("content", "--run=results/r", "-o", "a.json")
    assert code == 0, said
    result = Result.model_validate_json((folders / "a.json").read_text())
    assert result.measures["lpips"].value == 0 and result.measures["teacher_mse"].value > 0


def test_a_folder_below_the_home_folder_is_found(folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders))
    assert run("style", *PLACES, "-o", "x.json", "--images=made")[0] == 0
    code, said = run("~/made", *PLACES, "-o", "a.json")
    assert code == 0, said


def test_a_folder_does_not_hide_the_control_of_its_name(folders):
    shutil.copytree(folders / "cnt", folders / "content")
    code, said = run("content", "--content=content", "--style=sty", "--size=64", "-o", "a.json")
    assert code == 0, said
    assert json.loads((folders / "a.json").read_text())["stylizer"]["kind"] == "control"
    assert "belongs to no pair" in refused(folders, "./content", "--content=cnt", "--style=sty", "-o", "b.json")


def refused(folders, *words):
    before = sorted(folders.rglob("*"))
    code, said = run(*words)
    assert code == 1 and "Traceback" not in said
    assert sorted(path for path in folders.rglob("*") if "__pycache__" not in path.parts) == before
    assert len(said.strip().splitlines()) == 1
    return said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", *PLACES), "nowhere: no folder there. Give module:function, a folder"),
        (("nowhere:draw", *PLACES), "nowhere:draw: no module nowhere in the working directory"),
        (("bench_mine:absent", *PLACES), "bench_mine:absent cannot be imported: AttributeError"),
        (("bench_mine:absent", *PLACES), "error: STYLIZER: bench_mine:absent cannot"),
        (("bench_mine:small", *PLACES, "--images=made"), "00_00: 64 x 32 pixels, but its content has 64 x 64"),
        (("bench_mine:small", *PLACES), "error: bench_mine:small: 00_00: 64 x 32"),
        (("recolor", "--content=cnt", "--style=sty"), "00.png: 96 x 96 pixels, but "),
        (("recolor", "--content=cnt"), "give both --content and --style, or --run"),
        (("recolor", "--run=cnt"), "cnt: no images/golden/c*.png there"),
        (("recolor", *PLACES, "--images=cnt"), "cnt: not empty"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line_and_leaves_nothing(folders, words, said):
    assert said in refused(folders, *words, "-o", "a.json")


def test_a_folder_with_missing_or_extra_pairs_is_refused(folders):
    assert run("style", *PLACES, "-o", "x.json", "--images=made")[0] == 0
    (folders / "x.json").unlink()
    shutil.copy2(folders / "made/00_00.png", folders / "made/00_07.png")
    assert "00_07: belongs to no pair" in refused(folders, "made", *PLACES, "-o", "a.json")
    (folders / "made/00_07.png").unlink()
    (folders / "made/01_02.png").unlink()
    assert "made: no image of the pair 01_02. Put it there." in refused(folders, "made", *PLACES, "-o", "a.json")
