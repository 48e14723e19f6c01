"""Weights by name: where they come from, what is pinned and refused of them, and which a run asks for."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from serving import PAGE, serving
from torchvision.models import alexnet

import weights
from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.files import read_json, sha256_bytes
from styledistill.downloads import registry
from styledistill.perceptual import alexnet_features, vgg19_features
from styledistill.run import requirements
from styledistill.student.model import Student, load_imagenet

ROOT = Path(__file__).parents[3]


# --- registry ---------------------------------------------------------------------------------------------------


def test_files_are_named_after_their_hashes():
    files = registry.weight_files()
    assert {"vgg19", "alexnet", "inception", "resnet50"} <= set(files)
    for name, wanted in files.items():
        if name == "sttr":  # its authors state no hash
            continue
        assert len(wanted.sha256) == 64
        if name == "art_inception":  # the hub lists its hash
            continue
        assert Path(wanted.file).stem.rpartition("-")[2] == wanted.sha256[:8]


def test_a_mirror_is_asked_for_the_same_file(monkeypatch):
    assert registry.weight_file("vgg19").address == "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    monkeypatch.setenv("STYLEDISTILL_MIRROR", "http://host/dir/")
    assert registry.weight_file("vgg19").address == "http://host/dir/vgg19-dcbb9e9d.pth"


def test_jobs_say_how_absent_weights_get_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"^networks\.vgg19: .*vgg19-dcbb9e9d\.pth is not here.*weights\.py vgg19`"
    ) as f:
        vgg19_features("download", 1)
    assert "\n" not in str(f.value)
    with pytest.raises(UserError, match=r"resnet50-0676ba61\.pth is not here.*weights\.py resnet50`"):
        load_imagenet(Student.create("tiny", 1))


def test_jobs_refuse_weights_that_are_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / registry.FOLDER / "vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a download")
    with pytest.raises(
        UserError, match=r"networks\.vgg19: .*: 15 bytes, expected 574,673,361; remove it and run again"
    ):
        vgg19_features("download", 1)


# --- the script -------------------------------------------------------------------------------------------------


def seeded_alexnet() -> bytes:
    """A state dict that torchvision's AlexNet takes, small because each tensor is one number."""
    with torch.device("meta"):
        shapes = alexnet(weights=None).state_dict()
    buffer = io.BytesIO()
    torch.save({name: torch.tensor(0.25).expand(value.shape) for name, value in shapes.items()}, buffer)
    return buffer.getvalue()


@pytest.fixture
def own_registry(tmp_path, monkeypatch) -> bytes:
    """A registry whose one file is here, under the hash that it has, in a fresh working directory."""
    data = seeded_alexnet()
    entry = yaml.safe_load(registry.REGISTRY.read_text())["alexnet"]
    entry |= {"sha256": sha256_bytes(data), "bytes": len(data), "url": "http://no.such.host/models/alexnet-x.pth"}
    (tmp_path / "weights.yaml").write_text(yaml.safe_dump({"alexnet": entry}))
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "weights.yaml")
    monkeypatch.chdir(tmp_path)
    return data


def run(*arguments):
    done = CliRunner().invoke(weights.main, arguments, catch_exceptions=False)
    return done.exit_code, done.output


def test_downloaded_weights_are_stamped_and_loaded(tmp_path, monkeypatch, own_registry):
    assert "not here" in run("--list")[1]
    with serving(own_registry) as server:
        monkeypatch.setenv("STYLEDISTILL_MIRROR", f"{server.address}/mirror")
        code, said = run("alexnet", "--stamps", "stamps")
        assert code == 0 and f"alexnet: {len(own_registry) / 1e6:,.1f} MB to fetch" in said
        first = (tmp_path / "stamps" / "alexnet.json").read_bytes()
        monkeypatch.delenv("STYLEDISTILL_MIRROR")
        assert run("alexnet", "--stamps", "stamps")[0] == 0  # it is here: no address is needed
    assert server.asked == [("/mirror/alexnet-x.pth", None)]
    assert (tmp_path / "stamps" / "alexnet.json").read_bytes() == first
    stamp = read_json(tmp_path / "stamps" / "alexnet.json")
    assert (stamp["sha256"], stamp["bytes"]) == (sha256_bytes(own_registry), len(own_registry))
    assert (stamp["name"], stamp["url"]) == ("alexnet", "http://no.such.host/models/alexnet-x.pth")
    assert (alexnet_features("download", 1)[0].weight == 0.25).all()
    listed, teachers = run("--list")[1].split("CompVis/", 1)
    assert (
        "4.27 GB" in teachers
        and "not here" not in listed
        and "here" in listed
        and "BSD-3-Clause" in listed
        and "LPIPS" in listed
    )


@pytest.fixture
def no_hash(tmp_path, monkeypatch, own_registry):
    """Fetches the one file of a registry that states no hash of it, and says how that went."""
    entry = yaml.safe_load(registry.REGISTRY.read_text())["alexnet"] | {"sha256": "", "bytes": None}
    registry.REGISTRY.write_text(yaml.safe_dump({"alexnet": entry}))

    def fetched(data: bytes, **how):
        (tmp_path / "resources" / "weights" / "alexnet-x.pth").unlink(missing_ok=True)
        with serving(data, **how) as server:
            monkeypatch.setenv("STYLEDISTILL_MIRROR", server.address)
            return run("alexnet")

    return fetched


