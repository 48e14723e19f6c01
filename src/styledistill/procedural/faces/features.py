"""The features of a portrait: eyes, brows, nose, mouth and glasses, in the frame of `heads.Head`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scenes.canvas import Canvas
from ..scenes.paints import Array, Rng, mix, palette, pick, rgb, vary
from ..scenes.shapes import arc, disc, smooth
from .heads import Head, shade_of

IRISES = palette("4a7fae 5f8f5a 6b4a2b 3d2a1c 7a8a93 8a6a3a")


def eyes(canvas: Canvas, rng: Rng, head: Head) -> None:
    """Two eyes looking the same way, with lids, irises, pupils and highlights."""
    iris = vary(rng, pick(rng, IRISES if head.skin.mean() > 0.6 else IRISES[2:4]))
    gaze = head.turn * 0.035 + rng.uniform(-0.03, 0.03)
    wide, opening = rng.uniform(0.2, 0.23), rng.uniform(0.11, 0.135)
    for end in (-1, 1):
        # The eye on the far side of a turned head is foreshortened.
        eye(canvas, head, iris, end * 0.4, gaze, wide * (1 - 0.12 * max(0.0, end * head.turn)), opening)


def eye(canvas: Canvas, head: Head, iris: Array, x: float, gaze: float, wide: float, opening: float) -> None:
    """One eye about the head point (x, 0)."""
    corners = [(1.12, 0.02), (0.5, opening * 0.95)]
    upper = [(-1.12, 0.02), (-0.5, -opening * 1.15), (0.5, -opening * 1.15)]
    almond = [(x + wide * u, v) for u, v in [*upper, *corners, (-0.5, opening * 0.95)]]
    lid = head.at(smooth(almond, 3), 0.25)
    canvas.polygon(lid, mix(rgb("f4efe9"), head.skin, 0.12))
    center = head.at([(x + gaze, -0.005)], 0.25)[0]
    r = opening * 1.02 * head.unit
    for radius, tone in ((r, iris * 0.5), (r * 0.85, iris), (r * 0.48, rgb("14100e"))):
        canvas.soft(disc(*center, radius), tone, 1.0, 0.004, clip=lid)
    lashes = head.at(disc(x, -opening * 1.05, wide, opening * 0.4), 0.25)
    canvas.soft(lashes, rgb("2a1d18"), 0.55, 0.03 * head.unit, clip=lid)
    spot = center + np.array([head.side * 0.38, -0.36]) * r
    canvas.polygon(disc(*spot, r * 0.24), np.ones(3), 0.92)
    eyelids(canvas, head, x, wide, opening)


def eyelids(canvas: Canvas, head: Head, x: float, wide: float, opening: float) -> None:
    """The lines round an eye: upper lid, the crease above it, lower lid."""
    for reach, y, bulge, tone, width in (
        (0.98, 0.0, -0.98, mix(rgb("241813"), head.hair, 0.15), 0.045),
        (0.9, -0.07, -0.95, shade_of(head.skin, 0.66), 0.02),
        (0.8, 0.035, 0.78, shade_of(head.skin, 0.68), 0.018),
    ):
        line = arc(x - wide * reach, y, opening * bulge, x + wide * reach)
        canvas.line(head.at(line, 0.25), tone, width * head.unit)


def brows(canvas: Canvas, rng: Rng, head: Head) -> None:
    """Two eyebrows, thick near the nose and thin at the temples."""
    thick, lift, height = rng.uniform(0.05, 0.09), rng.uniform(0.03, 0.1), rng.uniform(0.27, 0.33)
    tone = mix(shade_of(head.hair, 0.75), head.skin, 0.2)
    for end in (-1, 1):
        shape = smooth(
            [
                (end * 0.17, -height + thick * 0.5),
                (end * 0.17, -height - thick * 0.5),
                (end * 0.45, -height - lift - thick * 0.5),
                (end * 0.7, -height + 0.02),
                (end * 0.45, -height - lift + thick * 0.6),
            ],
            2,
        )
        canvas.soft(head.at(shape, 0.25), tone, 0.95, 0.022 * head.unit)


def nose(canvas: Canvas, rng: Rng, head: Head, outline: Array) -> None:
    """A nose told by its light bridge, its shaded flank, its tip and its nostrils."""
    low, half = head.length * rng.uniform(0.36, 0.4), rng.uniform(0.17, 0.23)
    nose_shadow(canvas, head, outline, low, half)
    nose_light(canvas, head, low, half)
    for end in (-1, 1):
        wing = arc(end * half * 0.62, low + 0.03, 0.03, end * half * 1.05) - (0, 0.02)
        canvas.line(head.at(wing, 0.33), shade_of(head.skin, 0.82), 0.02 * head.unit)
        nostril = head.at(disc(end * half * 0.45, low + 0.03, 0.055, 0.028), 0.34)
        canvas.soft(nostril, shade_of(head.skin, 0.42), 0.75, 0.022 * head.unit)


def nose_shadow(canvas: Canvas, head: Head, outline: Array, low: float, half: float) -> None:
    """The flank away from the light and the underside of a nose `half` wide that ends at the height `low`."""
    dark, away = shade_of(head.skin, 0.6), -head.side
    flank = [
        (away * 0.08, -0.12),
        (away * 0.02, low - 0.15),
        (away * half * 1.05, low),
        (away * half * 0.8, low - 0.16),
    ]
    for shape in (flank, disc(0.0, low + 0.07, half * 0.9, 0.06)):
        canvas.soft(head.at(shape, 0.33), dark, 0.6, 0.05 * head.unit, clip=outline)


def nose_light(canvas: Canvas, head: Head, low: float, half: float) -> None:
    """The tip, the bridge and the gleam of a nose `half` wide that ends at the height `low`."""
    u, bright = head.unit, mix(head.skin, np.array([1.0, 0.97, 0.9]), 0.55)
    tip = head.at(disc(0.0, low - 0.06, half * 0.62, 0.12), 0.36)
    canvas.soft(tip, np.clip(head.skin * 1.04, 0, 1), 0.9, 0.05 * u)
    bridge = [(-0.035, -0.1), (0.035, -0.1), (0.05, low - 0.16), (-0.05, low - 0.16)]
    canvas.soft(head.at(np.add(bridge, (head.side * 0.03, 0)), 0.33), bright, 0.55, 0.04 * u)
    canvas.soft(head.at(disc(head.side * 0.05, low - 0.09, 0.055, 0.045), 0.38), bright, 0.75, 0.03 * u)


@dataclass(frozen=True)
class Lips:
    """A mouth in the frame of the head."""

    y: float
    half: float  # half its width
    smile: float  # how far the corners are raised
    gap: float  # how far it is open; 0: closed
    tone: Array

    @property
    def corners(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The left and the right corner."""
        return (-self.half, self.y - self.smile), (self.half, self.y - self.smile)


