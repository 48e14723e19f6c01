"""How steady the teacher is: how far its image moves when content or style change in ways that should not matter.

    python tests/bench/steadiness.py

A student that gives like answers for like images cannot follow such moves. The pairs are 24 of 128 x 128: three
photographs of scikit-image's package and three drawn scenes in four drawn styles, by the embedded teacher.
Figures are mean squared differences in [0, 1], kept in results/bench/steadiness.json. Two minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from skimage import data
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show

from styledistill.config import Teacher
from styledistill.core.tensors import from_uint8, recolor
from styledistill.procedural.draw import draw
from styledistill.teacher.load import load_teacher

SIZE = 128
PHOTOGRAPHS = (data.astronaut, data.chelsea, data.coffee)


def main() -> None:
    """Measure, print and keep everything."""
    torch.set_num_threads(2)
    photographs = [np.asarray(ImageOps.fit(Image.fromarray(load()), (SIZE, SIZE))) for load in PHOTOGRAPHS]
    contents = from_uint8(np.stack([*photographs, *(draw("scenes", number, SIZE) for number in range(3))]))
    styles = from_uint8(np.stack([draw("styles", number, SIZE) for number in range(4)]))
    content, style = contents.repeat_interleave(len(styles), 0), styles.repeat(len(contents), 1, 1, 1)
    settings = Teacher(weights=str(ROOT / "weights" / "tiny_teacher"), steps=10, gamma=0.4)  # as the default
    teacher = load_teacher(settings, torch.device("cpu"))
    plain = teacher.stylize(content, style)

    def moved(image: Tensor) -> float:
        return float((image - plain).square().mean())

    noise = torch.randint(-2, 3, content.shape[1:], generator=torch.Generator().manual_seed(1)) / 255
    rows = [
        Row("content with noise of up to 2 levels", moved(teacher.stylize((content + noise).clamp(0, 1), style))),
        Row("content moved by 1 pixel, and back", moved(teacher.stylize(content.roll(1, 3), style).roll(-1, 3))),
        Row("content moved by 4 pixels, and back", moved(teacher.stylize(content.roll(4, 3), style).roll(-4, 3))),
        Row("style mirrored", moved(teacher.stylize(content, style.flip(3)))),
        Row("both mirrored, and back", moved(teacher.stylize(content.flip(3), style.flip(3)).flip(3))),
        Row("recoloring in place of the teacher", moved(recolor(content, style))),
    ]
    show(rows)
    keep(ROOT / "results/bench/steadiness.json", rows, {"pairs": len(plain)})


if __name__ == "__main__":
    main()
