"""The files of a student: whole whatever kills the process, and refused in one line whatever they say."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from small_training import equal

from styledistill.core.errors import UserError
from styledistill.student import Student, model
from styledistill.student.onnx_student import OnnxStudent

ROOT = Path(__file__).parents[3]
WEIGHTS = {name: ROOT / "weights" / name for name in ("tiny_student", "micro")}
ODD = [-1, 0, 1e30, "x", None, [], {}, [0], [[1]], 10**6, float("nan"), 2.5]


def same(one: Student, other: Student) -> bool:
    return equal(one.network.state_dict(), other.network.state_dict()) and one.facts == other.facts


@pytest.mark.slow
def test_a_student_killed_while_it_is_saved_is_the_old_or_the_new(tmp_path: Path) -> None:
    students = [Student.from_pretrained(folder) for folder in WEIGHTS.values()]
    students[0].save(tmp_path)
    seen, choice = set(), random.Random(1)
    for _ in range(12):
        before = (tmp_path / "student.safetensors").stat().st_ino
        if not (child := os.fork()):
            torch.set_num_threads(1)
            while True:
                for student in students[::-1]:
                    student.save(tmp_path)
        while (tmp_path / "student.safetensors").stat().st_ino == before:
            time.sleep(0.001)
        time.sleep(choice.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = Student.from_pretrained(tmp_path)
        (which,) = [number for number, student in enumerate(students) if same(student, found)]
        seen.add(which)
    assert 1 in seen


def test_weights_beside_the_configuration_of_another_student_are_those_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill between the two files leaves them."""
    first, second = (Student.from_pretrained(folder) for folder in WEIGHTS.values())
    first.save(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(model, "write_json", killed)
        second.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["architecture"] == "sttr"
    assert same(Student.from_pretrained(tmp_path), second)


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_configuration_of_any_values_is_a_student_or_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "student.safetensors").symlink_to(WEIGHTS[name] / "student.safetensors")
    good = json.loads((WEIGHTS[name] / "config.json").read_text("utf-8"))
    cases = [{**good, key: value} for key in (*good, "more") for value in ODD]
    cases += [{**good, "network": {**good["network"], key: value}} for key in (*good["network"], "x") for value in ODD]
    image = torch.rand(1, 3, 32, 32)
    for case in [*cases, *ODD]:
        (tmp_path / "config.json").write_text(json.dumps(case), "utf-8")
        try:
            Student.from_pretrained(tmp_path).stylize(image, image)
        except UserError as error:
            assert "\n" not in str(error), case
        if name == "micro":
            with suppress(UserError):
                OnnxStudent.from_pretrained(tmp_path)
    for data in (b"", b"{", b"\xff\xfe"):
        (tmp_path / "config.json").write_bytes(data)
        with pytest.raises(UserError, match="no student of this version"):
            Student.from_pretrained(tmp_path)
    shutil.copy(WEIGHTS[name] / "config.json", tmp_path / "config.json")
    assert Student.from_pretrained(tmp_path).facts["origin"] == good["origin"]
