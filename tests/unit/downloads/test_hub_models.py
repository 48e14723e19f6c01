"""Teachers of the hub come whole, checked and pinned, from a server that misbehaves."""

from __future__ import annotations

import pytest
from archived import COMMIT, model_hub
from huggingface_hub import constants
from serving import QUICK, serving

from styledistill.core.errors import UserError
from styledistill.core.files import read_json, sha256_bytes
from styledistill.downloads import hub_cache, hub_models
from styledistill.downloads.hub_cache import local_model, wanted
from styledistill.downloads.hub_models import checked_files, fetch_model, listing

REPO = "someone/tiny"
WANTED = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": bytes(range(256)) * 2000,
    "vae/config.json": b"{} ",
    "vae/diffusion_pytorch_model.bin": bytes(range(255, -1, -1)) * 500,
    "text_encoder/model.safetensors": b"text" * 999,
    "tokenizer/merges.txt": b"#version: 0.2\n",
    "scheduler/scheduler_config.json": b'{"beta_start": 0.00085}',
}
OTHERS = {
    "README.md": b"card",
    "safety_checker/model.safetensors": b"large",
    "unet/diffusion_pytorch_model.bin": b"the same again",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"other",
    "vae/diffusion_pytorch_model.fp16.safetensors": b"half",
    "text_encoder/flax_model.msgpack": b"flax",
}
SERVED = model_hub(REPO, {**WANTED, **OTHERS})
TOLD = f"/api/models/{REPO}/revision/main"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A fresh working directory and cache, no token."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fetched(monkeypatch):
    """Fetches the model from a server that behaves as told, and returns what was asked for."""

    def fetch(served=None, repo=REPO, **how):
        with serving(SERVED if served is None else served, **how) as server:
            monkeypatch.setenv("HF_ENDPOINT", server.address)
            try:
                fetch_model(repo, QUICK)
            finally:
                fetch.asked = [path.partition("?")[0] for path, _ in server.asked]
                fetch.tokens = server.tokens
        return local_model(repo)

    return fetch


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lock():
    return read_json("resources/downloads/lock.json")


def test_what_a_teacher_is_loaded_from_comes_and_nothing_else(tmp_path, fetched, capfd):
    folder = fetched()
    assert contents(folder) == WANTED and folder.name == COMMIT
    assert folder == tmp_path / "cache" / "models--someone--tiny" / "snapshots" / COMMIT
    total = sum(map(len, WANTED.values()))
    assert f"{REPO}: 8 of 8 files are not here; {total / 1e6:,.1f} MB to fetch" in capfd.readouterr().err
    hashes = {f"hf://{REPO}@{COMMIT}/{name}": sha256_bytes(data) for name, data in WANTED.items()}
    assert lock() == {f"hf://{REPO}@main": COMMIT, **hashes}
    assert checked_files(REPO) == {name: sha256_bytes(data) for name, data in WANTED.items()}


def test_a_busy_hub_that_cuts_is_borne_with(fetched, capfd):
    script = [(503, {}), (429, {"Retry-After": "0"}), "right", (503, {}), "right", "cut", "right", "cut"]
    assert contents(fetched(script=script)) == WANTED
    said = capfd.readouterr().err
    assert "HTTP 503" in said and "HTTP 429" in said and "the connection was cut; goes on at" in said


def test_a_download_that_was_given_up_goes_on_and_branches_that_moved_meanwhile_change_nothing(fetched):
    with pytest.raises(UserError, match="could not be downloaded"):
        fetched(script=["right"] * 6 + ["cut"] + [(503, {})] * 9)
    first = fetched.asked
    assert lock() == {f"hf://{REPO}@main": COMMIT}
    moved = {**SERVED, TOLD: SERVED[TOLD].replace(COMMIT.encode(), b"f" * 40)}
    assert contents(fetched(moved)) == WANTED
    assert fetched.asked[0] == f"/api/models/{REPO}/revision/{COMMIT}"
    assert set(fetched.asked[1:]).isdisjoint(first[1:6])


