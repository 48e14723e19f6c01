"""Train a student before distillation by STTR's own objective: no teacher and no pairs are needed.

The embedded students were not made by it, but by `styledistill.embedded.train_students`. The tiny STTR that one of them
started from was, in two stages (41 and 22 minutes on one core): where the backbones were never trained, detail comes
fastest by reproducing images alone; the objective, and taking colors from a style, follow.

    python src/steps/pretrain.py --size tiny --image-size 128 --contents drawn:2000 --styles drawn:2000 --seed 1 \\
        --networks '{"vgg19": "seeded"}' --out STAGE1 --settings '{"steps": 14000, "batch": 0, "identity_batch": 16,
        "learning_rate": 1e-3, "learning_rate_backbone": 1e-3, "content_weight": 0, "style_weight": 0,
        "identity_weight": 1, "clip": 1, "half_size": 1, "dtype": "bfloat16"}'
    python src/steps/pretrain.py --size tiny --image-size 128 --contents drawn:1600 --styles drawn:1600 --seed 2 \\
        --networks '{"vgg19": "seeded"}' --out STAGE2 --start STAGE1 --settings '{"steps": 6500, "batch": 2,
        "identity_batch": 8, "recolor": 0.5, "learning_rate": 5e-4, "learning_rate_backbone": 5e-4,
        "content_weight": 1, "style_weight": 1, "identity_weight": 30, "clip": 1, "half_size": 0.95,
        "dtype": "bfloat16"}'
"""

from collections.abc import Callable
from pathlib import Path

from styledistill.run.cli import SEED, Folder, Settings, user_errors

import click
import numpy as np

from styledistill import config
from styledistill.core import image_files
from styledistill.core.errors import UserError
from styledistill.core.images import open_rgb, square_crop
from styledistill.core.places import meant
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.embedded.pool import content_pool, style_pool
from styledistill.student.architectures import ARCHITECTURES
from styledistill.student.pretrain import Pools, pretrain
from styledistill.student.training import write_history

ROOM = 1.25  # side of the images over the side of their random crops


def images(where: str, draw: Callable[[int, int, int], np.ndarray], seed: int, side: int) -> np.ndarray:
    """uint8 (N, side, side, 3): N drawn images for `drawn:N`, else the center squares of a folder's or glob's."""
    if where.startswith("drawn:"):
        count = where.removeprefix("drawn:")
        if not (count.isdecimal() and int(count)):
            raise UserError(f"{where}: {count!r} is no number of images, as in drawn:2000.")
        return draw(seed, int(count), side)
    files = [file for place in meant(where) for file in _images(place)]
    if not files:
        raise UserError(f"{where}: no images there. Give a folder of images, a pattern of files, or drawn:N.")
    return np.stack([np.asarray(square_crop(open_rgb(path), side)) for path in files])


def _images(place: Path) -> list[Path]:
    """Those below a folder; a file itself, and none where there is nothing."""
    if place.is_dir():
        return [place / name for name in image_files.find(place).images]
    return [place] if place.is_file() else []


@click.command()
@click.option(
    "--architecture", type=click.Choice(list(ARCHITECTURES)), default="sttr", show_default=True, help="The network."
)
@click.option("--size", type=click.Choice(["tiny", "full"]), required=True, help="Size of the student.")
@click.option("--start", type=Folder, help="Student to go on from, instead of random weights.")
@click.option("--contents", required=True, help="Folder of images, glob, or drawn:N for N drawn ones.")
@click.option("--styles", required=True, help="The same for styles.")
@click.option("--image-size", type=click.IntRange(32, 4096), required=True, help="Side of the random crops in pixels.")
@click.option("--settings", type=Settings(config.Pretrain), required=True, help="The pretrain section, as JSON.")
@click.option("--networks", type=Settings(config.Networks), required=True, help="The networks section, as JSON.")
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--state", type=Folder, default="resources/training", show_default=True, help="Where states are kept.")
@click.option("--out", type=Folder, required=True, help="student.safetensors, config.json and history.csv go here.")
def main(
    architecture: str,
    size: str,
    start: Path | None,
    contents: str,
    styles: str,
    image_size: int,
    settings: config.Pretrain,
    networks: config.Networks,
    seed: int,
    device: str,
    state: Path,
    out: Path,
) -> None:
    """Train a student on contents x styles; killed and started again it goes on."""
    with user_errors(), run_record(out / "pretrain.run.json", "pretrain", settings.model_dump(), seed) as facts:
        use_threads()
        seed_everything(seed)
        side = round(ROOM * image_size)
        pools = (images(contents, content_pool, seed, side), images(styles, style_pool, seed, side))
        where = pick_device(device)
        student, rows = pretrain(
            architecture, size, Pools(*pools, image_size), settings, networks, seed, where, state, start
        )
        student.save(out)
        write_history(out / "history.csv", rows)
        facts.update(device=str(where), contents=contents, styles=styles)


if __name__ == "__main__":
    main()
