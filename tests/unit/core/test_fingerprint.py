"""Fingerprints change with what code does, and with nothing else."""

import ast
import shutil
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from styledistill.core import fingerprint

SRC = Path(__file__).parents[3] / "src"
SCRIPTS = sorted(path.stem for path in (SRC / "steps").glob("*.py"))
CODE = 'def f(x: int = 3) -> int:\n    """Say it."""\n    return x + 1\n'


def _pieces(code: str) -> list[str]:
    return fingerprint._pieces(ast.parse(code))


@pytest.mark.parametrize(
    "same",
    [
        'def f(x: int = 3) -> int:\n    """Say it otherwise."""\n    return x + 1  # why\n',
        "def f(x: int=3)->int:\n\n    return (x + 1)\n",
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(same):
    assert _pieces(same) == _pieces(CODE)


@pytest.mark.parametrize(
    "change", [("x + 1", "x + 2"), ("x + 1", "x - 1"), ("3", "3.0"), ("f(", "g("), ("int =", "float =")]
)
def test_what_code_does_counts(change):
    assert _pieces(CODE.replace(*change)) != _pieces(CODE)


def test_a_script_reaches_what_it_imports_lazily_and_through_others():
    reached = {path.relative_to(SRC).as_posix() for path in fingerprint._reachable(SRC / "steps/render.py")}
    assert {
        "steps/render.py",
        "styledistill/run/cli.py",
        "styledistill/teacher/ddim.py",
        "styledistill/core/images.py",
    } <= reached
    assert "styledistill/report/page/page.py" not in reached


NESTED = """
async def f():
    class A:
        if 1: import m1
        else: import m2
    for x in y: import m3
    else: import m4
    async with z:
        while 1: import m5
    try: import m6
    except E: import m7
    else: import m8
    finally: import m9
    try: pass
    except* E: import m10
    match x:
        case 1: import m11
"""


def test_imports_are_found_wherever_a_statement_can_stand():
    names = {alias.name for node in fingerprint._statements(ast.parse(NESTED)) for alias in getattr(node, "names", ())}
    assert names == {f"m{number}" for number in range(1, 12)}


def test_data_steps_do_not_reach_the_networks():
    for script in ("index", "select_block", "crop", "select_golden", "pack", "manifest"):
        reached = {path.relative_to(SRC).as_posix() for path in fingerprint._reachable(SRC / "steps" / f"{script}.py")}
        assert not [path for path in reached if "/teacher/" in path or "/student/" in path], script


# Of several ways to tell these, each version of Python has chosen its own.
F_STRINGS = r"""
f"{x:>{width}}" + f"{x:{width}}" + f"{x:{width}.{precision}}" + f"{x!r:^{width}.{precision}f} behind"
f"{x:%Y-{width}}" + f"{x:{'{'}}" + f"{x:}" + f"{x:>10}" + f"" + f"{{}}{x}}}" + f"{x = }" + f"{x=!s:>{width}}"
"a" f"{x}" "b" "c" f"" f"{{d{x:{width}}e" "f" + rf"\d{x:\d{width}}" + f"{f'{x:>{width}}':<{width}}"
f'''{
    x:>{width}
}'''
"""


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13", "python3.14"])
def test_other_pythons_find_the_same(python, tmp_path):
    """Else an upgrade of Python would compute everything again."""
    found = shutil.which(python)
    if not found or subprocess.run([found, "--version"], capture_output=True).returncode:  # a shim of pyenv, say
        pytest.skip(f"{python} is not installed here")
    strings = tmp_path / "strings.py"
    strings.write_text(F_STRINGS)
    code = "import sys; from pathlib import Path;"
    code += "from styledistill.core.fingerprint import fingerprint_script, _module_hash;"
    code += "print(_module_hash(Path(sys.argv[1])), *map(fingerprint_script, sys.argv[2:]))"
    done = subprocess.run([found, "-c", code, strings, *SCRIPTS], cwd=SRC, capture_output=True, text=True, check=True)
    own = [fingerprint._module_hash(strings), *map(fingerprint.fingerprint_script, SCRIPTS)]
    assert dict(zip(["strings", *SCRIPTS], done.stdout.split(), strict=True)) == dict(
        zip(["strings", *SCRIPTS], own, strict=True)
    )


@pytest.mark.parametrize("change", [(":>{width}}", ":<{width}}"), (":{width}.{", ":{width}{"), ('"a" f', '"b" f')])
def test_what_an_f_string_says_counts(change):
    assert change[0] in F_STRINGS
    assert _pieces(F_STRINGS.replace(*change)) != _pieces(F_STRINGS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_bears_the_name_of_a_package(script):
    """A script's folder is the first place where Python looks: `src/steps/tabulate.py` would break pandas."""
    assert script not in sys.stdlib_module_names
    spec = PathFinder.find_spec(
        script, [entry for entry in sys.path if Path(entry).resolve() not in (SRC, SRC / "steps")]
    )
    assert spec is None or spec.loader is None  # a folder like weights/ is no package
