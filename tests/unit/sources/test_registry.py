"""Sources: what they hold, what is left out, and what a crop is."""

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from styledistill.config import FolderSource, ProceduralSource, SkimageSource
from styledistill.core.errors import BadImage, UserError
from styledistill.core.images import MAX_PIXELS, encode_png, open_rgb, square_crop
from styledistill.sources import registry
from styledistill.splits import tables


def _save(path, size=(40, 30), color=(200, 30, 60), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


def test_a_folder_is_read_with_its_subfolders_in_a_lasting_order(tmp_path):
    for name in ("b.png", "a/c.jpg", "a b's $(touch x).png"):
        _save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert registry.names(FolderSource(kind="folder", path=str(tmp_path))) == sorted(
        ["b.png", "a/c.jpg", "a b's $(touch x).png"]
    )


def test_bad_files_are_left_out_with_a_reason(tmp_path):
    _save(tmp_path / "good.png", size=(50, 20))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8))[:60])
    found = {entry.image: entry for entry in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert (found["good.png"].width, found["good.png"].height) == (50, 20)
    assert "cannot be read as an image" in found["empty.png"].reason
    assert isinstance(found["cut.png"], registry.Excluded)


def test_equal_bytes_have_equal_hashes_whatever_their_names(tmp_path):
    for name in ("a.png", "b.png"):
        _save(tmp_path / name)
    _save(tmp_path / "c.png", color=(1, 2, 3))
    hashes = {entry.image: entry.sha256 for entry in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert hashes["a.png"] == hashes["b.png"] != hashes["c.png"]


@pytest.mark.parametrize("path", ["missing", "empty"])
def test_folders_without_images_are_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no such folder|no images here"):
        registry.names(FolderSource(kind="folder", path=str(tmp_path / path)))


def test_photographs_of_scikit_image_are_there():
    source = SkimageSource(kind="skimage")
    sizes = {entry.image: (entry.width, entry.height) for entry in registry.index(source)}
    assert sizes["astronaut"] == (512, 512)
    assert len(sizes) == len(source.images) >= 12


def test_drawn_images_are_not_those_of_the_embedded_networks_training():
    source = ProceduralSource(kind="procedural", images="styles", count=3)
    assert registry.names(source) == ["styles-000000", "styles-000001", "styles-000002"]
    image = np.asarray(registry.crop(source, "styles-000001", 64, registry.entry(source, "styles-000001").sha256))
    from styledistill.procedural.styles.style import style

    assert not any(np.array_equal(image, style(seed, 64)) for seed in range(5))


def test_a_crop_is_the_center_square():
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    crop = np.asarray(square_crop(wide, 16))
    assert crop.shape == (16, 16, 3)
    assert (crop == (0, 0, 255)).all()


def test_turned_images_are_turned_back(tmp_path):
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    shown = np.asarray(open_rgb(tmp_path / "turned.png"))
    assert shown.shape == (40, 20, 3)
    assert shown[0, 0, 0] == 255
    assert shown[-1, 0, 0] == 0


def test_every_kind_of_pixels_becomes_rgb(tmp_path):
    gray16 = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    gray16.save(tmp_path / "gray16.png")
    levels = np.asarray(open_rgb(tmp_path / "gray16.png"))[..., 0]
    assert levels.max() == round(63_000 / 65_535 * 255)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert np.asarray(open_rgb(tmp_path / "cmyk.jpg"))[0, 0].argmax() == 0
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (np.asarray(open_rgb(tmp_path / "clear.png")) == 255).all()


def _gray(tmp_path, name, levels) -> np.ndarray:
    Image.fromarray(levels).save(tmp_path / name)
    return np.asarray(open_rgb(tmp_path / name))[0, :, 0]


@pytest.mark.parametrize(("name", "kind"), [("a.png", np.uint16), ("a.tif", np.uint16), ("a.tif", np.int32)])
def test_dark_images_of_16_bits_stay_dark(tmp_path, name, kind):
    """None of their levels is above 255, and they are of 16 bits all the same."""
    assert _gray(tmp_path, name, np.array([[0, 100, 199, 255]], kind)).tolist() == [0, 0, 1, 1]


def test_16_bits_of_a_portable_gray_map(tmp_path):
    (tmp_path / "dark.pgm").write_bytes(b"P5 4 1 65535\n" + np.array([0, 100, 199, 51_400], ">u2").tobytes())
    assert np.asarray(open_rgb(tmp_path / "dark.pgm"))[0, :, 0].tolist() == [0, 0, 1, 200]


def test_floating_point_gray_has_its_white_at_one(tmp_path):
    assert _gray(tmp_path, "a.tif", np.array([[0, 0.1, 0.5, 1]], np.float32)).tolist() == [0, 26, 128, 255]
    assert _gray(tmp_path, "dark.tif", np.array([[0, 0.1, 0.2]], np.float32)).tolist() == [0, 26, 51]
    assert _gray(tmp_path, "sharpened.tif", np.array([[-0.1, 0.2, 1.2]], np.float32)).tolist() == [0, 51, 255]


@pytest.mark.parametrize("level", [254.0, -3.0, np.nan, np.inf])
def test_a_scale_that_nobody_knows_is_no_image(tmp_path, level):
    with pytest.raises(BadImage, match=r"gray levels from .* only 0 to 1 have a known white"):
        _gray(tmp_path, "a.tif", np.array([[0, level]], np.float32))
    with pytest.raises(BadImage, match="only 0 to 65535 have a known white"):
        _gray(tmp_path, "b.tif", np.array([[0, 70_000]], np.int32))


# sRGB's primaries in ICC's space (D50), as sRGB's own profiles hold them.
R, G, B = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)


def icc(red, green, blue, gamma=2.2, name="a screen") -> bytes:
    """A profile of a screen with these primaries."""

    def fixed(values):
        return struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    said = name.encode() + b"\0"
    tags = {b"desc": b"desc" + struct.pack(">II", 0, len(said)) + said.ljust(40, b"\0") + bytes(80)}
    tags |= {b"wtpt": b"XYZ \0\0\0\0" + fixed((0.9642, 1, 0.8249))}
    for name, primary in ((b"r", red), (b"g", green), (b"b", blue)):
        tags |= {name + b"XYZ": b"XYZ \0\0\0\0" + fixed(primary), name + b"TRC": curve}
    place, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", 132 - 4 + len(table) + len(body), b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    return head + bytes(12) + b"acsp" + bytes(28) + fixed((0.9642, 1, 0.8249)) + bytes(48) + table + body


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_image_is_seen_through_its_profile(tmp_path, mode):
    red = Image.new(mode, (4, 4), (255, 0, 0, 255)[: len(mode)])
    red.save(tmp_path / "swapped.png", icc_profile=icc(B, G, R))
    np.testing.assert_allclose(np.asarray(open_rgb(tmp_path / "swapped.png"))[0, 0], (0, 0, 255), atol=3)
    dark = Image.new(mode, (4, 4), (100, 100, 100, 255)[: len(mode)])
    dark.save(tmp_path / "linear.png", icc_profile=icc(R, G, B, gamma=1.0))
    np.testing.assert_allclose(np.asarray(open_rgb(tmp_path / "linear.png"))[0, 0], (168,) * 3, atol=2)


@pytest.mark.parametrize("profile", [b"no profile", icc(B, G, R)[:200]])
def test_a_damaged_profile_is_passed_over(tmp_path, profile):
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png", icc_profile=profile)
    assert open_rgb(tmp_path / "red.png").getpixel((0, 0)) == (255, 0, 0)


def test_a_profile_of_other_pixels_is_passed_over(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "red.jpg", icc_profile=icc(B, G, R))
    red, green, blue = open_rgb(tmp_path / "red.jpg").getpixel((0, 0))
    assert red > 250 and max(green, blue) < 5


def test_what_calls_itself_srgb_keeps_its_bytes(tmp_path):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    red.save(tmp_path / "red.png", icc_profile=icc(B, G, R, name="sRGB IEC61966-2.1"))
    assert open_rgb(tmp_path / "red.png").getpixel((0, 0)) == (255, 0, 0)


def test_image_bombs_are_refused_before_they_are_decoded(tmp_path):
    side = int(MAX_PIXELS**0.5) + 2
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(BadImage, match="pixels"):
        open_rgb(tmp_path / "bomb.png")


# --- images of every sort ------------------------------------------------------------------------------------


def _encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    """A PNG of three colors of `depth` bits, as Pillow writes none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


RED = Image.new("RGB", (24, 16), (250, 10, 20))

BAD = {
    "truncated.jpg": (_encoded(RED.resize((300, 300)), "JPEG")[:500], "Truncated|truncated"),
    "cut in its head.png": (_encoded(RED, "PNG")[:30], "cannot be read as an image"),
    "empty.jpg": (b"", "an empty file"),
    "text.jpg": (b"<html>not found</html>", "of no known format"),
    "bomb.png": (_png(20_000, 20_000, 8, bytes(60_001)), "over 120,000,000 pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_have_their_reason_in_the_index(tmp_path, name):
    data, reason = BAD[name]
    (tmp_path / name).write_bytes(data)
    _save(tmp_path / "good.png")
    found = {one.image: one for one in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert isinstance(found["good.png"], registry.Entry)
    assert isinstance(found[name], registry.Excluded) and re.search(reason, found[name].reason)


def _palette_with_transparency():
    image = Image.new("P", (24, 16), 1)
    image.putpalette([0, 255, 0, 250, 10, 20])
    image.paste(0, (0, 0, 12, 16))
    return _encoded(image, "PNG", transparency=0)


GOOD = {
    "jpeg named png.png": _encoded(RED, "JPEG", quality=95),
    "png named jpeg.jpg": _encoded(RED, "PNG"),
    "cmyk.jpg": _encoded(RED.convert("CMYK"), "JPEG", quality=95),
    "palette.gif": _encoded(RED, "GIF"),
    "palette with transparency.png": _palette_with_transparency(),
    "animated.gif": _encoded(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (24, 16), "blue")]),
    "animated.webp": _encoded(RED, "WEBP", save_all=True, lossless=True, append_images=[RED.rotate(180)]),
    "gray and alpha.png": _encoded(Image.new("LA", (24, 16), (10, 255)), "PNG"),
    "one bit.png": _encoded(Image.new("1", (24, 16), 1), "PNG"),
}


@pytest.mark.parametrize("name", GOOD)
def test_images_of_every_sort_become_8_bit_rgb(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD[name])
    source = FolderSource(kind="folder", path=str(tmp_path))
    (entry,) = registry.index(source)
    crop = np.asarray(registry.crop(source, name, 16, entry.sha256))
    assert crop.shape == (16, 16, 3) and crop.dtype == np.uint8
    if name in ("gray and alpha.png", "one bit.png"):
        assert np.ptp(crop) == 0 and crop[0, 0, 0] in (10, 255)
    else:
        assert (
            np.abs(crop[8, 12].astype(int) - (250, 10, 20)).max() < 40
        )  # the first frame, over white, as it was meant
    if name == "palette with transparency.png":
        assert (crop[8, 1] == 255).all()


def test_sixteen_bits_of_three_colors_are_not_clipped():
    row = b"\0" + struct.pack(">3H", 64_250, 2_570, 5_140) * 24
    image = np.asarray(open_rgb(_png(24, 16, 16, row * 16)))
    assert np.abs(image[0, 0].astype(int) - (250, 10, 20)).max() <= 1


NAMES = [
    "a b.png",
    'it\'s "quoted".png',
    "two\nlines.png",
    "carriage\rreturn.png",
    "日本 ру عر.png",
    "comma,semi;.png",
    "-n.png",
]


def test_names_of_any_script_go_through_the_tables(tmp_path):
    for number, name in enumerate(NAMES):
        _save(tmp_path / "images" / name, color=(number, 0, 0))
    source = FolderSource(kind="folder", path=str(tmp_path / "images"))
    entries = [one for one in registry.index(source) if isinstance(one, registry.Entry)]
    tables.write(tmp_path / "index.csv", registry.Entry._fields, entries)
    again = tables.read(tmp_path / "index.csv", registry.Entry)
    assert again == entries and sorted(entry.image for entry in again) == sorted(NAMES)
    for entry in again:
        assert np.asarray(registry.crop(source, entry.image, 8, entry.sha256))[0, 0, 0] == NAMES.index(entry.image)


def test_a_name_that_no_table_can_hold_is_excluded_with_its_bytes(tmp_path):
    _save(tmp_path / "good.png")
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes((tmp_path / "good.png").read_bytes())
    found = list(registry.index(FolderSource(kind="folder", path=str(tmp_path))))
    assert [one.image for one in found if isinstance(one, registry.Entry)] == ["good.png"]
    (bad,) = (one for one in found if isinstance(one, registry.Excluded))
    assert "xe9" in bad.image or "udce9" in bad.image
    assert "not UTF-8" in bad.reason


def test_an_image_that_has_changed_since_it_was_indexed_is_refused(tmp_path):
    _save(tmp_path / "a.png")
    source = FolderSource(kind="folder", path=str(tmp_path))
    (entry,) = registry.index(source)
    _save(tmp_path / "a.png", color=(0, 0, 0))
    with pytest.raises(UserError, match=r"'a\.png' has changed since its source was indexed"):
        registry.crop(source, "a.png", 16, entry.sha256)
