"""Procedural head-and-shoulders portraits; no random draw depends on the size, as in `scenes`."""

from __future__ import annotations

import numpy as np

from ..scenes.canvas import Canvas
from ..scenes.closeups import out_of_focus
from ..scenes.light import Light, choose_light
from ..scenes.outdoors import landscape, skyline
from ..scenes.paints import Array, Rng, blend_rows, mix, palette, pick, vary
from ..scenes.shapes import disc, smooth
from .features import brows, eyes, glasses, mouth, nose
from .hair import back_hair, beard, front_hair
from .heads import Head, ears, lit_columns, random_head, shade_of, skin_shading

FACE_TAG = 2  # keeps the random stream of faces apart from that of scenes

CLOTHES = palette("3a5f8f a8443c 4f7a5a d9a441 2f3440 ece6da 7a5a8f c9765a 5f8f9a b9a58f")
GROUNDS = palette("8fa9b8 c9b79c 7a8f7a b58f86 5f6f82 d8cfc0 4a5560 a4a9c4 d4a373")
# How the hair is worn, with its share of the sitters.
HAIRCUTS = {"short": 0.3, "long": 0.26, "bob": 0.16, "bun": 0.1, "curly": 0.14, "bald": 0.04}


def face(seed: int, size: int) -> Array:
    """A portrait, uint8 (size, size, 3) RGB in [0, 255]; the same sitter and composition at every size."""
    rng = np.random.default_rng([seed, FACE_TAG])
    canvas = Canvas(size)
    light = choose_light(rng)
    backdrop(canvas, rng, light)
    head = random_head(rng, light.side)
    style = str(rng.choice(list(HAIRCUTS), p=list(HAIRCUTS.values())))
    bearded = style in ("short", "bald") and rng.random() < 0.45
    back_hair(canvas, rng, head, style)
    body(canvas, rng, head)
    ears(canvas, head)
    outline = head.at(head.outline())
    canvas.polygon(outline, lit_columns(head, head.skin, 0.84, 1.04))
    skin_shading(canvas, head, outline)
    if bearded:
        beard(canvas, rng, head, outline)
    nose(canvas, rng, head, outline)
    mouth(canvas, rng, head)
    eyes(canvas, rng, head)
    front_hair(canvas, rng, head, style)
    brows(canvas, rng, head)
    if rng.random() < 0.16:
        glasses(canvas, rng, head)
    return canvas.result()


def backdrop(canvas: Canvas, rng: Rng, light: Light) -> None:
    """A plain studio ground with a glow, or a landscape, town or garden out of focus."""
    kind = rng.random()
    if kind < 0.5:
        tone = vary(rng, pick(rng, GROUNDS), 0.1)
        canvas.fill(blend_rows(tone * 1.08, tone, tone * 0.75))
        glow = disc(0.5 + 0.2 * light.side, 0.35, 0.32)
        canvas.soft(glow, mix(tone, np.ones(3), 0.35), 0.6, 0.16)
    elif kind < 0.7:
        out_of_focus(canvas, rng, light)
    else:
        (landscape if kind < 0.88 else skyline)(canvas, rng, light)
        canvas.blur(0.022)


def body(canvas: Canvas, rng: Rng, head: Head) -> None:
    """Shoulders in a garment, and the neck."""
    cloth = vary(rng, pick(rng, CLOTHES), 0.08)
    broad = rng.uniform(1.85, 2.25)
    top = head.y + head.unit * (head.length + 0.52)
    u, x = head.unit, head.x
    right = [(0.42, top - u * 0.16), (1.0, top + u * 0.12), (broad * 0.86, top + u * 0.42), (broad, top + u * 1.0)]
    shape = [(x + a * u, b) for a, b in right] + [(x + broad * 1.05 * u, 1.1), (x - broad * 1.05 * u, 1.1)]
    shape += [(x - a * u, b) for a, b in reversed(right)]
    shoulders = smooth(shape, 3)
    canvas.polygon(shoulders, lit_columns(head, cloth, 0.55, 1.1))
    canvas.soft(disc(x - head.side * 1.5 * u, 1.05, u * 1.0, u * 0.9), cloth * 0.4, 0.5, u * 0.35, clip=shoulders)
    neckline = rng.uniform(0.25, 0.75)
    neck(canvas, head, top, neckline)
    collar(canvas, rng, head, cloth, top, neckline)


def hem(head: Head, top: float, neckline: float) -> Array:
    """Points (17, 2) of the edge of the garment from shoulder to shoulder, `neckline` deep, in the image."""
    t = np.linspace(-1, 1, 17)
    return np.stack([head.x + 0.64 * head.unit * t, top + head.unit * (-0.06 + neckline * (1 - t * t))], -1)


def neck(canvas: Canvas, head: Head, top: float, neckline: float) -> None:
    """The neck and the skin seen in the neckline, in the shadow of the chin."""
    u, x = head.unit, head.x
    lean = x - np.sin(head.tilt) * u * 0.9
    column = [(lean - 0.47 * u, head.y + 0.5 * u), (lean + 0.47 * u, head.y + 0.5 * u), (x + 0.5 * u, top - 0.16 * u)]
    shape = np.concatenate([column, hem(head, top, neckline)[::-1], [(x - 0.5 * u, top - 0.16 * u)]])
    canvas.polygon(shape, lit_columns(head, head.skin, 0.6, 0.98))
    chin = disc(lean - head.side * 0.12 * u, head.y + (head.length - 0.05) * u, 0.75 * u, 0.42 * u)
    canvas.soft(chin, shade_of(head.skin, 0.45), 0.65, 0.12 * u, clip=shape)


def collar(canvas: Canvas, rng: Rng, head: Head, cloth: Array, top: float, neckline: float) -> None:
    """A round hem or the two points of a shirt collar."""
    u, x = head.unit, head.x
    if rng.random() < 0.5:
        canvas.line(hem(head, top, neckline), cloth * 0.72, 0.1 * u)
        return
    tone = np.clip(mix(cloth, np.ones(3), rng.choice([0.12, 0.75])), 0, 1)
    for end in (-1, 1):
        lapel = [
            (x + end * 0.46 * u, top - 0.3 * u),
            (x + end * 0.8 * u, top + 0.02 * u),
            (x + end * 0.5 * u, top + 0.62 * u),
            (x + end * 0.02 * u, top + neckline * u),
        ]
        canvas.polygon(smooth(lapel, 1), tone * (0.95 if end == head.side else 0.75))
