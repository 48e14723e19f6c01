"""Painters that draw one mark after the other: brush strokes, dabs, shards. Each: Easel -> (side, side, 3) floats."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from . import fields, palettes
from .easel import Easel, canvas, fill, pixels, relief

# --- brush ------------------------------------------------------------------------------------------------------------


def brush(easel: Easel) -> np.ndarray:
    """Oil paint: curved bristle strokes along a flow, broad ones below, narrower ones above."""
    field = fields.along(fields.flow(easel.rng), fields.enlarge(easel.tone, fields.FLOW_CELLS))
    image, draw = canvas(easel.backdrop)
    scale = easel.rng.uniform(0.85, 1.2)
    for width, across in ((0.165, 7), (0.115, 9), (0.08, 12)):
        _stroke_layer(easel, draw, field, width * scale, int(across / scale))
    return relief(pixels(image), 0.35)


def _stroke_layer(easel: Easel, draw: ImageDraw.ImageDraw, field: np.ndarray, width: float, across: int) -> None:
    rng, bristles = easel.rng, 4
    middles = fields.jittered(rng, across)
    lines = fields.trace(field, middles, width * rng.uniform(2.0, 4.5, len(middles)), steps=4)
    colors = easel.colors(middles, 0.09)
    stripes = rng.normal(0.0, 0.06, (len(middles), bristles, 1))
    outlines = _stroke_outlines(lines, width * rng.uniform(0.75, 1.1, len(middles)), bristles, rng)
    shaded = colors[:, None] * (1.0 + stripes) + stripes * 0.25
    fill(draw, outlines.reshape(-1, *outlines.shape[2:]) * easel.side, shaded.reshape(-1, 3))


def _stroke_outlines(lines: np.ndarray, widths: np.ndarray, bristles: int, rng: np.random.Generator) -> np.ndarray:
    """(n, bristles, 2 * points, 2): for each line (n, points, 2) strips side by side, with rounded, ragged ends."""
    tangents = np.gradient(lines, axis=1)
    tangents /= np.linalg.norm(tangents, axis=-1, keepdims=True) + 1e-9
    normals = np.stack([-tangents[..., 1], tangents[..., 0]], axis=-1)
    taper = np.linspace(0.9, 1.0, lines.shape[1]) * np.r_[0.75, np.ones(lines.shape[1] - 2), 0.6]
    reach = (widths[:, None] * taper / 2)[..., None] * normals
    edges = np.linspace(-1.0, 1.0, bristles + 1)
    strips = []
    for left, right in pairwise(edges):
        # The strips overlap by a little so that no gap shows between them.
        first, second = lines + reach * (left - 0.04), lines + reach * (right + 0.04)
        tip = widths * (0.5 * np.sqrt(1 - ((left + right) / 2) ** 2) + rng.uniform(-0.12, 0.12, len(widths)))
        for edge in (first, second):
            edge[:, -1] += tangents[:, -1] * tip[:, None]
            edge[:, 0] -= tangents[:, 0] * tip[:, None]
        strips.append(np.concatenate([first, second[:, ::-1]], axis=1))
    return np.stack(strips, axis=1)


# --- dots -------------------------------------------------------------------------------------------------------------


def dots(easel: Easel) -> np.ndarray:
    """Pointillism: broad dabs in layers; some take a palette color near in brightness instead of the local one."""
    rng = easel.rng
    image, draw = canvas(easel.backdrop * 0.6 + palettes.paper(easel.palette) * 0.4)
    field, scale, stretch = fields.flow(rng), rng.uniform(0.9, 1.25), rng.uniform(1.0, 1.6)
    for across in (13, 12, 11):
        centers = fields.jittered(rng, int(across / scale), jitter=1.1)
        radii = 0.043 * scale * rng.uniform(0.75, 1.15, len(centers))
        colors = _divided(easel, easel.colors(centers, 0.09))
        fill(draw, _dabs(centers, radii, fields.sample(field, centers), stretch) * easel.side, colors)
    return relief(pixels(image), 0.15)


def _divided(easel: Easel, colors: np.ndarray) -> np.ndarray:
    """(n, 3) with about a fifth of the colors moved toward the palette color next nearest in brightness."""
    distance = np.abs(palettes.luminance(colors)[:, None] - palettes.luminance(easel.palette)[None])
    partner = easel.palette[np.argsort(distance, axis=1, kind="stable")[:, 1]]
    share = np.where(easel.rng.random((len(colors), 1)) < 0.2, 0.75, 0.0)
    return colors * (1 - share) + partner * share


def _dabs(centers: np.ndarray, radii: np.ndarray, headings: np.ndarray, stretch: float) -> np.ndarray:
    """(n, 14, 2) ellipses, longer by `stretch` along the headings (n, 2)."""
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    normals = np.stack([-headings[:, 1], headings[:, 0]], axis=-1)
    long, wide = np.cos(turn) * stretch**0.5, np.sin(turn) / stretch**0.5
    rim = headings[:, None] * long[:, None] + normals[:, None] * wide[:, None]
    return centers[:, None] + rim * radii[:, None, None]


# --- shards -----------------------------------------------------------------------------------------------------------


def shards(easel: Easel) -> np.ndarray:
    """Straight-edged pieces: stained glass in dark leads, or cubist planes shaded from edge to edge."""
    rng = easel.rng
    pieces = _split_square(rng, int(rng.integers(26, 44)))
    leaded = rng.random() < 0.55
    middles = np.array([piece.mean(axis=0) for piece in pieces])
    table = easel.colors(middles, 0.12).astype(np.float32)
    index = _piece_map(pieces, easel.side)
    x, y = fields.grid(easel.side)
    tilt = rng.normal(0.0, 0.45 if leaded else 1.0, (len(pieces), 2)).astype(np.float32)
    middle = middles.astype(np.float32)
    shade = (x - middle[index, 0]) * tilt[index, 0] + (y - middle[index, 1]) * tilt[index, 1]
    painted = table[index] * (1.0 + shade)[..., None] + (shade * 0.2)[..., None]
    if leaded:
        lead = _leads(pieces, easel.side, rng.uniform(0.022, 0.032))[..., None]
        painted = painted * (1 - lead) + palettes.ink(easel.palette) * lead
    return painted


def _split_square(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """`count` convex outlines (k, 2) that fill the unit square and a margin: the largest is cut across, repeatedly."""
    pieces = [np.array([[-0.06, -0.06], [1.06, -0.06], [1.06, 1.06], [-0.06, 1.06]])]
    while len(pieces) < count:
        largest = max(range(len(pieces)), key=lambda number: _area(pieces[number]))
        piece = pieces.pop(largest)
        pieces += _cut(piece, rng)
    return pieces


def _area(piece: np.ndarray) -> float:
    x, y = piece[:, 0], piece[:, 1]
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _cut(piece: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Two convex parts of a convex outline (k, 2), cut near its middle and roughly across its longest direction."""
    centered = piece - piece.mean(axis=0)
    longest = centered[np.argmax((centered**2).sum(axis=1))]
    angle = np.arctan2(longest[1], longest[0]) + rng.normal(0.0, 0.55)
    side = centered @ np.array([np.cos(angle), np.sin(angle)]) - rng.normal(0.0, 0.02)
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for here, there, a, b in zip(piece, np.roll(piece, -1, axis=0), side, np.roll(side, -1), strict=True):
        parts[int(a > 0)].append(here)
        if (a > 0) != (b > 0):
            crossing = here + (there - here) * (a / (a - b))
            parts[0].append(crossing)
            parts[1].append(crossing)
    return [np.array(part) for part in parts]


def _piece_map(pieces: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) uint8: which piece covers each pixel."""
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for number, piece in enumerate(pieces):
        draw.polygon((piece * side).ravel().tolist(), fill=number)
    return np.asarray(image)


def _leads(pieces: list[np.ndarray], side: int, width: float) -> np.ndarray:
    """(side, side) float32 cover in [0, 1] of the lines around the pieces."""
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for piece in pieces:
        closed = np.concatenate([piece, piece[:2]]) * side
        draw.line(closed.ravel().tolist(), fill=255, width=round(width * side), joint="curve")
    return np.asarray(image, np.float32) / 255.0
