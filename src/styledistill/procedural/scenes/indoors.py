"""Compositions under a roof: still life and room."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .light import Light
from .paints import (
    COATS,
    GLAZES,
    GREENS,
    LEAVES,
    WALLS,
    Array,
    Rng,
    ball,
    blend_columns,
    blend_rows,
    mix,
    mottled,
    palette,
    pick,
    rgb,
    vary,
)
from .plants import bouquet
from .shapes import block, box, disc, smooth
from .tabletop import bowl, cup, fruit, pot


def indoor_wall(canvas: Canvas, rng: Rng, light: Light, table: float) -> None:
    """A wall with a slanting patch of window light, sometimes with stripes."""
    wall = vary(rng, pick(rng, palette("8f9f97 c9b79c 6f7f8f d6c9b8 9a6f5f 5f6f66 b9a9b0 44505f")))
    near, far = (wall * 1.1, wall * 0.62) if light.side < 0 else (wall * 0.62, wall * 1.1)
    canvas.fill(blend_columns(near, wall, far))
    if rng.random() < 0.3:
        for x in np.arange(0.03, 1, 0.12):
            canvas.polygon(box(x, 0, x + 0.05, table), wall * 0.8, 0.35)
    if rng.random() < 0.6:
        x, w = rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.35)
        patch = np.array([(x, 0.05), (x + w, 0.0), (x + w - light.side * 0.18, table), (x - light.side * 0.18, table)])
        canvas.soft(patch, light.lit(mix(wall, rgb("fff2cf"), 0.6), 1.0), 0.5, 0.02)


def planks(canvas: Canvas, rng: Rng, light: Light, top: float, wood: Array, far: float) -> None:
    """A table or floor from `top` down to the viewer, `far` being how much of the light reaches its far edge."""
    canvas.polygon(
        box(0, top, 1, 1.0), mottled(rng, blend_rows(light.lit(wood, far), light.lit(wood, 1.0)), 0.1, 16, 2)
    )


def still_life(canvas: Canvas, rng: Rng, light: Light) -> None:
    """Objects on a table in front of a wall."""
    table = rng.uniform(0.56, 0.68)
    indoor_wall(canvas, rng, light, table)
    wood = vary(rng, pick(rng, palette("8a5a3a b98a5a 6a4530 d9cdb8 a3b0b3 7a3a34")))
    planks(canvas, rng, light, table, wood, 0.7)
    canvas.polygon(box(0, table - 0.003, 1, table + 0.006), light.lit(wood, 0.4))
    slots = rng.permutation(np.linspace(0.2, 0.8, int(rng.integers(3, 6))))
    depths = np.sort(rng.uniform(table + 0.06, 0.94, len(slots)))
    for rank, (x, y) in enumerate(zip(slots + rng.uniform(-0.05, 0.05, len(slots)), depths, strict=True)):
        # Tall things belong at the back, small ones at the front.
        if rank < 2:
            r = rng.uniform(0.1, 0.14)
            top = pot(canvas, rng, light, x, y, r)
            if rng.random() < 0.5:
                bouquet(canvas, rng, light, x, top, r)
        else:
            pick(rng, [fruit, fruit, cup, bowl])(canvas, rng, light, x, y, rng.uniform(0.075, 0.11))


def room(canvas: Canvas, rng: Rng, light: Light) -> None:
    """A room with a window, an image, a rug, a sofa and a plant."""
    floor = rng.uniform(0.68, 0.78)
    indoor_wall(canvas, rng, light, floor)
    planks(canvas, rng, light, floor, vary(rng, rgb("9a6a45"), 0.2), 0.6)
    canvas.polygon(box(0, floor - 0.02, 1, floor), light.lit(rgb("efe8dc"), 0.7))
    x = 0.5 + light.side * rng.uniform(0.2, 0.27)
    room_window(canvas, rng, light, x, 0.3, rng.uniform(0.13, 0.18))
    away = 0.5 - light.side * rng.uniform(0.18, 0.24)
    hanging(canvas, rng, light, away, rng.uniform(0.22, 0.3), rng.uniform(0.08, 0.13))
    canvas.soft(disc(0.5, 0.93, 0.42, 0.06), light.lit(vary(rng, pick(rng, COATS)), 0.7), 0.85, 0.008)
    sofa(canvas, rng, light, away + rng.uniform(-0.04, 0.04), floor + 0.12, rng.uniform(0.24, 0.3))
    r = rng.uniform(0.05, 0.07)
    house_plant(canvas, rng, light, 0.5 + light.side * rng.uniform(0.3, 0.4), floor + 0.14, r)


def house_plant(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A fan of leaves in a pot of radius `r` standing at (x, y)."""
    top = pot(canvas, rng, light, x, y, r)
    for angle in np.linspace(0.3, np.pi - 0.3, 9) + rng.uniform(-0.15, 0.15, 9):
        reach = r * rng.uniform(2.0, 3.4)
        middle = (x + np.cos(angle) * reach * 0.55, top - np.sin(angle) * reach * 0.55)
        tone = light.lit(vary(rng, pick(rng, LEAVES)), rng.uniform(0.4, 1.0))
        canvas.polygon(disc(*middle, reach * 0.5, reach * 0.13, -angle), tone)


