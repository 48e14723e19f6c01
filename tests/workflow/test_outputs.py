"""docs/outputs.md names every file of a run and every column of its tables, and nothing that no rule makes."""

from __future__ import annotations

import csv
import re
from itertools import product

import pytest
import yaml
from running import ROOT, run_workflow

from styledistill.config import NETWORKS, TERMS
from styledistill.downloads import npm
from styledistill.metrics.score import MEASURES

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "outputs.md").read_text("utf-8")
FILES, COLUMNS = PAGE.split("\n## Columns\n")
# No rule promises these: records, logs and times stand beside what a rule makes.
UNPROMISED = {"**/*.run.json", "logs/**/*.log", "times/**/*.tsv", ".lock", "**/.snakemake_timestamp"}
# Written by a job beside its outputs, where the configuration asks for it.
UNPROMISED |= {"teacher/kept/", "students/<loss>/tracker/**"}
PLACES = {"<split>": "(train|val)", "<block>": r"\d{4}", "**/": "(.+/)?", "*": "[^/]*"}
PLACES |= {"<measure>": f"({'|'.join(MEASURES)})", "<term>": f"({'|'.join(TERMS)})"}
PLACES |= {"<network>": f"({'|'.join(NETWORKS)})"}
# Tables with the columns of another, and those that smoke does not make.
SAME = {
    "blocks/golden.csv": "blocks/<split>/<block>.csv",
    "blocks/golden.excluded.csv": "blocks/<split>/<block>.excluded.csv",
    "blocks/golden_duplicates.csv": "blocks/duplicates.excluded.csv",
}
NOT_OF_SMOKE = {"tables/published.csv", "tables/ablation.csv", "ablation/deviation.csv"}
NOT_OF_SMOKE |= {"students/pretrained/history.csv", "quality/train/<block>.csv"}


def alternatives(name: str) -> list[str]:
    """`a.{png,pdf}` as a.png and a.pdf."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return ["".join(chosen) for chosen in product(*parts)] if "{" in name else [name]


def pattern(name: str) -> re.Pattern[str]:
    """What a name of the page stands for; one that ends in a slash for a folder and what lies in it."""
    parts = re.split(r"(<\w+>|\*\*/|\*)", name.removesuffix("/"))
    text = "".join(PLACES.get(part, "[^/.]+" if part.startswith("<") else re.escape(part)) for part in parts)
    return re.compile(text + ("(/.*)?" if name.endswith("/") else ""))


def named() -> list[str]:
    rows = re.findall(r"^\| `([^`]+)` \|", FILES, re.M)
    assert len(rows) > 40
    return [name for row in rows for name in alternatives(row)]


@pytest.fixture(scope="module")
def promised(tmp_path_factory) -> set[str]:
    """Outputs of the rules, below results/<run>/, where everything that a run may have is asked for."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "weights").symlink_to(ROOT / "weights")
    # Where this has been fetched a run writes its page; none is written here.
    archive = folder / npm.FOLDER / npm.ONNXRUNTIME_WEB.file
    archive.parent.mkdir(parents=True)
    archive.touch()
    values = yaml.safe_load((ROOT / "workflow" / "presets" / "styleid.yaml").read_text("utf-8"))
    values["blocks"] |= {"train": 1, "val": 1}
    values["teacher"]["gamma"] = [0.75, 0.25]
    values |= {"pairs": {"train": 1, "val": 1, "keep": {"style_max": 9.0}}, "losses": {"mse": {"pixel": 1}}}
    values |= {"student": {"architecture": "micro", "start": "pretrain"}, "ablation": {"plain": {"injection": False}}}
    values |= {"compare_teachers": {"other": {"method": "inst"}}}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    done = run_workflow(folder, "--summary", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]
    files = [line.split("\t")[0] for line in done.stdout.splitlines()]
    return {file.removeprefix("results/styleid/") for file in files if file.startswith("results/styleid/")}


def test_every_output_of_a_rule_is_on_the_page(promised):
    known = [pattern(name) for name in named()]
    assert [file for file in sorted(promised) if not any(one.fullmatch(file) for one in known)] == []


def test_the_page_names_no_file_that_no_rule_makes(promised):
    names = set(named()) - UNPROMISED
    assert [name for name in sorted(names) if not any(map(pattern(name).fullmatch, promised))] == []


def test_every_file_of_a_finished_run_is_on_the_page(smoke):
    run = smoke / "results" / "smoke"
    known = [pattern(name) for name in named()]
    files = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert len(files) > 100
    assert [file for file in files if not any(one.fullmatch(file) for one in known)] == []


def described() -> dict[str, dict[re.Pattern[str], bool]]:
    """The columns of each table of the page, by its name there, and whether every run has them."""
    sections = re.split(r"^### ", COLUMNS, flags=re.M)[1:]
    rows = {part.split("`")[1]: re.findall(r"^\| (`.+?`) \|(.*)", part, re.M) for part in sections}
    return {
        name: {pattern(one): "only where" not in told for row, told in found for one in re.findall(r"`([^`]+)`", row)}
        for name, found in rows.items()
    }


def test_every_column_of_a_finished_run_is_on_the_page(smoke):
    run, tables, seen = smoke / "results" / "smoke", described(), set()
    for path in sorted(run.rglob("*.csv")):
        file = path.relative_to(run).as_posix()
        table = SAME.get(file) or next(name for name in tables if pattern(name).fullmatch(file))
        seen.add(table)
        with path.open(newline="") as lines:
            header = next(csv.reader(lines))
        assert [name for name in header if not any(one.fullmatch(name) for one in tables[table])] == [], file
        always = [one for one, needed in tables[table].items() if needed]
        missing = [one.pattern for one in always if not any(map(one.fullmatch, header))]
        assert missing == [], file
    assert set(tables) - seen == NOT_OF_SMOKE
