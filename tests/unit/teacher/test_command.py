"""A program of one's own as the teacher: real programs, called as the workflow calls them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from styledistill.config import Teacher
from styledistill.core.errors import UserError
from styledistill.core.places import weights_mark
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.teacher.load import load_teacher
from styledistill.teacher.pair_cache import PairStore

CPU = torch.device("cpu")
# Half content, half style; it notes each run in a file beside it.
BLEND = """
import csv, sys
from pathlib import Path
from PIL import Image
def blend(content, style, output):
    style = Image.open(style).resize(Image.open(content).size)
    Image.blend(Image.open(content), style, 0.5).save(output)
with Path(__file__).with_suffix(".runs").open("a") as runs:
    print(*sys.argv[2:], file=runs)
if sys.argv[1] == "all":
    for row in csv.DictReader(open(sys.argv[2])):
        blend(row["content"], row["style"], row["output"])
else:
    blend(*sys.argv[2:])
"""
ONE, ALL = "one {content} {style} {output}", "all {pairs}"


def images(count: int, first: int = 0, side: int = 8) -> torch.Tensor:
    return from_uint8(np.random.default_rng(first).integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def program(folder: Path, text: str, name: str = "paint.py") -> str:
    (folder / name).write_text(text)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(folder / name))}"


def teacher(command: str, **settings: str):
    return load_teacher(Teacher(method="command", command=command, **settings), CPU)


def runs(folder: Path) -> int:
    path = folder / "paint.runs"
    return len(path.read_text().splitlines()) if path.is_file() else 0


@pytest.mark.parametrize(("words", "calls"), [(ONE, 4), (ALL, 1)])
def test_a_program_stylizes_each_distinct_pair_once(tmp_path, words, calls):
    contents, styles = images(2)[[0, 0, 1, 1, 1]], images(2, first=5, side=12)[[0, 1, 0, 1, 1]]
    told: list[int] = []
    made = teacher(f"{program(tmp_path, BLEND)} {words}").stylize(contents, styles, on_done=told.append)
    assert made.shape == contents.shape and runs(tmp_path) == calls and sum(told) == 5
    assert torch.equal(made[3], made[4]) and not torch.equal(made[0], made[1])
    wanted = (contents + torch.nn.functional.interpolate(styles, 8, mode="bicubic", antialias=True)) / 2
    assert (made - wanted).abs().mean() < 0.02


def test_a_finished_pair_is_not_made_again(tmp_path):
    command = f"{program(tmp_path, BLEND)} {ONE}"
    contents, styles = images(2), images(2, first=5)
    for _ in range(2):
        one = teacher(command)
        made = one.stylize(contents, styles, PairStore(tmp_path / "pairs", one.key))
    assert runs(tmp_path) == 2
    assert torch.equal(made, teacher(command).stylize(contents, styles))


def test_the_key_knows_the_program_and_its_version(tmp_path):
    say = program(tmp_path, "print('painter 2.1'); print('more')", "say.py")
    command = f"{program(tmp_path, BLEND)} {ONE}"
    key = teacher(command, version_command=say).key
    assert key["version"] == "painter 2.1" and key["command"] == command and key["method"] == "command"
    program(tmp_path, BLEND + "\n# another version")
    weights_mark.cache_clear()  # what a process has hashed it hashes no more
    assert teacher(command, version_command=say).key["files"] != key["files"]


def test_files_of_both_commands_and_behind_an_equals_sign_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "net.pt", "VERSION"):
        (tmp_path / name).write_text(name)
    one = Teacher(method="command", command="python mine.py --net=net.pt {pairs}", version_command="cat VERSION")
    assert list(one.command_files) == ["VERSION", "mine.py", "net.pt"]
    before = one.mark()
    (tmp_path / "net.pt").write_text("trained on")
    weights_mark.cache_clear()
    assert one.mark() != before


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("import sys; print('no such style', file=sys.stderr); sys.exit(3)", ONE, "ended with code 3: no such style"),
        ("import sys; sys.exit(3)", ALL, "and those with it: .* ended with code 3"),
        ("pass", ONE, "the command ended well and wrote no image to its output path"),
        ("pass", ALL, "the command ended well and wrote no image to its output path"),
        ("import sys; open(sys.argv[4], 'w').write('paint')", ONE, "what the command wrote is no image"),
        (
            "import sys; from PIL import Image; Image.open(sys.argv[2]).resize((9, 7)).save(sys.argv[4])",
            ONE,
            "the command wrote 9 x 7 pixels for a content of 8 x 8",
        ),
    ],
)
def test_a_bad_program_is_named_with_its_pair_in_one_line(tmp_path, text, words, said):
    with pytest.raises(UserError, match=rf"^teacher: pair c00_s00.*{said}") as error:
        teacher(f"{program(tmp_path, text)} {words}").stylize(images(1), images(1, first=5), names=["c00_s00"])
    assert "\n" not in str(error.value)


def test_good_pairs_are_kept_when_one_of_the_block_fails(tmp_path):
    rows = "csv.DictReader(open(sys.argv[2]))"
    half = BLEND.replace(rows, f"[*{rows}][:1]")
    one = teacher(f"{program(tmp_path, half)} {ALL}")
    store = PairStore(tmp_path / "pairs", one.key)
    contents, styles = images(2), images(2, first=5)
    with pytest.raises(UserError, match=r"pair second: .* wrote no image"):
        one.stylize(contents, styles, store, names=["first", "second"])
    kept = [store.get(c, s) is not None for c, s in zip(to_uint8(contents), to_uint8(styles), strict=True)]
    assert kept == [True, False]


def test_a_program_that_is_not_there():
    with pytest.raises(UserError, match=r"pair a: no_such_painter cannot be started \(No such file"):
        teacher("no_such_painter {content} {style} {output}").stylize(images(1), images(1, 5), names=["a"])
    with pytest.raises(UserError, match=r"teacher\.version_command: no_such_painter: No such file"):
        _ = teacher("x {pairs}", version_command="no_such_painter --version").key


def test_words_are_not_read_by_a_shell(tmp_path):
    marker = tmp_path / "marker"
    command = f"{program(tmp_path, BLEND)} {ONE} ; touch {shlex.quote(str(marker))}"
    with pytest.raises(UserError, match="ended with code"):
        teacher(command).stylize(images(1), images(1, 5))
    assert not marker.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a program with its parent")
def test_what_a_program_says_is_told_at_once_and_it_does_not_outlive_its_job(tmp_path):
    command = program(tmp_path, "import os, time; print('begun', os.getpid(), flush=True); time.sleep(300)")
    job = (
        "import torch; from styledistill.config import Teacher\n"
        "from styledistill.teacher.command import CommandTeacher\n"
        f"teacher = CommandTeacher(Teacher(method='command', command={command + ' {pairs}'!r}))\n"
        "teacher.stylize(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))"
    )
    words, found = [sys.executable, "-c", job], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=found) as running:
        said = running.stderr.readline().split()
        running.kill()
    assert said[:1] == ["begun"]
    deadline = time.monotonic() + 30
    while alive(said[1]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(said[1])


def alive(process: str) -> bool:
    """Whether a process runs; what has ended and waits for its parent to see it does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
