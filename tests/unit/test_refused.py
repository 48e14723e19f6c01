"""The rows of docs/refused.md, with inputs that harm nobody."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from styledistill import config
from styledistill.core.errors import BadImage, UserError
from styledistill.core.files import sha256_file
from styledistill.core.image_files import LeftOut, find, told
from styledistill.core.images import MAX_PIXELS, open_rgb
from styledistill.downloads.http_ranges import LocalPieces
from styledistill.perceptual import vgg19_features
from styledistill.report.page import page
from styledistill.share.bundle import bundle_of
from styledistill.sources import archive_formats
from styledistill.student import Student

ROOT = Path(__file__).parents[2]


class _Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self._path),)


def large_head() -> bytes:
    """The head of a PNG that says it has 400 million pixels; there are none."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + end


def images(folder: Path) -> None:
    assert MAX_PIXELS < 20_000**2
    with pytest.raises(BadImage, match="pixels"):
        open_rgb(large_head())


def long_text(folder: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    data = buffer.getvalue()
    text = b"zTXt" + b"a\0\0" + zlib.compress(bytes(1 << 21))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert open_rgb(data[:33] + chunk + data[33:]).size == (4, 4)


def other_programs(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    (folder / "b.eps").write_bytes((folder / "a.png").read_bytes())
    with pytest.raises(BadImage, match="of no known format"):
        open_rgb(folder / "a.png")
    assert [left.name for left in find(folder).left_out] == ["b.eps"]


def pipes(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert find(folder) == ([], [LeftOut("pipe.png", "neither a file nor a folder")])


def rings(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "up").symlink_to(folder)
    Image.new("RGB", (4, 4)).save(folder / "a" / "x.png")
    assert find(folder).images == ["a/x.png"]


def zips(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1 << 20))
    ((_, member),) = ((m.name, m) for m in archive_formats.list_zip(LocalPieces(folder / "a.zip")).members)
    for size in (1000, archive_formats.MAX_BYTES + 1):  # less than there is, and more than is taken
        facts = [member.facts[0], size, *member.facts[2:]]
        ((_, data),) = archive_formats.extract_zip(
            LocalPieces(folder / "a.zip"), [member._replace(facts=facts)], remote=False
        )
        assert isinstance(data, BadImage)


def tars(folder: Path) -> None:
    with (folder / "a.tar").open("wb") as file:  # 257 MB that take no place on the disk
        info = tarfile.TarInfo("a.png")
        info.size = archive_formats.MAX_BYTES + 512
        file.write(info.tobuf())
        file.truncate(512 + info.size + 1024)
    listed = archive_formats.list_tar(folder / "a.tar").members
    ((_, data),) = archive_formats.extract_tar(folder / "a.tar", listed)
    assert isinstance(data, BadImage) and "over 268,435,456" in str(data)


def climbing(folder: Path) -> None:
    for number, name in enumerate(("../a.png", "/a.png", "C:\\a.png", "x/../../a.png")):
        with zipfile.ZipFile(folder / f"{number}.zip", "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(UserError, match="climbs out"):
            archive_formats.list_zip(LocalPieces(folder / f"{number}.zip"))
        with tarfile.open(folder / f"{number}.tar", "w") as packed:
            packed.addfile(tarfile.TarInfo(name))
        with pytest.raises(UserError, match="climbs out"):
            archive_formats.list_tar(folder / f"{number}.tar")


def tags(folder: Path) -> None:
    (folder / "c.yaml").write_text(f"run: !!python/object/apply:os.mkdir ['{folder}/made']\n", "utf-8")
    with pytest.raises(UserError, match=r"c\.yaml: cannot be read as YAML"):
        config.load(folder / "c.yaml")
    (folder / "c.yaml").write_text("run: a\nrun: b\n", "utf-8")
    with pytest.raises(UserError, match=r"run stands twice"):
        config.load(folder / "c.yaml")
    assert not (folder / "made").exists()


def pickles(folder: Path) -> None:
    torch.save({"model": _Touch(folder / "made")}, folder / "a.pth")
    (folder / "b.pth").write_bytes(pickle.dumps(_Touch(folder / "made")))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(UserError, match="not the authors' checkpoint"):
            Student.from_checkpoint(folder / name)
        with pytest.raises(UserError, match="does not hold the weights"):
            vgg19_features(str(folder / name), 1)
    assert not (folder / "made").exists()


def numbers(folder: Path) -> None:
    with pytest.raises(UserError, match="finite"):
        config.validate({"distill": {"learning_rate": float("nan")}})


def manifests(folder: Path) -> None:
    (folder / "secret").write_text("mine")
    (folder / "shards").mkdir()
    (folder / "shards" / "README.md").write_text("# Pairs\n")
    for name in ("../secret", str(folder / "secret"), "train/../../secret"):
        for split in ("train", "val"):
            listed = {"file": name, "sha256": sha256_file(folder / "secret"), "pairs": []}
            (folder / "shards" / f"{split}.json").write_text(json.dumps({"shards": [listed]}), "utf-8")
        with pytest.raises(UserError, match="lies outside its folder"):
            bundle_of(folder / "shards", "owner/name")


def configurations(folder: Path) -> None:
    for name in ("student.safetensors", "config.json"):
        shutil.copy(ROOT / "weights" / "micro" / name, folder / name)
    good = json.loads((folder / "config.json").read_text("utf-8"))
    for key, value in (("blocks", [10**9] * 3), ("widths", [-1, 0, 1]), ("code", "x"), ("more", 1)):
        (folder / "config.json").write_text(json.dumps({**good, "network": {**good["network"], key: value}}), "utf-8")
        with pytest.raises(UserError, match=rf"no student of this version \(ValueError: .*{key}"):
            Student.from_pretrained(folder)


def unprintable(folder: Path) -> None:
    (line,) = told([LeftOut("a\nb\x1b[31m.heic", "no")], "x")
    assert "\n" not in line and "\x1b" not in line


def playlists(folder: Path) -> None:
    pytest.importorskip("av", reason="needs styledistill[video]")
    from styledistill.video.clip import read_clip

    (folder / "a.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError, match="cannot be read as a video"):
        read_clip(folder / "a.mp4")


# How each row of docs/refused.md begins, in their order; the page's own test stands below.
ROWS = {
    "an image of more than 120 million pixels": images,
    "a PNG whose text": long_text,
    "an image that needs another program": other_programs,
    "a pipe, a socket": pipes,
    "a playlist (HLS, concat)": playlists,
    "folders that link in a ring": rings,
    "a member of a zip": zips,
    "a member of a tar": tars,
    "paths that climb": climbing,
    "YAML with tags": tags,
    "a pickled checkpoint": pickles,
    "weights or settings that are not finite": numbers,
    "a manifest of shards": manifests,
    "a student's `config.json`": configurations,
    "HTML and scripts": None,
    "line breaks": unprintable,
}


@pytest.mark.parametrize("row", [row for row, check in ROWS.items() if check])
def test_refused(row: str, tmp_path: Path) -> None:
    ROWS[row](tmp_path)


def test_each_row_of_the_table_is_a_test() -> None:
    _, *rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs" / "refused.md").read_text("utf-8"), re.M)
    for row, begins in zip(rows, ROWS, strict=True):
        assert row.startswith(begins), row


def test_foreign_text_on_the_page_is_no_markup(trial: Path, trial_config: config.Config, tmp_path: Path) -> None:
    copy = shutil.copytree(trial, tmp_path / "trial")
    name = "<img src=x onerror=alert(1)>&amp;\"'.png"
    row = '"' + name.replace('"', '""') + '",<b>bad</b>\n'
    (copy / "index" / "photos.excluded.csv").write_text(f"image,reason\n{row}", "utf-8")
    html = page.render(page.page_context(copy, trial_config))
    assert "&lt;img src=x onerror=alert(1)&gt;" in html and "<img src=x" not in html and "<b>bad" not in html
