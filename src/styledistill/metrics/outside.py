"""Stylizers from outside: a Python function, a pair of ONNX graphs, or a folder of images that any program made.

All that they return is checked before anything is written, so that an image of another size or with a number that is
not finite is told by the name of its pair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import FolderStylizer, OnnxStylizer, PythonStylizer, Stylizer
from ..config.stylizers import search_path
from ..core.arrays import planes
from ..core.errors import BadImage, UserError
from ..core.files import make_folder
from ..core.images import open_rgb, save_png
from ..core.tensors import from_uint8, to_uint8
from ..splits.pairs import Pair
from .score_folders import by_stem

# What a network may overshoot and is cut off; more than that is another scale, such as levels to 255.
_OVERSHOOT = 1.0

Draw = Callable[[np.ndarray, np.ndarray], Any]


@dataclass(frozen=True)
class Outside:
    """A stylizer that draws one pair at a time on the CPU, in whatever library.

    name: for messages. draw: content and style, uint8 arrays (H, W, 3), to an image of the content's size. size:
    number of parameters and megabytes of them, not a number where nobody knows.
    """

    name: str
    draw: Draw
    size: tuple[float, float]
    takes_names = True
    networks: tuple[nn.Module, ...] = ()

    def stylize(self, contents: Tensor, styles: Tensor, names: Sequence[str] | None = None) -> Tensor:
        """As `Stylizer.stylize`; names: of the pairs, for messages. Raises UserError for what is no such image."""
        drawn = []
        for number, (content, style) in enumerate(zip(to_uint8(contents), to_uint8(styles), strict=True)):
            pair = names[number] if names else f"pair {number}"
            with _one_line(f"{self.name}: {pair}"):
                # Copies, since what is drawn may be written over what it is drawn from.
                image = self.draw(content.copy(), style.copy())
            drawn.append(_checked(image, content.shape, f"{self.name}: {pair}"))
        return torch.cat(drawn).to(contents.device)


def load_outside(name: str, stylizer: Stylizer) -> Outside:
    """The stylizer of a section `stylizers.<name>`. Raises UserError where it cannot be loaded, or draws nothing."""
    where = f"stylizers.{name}"
    if missing := stylizer.missing():
        raise UserError(f"{where}.{missing}")
    if isinstance(stylizer, FolderStylizer):
        raise UserError(f"{where}: a folder of images draws none; it has those of its own pairs only")
    return outside(stylizer, where, f"{where}.function")


def outside(stylizer: PythonStylizer | OnnxStylizer, where: str, key: str) -> Outside:
    """One that lacks nothing. where: how messages call it. key: how they call the place of a function's name.

    Raises UserError where it cannot be loaded.
    """
    if isinstance(stylizer, PythonStylizer):
        return Outside(where, _function(key, stylizer), (float("nan"), float("nan")))
    return Outside(where, _Graphs(where, stylizer), _size(stylizer))


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    """Around code of others: what it raises is one line, but for want of memory, which is told elsewhere."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        raise UserError(f"{where}: {type(error).__name__}: {said:.200}") from error


