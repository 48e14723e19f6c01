"""Archives of this disk: every form, what is listed, what is refused, what damage does."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
import zlib
from contextlib import suppress
from shutil import rmtree

import pytest
from archived import altered, archive, image, images, parquet, tarred, zipped

from styledistill.core.errors import BadImage, UserError
from styledistill.core.files import read_json, sha256_bytes, write_json
from styledistill.run import preflight
from styledistill.sources import archive as archives
from styledistill.sources.archive import Archives
from styledistill.sources.archive_store import Store

pytestmark = pytest.mark.usefixtures("alone")


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
