"""Where things stand: imports run one way, one package knows Snakemake, and one word names each chapter everywhere."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from styledistill.core.fingerprint import fingerprint_modules
from styledistill.core.provenance import ORDER
from styledistill.teacher.engine import METHOD

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
LIBRARY = SRC / "styledistill"
# From the ground up: a package imports only what stands before it.
FLOORS = (
    "core",
    "procedural",
    "config",
    "downloads",
    "sources",
    "splits",
    "perceptual",
    "teacher",
    "shards",
    "student",
    "video",
    "metrics",
    "report",
    "share",
    "run",
    "embedded",
    "commands",
)
# Within a package that has packages of its own.
INNER_FLOORS = {"report": ("tables", "figures", "page"), "procedural": ("scenes", "faces", "styles", "draw")}
# Of no chapter: where the project is, what rules share and jobs are given, a run's start and end, and a study.
ACROSS = {"project", "common", "machine", "lifecycle", "ablation"}
# `python src NAME` runs any; those of these names were there before it, and stay.
FOR_PEOPLE = {"__main__", "stylize", "score", "verify", "explain", "resume", "download", "weights"}
RULE = re.compile(r"^ *rule (\w+):\n(.*?)(?=^ *(?:use )?rule |\Z)", re.M | re.S)


def imported(path: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, inside functions too; `a.b` for `from a import b`."""
    package = path.relative_to(SRC).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def strings(path: Path) -> set[str]:
    """The texts in a file's lists and calls: what processes are started with, what is imported by name.

    Not what an option or an argument of a command line is called.
    """
    nodes = list(ast.walk(ast.parse(path.read_text())))
    calls = [node for node in nodes if isinstance(node, ast.Call) and not ast.unparse(node.func).startswith("click.")]
    parts = [part for node in calls for part in node.args]
    parts += [part for node in nodes if isinstance(node, ast.List | ast.Tuple) for part in node.elts]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def arrows(depth: int, below: str = "styledistill") -> dict[str, set[str]]:
    """Package (or module) -> those that it imports, told apart by the part of their names at `depth`."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(LIBRARY.rglob("*.py")):
        own = path.relative_to(SRC).with_suffix("").parts
        if not ".".join(own).startswith(below + ".") or own[depth] in ("__init__", "__main__"):
            continue
        for name in imported(path):
            parts = name.split(".")
            if name.startswith(below + ".") and len(parts) > depth and parts[depth] != own[depth]:
                found[own[depth]].add(parts[depth])
    return found


def test_every_package_has_its_floor():
    packages = {path.stem for path in LIBRARY.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert packages - {"__init__", "__main__", "__pycache__"} == set(FLOORS)


def test_the_architecture_page_lists_the_packages_in_this_order():
    table = (ROOT / "docs/architecture.md").read_text("utf-8").split("## Who may import whom")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.M)
    assert tuple(name for row in rows for name in re.findall(r"\w+", row)) == FLOORS


def test_imports_run_one_way_and_so_in_no_circle():
    upward = [
        f"{one} imports {other}"
        for one, others in arrows(1).items()
        for other in others
        if FLOORS.index(other) > FLOORS.index(one)
    ]
    assert upward == []


@pytest.mark.parametrize("package", sorted(INNER_FLOORS))
def test_imports_run_one_way_inside_too(package):
    floors = INNER_FLOORS[package]
    upward = [
        f"{one} imports {other}"
        for one, others in arrows(2, f"styledistill.{package}").items()
        for other in others
        if floors.index(other) > floors.index(one)
    ]
    assert upward == []


def test_no_two_files_import_each_other():
    modules = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in LIBRARY.rglob("*.py")}
    known = {name: set(imported(path)) for name, path in modules.items()}
    reach = {name: {other for other in modules if other in names} for name, names in known.items()}
    for name, names in known.items():
        reach[name] |= {given.rpartition(".")[0] for given in names} & set(modules)
    pairs = [(one, other) for one in reach for other in reach[one] if one < other and one in reach[other]]
    assert pairs == []


def test_the_drawings_import_nothing_of_the_project():
    assert arrows(1)["procedural"] == set()


def test_teacher_and_student_know_nothing_of_each_other():
    assert "student" not in arrows(1)["teacher"]
    assert "teacher" not in arrows(1)["student"]


def test_only_one_package_knows_snakemake():
    """No other imports or starts Snakemake, or imports that package but for commands and `embedded`.

    What command lines share ties a job to its run.
    """
    for path in sorted(LIBRARY.rglob("*.py")):
        if path.relative_to(LIBRARY).parts[0] != "run":
            assert not [name for name in imported(path) if name.split(".")[0].startswith("snakemake")], path
            assert "snakemake" not in strings(path), path
    assert {one for one, others in arrows(1).items() if "run" in others} == {"embedded", "commands"}


def test_at_eye_level_are_programs_for_people():
    assert {path.stem for path in SRC.glob("*.py")} == FOR_PEOPLE


def rules() -> dict[str, str]:
    """Rule -> the script that its shell line calls."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in RULE.findall(path.read_text()):
            scripts = re.findall(r'(?:step|program)\(\s*"(\w+)"', body)
            assert len(scripts) == 1, f"{name}: {scripts}"
            found[name] = scripts[0]
    return found


