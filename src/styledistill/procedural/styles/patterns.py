"""Painters that compute every pixel from formulas: tiles, hatches, inks, bands, washes.

Each: Easel -> (side, side, 3) floats, about in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np

from . import fields, palettes
from .easel import GROUND_SIDE, Easel

# --- mosaic -----------------------------------------------------------------------------------------------------------


def mosaic(easel: Easel) -> np.ndarray:
    """Tiles in grout: squares, brick courses, rings or free cells, each tile bevelled and tinted."""
    rng = easel.rng
    across = rng.uniform(7.0, 10.5)
    u, v = _tile_plane(easel, across)
    cells = int(max(u.max(), v.max())) + 3
    column, row = np.meshgrid(np.arange(cells), np.arange(cells))
    free, staggered = rng.choice([0.12, 0.3, 0.85]), rng.choice([0.0, 0.5])
    sites = np.stack([column + 0.5 + (row % 2) * staggered, row + 0.5], axis=-1)
    sites += rng.uniform(-0.5, 0.5, sites.shape) * free
    index, gap, lean = _nearest_site(u, v, sites)
    colors = _tile_colors(easel, index, cells * cells)
    tiles = colors[index] + (lean * 0.09)[..., None]
    pale = palettes.luminance(easel.ground).mean() + rng.normal(0.0, 0.08) < 0.4
    grout = palettes.paper(easel.palette) * 0.92 if pale else palettes.ink(easel.palette)
    solid = fields.smoothstep(0.07, 0.15, gap)[..., None]
    return grout * (1 - solid) + tiles * solid


def _tile_plane(easel: Easel, across: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (side, side) each, in tile widths and from 2 upwards: turned and bent, or rings about a center."""
    rng, (x, y) = easel.rng, fields.grid(easel.side)
    if rng.random() < 0.3:
        dx, dy = x - rng.uniform(-0.3, 1.3), y - rng.uniform(1.4, 1.7)
        u, v = (np.arctan2(dy, dx) + np.pi) * 0.62, np.hypot(dx, dy)
    else:
        angle = rng.uniform(-0.5, 0.5)
        u = 0.5 + (x - 0.5) * math.cos(angle) - (y - 0.5) * math.sin(angle)
        v = 0.5 + (x - 0.5) * math.sin(angle) + (y - 0.5) * math.cos(angle)
    bend = 0.035
    u = u + bend * fields.noise(rng, easel.side, 2.0) + 0.35
    v = v + bend * fields.noise(rng, easel.side, 2.0) + 0.35
    return u * across + 2.0, v * across + 2.0


