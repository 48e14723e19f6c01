"""Figures for print, as PNG and PDF: the golden sheet, loss curves, dataset samples, quality against cost.

Sheets of pictures are laid out in pixels at 300 dpi on a page of 180 x 250 mm; their PDF carries the pictures as JPEG
and the labels as outlines. Charts are drawn by matplotlib. Equal inputs give equal bytes: no file carries a date.
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
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image, ImageDraw, ImageFont

from ..core.errors import UserError
from ..core.files import write_bytes
from ..core.images import open_rgb

DPI = 300
PAGE_MM = (180, 250)
_GAP = 6  # pixels between pictures: 0.5 mm
_BAND_GAP = 24  # between the styles' bands
_PANEL_GAP = 60  # between panels side by side
_HEADER = 48  # height of the line of labels
_FONT_PIXELS = 33  # 8 points at 300 dpi
_SMALLEST_FONT = 17  # 4 points
_LARGEST_SIDE = 384

# Okabe and Ito's palette: told apart with any colour vision. Shapes tell the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#222222"
# Models that every run has are grey, so that a loss has one colour in every figure.
_FIXED_LOOKS = {"teacher": (INK, "*"), "pretrained": ("#7f7f7f", "X"), "recolor": ("#b0b0b0", "o")}
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "styledistill",
}


# --- sheets of pictures -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """Text on a sheet: centred at x, standing on the baseline y, in pixels; height of the font in pixels."""

    text: str
    x: float
    y: float
    size: int


@dataclass(frozen=True)
class Sheet:
    """A picture without its labels, and the labels; both together make the PNG and the PDF."""

    picture: Image.Image
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Grid:
    """Where the cells of a sheet stand: `panels` side by side, each of `rows` x `columns` squares of `side` pixels.

    A wider gap stands before the rows and columns named in `wide_rows` and `wide_columns`; above each panel a line of
    labels of `header` pixels.
    """

    columns: int
    rows: int
    panels: int
    wide_rows: tuple[int, ...]
    wide_columns: tuple[int, ...]
    header: int
    side: int

    def corner(self, panel: int, row: int, column: int) -> tuple[int, int]:
        """Left and top pixel of a cell."""
        step, wider = self.side + _GAP, _BAND_GAP - _GAP
        panel_step = self.columns * step - _GAP + len(self.wide_columns) * wider + _PANEL_GAP
        x = panel * panel_step + column * step + sum(column >= wide for wide in self.wide_columns) * wider
        y = self.header + row * step + sum(row >= wide for wide in self.wide_rows) * wider
        return x, y

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels."""
        x, y = self.corner(self.panels - 1, self.rows - 1, self.columns - 1)
        return x + self.side, y + self.side


def golden_grid(contents: int, styles: int, models: int) -> Grid:
    """The grid of the golden sheet: one band per style, one row per content, content and style before the models.

    Bands stand in as many panels side by side as make the pictures largest on the page.
    """
    bare = []
    for panels in range(1, styles + 1):
        rows = math.ceil(styles / panels) * contents
        bands = tuple(range(contents, rows, contents))
        bare.append(Grid(2 + models, rows, panels, bands, wide_columns=(2,), header=_HEADER, side=0))
    return max((_fitted(grid) for grid in bare), key=lambda grid: grid.side)


def _fitted(bare: Grid) -> Grid:
    """A grid of side 0 (gaps and labels alone) with the largest pictures that the page holds."""
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
            paths = [results / "images" / "golden" / f"{name}.png" for name in (f"c{content}", f"s{style}")]
            paths += [results / "golden" / model / f"c{content}_s{style}.png" for model in models]
            for column, path in enumerate(paths):
                sheet.paste(_enlarged(path, grid.side), grid.corner(panel, band * contents + content, column))
    names = ["content", "style", *models]
    size = _font_size(names, grid.side)
    labels = [
        Label(name, grid.corner(panel, 0, column)[0] + grid.side / 2, grid.header - 14, size)
        for panel in range(min(grid.panels, math.ceil(styles / per_panel)))
        for column, name in enumerate(names)
    ]
    return Sheet(sheet, tuple(labels))


def dataset_samples(results: Path, block: str = "train/0000", most: int = 6) -> Sheet:
    """Pictures of a training block: contents down, styles across, the teacher's picture where they meet.

    Shows up to `most` contents and styles in the order of blocks/<block>.csv (columns name, role).
    """
    contents, styles = block_names(results, block, most)
    grid = samples_grid(len(contents), len(styles))
    sheet = Image.new("RGB", grid.size, "white")
    crops, teacher = results / "images" / block, results / "teacher" / block
    for column, style in enumerate(styles, 1):
        sheet.paste(_enlarged(crops / f"{style}.png", grid.side), grid.corner(0, 0, column))
    for row, content in enumerate(contents, 1):
        sheet.paste(_enlarged(crops / f"{content}.png", grid.side), grid.corner(0, row, 0))
        for column, style in enumerate(styles, 1):
            sheet.paste(_enlarged(teacher / f"{content}_{style}.png", grid.side), grid.corner(0, row, column))
    size = _font_size(["contents", "styles"], grid.side)
    middle = grid.side / 2
    return Sheet(sheet, (Label("styles →", middle, middle - 4, size), Label("contents ↓", middle, middle + size, size)))


