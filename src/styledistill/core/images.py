"""Images as files: decode, crop, encode. No torch here: the data steps run without it.

Every resizing choice is named: crops are center squares, reduced or enlarged by Pillow's Lanczos filter (antialiased).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from .errors import BadImage
from .files import write_bytes
from .image_files import open_image
from .png import png_bytes
from .png_chunks import SIGNATURE, pixels_only
from .progress import announce
from .unreadable import HEAD, of_error, of_no_reader

T = TypeVar("T")

# An image beyond this many pixels is refused before it is decoded ("decompression bomb").
MAX_PIXELS = 120_000_000
LEAST = 16  # pixels of a side; a crop of fewer shows nothing, however far it is blown up

_OVERSHOOT = 0.5  # of white, in images of floating-point numbers

# Tags of EXIF and TIFF.
_ORIENTATION, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _PLANAR, _FORMAT = 0x0112, 256, 257, 258, 262, 284, 339
_SIGNED = 2  # of _FORMAT
_SPREAD = {"L;2": 85, "L;4": 17}  # Pillow's names for gray in PNG -> what it multiplies levels by
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Color space of an ICC profile -> the mode in which pixels go through it, and how modes begin that it fits.
_PROFILED = {"RGB": ("RGB", ("RGB", "P")), "GRAY": ("L", ("L", "1")), "CMYK": ("CMYK", ("CMYK",))}


def upright_size(path: Path | str) -> tuple[int, int] | None:
    """Width and height of an image as it is seen, by its head alone; None where it cannot be read."""
    try:
        with open_image(path) as image:
            tags = getattr(image, "tag_v2", None)  # of a TIFF, whose size Pillow turns by itself, and no other's
            size = (tags[_WIDTH], tags[_HEIGHT]) if tags else image.size
            return size[::-1] if image.getexif().get(_ORIENTATION, 1) >= 5 else size
    except Exception:  # Pillow's decoders raise many types for damaged files; whoever reads the pixels tells why
        return None


def open_with_alpha(source: Path | str | bytes, name: str = "") -> tuple[Image.Image, Image.Image | None]:
    """As `open_rgb`, with transparency beside it: 8-bit RGB, and opacity (mode L) or None where all is opaque.

    Colors are not laid on white, but for places that are wholly transparent: nothing says what color these have.
    """
    return _read(source, _to_rgb_and_alpha, name)


def open_rgb(source: Path | str | bytes, name: str = "") -> Image.Image:
    """Decode an image: EXIF orientation applied, transparency laid on white, converted to 8-bit sRGB.

    source: a path, or the bytes of an encoded image; name: what a note calls such bytes. Of a file's metadata only
    the turn and the color profile matter, and where they are damaged the image is read without them. Gray of 16 bits
    has its white at 65535, gray of floating-point numbers at 1. Raises BadImage with the reason.
    """
    return _read(source, _to_rgb, name)


def _read(source: Path | str | bytes, finish: Callable[[Image.Image], T], name: str = "") -> T:
    """What `finish` makes of a decoded, upright image. Raises BadImage with the reason."""
    head = "" if isinstance(source, bytes) else f"{source}: "
    try:
        try:
            return _opened(source, finish)
        except BadImage:
            raise
        except Exception:
            if not _head(source).startswith(SIGNATURE):
                raise
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
            image = _opened(pixels_only(data), finish)
            if called := name or head.removesuffix(": "):
                announce(f"{called}: text or other metadata is damaged or too large; read without it")
            return image
    except BadImage as error:
        raise BadImage(f"{head}{error}") from error
    except UnidentifiedImageError as error:  # its text names an object in memory, another one each time
        raise BadImage(f"{head}{of_no_reader(_head(source))}") from error
    except Exception as error:  # Pillow's decoders raise many types for damaged files
        raise BadImage(f"{head}{of_error(error, MAX_PIXELS)}") from error


def _opened(source: Path | str | bytes, finish: Callable[[Image.Image], T]) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with open_image(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"{image.width} x {image.height} is over {MAX_PIXELS:,} pixels; reduce it first")
            _refuse_misread(image)
            _spread_transparency(image)
            image.load()
            return finish(_shallow(_upright(image)))


def _head(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    with Path(source).open("rb") as file:
        return file.read(HEAD)


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF turn says; Pillow's own function writes the other tags anew, and stops at an odd one."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # a damaged block tells no turn
        turn = None
    return image if turn is None else image.transpose(turn)


def _refuse_misread(image: Image.Image) -> None:
    """TIFFs of which Pillow would make another image: it mixes deep planes, and takes levels below 0 for light ones."""
    tags = getattr(image, "tag_v2", {})
    if _SIGNED in np.ravel(tags.get(_FORMAT, ())) and 8 in np.ravel(tags.get(_BITS, ())):
        raise BadImage("a TIFF of levels below 0, of which no white is known; save it with levels of 0 to 255")
    if tags.get(_PLANAR) == 2 and max(tags.get(_BITS, (8,))) > 8:
        raise BadImage("a TIFF with its colors in planes of more than 8 bits; save it with interleaved colors")


def _spread_transparency(image: Image.Image) -> None:
    """Pillow spreads gray of 2 or 4 bits over 8, and leaves the level that is transparent as it stands in the file."""
    level, tile = image.info.get("transparency"), image.tile[:1]
    if isinstance(level, int) and tile and tile[0][3] in _SPREAD:
        image.info["transparency"] = level * _SPREAD[tile[0][3]]


def _shallow(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits in 8, with opacity where one of its levels is transparent; other images as they are."""
    if not image.mode.startswith(("I", "F")):
        return image
    gray = _to_gray(image)
    if (level := image.info.get("transparency")) is not None:
        gray.putalpha(Image.fromarray(np.uint8(255) * (np.asarray(image) != level)))
    gray.info["icc_profile"] = image.info.get("icc_profile")
    return gray


