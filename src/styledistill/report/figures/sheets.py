"""Sheets of images for print, as PNG and PDF: the golden sheet, samples of the data set, closest and farthest pairs.

Laid out in pixels at 300 dpi on a page of 180 x 250 mm; the PDF carries images as JPEG and labels as outlines.
Equal inputs give equal bytes: no file carries a date.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from PIL import Image, ImageDraw, ImageFont

from ...core.files import write_together
from ...core.images import open_rgb
from ...core.numbers import number
from ...splits import names as called
from .charts import DPI, INK
from .distances import DISTANCES, Extremes, Judged

PAGE_MM = (180, 250)
_GAP = 6  # pixels between images: 0.5 mm
_BAND_GAP = 24  # between the styles' bands
_PANEL_GAP = 60  # between panels side by side
HEADER = 48  # height of a line of labels
CAPTION = 36  # height of the line below a row
_FONT_PIXELS = 33  # 8 points at 300 dpi
_SMALLEST_FONT = 17  # 4 points
_LARGEST_SIDE = 384


@dataclass(frozen=True)
class Label:
    """Text on a sheet: centered at x, standing on the baseline y, in pixels; height of the font in pixels."""

    text: str
    x: float
    y: float
    size: int


@dataclass(frozen=True)
class Sheet:
    """An image without its labels, and the labels; both together make the PNG and the PDF."""

    image: Image.Image
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Grid:
    """Where the cells of a sheet stand: `panels` side by side, each of `rows` x `columns` squares of `side` pixels.

    A wider gap stands before the rows and columns named in `wide_rows` and `wide_columns`. There is room for labels of
    `header` pixels above each panel and of `caption` pixels below each row.
    """

    columns: int
    rows: int
    panels: int
    wide_rows: tuple[int, ...]
    wide_columns: tuple[int, ...]
    header: int
    side: int
    caption: int = 0

    def corner(self, panel: int, row: int, column: int) -> tuple[int, int]:
        """Left and top pixel of a cell."""
        step, wider = self.side + _GAP, _BAND_GAP - _GAP
        panel_step = self.columns * step - _GAP + len(self.wide_columns) * wider + _PANEL_GAP
        x = panel * panel_step + column * step + sum(column >= wide for wide in self.wide_columns) * wider
        y = self.header + row * (step + self.caption) + sum(row >= wide for wide in self.wide_rows) * wider
        return x, y

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels."""
        x, y = self.corner(self.panels - 1, self.rows - 1, self.columns - 1)
        return x + self.side, y + self.side + self.caption


def golden_grid(contents: int, styles: int, models: int) -> Grid:
    """The grid of the golden sheet: one band per style, one row per content, content and style before the models.

    Bands stand in as many panels side by side as make the images largest on the page.
    """
    bare = []
    for panels in range(1, styles + 1):
        rows = math.ceil(styles / panels) * contents
        bands = tuple(range(contents, rows, contents))
        bare.append(Grid(2 + models, rows, panels, bands, wide_columns=(2,), header=HEADER, side=0))
    return max((fitted(grid) for grid in bare), key=lambda grid: grid.side)


def fitted(bare: Grid) -> Grid:
    """A grid of side 0 (gaps and labels alone) with the largest images that the page holds."""
    width, height = (round(mm / 25.4 * DPI) for mm in PAGE_MM)
    across, down = (width - bare.size[0]) // (bare.columns * bare.panels), (height - bare.size[1]) // bare.rows
    return replace(bare, side=max(1, min(across, down, _LARGEST_SIDE)))


def golden_sheet(results: Path, contents: int, styles: int, models: Sequence[str]) -> Sheet:
    """The golden sheet: a row per pair (a band per style), columns content, style and each model.

    Reads images/golden/{c0,s0}.png and golden/<model>/c0_s0.png. Preprint, Figure 2. UserError if one is missing.
    """
    grid = golden_grid(contents, styles, len(models))
    per_panel = grid.rows // contents
    sheet = Image.new("RGB", grid.size, "white")
    for style in range(styles):
        panel, band = divmod(style, per_panel)
        for content in range(contents):
            both = called.name("content", content, called.GOLDEN), called.name("style", style, called.GOLDEN)
            paths = [results / "images" / "golden" / f"{name}.png" for name in both]
            paths += [results / "golden" / model / f"{called.pair(*both)}.png" for model in models]
            for column, path in enumerate(paths):
                sheet.paste(enlarged(path, grid.side), grid.corner(panel, band * contents + content, column))
    names = ["content", "style", *models]
    size = font_size(names, grid.side)
    labels = [
        Label(name, grid.corner(panel, 0, column)[0] + grid.side / 2, grid.header - 14, size)
        for panel in range(min(grid.panels, math.ceil(styles / per_panel)))
        for column, name in enumerate(names)
    ]
    return Sheet(sheet, tuple(labels))


