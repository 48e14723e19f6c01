"""`snakemake fetch` brings all that a run takes; behind it no job needs a network."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from archived import hub, image, images, parquet, tarred, zipped
from PIL import Image
from running import SMOKE, run_workflow
from serving import serving

BLOCKS = {"train": 2, "val": 1, "contents": {"photos": 3, "faces": 1}, "styles": {"art": 2}}
BAD = {f"photos/9{n}.jpg": (b"", b"no image", image(n)[:200])[n % 3] for n in range(5)}


def _config(folder: Path, address: str, **changes) -> str:
    if not (folder / "faces.tar").exists():  # written again, it would count as replaced
        (folder / "faces.tar").write_bytes(tarred(images(9, "face {:02d}.jpg")))
    values = yaml.safe_load(SMOKE.read_text())
    sources = {
        "photos": {"kind": "archive", "address": f"{address}/zips/photos.zip", "spares": 1.0},
        "faces": {"kind": "archive", "address": "faces.tar"},
        "art": {"kind": "hub", "repo": "own/art"},
    }
    golden = {"contents": {"photos": 1}, "styles": {"art": 1}}
    changed = {"sources": sources, "blocks": BLOCKS, "pairs": {"train": 8, "val": 2}, "golden": golden, **changes}
    (folder / "config.yaml").write_text(yaml.safe_dump({**values, **changed}))
    return str(folder / "config.yaml")


def _served() -> dict[str, bytes]:
    cells = [image(200 + number) for number in range(24)]
    photos = zipped({**images(36), **BAD})
    return {"/zips/photos.zip": photos, **hub("own/art", {"data/a.parquet": parquet(cells, 4)})}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def quiet(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "STYLEDISTILL_MIRROR"):
        monkeypatch.delenv(name, raising=False)


def test_a_fetched_run_crops_with_the_server_off_and_bad_images_are_replaced_from_their_own_window(
    tmp_path, monkeypatch, quiet
):
    with serving(_served(), script=["right", "cut"]) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        config = _config(tmp_path, server.address)
        done = run_workflow(tmp_path, "fetch", "--cores", "2", "--configfile", config)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-6000:]
    assert "images are not here; " in said and "MB to fetch" in said
    results = tmp_path / "results/smoke"
    tables = {path: path.read_bytes() for path in sorted((results / "blocks").rglob("*.csv"))}
    rows = [row for path in tables if "excluded" not in path.name for row in _rows(path)]
    assert len({(row["source"], row["image"]) for row in rows}) == len(rows) == 3 * 6 + 2
    assert all(len(row["sha256"]) == 64 for row in rows) and not {row["image"] for row in rows} & set(BAD)
    excluded = [row for path in tables if "excluded" in path.name for row in _rows(path)]
    assert excluded and all(row["image"] in BAD and "cannot be read as an image" in row["reason"] for row in excluded)

    cropped = run_workflow(tmp_path, "--cores", "2", "--configfile", config, "--until", "crop", "crop_golden")
    assert cropped.returncode == 0, (cropped.stdout + cropped.stderr)[-6000:]
    assert Image.open(results / "images/val/0000/c03.png").size == (64, 64)

    # One block more: it is fetched, and the tables of the others stay as they are.
    with serving(_served()) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("STYLEDISTILL_MIRROR", f"{server.address}/zips")
        address = yaml.safe_load((tmp_path / "config.yaml").read_text())["sources"]["photos"]["address"]
        config = _config(tmp_path, address.removesuffix("/zips/photos.zip"), blocks={**BLOCKS, "train": 3})
        done = run_workflow(tmp_path, "fetch", "--cores", "2", "--configfile", config)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert (results / "blocks/train/0002.csv").is_file()
    assert "Choose the images of train block 0002" in done.stdout + done.stderr
    assert "Choose the images of train block 0001" not in done.stdout + done.stderr
    same = {path: path.read_bytes() for path in tables}
    assert same == tables


@pytest.mark.long  # it is waited for
def test_a_server_that_is_not_there_stops_the_run_in_one_line(tmp_path, monkeypatch, quiet):
    with serving(b"") as server:
        pass
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    config = _config(tmp_path, server.address)
    done = run_workflow(tmp_path, "fetch", "--cores", "2", "--configfile", config, "--until", "index_remote")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "error: sources.photos: " in said and "could not be read" in said


def test_no_job_but_those_that_fetch_sees_the_hub(tmp_path, quiet):
    with serving(b"") as server:
        config = _config(tmp_path, server.address)
    plan = run_workflow(tmp_path, "-n", "-p", "--configfile", config)
    assert plan.returncode == 0, plan.stderr[-3000:]
    commands = [line for line in (plan.stdout + plan.stderr).splitlines() if ' "$STYLEDISTILL_SRC"/' in line]
    online = {line.split(".py ")[0].split("/")[-1] for line in commands if "HF_HUB_OFFLINE=0" in line}
    assert commands
    assert online == {"index", "download", "select_block", "select_golden"}


def test_passwords_and_tokens_of_addresses_are_sent_and_nowhere_written(tmp_path, monkeypatch, quiet):
    """Neither in messages, commands and logs nor in results, locks and what Snakemake keeps."""

    def with_secrets(server) -> str:
        return server.address.replace("://", "://user:GEHEIM-1@")

    def run(*arguments: str) -> str:
        done = run_workflow(tmp_path, "fetch", "--cores", "2", "-p", *arguments, "--configfile", str(config))
        said.append(done.stdout + done.stderr)
        return said[-1]

    said, config = [], tmp_path / "config.yaml"
    with serving(_served()) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        _config(tmp_path, server.address)
        values = yaml.safe_load(config.read_text())
        values["sources"]["photos"]["address"] = f"{with_secrets(server)}/zips/photos.zip?token=GEHEIM-2"
        config.write_text(yaml.safe_dump(values))
        archive = server.data.pop("/zips/photos.zip")  # by path: the hub is asked for its lists beside it
        asked = f"{server.address.replace('://', '://***@')}/zips/photos.zip?token=***"
        assert f"error: sources.photos: {asked}: HTTP 404 " in run("--until", "index_remote")
        server.data["/zips/photos.zip"] = archive
        assert "fetched.json" in run("--until", "index_remote", "download"), said[-1][-3000:]
        assert ("/zips/photos.zip?token=GEHEIM-2", "Basic dXNlcjpHRUhFSU0tMQ==") in zip(
            [path for path, _ in server.asked], server.tokens, strict=True
        )
        # The blocks' own images again, from a mirror that wants a password too.
        monkeypatch.setenv("STYLEDISTILL_MIRROR", f"{with_secrets(server)}/zips/?key=GEHEIM-3")
        values["seed"] = 5
        config.write_text(yaml.safe_dump(values))
        server.asked.clear()
        assert "(100%) done" in run(), said[-1][-3000:]
        assert [path for path, _ in server.asked if path == "/zips/photos.zip?key=GEHEIM-3"]
    assert "GEHEIM" not in "".join(said)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != config]
    assert len([path for path in written if path.suffix == ".log"]) > 5
    assert [path for path in written if b"GEHEIM" in path.read_bytes()] == []
