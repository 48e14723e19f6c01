"""Archives here and on a server: what is listed, what is fetched, what is refused."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from contextlib import suppress
from shutil import rmtree

import huggingface_hub.constants
import numpy as np
import pytest
from archived import COMMIT, hub, image, images, parquet, tarred, zipped
from serving import serving

from styledistill.config import ArchiveSource, HubSource
from styledistill.core import progress
from styledistill.core.errors import BadImage, UserError
from styledistill.core.files import read_json, sha256_bytes, write_json
from styledistill.core.images import encode_png
from styledistill.downloads import http_ranges
from styledistill.downloads import hub as hubs
from styledistill.downloads.http import Patience
from styledistill.downloads.http_ranges import RemotePieces
from styledistill.downloads.piece_file import PieceFile
from styledistill.run import preflight
from styledistill.sources import archive as archives
from styledistill.sources.archive import Archives
from styledistill.sources.archive_store import Store

QUICK = Patience(attempts=4, pause=0.01, timeout=5)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A fresh working directory, no mirror, no proxy, little patience."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "STYLEDISTILL_MIRROR", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Patience, "__new__", lambda cls, *a, **k: tuple.__new__(cls, (4, 0.01, 5.0)))
    monkeypatch.chdir(tmp_path)


def archive(address, **settings):
    return ArchiveSource(kind="archive", address=str(address), **settings)


@pytest.fixture
def endpoint(monkeypatch):
    """Makes a server the hub."""

    def use(server):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_ENDPOINT", server.address)

    return use


# --- zips on a server -------------------------------------------------------------------------------------------


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


def test_what_a_killed_process_had_of_a_row_group_is_not_asked_for_again(endpoint, monkeypatch):
    monkeypatch.setattr(http_ranges, "_LARGE", 100_000)
    cells = [np.random.default_rng(n).bytes(60_000) for n in range(4)]
    with serving(hub("own/set", {"a.parquet": parquet(cells, 2)})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        source.names()
        server.asked.clear()
        server.script[:] = ["right", "right", "cut", (404, {})]  # the footer, whether pages are checked, the rows
        with pytest.raises(UserError, match="HTTP 404"):
            source.bring(["a.parquet/3"])
        (part,) = source.folder.rglob("*.part")
        assert part.stat().st_size > 50_000
        server.asked.clear()
        source.bring(["a.parquet/3"])
        assert source.store.read("a.parquet/3") == cells[3]
        asked = [[int(end) for end in span.removeprefix("bytes=").split("-")] for _, span in server.asked if span]
    begin, end = map(int, part.stem.split("-"))
    rest = [first for first, last in asked if last == end - 1]
    assert begin + (end - begin) // 2 in rest and begin not in rest  # the footer may end there too
    assert not list(source.folder.rglob("*.part"))


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


def test_an_image_that_came_once_must_come_again_as_it_was():
    """Parquet has no checks of its own: the lock has."""
    cells = [image(n) for n in range(4)]
    path = archives.FOLDER.parent / "set.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(parquet(cells, 2))
    source = Archives(archive(path))
    source.bring(["1"])
    for kept in source.store.folder.rglob("*.*"):
        kept.unlink()
    data = bytearray(path.read_bytes())
    place = bytes(data).index(cells[1][-40:])
    data[place + 20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"set\.parquet#1: not what it was|row group 0 cannot be read"):
        source.bring(["1"])
    assert "1" not in source.store


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


# --- archives of this disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: tarred(members, "w:gz")])
def test_every_form_of_archive_gives_back_what_is_in_it(tmp_path, pack):
    odd = ['a b\'s "$(x)".jpg', "two\nlines.png", "日本/絵.webp", "with,comma;.JPG", "é.jpeg"]
    members = {name: image(number) for number, name in enumerate(odd)}
    name = "set.zip" if pack is zipped else "set.tar.gz"
    (tmp_path / name).write_bytes(pack({**members, "__MACOSX/._a.jpg": b"shadow", "readme.md": b"no image"}))
    source = Archives(archive(tmp_path / name))
    assert source.names() == sorted(members)
    source.bring(members)
    assert {name: source.store.read(name) for name in members} == members


def test_shards_of_a_web_data_set_are_one_source(tmp_path):
    for shard in range(2):
        (tmp_path / f"{shard:05d}.tar").write_bytes(tarred({f"{n}.jpg": image(10 * shard + n) for n in range(3)}))
    for address in (tmp_path / "{00000..00001}.tar", tmp_path / "*.tar"):
        source = Archives(archive(address))
        assert source.names() == [f"0000{shard}.tar/{n}.jpg" for shard in range(2) for n in range(3)]
        source.bring(["00001.tar/2.jpg"])
        assert source.store.read("00001.tar/2.jpg") == image(12)


def test_a_name_of_no_encoding_is_a_name_all_the_same(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as written:
        member = tarfile.TarInfo("caf\xe9.jpg")
        member.size = len(image(1))
        written.addfile(member, io.BytesIO(image(1)))
    source = Archives(archive(tmp_path / "set.tar"))
    assert source.names() == ["caf\\xe9.jpg"]
    source.bring(source.names())
    assert source.store.read("caf\\xe9.jpg") == image(1)


@pytest.mark.parametrize("name", ["../up.jpg", "a/../../up.jpg", "/etc/up.jpg", "..\\up.jpg", "C:\\up.jpg"])
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_archives_whose_paths_climb_out_are_refused(tmp_path, name, form):
    (tmp_path / f"set.{form}").write_bytes({"zip": zipped, "tar": tarred}[form]({"good.jpg": image(1), name: b"x"}))
    with pytest.raises(UserError, match="refused, because it holds a path that climbs out"):
        Archives(archive(tmp_path / f"set.{form}")).names()


def test_links_in_a_tar_are_no_images(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as written:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        written.addfile(link)
        member = tarfile.TarInfo("good.jpg")
        member.size = 3
        written.addfile(member, io.BytesIO(b"abc"))
    source = Archives(archive(tmp_path / "set.tar"))
    assert source.names() == ["good.jpg"]
    assert [name for name, _ in source.left_out()] == ["link.jpg"]


def test_members_that_cannot_be_unpacked_are_kept_as_their_reasons(tmp_path):
    data = bytearray(zipped({"good.jpg": image(1), "hurt.jpg": image(2)}, zipfile.ZIP_STORED))
    data[bytes(data).index(image(2)) + 50] ^= 255
    locked = bytes(data)
    (tmp_path / "set.zip").write_bytes(locked)
    source = Archives(archive(tmp_path / "set.zip"))
    source.bring(["good.jpg", "hurt.jpg"])
    assert source.store.read("good.jpg") == image(1)
    with pytest.raises(BadImage, match=r"Bad CRC-32 for file 'hurt\.jpg'"):
        source.store.read("hurt.jpg")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(1 << 24)) + packer.flush()
    data = bytearray(zipped({"bomb.jpg": bytes(1 << 24)}))
    assert bomb in bytes(data)
    size = (1 << 24).to_bytes(4, "little")
    (tmp_path / "set.zip").write_bytes(bytes(data).replace(size, (1 << 30).to_bytes(4, "little")))
    source = Archives(archive(tmp_path / "set.zip"))
    source.bring(["bomb.jpg"])
    with pytest.raises(BadImage, match="unpacks to 1,073,741,824 bytes"):
        source.store.read("bomb.jpg")


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.parquet"])
def test_a_truncated_archive_is_refused_in_one_line(tmp_path, name):
    whole = {"set.zip": zipped(images(3)), "set.tar": tarred(images(3)), "set.parquet": parquet([image(1)], 1)}
    (tmp_path / name).write_bytes(whole[name][:700])
    with pytest.raises(UserError, match=r"set\..*(cannot be read|Is it whole)") as fault:
        Archives(archive(tmp_path / name)).names()
    assert "\n" not in str(fault.value)


def test_an_archive_of_no_known_form_is_refused(tmp_path):
    (tmp_path / "set.rar").write_bytes(b"Rar!")
    with pytest.raises(UserError, match=r"set\.rar: of no known form"):
        Archives(archive(tmp_path / "set.rar")).names()


def test_an_image_that_changes_on_the_disk_is_noticed_and_fetched_again(tmp_path):
    (tmp_path / "set.zip").write_bytes(zipped(images(2)))
    source = Archives(archive(tmp_path / "set.zip"))
    source.bring(["photos/01.jpg"])
    (kept,) = (path for path in source.store.folder.rglob("*") if path.is_file())
    kept.write_bytes(image(1)[:-10])
    with pytest.raises(UserError, match="has changed on the disk and was removed"):
        source.store.read("photos/01.jpg")
    source.bring(["photos/01.jpg"])
    assert source.store.read("photos/01.jpg") == image(1)


@pytest.mark.parametrize("wrong", [{"bytes": 7}, {"sha256": "1" * 64}, {"md5": "0" * 32}])
def test_an_archive_put_in_place_by_hand_is_checked_too(tmp_path, wrong):
    data = zipped(images(2))
    (tmp_path / "set.zip").write_bytes(data)
    right = {"bytes": len(data), "sha256": sha256_bytes(data), "md5": hashlib.md5(data).hexdigest()}
    for _ in range(2):
        with pytest.raises(UserError, match=r"set\.zip: not the archive that the source describes \(.*expected"):
            Archives(archive(tmp_path / "set.zip", **right | wrong)).names()
    assert Archives(archive(tmp_path / "set.zip", **right)).names() == ["photos/00.jpg", "photos/01.jpg"]
    with pytest.raises(UserError, match="not the archive that the source describes"):
        Archives(archive("./set.zip", **right | wrong)).names()  # written otherwise, it is the same
    (tmp_path / "other.zip").write_bytes(data)  # what is known of an archive may be written down later
    assert (
        Archives(archive(tmp_path / "other.zip")).names() == Archives(archive(tmp_path / "other.zip", **right)).names()
    )
    # What is asked for later is checked as well.
    with pytest.raises(UserError, match="not the archive that the source describes"):
        Archives(archive(tmp_path / "set.zip", **right | wrong)).bring(["photos/00.jpg"])


def test_a_repaired_zip_has_its_images_back(tmp_path):
    right = zipped({"good.jpg": image(1), "hurt.jpg": image(2)}, zipfile.ZIP_STORED)
    (tmp_path / "set.zip").write_bytes(altered(right, image(2)))
    source = archive(tmp_path / "set.zip")
    Archives(source).bring(["good.jpg", "hurt.jpg"])
    listing = preflight.listing(source)
    with pytest.raises(BadImage):
        Archives(source).store.read("hurt.jpg")
    assert Archives(source).listed
    (tmp_path / "set.zip").write_bytes(right)
    assert not Archives(source).listed and preflight.listing(source) != listing
    assert Archives(source).names() == ["good.jpg", "hurt.jpg"]
    Archives(source).bring(["good.jpg", "hurt.jpg"])
    assert Archives(source).store.read("hurt.jpg") == image(2)


@pytest.mark.parametrize(("name", "pack"), [("set.zip", zipped), ("set.tar", tarred)])
def test_another_archive_in_place_of_one_is_taken_once_its_owner_says_so(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack({"a.jpg": image(1), "b.jpg": image(2)}))
    source = archive(tmp_path / name)
    Archives(source).bring(["a.jpg", "b.jpg"])
    new = {"a.jpg": image(3, 60), "b.jpg": image(4, 60)}
    (tmp_path / name).write_bytes(pack(new))
    for _ in range(2):
        with pytest.raises(UserError, match=r"#list: not what it was.*remove its line there"):
            Archives(source).bring(["a.jpg", "b.jpg"])
    lock = archives.FOLDER / "lock.json"
    lines = read_json(lock)
    del lines[f"{Archives(source).folder.name}#list"]
    write_json(lock, lines)
    assert Archives(source).bring(["a.jpg", "b.jpg"]) == {"images": 2, "fetched": 2}
    assert {image: Archives(source).store.read(image) for image in new} == new
    (tmp_path / name).unlink()  # to free the disk: what was taken of it is here
    assert Archives(source).listed and Archives(source).bring(["a.jpg"])["fetched"] == 0


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_of_two_members_of_one_name_the_last_one_counts_as_for_tar_and_unzip(tmp_path, form):
    path = tmp_path / f"set.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as written, pytest.warns(UserWarning, match="Duplicate name"):
            for seed in range(9):
                written.writestr("a.jpg", image(seed))
    else:
        path.write_bytes(tarred({"a.jpg": image(0)}))
        for seed in range(1, 9):
            with tarfile.open(path, "a") as written:
                member = tarfile.TarInfo("a.jpg")
                member.size = len(image(seed))
                written.addfile(member, io.BytesIO(image(seed)))
    source = Archives(archive(path))
    assert source.names() == ["a.jpg"]
    source.bring(["a.jpg"])
    assert source.store.read("a.jpg") == image(8)
    assert source.store.count()[0] == 1


def test_the_store_keeps_one_thing_of_an_image(tmp_path):
    store = Store(tmp_path)
    for seed in range(5):
        store.put("a", image(seed))
        store.put_bad("b", "broken")
        store.put("b", image(seed))
    assert (store.read("a"), store.read("b"), store.count()[0]) == (image(4), image(4), 2)
    store.put_bad("a", "broken")
    with pytest.raises(BadImage, match="broken"):
        store.read("a")


def hurt(data: bytes, count: int):
    """Copies of `data`, cut or with a changed bit, at places all over it."""
    for number in range(count):
        place = (number * len(data) + len(data) // 3) // count
        yield data[:place]
        for bit in (0, 7):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


FORMS = {
    "zip": zipped,
    "stored.zip": lambda members: zipped(members, zipfile.ZIP_STORED),
    "tar": tarred,
    **{f"tar.{kind}": lambda members, kind=kind: tarred(members, f"w:{kind}") for kind in ("gz", "bz2", "xz")},
    "parquet": lambda members: parquet([*members.values()], 2, write_page_checksum=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_archive_gives_right_images_or_one_line(tmp_path, monkeypatch, form):
    """Whatever the place: no traceback, and where the form has checksums (plain tar has none), no wrong image."""
    monkeypatch.setattr(archives, "announce", lambda line: None)
    members = {f"{number}.jpg": image(number, 20, 16) for number in range(3)}
    known = {*members.values()}
    path = tmp_path / f"set.{form}"
    refused = 0
    for data in hurt(FORMS[form](members), 20):
        path.write_bytes(data)
        rmtree("resources", ignore_errors=True)
        source = Archives(archive(path))
        try:
            names = source.names()
            source.bring(names)
        except UserError as fault:
            assert "\n" not in str(fault)
            refused += 1
            continue
        for name in names:
            with suppress(BadImage):
                assert source.store.read(name) in known or form == "tar"
    assert refused >= 8  # those that are cut; half of so small a tar is what fills its last record


def test_a_tar_that_ends_early_or_in_the_middle_is_not_taken_for_a_short_one(tmp_path):
    data = tarred(images(4))
    place = data.index(b"photos/02.jpg")
    (tmp_path / "set.tar").write_bytes(data[:place])
    with pytest.raises(UserError, match=rf"no mark of its end at byte {place:,}\)\. Is it whole"):
        Archives(archive(tmp_path / "set.tar")).names()
    (tmp_path / "set.tar").write_bytes(data[:place] + b"q" + data[place + 1 :])
    with pytest.raises(UserError, match=rf"a damaged header at byte {place:,}\)\. Is it whole"):
        Archives(archive(tmp_path / "set.tar")).names()


def test_a_zip_whose_table_points_behind_its_end_is_refused_in_one_line(tmp_path):
    data = bytearray(zipped({"a.jpg": image(1)}))
    place = data.index(b"PK\x01\x02") + 42  # offset of the member's header
    data[place : place + 4] = (len(data) + 5).to_bytes(4, "little")
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"'a\.jpg' would begin behind its end\)\. Is it whole"):
        Archives(archive(tmp_path / "set.zip")).names()


# --- the hub ----------------------------------------------------------------------------------------------------


def test_of_a_hub_data_set_only_the_row_groups_of_the_wanted_rows_come(endpoint):
    cells = [np.random.default_rng(n).bytes(60_000) for n in range(24)]
    files = {f"data/train-0000{n}-of-00002.parquet": parquet(cells[12 * n : 12 * n + 12], 4) for n in range(2)}
    with serving(hub("own/set", files | {"README.md": b"---"})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        names = source.names()
        assert names == sorted(f"data/train-0000{n}-of-00002.parquet/{row}" for n in range(2) for row in range(12))
        server.asked.clear()
        source.bring([names[0], "data/train-00001-of-00002.parquet/9"])
        assert source.store.read("data/train-00001-of-00002.parquet/9") == cells[21]
    chunks = [span for path, span in server.asked if span and path.endswith("00001-of-00002.parquet")]
    spans = [[int(end) for end in chunk.removeprefix("bytes=").split("-")] for chunk in chunks]
    assert 4 * 60_000 < sum(last - first + 1 for first, last in spans) < 7 * 60_000
    lock = read_json(archives.FOLDER / "lock.json")
    assert lock["own/set@main"] == COMMIT


def test_enough_images_are_taken_in_row_groups_spread_over_all_files(endpoint):
    files = {f"{n}.parquet": parquet([image(10 * n + row) for row in range(9)], 3) for n in range(4)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        some = Archives(HubSource(kind="hub", repo="own/set", images=7)).names()
        more = Archives(HubSource(kind="hub", repo="own/set", images=16)).names()
    assert len(some) == 9 and len(more) == 18
    assert set(some) < set(more)  # more of them leaves those that were there
    assert len({name.split("/")[0] for name in more}) > 2


def test_of_whole_files_of_a_hub_only_those_with_wanted_rows_come(endpoint, capfd):
    files = {f"{n}.parquet": parquet([image(10 * n + row) for row in range(4)], 2) for n in range(3)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", whole=True))
        names = source.names()
        source.bring([names[5]])
        assert [path for path, span in server.asked if span is None and path.endswith("parquet")] == [
            f"/datasets/own/set/resolve/{COMMIT}/1.parquet"
        ]
    assert source.store.read(names[5]) == image(11)
    assert f"{len(files['1.parquet']) / 1e6:.1f} MB to fetch" in capfd.readouterr().err


def test_a_hub_data_set_of_tars_is_fetched_by_the_file(endpoint, capfd):
    files = {f"{n:05d}.tar": tarred({f"{n}{k}.webp": image(k, form="WEBP") for k in range(3)}) for n in range(4)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", files="*.tar", images=2))
        names = source.names()
        source.bring(names)
        assert len({path for path, _ in server.asked if path.endswith(".tar")}) == 1
    first = capfd.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"own/set: 0\.0 MB to fetch: one whole file, \d{5}\.tar, for 2 images", first)
    assert len(names) == 3 and source.store.read(names[2]) == image(2, form="WEBP")


def altered(data: bytes, cell: bytes) -> bytes:
    """The file with one byte of a cell's image changed: a JPEG that decodes to other pixels."""
    place = data.index(cell) + len(cell) * 3 // 4
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def served(cells: list[bytes], hurt: int, **settings) -> dict[str, bytes]:
    """A hub that tells the sha256 of the right file and sends another one."""
    right = parquet(cells, 2, compression="none", **settings)
    files = hub("own/set", {"a.parquet": right})
    return {path: altered(data, cells[hurt]) if data is right else data for path, data in files.items()}