def dataset_samples(results: Path, block: str = "train/0000", most: int = 6) -> Sheet:
    """Images of a training block: contents down, styles across, the teacher's image where they meet.

    Shows up to `most` contents and styles in the order of blocks/<block>.csv (columns name, role).
    """
    contents, styles = block_names(results, block, most)
    grid = samples_grid(len(contents), len(styles))
    sheet = Image.new("RGB", grid.size, "white")
    crops, teacher = results / "images" / block, results / "teacher" / block
    for column, style in enumerate(styles, 1):
        sheet.paste(enlarged(crops / f"{style}.png", grid.side), grid.corner(0, 0, column))
    for row, content in enumerate(contents, 1):
        sheet.paste(enlarged(crops / f"{content}.png", grid.side), grid.corner(0, row, 0))
        for column, style in enumerate(styles, 1):
            made = teacher / f"{called.pair(content, style)}.png"
            if made.is_file():  # of finished triplets each content has one style
                sheet.paste(enlarged(made, grid.side), grid.corner(0, row, column))
    size = font_size(["contents", "styles"], grid.side)
    middle = grid.side / 2
    return Sheet(sheet, (Label("styles →", middle, middle - 4, size), Label("contents ↓", middle, middle + size, size)))


def samples_grid(contents: int, styles: int) -> Grid:
    """The grid of the samples: styles in the first row, contents in the first column."""
    return fitted(Grid(1 + styles, 1 + contents, 1, wide_rows=(1,), wide_columns=(1,), header=0, side=0))


def block_names(results: Path, block: str, most: int) -> tuple[list[str], list[str]]:
    """Names of the first contents and styles of a block, at most `most` each, spread over its sources."""
    table = pd.read_csv(results / "blocks" / f"{block}.csv", dtype=str)
    contents, styles = ([str(name) for name in table["name"][table["role"] == role]] for role in ("content", "style"))
    return spread(contents, most), spread(styles, most)


