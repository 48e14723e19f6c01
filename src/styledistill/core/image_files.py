"""Which files are images: one answer for sources, archives, stylized folders and scores, whatever the machine.

By name alone, without opening any: a suffix for which Pillow has a reader. Hidden files and folders, and the folders in
which programs keep thumbnails and shadows, hold nobody's images. What looks like an image and cannot be taken is
named with the reason; other files are counted by suffix, for beside 80,000 images may lie as many captions.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from PIL import Image, UnidentifiedImageError

from .errors import UserError

# Readers of Pillow that start another program, or only know such a file by its head and leave the reading to others.
_NO_READERS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_USUAL = ("BMP", "GIF", "JPEG", "PNG", "PPM")  # what Pillow has at its start
# Folders beside images that are made by file managers, network drives and archivers, compared without case.
_SHADOWS = {
    "__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found",
    "network trash folder", "temporary items",
}  # fmt: skip
# Images to people, and not to Pillow: each one is named.
_FOREIGN = {
    ".3fr", ".ai", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".emf", ".eps", ".exr", ".hdr", ".heic", ".heics", ".heif",
    ".hif", ".jxl", ".jxr", ".kra", ".nef", ".nrw", ".orf", ".pdf", ".pef", ".ps", ".psb", ".raf", ".raw", ".rw2",
    ".srw", ".svg", ".svgz", ".wdp", ".wmf", ".xcf",
}  # fmt: skip
_DOCUMENTS = {".pdf", ".ps"}  # of these: nobody misses one among results


MAX_BYTES = 1 << 28  # a member of an archive that unpacks to more is no image
NO_TABLE = "its name is not UTF-8, so no table can hold it; rename it"


class LeftOut(NamedTuple):
    """A file or folder that is not taken, or the first of several alike, and why."""

    name: str
    reason: str


class Found(NamedTuple):
    """What a folder holds: names relative to it (with `/`), both sorted."""

    images: list[str]
    left_out: list[LeftOut]


@cache
def readers() -> tuple[str, ...]:
    """Names of Pillow's formats that are read here."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - _NO_READERS))


def open_image(source: Path | str | IO[bytes]) -> Image.Image:
    """An image by its head; its pixels are not read yet.

    As Pillow does by itself, readers of the usual formats are asked first: the others take 25 ms to import. Raises what
    Pillow's readers do, UnidentifiedImageError where none of them knows the file.
    """
    Image.preinit()
    try:
        return Image.open(source, formats=_USUAL)
    except UnidentifiedImageError:
        return Image.open(source, formats=readers())


@cache
def suffixes() -> tuple[str, ...]:
    """Suffixes of files that Pillow reads by itself, lower-case with their dot, sorted."""
    known = {*readers(), "MPO"}  # a JPEG with several images, read by JPEG's reader
    return tuple(sorted(suffix for suffix, name in Image.registered_extensions().items() if name in known))


def is_image(name: str) -> bool:
    """Whether a path with `/` between its parts looks like an image's by each of them; of an archive, see `slashed`."""
    *folders, last = name.split("/")
    return not (hidden(last) or any(map(_shadow, folders))) and _suffix(last) in suffixes()


def slashed(name: str) -> str:
    """A name in an archive with `/` between its parts; Windows may write others. In a folder `\\` is a letter."""
    return name.replace("\\", "/")


def climbs_out(name: str) -> bool:
    """Whether a name in an archive leads out of the folder in which it would be unpacked."""
    if ".." not in name and name[:1] not in ("/", "\\") and name[1:2] != ":":
        return False  # nearly all of them, and there may be 80,000
    parts = re.split(r"[/\\]", name)
    return ".." in parts or parts[0] == "" or bool(re.fullmatch(r"[A-Za-z]:", parts[0]))


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden; `._x.png` is the shadow that macOS puts beside x.png."""
    return name.startswith(".") and name not in (".", "..")


def _shadow(folder: str) -> bool:
    return hidden(folder) or folder.lower() in _SHADOWS


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def why_not(name: str) -> str:
    """Why a file of this name, which is no image's, is not taken."""
    suffix = _suffix(name)
    if suffix in _FOREIGN:
        return f"{suffix} is read by other programs only; save it as PNG or JPEG"
    return f"no image by its name ({suffix or 'no suffix'})"


