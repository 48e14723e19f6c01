"""What a user may get wrong: one clear line that names the key or the file, and nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from running import SMOKE, run_workflow


def _preset(folder: Path, **changes) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SMOKE.read_text()), **changes}))
    return path


def _images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        level = np.full((80, 70, 3), 20 * number % 255, np.uint8)
        level[::7] = 255 - level[::7]
        Image.fromarray(level).save(folder / f"{number:02d}.png")
    return folder


def _sources(path: Path) -> dict:
    return {**yaml.safe_load(SMOKE.read_text())["sources"], "scenes": {"kind": "folder", "path": str(path)}}


def _fails(folder: Path, *words: str, arguments: tuple[str, ...] = ()) -> None:
    done = run_workflow(folder, "--cores", "2", "--configfile", str(folder / "config.yaml"), *arguments)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    line = [line for line in said.splitlines() if all(word in line for word in words)]
    assert line, said[-3000:]
    assert [path for path in folder.rglob("*") if path.name.endswith(".part")] == []


def test_a_folder_without_images(tmp_path):
    (tmp_path / "empty").mkdir()
    _preset(tmp_path, sources=_sources(tmp_path / "empty"))
    _fails(tmp_path, "error: sources.scenes", "no images here")


def test_a_folder_that_is_not_there(tmp_path):
    _preset(tmp_path, sources=_sources(tmp_path / "nowhere"))
    _fails(tmp_path, "error: sources.scenes.path", "no folder", "nowhere")


def test_a_folder_with_too_few_images(tmp_path):
    _preset(tmp_path, sources=_sources(_images(tmp_path / "few", 2)))
    _fails(tmp_path, "error: ", "scenes", "few")


def test_a_file_that_is_no_image_is_named_and_left_out(tmp_path):
    folder = _images(tmp_path / "images", 9)
    (folder / "broken.png").write_bytes(b"not an image")
    config = _preset(tmp_path, sources=_sources(folder))
    done = run_workflow(tmp_path, "--cores", "2", "--configfile", str(config), "--until", "index")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "excluded from scenes: broken.png: " in said
    assert "broken.png" in (tmp_path / "results/smoke/index/scenes.excluded.csv").read_text()
    assert "broken.png" not in (tmp_path / "results/smoke/index/scenes.csv").read_text()


def test_broken_files_that_leave_too_few_images_stop_the_block(tmp_path):
    folder = _images(tmp_path / "images", 2)
    for number in range(4):
        (folder / f"broken{number}.png").write_bytes(b"not an image")
    _preset(tmp_path, sources=_sources(folder))
    words = ("error: blocks.contents.scenes", "in train block 0001 and in val block 0000", "none of the 2 is free")
    _fails(tmp_path, *words, arguments=("--until", "select_block", "splits"))


def test_a_golden_image_that_is_also_in_a_block(tmp_path):
    golden = {"contents": {"photographs": ["grass"]}, "styles": {"paintings": 2}}
    blocks = {"train": 13, "val": 1, "contents": {"photographs": 1}, "styles": {"paintings": 2}}
    _preset(tmp_path, golden=golden, blocks=blocks, pairs={"train": 4, "val": 2})
    _fails(tmp_path, "error: golden.contents.photographs: grass would be in", "and in the golden set")


def test_one_image_under_two_sources(tmp_path):
    """The same file in a training folder and, copied, in the golden folder."""
    train = _images(tmp_path / "train", 3)
    golden = tmp_path / "golden"
    shutil.copytree(train, golden)
    sources = {**_sources(train), "own": {"kind": "folder", "path": str(golden)}}
    _preset(tmp_path, sources=sources, golden={"contents": {"own": 1}, "styles": {"paintings": 1}})
    _fails(tmp_path, "error: golden.contents.own", "in the golden set", arguments=("--until", "splits"))


def test_an_unknown_loss_term(tmp_path):
    _preset(tmp_path, losses={"mse": {"pixels": 1.0}})
    _fails(tmp_path, "losses.mse.pixels", "'pixel'", "'tv'")


def test_missing_weights(tmp_path):
    teacher = {**yaml.safe_load(SMOKE.read_text())["teacher"], "weights": "weights/sd14"}
    _preset(tmp_path, teacher=teacher)
    _fails(tmp_path, "error: teacher.weights: nothing at weights/sd14")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB, mounted for the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_no_space_on_the_disk(tmp_path, small_disk):
    (tmp_path / "results").symlink_to(small_disk)
    blocks = {"train": 12, "val": 1, "contents": {"scenes": 2}, "styles": {"styles": 2}}
    golden = {"contents": {"faces": 1}, "styles": {"styles": 2}}
    sources = {name: {"kind": "procedural", "images": name, "count": 99} for name in ("scenes", "faces", "styles")}
    _preset(tmp_path, sources=sources, image_size=256, blocks=blocks, golden=golden, pairs={"train": 4, "val": 4})
    _fails(tmp_path, "error: results/smoke/", "no space left on the disk", arguments=("--until", "crop"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("distill={micro_batch: null, batch: 3}", ""),  # numbers in a mapping come as text
        ("networks={vgg19: null}", "error: configuration: networks.vgg19: Input should be a valid string (got None)"),
        ("losses={mse: {pixel: nan}}", "error: configuration: losses.mse.pixel: "),
    ],
)
def test_null_and_numbers_inside_mappings_of_a_command_line(words, said, tmp_path):
    done = run_workflow(tmp_path, "-n", "--quiet", "all", "--configfile", str(SMOKE), "--config", words)
    assert (done.returncode != 0) == bool(said), done.stdout + done.stderr
    assert said in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr
