"""Any stylizer on any contents and styles: what it is, what it draws, and its scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ..config import CONTROLS, OnnxStylizer, PythonStylizer
from ..config.stylizers import FUNCTION
from ..core.contents import contents_hash
from ..core.errors import UserError
from ..core.files import make_folder
from ..core.places import found
from ..splits.names import pair as pair_name
from ..splits.pairs import Pair
from .outside import outside, refuse_lacking
from .score_folders import OneSize, by_stem, find_pairs
from .stylizers import Stylizer, Wanted, load_stylizer, render


@dataclass(frozen=True)
class Entrant:
    """A stylizer by the word that a user gave: what loads it, or the folder of its images; and what it is."""

    source: Callable[[], Stylizer] | Path
    facts: dict[str, Any]


def entrant(word: str, device: torch.device) -> Entrant:
    """The stylizer of `module:function`, of a student's folder, of two graphs, of images, or a control by its name.

    A folder that is called as a control is meant by ./content. Raises UserError where nothing of that name is there.
    """
    if word in CONTROLS:
        return Entrant(partial(load_stylizer, Wanted(word, device)), _facts("control", word))
    if re.fullmatch(FUNCTION, word) and not found(word).exists():
        function = PythonStylizer(kind="python", function=word)
        if missing := function.missing():
            raise UserError(f"{word}: {missing.removeprefix('function: ')}")
        return Entrant(partial(outside, function, word, "STYLIZER"), function.facts())
    folder = found(word)
    if not folder.is_dir():
        raise UserError(
            f"{word}: no folder there. Give module:function, a folder (of a student, of ONNX graphs, of stylized "
            f"images), or {', '.join(CONTROLS)}."
        )
    student = {name: folder / name for name in ("student.safetensors", "config.json")}
    if all(path.is_file() for path in student.values()):
        load = partial(load_stylizer, Wanted("student", device, folder))
        return Entrant(load, _facts("student", folder.absolute().name, student))
    graphs = OnnxStylizer(kind="onnx", path=str(folder))
    if not graphs.missing():
        return Entrant(partial(outside, graphs, word, word), graphs.facts())
    files = {path.name: path for path in by_stem(folder, tell=False).values()}
    return Entrant(folder, _facts("folder", folder.absolute().name, files))


def _facts(kind: str, origin: str, files: Mapping[str, Path] | None = None) -> dict[str, Any]:
    return {"kind": kind, "origin": origin, "version": None, "sha256": contents_hash(files) if files else None}


def every_pair(contents: Path, styles: Path) -> list[Pair]:
    """Each content with each style of two folders. Raises UserError for names that read two ways."""
    content_files, style_files = by_stem(contents, tell=False), by_stem(styles, tell=False)
    pairs: dict[str, Pair] = {}
    for content, content_file in content_files.items():
        for style, style_file in style_files.items():
            name = pair_name(content, style)
            if name in pairs:
                one = pairs[name]
                raise UserError(
                    f"{name}: could be {one.content} with {one.style} or {content} with {style}. Rename one of these."
                )
            pairs[name] = Pair("folder", name, content, style, content_file, style_file)
    return list(pairs.values())


def refuse_other_pairs(stylized: Path, contents: Path, styles: Path) -> None:
    """Raises UserError that names a pair without an image, and an image without a pair."""
    have = {(pair.content, pair.style) for pair in find_pairs(stylized, contents, styles)}
    wanted = every_pair(contents, styles)
    refuse_lacking([pair.name for pair in wanted if (pair.content, pair.style) not in have], str(stylized))


@contextmanager
def drawn(
    load: Callable[[], Stylizer],
    device: torch.device,
    contents: Path,
    styles: Path,
    size: int | None,
    keep: Path | None,
) -> Iterator[Path]:
    """A folder with the stylizer's image of every pair, `<content>_<style>.png`; gone at the end unless it is kept.

    load: called once contents and styles have been read. size: these are brought to center squares of so many pixels
    first; None: all must be of one size.
    keep: a folder that is not there yet, or empty; it is there only once everything went well.
    """
    if keep and keep.exists() and any(keep.iterdir()):
        raise UserError(f"{keep}: not empty. Give a folder that is not there yet.")
    if keep:
        make_folder(keep.absolute().parent)
    with TemporaryDirectory(dir=keep.absolute().parent if keep else None, prefix=".styledistill-") as temporary:
        root, one_size = Path(temporary), OneSize(size)
        pairs = every_pair(contents, styles)
        places = {
            role: {file: one_size.place(file, root / role) for file in sorted(files)}
            for role, files in (
                ("content", {pair.content_file for pair in pairs}),
                ("style", {pair.style_file for pair in pairs}),
            )
        }
        if bad := one_size.first_bad:
            raise UserError(f"{bad}. Repair or remove it.")
        placed = [
            replace(
                pair,
                content_file=places["content"][pair.content_file],
                style_file=places["style"][pair.style_file],
            )
            for pair in pairs
        ]
        render(load(), placed, root / "stylized", device)
        yield root / "stylized"
        if keep:
            (root / "stylized").replace(keep)
