"""To the hub and back, by a real server of this machine: one commit or none, one line for what fails, equal bits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hub_server import TOKEN, Hub, hub_serving
from PIL import Image
from safetensors.numpy import load_file

from styledistill.commands.publish import main
from styledistill.core.arrays import levels, planes
from styledistill.core.files import read_json, sha256_bytes
from styledistill.student import micro_graphs
from styledistill.student.onnx_student import OnnxStudent

ROOT = Path(__file__).parents[3]
MODEL, DATASET = ("model", "owner/name"), ("dataset", "owner/pairs")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_serving() as served:
        for name, value in served.environment(tmp_path / "hub").items():
            monkeypatch.setenv(name, value)
        # Read when the hub's library was imported: the server speaks git-lfs, and waits are for busy servers.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        yield served


def publish(*words: object) -> Result:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert TOKEN not in result.output
    return result


def only_error(result: Result) -> str:
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.splitlines()[-1].startswith("error: ") and result.stderr.count("error: ") == 1, result.stderr
    return result.stderr.splitlines()[-1]


def sent(hub: Hub, method: str, part: str) -> int:
    return sum(line.startswith(method) and part in line for line in hub.asked)


def python(hub: Hub, home: Path, *words: object, cwd: Path) -> str:
    """What a program says that starts anew, as a user of the hub would start it."""
    environment = {**os.environ, **hub.environment(home), "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done.stdout


# --- there and back -----------------------------------------------------------------------------------------------


def test_a_student_goes_there_in_one_commit_and_comes_back_equal(run: Path, hub: Hub, tmp_path: Path) -> None:
    student = run / "students/mse"
    result = publish(student, "owner/name")
    assert result.exit_code == 0, result.output
    repo = hub.repos[MODEL]
    assert len(repo.commits) == 2 and not repo.private
    assert set(repo.files) == {".gitattributes", "README.md", "config.json", "golden.png", "student.safetensors"}
    assert repo.files["student.safetensors"] == (student / "student.safetensors").read_bytes()
    assert f"{hub.address}/owner/name/tree/{repo.sha()}: 4 files" in result.stdout
    assert f"Bearer {TOKEN}" in hub.tokens
    for number, name in enumerate(("c.png", "s.png")):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)).save(tmp_path / name)
    for out, model in (("here.png", student), ("hub.png", "owner/name")):
        words = ("c.png", "s.png", "-o", out, "--model", model, "--device", "cpu")
        python(hub, tmp_path / "hub", ROOT / "src/stylize.py", *words, cwd=tmp_path)
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "hub.png").read_bytes()
    code = (
        "import torch; from styledistill import Student\n"
        f"mine, theirs = Student.from_pretrained({str(student)!r}), Student.from_pretrained('owner/name')\n"
        "image = torch.rand(1, 3, 40, 48)\n"
        "assert torch.equal(mine.stylize(image, image), theirs.stylize(image, image)); print(theirs.facts['origin'])"
    )
    assert python(hub, tmp_path / "hub", "-c", code, cwd=tmp_path).strip() == f"owner/name@{repo.sha()}"


def test_graphs_come_back_where_a_student_needs_them(run: Path, hub: Hub, tmp_path: Path) -> None:
    """An sttr student draws in onnxruntime where it has graphs: the same engine, the same bits."""
    code = (
        "from styledistill.student.folders import graphs_folder, student_folder\n"
        "folder, _ = student_folder('owner/name', 'main', graphs=True); print(graphs_folder(folder))"
    )
    student = run / "students/gram50"
    for name in ("student.safetensors", "config.json"):
        (student / name).write_bytes((ROOT / "weights/tiny_student" / name).read_bytes())
    assert publish(student, "owner/name").exit_code == 0
    assert python(hub, tmp_path / "one", "-c", code, cwd=tmp_path).strip() == "None"
    for name in ("encode_style", "stylize"):
        hub.repos[MODEL].files[f"onnx/{name}.onnx"] = name.encode()
    assert python(hub, tmp_path / "two", "-c", code, cwd=tmp_path).strip().endswith("/onnx")


def test_the_program_on_the_card_draws_what_the_student_draws(run: Path, hub: Hub, tmp_path: Path) -> None:
    student = run / "students/mse"
    weights = {name: value.astype(np.float32) for name, value in load_file(student / "student.safetensors").items()}
    made = micro_graphs.graphs(weights, read_json(student / "config.json")["network"])
    (student / "onnx").mkdir()
    for name in ("encode_style", "stylize"):
        (student / "onnx" / f"{name}.onnx").write_bytes(made[name]())
    assert publish(student, "owner/name").exit_code == 0
    for number, name in enumerate(("photograph.jpg", "painting.jpg")):
        noise = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
    *_, program = re.findall(r"```python\n(.*?)```", hub.repos[MODEL].files["README.md"].decode(), re.S)
    python(hub, tmp_path / "hub", "-c", program, cwd=tmp_path)
    drawn = OnnxStudent.from_pretrained(student).stylize(
        *(planes(np.asarray(Image.open(tmp_path / name))) for name in ("photograph.jpg", "painting.jpg"))
    )
    assert np.abs(np.int16(levels(drawn)) - np.asarray(Image.open(tmp_path / "out.png"))).max() <= 1


def test_shards_are_a_data_set(run: Path, hub: Hub, tmp_path: Path) -> None:
    result = publish(run / "shards", "owner/pairs", "--private")
    assert result.exit_code == 0, result.output
    repo = hub.repos[DATASET]
    assert repo.private and len(repo.commits) == 2 and MODEL not in hub.repos
    assert "/datasets/owner/pairs/tree/" in result.stdout
    code = (
        "from huggingface_hub import snapshot_download; from styledistill.shards.read import PairDataset\n"
        "there = snapshot_download('owner/pairs', repo_type='dataset')\n"
        f"one, two = PairDataset({str(run / 'shards/train.json')!r}), PairDataset(there + '/train.json')\n"
        "assert one.keys == two.keys and one[0].equal(two[0]); print(len(two))"
    )
    assert python(hub, tmp_path / "hub", "-c", code, cwd=tmp_path).strip() == "1"


# --- what is there already ----------------------------------------------------------------------------------------


def test_what_a_repository_holds_gives_way_only_when_told(run: Path, hub: Hub) -> None:
    student = run / "students/mse"
    assert publish(student, "owner/name").exit_code == 0
    repo = hub.repos[MODEL]
    repo.files["old.onnx"] = b"x"
    before = dict(repo.files)
    assert "owner/name: holds README.md and 4 more files already" in only_error(publish(student, "owner/name"))
    assert repo.files == before and len(repo.commits) == 2
    assert publish(student, "owner/name", "--overwrite").exit_code == 0
    assert len(repo.commits) == 3 and set(before) - set(repo.files) == {"old.onnx"}


def test_the_same_again_is_done_already(run: Path, hub: Hub) -> None:
    assert publish(run / "students/mse", "owner/name").exit_code == 0
    result = publish(run / "students/mse", "owner/name")
    assert result.exit_code == 0 and hub.repos[MODEL].sha() in result.stdout
    assert len(hub.repos[MODEL].commits) == 2


# --- what fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (("GET", "whoami", 401), "The hub does not know this token"),
        (("POST", "/api/repos/create", 403), "This token may not write there"),
        (("POST", "/api/repos/create", 409), "It was made or changed meanwhile"),
        (("POST", "/api/repos/create", "cut"), "Run the same command again"),
        (("POST", "/commit/", 403), "This token may not write there"),
        (("POST", "/commit/", 500), "Run the same command again"),
        (("POST", "/commit/", "cut"), "Run the same command again"),
        (("POST", "/preupload/", 403), "This token may not write there"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_fails_is_one_line_and_the_next_attempt_goes_on(
    failure: tuple[str, str, int | str], said: str, run: Path, hub: Hub
) -> None:
    hub.failures.append(failure)
    hub.words = f"no, {TOKEN} is not welcome"  # a server that says it aloud
    line = only_error(publish(run / "students/mse", "owner/name"))
    assert line.startswith("error: owner/name: ") and said in line and hub.failures == []
    assert failure[2] in ("cut", 401) or f"HTTP {failure[2]}: no, *** is not welcome. " in line
    assert all(len(repo.commits) == 1 for repo in hub.repos.values())  # nothing of it is published
    assert publish(run / "students/mse", "owner/name").exit_code == 0
    assert len(hub.repos[MODEL].commits) == 2
    assert sent(hub, "PUT", "/lfs/") == 1  # the weights went once


def test_another_owner(run: Path, hub: Hub) -> None:
    line = only_error(publish(run / "students/mse", "other/name"))
    assert "This token may not write there" in line and hub.repos == {}


def test_a_connection_that_is_cut_while_weights_are_sent(run: Path, hub: Hub) -> None:
    hub.failures += [("PUT", "/lfs/", "cut")] * 20
    line = only_error(publish(run / "students/mse", "owner/name"))
    assert "Run the same command again" in line and len(hub.repos[MODEL].commits) == 1
    hub.failures[:] = [("PUT", "/lfs/", "cut")]  # once: asked again by itself
    assert publish(run / "students/mse", "owner/name").exit_code == 0
    assert len(hub.repos[MODEL].commits) == 2


def test_an_answer_that_is_lost_after_the_commit(run: Path, hub: Hub) -> None:
    hub.failures.append(("POST", "/commit/", "late"))
    only_error(publish(run / "students/mse", "owner/name"))
    assert publish(run / "students/mse", "owner/name").exit_code == 0
    assert len(hub.repos[MODEL].commits) == 2  # and not three


def test_a_push_of_somebody_else_meanwhile(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    create = HfApi.create_commit

    def pushed(api: HfApi, *words: object, **settings: object) -> object:
        hub.repos[MODEL].commits.append({**hub.repos[MODEL].files, "theirs": b"x"})
        return create(api, *words, **settings)

    monkeypatch.setattr(HfApi, "create_commit", pushed)
    assert "It was changed meanwhile" in only_error(publish(run / "students/mse", "owner/name"))
    assert "student.safetensors" not in hub.repos[MODEL].files


def test_nobody_there(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "Run the same command again" in only_error(publish(run / "students/mse", "owner/name"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in only_error(publish(run / "students/mse", "owner/name"))


def test_the_token_stands_in_nothing_that_is_published(run: Path, hub: Hub) -> None:
    assert publish(run / "students/mse", "owner/name").exit_code == 0
    assert not [name for name, data in hub.repos[MODEL].files.items() if TOKEN.encode() in data]
    assert sha256_bytes(hub.repos[MODEL].files["student.safetensors"]) in hub.large