def samples_grid(contents: int, styles: int) -> Grid:
    """The grid of the samples: styles in the first row, contents in the first column."""
    return _fitted(Grid(1 + styles, 1 + contents, 1, wide_rows=(1,), wide_columns=(1,), header=0, side=0))


def block_names(results: Path, block: str, most: int) -> tuple[list[str], list[str]]:
    """Names of the first contents and styles of a block, at most `most` each, spread over its sources."""
    table = pd.read_csv(results / "blocks" / f"{block}.csv", dtype=str)
    contents, styles = ([str(name) for name in table["name"][table["role"] == role]] for role in ("content", "style"))
    return _spread(contents, most), _spread(styles, most)


def _spread(names: list[str], most: int) -> list[str]:
    # A block lists its sources one after the other; equal steps show some of each.
    count = min(most, len(names))
    return [names[index * len(names) // count] for index in range(count)]


@cache
def _enlarged(path: Path, side: int) -> Image.Image:
    return enlarge(open_rgb(path), side)


def enlarge(picture: Image.Image, side: int) -> Image.Image:
    """A picture scaled to `side` x `side` pixels by Lanczos."""
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def _font_size(texts: Sequence[str], width: int) -> int:
    widest = max(_font(100).getlength(text) for text in texts) / 100
    return max(_SMALLEST_FONT, min(_FONT_PIXELS, int(width * 0.96 / widest)))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib carries this font, so that sheets look alike on every machine.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def save_sheet(sheet: Sheet, path: Path) -> None:
    """Write `path`.png and `path`.pdf."""
    labelled = sheet.picture.copy()
    draw = ImageDraw.Draw(labelled)
    for label in sheet.labels:
        draw.text((label.x, label.y), label.text, fill=INK, font=_font(label.size), anchor="ms")
    buffer = io.BytesIO()
    labelled.save(buffer, format="PNG", dpi=(DPI, DPI))
    write_bytes(path.with_suffix(".png"), buffer.getvalue())
    write_bytes(path.with_suffix(".pdf"), sheet_pdf(sheet))


def sheet_pdf(sheet: Sheet) -> bytes:
    """One PDF page of the sheet's size: the picture as JPEG (quality 92, full colour resolution), labels as outlines.

    Written by hand, since matplotlib stores pictures losslessly (ten times the bytes) and Pillow knows no text.
    """
    jpeg = io.BytesIO()
    sheet.picture.save(jpeg, format="JPEG", quality=92, subsampling=0, optimize=True)
    width, height = sheet.picture.size
    scale = 72 / DPI
    drawing = [f"{scale:.6f} 0 0 {scale:.6f} 0 0 cm q {width} 0 0 {height} 0 0 cm /S Do Q 0.13 g"]
    drawing += [_outlines(label, height) for label in sheet.labels]
    content = zlib.compress("\n".join(drawing).encode(), 9)
    box = f"[0 0 {width * scale:.3f} {height * scale:.3f}]"
    picture = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB "
        f"/BitsPerComponent 8 /Filter /DCTDecode"
    )
    page = f"/Type /Page /Parent 2 0 R /MediaBox {box} /Contents 5 0 R /Resources << /XObject << /S 4 0 R >> >>"
    return _pdf_file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< {page} >>".encode(),
            _pdf_stream(picture, jpeg.getvalue()),
            _pdf_stream("/Filter /FlateDecode", content),
        ]
    )


def _pdf_stream(entries: str, data: bytes) -> bytes:
    return f"<< {entries} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def _pdf_file(objects: list[bytes]) -> bytes:
    file, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
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


# --- charts -----------------------------------------------------------------------------------------------------


def loss_curves(histories: dict[str, pd.DataFrame], width: float = 7.09) -> Figure:
    """Training and validation loss per epoch, one panel per loss; dotted lines where the learning rate was reduced.

    histories: loss -> table with columns epoch, train_loss, val_loss, learning_rate (those missing are not drawn).
    Panels have their own scale: losses with different weights do not compare by value. width in inches.
    """
    columns = min(len(histories), 3)
    rows = math.ceil(len(histories) / columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, 0.35 + 2.0 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for number, (name, history) in enumerate(histories.items()):
            _loss_panel(axes[number], name, history, COLOURS[number % len(COLOURS)])
        for unused in list(axes)[len(histories) :]:
            unused.remove()
        figure.legend(handles=_line_kinds(), loc="outside upper right", ncols=3, frameon=False, fontsize=7)
    return figure


def _line_kinds() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, linewidth=1.0, linestyle="--", alpha=0.75, label="training"),
        Line2D([], [], color=INK, linewidth=1.6, label="validation"),
        Line2D([], [], color=INK, linewidth=0, marker="o", markersize=4, label="best"),
    ]


