"""The console command `styledistill`: its subcommands are the programs of `src`, and their help comes at once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import styledistill.commands
from styledistill.commands._former import RENAMED

ROOT = Path(__file__).parents[3]
NAMES = styledistill.commands.main.list_commands(None)
# Imported as `styledistill NAME` would, then: what was loaded, and the processor's seconds.
HELP = """
import sys, time
from styledistill.commands import main
try:
    main(prog_name="styledistill")
finally:
    heavy = {"torch", "pandas", "skimage", "snakemake"} & set(sys.modules)
    print("heavy", *sorted(heavy), "seconds", time.process_time(), file=sys.stderr)
"""


def python(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """`python WORDS` where nothing but the path to the code is set, of what this shell has set."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def help_of(*words: str) -> subprocess.CompletedProcess:
    return python("-c", HELP, *words, "--help")


@pytest.mark.parametrize("words", [(), *((name,) for name in NAMES)], ids=["styledistill", *NAMES])
def test_help_comes_at_once_and_without_torch(words: tuple[str, ...]):
    done = help_of(*words)
    assert done.returncode == 0 and "Usage: styledistill" in done.stdout, done.stderr
    said, _, seconds = done.stderr.partition("seconds ")
    assert said == "heavy "
    assert float(seconds) < 0.5


def test_every_program_is_listed_with_what_it_is_for():
    listed = help_of().stdout.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines() if line[2:3].strip()] == NAMES
    assert "Draw images in the style of others" in listed


ALONE = sorted(path.stem for path in (ROOT / "src").glob("*.py") if path.stem != "__main__")


@pytest.mark.parametrize("name", ALONE)
def test_a_program_is_called_alone_too(name: str):
    done = subprocess.run(
        [sys.executable, ROOT / "src" / f"{name}.py", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and f"Usage: {name}.py" in done.stdout, done.stderr


@pytest.mark.parametrize("folder", ["src", "src/"])
def test_where_nothing_is_installed_the_folder_of_the_code_is_the_command(folder: str, tmp_path: Path):
    """Under any locale, from any folder: a name that is no ASCII stands in the line of an error as it is."""
    environment = {"PATH": "/usr/bin", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, f"{ROOT}/{folder}", "augment", "нет", "нет", "-o", "x"],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (1, "error: нет: no such folder. Give a folder of images.\n")


def test_an_unknown_subcommand_is_told():
    done = help_of("paint")
    assert done.returncode == 2 and "No such command 'paint'" in done.stderr


# All src/*.py of commit 89df96e that are no subcommands.
SCRIPTS = [
    "ablation",
    "benchmark",
    "card",
    "command",
    "compare",
    "convert",
    "crop",
    "deviation",
    "distill",
    "duplicates",
    "export",
    "fetch",
    "figures",
    "golden",
    "graphs",
    "index",
    "manifest",
    "pack",
    "pretrain",
    "render",
    "render_controls",
    "report",
    "score_models",
    "score_variants",
    "scoring",
    "splits",
    "table",
    "teach",
    "teacher_weights",
    "train_tiny_teacher",
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_that_has_moved_is_answered_in_one_line(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as ended:
        styledistill.commands.main([name], "python src")
    assert ended.value.code == 1
    assert re.fullmatch(rf"error: {name} is no program.*: .+ \(CHANGELOG\.md\)\n", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["styledistill", "nothing"])
def test_what_was_no_program_has_no_answer(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        styledistill.commands.main([name], "python src")
    assert f"No such command '{name}'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*RENAMED, "train_tiny_teacher", "teach"])
def test_a_script_that_has_moved_runs_where_it_is(name: str):
    """By the words of the line that is told."""
    told = help_of(name)
    assert told.returncode == 1
    words = re.search(rf"{name} is no program for people: run `python (.+)` ", told.stderr)[1].split()
    done = python(*words, "--help", cwd=ROOT)
    assert done.returncode == 0 and "Usage: " in done.stdout, done.stderr


def test_words_for_snakemake_are_handed_on_as_they_are(tmp_path: Path):
    """Behind `explain` every word is Snakemake's: clusters of letters, `--key=value`, and what looks like an option."""
    rule = 'rule one:\n    output: "x"\n    benchmark: "results/r/times/one.tsv"\n    shell: config["line"]\n'
    (tmp_path / "other.smk").write_text(rule)
    words = ["-s", "other.smk", "--cores=1", "-pF", "x", "--config", "line=touch x"]
    done = subprocess.run(
        [sys.executable, ROOT / "src/explain.py", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^one +1 +forced$", done.stdout, re.M), done.stdout


WITHOUT = """
import sys
class Lacking:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "pydantic", "snakemake"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Lacking)
"""


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("import sys; sys.argv = ['styledistill', 'verify', 'results/x']; commands.main()", "pydantic"),
        ("import sys; sys.argv = ['styledistill', 'explain']; commands.main()", "snakemake"),
        ("import sys; sys.argv = ['styledistill', 'resume', '--cores', '1']; commands.main()", "snakemake"),
    ],
)
def test_what_is_not_installed_is_told_in_one_line(program: str, package: str):
    code = f"{WITHOUT}\nfrom styledistill import commands\n{program}"
    done = python("-c", code)
    ways = "pip install 'styledistill[train]', or pip install '.[train]' in a clone's folder"
    line = f"error: {package} is not installed, which this needs: {ways}\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize("name", NAMES)
def test_help_comes_where_packages_are_not_installed_too(name: str):
    code = f"{WITHOUT}\nfrom styledistill import commands\ncommands.main(['{name}', '--help'], 'styledistill')"
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "") and f"Usage: styledistill {name}" in done.stdout


def test_a_student_without_torch_is_that_of_onnxruntime():
    code = f"{WITHOUT}\nfrom styledistill import Student\nprint(Student.__name__)"
    done = python("-c", code)
    assert done.stdout == "OnnxStudent\n", done.stderr


@pytest.mark.parametrize("program", [[ROOT / "src"], ["-m", "styledistill"]], ids=["src", "-m"])
def test_the_version_is_that_of_the_project(program: list):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    done = python(*program, "--version")
    assert (done.returncode, done.stdout) == (0, f"styledistill {version}\n"), done.stderr
    assert styledistill.__version__ == version


def test_the_package_runs_as_a_module():
    done = python("-m", "styledistill", "stylize", "--help")
    assert done.returncode == 0 and "Usage: python -m styledistill stylize" in done.stdout, done.stderr


def test_a_student_is_imported_from_the_package():
    from styledistill import Student
    from styledistill.student import model

    assert Student is model.Student
