"""How steady videos are, how much of the style is kept, and what it takes: frame by frame and blended.

    python tests/bench/video.py [VIDEO or IMAGE ...]

Clips of 24 frames: a camera over two drawn scenes and over a photograph, whose motion is known exactly, and a face that
moves over another scene, whose motion is measured by TV-L1. Of each VIDEO four places are clips too, measured likewise.
IMAGEs are the styles in place of six drawn ones. The Gram distance looks through EfficientNet-Lite0, at every fourth
frame. Ratios are means over styles, and over the places of a video. Prints a table, keeps it in
results/bench/video.json, and exits with 1 when a limit is missed. Needs the packages `av` and `opencv-python-headless`;
without them nothing is measured. Two minutes on a core, and three for a VIDEO of 640 x 272.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests/workflow/support")]

from parts.table import Row, keep, show

from styledistill import perceptual
from styledistill.config import Networks
from styledistill.core.arrays import levels, planes
from styledistill.core.images import load_array
from styledistill.core.places import embedded
from styledistill.metrics.image_measures import gram, gram_distance
from styledistill.procedural.draw import draw
from styledistill.student.controls import Stylizing
from styledistill.student.engines import load

FRAMES, PLACES, STYLES = 24, 4, 6
STEADIER, STYLE_KEPT = 0.7, 1.1
STEADY, KEPT = "warp error, blended over frame by frame", "Gram distance, likewise"

# What it is of, the first frame, the frames, uint8 (H, W, 3), and the motion between them.
Clip = tuple[str, int, list[np.ndarray], list]


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    if not (find_spec("av") and find_spec("cv2")):
        show([Row(STEADY, None, STEADIER), Row(KEPT, None, STYLE_KEPT)])
        return
    from styledistill.video.formats import FORMATS

    given = [Path(word) for word in sys.argv[1:]]
    videos = [path for path in given if path.suffix.lower() in FORMATS]
    images = [load_array(path) for path in given if path not in videos]
    network = perceptual.features(Networks(features="efficientnet_lite0"))
    student = load(embedded("micro"), "cpu")
    details: dict[str, dict[int, list[dict[str, list[float]]]]] = {}
    for name, first, frames, motion in clips(videos):
        styles = images or [draw("styles", number, 384) for number in range(STYLES)]
        measured = [compared(student, network, style, frames, motion) for style in styles]
        details.setdefault(name, {})[first] = measured
        alone, held = np.mean([one["warp_error"] for one in measured], 0)
        far, further = np.mean([one["gram_distance"] for one in measured], 0)
        drawn, blended = np.mean([one["seconds"] for one in measured], 0)
        print(f"{name} from {first}: warp error {alone:.5f} -> {held:.5f}, Gram {far:.3f} -> {further:.3f}, ", end="")
        print(f"seconds {drawn:.3f} + {blended:.3f}", flush=True)
    rows = []
    for name, places in details.items():
        for what, limit, key in ((STEADY, STEADIER, "warp_error"), (KEPT, STYLE_KEPT, "gram_distance")):
            ratios = [one[key][1] / one[key][0] for measured in places.values() for one in measured]
            rows.append(Row(f"{name}: {what}", float(np.mean(ratios)), limit))
    show(rows)
    keep(ROOT / "results" / "bench" / "video.json", rows, {"clips": details})
    sys.exit(any(row.status == "MISSED" for row in rows))


def clips(videos: Sequence[Path]) -> Iterator[Clip]:
    """The clips that are made here, and those of videos."""
    from clips import camera, moving
    from PIL import Image
    from skimage import data

    from styledistill.metrics.warp_error import Motion, motions
    from styledistill.video.clip import frames as frames_of
    from styledistill.video.clip import read_clip
    from styledistill.video.flow import inside

    coffee = np.asarray(Image.fromarray(data.coffee()).resize((1536, 1024), Image.Resampling.LANCZOS))[:, 256:1280]
    scenes = {"camera": 3, "camera 14": 14, "photograph": coffee}
    for name, scene in scenes.items():
        frames, flows = camera(FRAMES, scene)
        yield name, 0, frames, [Motion(flow, inside(flow)) for flow in flows]
    frames, _ = moving(FRAMES)
    yield "face", 0, frames, motions(frames)
    for path in videos:
        clip = read_clip(path)
        for place in range(PLACES):
            first = place * (clip.frames - FRAMES) // (PLACES - 1)
            frames = [frame for _, frame in islice(frames_of(clip), first, first + FRAMES)]
            yield path.stem, first, frames, motions(frames)


def compared(
    student: Stylizing, network: torch.nn.Module, style: np.ndarray, contents: list[np.ndarray], motion: list
) -> dict[str, list[float]]:
    """Frame by frame and blended: the warp error and the Gram distance; and seconds a frame, to draw and to blend."""
    from styledistill.metrics.warp_error import warp_error
    from styledistill.video.blend import Steady

    memory, wanted = student.encode_style(planes(style)), grams(network, style)
    began = time.perf_counter()
    alone = [levels(student.stylize(planes(content), memory)) for content in contents]
    drawn = time.perf_counter()
    steady = Steady()
    held = [steady.blended(content, image) for content, image in zip(contents, alone, strict=True)]
    ended = time.perf_counter()
    far = [[gram_distance(grams(network, image), wanted).item() for image in made[3::4]] for made in (alone, held)]
    return {
        "warp_error": [warp_error(made, motion) for made in (alone, held)],
        "gram_distance": [float(np.mean(distances)) for distances in far],
        "seconds": [(drawn - began) / len(contents), (ended - drawn) / len(contents)],
    }


def grams(network: torch.nn.Module, image: np.ndarray) -> list[torch.Tensor]:
    """Gram matrices of an image, uint8 (H, W, 3)."""
    with torch.no_grad():
        return [gram(maps) for maps in perceptual.feature_maps(network, torch.from_numpy(planes(image)))]


if __name__ == "__main__":
    main()