def _loss_panel(axes, name: str, history: pd.DataFrame, colour: str) -> None:
    epochs = history["epoch"] if "epoch" in history else history.index + 1
    shown = [column for column in ("train_loss", "val_loss") if column in history]
    for column in shown:
        train = column == "train_loss"
        axes.plot(
            epochs,
            history[column],
            color=colour,
            linestyle="--" if train else "-",
            linewidth=1.0 if train else 1.6,
            alpha=0.75 if train else 1.0,
            marker="." if len(history) < 3 else None,
        )
    for epoch, rate in rate_reductions(history):
        axes.axvline(epoch, color=INK, linewidth=0.6, linestyle=":")
        axes.annotate(
            f"rate {rate:.2g}",
            (epoch, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-2, -2),
            textcoords="offset points",
            rotation=90,
            fontsize=6,
            va="top",
            ha="right",
        )
    if "val_loss" in history and history["val_loss"].notna().any():
        best = history["val_loss"].idxmin()
        axes.plot([epochs[best]], [history["val_loss"][best]], "o", color=colour, markersize=4)
    values = history[shown].to_numpy(dtype=float)
    if values.size and values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(_PLAIN)
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="both", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("epoch")
    axes.set_title(name, fontsize=9, loc="left")


def rate_reductions(history: pd.DataFrame) -> list[tuple[float, float]]:
    """(first epoch with the new rate, the new rate) for every reduction of the learning rate."""
    if "learning_rate" not in history:
        return []
    rates = history["learning_rate"].to_numpy(dtype=float)
    epochs = history["epoch"].to_numpy(dtype=float) if "epoch" in history else history.index.to_numpy() + 1.0
    return [
        (float(epochs[at]), float(rates[at])) for at in range(1, len(rates)) if rates[at] < rates[at - 1] * (1 - 1e-9)
    ]


def quality_cost(metrics: pd.DataFrame, benchmark: pd.DataFrame, models: Sequence[str], width: float = 7.09) -> Figure:
    """Distance to the teacher against seconds per picture and against the weights' megabytes.

    metrics: rows of one set, column `model` and `teacher_lpips` or `teacher_mse`; benchmark: column `model` and the
    columns of `COSTS`. The teacher stands at distance 0. Lower left is better in both panels.
    """
    quality = next((name for name in ("teacher_lpips", "teacher_mse") if name in metrics), None)
    costs = [(column, title) for column, title in COSTS.items() if column in benchmark]
    if quality is None or not costs:
        raise UserError("tables: no distance to the teacher or no cost to draw; run the score and benchmark stages")
    table = benchmark.merge(metrics[["model", *(c for c in metrics if c.startswith(quality))]], on="model")
    table = (
        table[table["model"].isin(models)].set_index("model").reindex([m for m in models if m in set(table["model"])])
    )
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, 2.6), layout="constrained")
        panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
        for axes, (column, title) in zip(panels, costs, strict=True):
            _cost_panel(axes, table, quality, column, title)
        panels[0].set_ylabel({"teacher_lpips": "LPIPS to the teacher", "teacher_mse": "MSE to the teacher"}[quality])
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=7)
    return figure


COSTS = {"seconds": "seconds per picture", "megabytes": "megabytes of weights"}


def _cost_panel(axes, table: pd.DataFrame, quality: str, cost: str, title: str) -> None:
    looks = _looks(list(table.index))
    for model, row in table.iterrows():
        colour, marker = looks[model]
        axes.errorbar(
            row[cost],
            row[quality],
            yerr=_whiskers(row, quality),
            fmt=marker,
            color=colour,
            markersize=8 if marker == "*" else 5.5,
            elinewidth=0.8,
            alpha=0.9,
            label=model,
        )
    positive = table[cost][table[cost] > 0]
    axes.margins(0.1)
    if len(positive) == len(table) and positive.max() > 10 * positive.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif len(positive):
        axes.set_xlim(left=-0.05 * positive.max())
    axes.set_xlabel(title)


def _looks(models: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Model -> colour and marker; losses take colours in their order, as in the loss curves."""
    losses = [model for model in models if model not in _FIXED_LOOKS]
    return _FIXED_LOOKS | {
        loss: (COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]) for number, loss in enumerate(losses)
    }


def _whiskers(row: pd.Series, quality: str) -> list[list[float]] | None:
    low, high = row.get(f"{quality}_low"), row.get(f"{quality}_high")
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return None
    return [[max(row[quality] - low, 0)], [max(high - row[quality], 0)]]


def save_chart(figure: Figure, path: Path) -> None:
    """Write `path`.png (300 dpi) and `path`.pdf (vector)."""
    with matplotlib.rc_context(_STYLE):
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=metadata)
            write_bytes(path.with_suffix(suffix), buffer.getvalue())
