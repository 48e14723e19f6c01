"""The hair of a portrait, in the frame of `heads.Head`: behind the face, over the brow, and beards."""

from __future__ import annotations

import numpy as np

from ..scenes.canvas import Canvas
from ..scenes.paints import Array, Rng, blend_rows, mix
from ..scenes.shapes import disc, smooth
from .heads import Head, lit_columns, shade_of


def strands(canvas: Canvas, rng: Rng, head: Head, shape: Array, flow: float) -> None:
    """Soft bands of light and dark along a mass of hair inside the outline `shape`."""
    u, (low, high) = head.unit, (shape.min(0), shape.max(0))
    for k in range(9):
        x = low[0] + (high[0] - low[0]) * (k + rng.uniform(0.2, 0.8)) / 9
        y = low[1] + (high[1] - low[1]) * rng.uniform(0.25, 0.6)
        light_side = (x - head.x) * head.side > -0.2 * u
        tone = mix(shade_of(head.hair, 1.35), np.ones(3), 0.06) if light_side and k % 2 else shade_of(head.hair, 0.6)
        lean = flow * (x - head.x) / u
        canvas.soft(disc(x, y, 0.06 * u, 0.55 * u, lean), tone, 0.5, 0.05 * u, clip=shape)
    gleam = disc(head.x + head.side * 0.4 * u, head.y - 1.15 * u, 0.45 * u, 0.14 * u, head.side * 0.5)
    canvas.soft(gleam, mix(shade_of(head.hair, 1.4), np.ones(3), 0.18), 0.5, 0.1 * u, clip=shape)


def back_hair(canvas: Canvas, rng: Rng, head: Head, style: str) -> None:
    """The hair behind the face: long, half long, a bun, or a round crown."""
    if style == "bald":
        return
    top, length = -1.62, {"long": 2.7, "bob": 1.25, "curly": 0.9}.get(style, 0.0)
    if style == "bun":
        canvas.polygon(head.at(disc(-head.turn * 0.2, -1.75, 0.46, 0.4)), lit_columns(head, head.hair, 0.6, 1.1))
    if not length:
        return
    wide = {"long": 1.28, "bob": 1.32, "curly": 1.45}[style]
    right = [(0.6, top), (wide * 0.95, -0.9), (wide, 0.1), (wide * 0.98, length * 0.7), (wide * 0.75, length)]
    mass = head.at(smooth(right + [(-x, y) for x, y in reversed(right)]), -0.08)
    canvas.polygon(mass, lit_columns(head, shade_of(head.hair, 0.72), 0.65, 1.0))
    strands(canvas, rng, head, mass, -0.15)
    if style == "curly":
        for angle in np.linspace(-0.25, np.pi + 0.25, 16):
            at = (np.cos(angle) * 1.32, -0.3 - np.sin(angle) * 1.2)
            curl(canvas, rng, head, at, 0.34)


def curl(canvas: Canvas, rng: Rng, head: Head, at: tuple[float, float], r: float) -> None:
    """One round lock of curly hair."""
    lock = head.at(disc(at[0], at[1], r * rng.uniform(0.85, 1.15)))
    amount = 0.85 + 0.2 * np.sign(at[0] * head.side) * min(1.0, abs(at[0])) - 0.12 * at[1]
    canvas.polygon(lock, blend_rows(shade_of(head.hair, amount * 1.15), shade_of(head.hair, amount * 0.7)))


def front_hair(canvas: Canvas, rng: Rng, head: Head, style: str) -> None:
    """The hair over the brow and temples."""
    if style == "bald":
        return
    parting = float(rng.choice([-0.45, 0.0, 0.45])) if style != "curly" else 0.0
    u, cap = head.unit, head.at(hairline(style, parting), 0.03)
    on_brow = cap + np.array([0, 0.09 * u])
    canvas.soft(on_brow, shade_of(head.skin, 0.5), 0.45, 0.07 * u, clip=head.at(head.outline()))
    canvas.polygon(cap, lit_columns(head, head.hair, 0.6, 1.12))
    strands(canvas, rng, head, cap, 0.45)
    if style == "curly":
        for x in np.linspace(-0.95, 0.95, 8):
            curl(canvas, rng, head, (x, -1.0 - 0.32 * np.cos(x * 1.4) + rng.uniform(-0.05, 0.05)), 0.3)


def hairline(style: str, parting: float) -> Array:
    """Outline of the hair on top of the head, with the parting at x = `parting`, in head points."""
    line = {"short": -0.78, "curly": -0.72}.get(style, -0.7)
    temple = {"short": -0.15, "bun": -0.2, "curly": -0.1}.get(style, 0.35)
    outer = [(0.45, -1.66), (1.0, -1.32), (1.17, -0.6), (1.1, temple)]
    right = [*outer, (0.96, temple + 0.02), (0.88, -0.45), (0.62, line - 0.02)]
    left = [(-x, y) for x, y in reversed(right)]
    fringe = [(parting + 0.12, line - 0.24), (parting - 0.12, line - 0.24)]
    return smooth(right + fringe + left, 3)


def beard(canvas: Canvas, rng: Rng, head: Head, outline: Array) -> None:
    """A soft beard along jaw and lip."""
    low = head.length
    lip = [(-1.02, 0.35), (-0.75, low * 0.5), (-0.36, low * 0.53), (0.36, low * 0.53), (0.75, low * 0.5), (1.02, 0.35)]
    jaw = [(0.9, low * 0.85), (0.4, low * 1.12), (-0.4, low * 1.12), (-0.9, low * 0.85)]
    shape = head.at(smooth(lip + jaw), 0.1)
    canvas.soft(shape, shade_of(head.hair, 0.9), rng.uniform(0.6, 0.88), 0.1 * head.unit, clip=outline)