def test_a_script_bears_the_name_of_its_rule():
    """Rules that share one have a word behind it: score and score_fixed, crop and crop_golden."""
    other = {rule: script for rule, script in rules().items() if rule != script and not rule.startswith(f"{script}_")}
    assert other == {}


def test_logs_and_times_stand_under_the_name_of_their_rule():
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in RULE.findall(path.read_text()):
            assert re.findall(r"\{(?:LOGS|TIMES)\}/(\w+)", body) == [name, name], name


def test_a_script_records_its_own_name():
    for path in sorted((SRC / "steps").glob("*.py")):
        recorded = re.findall(r'run_record\(.*?, "(\w+)", ', path.read_text())
        assert recorded in ([], [path.stem]), path


def test_the_image_of_the_architecture_shows_rules():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    arrows = [line for line in page.split("```mermaid")[1].split("```")[0].splitlines() if "-->" in line]
    shown = {name.strip() for line in arrows for name in line.split("-->")}
    assert len(shown) > 15 and shown <= set(rules())


def test_every_script_has_its_rule():
    scripts = {path.stem for path in (SRC / "steps").glob("*.py")}
    # What two of them share, and the way to the library.
    assert scripts - set(rules().values()) == {"scoring", "styledistill"}


def test_every_script_has_its_place_among_the_stages():
    """In which the report shows their costs, and a repair asks for what they make."""
    assert {path.stem for path in (SRC / "steps").glob("*.py")} - {"scoring", "styledistill"} <= set(ORDER)


def test_what_all_rules_share_is_short_and_acts_on_nothing():
    """Names of files and helpers: no statement of common.smk is there for its effect."""
    text = (ROOT / "workflow/rules/common.smk").read_text()
    python, _, _ = text.partition("\nwildcard_constraints:")
    assert len(text.splitlines()) < 180
    kinds = {type(node) for node in ast.parse(python).body}
    assert kinds <= {ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign}


def test_rules_that_take_files_of_all_blocks_name_no_other_rule():
    """In a rule that does, Snakemake hashes a whole list once for each of its files: minutes at 100,000 pairs."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in RULE.findall(path.read_text()):
            assert "in_blocks(" not in body or not re.search(r"\brules\.\w+\.(in|out)put", body), name


def test_rules_count_no_folders():
    texts = {path.name: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}
    assert [name for name, text in texts.items() if "parents[" in text] == []


def test_rules_files_bear_the_names_of_packages():
    chapters = {path.stem for path in (ROOT / "workflow/rules").glob("*.smk")} - ACROSS
    assert chapters <= set(FLOORS)


def test_folders_of_tests_bear_the_names_of_packages():
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {name for name in FLOORS if (LIBRARY / name).is_dir()}


def test_finished_pairs_stay_valid():
    """The code in the key of `resources/pairs`: when it changes, all that every user's teacher has made is made anew.

    So those three files keep their place and every line. A change of the method itself changes this too, and is told in
    CHANGELOG.md.
    """
    assert fingerprint_modules(METHOD) == "0917f2d84e2ef89c"


def test_no_file_is_longer_than_a_head_holds():
    """But a network: it is read as one."""
    files = [path for folder in (SRC, ROOT / "tests") for path in folder.rglob("*.py")]
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in files}
    assert {name for name, count in lines.items() if count > 400} <= {"src/styledistill/student/sttr.py"}


def test_one_module_knows_how_a_pair_is_called():
    parted = re.compile(r"split\([\"']_[\"']")
    assert [path for path in SRC.rglob("*.py") if parted.search(path.read_text())] == [LIBRARY / "splits/names.py"]
