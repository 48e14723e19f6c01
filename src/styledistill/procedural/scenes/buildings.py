"""Houses, towers and their windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .light import Light, shadow
from .paints import COATS, WALLS, Array, Rng, blend_rows, mix, mottled, palette, pick, rgb, vary
from .shapes import box

ROOFS = palette("a8503c 8f4638 6d5a55 5b6470 b5683f")
GLOW = rgb("ffd98a")  # of a lit window


def window(canvas: Canvas, rng: Rng, light: Light, quad: Array) -> None:
    """A pane in the outline `quad` (4, 2): reflecting sky by day, often lit at night or dusk."""
    shining = rng.random() < (0.6 if light.night else 0.12 if light.sun[2] < 0.7 else 0.0)
    glass = mix(rgb("3c4d5e"), light.zenith, 0.3) * light.sun
    canvas.polygon(quad, GLOW * rng.uniform(0.8, 1.0) if shining else glass)


def window_grid(
    canvas: Canvas, rng: Rng, light: Light, place: Callable[[Array], Array], rows: int, columns: int
) -> None:
    """Rows and columns of windows on a wall; `place` maps wall fractions (k, 2) to image points."""
    for row in range(rows):
        for column in range(columns):
            u, v = (column + 0.25) / columns, (row + 0.25) / rows
            window(canvas, rng, light, place(box(u, v, u + 0.5 / columns, v + 0.52 / rows)))


@dataclass(frozen=True)
class Plot:
    """Where a house stands, how wide it is and to which side it shows its long wall; its measures follow from these."""

    x: float
    y: float
    w: float
    turn: float  # -1: the long wall is to the left of the gable front, 1: to the right

    @property
    def near(self) -> float:
        """x of the corner between the gable front and the long wall."""
        return self.x + self.w * 0.8 / 2 * self.turn

    @property
    def outer(self) -> float:
        """x of the other corner of the gable front."""
        return self.x - self.w * 0.8 / 2 * self.turn

    @property
    def depth(self) -> float:
        """Length of the long wall in the image, negative to the left."""
        return self.w * 1.1 * self.turn

    @property
    def eaves(self) -> float:
        """y of the upper edge of the walls."""
        return self.y - self.wall

    @property
    def ridge(self) -> float:
        """y of the ridge of the roof."""
        return self.y - self.wall - self.w * 0.62

    @property
    def wall(self) -> float:
        """Height of the walls."""
        return self.w * 0.72

    @property
    def rise(self) -> float:
        """How much the foot of the long wall rises toward the back."""
        return self.w * 0.06


def house(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, w: float) -> None:
    """A house seen a little from the side: gable front, long side, pitched roof, chimney."""
    plot = Plot(x, y, w, turn=float(rng.choice([-1.0, 1.0])))
    wall, roof = vary(rng, pick(rng, WALLS)), vary(rng, pick(rng, ROOFS))
    shadow(canvas, light, x, y, w * 1.2, 0.45)
    house_walls(canvas, light, plot, wall)
    if rng.random() < 0.6:
        chimney(canvas, light, plot)
    house_roof(canvas, rng, light, plot, roof)
    house_front(canvas, rng, light, plot)

    def on_side(points: Array) -> Array:
        drop = plot.wall * (0.95 - 0.85 * points[:, 1])
        return np.stack([plot.near + plot.depth * points[:, 0], y - plot.rise * points[:, 0] - drop], -1)

    window_grid(canvas, rng, light, on_side, 1, 3)


def house_walls(canvas: Canvas, light: Light, plot: Plot, wall: Array) -> None:
    """The long wall and the gable front, of which the one facing the light is brighter."""
    faces_light = plot.turn == light.side
    near, far = plot.near, plot.near + plot.depth
    tone = light.lit(wall, 1.0 if faces_light else 0.4)
    side = [(near, plot.y), (far, plot.y - plot.rise), (far, plot.eaves), (near, plot.eaves)]
    canvas.polygon(np.array(side), blend_rows(tone, tone * 0.88))
    tone = light.lit(wall, 0.5 if faces_light else 0.95)
    front = [(plot.outer, plot.y), (plot.outer, plot.eaves), (plot.x, plot.ridge), (near, plot.eaves), (near, plot.y)]
    canvas.polygon(np.array(front), blend_rows(tone, tone, tone * 0.86))


def chimney(canvas: Canvas, light: Light, plot: Plot) -> None:
    """A brick chimney behind the ridge; the roof, painted later, hides its foot."""
    left, peak = plot.x + plot.depth * 0.5, plot.w * 0.62
    shaft = box(left, plot.eaves - peak * 1.25, left + plot.w * 0.13, plot.eaves - peak * 0.5)
    canvas.polygon(shaft, light.sides(rgb("9a6250")))


def house_roof(canvas: Canvas, rng: Rng, light: Light, plot: Plot, roof: Array) -> None:
    """The slope of the roof over the long wall, and the trim along the gable."""
    low = plot.eaves + plot.rise
    slope = [
        (plot.x, plot.ridge),
        (plot.x + plot.depth, plot.ridge),
        (plot.near + plot.depth * 1.08, low),
        (plot.near, low),
    ]
    tone = light.lit(roof, 1.0 if plot.turn == light.side else 0.55)
    canvas.polygon(np.array(slope), mottled(rng, blend_rows(tone, tone * 0.85), 0.08, 5, 8))
    trim = [(plot.outer - plot.turn * plot.w * 0.06, low), (plot.x, plot.ridge), (plot.near, low)]
    canvas.line(trim, light.lit(roof, 0.35), plot.w * 0.05)


def house_front(canvas: Canvas, rng: Rng, light: Light, plot: Plot) -> None:
    """The door and the window of the gable front."""
    x, w, eaves = plot.x, plot.w, plot.eaves
    door = light.lit(vary(rng, pick(rng, COATS)), 0.7)
    canvas.polygon(box(x - w * 0.11, plot.y - plot.wall * 0.6, x + w * 0.11, plot.y), door)
    canvas.polygon(box(x - w * 0.12, eaves - w * 0.2, x + w * 0.12, eaves + w * 0.04), light.lit(rgb("f4f0e6"), 0.8))
    window(canvas, rng, light, box(x - w * 0.09, eaves - w * 0.17, x + w * 0.09, eaves + w * 0.01))


def tower(canvas: Canvas, rng: Rng, light: Light, edges: Array, haze: float) -> None:
    """One tower in the rectangle `edges` (x0, y0, x1, y1), with a lit and a shaded face."""
    x0, y0, x1, y1 = edges
    wall = vary(rng, mix(pick(rng, WALLS), rgb("9aa5b0"), 0.4))
    bright, dark = (light.far(light.lit(wall, amount), haze) for amount in (0.95, 0.3))
    split = x0 + (x1 - x0) * (rng.uniform(0.6, 0.8) if light.side < 0 else rng.uniform(0.2, 0.4))
    left, right = (bright, dark) if light.side < 0 else (dark, bright)
    canvas.polygon(box(x0, y0, split, y1), blend_rows(left, light.far(left, 0.2)))
    canvas.polygon(box(split, y0, x1, y1), blend_rows(right, light.far(right, 0.2)))
    if haze > 0.5:
        return
    start, width = (x0, split - x0) if light.side < 0 else (split, x1 - split)
    columns, rows = max(2, round(width / 0.035)), max(3, round((y1 - y0) / 0.05))

    def on_face(points: Array) -> Array:
        return np.array([start, y0]) + np.array([width, y1 - y0]) * points

    window_grid(canvas, rng, light, on_face, rows, columns)
