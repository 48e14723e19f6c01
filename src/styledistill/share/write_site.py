"""The demo as a static folder: page, students' graphs, example images, and onnxruntime's WebAssembly. No torch here.

It works from any static host and below any path. Everything that the page asks for lies in the folder itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from ..core.errors import UserError
from ..core.files import canonical_json, write_bytes, write_together
from ..core.image_files import at_top, for_tables, in_tables, told
from ..core.images import encode_png, open_rgb
from ..core.progress import announce
from ..downloads.npm import ONNXRUNTIME_WEB, members
from ..procedural.draw import draw
from ..student import micro_graphs
from ..student.engines import ATTENDED_PIXELS
from ..student.folders import GRAPHS, WEIGHTS_FILE, facts_of, graphs_folder, is_micro, student_folder
from ..student.onnx_student import OnnxStudent
from ..student.stylize_jobs import refuse_unwritable
from .file_names import LICENSE, LIST, PAGE, RUNTIME, SOURCES, graph_file, image_file

PAGE_PIXELS = 1 << 22  # of the largest image: 1.2 GB of a browser's memory with micro

_EXAMPLE_SIDE = 512  # of example images at most, the shorter one
# Examples where no folder is given: numbers of drawn images that differ.
_DRAWN = {"styles": (29, 28, 0, 1, 14, 17, 8, 40), "scenes": (10, 3), "faces": (4,)}

Examples = dict[str, np.ndarray]  # name to uint8 (H, W, 3)


def write_site(
    out: Path, students: Mapping[str, str | Path], contents: Examples, styles: Examples, runtime: Path
) -> None:
    """Write the demo into `out`, over an earlier one. Raises UserError.

    students: folders or hub ids by the names that the page shows. contents, styles: what the page offers beside the
    visitor's own images. runtime: the archive of `ONNXRUNTIME_WEB`.
    """
    fresh = not (out / LIST).is_file()
    if fresh and any(path.is_file() for path in out.rglob("*") if not _half_written(path)):
        raise UserError(f"{out}: holds something else than a demo. Give a new or an empty folder.")
    refuse_unwritable(out)
    if unnamed := [name for name in (*students, *contents, *styles) if not in_tables(name)]:
        raise UserError(f"{unnamed[0]!a}: its name is not UTF-8, so no page can show it. Rename it.")
    made: dict[str, bytes] = {}
    offered: dict[str, list[dict[str, Any]]] = {"students": []}
    for number, (name, model) in enumerate(students.items()):
        graphs, facts = browser_graphs(model)
        files = {graph: graph_file(number, graph) for graph in graphs}
        made |= {files[graph]: data for graph, data in graphs.items()}
        offered["students"].append({"name": name, "files": files, **facts})
    for role, images in (("contents", contents), ("styles", styles)):
        made |= {image_file(role, number): encode_png(image) for number, image in enumerate(images.values())}
        offered[role] = [{"name": name, "file": image_file(role, number)} for number, name in enumerate(images)]
    made |= {RUNTIME[name]: data for name, data in members(runtime, RUNTIME).items()}
    made[LICENSE] = _source("LICENSE.onnxruntime.txt")
    made |= {name: _source(name) for name in SOURCES}
    title = f"{ONNXRUNTIME_WEB.name} {ONNXRUNTIME_WEB.version}"
    made[LIST] = canonical_json({**offered, "runtime": title}).encode()
    if fresh:
        write_bytes(out / LIST, made[LIST])  # at first: after a kill the folder is known for a demo
    write_together({out / name: data for name, data in made.items()})
    write_bytes(out / PAGE, _source(PAGE))  # at last: a page that opens is whole
    _remove_former(out, made)


def browser_graphs(model: str | Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A student's float32 graphs by name, and what the page must know of it. Raises UserError.

    mixes: whether styles and strengths can be mixed. grid: of which sizes must be multiples. pixels: of an image at
    most.
    """
    student = OnnxStudent.from_pretrained(model)  # says what is wrong with it
    mixes = student.mixes
    folder, _ = student_folder(model, "main")
    if is_micro(folder):
        weights = {name: value.astype(np.float32) for name, value in load_file(folder / WEIGHTS_FILE).items()}
        makers = micro_graphs.graphs(weights, facts_of(folder)["network"], by_rows=True)
        graphs = {name: makers[name]() for name in GRAPHS}
        return graphs, {"mixes": mixes, "grid": micro_graphs.GRID, "pixels": PAGE_PIXELS}
    place = graphs_folder(folder)
    graphs = {name: Path(place or folder, f"{name}.onnx").read_bytes() for name in GRAPHS}
    return graphs, {"mixes": mixes, "grid": 1, "pixels": PAGE_PIXELS if mixes else ATTENDED_PIXELS}


def examples(folder: Path) -> Examples:
    """The images at the top of a folder by their names without suffix, large ones reduced. Raises UserError."""
    found = for_tables(at_top(folder))
    for line in told(found.left_out, str(folder)):
        announce(line)
    if not found.images:
        raise UserError(f"{folder}: no images in this folder (folders inside it are not searched).")
    named: dict[str, str] = {}
    for name in found.images:
        other = named.setdefault(Path(name).stem, name)
        if other != name:
            raise UserError(f"{folder}: {other} and {name} would have one name on the page. Rename one of them.")
    return {stem: _reduced(open_rgb(folder / name)) for stem, name in named.items()}


def drawn_styles() -> Examples:
    """Styles that this project draws itself, so that nobody's rights are touched."""
    return _drawn("styles")


def drawn_contents() -> Examples:
    """Contents likewise."""
    return _drawn("scenes") | _drawn("faces")


def _drawn(kind: str) -> Examples:
    numbers = _DRAWN[kind]
    return {f"{kind.removesuffix('s')} {n}": draw(kind, of, _EXAMPLE_SIDE) for n, of in enumerate(numbers, 1)}


def _reduced(image: Image.Image) -> np.ndarray:
    factor = min(1.0, _EXAMPLE_SIDE / min(image.size))
    width, height = (round(side * factor) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def _half_written(path: Path) -> bool:
    """Whether a file is a temporary one of a writer that was killed."""
    return path.name.startswith(".") and path.suffix == ".part"


def _source(name: str) -> bytes:
    return Path(__file__).with_name("site").joinpath(name).read_bytes()


def _remove_former(out: Path, made: Mapping[str, bytes]) -> None:
    """Images and graphs of an earlier demo that this one has not, and what a kill left half-written."""
    for path in out.rglob(".*"):
        if _half_written(path):
            path.unlink(missing_ok=True)
    for pattern in ("students/*/*.onnx", "contents/*.png", "styles/*.png"):
        for path in out.glob(pattern):
            if path.relative_to(out).as_posix() not in made:
                path.unlink()
