"""The docs: what they link, quote and name is there, and the README stays short."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from styledistill.commands.stylize import main as stylize
from styledistill.config import TERMS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md")])
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# Names of files in code: of the repository where they begin with one of its folders, or with one of the library's.
NAMED = re.compile(r"`((?:src|docs|workflow|tests|envs|containers|profiles|weights|findings)/[\w./-]+)`")
INSIDE = re.compile(r"`([a-z_]+/[\w/]*\w+\.(?:py|yaml|j2|css|js))`")
# One names what was, the other the files of a run, which tests/workflow/test_outputs.py looks for.
OTHER_FILES = {"CHANGELOG.md", "outputs.md"}
KINDS_OF_CHANGE = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
LARGEST = 300_000  # bytes of the images in docs/


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_of_the_code_is_there(page):
    text = page.read_text("utf-8")
    if page.name in OTHER_FILES:
        return
    missing = [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    inside = [ROOT / "src/styledistill", ROOT / "tests", ROOT]
    missing += [name for name in INSIDE.findall(text) if not any((base / name).exists() for base in inside)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_program_that_a_page_calls_is_there(page):
    called = set(re.findall(r"python (src/[\w/]+\.py)", page.read_text("utf-8")))
    if page.name not in OTHER_FILES:
        assert [name for name in sorted(called) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_that_a_page_calls_is_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.M))
    assert called <= targets


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


def test_the_changelog_keeps_its_form():
    """That of keepachangelog.com: versions, and in each the same few headings, each once."""
    _, *versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)
    for number, version in enumerate(versions):
        form = r"\[Unreleased\]" if not number else r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d"
        assert re.match(form, version), version.splitlines()[0]
        heads = re.findall(r"^### (.+)$", version, re.M)
        assert len(heads) == len(set(heads)) and set(heads) <= KINDS_OF_CHANGE


def test_the_index_lists_every_page():
    listed = set(re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs/README.md").read_text("utf-8")))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_images_in_the_docs_are_small_and_shown():
    images = [path for path in (ROOT / "docs").iterdir() if path.suffix != ".md"]
    said = "".join(page.read_text("utf-8") for page in PAGES)
    for image in images:
        assert image.stat().st_size < LARGEST and image.name in said


def test_every_loss_term_is_explained():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (ROOT / "docs/losses.md").read_text("utf-8"), re.M)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(TERMS)


def test_every_option_of_stylize_is_explained():
    page = (ROOT / "docs/students.md").read_text("utf-8")
    options = [name for option in stylize.params for name in option.opts if name.startswith("-")]
    assert "--size" in options and [name for name in options if f"`{name}" not in page] == []


@cache
def messages() -> str:
    """All text of the code, with strings that go on in the next line joined."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow/rules").glob("*.smk"), ROOT / "Snakefile"]
    text = "\n".join(file.read_text("utf-8") for file in files)
    return re.sub(r"\"\s*\n\s*(#.*\n\s*)?f?\"", "", text)


def quoted() -> list[str]:
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    return re.findall(r"^\| `([^`]+)` \|", page, re.M)


@pytest.mark.parametrize("message", quoted())
def test_every_message_of_the_page_is_one_of_the_code(message):
    for part in filter(None, (part.strip() for part in message.split("..."))):
        assert part in messages(), part


def test_every_direct_dependency_is_explained_under_its_environment():
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    for file in sorted(ROOT.glob("envs/*.in")):
        lines = [line for line in file.read_text("utf-8").split("\n") if line and not line.startswith("-r ")]
        named = {re.split(r"[=<>]", line)[0] for line in lines}
        section = text.partition(f"`envs/{file.name}`)")[2].partition("\n## ")[0]
        explained = {
            name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(.+?)`", row)
        }
        assert named == explained, file.name