def mouth(canvas: Canvas, rng: Rng, head: Head) -> None:
    """Closed or slightly smiling lips, sometimes an open smile with teeth."""
    lips = random_lips(rng, head)
    u, y, half = head.unit, lips.y, lips.half
    under = head.at(disc(0.0, y + 0.23 + lips.gap, half * 0.55, 0.05), 0.28)
    canvas.soft(under, shade_of(head.skin, 0.62), 0.5, 0.05 * u)
    if lips.gap:
        open_smile(canvas, head, lips)
    else:
        canvas.polygon(head.at(smooth(closed_lip(lips), 2), 0.28), lips.tone)
    canvas.polygon(head.at(smooth(upper_lip(lips), 2), 0.28), shade_of(lips.tone, 0.8))
    gleam = head.at(disc(head.side * 0.06, y + 0.085 + lips.gap, half * 0.3, 0.022), 0.28)
    canvas.soft(gleam, mix(lips.tone, np.ones(3), 0.45), 0.6, 0.02 * u)
    if not lips.gap:
        seam = arc(-half * 0.92, y - lips.smile, lips.smile + 0.015, half * 0.92)
        canvas.line(head.at(seam, 0.28), shade_of(lips.tone, 0.42), 0.022 * u)


def random_lips(rng: Rng, head: Head) -> Lips:
    """A random mouth for `head`."""
    y, half = head.length * rng.uniform(0.63, 0.67), rng.uniform(0.27, 0.35)
    smile = rng.uniform(0.03, 0.09)
    gap = 0.075 if rng.random() < 0.35 else 0.0
    if gap:
        half, smile = half * 1.15, smile + 0.05
    red = mix(head.skin * np.array([0.92, 0.62, 0.6]), rgb("c0404a"), rng.uniform(0.0, 0.45))
    return Lips(y, half, smile, gap, np.clip(red, 0, 1))