def _checked(image: Any, shape: tuple[int, ...], where: str) -> Tensor:
    """The image as (1, 3, H, W) in [0, 1], exact for 8-bit levels."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3:
        found = " x ".join(map(str, array.shape)) or "a single value"
        raise UserError(f"{where}: not an RGB image (height, width, 3), but {found}")
    if array.shape != shape:
        sizes = (f"{width} x {height}" for height, width, _ in (array.shape, shape))
        raise UserError(f"{where}: {' pixels, but its content has '.join(sizes)}; return an image of the same size")
    if array.dtype == np.uint8:
        return from_uint8(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{where}: values of type {array.dtype}; return uint8, or floating-point numbers in [0, 1]")
    if not np.isfinite(array).all():
        raise UserError(f"{where}: the image has a number that is not finite (NaN, infinity)")
    if array.min() < -_OVERSHOOT or array.max() > 1 + _OVERSHOOT:
        raise UserError(
            f"{where}: values from {array.min():.4g} to {array.max():.4g}; return uint8, or numbers in [0, 1]"
        )
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).permute(2, 0, 1)[None].clamp(0, 1)


# --- a Python function --------------------------------------------------------------------------------------------


def _function(key: str, stylizer: PythonStylizer) -> Draw:
    name = stylizer.function
    before = list(sys.path)
    sys.path[:] = search_path()
    try:
        with _one_line(f"{key}: {name} cannot be imported"):
            found: Any = import_module(stylizer.module)
            for part in name.partition(":")[2].split("."):
                found = getattr(found, part)
    finally:
        sys.path[:] = [*before, search_path()[0]]  # what it imports later is looked for behind all others
    if not callable(found):
        raise UserError(f"{key}: {name} is no function, but {type(found).__name__}")
    return found


# --- a pair of graphs ---------------------------------------------------------------------------------------------


class _Graphs:
    """encode_style: `styles` (1, 3, H, W) in [0, 1] to any values. stylize: `contents` and those values to images."""

    def __init__(self, where: str, stylizer: OnnxStylizer) -> None:
        from ..student.onnx_student import Sessions

        # By path, for a large graph keeps its weights in a file beside it.
        self._sessions = Sessions({name: partial(str, path) for name, path in stylizer.graphs.items()}, where)
        if (found := self._sessions.names("encode_style")) != ["styles"]:
            raise UserError(f"{where}: encode_style.onnx takes {', '.join(found)}; its one input must be called styles")
        self._values = [name for name in self._sessions.names("stylize") if name != "contents"]
        if len(self._values) == len(self._sessions.names("stylize")):
            found = ", ".join(self._values) or "nothing"
            raise UserError(f"{where}: stylize.onnx takes {found}; one input must be called contents")
        self._where = where

    def __call__(self, content: np.ndarray, style: np.ndarray) -> np.ndarray:
        names, values = self._sessions.run_named("encode_style", styles=planes(style))
        known = dict(zip(names, values, strict=True))
        if lacking := [name for name in self._values if name not in known]:
            raise UserError(f"{self._where}: stylize.onnx takes {lacking[0]}, which encode_style.onnx does not give")
        taken = {name: known[name] for name in self._values}
        image = self._sessions.run("stylize", contents=planes(content), **taken)[0]
        if image.ndim != 4 or len(image) != 1:
            raise UserError(f"{self._where}: stylize.onnx gives {image.shape}, not one image (1, 3, height, width)")
        return image[0].transpose(1, 2, 0)


def _size(stylizer: OnnxStylizer) -> tuple[float, float]:
    """Numbers in the weights of both graphs, and their megabytes."""
    import onnx

    count = size = 0
    for path in stylizer.graphs.values():
        for weight in onnx.load(path, load_external_data=False).graph.initializer:
            numbers = int(np.prod(weight.dims)) if weight.dims else 1
            count += numbers
            size += numbers * onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize
    return float(count), size / 1e6


# --- a folder of images -------------------------------------------------------------------------------------------


def copy_images(name: str, stylizer: FolderStylizer, sets: Mapping[Path, Sequence[Pair]]) -> None:
    """Copy the images of pairs, one set per folder to write, as `<pair>.png`; none before all are found to be good.

    sets: of golden pairs, then of validation pairs, none of these where `stylizer` has none: their folder stays empty.
    Raises UserError that names a pair without an image, an image without a pair, one that cannot be read, and one that
    is not of its content's size.
    """
    where, found = f"stylizers.{name}", {}
    if missing := stylizer.missing():
        raise UserError(f"{where}.{missing}")
    for (out, pairs), key in zip(sets.items(), ("path", "validation"), strict=True):
        make_folder(out)
        if pairs:
            files = _of_pairs(Path(getattr(stylizer, key)), pairs, f"{where}.{key}")
            found |= {out / f"{pair}.png": file for pair, file in files.items()}
    for path, file in found.items():
        save_png(open_rgb(file), path)


def _of_pairs(folder: Path, pairs: Sequence[Pair], key: str) -> dict[str, Path]:
    """The image of each pair by its name."""
    images = by_stem(folder)
    told = f"{key}: {folder}"
    refuse_lacking([pair.name for pair in pairs if pair.name not in images], told)
    if extra := sorted(images.keys() - {pair.name for pair in pairs}):
        raise UserError(f"{told}: {extra[0]} is no pair of this run{_more(extra)}. Remove it, or rename it.")
    of_contents = {file: open_rgb(file).size for file in sorted({pair.content_file for pair in pairs})}
    for pair in pairs:
        wanted = of_contents[pair.content_file]
        try:
            size = open_rgb(images[pair.name]).size
        except BadImage as error:
            raise UserError(f"{told}: {error}") from error
        if size != wanted:
            sizes = f"{size[0]} x {size[1]} pixels, but its content has {wanted[0]} x {wanted[1]}"
            raise UserError(f"{told}: {images[pair.name].name} has {sizes}")
    return {pair.name: images[pair.name] for pair in pairs}


def refuse_lacking(names: Sequence[str], where: str) -> None:
    """Raises UserError that names the first of the pairs of which there is no image, if any."""
    if names:
        raise UserError(f"{where}: no image of the pair {names[0]}{_more(names)}. Put it there.")


def _more(names: Sequence[str]) -> str:
    return f" (and of {len(names) - 1} more)" if len(names) > 1 else ""
