"""`src/stylize.py`: images of every awkward kind in, images out, mistakes in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from fill import seeded_image
from PIL import Image

import stylize as script
from styledistill.core.errors import UserError
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.student import Student
from styledistill.student.stylize_files import fitting, stylize_files
from styledistill.student.stylize_jobs import Job, plan

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "weights" / "tiny_student"


@pytest.fixture(scope="module")
def student() -> Student:
    return Student.from_pretrained(MODEL)


def pixels(name: str, height: int = 45, width: int = 70) -> np.ndarray:
    """An image of tiles and noise, uint8 (height, width, 3)."""
    return to_uint8(seeded_image(f"stylize/{name}", height, width))[0]


def save(path: Path, image: np.ndarray | None = None) -> Path:
    """An image in a file; without one, the image of the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(path.stem) if image is None else image).save(path)
    return path


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


def run(*arguments: object, model: object = MODEL) -> Result:
    return CliRunner().invoke(script.main, [*map(str, arguments), "--model", str(model), "--device", "cpu"])


def only_error(result: Result) -> str:
    """The one line on stderr of a command that failed."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def content(tmp_path: Path) -> Path:
    return save(tmp_path / "content.png")


@pytest.fixture
def style(tmp_path: Path) -> Path:
    return save(tmp_path / "style.png", np.uint8(pixels("style", 64, 50) * (1.0, 0.6, 0.2)))  # of other colors


# --- one image --------------------------------------------------------------------------------------------------


def test_the_image_is_the_students(student: Student, content: Path, style: Path, tmp_path: Path) -> None:
    result = run(content, style, "-o", tmp_path / "new" / "out.png")
    assert result.exit_code == 0, result.output
    expected = student.stylize(from_uint8(opened(content)), from_uint8(opened(style)))
    assert (opened(tmp_path / "new" / "out.png") == to_uint8(expected)[0]).all()


def _turned(gray: np.ndarray, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(np.rot90(gray)).save(path, exif=exif)


def _transparent(gray: np.ndarray, path: Path) -> None:
    """Black with just so much opacity that it looks like `gray` on white."""
    Image.merge("LA", [Image.new("L", gray.shape[::-1]), Image.fromarray(255 - gray)]).save(path)


AWKWARD: dict[str, Callable[[np.ndarray, Path], None]] = {
    "turned.png": _turned,
    "transparent.png": _transparent,
    "gray.png": lambda gray, path: Image.fromarray(gray).save(path),
    "palette.gif": lambda gray, path: Image.fromarray(gray).convert("P").save(path),
    "cmyk.tif": lambda gray, path: Image.fromarray(gray).convert("RGB").convert("CMYK").save(path),
    "deep.png": lambda gray, path: Image.fromarray(gray.astype(np.uint16) * 257).save(path),
    "deep.tif": lambda gray, path: Image.fromarray(gray.astype(np.int32) * 257).save(path),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_images_are_seen_as_people_see_them(name: str, style: Path, tmp_path: Path) -> None:
    gray = pixels("gray")[:, :, 0]
    AWKWARD[name](gray, tmp_path / name)
    save(tmp_path / "plain.png", np.dstack([gray] * 3))
    for which in (name, "plain.png"):
        assert run(tmp_path / which, style, "-o", tmp_path / f"as_content_{which}.png").exit_code == 0
        assert run(style, tmp_path / which, "-o", tmp_path / f"as_style_{which}.png").exit_code == 0
    for role in ("as_style",) if name == "transparent.png" else ("as_content", "as_style"):  # contents stay transparent
        made, expected = (opened(tmp_path / f"{role}_{which}.png").astype(int) for which in (name, "plain.png"))
        assert made.shape == expected.shape
        assert np.abs(made - expected).max() <= 1


def test_an_image_of_one_pixel(style: Path, tmp_path: Path) -> None:
    save(tmp_path / "dot.png", pixels("dot", 1, 1))
    assert run(tmp_path / "dot.png", style, "-o", tmp_path / "out.png").exit_code == 0
    assert opened(tmp_path / "out.png").shape == (1, 1, 3)


def test_size_is_that_of_the_shorter_sides(student: Student, content: Path, style: Path, tmp_path: Path) -> None:
    assert run(content, style, "-o", tmp_path / "out.png", "--size", 32).exit_code == 0
    made = opened(tmp_path / "out.png")
    assert made.shape == (32, 50, 3)
    small = [
        from_uint8(np.asarray(Image.open(path).resize(size, Image.Resampling.LANCZOS)))
        for path, size in ((content, (50, 32)), (style, (32, 41)))
    ]
    assert (made == to_uint8(student.stylize(*small))[0]).all()


def test_strength_zero_is_the_content_in_its_own_style(content: Path, style: Path, tmp_path: Path) -> None:
    for name, other, strength in (("none", style, 0), ("own", content, 1), ("half", style, 0.5)):
        assert run(content, other, "-o", tmp_path / f"{name}.png", "--strength", strength).exit_code == 0
    none, own, half = (opened(tmp_path / f"{name}.png").astype(int) for name in ("none", "own", "half"))
    assert np.abs(none - own).max() <= 1
    assert np.abs(half - none).mean() > 1


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")])
def test_the_suffix_says_the_format(suffix: str, kind: str, content: Path, style: Path, tmp_path: Path) -> None:
    assert run(content, style, "-o", tmp_path / f"out{suffix}").exit_code == 0
    assert run(content, style, "-o", tmp_path / "exact.png").exit_code == 0
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.format == kind
        assert np.abs(np.asarray(image).astype(int) - opened(tmp_path / "exact.png")).mean() < 5


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("contents/a.png", "contents/b.jpg", "styles/x.png", "styles/y.png"):
        save(tmp_path / name)
    return tmp_path / "contents", tmp_path / "styles"


def test_every_content_in_every_style(student: Student, folders: tuple[Path, Path], tmp_path: Path) -> None:
    contents, styles = folders
    (contents / "notes.txt").write_text("no image by its name")
    save(contents / "deeper" / "c.png")
    assert run(contents, styles, "-o", tmp_path / "out").exit_code == 0
    made = {path.name: opened(path) for path in (tmp_path / "out").iterdir()}
    assert sorted(made) == ["a_x.png", "a_y.png", "b_x.png", "b_y.png"]
    expected = student.stylize(from_uint8(opened(contents / "b.jpg")), from_uint8(opened(styles / "y.png")))
    assert (made["b_y.png"] == to_uint8(expected)[0]).all()


def test_a_folder_on_one_side_and_a_folder_that_is_there(folders: tuple[Path, Path], tmp_path: Path) -> None:
    contents, styles = folders
    (tmp_path / "there").mkdir()
    assert run(contents / "a.png", styles, "-o", tmp_path / "one").exit_code == 0
    assert run(contents / "a.png", styles / "x.png", "-o", tmp_path / "there").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["a_x.png", "a_y.png"]
    assert (tmp_path / "there" / "a_x.png").read_bytes() == (tmp_path / "one" / "a_x.png").read_bytes()


def test_each_style_is_encoded_once(student: Student, folders: tuple[Path, Path], tmp_path: Path) -> None:
    encoded: list[int] = []
    hook = student.network.backbone_style.register_forward_hook(lambda module, args, out: encoded.append(len(out)))
    try:
        made = stylize_files(student, plan(*folders, tmp_path / "out"))
    finally:
        hook.remove()
    assert made == 4
    assert encoded == [1, 1]


@pytest.mark.parametrize("bad", ["contents/bad.png", "styles/bad.png"])
def test_a_bad_image_is_named_and_the_others_are_made(bad: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / bad).write_bytes((folders[0] / "a.png").read_bytes()[:200])  # cut off
    result = run(*folders, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_x.png", "a_y.png", "b_x.png", "b_y.png"]
    told = [line for line in result.stderr.splitlines() if "left out" in line]
    assert len(told) == 1 and bad in told[0]
    assert "2 of 6 images could not be made" in result.stderr
    assert result.stderr.endswith(" Left out: bad.png.\n")
    assert "4 images" in result.stdout


@pytest.mark.parametrize(
    ("name", "missed"),
    [("c.heic", True), ("c.SVG", True), ("c.pdf", False), ("notes.txt", False), (".c.png", False)],
)
def test_an_image_in_a_folder_that_nothing_here_reads_is_missed_and_a_file_of_another_kind_is_not(
    name: str, missed: bool, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    for folder in folders:
        (folder / name).write_bytes(b"x")
    result = run(*folders, "-o", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert result.exit_code == int(missed)
    assert result.stderr.endswith(f"the reasons stand above. Left out: {name}, {name}.\n") == missed
    assert (f"left out of {folders[0]}: {name}: " in result.stderr) == (not name.startswith("."))


def test_a_link_that_leads_nowhere_is_missed_and_a_folder_of_an_images_name_is_not(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[1] / "deep.png").mkdir()
    assert run(*folders, "-o", tmp_path / "one").exit_code == 0
    (folders[0] / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    result = run(*folders, "-o", tmp_path / "two")
    assert result.exit_code == 1 and result.stderr.endswith(" Left out: gone.jpg.\n")


def test_of_a_folder_with_no_image_that_can_be_read_the_reasons_are_told(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "c.heic").write_bytes(b"x")
    result = run(tmp_path / "phone", folders[1], "-o", tmp_path / "out")
    assert result.exit_code == 1 and "c.heic: .heic is read by other programs only" in result.stderr
    assert "no images in this folder" in result.stderr.splitlines()[-1]


# --- mistakes -----------------------------------------------------------------------------------------------------


def test_what_is_no_image_is_one_line(content: Path, style: Path, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    for pair in ((tmp_path / "words.png", style), (content, tmp_path / "words.png")):
        assert "words.png: cannot be read as an image" in only_error(run(*pair, "-o", tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [("results/none/students/mse", "no such folder"), ("{tmp}/none", "no such folder"), ("{tmp}", "no student here")],
)
def test_a_missing_model_is_one_line(model: str, said: str, content: Path, style: Path, tmp_path: Path) -> None:
    given = model.format(tmp=tmp_path)
    error = only_error(run(content, style, "-o", tmp_path / "out.png", model=given))
    assert given in error and said in error


def test_a_slip_beside_a_folder_that_is_there_does_not_ask_the_hub(
    content: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    error = only_error(run(content, style, "-o", tmp_path / "out.png", model="weights/none"))
    assert "weights/none: no such folder" in error and "hub" not in error


def test_a_device_that_is_none_is_one_line(content: Path, style: Path, tmp_path: Path) -> None:
    arguments = [str(content), str(style), "-o", str(tmp_path / "out.png"), "--model", str(MODEL), "--device", "abacus"]
    assert "device abacus" in only_error(CliRunner().invoke(script.main, arguments))


def test_a_size_beyond_all_memory_is_one_line(content: Path, style: Path, tmp_path: Path) -> None:
    error = only_error(run(content, style, "-o", tmp_path / "out.png", "--size", 100_000))
    assert "content.png" in error and "over 120,000,000 pixels" in error


def test_memory_that_does_not_suffice_is_one_line() -> None:
    with pytest.raises(UserError, match=r"a\.png: too large for the memory"):
        fitting(Path("a.png"), lambda: torch.empty(10**15))
    with pytest.raises(RuntimeError, match="size"):
        fitting(Path("a.png"), lambda: torch.ones(2) + torch.ones(3))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.png", "style.png", "-o", "out.png"), "none.png: no such image or folder"),
        (("content.png", "none", "-o", "out.png"), "none: no such image or folder"),
        (("content.png", "empty", "-o", "out"), "empty: no images in this folder"),
        (("content.png", "style.png", "-o", "out.bmp"), "out.bmp: no such folder, and no name of an image"),
        (("content.png", "style.png", "-o", "out"), "out: no such folder, and no name of an image"),
        (("folder", "style.png", "-o", "out.png"), "out.png: a folder of images gives many results"),
        (("folder", "style.png", "-o", "style.png"), "style.png: a folder of images gives many results"),
        (("content.png", "style.png", "-o", "content.png"), "content.png: is one of the images to work on"),
        (("content.png", "style.png", "-o", "./folder/../style.png"), "style.png: is one of the images to work on"),
        (("link.png", "style.png", "-o", "content.png"), "content.png: is one of the images to work on"),
        (("folder", "style.png", "-o", "folder"), "folder/a_style.png: is one of the images to work on"),
        (("twins", "style.png", "-o", "out"), "both a.jpg with style.png and a.png with style.png"),
        (("folder", "styles", "-o", "out"), "both a.png with style_x.png and a_style.png with x.png"),
    ],
)
def test_a_slip_is_told_before_anything_is_done(
    arguments: tuple[str, ...], said: str, content: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "folder/a.png",
        "folder/a_style.png",
        "twins/a.png",
        "twins/a.jpg",
        "styles/style_x.png",
        "styles/x.png",
    ):
        save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.png").symlink_to(content)
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert said in only_error(run(*arguments))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    for name in ("contents/a.png", "contents/A.jpg", "style.png"):
        save(tmp_path / name)
    with pytest.raises(UserError, match=r"both A.jpg with style.png and a.png with style.png would .* images\.$"):
        plan(tmp_path / "contents", tmp_path / "style.png", tmp_path / "out")
    for name in ("contents/b.png", "contents/b.jpg", "contents/b.tif"):
        save(tmp_path / name)
    with pytest.raises(UserError, match=r"images; 2 more results have such a name\.$"):
        plan(tmp_path / "contents", tmp_path / "style.png", tmp_path / "out")


def test_pairs_of_one_content_stand_together(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (a, b), (x, y) = (sorted(folder.iterdir()) for folder in folders)
    out = tmp_path / "out"
    assert plan(*folders, out) == [
        Job(a, (x,), out / "a_x.png"),
        Job(a, (y,), out / "a_y.png"),
        Job(b, (x,), out / "b_x.png"),
        Job(b, (y,), out / "b_y.png"),
    ]


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_as_people_type_it(content: Path, style: Path, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "src" / "stylize.py", "--model", MODEL, content, style, "-o", "out.png"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "out.png: 1 image\n")
    assert opened(tmp_path / "out.png").shape == opened(content).shape


def test_slips_and_help_do_not_wait_for_torch() -> None:
    code = "import sys, stylize; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src").returncode == 0


def test_the_first_image_does_not_wait_for_torchs_compiler(content: Path, style: Path, tmp_path: Path) -> None:
    code = (
        "import sys, stylize; stylize.main(sys.argv[1:], standalone_mode=False); "
        "sys.exit('torch._dynamo' in sys.modules or 'pandas' in sys.modules or 'transformers' in sys.modules)"
    )
    arguments = [content, style, "-o", tmp_path / "out.png", "--model", MODEL]
    assert subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT / "src").returncode == 0
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize("name", ["sttr", "micro"])
def test_every_architecture_stylizes_files_as_in_memory(name: str, content: Path, style: Path, tmp_path: Path) -> None:
    """STTR without a styled tail leaves no code of a style."""
    student = Student.create("tiny", 3, name)
    student.save(tmp_path / "student")
    assert run(content, style, "-o", tmp_path / "out.png", model=tmp_path / "student").exit_code == 0
    images = (torch.tensor(opened(path)).permute(2, 0, 1)[None] / 255 for path in (content, style))
    difference = opened(tmp_path / "out.png").astype(int) - to_uint8(student.stylize(*images))[0]
    assert np.abs(difference).max() <= 1
