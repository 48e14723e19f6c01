"""Of an image's metadata only the turn and the colors matter: nothing else in a file costs it."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styledistill.config import FolderSource
from styledistill.core.errors import BadImage
from styledistill.core.images import open_rgb, open_with_alpha, upright_size
from styledistill.core.png_chunks import SIGNATURE
from styledistill.sources import registry

ROOT = Path(__file__).parents[3]
CORNERS = np.zeros((24, 40, 3), np.uint8)
CORNERS[:8, :8] = (255, 0, 0)  # top left is red, the rest is black


def exif(*entries: tuple[int, int, int, bytes], beyond: bytes = b"") -> bytes:
    """An EXIF block: tag, type, count and four bytes of value for each entry, in little-endian order."""
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 0) + beyond


TURNED = (0x0112, 3, 1, struct.pack("<HH", 6, 0))  # by 90 degrees clockwise
ODD_TAGS = {
    "a rational below zero": (0x011A, 5, 1, struct.pack("<I", 50)),
    "a signed rational": (0x011A, 10, 1, struct.pack("<I", 50)),
    "a value far behind the end": (0x010F, 2, 4000, struct.pack("<I", 60_000)),
    "a type that is none": (0x0131, 77, 1, b"\1\2\3\4"),
    "a text that is none": (0x010E, 2, 4, b"\xff\xfe\xfd\xfc"),
    "a count of nothing": (0x0128, 3, 0, b"\0\0\0\0"),
    "a date as a number": (0x0132, 3, 1, struct.pack("<HH", 9, 0)),
    "a block of GPS that is not there": (0x8825, 4, 1, struct.pack("<I", 70_000)),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tag", ODD_TAGS)
def test_a_turned_photograph_with_an_odd_tag(tag: str, form: str, tmp_path: Path) -> None:
    block = exif(*sorted([TURNED, ODD_TAGS[tag]]), beyond=struct.pack("<iI", -300, 1) + bytes(8))
    Image.fromarray(CORNERS).save(
        tmp_path / "a", format=form, exif=block, **({"lossless": True} if form == "WEBP" else {})
    )
    image = np.asarray(open_rgb(tmp_path / "a"))
    assert image.shape == (40, 24, 3)
    assert image[2, -3, 0] > 200 and image[2, 2, 0] < 60  # red is at the top right now


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_head_tells_the_size_of_the_upright_image(form: str, turn: int, tmp_path: Path) -> None:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"Pillow writes no {form} here")
    block = Image.Exif()
    block[0x0112] = turn
    Image.fromarray(CORNERS).save(tmp_path / "a", format=form, exif=block)
    assert upright_size(tmp_path / "a") == open_rgb(tmp_path / "a").size == ((24, 40) if turn >= 5 else (40, 24))


def chunk(name: bytes, data: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ wrong)


def png(*extra: tuple[bytes, bytes], broken: bool = False) -> bytes:
    """A PNG of CORNERS with more chunks behind its header; broken: their checksums are wrong."""

    rows = b"".join(b"\0" + row.tobytes() for row in CORNERS)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 0))
    more = b"".join(chunk(name, data, int(broken)) for name, data in extra)
    return SIGNATURE + head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


LONG = zlib.compress(b"word " * 400_000)  # two megabytes: more than Pillow unpacks
CHUNKS: dict[str, tuple[bytes, bytes]] = {
    "long packed text": (b"zTXt", b"parameters\0\0" + LONG),
    "long international text": (b"iTXt", b"prompt\0\1\0\0\0" + LONG),
    "text that does not unpack": (b"zTXt", b"parameters\0\0" + b"not packed"),
    "a profile that does not unpack": (b"iCCP", b"mine\0\0" + b"not packed"),
    "a profile that is none": (b"iCCP", b"mine\0\0" + zlib.compress(b"no profile")),
    "a long profile": (b"iCCP", b"mine\0\0" + LONG),
    "a time of one byte": (b"tIME", b"\0"),
    "a resolution of one byte": (b"pHYs", b"\0"),
    "a chunk of nobody": (b"abCd", b"\0" * 9),
    "an EXIF block that is none": (b"eXIf", b"rubbish"),
}


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "wrong checksum"])
@pytest.mark.parametrize("kind", CHUNKS)
def test_a_chunk_that_is_no_pixel_costs_no_image(kind: str, broken: bool, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(CHUNKS[kind], broken=broken))
    assert (np.asarray(open_rgb(tmp_path / "a.png")) == CORNERS).all()
    assert (np.asarray(open_rgb((tmp_path / "a.png").read_bytes())) == CORNERS).all()


def test_what_is_read_without_its_text_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(png(CHUNKS["long packed text"]))
    open_rgb(tmp_path / "a.png")
    assert "a.png: text or other metadata is damaged or too large" in capsys.readouterr().err
    registry.entry(FolderSource(kind="folder", path=str(tmp_path)), "a.png")
    assert "a.png: text or other metadata is damaged or too large" in capsys.readouterr().err


def test_the_turn_stays_where_the_text_is_passed_over(tmp_path: Path) -> None:
    data = png(CHUNKS["long packed text"], (b"eXIf", exif(TURNED)[6:]))
    assert open_rgb(data).size == (24, 40)


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_damaged_pixels_are_no_image(name: bytes) -> None:
    data = bytearray(png())
    data[data.index(name) + 9] ^= 1
    with pytest.raises(BadImage, match="cannot be read as an image"):
        open_rgb(bytes(data))


# --- transparency -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clear", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_level_of_gray(bits: int, clear: int) -> None:
    top = 2**bits - 1
    levels = [level * (top // 15 if bits == 16 else 1) for level in (0, 1, 0, 1, 1, 0, 1, 0)]
    row = int("".join(format(level, f"0{bits}b") for level in levels), 2).to_bytes(bits, "big")
    head = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", struct.pack(">H", levels[clear])), (b"IDAT", zlib.compress(b"\0" + row))]
    image, alpha = open_with_alpha(SIGNATURE + b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")]))
    assert alpha is not None
    opaque = np.array(levels) != levels[clear]
    assert (np.asarray(alpha)[0] == 255 * opaque).all()
    assert (np.asarray(image)[0, opaque] == round(255 * levels[1 - clear] / top)).all()


# --- TIFF ---------------------------------------------------------------------------------------------------------


def tiff(pixels: np.ndarray, photometric: int, planar: int = 1) -> bytes:
    """An uncompressed TIFF of integer pixels (H, W) or (H, W, 3); planar 2: one plane for each color."""
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else 3
    bits = pixels.dtype.itemsize * 8
    planes = [pixels] if planar == 1 else [pixels[..., i] for i in range(samples)]
    strips = [np.ascontiguousarray(plane).astype(pixels.dtype.newbyteorder("<")).tobytes() for plane in planes]
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]),
        (273, 4, [0] * len(strips)), (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(s) for s in strips]),
        (284, 3, [planar]), (339, 3, [1 + (pixels.dtype.kind == "i")] * samples),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    extra, places = b"", start + 64
    offsets = [places + sum(len(s) for s in strips[:i]) for i in range(len(strips))]
    body = struct.pack("<H", len(entries))
    for tag, kind, values in entries:
        values = offsets if tag == 273 else values
        packed = struct.pack("<" + {3: "H", 4: "I"}[kind] * len(values), *values)
        if len(packed) > 4:
            field, extra = struct.pack("<I", start + len(extra)), extra + packed
        else:
            field = packed.ljust(4, b"\0")
        body += struct.pack("<HHI", tag, kind, len(values)) + field
    return b"II*\0" + struct.pack("<I", 8) + body + bytes(4) + extra.ljust(64, b"\0") + b"".join(strips)


def test_colors_in_planes() -> None:
    assert (np.asarray(open_rgb(tiff(CORNERS, 2, planar=2))) == CORNERS).all()
    with pytest.raises(BadImage, match="planes of more than 8 bits"):
        open_rgb(tiff(CORNERS.astype(np.uint16) * 257, 2, planar=2))
    assert (np.asarray(open_rgb(tiff(CORNERS.astype(np.uint16) * 257, 2))) == CORNERS).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_gray_whose_white_is_zero(kind: type) -> None:
    levels = np.array([[0, 51, 255]], np.uint8)
    stored = (255 - levels).astype(kind) * (257 if kind is np.uint16 else 1)
    assert np.asarray(open_rgb(tiff(stored, 0)))[0, :, 0].tolist() == [0, 51, 255]
    assert np.asarray(open_rgb(tiff(255 * (levels > 99).astype(np.uint8), 1)))[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_signed_levels_are_refused_and_not_taken_for_light_ones(shape: tuple[int, ...]) -> None:
    for kind, reason in ((np.int8, "levels below 0|not known here"), (np.int16, "gray levels from -2|not known here")):
        with pytest.raises(BadImage, match=reason):
            open_rgb(tiff(np.full(shape, -2, kind), 1 if len(shape) == 2 else 2))


# --- where they are met -------------------------------------------------------------------------------------------


def test_an_image_too_small_to_crop_from_is_named(tmp_path: Path) -> None:
    for name, size in (("dot.png", (1, 1)), ("line.png", (1, 64)), ("least.png", (16, 99))):
        Image.new("RGB", size).save(tmp_path / name)
    found = {entry.image: entry for entry in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert isinstance(found["least.png"], registry.Entry)
    assert re.match(r"1 x 64 pixels; a crop takes at least 16 x 16", found["line.png"].reason)
    assert isinstance(found["dot.png"], registry.Excluded)


def test_readmes_snippet_turns_photographs_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as it stands, on the embedded student's graphs."""
    import torch

    from styledistill.student import Student
    from styledistill.student.onnx_export import export, trace

    torch.set_num_threads(1)
    student = Student.from_pretrained(ROOT / "weights" / "tiny_student")
    folder = tmp_path / "results/default/students/mse/onnx"
    trace(student, tmp_path / "graphs")
    export(student, tmp_path / "graphs", folder)
    (snippet,) = re.findall(
        r"```python\n(import numpy as np\nimport onnxruntime.*?)```",
        (ROOT / "docs" / "python.md").read_text("utf-8"),
        re.S,
    )
    Image.fromarray(CORNERS).save(tmp_path / "photograph.png", exif=exif(TURNED))
    Image.fromarray(CORNERS).save(tmp_path / "painting.png")
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    assert Image.open(tmp_path / "out.png").size == (24, 40)
    _counts_that_do_not_match(folder)