def _to_rgb(image: Image.Image) -> Image.Image:
    profile = _profile(image.info.get("icc_profile"))
    space = profile.profile.xcolor_space.strip() if profile else ""
    through, kinds = _PROFILED.get(space, (None, ()))
    through = through if image.mode.startswith(kinds) else None
    if through == "CMYK":
        return _to_srgb(image, profile)
    if _transparent(image):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return _to_srgb(image.convert(through), profile) if through else image.convert("RGB")


def _transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info


def _to_rgb_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    alpha = image.convert("RGBA").getchannel("A") if _transparent(image) else None
    if alpha is None or alpha.getextrema() == (255, 255):
        return _to_rgb(image), None
    solid = image.copy() if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    solid.putalpha(alpha.point(lambda value: 255 if value else 0))
    return _to_rgb(solid), alpha


def _to_gray(image: Image.Image) -> Image.Image:
    """Deep gray levels as 8 bits: Pillow would clip them at 255.

    Which level is white follows from the kind of number and never from the image, for a dark one has no white:
    65535 of integers, 1 of floating-point numbers, as programs write both. A little beyond (what sharpening leaves) is
    cut off. Other scales are refused: nothing in such a file tells its white. Raises BadImage.
    """
    levels = np.asarray(image, dtype=np.float64)
    top, beyond = (1.0, _OVERSHOOT) if image.mode == "F" else (65535.0, 0.0)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:  # white is zero; Pillow turns gray of 8 bits alone
        levels = top - levels
    low, high = float(levels.min()), float(levels.max())
    if not (-beyond * top <= low and high <= (1 + beyond) * top):  # so that NaN is refused too
        raise BadImage(
            f"gray levels from {low:.6g} to {high:.6g}, of which only 0 to {top:.0f} have a known white; "
            "save it with 8 bits"
        )
    return Image.fromarray(np.uint8(np.rint(np.clip(levels / top, 0, 1) * 255)))


def _profile(data: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """The ICC profile of an image; None where there is none, a damaged one, or the one that all images get."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else None
    except (OSError, ImageCms.PyCMSError):
        return None
    return None if profile and "sRGB" in (profile.profile.profile_description or "") else profile


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """As a browser shows it: by its profile, or without where the profile cannot be used."""
    try:
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")


def large_enough(width: int, height: int) -> None:
    """Raise BadImage for an image of which a crop would show nothing."""
    if min(width, height) < LEAST:
        raise BadImage(f"{width} x {height} pixels; a crop takes at least {LEAST} x {LEAST}")


def square_crop(image: Image.Image, size: int) -> Image.Image:
    """The center square of an RGB image, scaled to `size` x `size` pixels by Lanczos."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # Cut first: a filter that is handed a box still looks at the pixels around it.
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS)


def encode_png(image: Image.Image | np.ndarray) -> bytes:
    """PNG bytes of an 8-bit RGB image (PIL, or uint8 array (H, W, 3))."""
    return png_bytes(np.asarray(image))


def whole_size(data: bytes) -> tuple[int, int]:
    """Width and height of an encoded image, every checksum in it checked but no pixel decoded. Raises BadImage."""
    try:
        with open_image(io.BytesIO(data)) as image:
            image.verify()
            return image.size
    except Exception as error:  # as in open_rgb
        raise BadImage(f"cannot be read as an image ({type(error).__name__}: {error})") from error


def save_png(image: Image.Image | np.ndarray, path: Path | str) -> None:
    """Write an 8-bit RGB image as PNG, at once or not at all."""
    write_bytes(path, encode_png(image))


def load_array(path: Path | str) -> np.ndarray:
    """An 8-bit RGB image as uint8 array (H, W, 3)."""
    return np.asarray(open_rgb(path))
