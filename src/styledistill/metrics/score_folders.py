"""Scores of any folders of pictures, whichever program made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from PIL import Image

from ..core import image_files
from ..core.errors import UserError
from ..core.images import open_rgb, save_png, square_crop
from ..core.progress import announce
from ..splits.pairs import Pair
from .score import Instruments, Scores, score_set, style_activations

LEAST = 32  # pixels of a side: AlexNet's last pooling has nothing left of fewer


def find_pairs(stylized: Path, contents: Path, styles: Path) -> list[Pair]:
    """The pair of each picture in `stylized`, sorted by name.

    A picture is named after its content and its style: `00_stylized_03.png` (StyleID's own program) or `00_03.png`, for
    `00` in `contents` and `03` in `styles`, whatever the formats. Raises UserError for a name that fits no pair or
    several.
    """
    content_files, style_files = _by_stem(contents), _by_stem(styles)
    pairs = []
    for name in sorted(_by_stem(stylized)):
        found = sorted({pair for pair in _readings(name) if pair[0] in content_files and pair[1] in style_files})
        if not found:
            raise UserError(
                f"{stylized / name}: belongs to no pair. Name it <content>_stylized_<style> after pictures in "
                f"{contents} and {styles}."
            )
        if len(found) > 1:
            readings = " or ".join(f"{content} with {style}" for content, style in found)
            raise UserError(
                f"{stylized / name}: could be {readings}. Rename one of these pictures and what was made of it."
            )
        content, style = found[0]
        pairs.append(Pair("folder", name, content, style, content_files[content], style_files[style]))
    return pairs


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no pictures there, for there is no such folder")
    listed = image_files.at_top(folder)
    for line in image_files.told(listed.left_out, str(folder)):
        announce(line)
    if not listed.pictures:
        raise UserError(f"{folder}: no pictures there")
    found: dict[str, Path] = {}
    for file in (folder / name for name in listed.pictures):
        if file.stem in found:
            raise UserError(f"{file}: {found[file.stem].name} has the same name; keep one of them")
        found[file.stem] = file
    return found


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """All ways to read a name as content and style."""
    for between in ("_stylized_", "_"):
        parts = name.split(between)
        for cut in range(1, len(parts)):
            yield between.join(parts[:cut]), between.join(parts[cut:])


def score_folders(
    stylized: Path,
    contents: Path,
    styles: Path,
    teacher: Path | None,
    size: int | None,
    instruments: Instruments,
    batch: int,
) -> Scores:
    """Score every picture of `stylized`; teacher: pictures of the same names, distances to which are wanted.

    size: centre squares of so many pixels are compared; None: pictures as they are, which must all be of one size.
    Raises UserError.
    """
    pairs = find_pairs(stylized, contents, styles)
    with TemporaryDirectory() as temporary:
        root, wanted = Path(temporary), _Wanted(size)
        for role, folder in (("stylized", stylized), ("teacher", teacher)):
            files = _by_stem(folder) if folder else {}
            for pair in pairs if folder else []:
                if pair.name not in files:
                    raise UserError(f"{folder}: no picture {pair.name}, which is in {stylized}")
                wanted.place(files[pair.name], root / role)
        placed = [
            Pair(
                pair.set,
                pair.name,
                pair.content,
                pair.style,
                wanted.place(pair.content_file, root / "content"),
                wanted.place(pair.style_file, root / "style"),
            )
            for pair in pairs
        ]
        activations = style_activations(placed, instruments, batch)
        goal = root / "teacher" if teacher else None
        return score_set(placed, root / "stylized", goal, activations, instruments, batch)


class _Wanted:
    """Brings pictures to one size, or makes sure that they have one."""

    def __init__(self, size: int | None) -> None:
        self._size, self._first = size, ("", (0, 0))

    def place(self, file: Path, folder: Path) -> Path:
        """The picture as `folder/<stem>.png`."""
        path = folder / f"{file.stem}.png"
        if not path.exists():
            picture = open_rgb(file)
            self._check(file, picture)
            save_png(square_crop(picture, self._size) if self._size else picture, path)
        return path

    def _check(self, file: Path, picture: Image.Image) -> None:
        if self._size is None and min(picture.size) < LEAST:
            raise UserError(
                f"{file}: {picture.width} x {picture.height} pixels; the networks need at least {LEAST} x {LEAST}. "
                f"Give --size {LEAST} or more."
            )
        if not self._first[0]:
            self._first = (str(file), picture.size)
        if self._size is None and picture.size != self._first[1]:
            width, height = self._first[1]
            raise UserError(
                f"{file}: {picture.width} x {picture.height} pixels, but {self._first[0]} is {width} x {height}; "
                "give --size to compare centre squares of one size."
            )


def described(scores: Scores) -> str:
    """A set's means and its FID, for a terminal."""
    rows = pd.DataFrame(scores.rows).select_dtypes("number").mean().dropna()
    facts = pd.Series({name: value for name, value in scores.summary.items() if value is not None})
    return pd.concat([facts, rows.drop("lpips")]).map("{:.5g}".format).to_string()