def room_window(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, half: float) -> None:
    """A window with a view of sky and hills, a white frame and curtains."""
    frame = light.lit(rgb("f4efe4"), 0.85)
    tall = half * 1.35
    canvas.polygon(block(x, y, half * 1.1, tall * 1.08), frame)
    canvas.polygon(block(x, y, half, tall), blend_rows(light.zenith, light.horizon, light.horizon))
    hill = np.array([(-1, 0.5), (-0.3, 0.2), (1, 0.55), (1, 1), (-1, 1)])
    canvas.polygon(np.array([x, y]) + hill * (half, tall), light.lit(pick(rng, GREENS), 0.85))
    canvas.line([(x, y - tall), (x, y + tall)], frame * 0.93, half * 0.09)
    canvas.line([(x - half, y), (x + half, y)], frame * 0.93, half * 0.09)
    cloth = light.lit(vary(rng, pick(rng, WALLS)), 0.95)
    for end in (-1, 1):
        fold = box(x + end * half * 0.85, y - tall * 1.2, x + end * half * 1.45, y + tall * 1.35)
        canvas.polygon(fold, blend_columns(*[cloth * (1 - 0.25 * (k % 2)) for k in range(6)]))


def hanging(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, half: float) -> None:
    """A framed landscape on the wall with a small shadow."""
    canvas.soft(box(x - half, y - half * 0.75, x + half * 1.05, y + half * 0.85), light.shade * 0.3, 0.5, 0.012)
    frame = rgb(pick(rng, ["7a5530", "2f2a28", "d9b868"]))
    canvas.polygon(block(x, y, half, half * 0.8), light.lit(frame, 0.9))
    tones = [vary(rng, pick(rng, bank)) for bank in (WALLS, GLAZES, GREENS)]
    view = blend_rows(tones[0], tones[0], tones[1], tones[2], tones[2])
    canvas.polygon(block(x, y, half * 0.86, half * 0.66), view)


def sofa(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, half: float) -> None:
    """A sofa with arms and cushions, its feet at `y`."""
    cloth = vary(rng, mix(pick(rng, COATS), rgb("b0a090"), 0.3))
    bright, mid, dark = (light.lit(cloth, amount) for amount in (1.0, 0.75, 0.4))
    shading = blend_rows(bright, mid, dark)

    def part(left: float, top: float, right: float, low: float) -> Array:
        """Rectangle in units of `half` about the middle of the foot."""
        return box(x + left * half, y + top * half, x + right * half, y + low * half)

    canvas.soft(disc(x, y, half * 1.15, 0.03), light.shade * 0.2, 0.6, 0.012)
    canvas.polygon(smooth(part(-0.95, -0.95, 0.95, -0.2), 2), shading)
    canvas.polygon(part(-0.85, -0.5, 0.85, -0.08), shading)
    canvas.line([(x, y - half * 0.5), (x, y - half * 0.3)], dark, 0.006)
    canvas.line([(x - half * 0.8, y - half * 0.3), (x + half * 0.8, y - half * 0.3)], dark, 0.006)
    for end in (-1, 1):
        arm, pillow = end * 0.88, end * 0.5
        canvas.polygon(smooth(part(arm - 0.14, -0.72, arm + 0.14, -0.02), 2), light.sides(cloth))
        stuff = light.lit(vary(rng, pick(rng, WALLS)), 0.95)
        canvas.polygon(smooth(part(pillow - 0.22, -0.8, pillow + 0.22, -0.42), 2), ball(stuff, light.side, 0.0))
