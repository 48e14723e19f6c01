"""One answer to what is an image: by name, wherever it lies."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import index as index_step
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from styledistill import config
from styledistill.core import image_files
from styledistill.core.errors import UserError
from styledistill.metrics.score_folders import find_pairs
from styledistill.sources import registry
from styledistill.student.stylize_jobs import plan

ROOT = Path(__file__).parents[3]
PASSED_OVER = [
    "._a.png", ".hidden.png", ".ipynb_checkpoints/a-checkpoint.png", "@eaDir/a.png", "__MACOSX/a.png",
    "x/__MACOSX/a.png", ".git/x/a.png", "$RECYCLE.BIN/a.png", "x/.thumbnails/a.png", "#recycle/a.jpg",
]  # fmt: skip
READ = [
    "a.png",
    "b.JPG",
    "c.avif",
    "d.jfif",
    "e.gif",
    "f.webp",
    "g.tga",
    "h.jp2",
    "i.ppm",
    "x/j.tiff",
    "k.mpo",
    "l.qoi",
]
FOREIGN = ["m.heic", "n.HEIF", "o.svg", "p.cr2", "q.jxl", "r.eps"]


def laid(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, format="PNG")
    return folder


def indexed(folder: Path, **options: str) -> config.FolderSource:
    return config.FolderSource(kind="folder", path=str(folder), **options)


def test_a_backslash_in_a_folder_is_a_letter(tmp_path: Path) -> None:
    names = ["\\.png", "a\\.b.png", "thumbs\\c.png"]
    assert image_files.find(laid(tmp_path, names)).images == sorted(names)


def test_a_backslash_in_an_archive_stands_between_folders() -> None:
    for name, taken in (("a\\b.png", True), ("__MACOSX\\b.png", False), ("a\\.b.png", False)):
        assert image_files.is_image(image_files.slashed(name)) == taken


def test_by_name_alone() -> None:
    assert [name for name in READ if not image_files.is_image(name)] == []
    assert [name for name in [*PASSED_OVER, *FOREIGN, "notes.txt", "png"] if image_files.is_image(name)] == []


def test_no_suffix_asks_another_program() -> None:
    assert not {".eps", ".ps", ".wmf", ".mpg", ".h5"} & set(image_files.suffixes())
    assert "EPS" not in image_files.readers()


def test_rare_readers_are_imported_for_rare_images_only(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.ppm", "b.tiff", "b.webp"):
        Image.new("RGB", (9, 7)).save(tmp_path / name)
    code = (
        "import sys; from pathlib import Path; from styledistill.core.images import open_rgb\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    assert open_rgb(path).size == (9, 7)\n"
        "    assert ('PIL.WebPImagePlugin' in sys.modules) == path.name.startswith('b'), path\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT / "src").returncode == 0


def test_everything_is_taken_passed_over_or_named(tmp_path: Path) -> None:
    source = indexed(laid(tmp_path, [*READ, *PASSED_OVER, *FOREIGN, "notes.txt", "more.txt", "README"]))
    assert registry.names(source) == sorted(READ)
    named = {entry.image: entry.reason for entry in registry.left_out(source)}
    assert set(FOREIGN) < set(named)
    assert "save it as PNG or JPEG" in named["m.heic"]
    assert "1 more of this kind" in named["more.txt"] and "no suffix" in named["README"]
    assert len(named) == len(FOREIGN) + 2


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    photos, more = laid(tmp_path / "photos", ["z/a.png"]), laid(tmp_path / "more", ["b.png", "c/d.png"])
    (photos / "a_link").symlink_to(photos / "z")  # what lies there itself keeps its own name
    (photos / "more").symlink_to(more)
    (photos / "again").symlink_to(more / "c")
    (photos / "z" / "ring").symlink_to(photos)
    (more / "ring").symlink_to("../photos")
    (photos / "nowhere.png").symlink_to(tmp_path / "none.png")
    (photos / "itself").symlink_to("itself")
    source = indexed(photos)
    names = registry.names(source)
    assert sorted(Path(name).name for name in names) == ["a.png", "b.png", "d.png"]
    assert "z/a.png" in names and "more/b.png" in names
    assert {entry.image for entry in registry.left_out(source)} == {"nowhere.png", "itself"}
    assert {entry[0] for entry in source.stamp()} == {*names, "nowhere.png", "itself"}


def test_what_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = indexed(laid(tmp_path, ["a.png", "locked/b.png"]))
    listed = os.scandir

    def refused(path: Path) -> object:  # root may list everything
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert registry.names(source) == ["a.png"]
    (entry,) = registry.left_out(source)
    assert entry.image == "locked" and "Permission denied" in entry.reason


def test_a_pipe_is_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(laid(tmp_path, ["a.png"]) / "pipe.png")
    source = indexed(tmp_path)
    assert registry.names(source) == ["a.png"]
    assert [entry.image for entry in registry.left_out(source)] == ["pipe.png"]
    with pytest.raises(UserError, match=r"pipe\.png: neither a file nor a folder"):
        plan(tmp_path / "pipe.png", tmp_path / "a.png", tmp_path / "o.png")


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("**/*", ["a.png", "b[1].jpg", "x/c.png", "x/y/d.png"]),
        ("*", ["a.png", "b[1].jpg"]),
        ("*.png", ["a.png"]),
        ("**/*.png", ["a.png", "x/c.png", "x/y/d.png"]),
        ("x/**/*", ["x/c.png", "x/y/d.png"]),
        ("x/*", ["x/c.png"]),
        ("*/*.png", ["x/c.png"]),
        ("**/y/*", ["x/y/d.png"]),
        ("x/**", ["x/c.png", "x/y/d.png"]),
        ("?.png", ["a.png"]),
        ("b[[]1].jpg", ["b[1].jpg"]),
        ("[!a]*", ["b[1].jpg"]),
        (".old/*", [".old/e.png"]),
        ("**/.old/*", [".old/e.png"]),
    ],
)
def test_patterns(pattern: str, taken: list[str], tmp_path: Path) -> None:
    laid(tmp_path, ["a.png", "b[1].jpg", "x/c.png", "x/y/d.png", ".old/e.png"])
    assert registry.names(indexed(tmp_path, pattern=pattern)) == taken
    if pattern != "x/**":  # here pathlib means folders only
        visible = {p for p in tmp_path.glob(pattern) if p.is_file() and (".old" in pattern or ".old" not in p.parts)}
        assert sorted(str(p.relative_to(tmp_path)) for p in visible) == taken


@pytest.mark.parametrize("pattern", ["", "/abs/*.png", "**.jpg", "a**/x", "../*.png", "x//y", "./*.png", "x/"])
def test_patterns_that_take_nothing_are_refused_with_their_key(pattern: str) -> None:
    with pytest.raises(UserError, match=r"sources\.photos.*pattern"):
        config.validate({"sources": {"photos": {"kind": "folder", "path": "x", "pattern": pattern}}})


def test_stylizing_a_folder_takes_what_a_source_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    laid(tmp_path / "c", [name for name in [*READ, *PASSED_OVER, *FOREIGN, "t.txt"] if "/" not in name])
    laid(tmp_path / "s", ["s.png", "deeper/t.png"])
    taken = {job.content.name for job in plan(tmp_path / "c", tmp_path / "s", tmp_path / "out")}
    assert taken == {name for name in READ if "/" not in name}
    told = capsys.readouterr().err
    assert all(name in told for name in [*FOREIGN, "t.txt", "deeper"])
    assert "hidden" not in told and "._a" not in told


def test_scores_take_what_a_source_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    laid(tmp_path / "c", ["a.gif", "._a.gif", ".DS_Store"])
    laid(tmp_path / "s", ["b.avif", "@eaDir/b.avif"])
    laid(tmp_path / "out", ["a_b.jfif", "._a_b.jfif", "a_b.heic"])
    (pair,) = find_pairs(tmp_path / "out", tmp_path / "c", tmp_path / "s")
    assert (pair.content_file.name, pair.style_file.name) == ("a.gif", "b.avif")
    assert "a_b.heic" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("contents", "styles", "made"),
    [
        (["cat", "cat_1"], ["wave", "1_wave"], "cat_1_wave"),
        (["a", "a_stylized"], ["b", "stylized_b"], "a_stylized_b"),
        (["x_y", "x"], ["z", "y_z"], "x_y_z"),
    ],
)
def test_a_name_that_could_be_two_pairs_is_refused(
    contents: list[str], styles: list[str], made: str, tmp_path: Path
) -> None:
    for folder, names in (("c", contents), ("s", styles), ("out", [made])):
        laid(tmp_path / folder, [f"{name}.png" for name in names])
    with pytest.raises(UserError, match=rf"{made}: could be .* or .*Rename"):
        find_pairs(*(tmp_path / folder for folder in ("out", "c", "s")))
    (tmp_path / "c" / f"{contents[0]}.png").unlink()
    (pair,) = find_pairs(*(tmp_path / folder for folder in ("out", "c", "s")))
    assert pair.content == contents[1]


def tarred(folder: Path, file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, str(path.relative_to(folder)), recursive=False)


def zipped(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))


@pytest.mark.parametrize("pack", [tarred, zipped], ids=["tar", "zip"])
def test_archives_take_what_a_source_takes_and_name_the_rest(
    pack: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    others = [".DS_Store", "x/.gitignore", "notes.txt", "x/more.txt", "README"]
    file = tmp_path / {tarred: "set.tar", zipped: "set.zip"}[pack]
    pack(laid(tmp_path / "in", [*READ, *PASSED_OVER, *FOREIGN, *others]), file)
    source = config.ArchiveSource(kind="archive", address=str(file))
    assert registry.names(source) == sorted(READ)
    named = {entry.image: entry.reason for entry in registry.left_out(source)}
    assert set(named) == {*FOREIGN, min(PASSED_OVER), "notes.txt", "README"}
    assert "save it as PNG or JPEG" in named["m.heic"] and "1 more of this kind" in named["notes.txt"]
    assert f"hidden, or kept by another program for itself (and {len(PASSED_OVER) - 1} more" in named[min(PASSED_OVER)]
    some = config.ArchiveSource(kind="archive", address=str(file), pattern="*.[hp]*")  # as for folders
    assert [entry.image for entry in registry.left_out(some)] == ["m.heic"]


def test_a_step_tells_what_an_archive_has_besides_and_the_report_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    zipped(laid(tmp_path / "in", ["a.png", "b.heic"]), tmp_path / "set.zip")
    words = ["--name", "photos", "--source", '{"kind": "archive", "address": "set.zip"}']
    result = CliRunner().invoke(index_step.main, [*words, "--out", "i.csv", "--excluded", "i.excluded.csv"])
    assert result.exit_code == 0 and "excluded from photos: b.heic" in result.stderr
    assert "b.heic" in Path("i.excluded.csv").read_text("utf-8")  # which the report's page shows
    zipped(laid(tmp_path / "other", ["b.heic"]), tmp_path / "other.zip")
    with pytest.raises(UserError, match=r"no images there \(looked for \*; b.heic is left out"):
        registry.names(config.ArchiveSource(kind="archive", address="other.zip"))


def test_the_machine_does_not_decide(tmp_path: Path) -> None:
    """Not even a table of types that knows nothing."""
    import subprocess

    code = (
        "import mimetypes; mimetypes.knownfiles.clear(); mimetypes.init([]); mimetypes.types_map.clear()\n"
        "from styledistill.core import image_files; print(image_files.is_image('a.avif'))"
    )
    src = Path(__file__).parents[3] / "src"
    done = subprocess.run([sys.executable, "-c", code], cwd=src, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
