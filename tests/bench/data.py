"""The data steps at the size of the paper: listing, choosing, cropping, packing.

    python tests/bench/data.py

Zips with as many names as COCO 2014, WikiArt and Human Faces are listed, and the paper's windows chosen from them;
photographs of 640 x 480 are cropped to 512 x 512 as the crop job does; images of that size are packed as the pack job
does, beside a plain copy of the same bytes. Seconds are those that one core works: the time that a disk or a neighbor
lets it wait is not among them. Memory is the peak above the start, at two sizes. Prints a table, keeps it in
results/bench/data.json, and exits with 1 when a limit is missed. About a minute.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.measuring import Peak
from parts.table import Row, keep, show

from styledistill.config import ArchiveSource, Blocks, FolderSource, Golden
from styledistill.core.images import encode_png, save_png
from styledistill.shards.write import Pair, write_shard
from styledistill.sources import registry
from styledistill.splits import tables, windows

NAMES = {"coco": 82_783, "wikiart": 81_446, "faces": 7_219}
BLOCKS = Blocks(train=82, val=10, contents={"coco": 10, "faces": 2}, styles={"wikiart": 8})
GOLDEN = Golden(contents={"coco": 5, "faces": 2}, styles={"wikiart": 6})
IMAGES, PAIRS, TURNS = 60, 48, 3
MEMORY = "MB of memory more for {} times as many {}"


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what is listed and fetched goes below the working directory
        listing, blocks = index_seconds(Path(folder))
        crop, crop_memory = cropping(Path(folder))
        pack, plain, pack_memory = packing(Path(folder))
    rows = [
        Row("seconds to list all names and choose all windows", listing + blocks, 10),
        Row("seconds of these to choose all windows", blocks),
        Row("ms to crop an image of 640 x 480 to 512 x 512", 1000 * crop, 1000 / 60),
        Row("ms to pack a MB", 1000 * pack, 1000 / 200),
        Row("ms to copy a MB", 1000 * plain),
        Row(MEMORY.format(4, "crops"), crop_memory, 20),
        Row(MEMORY.format(4, "pairs in a shard"), pack_memory, 20),
    ]
    show(rows)
    keep(ROOT / "results" / "bench" / "data.json", rows, {"names": NAMES})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


def index_seconds(folder: Path) -> tuple[float, float]:
    """Seconds to list zips of NAMES, table written; and to order them and choose and check the paper's windows."""
    sources = {}
    for name, count in NAMES.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for number in range(count):
                archive.writestr(f"{name}/COCO_train2014_{number:012d}.jpg", b"x")
        sources[name] = ArchiveSource(kind="archive", address=str(folder / f"{name}.zip"))
    start = time.process_time()
    for name, source in sources.items():
        tables.write(folder / f"{name}.csv", registry.Entry._fields, registry.index(source))
    middle = time.process_time()
    entries = tables.read_indexes([folder / f"{name}.csv" for name in sources])
    orders = {name: windows.order(list(rows), 1) for name, rows in entries.items()}
    shares = windows.shares(sources)
    windows.check(BLOCKS, GOLDEN, orders, {}, shares)
    windows.taken(BLOCKS, GOLDEN, orders, shares)
    return middle - start, time.process_time() - middle


def cropping(folder: Path) -> tuple[float, float]:
    """Seconds per image, and MB that four times as many take more."""
    photographs = folder / "photographs"
    photographs.mkdir()
    for number in range(IMAGES):
        photograph(number).save(photographs / f"{number:03d}.jpg", quality=90)
    source = FolderSource(kind="folder", path=str(photographs))
    entries = [entry for entry in registry.index(source) if isinstance(entry, registry.Entry)]

    def crop(times: int) -> None:
        for _ in range(times):
            for entry in entries:
                cropped = registry.crop(source, entry.image, 512, entry.sha256)
                save_png(cropped, folder / "crops" / f"{entry.image}.png")

    return seconds(lambda: crop(1)) / IMAGES, growth(lambda: crop(1), lambda: crop(4))


def photograph(number: int) -> Image.Image:
    """640 x 480 with edges, ramps and the noise of a camera: as large as a photograph in JPEG and in PNG."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (640, 480), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(coarse, dtype=np.float32) + rng.normal(0, 4, (480, 640, 1))
    return Image.fromarray(np.uint8(np.clip(noisy, 0, 255)))


def packing(folder: Path) -> tuple[float, float, float]:
    """Seconds per MB to pack, to copy the same bytes, and MB that four times as many pairs take more."""
    images = [encode_png(photograph(number).resize((512, 512))) for number in range(9)]

    def pairs(count: int) -> list[Pair]:
        return [
            Pair(f"train_0000_c{n:02d}_s00", *(images[(n + k) % 9] for k in range(3)), {}, {}) for n in range(count)
        ]

    size = sum(len(image) for pair in pairs(PAIRS) for image in (pair.content, pair.style, pair.target)) / 1e6
    data = b"".join(images) * (PAIRS // 3)

    def plainly() -> None:
        with (folder / "plain").open("wb") as file:
            file.write(data)

    packed = seconds(lambda: write_shard(folder / "0000.tar", pairs(PAIRS))) / size
    plain = seconds(plainly) / (len(data) / 1e6)
    little, much = (
        lambda count=count: write_shard(folder / "0000.tar", iter(pairs(count))) for count in (PAIRS, 4 * PAIRS)
    )
    return packed, plain, growth(little, much)


def seconds(work: Callable[[], None]) -> float:
    """The median of some turns."""
    taken = []
    for _ in range(TURNS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return median(taken)


def growth(little: Callable[[], None], much: Callable[[], None]) -> float:
    """MB of peak memory that the larger work takes more."""
    peaks = []
    for work in (little, much):
        memory = Peak(torch.device("cpu"))
        work()
        peaks.append(memory.megabytes())
    return max(0.0, peaks[1] - peaks[0])


if __name__ == "__main__":
    main()
