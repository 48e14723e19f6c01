"""What is published, before anything is sent: the folder of --dry-run, its card, and what is refused."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import ModelCard

from styledistill.commands.publish import main
from styledistill.core.files import read_json, sha256_file, write_json
from styledistill.shards.read import PairDataset
from styledistill.share.bundle import bundle_of
from styledistill.student import Student

ROOT = Path(__file__).parents[3]


def publish(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def only_error(result: Result) -> str:
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def written(run: Path, *words: object) -> Path:
    out = run.parent / "out"
    result = publish(run / "students/mse", "owner/name", "--dry-run", "-o", out, *words)
    assert result.exit_code == 0, result.output
    return out


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- a student ----------------------------------------------------------------------------------------------------


def test_a_student_with_its_card_and_sheet(run: Path) -> None:
    out = written(run)
    assert files(out) == {"README.md", "student.safetensors", "config.json", "golden.png"}
    for name in ("student.safetensors", "config.json"):
        assert sha256_file(out / name) == sha256_file(run / "students/mse" / name)
    assert Student.from_pretrained(out).facts["loss"] == {"pixel": 1.0}
    assert out.stat().st_mode & 0o777 == 0o755


def test_graphs_go_along(run: Path) -> None:
    student = run / "students/mse"
    (student / "onnx").mkdir()
    for name in ("encode_style.onnx", "stylize.onnx", "stylize.fp16.onnx", "other.onnx", "export.json"):
        (student / "onnx" / name).write_bytes(b"x")
    out = written(run)
    assert files(out / "onnx") == {"encode_style.onnx", "stylize.onnx", "stylize.fp16.onnx"}
    text = (out / "README.md").read_text("utf-8")
    assert "`onnx/encode_style.onnx` and `onnx/stylize.onnx` need `onnxruntime` only; `onnx/stylize.fp16.onnx`" in text
    assert "onnx" in ModelCard(text).data.tags


def test_the_card_says_what_the_run_knows(run: Path) -> None:
    text = (written(run) / "README.md").read_text("utf-8")
    card = ModelCard(text)
    assert card.data.license == "other" and card.data.pipeline_tag == "image-to-image"
    assert "knowledge-distillation" in card.data.tags and card.data.library_name == "styledistill"
    golden, val = re.findall(r"^### (?:Golden|Validation).*?\n\n(.*?)(?=^###|\n\n)", text, re.M | re.S)
    for table in (golden, val):
        assert table.splitlines()[0] == "| Measure | mse | pretrained | recolor | teacher |"
        assert re.search(r"^\| LPIPS ↓ \| [\d.]+ <sub>\[[\d.]+, [\d.]+\]</sub> \|", table, re.M)
    assert '<span style="color:gray">(12.5)</span>' in golden and '<span style="color:gray">' not in val
    assert "Seeded random weights were used for" in text
    assert '| loss | `{"pixel":1.0}` |' in text and "| training, batch | `4` |" in text
    assert "| pairs, train | `1` |" in text and "| gamma | `0.75` |" in text
    assert "![" in text and "(golden.png)" in text and "the sources `photos`" in text
    assert "| `photos` | cc-by-4.0 |" in text and "Not of the model card" not in text
    assert "--model owner/name" in text and 'Student.from_pretrained("owner/name")' in text
    assert sha256_file(run / "students/mse/student.safetensors") in text


def test_the_card_of_a_run_without_lpips_and_fid_speaks_of_neither(run: Path, trial_without: tuple[Path, Any]) -> None:
    shutil.copy(trial_without[0] / "tables/metrics.csv", run / "tables/metrics.csv")
    text = (written(run) / "README.md").read_text("utf-8")
    assert "| ST-LPIPS ↓ | 0.400 | 0.400 | 0.400 | 0.400 |" in text
    assert "| LPIPS" not in text and "FID" not in text and "grayed" not in text


def test_no_fact_of_this_machine_is_published(run: Path) -> None:
    out = written(run)
    publish(run / "shards", "owner/pairs", "--dry-run", "-o", run.parent / "pairs")
    for folder in (out, run.parent / "pairs"):
        for name in files(folder):
            data = (folder / name).read_bytes()
            assert b"a-host" not in data and bytes(run) not in data, name


def test_equal_students_have_equal_cards(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "elsewhere" / run.name)
    one, two = (bundle_of(folder / "students/mse", "owner/name").files["README.md"] for folder in (run, other))
    assert one == two


def test_the_license_is_what_is_said(run: Path) -> None:
    text = (written(run, "--license", "cc-by-nc-4.0") / "README.md").read_text("utf-8")
    assert ModelCard(text).data.license == "cc-by-nc-4.0" and "nobody has stated" not in text


def test_a_student_of_no_run_says_that_nothing_was_measured(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the template asks for nothing that it is not given: the hub's library leaves that out without a word."""
    monkeypatch.setattr(jinja2, "Template", partial(jinja2.Template, undefined=jinja2.StrictUndefined))
    out = run.parent / "micro"
    assert publish(ROOT / "weights/micro", "owner/micro", "--dry-run", "-o", out).exit_code == 0
    text = (out / "README.md").read_text("utf-8")
    assert "Not measured." in text and ModelCard(text).data.license == "unknown"
    assert "resampled" not in text and "golden.png" not in text
    written(run)


