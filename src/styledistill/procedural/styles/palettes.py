"""Seeded color palettes: small sets of colors that go together, as (n, 3) float32 sRGB arrays in [0, 1]."""

from __future__ import annotations

import numpy as np

# Each palette runs roughly from dark to light; a moment's tradition names it.
PALETTES: dict[str, tuple[str, ...]] = {
    "ukiyo_e": ("14213d", "26547c", "7fa8b8", "c8553d", "f1e3c4"),
    "ukiyo_e_dusk": ("1b2a41", "4a5a7a", "b5485d", "e9a178", "f3e4cd"),
    "great_wave": ("0e2a47", "2b5d8a", "8db5c7", "d8c9a3", "f5efe0"),
    "fauvist": ("1d2f6f", "c2272d", "1f8a5b", "f08a24", "f9d84a"),
    "fauvist_rose": ("2a1a5e", "d6336c", "2a9d8f", "f4a259", "fbe3a0"),
    "impressionist": ("33507a", "5f8fa8", "8fb48a", "d9a7b0", "f2e2b8"),
    "water_lilies": ("1f3d4d", "3f7a6b", "7fa7c9", "b79bc7", "f0c9d2"),
    "haystacks": ("4b3b63", "8a5a83", "d98b5f", "f0b96a", "f7e6bf"),
    "starry_night": ("0b1d4f", "1f4e96", "5b92c4", "e6b92e", "f6edb3"),
    "wheat_field": ("1c4a7c", "4f8f6b", "b8862d", "e9b93a", "f7e9a8"),
    "ink": ("12110f", "45413b", "8c867a", "e9e2d2"),
    "ink_and_seal": ("161513", "55504a", "b23a2e", "cfc5b0", "f1eadb"),
    "sepia": ("2a1a10", "6b4428", "b2804f", "e8d3ad"),
    "earth": ("2b1d14", "6b3e26", "a4652e", "8a8453", "e3c998"),
    "ochre_cave": ("301b12", "8c3b1e", "cc7a2f", "e6b877", "f3e2c6"),
    "fresco": ("5a4636", "a65e44", "7f9183", "d9b48a", "efe2c9"),
    "dutch_master": ("140f0c", "3d2618", "7a4a22", "c7943f", "f0dca6"),
    "nocturne": ("070d1f", "14284a", "2f5570", "7d8f8c", "e2b769"),
    "ember": ("16090d", "4f1220", "a8281f", "ec7a2a", "fbd17a"),
    "expressionist": ("1a1423", "2b4c7e", "b8383b", "e39b3b", "dfe0b8"),
    "secession": ("2a1f14", "8a5a1e", "cf9f2f", "1f6f78", "f1dfa0"),
    "bauhaus": ("1c1c1c", "204b9b", "cf3027", "f2c230", "efe9da"),
    "nabis": ("2f3b2f", "6b7f4f", "b0623f", "d9a98a", "efe0c0"),
    "cubist": ("24211d", "5c5546", "8f7f5f", "b39a6b", "d9cba6"),
    "peacock": ("06263a", "0a5f73", "1fa08c", "a3c95b", "f4e7b0"),
    "plum_blossom": ("2d1b33", "7b3f6b", "d1688c", "f2b5b0", "faecdf"),
    "spring": ("3d6b50", "86b46b", "f0a6b4", "f6d873", "fbf6e3"),
    "pastel": ("7c8fb5", "a7c4bc", "e6b8b7", "f3d9b1", "fbf5ea"),
    "desert": ("5b2a3c", "b4533c", "e48f5a", "76a5a5", "f6ddb5"),
    "aurora": ("0a1033", "2f2a73", "1f8a8a", "6fd6a3", "e9f7c4"),
}

_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LMS_INVERSE, _LAB_INVERSE = np.linalg.inv(_LMS), np.linalg.inv(_LAB)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) in [0, 1] -> OKLab (..., 3), where mixing two colors does not go through mud."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS.T) @ _LAB.T


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """OKLab (..., 3) -> sRGB (..., 3) float32, clipped to [0, 1]."""
    linear = np.clip((lab @ _LAB_INVERSE.T) ** 3 @ _LMS_INVERSE.T, 0.0, 1.0)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb.astype(np.float32)


def luminance(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) -> (...): perceived brightness, in the range of the input."""
    return rgb @ np.array([0.299, 0.587, 0.114], np.float32)


def palette(rng: np.random.Generator) -> np.ndarray:
    """A palette (n, 3) float32 sRGB in [0, 1], n 3 to 6, from dark to light: traditional or built from a hue scheme."""
    lab = _traditional(rng) if rng.random() < 0.7 else _harmony(rng)
    return to_rgb(lab[np.argsort(lab[:, 0], kind="stable")])


def _traditional(rng: np.random.Generator) -> np.ndarray:
    """One of PALETTES as OKLab, its hues turned and its strength changed a little so that no two images agree."""
    colors = list(PALETTES.values())[rng.integers(len(PALETTES))]
    lab = to_lab(np.array([list(bytes.fromhex(color)) for color in colors]) / 255.0)
    turn, strength, light = rng.normal(0.0, 0.12), rng.uniform(0.85, 1.2), rng.normal(0.0, 0.02)
    cos, sin = np.cos(turn) * strength, np.sin(turn) * strength
    lab[:, 1:] = lab[:, 1:] @ np.array([[cos, sin], [-sin, cos]])
    lab[:, 0] += light
    return lab


def _harmony(rng: np.random.Generator) -> np.ndarray:
    """OKLab (n, 3): hues of an analogous, complementary, split or triadic scheme, spread from dark to light."""
    count = int(rng.integers(4, 7))
    schemes = ([0.0, 0.5, -0.5], [0.0, 0.3, np.pi], [0.0, 2.6, -2.6], [0.0, 2.09, -2.09])
    offsets = np.array(schemes[rng.integers(len(schemes))])
    hues = rng.uniform(0.0, 2 * np.pi) + offsets[rng.permutation(count) % 3] + rng.normal(0.0, 0.08, count)
    low, high = ((0.22, 0.93), (0.16, 0.78), (0.38, 0.97))[rng.integers(3)]
    light = np.linspace(low, high, count) + rng.normal(0.0, 0.015, count)
    # The eye accepts strong color in the middle tones; very dark and very light ones look best muted.
    chroma = rng.uniform(0.07, 0.17) * np.sin(np.pi * np.clip(light, 0.1, 0.93)) ** 0.7 * rng.uniform(0.6, 1.15, count)
    return np.stack([light, chroma * np.cos(hues), chroma * np.sin(hues)], axis=1)


def ramp(colors: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """The palette (n, 3), dark to light, read as a continuous scale at tone (...) in [0, 1]: (..., 3) float32."""
    lab = to_lab(colors)
    places = np.linspace(0.0, 1.0, len(lab))
    return to_rgb(np.stack([np.interp(tone, places, channel) for channel in lab.T], axis=-1))


def ink(colors: np.ndarray) -> np.ndarray:
    """(3,) the palette's darkest color, darkened enough to draw lines with."""
    lab = to_lab(colors[0])
    return to_rgb(lab * np.array([min(1.0, 0.24 / max(lab[0], 0.01)), 0.7, 0.7]))


def paper(colors: np.ndarray) -> np.ndarray:
    """(3,) the palette's lightest color, lightened enough to paint on."""
    lab = to_lab(colors[-1])
    return to_rgb(np.array([max(lab[0], 0.93), lab[1] * 0.6, lab[2] * 0.6]))
