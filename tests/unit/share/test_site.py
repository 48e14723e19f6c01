"""The folder of the page: whole, closed to other hosts, and nothing of the user's in it but what is to be shown."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from PIL import Image

from styledistill import config
from styledistill.commands.page import main
from styledistill.core.errors import UserError
from styledistill.downloads import npm
from styledistill.run.notes import without_demo
from styledistill.share import write_site as demo
from styledistill.share.file_names import RUNTIME, all_files
from styledistill.student.onnx_student import OnnxStudent

ROOT = Path(__file__).parents[3]
MICRO = ROOT / "weights" / "micro"
SITE = Path(demo.__file__).with_name("site")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with the names of the real one; nothing here runs it."""
    path = tmp_path_factory.mktemp("npm") / "runtime.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in RUNTIME:
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    return path


def image(side: int = 40) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_what_was_promised_and_what_the_page_asks_for(tmp_path: Path, runtime: Path):
    out = tmp_path / "site"
    demo.write_site(out, {"a": MICRO, "b": MICRO}, {"c": image()}, {"s": image(), "t": image(50)}, runtime)
    assert files_of(out) == set(all_files(2, 1, 2))
    offered = json.loads((out / "demo.json").read_text())
    assert [(student["name"], student["mixes"], student["grid"]) for student in offered["students"]] == [
        ("a", True, 8),
        ("b", True, 8),
    ]
    named = [file for student in offered["students"] for file in student["files"].values()]
    named += [entry["file"] for role in ("contents", "styles") for entry in offered[role]]
    assert set(named) <= files_of(out)
    for file in SITE.glob("*.js"):
        imported = re.findall(r"from '\./([\w./]+)'", file.read_text())
        assert set(imported) <= files_of(out)
    demo.write_site(out, {"a": MICRO}, {"c": image()}, {"s": image()}, runtime)
    assert files_of(out) == set(all_files(1, 1, 1))


def test_it_is_not_written_among_other_files(tmp_path: Path, runtime: Path):
    (tmp_path / "mine.txt").write_text("x")
    (tmp_path / "styles").mkdir()  # as Snakemake makes folders of outputs beforehand
    with pytest.raises(UserError, match="holds something else than a demo"):
        demo.write_site(tmp_path, {"a": MICRO}, {}, {"s": image()}, runtime)
    assert files_of(tmp_path) == {"mine.txt"}
    (tmp_path / "mine.txt").unlink()
    demo.write_site(tmp_path, {"a": MICRO}, {}, {"s": image()}, runtime)


def test_graphs_of_the_page_draw_what_the_student_draws():
    graphs, facts = demo.browser_graphs(MICRO)
    content, style = (np.float32(image(side).transpose(2, 0, 1)[None] / 255) for side in (40, 64))
    sessions = {name: onnxruntime.InferenceSession(graph) for name, graph in graphs.items()}
    (codes,) = sessions["encode_style"].run(None, {"styles": style})
    (made,) = sessions["stylize"].run(None, {"contents": content, "codes": codes})
    assert np.abs(made - OnnxStudent.from_pretrained(MICRO).stylize(content, style)).max() < 0.1 / 255
    assert facts["mixes"] and sum(map(len, graphs.values())) < 3_000_000


def test_examples_are_reduced_and_lose_what_a_camera_wrote(tmp_path: Path, runtime: Path):
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0110] = "Secret camera"
    large = Image.fromarray(image(900))
    large.save(tmp_path / "images" / "<b>a & b.jpg", exif=exif)
    found = demo.examples(tmp_path / "images")
    assert list(found) == ["<b>a & b"] and min(found["<b>a & b"].shape[:2]) == 512
    demo.write_site(tmp_path / "site", {"a": MICRO}, {}, found, runtime)
    assert b"Secret" not in (tmp_path / "site/styles/0.png").read_bytes()
    with pytest.raises(UserError, match="no images in this folder"):
        demo.examples(tmp_path)