# --- shards -------------------------------------------------------------------------------------------------------


def test_shards_as_a_data_set(run: Path) -> None:
    out = run.parent / "pairs"
    result = publish(run / "shards", "owner/pairs", "--dry-run", "-o", out)
    assert result.exit_code == 0, result.output
    assert files(out) == {"README.md", "train.json", "val.json", "train/0000.tar", "val/0000.tar"}
    for split in ("train", "val"):
        mine, theirs = (PairDataset(folder / f"{split}.json") for folder in (run / "shards", out))
        assert mine.keys == theirs.keys and all(a.equal(b) for a, b in zip(mine, theirs, strict=True))


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repo", ["name", "owner/name/more", "owner/na me", "owner/-name", "../name", "owner/", "https://x/y/z"]
)
def test_names_that_the_hub_does_not_take(repo: str, run: Path) -> None:
    said = only_error(publish(run / "students/mse", "--dry-run", "-o", run.parent / "out", "--", repo))
    assert "no name for a repository of the hub" in said and not (run.parent / "out").exists()


def test_folders_that_are_nothing_to_publish(run: Path) -> None:
    def said(folder: Path, *words: object) -> str:
        return only_error(publish(folder, "owner/name", "--dry-run", "-o", run.parent / "out", *words))

    assert "no such folder" in said(run / "nowhere")
    assert "neither a student" in said(run)
    (run / "shards/README.md").rename(run / "card")
    assert "no data card here" in said(run / "shards")
    (run / "card").rename(run / "shards/README.md")
    assert "a data set's license is that of its sources" in said(run / "shards", "--license", "mit")
    with (run / "shards/train/0000.tar").open("ab") as file:
        file.write(b"x")
    assert "0000.tar: missing, or not what train.json lists" in said(run / "shards")
    (run / "students/mse/config.json").unlink()
    assert "no student here (config.json is missing)" in said(run / "students/mse")
    (run / "students/mse/student.safetensors").write_bytes(b"words")
    (run / "students/mse/config.json").write_text("{}")
    assert "no student of this version" in said(run / "students/mse")
    assert not (run.parent / "out").exists()


def test_weights_that_were_changed_since_they_were_scored(run: Path) -> None:
    record = run / "students/mse/distill.run.json"
    write_json(record, read_json(record) | {"sha256": {"student.safetensors": "00"}})
    said = only_error(publish(run / "students/mse", "owner/name", "--dry-run", "-o", run.parent / "out"))
    assert "student.safetensors: not what its job wrote" in said


def test_a_folder_that_holds_something_is_left_as_it_is(run: Path) -> None:
    out = run.parent / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert "holds something already" in only_error(publish(run / "students/mse", "owner/name", "--dry-run", "-o", out))
    assert files(out) == {"notes.txt"}
    (out / "notes.txt").unlink()
    assert "README.md" in files(written(run))