def spread(names: list[str], most: int) -> list[str]:
    """At most `most` of the names, in equal steps: sources stand one after the other, and some of each should show."""
    count = min(most, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def extreme_pairs(results: Path, found: dict[str, Extremes], measure: str) -> Sheet:
    """The validation pairs that each model does best and worst: content, style, teacher, its image, distance beneath.

    found: model -> its closest and farthest pairs. Reads validation/<model>/<pair>.png beside the pairs' own files.
    """
    rows = {side: [(model, judged) for model in found for judged in getattr(found[model], side)] for side in _SIDES}
    per_model = len(rows["closest"]) // len(found)
    grid = extremes_grid(len(found), per_model)
    sheet, labels = Image.new("RGB", grid.size, "white"), []
    names = ["content", "style", "teacher", "model"]
    header_size = font_size(names, grid.side)
    said = {side: [f"{model}  {number(judged.distance)}" for model, judged in rows[side]] for side in _SIDES}
    caption_size = min(CAPTION - 10, font_size([text for texts in said.values() for text in texts], grid.side))
    for panel, (side, title) in enumerate(_SIDES.items()):
        left, right = (grid.corner(panel, 0, column)[0] for column in (0, 3))
        title = f"{title} {DISTANCES[measure]}"
        labels.append(Label(title, (left + right + grid.side) / 2, HEADER - 8, font_size([title], 4 * grid.side)))
        for row, (model, judged) in enumerate(rows[side]):
            for column, path in enumerate(judged_files(results, model, judged)):
                x, y = grid.corner(panel, row, column)
                sheet.paste(enlarged(path, grid.side), (x, y))
                if row == 0:
                    labels.append(Label(names[column], x + grid.side / 2, grid.header - 14, header_size))
            labels.append(Label(said[side][row], x + grid.side / 2, y + grid.side + CAPTION - 10, caption_size))
    return Sheet(sheet, tuple(labels))


_SIDES = {"closest": "smallest", "farthest": "largest"}


def extremes_grid(models: int, per_model: int) -> Grid:
    """The grid of the extreme pairs: closest left, farthest right, a band per student."""
    rows = models * per_model
    bands = tuple(range(per_model, rows, per_model))
    return fitted(Grid(4, rows, 2, bands, wide_columns=(2,), header=2 * HEADER, side=0, caption=CAPTION))


def judged_files(results: Path, model: str, judged: Judged) -> tuple[Path, Path, Path, Path]:
    """Files of a validation pair: content, style, the teacher's image, the model's."""
    made = [results / "validation" / name / f"{judged.pair.name}.png" for name in ("teacher", model)]
    return judged.pair.content_file, judged.pair.style_file, made[0], made[1]


@cache
def enlarged(path: Path, side: int) -> Image.Image:
    """The image of a file, scaled to `side` x `side` pixels."""
    return enlarge(open_rgb(path), side)


def enlarge(image: Image.Image, side: int) -> Image.Image:
    """An image scaled to `side` x `side` pixels by Lanczos."""
    return image.resize((side, side), Image.Resampling.LANCZOS)


def font_size(texts: Sequence[str], width: int) -> int:
    """Height in pixels of the largest font in which each text fits `width`, within the limits of the sheets."""
    widest = max(_font(100).getlength(text) for text in texts) / 100
    return max(_SMALLEST_FONT, min(_FONT_PIXELS, int(width * 0.96 / widest)))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib carries this font, so that sheets look alike on every machine.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def save_sheet(sheet: Sheet, path: Path) -> None:
    """Write `path`.png and `path`.pdf."""
    labeled = sheet.image.copy()
    draw = ImageDraw.Draw(labeled)
    for label in sheet.labels:
        draw.text((label.x, label.y), label.text, fill=INK, font=_font(label.size), anchor="ms")
    buffer = io.BytesIO()
    labeled.save(buffer, format="PNG", dpi=(DPI, DPI))
    write_together({path.with_suffix(".png"): buffer.getvalue(), path.with_suffix(".pdf"): sheet_pdf(sheet)})


def sheet_pdf(sheet: Sheet) -> bytes:
    """One PDF page of the sheet's size: the image as JPEG (quality 92, full color resolution), labels as outlines.

    Written by hand, since matplotlib stores images losslessly (ten times the bytes) and Pillow knows no text.
    """
    jpeg = io.BytesIO()
    sheet.image.save(jpeg, format="JPEG", quality=92, subsampling=0, optimize=True)
    width, height = sheet.image.size
    scale = 72 / DPI
    drawing = [f"{scale:.6f} 0 0 {scale:.6f} 0 0 cm q {width} 0 0 {height} 0 0 cm /S Do Q 0.13 g"]
    drawing += [_outlines(label, height) for label in sheet.labels]
    content = zlib.compress("\n".join(drawing).encode(), 9)
    box = f"[0 0 {width * scale:.3f} {height * scale:.3f}]"
    image = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB "
        f"/BitsPerComponent 8 /Filter /DCTDecode"
    )
    page = f"/Type /Page /Parent 2 0 R /MediaBox {box} /Contents 5 0 R /Resources << /XObject << /S 4 0 R >> >>"
    return _pdf_file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< {page} >>".encode(),
            _pdf_stream(image, jpeg.getvalue()),
            _pdf_stream("/Filter /FlateDecode", content),
        ]
    )


def _pdf_stream(entries: str, data: bytes) -> bytes:
    return f"<< {entries} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def _pdf_file(objects: list[bytes]) -> bytes:
    file, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for place, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += f"{place} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


def _outlines(label: Label, height: int) -> str:
    """The label's glyphs as PDF path operators, in pixels from the lower left corner."""
    path = TextPath((0, 0), label.text, size=label.size, prop={"family": "DejaVu Sans"})
    left = label.x - path.get_extents().width / 2 - path.get_extents().x0
    low = height - label.y
    operators, last = [], (0.0, 0.0)
    for points, code in path.iter_segments(curves=True, simplify=False):
        moved = [(x + left, y + low) for x, y in zip(points[::2], points[1::2], strict=True)]
        if code == Outline.CURVE3:  # TrueType curves are quadratic, PDF's are cubic
            (cx, cy), (x, y) = moved
            moved = [
                (last[0] + (cx - last[0]) * 2 / 3, last[1] + (cy - last[1]) * 2 / 3),
                (x + (cx - x) * 2 / 3, y + (cy - y) * 2 / 3),
                (x, y),
            ]
        if code == Outline.CLOSEPOLY:
            operators.append("h")
            continue
        numbers = " ".join(f"{x:.2f} {y:.2f}" for x, y in moved)
        operators.append(f"{numbers} { {Outline.MOVETO: 'm', Outline.LINETO: 'l'}.get(code, 'c') }")
        last = moved[-1]
    return "\n".join([*operators, "f"])
