"""Archives and images on a server: what is fetched, how its size is told, and a server that misbehaves."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile

import numpy as np
import pytest
from archived import archive, image, images, tarred, zipped
from serving import QUICK, serving

from styledistill.core import progress
from styledistill.core.errors import UserError
from styledistill.core.images import encode_png
from styledistill.downloads.http_ranges import RemotePieces
from styledistill.downloads.piece_file import PieceFile
from styledistill.sources import archive as archives
from styledistill.sources.archive import Archives

pytestmark = pytest.mark.usefixtures("alone")


def test_of_a_remote_zip_only_its_table_and_the_wanted_images_come(capfd):
    wanted, padding = images(8), {"photos/large.jpg": bytes(range(256)) * 4000}
    data = zipped({**padding, **wanted, "notes.txt": b"no image"}, zipfile.ZIP_STORED)
    with serving(data) as server:
        source = Archives(archive(f"{server.address}/set.zip"))
        assert source.names() == sorted([*padding, *wanted])
        assert source.bring(["photos/03.jpg", "photos/05.jpg"]) == {"images": 2, "fetched": 2}
    assert {name: source.store.read(name) for name in ("photos/03.jpg", "photos/05.jpg")} == {
        name: wanted[name] for name in ("photos/03.jpg", "photos/05.jpg")
    }
    asked = [[int(end) for end in span.removeprefix("bytes=").split("-")] for _, span in server.asked]
    assert sum(last - first + 1 for first, last in asked) < 100_000 < len(data) / 5
    assert "2 of 2 images are not here; 0.0 MB to fetch" in capfd.readouterr().err


def test_what_is_here_needs_no_server():
    with serving(zipped(images(4))) as server:
        source = archive(f"{server.address}/set.zip")
        Archives(source).bring(["photos/01.jpg"])
    again = Archives(source)
    assert len(again.names()) == 4
    assert again.bring(["photos/01.jpg"]) == {"images": 1, "fetched": 0}
    assert again.store.read("photos/01.jpg") == image(1)
    with pytest.raises(UserError, match=r"could not be read \(.*refused"):
        again.bring(["photos/02.jpg"])
    with pytest.raises(UserError, match=r"'photos/02\.jpg' is not in .*Run `snakemake fetch`"):
        again.store.read("photos/02.jpg")


@pytest.mark.parametrize("trouble", ["cut", "shifted", (503, {}), (429, {"Retry-After": "0"})])
def test_a_server_in_trouble_is_asked_again_and_nothing_is_lost(trouble):
    members = images(6)
    with serving(zipped(members), script=[trouble, "right", trouble, trouble]) as server:
        source = Archives(archive(f"{server.address}/set.zip"))
        source.bring(members)
    assert {name: source.store.read(name) for name in members} == members


def test_connections_are_kept_for_further_pieces():
    with serving(bytes(1000), keeps=True) as server:
        pieces = RemotePieces(f"{server.address}/x", patience=QUICK)
        assert all(pieces.read(start, start + 10) == bytes(10) for start in range(0, 100, 10))
        assert len(server.asked) == 11 and server.connections == 1
        del pieces


def test_a_piece_goes_on_where_it_was_cut():
    data = bytes(range(256)) * 100
    with serving(data, script=["cut", "cut"]) as server:
        assert RemotePieces(f"{server.address}/x", len(data), patience=QUICK).read(1000, 9000) == data[1000:9000]
    assert [span for _, span in server.asked] == ["bytes=1000-8999", "bytes=5000-8999", "bytes=7000-8999"]


def test_wrong_bytes_are_asked_for_once_more_and_then_refused():
    members = images(3)
    with serving(zipped(members), script=["right", "right", "wrong"]) as server:
        source = Archives(archive(f"{server.address}/set.zip"))
        source.bring(["photos/00.jpg"])
        assert source.store.read("photos/00.jpg") == members["photos/00.jpg"]
        server.script[:] = ["wrong", "wrong"]
        with pytest.raises(UserError, match=r"'photos/01\.jpg' comes with wrong bytes"):
            source.bring(["photos/01.jpg"])
    assert "photos/01.jpg" not in source.store


def test_a_server_that_ignores_ranges_is_told_from_one_that_does_not():
    members = images(3)
    with serving(zipped(members), ranges=False) as server:
        address = f"{server.address}/set.zip"
        with pytest.raises(UserError, match=r"ignores ranges.*whole: true"):
            Archives(archive(address)).names()
        source = Archives(archive(address, whole=True))
        source.bring(members)
    assert {name: source.store.read(name) for name in members} == members


def test_a_server_that_begins_to_ignore_ranges_is_not_believed():
    with serving(zipped(images(3))) as server:
        source = Archives(archive(f"{server.address}/set.zip"))
        source.names()
        server.script[:] = ["whole"]
        with pytest.raises(UserError, match="ignores ranges"):
            source.bring(["photos/01.jpg"])


def test_a_file_that_grows_while_it_is_read_is_refused():
    with serving(b"x" * 1000) as server:
        pieces = RemotePieces(f"{server.address}/x", 1000, patience=QUICK)
        server.data += b"y"
        with pytest.raises(UserError, match="1,001 bytes there, expected 1,000"):
            pieces.read(0, 10)


def test_another_archive_under_a_known_address_is_noticed():
    with serving(zipped(images(3))) as server:
        source = archive(f"{server.address}/set.zip")
        Archives(source).bring(["photos/01.jpg"])
        server.data = zipped(images(4))
        (Archives(source).folder / "list.json").unlink()
        with pytest.raises(UserError, match=r"#list: not what it was.*lock\.json.*remove its line"):
            Archives(source).names()


def test_a_whole_archive_is_checked_by_what_its_publisher_says():
    data = zipped(images(3))
    with serving(data) as server:
        address = f"{server.address}/set.zip"
        wrong = Archives(archive(address, whole=True, md5="0" * 32))
        for _ in range(2):  # refused once, it is no better the next time
            with pytest.raises(UserError, match=r"not the file wanted \(md5 is .*expected 0000"):
                wrong.names()
            assert not list(wrong.folder.rglob("set.zip*"))
        with pytest.raises(UserError, match=r"sha256 is .*expected 1111"):
            Archives(archive(address, whole=True, sha256="1" * 64)).names()
        right = archive(address, whole=True, md5=hashlib.md5(data).hexdigest())
        Archives(right).names()
    (kept,) = Archives(right).folder.rglob("set.zip")
    (Archives(right).folder / "list.json").unlink()
    archives.FOLDER.joinpath("lock.json").unlink()  # as after a run that was killed before it could pin
    kept.write_bytes(data + b"x")
    with pytest.raises(UserError, match=r"md5 is .*remove it and run again"):
        Archives(right).names()


def test_a_mirror_has_archives_under_their_own_names_and_images_in_their_folder(monkeypatch):
    members = {"/m/set.zip": zipped(images(2)), "/m/sty/00.png": image(7), "/m/sty/01.png": image(8)}
    with serving(members) as server:
        monkeypatch.setenv("STYLEDISTILL_MIRROR", f"{server.address}/m/")
        Archives(archive("http://no.such.host/zips/set.zip")).bring(["photos/01.jpg"])
        single = Archives(archive("http://no.such.host/data/sty/{00..01}.png"))
        assert single.names() == ["00.png", "01.png"]
        single.bring(["01.png"])
    assert single.store.read("01.png") == image(8)


LARGE = {  # noise, which no compression makes smaller: 0.2 MB each
    f"{number}.png": encode_png(np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    for number in range(3)
}


@pytest.mark.parametrize(
    ("served", "address", "settings"),
    [
        ({"/set.tar": tarred(LARGE)}, "set.tar", {}),
        ({"/set.zip": zipped(LARGE)}, "set.zip", {"whole": True}),
        ({"/0.tar": tarred(LARGE)}, "{0..0}.tar", {}),
    ],
)
def test_a_whole_archive_says_how_large_it_is_before_it_comes(capfd, served, address, settings):
    with serving(served) as server:
        source = Archives(archive(f"{server.address}/{address}", **settings))
        names = source.names()
        first, *then = capfd.readouterr().err.splitlines()
        assert re.fullmatch(r"http.*: 0\.6 MB to fetch: one whole file, whose images are then listed", first)
        assert any("0.6 MB of 0.6 MB" in line for line in then)
        source.bring(names)
        assert "3 of 3 images are not here; 0.0 MB to fetch" in capfd.readouterr().err  # they are in what has come
        for kept in [*source.folder.rglob("*.tar"), *source.folder.rglob("*.zip"), *source.store.folder.rglob("*.*")]:
            kept.unlink()
        source.bring(names)
        first, *then = capfd.readouterr().err.splitlines()
        assert "3 of 3 images are not here; 0.6 MB to fetch" in first
        assert "0.6 MB of 0.6 MB" in then[-1]


def test_single_images_say_how_large_they_are_before_they_come(capfd):
    with serving({f"/{name}": data for name, data in LARGE.items()}) as server:
        source = Archives(archive(f"{server.address}/{{0..2}}.png"))
        source.names()
        assert server.asked == [] and not capfd.readouterr().err
        source.bring(["0.png", "2.png"])
        first, *then = capfd.readouterr().err.splitlines()
        assert "2 of 2 images are not here; 0.4 MB to fetch" in first and "0.4 MB of 0.4 MB" in then[-1]
        server.lengths = False
        source.bring(["1.png"])
    assert "0.0 MB to fetch (without 1 whose size no server tells)" in capfd.readouterr().err
    assert source.store.read("1.png") == LARGE["1.png"]


def test_progress_tells_bytes_rate_and_time_left(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0)
    line = re.compile(r"photos: 0\.\d MB of 0\.6 MB in \d+ s, [\d,]+\.\d MB/s, \d+ s left")
    with serving(zipped(LARGE)) as server:
        Archives(archive(f"{server.address}/set.zip")).bring(LARGE, "photos")
    said = capfd.readouterr().err.splitlines()
    assert any(line.fullmatch(one) for one in said)
    assert re.fullmatch(r"photos: 0\.6 MB of 0\.6 MB in \d+ s, [\d,]+\.\d MB/s", said[-1])


def test_a_token_is_not_sent_to_where_the_hub_points(monkeypatch):
    seen = []
    with serving(b"0123456789") as storage, serving(b"") as first:
        first.script[:] = [(302, {"Location": f"{storage.address.replace('127.0.0.1', 'localhost')}/x"})]
        pieces = RemotePieces(f"{first.address}/x", 10, headers={"Authorization": "Bearer secret"}, patience=QUICK)
        assert pieces.read(2, 5) == b"234"
        seen += [*first.tokens, *storage.tokens]
    assert seen == ["Bearer secret", None]


def test_a_file_made_of_pieces_reads_as_the_file_does():
    data = bytes(range(256)) * 2000
    with serving(data) as server:
        file = PieceFile(RemotePieces(f"{server.address}/x", patience=QUICK))
        file.seek(-10, io.SEEK_END)
        assert file.read() == data[-10:] and file.read(5) == b""
        file.seek(300_000)
        assert file.read(7) == data[300_000:300_007] and file.tell() == 300_007
        file.seek(0)
        assert file.read() == data