def test_what_is_here_needs_no_hub(fetched, monkeypatch):
    folder = fetched()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_model(REPO) == local_model(REPO) == folder
    (folder / "vae/config.json").unlink()
    with pytest.raises(UserError, match=r"someone/tiny: not here, or not all of it\. Run `snakemake weights`"):
        local_model(REPO)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids to ask the hub"):
        fetch_model(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert contents(fetched()) == WANTED
    assert fetched.asked == [f"/api/models/{REPO}/revision/{COMMIT}", f"/{REPO}/resolve/{COMMIT}/vae/config.json"]


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt"])
def test_other_bytes_than_the_hub_lists_are_refused_and_not_kept(fetched, name):
    other = bytes(255 - byte for byte in WANTED[name])
    with pytest.raises(UserError, match=r"sha256 is|git names it"):
        fetched({**SERVED, f"/{REPO}/resolve/{COMMIT}/{name}": other})
    assert lock() == {f"hf://{REPO}@main": COMMIT}
    assert name not in contents(hub_cache.folder_of(REPO, COMMIT))
    assert contents(fetched()) == WANTED


def test_a_file_that_changed_on_the_disk_is_told(fetched):
    path = fetched() / "unet/config.json"
    path.write_bytes(b"[]")
    with pytest.raises(UserError, match=r"unet/config\.json: sha256 is .*; remove it and run again"):
        checked_files(REPO)


def test_what_the_hubs_own_client_brought_is_checked_and_not_fetched_again(fetched):
    folder = hub_cache.folder_of(REPO, COMMIT)
    for name, data in WANTED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text(COMMIT)
    assert local_model(REPO) == folder
    assert fetched() == folder and fetched.asked == [TOLD]
    assert len(lock()) == 1 + len(WANTED)


def test_the_token_goes_to_the_hub(fetched, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_own")
    fetched()
    assert set(fetched.tokens) == {"Bearer hf_own"}


def test_a_model_without_weights_is_one_line(fetched):
    files = {name: data for name, data in WANTED.items() if not name.startswith("vae/diff")}
    with pytest.raises(UserError, match=rf"{REPO}@{COMMIT}: no diffusers model there \(no weights in vae\)"):
        fetched(model_hub(REPO, files))


def test_half_precision_is_taken_where_there_is_nothing_else():
    names = [name.replace("_model.", "_model.fp16.") for name in WANTED]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in wanted(names)
    parts = [f"unet/diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    assert set(parts) <= set(wanted([*parts, *WANTED])) and "null_text.safetensors" in wanted(
        ["null_text.safetensors", *WANTED]
    )


# --- the registry -----------------------------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch):
    """The model as the registry's own: its commit, and the hash of its UNet."""
    unet = "unet/diffusion_pytorch_model.safetensors"
    entry = hub_cache.known_models()["CompVis/stable-diffusion-v1-4"]
    entry = {REPO: {**entry, "revision": COMMIT, "sha256": {unet: sha256_bytes(WANTED[unet])}}}
    for module in (hub_cache, hub_models):
        monkeypatch.setattr(module, "known_models", lambda: entry)
    return entry[REPO]


def test_a_registered_model_comes_at_its_commit_and_is_listed(fetched, registered):
    assert f"{REPO:32}{'4.27 GB':>9}  not here" in listing()
    fetched()
    assert TOLD not in fetched.asked
    said = listing()
    assert f"{'4.27 GB':>9}  here" in said and "OpenRAIL-M" in said and "CVPR 2022" in said
    assert f"https://huggingface.co/{REPO}/tree/{COMMIT}" in said


def test_a_hub_that_lists_another_hash_than_the_registry_is_not_believed(fetched, registered):
    registered["sha256"]["unet/diffusion_pytorch_model.safetensors"] = "a" * 64
    with pytest.raises(UserError, match=r"the hub has another unet/diffusion_pytorch_model\.safetensors"):
        fetched()
    assert not contents(hub_cache.folder_of(REPO, COMMIT))


def test_stable_diffusion_is_pinned_to_a_commit_and_its_tensors_to_hashes():
    entry = hub_cache.known_models()["CompVis/stable-diffusion-v1-4"]
    assert entry["revision"] == "133a221b8aa7292a167afc5127cb63fb5005638b"
    assert hub_cache.commit_of("CompVis/stable-diffusion-v1-4") == entry["revision"]
    assert all(len(digest) == 64 and "/" in name for name, digest in entry["sha256"].items())