def _counts_that_do_not_match(folder: Path) -> None:
    import onnxruntime

    for suffix in ("", ".fp16", ".int8"):
        stylize = onnxruntime.InferenceSession(folder / f"stylize{suffix}.onnx")
        encode = onnxruntime.InferenceSession(folder / f"encode_style{suffix}.onnx")
        styles = np.random.default_rng(1).random((3, 3, 32, 32), np.float32)
        names = [output.name for output in encode.get_outputs()]
        kept = dict(zip(names, encode.run(None, {"styles": styles}), strict=True))

        def rows(count: int, kept: dict[str, np.ndarray] = kept) -> dict[str, np.ndarray]:
            return {name: part[:count] for name, part in kept.items()}

        for contents, count in ((1, 2), (2, 3), (3, 2), (4, 2)):
            given = {"contents": styles[:1].repeat(contents, 0), **rows(count)}
            with pytest.raises(Exception, match=r"(?i)index|bounds|range"):
                stylize.run(None, given)
        for count, others in ((1, 2), (2, 3), (2, 1)):
            given = {"contents": styles[:2], **rows(others), names[0]: kept[names[0]][:count]}
            with pytest.raises(Exception, match=r"(?i)index|bounds|range"):
                stylize.run(None, given)
        for contents, count in ((1, 1), (3, 1), (3, 3)):
            (made,) = stylize.run(None, {"contents": styles[:contents], **rows(count)})
            assert made.shape == (contents, 3, 32, 32)
        (together,) = stylize.run(None, {"contents": styles, **kept})
        (alone,) = stylize.run(None, {"contents": styles[2:], **{name: part[2:] for name, part in kept.items()}})
        assert np.abs(together[2:] - alone).max() < 0.02
