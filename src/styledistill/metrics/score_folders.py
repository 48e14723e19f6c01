"""Scores of any folders of images, whichever program made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd
from PIL import Image

from ..core import image_files
from ..core.errors import BadImage, UserError
from ..core.images import open_rgb, save_png, square_crop
from ..core.progress import announce
from ..splits.pairs import Pair
from .score import Instruments, Scores, score_set, style_activations

LEAST = 32  # pixels of a side: AlexNet's last pooling has nothing left of fewer


def find_pairs(stylized: Path, contents: Path, styles: Path) -> list[Pair]:
    """The pair of each image in `stylized`, sorted by name.

    An image is named after its content and its style: `00_stylized_03.png` (StyleID's own program) or `00_03.png`, for
    `00` in `contents` and `03` in `styles`, whatever the formats. Raises UserError for a name that fits no pair or
    several.
    """
    content_files, style_files = by_stem(contents), by_stem(styles)
    pairs = []
    for name in sorted(by_stem(stylized)):
        found = sorted({pair for pair in _readings(name) if pair[0] in content_files and pair[1] in style_files})
        if not found:
            raise UserError(
                f"{stylized / name}: belongs to no pair. Name it <content>_stylized_<style> after images in "
                f"{contents} and {styles}."
            )
        if len(found) > 1:
            readings = " or ".join(f"{content} with {style}" for content, style in found)
            raise UserError(
                f"{stylized / name}: could be {readings}. Rename one of these images and what was made of it."
            )
        content, style = found[0]
        pairs.append(Pair("folder", name, content, style, content_files[content], style_files[style]))
    return pairs


def by_stem(folder: Path, tell: bool = True) -> dict[str, Path]:
    """The images of a folder by their names without suffix; tell: announce what else lies there. Raises UserError."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no images there, for there is no such folder")
    listed = image_files.for_tables(image_files.at_top(folder))
    for line in image_files.told(listed.left_out if tell else [], str(folder)):
        announce(line)
    if not listed.images:
        raise UserError(f"{folder}: no images there")
    found: dict[str, Path] = {}
    for file in (folder / name for name in listed.images):
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


class Scored(NamedTuple):
    """The scores of the pairs whose images can be used, and the names of the others."""

    scores: Scores
    left_out: list[str]


def score_folders(
    stylized: Path,
    contents: Path,
    styles: Path,
    teacher: Path | None,
    size: int | None,
    instruments: Instruments,
    batch: int,
) -> Scored:
    """Score every image of `stylized`; teacher: images of the same names, distances to which are wanted.

    size: center squares of so many pixels are compared; None: images as they are, which must all be of one size.
    An image that cannot be read is announced, and its pairs are left out. Raises UserError for names and sizes that do
    not fit together, and where no pair is left.
    """
    pairs = find_pairs(stylized, contents, styles)
    made = {"stylized": by_stem(stylized, tell=False), **({"teacher": by_stem(teacher)} if teacher else {})}
    for pair in pairs:
        if teacher and pair.name not in made["teacher"]:
            raise UserError(f"{teacher}: no image {pair.name}, which is in {stylized}")
    with TemporaryDirectory() as temporary:
        root, wanted = Path(temporary), OneSize(size)
        placed = []
        for pair in pairs:
            of_pair = [(role, files[pair.name]) for role, files in made.items()]
            # All of them, so that each bad one is named.
            found = [
                wanted.place(file, root / role)
                for role, file in [*of_pair, ("content", pair.content_file), ("style", pair.style_file)]
            ]
            *_, content, style = found
            if content and style and all(found):
                placed.append(replace(pair, content_file=content, style_file=style))
        left_out = sorted({pair.name for pair in pairs} - {pair.name for pair in placed})
        if not placed:
            raise UserError(f"{stylized}: no pair whose images can all be read ({wanted.first_bad})")
        activations = style_activations(placed, instruments, batch)
        goal = root / "teacher" if teacher else None
        return Scored(score_set(placed, root / "stylized", goal, activations, instruments, batch), left_out)


class OneSize:
    """Brings images to one size, or makes sure that they have one."""

    def __init__(self, size: int | None) -> None:
        self._size, self._first = size, ("", (0, 0))
        self._bad: dict[Path, str] = {}

    @property
    def first_bad(self) -> str:
        """Why the first image that cannot be used cannot be; empty where all can."""
        return next(iter(self._bad.values()), "")

    def place(self, file: Path, folder: Path) -> Path | None:
        """The image as `folder/<stem>.png`; None, and a line the first time, where it cannot be read."""
        path = folder / f"{file.stem}.png"
        if file in self._bad:
            return None
        if not path.exists():
            try:
                image = open_rgb(file)
            except BadImage as error:
                self._bad[file] = str(error)
                announce(f"left out: {error}")
                return None
            self._check(file, image)
            save_png(square_crop(image, self._size) if self._size else image, path)
        return path

    def _check(self, file: Path, image: Image.Image) -> None:
        if self._size is None and min(image.size) < LEAST:
            raise UserError(
                f"{file}: {image.width} x {image.height} pixels; the networks need at least {LEAST} x {LEAST}. "
                f"Give --size {LEAST} or more."
            )
        if not self._first[0]:
            self._first = (str(file), image.size)
        if self._size is None and image.size != self._first[1]:
            width, height = self._first[1]
            raise UserError(
                f"{file}: {image.width} x {image.height} pixels, but {self._first[0]} is {width} x {height}; "
                "give --size to compare center squares of one size."
            )


def described(scores: Scores) -> str:
    """A set's means, and its FID where there is one, for a terminal."""
    rows = pd.DataFrame(scores.rows).select_dtypes("number").mean().dropna()
    facts = pd.Series({name: value for name, value in scores.summary.items() if value is not None})
    return pd.concat([facts, rows.drop("lpips", errors="ignore")]).map("{:.5g}".format).to_string()
