"""Weights of other people: downloaded by jobs of their own, only where the configuration says so."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from archived import model_hub
from running import SMOKE, run_workflow
from serving import serving


def _preset(folder: Path, **networks: str) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SMOKE.read_text()), "metrics": {}, "networks": networks}))
    return str(path)


def _planned(folder: Path, config: str) -> tuple[set[str], dict[str, set[str]]]:
    """Weights that a dry run would download, and those that each other job waits for, by the job's message."""
    plan = run_workflow(folder, "-n", "--configfile", config)
    assert plan.returncode == 0, plan.stderr[-3000:]
    made, waits = set(), {}
    for message, reason in re.findall(r"^Job \d+: (.*)\nReason: (.*)$", plan.stdout + plan.stderr, re.M):
        missing, _, updated = reason.partition("Input files updated by another job:")
        made |= set(re.findall(r"/weights/(\w+)\.json", missing))
        if stamps := set(re.findall(r"/weights/(\w+)\.json", updated)):
            waits[message] = stamps
    return made, waits


def test_what_is_downloaded_is_waited_for_by_the_jobs_that_use_it_and_nothing_else_is(tmp_path):
    config = _preset(tmp_path, vgg19="download", alexnet="download", inception="seeded")
    made, waits = _planned(tmp_path, config)
    assert made == {"vgg19", "alexnet"}
    jobs = ("Score the teacher, the student before distillation and the baselines", "Score mse", "Score gram50")
    scores = {job: {"vgg19", "alexnet"} for job in jobs}
    assert waits == scores | {"Distill the teacher into student gram50": {"vgg19"}}


def test_weights_come_without_the_images_and_another_file_stops_the_run_in_one_line(tmp_path, monkeypatch):
    config = Path(_preset(tmp_path, vgg19="seeded", alexnet="download", inception="seeded"))
    values = yaml.safe_load(config.read_text())
    values["sources"]["scenes"] = {"kind": "folder", "path": "nowhere"}
    config.write_text(yaml.safe_dump(values))
    with serving(b"not AlexNet") as server:
        monkeypatch.setenv("STYLEDISTILL_MIRROR", server.address)
        done = run_workflow(tmp_path, "weights", "--cores", "1", "--configfile", str(config))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "not here yet: sources.scenes.path: no folder nowhere" in said and "error: sources" not in said
    assert f"error: {server.address}/alexnet-owt-7be5be79.pth: 11 bytes there, expected 244,408,911" in said
    assert [path.name for path in (tmp_path / "resources").rglob("*") if path.is_file()] == []
    assert not (tmp_path / "results/smoke/weights/alexnet.json").exists()


def _ablation(folder: Path, **changes) -> str:
    """A configuration with variants of the teacher, whose student starts from a file that comes by hand."""
    values = yaml.safe_load(SMOKE.read_text()) | {"metrics": {}}
    values["networks"] |= {"alexnet": "seeded", "inception": "seeded"}
    student = {"architecture": "sttr", "size": "full", "start": "resources/weights/checkpoint0005.pth"}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**values, "student": student, "ablation": {"cold": {"gamma": 0.5}}, **changes}))
    return str(path)


def test_what_only_other_targets_need_may_be_missing(tmp_path):
    config = _ablation(tmp_path)
    done = run_workflow(tmp_path, "ablation", "--cores", "2", "--configfile", config, "--until", "select_golden")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert "not here yet: student.start: nothing at resources/weights/checkpoint0005.pth" in said
    assert (tmp_path / "results/smoke/blocks/golden.csv").is_file()
    stopped = run_workflow(tmp_path, "students", "--cores", "2", "--configfile", config)
    assert stopped.returncode != 0
    assert "error: student.start: nothing at resources/weights/checkpoint0005.pth. Put it there" in stopped.stderr
    assert not (tmp_path / "results/smoke/blocks/train").exists()


def test_what_comes_by_hand_is_asked_for_behind_what_can_be_fetched(tmp_path, monkeypatch):
    files = {f"{part}/config.json": b"{}" for part in ("unet", "vae")}
    files |= {f"{part}/diffusion_pytorch_model.safetensors": part.encode() * 999 for part in ("unet", "vae")}
    teacher = {**yaml.safe_load(SMOKE.read_text())["teacher"], "weights": "someone/tiny"}
    with serving(model_hub("someone/tiny", files), script=["right", "cut", (503, {})]) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        done = run_workflow(tmp_path, "weights", "--cores", "2", "--configfile", _ablation(tmp_path, teacher=teacher))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert (tmp_path / "results/smoke/weights/teacher.json").is_file(), said[-3000:]
    assert "someone/tiny: 4 of 4 files are not here; 0.0 MB to fetch" in said
    assert "error: resources/weights/checkpoint0005.pth is not here and comes by hand: put it there, from" in said