@pytest.mark.parametrize("words", [["--dry-run"], ["-o", "out"]])
def test_a_dry_run_has_a_folder_and_only_it(words: list[str], run: Path) -> None:
    assert "--dry-run and --out go together" in only_error(publish(run / "students/mse", "owner/name", *words))


def test_a_token_is_asked_for_first(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "no token for the hub. Set HF_TOKEN" in only_error(publish(run / "nowhere", "owner/name"))


def test_killed_while_the_folder_is_written_it_is_whole_or_not_there(run: Path) -> None:
    bundle = bundle_of(run / "students/mse", "owner/name")
    bundle.files.update({f"more/{number}": bytes(10_000) for number in range(200)})
    begun = time.monotonic()
    bundle.write(run.parent / "first")
    seconds = time.monotonic() - begun
    seen, choice = set(), random.Random(1)
    for number in range(20):
        out = run.parent / f"out{number}"
        if not (child := os.fork()):
            bundle.write(out)
            time.sleep(60)
        while not list(run.parent.glob(f".out{number}.*")) and not out.exists():
            time.sleep(0.0005)
        time.sleep(choice.uniform(0, 3 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert not out.exists() or files(out) == set(bundle.files)
        seen.add(out.exists())
    assert seen == {True, False}


@pytest.mark.parametrize("damage", [b"", b"x", b"[]", b"[3]", b"\xff\xfe", b'{"sha256": 3}'], ids=ascii)
@pytest.mark.parametrize(
    "file",
    [
        "tables/metrics.csv", "tables/metrics.run.json", "tables/benchmark.csv", "blocks/golden.csv",
        "students/mse/distill.run.json", "shards/train.json", "shards/README.md", "figures/golden.png",
    ],
)  # fmt: skip
def test_a_damaged_file_of_the_run_ends_in_one_line_or_counts_for_nothing(run: Path, file: str, damage: bytes) -> None:
    (run / file).write_bytes(damage)
    result = publish(run / "students/mse", "owner/name", "--dry-run", "-o", run.parent / "out")
    if result.exit_code:
        assert file in only_error(result)
    assert (run.parent / "out").exists() == (result.exit_code == 0)
    if file.endswith("golden.png"):
        assert result.exit_code == 1


def test_costs_that_are_no_numbers(run: Path) -> None:
    (run / "tables/benchmark.csv").write_text("model,seconds\nmse,abc\n")
    assert "benchmark.csv: cannot be read" in only_error(
        publish(run / "students/mse", "owner/name", "--dry-run", "-o", run.parent / "out")
    )


def test_graphs_that_are_not_those_of_their_job(run: Path) -> None:
    graphs = run / "students/mse/onnx"
    graphs.mkdir()
    for name in ("encode_style", "stylize"):
        (graphs / f"{name}.onnx").touch()
    write_json(graphs / "export.run.json", {"sha256": {"stylize.onnx": "00"}})
    assert "stylize.onnx: not what its job wrote" in only_error(
        publish(run / "students/mse", "owner/name", "--dry-run", "-o", run.parent / "out")
    )


def test_names_stay_names_in_the_card(run: Path) -> None:
    odd = run.rename(run.parent / "<b>|``a`\n\n# b {{ 7*7 }}")
    card = (written_from(odd / "students/mse") / "README.md").read_text()
    assert "``` <b>|``a` # b {{ 7*7 }} ```" in card and "\n# b" not in card


def written_from(student: Path) -> Path:
    out = student.parents[2] / "look"
    result = publish(student, "owner/name", "--dry-run", "-o", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("word", ["", "<b>", "a: b", "a\nb", "MIT License", "a" * 65])
def test_a_license_that_is_no_word(run: Path, word: str) -> None:
    assert "--license" in only_error(
        publish(run / "students/mse", "owner/name", "--dry-run", "-o", run.parent / "out", "--license", word)
    )


@pytest.mark.parametrize("out", ["figures/golden.png/x", "/proc/x", "/proc/x/y"])
def test_a_place_where_nothing_can_be_written(run: Path, out: str) -> None:
    assert "choose another" in only_error(publish(run / "students/mse", "owner/name", "--dry-run", "-o", run / out))
