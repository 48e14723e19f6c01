"""A rerun touches only what a change reaches: the exact jobs that a dry run plans after it, on a finished smoke run."""

from __future__ import annotations

import ast
import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from naming import (
    ALL,
    BLOCKS,
    DISTILLED,
    DUPLICATES,
    FIXED,
    GOLDEN,
    LOSSES,
    REPORT,
    SOURCES,
    SPLITS,
    TABLES,
    TAUGHT,
    block,
    of,
    scores,
    shown,
    students,
)
from PIL import Image
from running import ROOT, SMOKE, planned, planned_each, preset, run_workflow

from styledistill.config import FolderSource
from styledistill.run.preflight import listing

pytestmark = pytest.mark.slow

# --- changed configurations --------------------------------------------------


def section(name: str, **changes: object) -> Callable[[dict], dict]:
    return lambda values: {name: {**values.get(name, {}), **changes}}


def _rights(values: dict) -> dict:
    return {"sources": {name: {**source, "license": "cc0-1.0"} for name, source in values["sources"].items()}}


CHANGES: dict[str, tuple[Callable[[dict], dict], set[str]]] = {
    "nothing": (lambda values: {}, set()),
    "weights of a loss": (section("losses", gram50={"pixel": 0.4, "gram": 0.6}), students("gram50") | TABLES),
    "a new loss": (section("losses", new={"pixel_l1": 1.0}), students("new") | TABLES),
    "a start that is distilled itself": (
        section("student", pretrained="weights/micro"),
        shown("pretrained") | {"render start", "benchmark"} | TABLES,  # pretrained comes from another folder now
    ),
    "a loss removed": (lambda values: {"losses": {"mse": {"pixel": 1.0}}}, {"benchmark"} | TABLES),
    "gamma": (section("teacher", gamma=0.5), TAUGHT | {"benchmark"}),
    "temperature": (section("teacher", temperature=1.2), TAUGHT | {"benchmark"}),
    "steps": (section("teacher", steps=5), TAUGHT | {"benchmark"}),
    "layers": (section("teacher", layers=[3, 4]), TAUGHT | {"benchmark"}),
    "more pairs of the same blocks": (section("pairs", train=18), {"manifest train", "card"} | DISTILLED),
    "from two blocks to four": (
        lambda values: {"blocks": {**values["blocks"], "train": 4}, "pairs": {"train": 36, "val": 6}},
        block("train 0002", "train 0003") | SPLITS | DUPLICATES | {"manifest train", "card"} | DISTILLED,
    ),
    "a new golden image": (
        section("golden", styles={"paintings": 3}),
        GOLDEN | SPLITS | {"duplicates_golden", "benchmark", "card"} | shown(*FIXED, *LOSSES) | TABLES,
    ),
    "an option of the metrics": (section("metrics", fid_minimum=3), scores(*FIXED, *LOSSES) | TABLES),
    "an option of the benchmark": (section("benchmark", repeats=3), {"benchmark", "compare"} | REPORT),
    "learning rate": (section("distill", learning_rate=2e-4), DISTILLED),
    "a word on rights": (_rights, {"card", "report"}),
    "a renamed run": (lambda values: {"run": "renamed"}, ALL),
    "size of the images": (
        lambda values: {"image_size": 96},
        of("crop", *BLOCKS) | DUPLICATES | {"crop_golden"} | TAUGHT,
    ),
}


@pytest.fixture(scope="module")
def plans(smoke, tmp_path_factory) -> dict[str, set[str]]:
    """What a dry run plans after each change."""
    folder, before = tmp_path_factory.mktemp("changed"), yaml.safe_load(SMOKE.read_text())
    configs = [
        preset(folder / f"{number}.yaml", **of_values(before)) for number, (of_values, _) in enumerate(CHANGES.values())
    ]
    return dict(zip(CHANGES, planned_each(smoke, configs), strict=True))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_configuration_reruns_what_comes_from_it(plans, change):
    assert plans[change] == CHANGES[change][1]


# --- results at another place, changed code --------------------------------------------------


@pytest.fixture
def repository(tmp_path) -> Path:
    """A copy of all that a run reads, to be changed."""
    copy = tmp_path / "repository"
    for folder in ("src", "workflow", "profiles", "envs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", copy)
    (copy / "weights").symlink_to(ROOT / "weights")
    return copy


def _otherwise_written(code: str) -> str:
    """The same program: without comments, in another format, with other docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body[0].value = ast.Constant("Said in other words.")
    return f"# another comment\n\n{ast.unparse(tree)}\n"


def _edit(repository: Path, file: str, before: str, after: str) -> None:
    path = repository / "src" / "styledistill" / file
    assert path.read_text().count(before) == 1, f"{file} no longer has this line: choose another for this test"
    path.write_text(path.read_text().replace(before, after))


def test_results_and_program_copied_elsewhere_have_nothing_to_do(smoke_copy, repository):
    assert planned(smoke_copy, SMOKE, repository=repository) == set()


def test_comments_docstrings_and_formatting_rerun_nothing(smoke, repository):
    for path in (repository / "src").rglob("*.py"):
        path.write_text(_otherwise_written(path.read_text()))
    assert planned(smoke, SMOKE, repository=repository) == set()


def test_a_line_of_the_teachers_mathematics_reruns_the_teacher_and_what_follows(smoke, repository):
    own = "query = torch.lerp(own, "
    _edit(repository, "teacher/injection.py", own, own.replace("own, ", "1.0 * own, "))
    assert planned(smoke, SMOKE, repository=repository) == TAUGHT


def test_a_line_of_the_reports_code_reruns_the_report_alone(smoke, repository):
    page = repository / "src/styledistill/report/page/page.py"
    page.write_text(page.read_text() + "\nLAST = 1\n")
    assert planned(smoke, SMOKE, repository=repository) == {"report"}


def test_a_changed_template_reruns_the_report_alone(smoke, repository):
    (template,) = (repository / "src/styledistill/report/page").glob("*.j2")
    template.write_text(template.read_text() + "<!-- more -->\n")
    assert planned(smoke, SMOKE, repository=repository) == {"report"}


# --- really run --------------------------------------------------


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Times and bytes of a run's files; logs and times of jobs are no results."""
    run = folder / "results" / "smoke"
    return {
        path.relative_to(run).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in run.rglob("*")
        if path.is_file() and path.relative_to(run).parts[0] not in ("logs", "times", ".lock")
    }


