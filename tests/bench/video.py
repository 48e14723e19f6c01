"""How steady videos are, how much of the style is kept, and what it takes: frame by frame and blended.

Clips are drawn (tests/workflow/support/clips.py): a camera, whose motion is known exactly, and a face that moves over
another scene, whose motion is measured by TV-L1. Styles are drawn too, or images given on the command line. The Gram
distance looks through EfficientNet-Lite0. Ratios are means over styles.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests/workflow/support")]

from styledistill.run.cli import user_errors

import numpy as np
import torch
from clips import camera, moving

from styledistill import perceptual
from styledistill.config import Networks
from styledistill.core.arrays import levels, planes
from styledistill.core.images import load_array
from styledistill.core.places import embedded
from styledistill.metrics.image_measures import gram, gram_distance
from styledistill.metrics.warp_error import Motion, motions, warp_error
from styledistill.procedural.draw import draw
from styledistill.student.engines import load
from styledistill.video.blend import Steady
from styledistill.video.flow import inside

FRAMES = 24


def grams(network: torch.nn.Module, image: np.ndarray) -> list[torch.Tensor]:
    with torch.no_grad():
        return [gram(maps) for maps in perceptual.feature_maps(network, torch.from_numpy(planes(image)))]


def main() -> None:
    network = perceptual.features(Networks(features="efficientnet_lite0"))
    student = load(embedded("micro"), "cpu")
    styles = [load_array(path) for path in sys.argv[1:]] or [draw("styles", number, 384) for number in range(6)]
    frames, flows = camera(FRAMES)
    known = [Motion(flow, inside(flow)) for flow in flows]
    crossing, _ = moving(FRAMES)
    others, flows = camera(FRAMES, seed=14)
    further = [Motion(flow, inside(flow)) for flow in flows]
    clips = (("camera", frames, known), ("camera 14", others, further), ("face", crossing, motions(crossing)))
    for name, contents, motion in clips:
        print(f"{name}: warp error of the content itself {warp_error(contents, motion):.6f}")
        rows = []
        for style in styles:
            memory, wanted = student.encode_style(planes(style)), grams(network, style)
            began = time.perf_counter()
            alone = [levels(student.stylize(planes(content), memory)) for content in contents]
            drawn = time.perf_counter()
            steady = Steady()
            held = [steady.blended(content, image) for content, image in zip(contents, alone, strict=True)]
            seconds = (drawn - began) / FRAMES, (time.perf_counter() - drawn) / FRAMES
            errors = [warp_error(made, motion) for made in (alone, held)]
            distances = [
                float(np.mean([gram_distance(grams(network, image), wanted).item() for image in made[3::4]]))
                for made in (alone, held)
            ]
            rows.append((*errors, *distances, *seconds))
            print("  warp error {:.5f} -> {:.5f}, Gram {:.3f} -> {:.3f}, seconds {:.3f} + {:.3f}".format(*rows[-1]))
        means = np.mean(rows, 0)
        fall = np.mean([1 - row[1] / row[0] for row in rows])
        print(f"{name}: mean " + " ".join(f"{value:.5f}" for value in means) + f"; warp error {fall:.0%} lower")


if __name__ == "__main__":
    with user_errors():
        main()
