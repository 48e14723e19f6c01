"""Downloads from a real server: whole, resumed, refused; and what a run asks for."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
import yaml
from archived import image
from click.testing import CliRunner
from serving import serving
from torchvision.models import alexnet

import weights
from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.files import read_json, sha256_bytes
from styledistill.downloads import http, registry
from styledistill.downloads.http import asked_pause, fetch_file
from styledistill.perceptual import alexnet_features, vgg19_features
from styledistill.run import requirements
from styledistill.student.model import Student, load_imagenet

ROOT = Path(__file__).parents[3]
DATA = np.random.default_rng(0).bytes(300_000)
HASH = sha256_bytes(DATA)
SIZE = len(DATA)
HALF = SIZE // 2


def fetch(server, path, sha256=HASH, size=SIZE, **how):
    return fetch_file(f"{server.address}/file.bin", path, sha256, size, **{"pause": 0.01, "timeout": 10} | how)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """Neither this machine's proxies nor its mirror."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "STYLEDISTILL_MIRROR"):
        monkeypatch.delenv(name, raising=False)


# --- transfers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{}, {"size": None}, {"sha256": HASH[:8]}, {"sha256": HASH.upper(), "size": None}])
def test_a_file_comes_whole_and_leaves_nothing_beside_it(tmp_path, known):
    with serving(DATA) as server:
        assert fetch(server, tmp_path / "deep" / "file.bin", **known) == HASH
    assert (tmp_path / "deep" / "file.bin").read_bytes() == DATA
    assert names(tmp_path / "deep") == ["file.bin"]