def test_page_checksums_of_parquet_are_looked_at_where_there_are_any(endpoint):
    cells = [image(n) for n in range(4)]
    with serving(served(cells, 1, write_page_checksum=True)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        with pytest.raises(UserError, match=r"row group 0 cannot be read \(.*CRC") as fault:
            source.bring(["a.parquet/0"])
        source.bring(["a.parquet/3"])
    assert "\n" not in str(fault.value) and "a.parquet/0" not in source.store
    assert source.store.read("a.parquet/3") == cells[3]
    assert not [what for what in read_json(archives.FOLDER / "lock.json") if what.endswith("#rows")]


def test_rows_that_nothing_can_be_checked_by_are_said_to_be_so_and_a_whole_file_is_checked(endpoint, capfd):
    cells = [image(n) for n in range(4)]
    with serving(served(cells, 1)) as server:
        endpoint(server)
        rows = Archives(HubSource(kind="hub", repo="own/set"))
        rows.bring(["a.parquet/1"])
        assert rows.store.read("a.parquet/1") != cells[1]
        lock = read_json(archives.FOLDER / "lock.json")
        assert lock[f"hf://datasets/own/set@{COMMIT}/a.parquet#rows"].startswith("unchecked: ")
        assert "a.parquet: nothing says what its rows must be" in capfd.readouterr().err

        whole = HubSource(kind="hub", repo="own/set", whole=True)
        with pytest.raises(UserError, match=r"a\.parquet: not the file wanted \(sha256 is"):
            Archives(whole).bring(["a.parquet/0"])
        path = f"/datasets/own/set/resolve/{COMMIT}/a.parquet"
        server.data[path] = parquet(cells, 2, compression="none")
        # The images of the whole file are held against those that were taken unchecked.
        with pytest.raises(UserError, match=r"own/set#a\.parquet/1: not what it was"):
            Archives(whole).bring(["a.parquet/1"])
        Archives(whole).bring(["a.parquet/0"])
    assert Archives(whole).store.read("a.parquet/0") == cells[0]


def test_files_of_one_name_in_several_folders_of_the_hub_are_not_confused(endpoint):
    files = {f"{part}/0.tar": tarred({"a.jpg": image(n)}) for n, part in enumerate(("one", "two"))}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", files="*.tar"))
        source.bring(source.names())
    assert [source.store.read(f"{part}/0.tar/a.jpg") for part in ("one", "two")] == [image(0), image(1)]


def test_a_column_that_is_not_there_is_told_the_others(endpoint):
    with serving(hub("own/set", {"a.parquet": parquet([image(1)], 1)})) as server:
        endpoint(server)
        with pytest.raises(UserError, match=r"no column 'photo' with images' bytes; there are image, label"):
            Archives(HubSource(kind="hub", repo="own/set", column="photo")).names()
        with pytest.raises(UserError, match=r"no files there that fit 'x/\*'"):
            Archives(HubSource(kind="hub", repo="own/set", files="x/*")).names()


def test_a_row_without_an_image_is_kept_as_its_reason(endpoint):
    with serving(hub("own/set", {"a.parquet": parquet([image(1), b""], 2)})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        source.bring(source.names())
    with pytest.raises(BadImage, match="no bytes in its row"):
        source.store.read("a.parquet/1")


def test_a_busy_hub_is_asked_again_and_an_unknown_name_is_not(endpoint):
    with serving(hub("own/set", {"a.parquet": b""}), script=[(429, {"Retry-After": "0"}), (503, {})]) as server:
        endpoint(server)
        assert hubs.dataset_files("own/set", "main", "*", QUICK)[0] == COMMIT
        with pytest.raises(UserError, match=r"own/other@main: .*404"):
            hubs.dataset_files("own/other", "main", "*", QUICK)


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