def _changed(before: dict[str, tuple[int, bytes]], after: dict[str, tuple[int, bytes]]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _promised(folder: Path, config: Path) -> set[str]:
    """The files of results/smoke that Snakemake plans to write."""
    said = run_workflow(folder, "--summary", "--configfile", str(config))
    assert said.returncode == 0, said.stderr[-3000:]
    rows = csv.DictReader(said.stdout.splitlines(), delimiter="\t")
    return {row["output_file"].removeprefix("results/smoke/") for row in rows if row["plan"] != "no update"}


def _belongs(name: str, promised: set[str]) -> bool:
    """Some outputs are folders."""
    return bool({name, *map(str, Path(name).parents)} & promised)


CHEAPEST = "a word on rights"


@pytest.mark.parametrize(
    "change",
    [
        CHEAPEST,
        *(
            pytest.param(change, marks=pytest.mark.overnight)
            for change in CHANGES
            if change not in (CHEAPEST, "nothing")
        ),
    ],
)
def test_what_a_rerun_does_not_reach_keeps_its_bytes_and_times(smoke_copy, tmp_path, change):
    before, (changed, _) = _state(smoke_copy), CHANGES[change]
    config = preset(tmp_path / "config.yaml", **changed(yaml.safe_load(SMOKE.read_text())))
    promised = _promised(smoke_copy, config)
    done = run_workflow(smoke_copy, "--cores", "2", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]
    touched = _changed(before, _state(smoke_copy))
    records = {name for name in touched if name.endswith(".run.json")}
    assert {name for name in touched - records if not _belongs(name, promised)} == set()
    # Of what a job does beside its outputs it keeps a record in their folder or, of several, above them.
    folders = {str(folder) for name in promised for folder in Path(name).parents}
    assert {str(Path(name).parent) for name in records} <= folders
    assert planned(smoke_copy, config) == set()


@pytest.mark.long
def test_from_one_block_to_three_the_first_is_not_touched(tmp_path):
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    blocks = yaml.safe_load(SMOKE.read_text())["blocks"]
    one, three = (
        preset(tmp_path / f"{count}.yaml", blocks={**blocks, "train": count}, pairs={"train": 9 * count, "val": 6})
        for count in (1, 3)
    )
    done = run_workflow(tmp_path, "dataset", "--cores", "2", "--configfile", str(one))
    assert done.returncode == 0, done.stderr[-3000:]
    before = _state(tmp_path)
    added = block("train 0001", "train 0002") | SPLITS | {"duplicates", "manifest train", "card"}
    assert planned(tmp_path, three, "dataset") == added
    done = run_workflow(tmp_path, "dataset", "--cores", "2", "--configfile", str(three))
    assert done.returncode == 0, done.stderr[-3000:]
    old = {name for name in before if "0000" in name}
    assert len(old) > 3 * 9 and not _changed(before, _state(tmp_path)) & old


def test_a_lost_teacher_image_comes_back_from_the_store(smoke_copy):
    before = _state(smoke_copy)
    lost = smoke_copy / "results/smoke/teacher/train/0001/c01_s02.png"
    bytes_before = lost.read_bytes()
    lost.unlink()
    # Asked for by name: what has been used already, Snakemake does not miss by itself.
    target = str(lost.relative_to(smoke_copy))
    done = run_workflow(smoke_copy, target, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]
    assert lost.read_bytes() == bytes_before
    assert {Path(name).parent.as_posix() for name in _changed(before, _state(smoke_copy))} == {"teacher/train/0001"}


def test_an_image_removed_from_a_source_folder(tmp_path):
    """A folder is listed again when its files change, and only then; blocks that follow from it are planned."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(9):
        Image.new("RGB", (80, 70), (20 * number, 40, 90)).save(images / f"{number}.png")
    sources = yaml.safe_load(SMOKE.read_text())["sources"]
    config = preset(tmp_path / "config.yaml", sources={**sources, "scenes": {"kind": "folder", "path": str(images)}})
    done = run_workflow(tmp_path, "--cores", "2", "--configfile", str(config), "--until", "index")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not planned(tmp_path, config) & of("index", *SOURCES)
    (images / "4.png").unlink()
    jobs = planned(tmp_path, config)
    assert jobs & of("index", *SOURCES) == {"index scenes"}
    assert jobs >= block(*BLOCKS) | GOLDEN | SPLITS


def test_a_source_folder_that_only_moved_in_time(tmp_path):
    """Touching an image counts as a change, as it does for every input of Snakemake."""
    (tmp_path / "one.png").write_bytes(b"one")
    source = FolderSource(kind="folder", path=str(tmp_path))
    before = listing(source)
    assert listing(source) == before
    os.utime(tmp_path / "one.png", (1, 1))
    assert listing(source) != before