def upper_lip(lips: Lips) -> Array:
    """Rough outline of the upper lip."""
    left, right = lips.corners
    bow = [(-lips.half * 0.35, lips.y - 0.075), (0.0, lips.y - 0.05), (lips.half * 0.35, lips.y - 0.075)]
    return np.array([left, *bow, right, (0.0, lips.y + lips.smile * 0.4 + 0.02)])


def closed_lip(lips: Lips) -> Array:
    """Rough outline of the lower lip of a closed mouth."""
    left, right = lips.corners
    belly = [(-lips.half * 0.6, lips.y + 0.07), (0.0, lips.y + 0.14), (lips.half * 0.6, lips.y + 0.07)]
    return np.array([left, *belly, right, (0.0, lips.y + lips.smile * 0.4)])


def open_smile(canvas: Canvas, head: Head, lips: Lips) -> None:
    """The lower lip of an open mouth, the teeth, and the shadow of the upper lip on them."""
    y, half, smile, low = lips.y, lips.half, lips.smile, lips.y + lips.gap
    lower = [
        (-half * 1.08, y - smile),
        (half * 1.08, y - smile),
        (half * 0.62, y + 0.09 + lips.gap),
        (0.0, y + 0.15 + lips.gap),
        (-half * 0.62, y + 0.09 + lips.gap),
    ]
    canvas.polygon(head.at(smooth(lower, 3), 0.28), shade_of(lips.tone, 0.95))
    gum = y - smile * 0.6
    teeth = [(-half * 0.9, gum), (half * 0.9, gum), (half * 0.5, low + 0.02), (-half * 0.5, low + 0.02)]
    canvas.polygon(head.at(smooth(teeth, 2), 0.28), rgb("f3ece2"))
    edge = head.at(arc(-half * 0.85, y - smile * 0.5, smile * 0.6, half * 0.85), 0.28)
    canvas.soft(edge, lips.tone * 0.35, 0.6, 0.02 * head.unit)


def glasses(canvas: Canvas, rng: Rng, head: Head) -> None:
    """Spectacles with a thin frame."""
    tone = rgb(pick(rng, ["2a2422", "6b3f2a", "8a8a90"]))
    tall = rng.uniform(0.2, 0.27)
    for end in (-1, 1):
        rim = head.at(disc(end * 0.41, 0.02, 0.3, tall), 0.27)
        canvas.polygon(rim, np.ones(3), 0.08)
        canvas.line(np.concatenate([rim, rim[:2]]), tone, 0.042 * head.unit)
        canvas.line(head.at([(end * 0.71, -0.02), (end * 0.98 - head.turn * 0.2, 0.0)], 0.2), tone, 0.04 * head.unit)
    canvas.line(head.at([(-0.11, -0.03), (0.0, -0.06), (0.11, -0.03)], 0.28), tone, 0.042 * head.unit)