def _nearest_site(u: np.ndarray, v: np.ndarray, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each place: the flat index of its nearest site (r, c, 2), the distance to that cell's border, and how far
    the place lies toward the upper left within the cell."""
    rows, columns = sites.shape[:2]
    home = np.clip(v.astype(int), 1, rows - 2) * columns + np.clip(u.astype(int), 1, columns - 2)
    flat_u, flat_v = sites[..., 0].astype(np.float32).ravel(), sites[..., 1].astype(np.float32).ravel()
    nearest = np.full(u.shape, 99.0, np.float32)
    second = nearest.copy()
    index, other = home.copy(), home.copy()
    for offset in (row * columns + column for row in (-1, 0, 1) for column in (-1, 0, 1)):
        place = home + offset
        distance = (flat_u[place] - u) ** 2 + (flat_v[place] - v) ** 2
        closer, runner = distance < nearest, distance < second
        other = np.where(closer, index, np.where(runner, place, other))
        second = np.where(closer, nearest, np.where(runner, distance, second))
        index, nearest = np.where(closer, place, index), np.minimum(nearest, distance)
    between = np.hypot(flat_u[index] - flat_u[other], flat_v[index] - flat_v[other])
    gap = (second - nearest) / (2 * between + 1e-6)
    return index, gap, (flat_u[index] - u) + (flat_v[index] - v)


def _tile_colors(easel: Easel, index: np.ndarray, count: int) -> np.ndarray:
    """(count, 3): for each tile the mean ground color under it, tinted."""
    places = (np.arange(GROUND_SIDE) + 0.5) / GROUND_SIDE * easel.side
    under = index[np.ix_(places.astype(int), places.astype(int))].ravel()
    weight = np.maximum(np.bincount(under, minlength=count), 1)
    channels = np.moveaxis(easel.ground, -1, 0)
    sums = [np.bincount(under, weights=channel.ravel(), minlength=count) for channel in channels]
    tint = easel.rng.normal(0.0, 0.13, (count, 1)) + easel.rng.normal(0.0, 0.05, (count, 3))
    return (np.stack(sums, axis=-1) / weight[:, None] * (1 + tint)).astype(np.float32)


# --- hatching ---------------------------------------------------------------------------------------------------------


def hatching(easel: Easel) -> np.ndarray:
    """Engraving: broad bent lines that swell in the dark parts and cross where it is darkest, over a color wash."""
    rng = easel.rng
    scraped = rng.random() < 0.3
    tone = fields.enlarge(1.0 - easel.tone if scraped else easel.tone, easel.side)
    light, dark = palettes.paper(easel.palette), palettes.ink(easel.palette)
    wash, line = (dark, light) if scraped else (light, dark)
    painted = wash * 0.5 + easel.backdrop * 0.5
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(7.5, 11.0)
    # As in a print from two blocks: a colored set of lines in the dark parts, the main set over it.
    second = easel.palette[-2 if scraped else 1]
    for turn, lightest, block in ((rng.uniform(0.9, 1.6), 0.6, second), (0.0, 1.12, line)):
        # The ink takes some of the local color.
        pigment = block * np.float32(0.8) + easel.backdrop * np.float32(0.2)
        cover = _hatch(easel, angle + turn, pitch, np.clip((lightest - tone) * 0.8, 0.0, 0.66))[..., None]
        painted += (pigment - painted) * cover
    return painted


def _hatch(easel: Easel, angle: float, pitch: float, thickness: np.ndarray) -> np.ndarray:
    """(side, side) cover in [0, 1]: `pitch` bent lines across the image, `thickness` of each period inked."""
    x, y = fields.grid(easel.side)
    bent = x * math.cos(angle) + y * math.sin(angle) + 0.09 * fields.noise(easel.rng, easel.side, 1.6)
    offset = np.abs((bent * pitch) % 1.0 - 0.5) * 2.0
    # Lines thinner than a tenth of the period would only show as broken hairs.
    return fields.smoothstep(-0.04, 0.04, np.where(thickness < 0.1, -1.0, thickness) - offset)


# --- marbling ---------------------------------------------------------------------------------------------------------


def marbling(easel: Easel) -> np.ndarray:
    """Ink floated on water: drops push each other into rings, a stylus and a comb draw them out."""
    rng = easel.rng
    x, y = (np.broadcast_to(axis, (easel.side, easel.side)).copy() for axis in fields.grid(easel.side))
    # Paint comes to lie where the operations took it; looking from the image they are undone, last one first.
    for _ in range(int(rng.integers(2, 5))):
        _undo_stylus(rng, x, y)
    drops = _drops(rng)
    owner = np.full(x.shape, -1, np.int8)
    for number, (across, down, radius) in enumerate(drops):
        dx, dy = x - across, y - down
        square = dx * dx + dy * dy
        owner[(square < radius**2) & (owner < 0)] = number
        spread = np.sqrt(np.maximum(1.0 - radius**2 / np.maximum(square, 1e-6), 0.0))
        x, y = across + dx * spread, down + dy * spread
    chosen = rng.integers(len(easel.palette)) + np.arange(len(drops)) * 2 + rng.integers(0, 2, len(drops))
    bath = rng.choice(np.concatenate([easel.palette, palettes.paper(easel.palette)[None]]))
    # Owner -1, where no drop lies, reads the last row.
    inks = np.concatenate([easel.palette[chosen % len(easel.palette)], bath[None]])
    return (inks * np.float32(0.78))[owner] + easel.backdrop * np.float32(0.22)


def _drops(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """(x, y, radius) of ink drops, last one first: several places that get drop into drop, in a mixed order."""
    places = fields.jittered(rng, 3, jitter=0.9, margin=0.12)
    visits = rng.permutation(np.repeat(np.arange(len(places)), 4))
    points = places[visits] + rng.normal(0.0, 0.012, (len(visits), 2))
    radii = rng.uniform(0.09, 0.17, len(points))
    return [(across, down, radius) for (across, down), radius in zip(points.tolist(), radii.tolist(), strict=True)]


def _undo_stylus(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> None:
    """Move the coordinates (side, side) in place against a broad wavy pull in one direction."""
    angle, waves = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.6)
    across = x * math.cos(angle) + y * math.sin(angle)
    pull = rng.uniform(0.05, 0.13) * np.sin(across * waves * 2 * np.pi + rng.uniform(0, 2 * np.pi))
    x += -math.sin(angle) * pull
    y += math.cos(angle) * pull


# --- waves ------------------------------------------------------------------------------------------------------------


def waves(easel: Easel) -> np.ndarray:
    """Woodcut: bands one in front of the other, each fading below an outlined crest, mostly with a sun behind."""
    rng = easel.rng
    fanned = rng.random() < 0.3
    along, depth = _fan(easel) if fanned else _slope(easel)
    bands = int(rng.integers(5, 9))
    # Peaks on a fan would splay into spikes.
    crest, swell = _rolling if fanned or rng.random() < 0.5 else _peaked, rng.uniform(0.05, 0.1)
    front = np.full(depth.shape, -1, np.int8)
    below = np.zeros(depth.shape, np.float32)
    for number, level in enumerate(np.linspace(rng.uniform(0.05, 0.35), 0.95, bands, dtype=np.float32)):
        under = depth - level - (swell * crest(rng)).astype(np.float32)[along]
        nearer = under > 0
        front[nearer] = number
        below = np.where(nearer, under, below)
    return np.where((front < 0)[..., None], _sky(easel), _bands(easel, front, below, bands))


def _slope(easel: Easel) -> tuple[np.ndarray, np.ndarray]:
    """Level or sloping crests: (side, side) where along a crest, as an index below 2048, and how far down, 0 to 1."""
    rng, (x, y) = easel.rng, fields.grid(easel.side)
    slope = rng.uniform(-0.5, 0.5) * int(rng.integers(2))
    return np.broadcast_to((x * 2047).astype(np.int32), (easel.side, easel.side)), y + slope * (x - 0.5)


def _fan(easel: Easel) -> tuple[np.ndarray, np.ndarray]:
    """Crests in arcs about a center below the image: the two fields of `_slope`."""
    x, y = fields.grid(easel.side)
    dx, dy = x - easel.rng.uniform(0.2, 0.8), y - 1.15
    return ((np.arctan2(dy, dx) / np.pi + 1.0) * 2047).astype(np.int32), 1.2 - np.hypot(dx, dy)


def _rolling(rng: np.random.Generator) -> np.ndarray:
    """(2048,) float32 height profile of a soft crest, about in [-1, 1]."""
    return fields.curve(rng, 4)


def _peaked(rng: np.random.Generator) -> np.ndarray:
    """(2048,) float32 height profile of a crest of pointed waves, in [-1, 1]."""
    place = np.linspace(0.0, 1.0, 2048) + 0.05 * fields.curve(rng, 2)
    return (2.0 * np.abs(np.sin(np.pi * (place * rng.uniform(1.6, 3.2) + rng.random()))) - 1.0).astype(np.float32)


def _sky(easel: Easel) -> np.ndarray:
    """(side, side, 3): the ground paled toward paper, mostly with a plain disc."""
    rng, (x, y) = easel.rng, fields.grid(easel.side)
    painted = easel.backdrop * 0.55 + palettes.paper(easel.palette) * 0.45
    if rng.random() < 0.7:
        reach = np.hypot(x - rng.uniform(0.2, 0.8), y - rng.uniform(0.1, 0.3))
        disc = fields.smoothstep(-0.004, 0.004, rng.uniform(0.09, 0.17) - reach)[..., None]
        strength = np.linalg.norm(palettes.to_lab(easel.palette)[:, 1:], axis=1)
        painted = painted * (1 - disc) + easel.palette[np.argmax(strength)] * disc
    return painted


def _bands(easel: Easel, front: np.ndarray, below: np.ndarray, count: int) -> np.ndarray:
    """(side, side, 3): band `front` at each pixel, outlined at its crest and paling with the distance `below` it."""
    rng, paper = easel.rng, palettes.paper(easel.palette)
    table = easel.palette[rng.permutation(len(easel.palette))[np.arange(count) % len(easel.palette)]]
    line = palettes.ink(easel.palette) if rng.random() < 0.75 else paper
    # Half of the bands carry a second, carved line that follows the crest.
    carved = (rng.random(count) < 0.5).astype(np.float32)[front]
    pale = 0.5 * np.clip(below / 0.22, 0.0, 1.0)
    pale = np.maximum(pale, 0.75 * carved * fields.smoothstep(0.017, 0.011, np.abs(below - 0.082)))[..., None]
    body = (table * np.float32(0.75))[front] + easel.backdrop * np.float32(0.25)
    body += (paper - body) * pale
    outline = fields.smoothstep(0.032, 0.024, below)[..., None]
    return body + (line - body) * outline


# --- watercolor -------------------------------------------------------------------------------------------------------


def watercolor(easel: Easel) -> np.ndarray:
    """Transparent washes on paper: ragged blots that deepen each other, some run wet, some dried with a dark rim."""
    rng = easel.rng
    grain = 0.07 * fields.noise(rng, easel.side, 11.0)
    painted = palettes.paper(easel.palette) * np.float32(0.8) + easel.backdrop * np.float32(0.2)
    for across, radius in ((2, 0.36), (3, 0.19)):
        for center in fields.jittered(rng, across, jitter=0.9, margin=0.03):
            depth = _blot(easel, center.tolist(), radius * rng.uniform(0.7, 1.2), grain)
            painted *= 1 - depth[..., None] * (1 - _pigment(easel, center))
    return painted


def _pigment(easel: Easel, center: np.ndarray) -> np.ndarray:
    """(3,) float32: a transparent color, the ground's at the center (2,) or the palette's, never too dark to glow."""
    rng = easel.rng
    color = fields.sample(easel.ground, center) if rng.random() < 0.6 else rng.choice(easel.palette[:-1])
    lab = palettes.to_lab(color)
    return palettes.to_rgb(np.array([max(lab[0], 0.55), lab[1] * 1.4, lab[2] * 1.4]))


def _blot(easel: Easel, center: list[float], radius: float, grain: np.ndarray) -> np.ndarray:
    """(side, side) float32 pigment depth in [0, 1] of one blot: a ragged patch, uneven as the paper's `grain`."""
    rng, (x, y) = easel.rng, fields.grid(easel.side)
    dx, dy = (x - center[0]) / radius, (y - center[1]) / radius
    reach = np.hypot(dx, dy) + 0.22 * fields.noise(rng, easel.side, 4.0) + grain
    # The wash was tilted while it dried: its pigment gathered on one side.
    depth = 0.62 + grain + dx * rng.normal(0.0, 0.16) + dy * rng.normal(0.0, 0.16)
    if rng.random() < 0.25:
        return fields.smoothstep(1.35, 0.5, reach) * np.clip(depth, 0.15, 1.0)
    depth += 0.3 * fields.smoothstep(0.8, 0.97, reach)
    return fields.smoothstep(1.02, 0.98, reach) * np.clip(depth, 0.15, 1.0)