def left_out_of(names: Iterable[str]) -> list[LeftOut]:
    """Of the names of files in an archive those that are no images, together by reason, sorted.

    Hidden images are named too, for nobody sees into an archive; other hidden files, such as .DS_Store, are not.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        *folders, last = slashed(name).split("/")
        concealed, suffix = hidden(last) or any(map(_shadow, folders)), _suffix(last)
        if concealed and suffix in (*suffixes(), *_FOREIGN):
            alike.setdefault("hidden, or kept by another program for itself", []).append(name)
        elif not concealed and suffix not in suffixes():
            alike.setdefault(why_not(last), []).append(name)
    return sorted(LeftOut(min(some), reason + _others(len(some) - 1)) for reason, some in alike.items())


def _others(count: int) -> str:
    return f" (and {count:,} more of this kind)" if count else ""


# --- patterns -----------------------------------------------------------------------------------------------------


@cache
def matcher(pattern: str) -> re.Pattern[str]:
    """Which names below a folder a pattern takes: `*`, `?`, `[..]` within a part, `**` for any number of folders.

    Raises UserError for a pattern that can take none.
    """
    parts = pattern.split("/")
    if not pattern or pattern.startswith("/"):
        raise UserError(f"{pattern!r} is no pattern below a folder; **/* takes everything, *.jpg what lies at its top")
    for part in parts:
        if part in ("", ".", "..") or ("**" in part and part != "**"):
            raise UserError(
                f"{pattern!r} takes nothing: {part!r} is neither ** nor a name with *, ? or [..]. "
                "Write **/*.jpg for all below the folder, *.jpg for what lies at its top."
            )
    text = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
        else:
            # fnmatch's own words for a part, in which nothing stands for a slash
            one = translate(part).removeprefix("(?s:").removesuffix(r")\Z")
            text += f"(?:(?!/){one.replace('.*', '[^/]*')})" + ("" if last else "/")
    return re.compile(rf"(?s:{text})\Z")


# --- folders ------------------------------------------------------------------------------------------------------


def find(folder: Path | str, pattern: str = "**/*") -> Found:
    """The images below a folder whose names fit `pattern`, and what is left out of them.

    A linked folder is followed once, after all that lie there themselves, so that a ring of links ends and an image
    keeps the shortest way to it. Raises UserError where `folder` itself cannot be listed.
    """
    fits, images, out = matcher(pattern), [], []
    others: dict[str, list[str]] = {}
    for name, reason in _walk(Path(folder), pattern):
        if not fits.match(name):
            continue
        if reason:
            out.append(LeftOut(name, reason))
        elif is_image(_unhidden(name, pattern)):
            images.append(name)
        elif _suffix(name) in _FOREIGN:
            out.append(LeftOut(name, why_not(name)))
        else:
            others.setdefault(_suffix(name), []).append(name)
    return Found(sorted(images), sorted([*out, *_together(others)]))


def at_top(folder: Path) -> Found:
    """The images that lie in a folder itself, and what is left out; folders in it are not searched."""
    found = find(folder, "*")
    try:
        with os.scandir(folder) as entries:
            deeper = sorted(entry.name for entry in entries if entry.is_dir() and not _shadow(entry.name))
    except OSError:
        deeper = []
    inside = [LeftOut(name, "a folder; folders inside are not searched") for name in deeper]
    return Found(found.images, sorted([*found.left_out, *inside]))


def for_tables(found: Found) -> Found:
    """The same for a caller that writes names into a table: those that none can hold are left out."""
    out = [LeftOut(name, NO_TABLE) for name in found.images if not in_tables(name)]
    return Found([name for name in found.images if in_tables(name)], sorted([*found.left_out, *out]))


def in_tables(name: str) -> bool:
    """Whether a table can hold a name; Linux takes any bytes for one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _together(others: dict[str, list[str]]) -> Iterator[LeftOut]:
    for names in others.values():
        yield LeftOut(min(names), why_not(min(names)) + _others(len(names) - 1))


def _unhidden(name: str, pattern: str) -> str:
    """The name without its folders where the pattern itself asks for a hidden one: .cache/*.png means that folder."""
    return name.rpartition("/")[2] if any(hidden(part) for part in pattern.split("/")) else name


def _walk(top: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Names of all files below, and why a file or folder cannot be read, where it cannot."""
    asked = {part for part in pattern.split("/") if _shadow(part)}  # folders that the pattern names itself
    deep = "/" in pattern or "**" in pattern
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[str, Path]] = [("", top)]
    linked: list[tuple[str, Path]] = []
    while waiting or linked:
        here, folder = (waiting or linked).pop(0)
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not here:
                raise UserError(f"{folder}: cannot be listed ({error.strerror}).") from error
            yield here, f"a folder that cannot be listed ({error.strerror})"
            continue
        for entry in inside:
            name = f"{here}/{entry.name}" if here else entry.name
            try:
                mode = entry.stat().st_mode
            except OSError as error:  # a link that leads nowhere, or in a ring
                if not hidden(entry.name):
                    yield name, f"cannot be read ({error.strerror})"
                continue
            if stat.S_ISDIR(mode):
                if deep and (not _shadow(entry.name) or entry.name in asked):
                    (linked if entry.is_symlink() else waiting).append((name, folder / entry.name))
            elif hidden(entry.name):
                continue
            elif stat.S_ISREG(mode):
                yield name, ""
            else:
                yield name, "neither a file nor a folder"


def missed(left_out: Iterable[LeftOut]) -> list[str]:
    """Names of those that are images to whoever put them there, so that a result is missing without them."""
    named = {*suffixes(), *_FOREIGN} - _DOCUMENTS
    return [name for name, _ in left_out if _suffix(name) in named]


def told(left_out: Iterable[LeftOut], where: str) -> Iterator[str]:
    """A line for each that is left out, for a terminal."""
    for name, reason in left_out:
        shown = name if name.isprintable() else ascii(name)
        yield f"left out of {where}: {shown}: {reason}"