def test_a_file_that_is_here_is_checked_and_not_asked_for(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(DATA)
    with serving(DATA) as server:
        assert fetch(server, path) == HASH
        path.write_bytes(DATA[:-1] + b"x")
        with pytest.raises(UserError, match=r"file\.bin: sha256 is .*; remove it and run again"):
            fetch(server, path)
        path.write_bytes(DATA[:-1])
        with pytest.raises(UserError, match=r"file\.bin: 299,999 bytes, expected 300,000; remove it"):
            fetch(server, path)
    assert server.asked == []
    assert path.read_bytes() == DATA[:-1]


def test_a_cut_transfer_goes_on_where_it_ended(tmp_path, capfd):
    with serving(DATA, script=["cut", "cut"]) as server:
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert "file.bin: the connection was cut; goes on at 150,000 bytes" in capfd.readouterr().err


def test_what_an_earlier_call_left_is_not_asked_for_again(tmp_path):
    with serving(DATA, script=["cut"]) as server:
        with pytest.raises(UserError, match=r"could not be downloaded \(the connection was cut\)\. Run again to go on"):
            fetch(server, tmp_path / "file.bin", attempts=1)
        assert names(tmp_path) == ["file.bin.part"]
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-"]
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("size", [SIZE, None])
def test_a_part_that_is_whole_already_only_gets_its_name(tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes(DATA)
    with serving(DATA) as server:
        fetch(server, tmp_path / "file.bin", size=size)
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert len(server.asked) == (size is None)


def test_a_server_that_ignores_ranges_begins_anew(tmp_path):
    with serving(DATA, ranges=False, script=["cut"]) as server:
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-"]
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_server_that_always_cuts_at_one_place_is_given_up(tmp_path):
    with serving(DATA, ranges=False, script=["cut"] * 9) as server:
        with pytest.raises(UserError, match="the connection was cut"):
            fetch(server, tmp_path / "file.bin", attempts=3)
    assert len(server.asked) == 3  # the two behind the first brought nothing new


def test_a_server_without_lengths_is_believed_when_the_hash_is_right(tmp_path):
    with serving(DATA, lengths=False) as server:
        assert fetch(server, tmp_path / "file.bin", size=None) == HASH


def test_another_range_than_the_one_asked_for_is_not_taken(tmp_path):
    with serving(DATA, script=["cut", "shifted"]) as server:
        fetch(server, tmp_path / "file.bin", size=None)
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_part_of_another_file_is_thrown_away(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with serving(DATA) as server:
        assert fetch(server, tmp_path / "file.bin") == HASH
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_wrong_bytes_are_refused_in_one_line_and_not_kept(tmp_path):
    with serving(DATA, script=["wrong"]) as server:
        with pytest.raises(UserError, match=r"/file\.bin: not the file wanted \(sha256 is .*, expected ") as fault:
            fetch(server, tmp_path / "file.bin")
    assert "\n" not in str(fault.value)
    assert names(tmp_path) == []


def test_a_page_in_place_of_the_file_costs_nothing_of_what_is_here(tmp_path):
    """A network that wants a password answers everything with its own page."""
    (tmp_path / "file.bin.part").write_bytes(DATA[:1000])
    with serving(b"<html>log in</html>", ranges=False) as server:
        with pytest.raises(UserError, match=r"19 bytes there, expected 300,000\. Is this the right address"):
            fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").read_bytes() == DATA[:1000]


def test_a_busy_server_is_asked_again_when_it_says(tmp_path, capfd):
    with serving(DATA, script=[(503, {}), (429, {"Retry-After": "0"}), (503, {"Retry-After": "1"})]) as server:
        fetch(server, tmp_path / "file.bin", pause=0.04)
    assert len(server.asked) == 4
    said = capfd.readouterr().err
    assert "HTTP 503 Service Unavailable; goes on at 0 bytes in 0 s" in said
    assert "HTTP 429 Too Many Requests; goes on at 0 bytes in 0 s" in said
    assert "HTTP 503 Service Unavailable; goes on at 0 bytes in 1 s" in said


def test_a_server_that_asks_for_an_hour_is_left_alone(tmp_path):
    with serving(DATA, script=[(429, {"Retry-After": "3600"})]) as server:
        with pytest.raises(UserError, match=r"HTTP 429 Too Many Requests; it asks to wait 3600 s"):
            fetch(server, tmp_path / "file.bin")
    assert len(server.asked) == 1 and names(tmp_path) == []


def test_a_pause_is_a_number_or_a_date():
    assert asked_pause("7") == 7 and asked_pause(None) is None and asked_pause("soon") is None
    assert 80 < asked_pause(formatdate(time.time() + 90, usegmt=True)) <= 90
    assert asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_file_that_is_not_there_is_asked_for_once(tmp_path):
    with serving(DATA, script=[(404, {})]) as server:
        with pytest.raises(UserError, match=r"/file\.bin: HTTP 404 Not Found\. Is this the right address"):
            fetch(server, tmp_path / "file.bin")
    assert len(server.asked) == 1


def test_no_server_at_all_is_one_line(tmp_path):
    with serving(DATA) as server:
        pass
    with pytest.raises(UserError, match=r"could not be downloaded \(.*refused\).*put the file at .*file\.bin") as fault:
        fetch(server, tmp_path / "file.bin", attempts=2)
    assert "\n" not in str(fault.value)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with serving(DATA) as server:
        with pytest.raises(UserError, match=r"folder/file\.bin: cannot be written"):
            fetch(server, tmp_path / "folder" / "file.bin")


def test_the_proxy_of_the_environment_is_asked(tmp_path, monkeypatch):
    with serving(DATA) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setenv("no_proxy", "")
        fetch_file("http://no.such.host/file.bin", tmp_path / "file.bin", HASH)
    assert [address for address, _ in proxy.asked] == ["http://no.such.host/file.bin"]


def test_a_proxy_that_cannot_be_used_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(UserError, match=r"the proxy that the environment names cannot be used: .*socksio") as fault:
        fetch_file("http://127.0.0.1:1/file.bin", tmp_path / "file.bin", HASH)
    assert "\n" not in str(fault.value)


def test_a_process_waits_while_another_one_fetches_the_file(tmp_path, capfd):
    said = ""
    with serving(DATA) as server:
        with http._alone_with(tmp_path / "file.bin.part") as other:
            second = Thread(target=fetch, args=(server, tmp_path / "file.bin"))
            second.start()
            while "another process is fetching it" not in said:
                assert second.is_alive()
                said += capfd.readouterr().err
            other.write(DATA)
            other.flush()
            Path(other.name).rename(tmp_path / "file.bin")
        second.join()
    assert server.asked == []
    assert names(tmp_path) == ["file.bin"]


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


PAGE = b"\n<!DOCTYPE html><title>Log in</title>"


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
    assert not (tmp_path / "resources").exists() or names(tmp_path / "resources" / "weights") == []
    assert not (tmp_path / "resources" / "downloads" / "lock.json").exists()
    assert no_hash(own_registry)[0] == 0  # the right file comes later, and nothing stands in its way


def test_checkpoints_of_old_and_of_new_torch_are_told(no_hash):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer, _use_new_zipfile_serialization=False)
    assert no_hash(buffer.getvalue())[0] == 0


def test_a_page_in_place_of_an_image_is_not_pinned_and_a_damaged_image_is_not_refused(tmp_path):
    for data, kept in ((PAGE, False), (b"", False), (image(1)[:300], True), (image(1, form="PNG"), True)):
        with serving(data) as server:
            if kept:
                fetch(server, tmp_path / "00.png", sha256="", size=None)
                (tmp_path / "00.png").unlink()
            else:
                with pytest.raises(UserError, match=r"not the file wanted \((a web page|no image)"):
                    fetch(server, tmp_path / "00.png", sha256="", size=None)
        assert names(tmp_path) == []


def test_a_page_is_no_archive(tmp_path):
    with serving(b"half of a zip") as server:
        for name in ("set.zip", "set.tar", "set.tar.gz", "set.parquet"):
            with pytest.raises(UserError, match=r"not the file wanted \(no (zip|tar|parquet file)\)"):
                fetch(server, tmp_path / name, sha256="", size=None)


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
    assert names(tmp_path / "kept") == []


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


def test_the_hash_is_of_all_that_came_where_a_server_tells_no_length(tmp_path):
    """The last bytes lie in a buffer when the transfer ends; a hash of what is on the disk would be pinned for ever."""
    data = bytes(range(250)) * 4
    with serving(data, lengths=False) as server:
        digest = fetch_file(f"{server.address}/some.bin", tmp_path / "some.bin", "")
    assert digest == sha256_bytes(data) and (tmp_path / "some.bin").read_bytes() == data