def test_the_policy_allows_no_other_host_and_the_page_names_none():
    page = (SITE / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["form-action"] == "'none'"
    allowed = {word for rule in rules.values() for word in rule.split()}
    assert allowed == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}
    texts = {file.name: file.read_text() for file in SITE.iterdir()}
    addresses = [word for text in texts.values() for word in re.findall(r"https?://[\w.]+", text)]
    assert set(addresses) <= {"http://localhost", "http://www.w3.org"}  # advice, and the name of SVG
    writes = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=|onclick=\"")
    assert [name for name, text in texts.items() if writes.search(text)] == []


def test_a_run_that_leaves_the_page_out_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    smoke = config.load(ROOT / "workflow/presets/smoke.yaml")
    (line,) = without_demo(smoke)
    assert "\n" not in line and "results/smoke/demo is left out" in line and "python src page --fetch" in line
    assert without_demo(smoke.model_copy(update={"demo": False})) == []
    archive = npm.FOLDER / npm.ONNXRUNTIME_WEB.file
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert without_demo(smoke) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "either a folder, -o site, or --fetch"),
        (["-o", "site", "--fetch"], "either a folder, -o site, or --fetch"),
        (["-o", "site", "--model", "a/x", "--model", "b/x"], "two students of one name"),
        (["-o", "site", "--model", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_slips_are_one_line(words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("styledistill.commands.page.fetch", lambda package, path: path)  # it has tests of its own
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_a_missing_student_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("styledistill.commands.page.fetch", lambda package, path: pytest.fail("fetched"))
    result = CliRunner().invoke(main, ["-o", "site", "--model", "nothere"])
    assert result.exit_code == 1 and result.stderr.startswith("error: nothere: no such folder. "), result.output
    assert list(tmp_path.iterdir()) == []


def test_examples_are_all_shown_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("a.png", "b.png", os.fsdecode(b"\xff.png")):
        Image.fromarray(image()).save(tmp_path / name)
    (tmp_path / "c.heic").touch()
    (tmp_path / "deep").mkdir()
    assert list(demo.examples(tmp_path)) == ["a", "b"]
    said = capsys.readouterr().err
    assert said.count("left out of") == 3 and all(name in said for name in ("udcff.png", "c.heic", "deep"))
    Image.fromarray(image()).save(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=r"a\.jpg and a\.png would have one name"):
        demo.examples(tmp_path)


def test_a_student_whose_name_no_page_can_show(tmp_path: Path, runtime: Path):
    with pytest.raises(UserError, match="not UTF-8"):
        demo.write_site(tmp_path / "site", {os.fsdecode(b"\xff"): MICRO}, {}, {}, runtime)
    assert not (tmp_path / "site").exists()


def test_a_folder_named_by_a_dot_has_its_own_name(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(MICRO)
    monkeypatch.setattr("styledistill.commands.page.fetch", lambda package, path: path)
    result = CliRunner().invoke(main, ["-o", str(tmp_path / "a site"), "--model", ".", "--runtime", str(runtime)])
    assert result.exit_code == 0, result.output
    assert [s["name"] for s in json.loads((tmp_path / "a site/demo.json").read_text())["students"]] == ["micro"]
    assert f"-d '{tmp_path}/a site'" in result.output


@pytest.mark.parametrize("writer", ["write_together", "write_bytes"])
def test_a_page_that_was_killed_is_written_anew(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch, writer: str
):
    out, given = tmp_path / "site", ({"a": MICRO}, {"c": image()}, {"s": image()}, runtime)

    def killed(*_: object) -> None:
        (out / "styles").mkdir(parents=True, exist_ok=True)
        (out / "styles" / ".0.png.none-01234567.part").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(demo, writer, killed)
        demo.write_site(out, *given)
    demo.write_site(out, *given)
    assert files_of(out) == set(all_files(1, 1, 1))