def test_a_file_without_a_published_hash_must_stay_what_it_was_when_it_first_came(tmp_path, own_registry, no_hash):
    other = own_registry.replace(b"features", b"FEATURES")
    for data, code in ((own_registry, 0), (other, 1), (own_registry, 0)):
        assert no_hash(data)[0] == code
    said = no_hash(other)[1]
    assert "pinned when it first came" in said and "lock.json" in said and said.count("error:") == 1
    assert "remove the line 'http://no.such.host/models/alexnet-x.pth' from resources/downloads/lock.json" in said
    (tmp_path / "resources" / "weights" / "alexnet-x.pth").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"sha256 is .* remove it and run again\. It was pinned .*lock\.json"):
        registry.local_file("alexnet")


@pytest.mark.parametrize(
    ("data", "how", "reason"),
    [
        (PAGE, {}, "a web page, such as a log-in shows"),
        (b"<!-- 1 --> log in", {"headers": {"/alexnet-x.pth": {"Content-Type": "text/html"}}}, "a web page comes in"),
        (b'{"error": "quota"}', {}, "no checkpoint of torch"),
        (seeded_alexnet()[:-200], {}, "no checkpoint of torch"),
    ],
)
def test_what_is_no_checkpoint_is_neither_kept_nor_pinned(tmp_path, own_registry, no_hash, data, how, reason):
    code, said = no_hash(data, **how)
    assert code == 1 and reason in said.splitlines()[-1]
    assert not (tmp_path / "resources").exists() or not any((tmp_path / "resources" / "weights").iterdir())
    assert not (tmp_path / "resources" / "downloads" / "lock.json").exists()
    assert no_hash(own_registry)[0] == 0  # the right file comes later, and nothing stands in its way


def test_checkpoints_of_old_and_of_new_torch_are_told(no_hash):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer, _use_new_zipfile_serialization=False)
    assert no_hash(buffer.getvalue())[0] == 0


def test_a_file_that_comes_by_hand_is_asked_for_pinned_and_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "resources" / "weights" / "checkpoint0005.pth"
    code, said = run("sttr", "--stamps", "stamps")
    assert code == 1 and len(said.splitlines()) == 1
    assert "resources/weights/checkpoint0005.pth is not here" in said and "github.com/researchmm/STTR" in said
    kept.parent.mkdir(parents=True)
    kept.write_bytes(PAGE)
    code, said = run("sttr", "--stamps", "stamps")
    assert code == 1 and "a web page, such as a log-in shows; remove it" in said
    kept.write_bytes(seeded_alexnet())
    assert run("sttr", "--stamps", "stamps")[0] == 0
    assert read_json(tmp_path / "stamps" / "sttr.json")["sha256"] == sha256_bytes(seeded_alexnet())
    kept.write_bytes(b"others")
    code, said = run("sttr", "--stamps", "stamps")
    assert code == 1 and "sha256 is" in said


def test_another_file_on_the_mirror_is_refused_in_one_line(tmp_path):
    with serving(seeded_alexnet()) as server:
        done = subprocess.run(
            [sys.executable, ROOT / "src" / "weights.py", "alexnet", "--folder", tmp_path / "kept"],
            env={"STYLEDISTILL_MIRROR": server.address},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2 and "alexnet: 244.4 MB to fetch" in done.stderr
    assert f"error: {server.address}/alexnet-owt-7be5be79.pth: " in done.stderr
    assert "expected 244,408,911" in done.stderr
    assert not any((tmp_path / "kept").iterdir())


def test_an_unknown_name_is_told_the_known_ones():
    code, said = run("vgg")
    assert code == 1 and "vgg: no weights of that name; there are vgg19, alexnet, vgg16, inception" in said


# --- what a run needs -------------------------------------------------------------------------------------------


def asks(**changes) -> config.Config:
    values = yaml.safe_load((ROOT / "config.yaml").read_text())
    return config.validate(values | changes)


def test_the_embedded_default_needs_nothing():
    assert requirements.for_run(asks()) == []


def test_a_run_needs_what_its_networks_and_its_start_say():
    networks = {"vgg19": "download", "alexnet": "seeded", "inception": "download"}
    chosen = asks(networks=networks, metrics={})
    assert requirements.for_run(chosen) == requirements.for_scores(chosen) == ["inception", "vgg19"]
    assert requirements.for_scores(asks(networks=networks, metrics={"fid": "none"})) == ["vgg19"]
    # The presets that run offline need none.
    assert requirements.for_run(asks()) == []
    assert requirements.for_run(asks(student={"size": "full", "start": "imagenet"})) == ["resnet50"]
    tiny, full = (asks(student={"size": size, "start": "pretrain"}, networks={}) for size in ("tiny", "full"))
    assert (requirements.for_start(tiny), requirements.for_start(full)) == (["vgg19"], ["vgg19", "resnet50"])
    authors, own = (
        asks(student={"size": "full", "start": f"{place}/checkpoint0005.pth"}) for place in (registry.FOLDER, "x")
    )
    assert (requirements.for_start(authors), requirements.for_start(own)) == (["sttr"], [])


def test_a_loss_waits_for_the_networks_that_it_looks_through_and_no_other():
    assert requirements.for_loss(asks(networks={}), ["gram", "lpips", "pixel"]) == ["alexnet", "vgg19"]
    assert requirements.for_loss(asks(networks={"features": "efficientnet_lite0"}), ["gram", "pixel"]) == []
