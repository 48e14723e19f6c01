"""Large images through `micro`, in strips of rows, with the result of one piece.

Each styled block normalizes its channels over the whole image, so tiles cannot be drawn one after the other. URST
(Chen et al., "Towards Ultra-Resolution Neural Style Transfer via Thumbnail Instance Normalization", AAAI 2022) takes
means and deviations from a thumbnail, whose detail has another size, and so draws another image. Here every block goes
over its map twice: once for the exact means and deviations, once to draw. Between blocks only the map itself is kept
(24 channels at stride 2 are the most), and it is overwritten row by row; what is wider exists for one strip at a time.

Time is linear in pixels; memory is 24 bytes a pixel for the map, beside the image before and after. Strips meet without
a seam, since each one gets as many rows of its neighbors as the filters reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..core.arrays import mirrored
from .micro_graphs import GRID
from .style_statistics import EPSILON

Run = Callable[..., Sequence[np.ndarray]]  # a graph's name and its inputs to its outputs

_POSITIONS = 1 << 14  # of a map in one strip: few enough for the processor's cache
_ROWS = 8  # at least: four rows of the neighbors are computed for every strip, and of wide images strips would be thin


class _Content(NamedTuple):
    """A content (1, 3, H, W), and which of its rows and columns stand at each place of the grid.

    Continued in memory it would be there twice: of a photograph of 24 megapixels that is 290 MB more.
    """

    pixels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def draw(
    run: Run, weights: Mapping[str, np.ndarray], blocks: Sequence[str], content: np.ndarray, code: np.ndarray
) -> np.ndarray:
    """The image (1, 3, H, W) of a content (1, 3, H, W), both in [0, 1], in the style of a code (1, code).

    run: of `micro_graphs`. weights: for each block those of its question to the code (`<block>.ask`). blocks: their
    names, coarsest first. An image whose sides do not fit the grid is continued by reflection.
    """
    at = _Content(content, *(mirrored(side, GRID) for side in content.shape[2:]))
    reach = weights[f"{blocks[0]}.filter.weight"].shape[-1] // 2
    numbers = {name: number for number, name in enumerate(blocks)}

    def styled(x: np.ndarray, stride: int) -> None:
        for name in (name for name in blocks if name.startswith(f"styled{stride}.")):
            factor, summand = _asked(weights, name, code, *_moments(run, f"moments{numbers[name]}", x, reach))

            def apply(rows: np.ndarray, name: str = name, factor=factor, summand=summand) -> np.ndarray:
                return run(f"apply{numbers[name]}", x=rows, factor=factor, summand=summand)[0]

            _overwrite(x, reach, apply)

    at4, x = _down(run, at)
    styled(x, 8)
    at4 = _up(run, "up4", x, at4)
    styled(at4, 4)
    x = _up2(run, at4, at)
    del at4  # 12 bytes a pixel, and the largest map is yet to be drawn
    styled(x, 2)
    image = np.empty_like(content)
    for top, bottom in _strips(x):
        (rows,) = run("out", x=_bordered(x, top, bottom, 1))
        part = image[:, :, 2 * top : 2 * bottom]  # where the last strips lie off the image: fewer rows, or none
        part[:] = rows[:, :, : part.shape[2], : part.shape[3]]
    return image


# --- the stages ---------------------------------------------------------------------------------------------------


def _at2(run: Run, content: _Content, top: int, bottom: int) -> np.ndarray:
    """Rows of the map at stride 2. Its border is one of pixels' pairs."""
    rows = _pairs(content.rows, top - 1, bottom + 1)
    columns = _pairs(content.columns, -1, len(content.columns) // 2 + 1)
    return run("at2", x=content.pixels.take(rows, 2).take(columns, 3))[0]


def _pairs(places: np.ndarray, first: int, last: int) -> np.ndarray:
    """What stands at the pairs of places from `first` to before `last`; beyond the ends these repeat."""
    pairs = places.reshape(-1, 2)
    return pairs[np.arange(first, last).clip(0, len(pairs) - 1)].ravel()


def _down(run: Run, content: _Content) -> tuple[np.ndarray, np.ndarray]:
    """The maps at strides 4 and 8."""
    height, width = len(content.rows) // 4, len(content.columns) // 4
    maps: list[np.ndarray] = []
    for top, bottom in _strips_of(height, width, 2):
        first, last = max(top - 1, 0), min(bottom + 1, height)
        (rows,) = run("at4", x=_at2(run, content, 2 * first, 2 * last))
        rows = np.pad(rows, ((0, 0), (0, 0), (first - top + 1, bottom + 1 - last), (1, 1)), "edge")
        skip, y = run("down", x=rows)
        if not maps:
            maps = [
                np.empty((*part.shape[:2], height // by, width // by), np.float32) for part, by in ((skip, 1), (y, 2))
            ]
        maps[0][:, :, top:bottom], maps[1][:, :, top // 2 : bottom // 2] = skip, y
    return maps[0], maps[1]


def _up(run: Run, name: str, x: np.ndarray, skip: np.ndarray) -> np.ndarray:
    """The map of twice the size, written over `skip`."""
    for top, bottom in _strips(x):
        rows = slice(2 * top, 2 * bottom)
        (skip[:, :, rows],) = run(
            name, x=np.ascontiguousarray(x[:, :, top:bottom]), skip=np.ascontiguousarray(skip[:, :, rows])
        )
    return skip


def _up2(run: Run, x: np.ndarray, content: _Content) -> np.ndarray:
    """The map at stride 2; what was there on the way down is computed again, for it is as large as the map itself."""
    made: np.ndarray | None = None
    for top, bottom in _strips(x):
        skip = _at2(run, content, 2 * top, 2 * bottom)
        (rows,) = run("up2", x=np.ascontiguousarray(x[:, :, top:bottom]), skip=skip)
        if made is None:
            made = np.empty((*rows.shape[:2], 2 * x.shape[2], 2 * x.shape[3]), np.float32)
        made[:, :, 2 * top : 2 * bottom] = rows
    return made


def _moments(run: Run, name: str, x: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (1, C, 1, 1) of what a block filters, in float64, from those of its strips.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983).
    """
    count, mean, squares = 0, 0.0, 0.0
    for top, bottom in _strips(x):
        of_strip, variance = (part.astype(np.float64) for part in run(name, x=_bordered(x, top, bottom, reach)))
        more = (bottom - top) * x.shape[3]
        difference = of_strip - mean
        squares = squares + variance * more + difference**2 * (count * more / (count + more))
        count += more
        mean = mean + difference * (more / count)
    return mean, squares / count


def _asked(
    weights: Mapping[str, np.ndarray], name: str, code: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Factor and summand (1, C, 1, 1) that normalize and then scale and shift as the code asks."""
    asked = code[0] @ weights[f"{name}.ask.weight"].T + weights[f"{name}.ask.bias"]
    scale, shift = np.split(asked.astype(np.float64)[None, :, None, None], 2, axis=1)
    factor = (1 + scale) / np.sqrt(variance + EPSILON)
    return factor.astype(np.float32), (shift - mean * factor).astype(np.float32)


def _overwrite(x: np.ndarray, reach: int, work: Callable[[np.ndarray], np.ndarray]) -> None:
    """Put `work` of every strip, bordered by `reach` rows as they were before, in the strip's place."""
    above = x[:, :, :0]
    for top, bottom in _strips(x):
        rows = np.concatenate([above, x[:, :, top : bottom + reach]], 2)
        missing = (reach - above.shape[2], max(bottom + reach - x.shape[2], 0))
        above = rows[:, :, : above.shape[2] + bottom - top][:, :, -reach:].copy()
        x[:, :, top:bottom] = work(np.pad(rows, ((0, 0), (0, 0), missing, (reach, reach)), "edge"))


# --- rows ---------------------------------------------------------------------------------------------------------


def _strips(x: np.ndarray) -> Iterator[tuple[int, int]]:
    """First row and the one after the last of each strip of a map."""
    return _strips_of(x.shape[2], x.shape[3], 1)


def _strips_of(height: int, width: int, multiple: int) -> Iterator[tuple[int, int]]:
    rows = max(_POSITIONS // width, _ROWS) // multiple * multiple
    return ((top, min(top + rows, height)) for top in range(0, height, rows))


def _bordered(x: np.ndarray, top: int, bottom: int, reach: int) -> np.ndarray:
    """Rows of a map with `reach` more on all sides; beyond its edge these repeat it."""
    first, last = max(top - reach, 0), min(bottom + reach, x.shape[2])
    missing = (first - top + reach, bottom + reach - last)
    return np.pad(x[:, :, first:last], ((0, 0), (0, 0), missing, (reach, reach)), "edge")
