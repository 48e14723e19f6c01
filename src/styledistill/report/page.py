"""The report: one HTML page that holds everything it shows and opens without a server or a network."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pandas as pd
import yaml
from matplotlib.figure import Figure

from ..config import CONTROLS, Config
from ..core.files import read_json, write_text
from ..core.images import open_rgb
from . import figures
from .records import duration, read_records, stage_costs, versions
from .tables import MEASURES, notes

# Base64 characters that the golden pictures may take; with samples and charts the page then stays below 20 MB.
_PICTURE_BUDGET = 14_000_000
_SAMPLES = 6
_CONTROLS_SAY = {
    "content": "the content picture, unchanged",
    "style": "the style picture, unchanged",
    "recolor": "content with the style's mean and deviation per colour channel",
    "teacher": "StyleID, the model that is distilled",
    "pretrained": "the student before distillation",
}
_BENCHMARK_TITLES = {
    "parameters": "Parameters",
    "megabytes": "Weights, MB",
    "seconds": "Seconds per picture",
    "seconds_iqr": "Interquartile range, s",
    "peak_memory_mb": "Peak memory, MB",
    "device": "Device",
}


def write_page(results: Path, config: Config, out: Path) -> None:
    """Write the report of the run in `results` to `out`. Reads pictures, tables, histories and records of the run."""
    write_text(out, render(page_context(results, config)))


def render(context: dict[str, Any]) -> str:
    """The page's HTML from its context (see `page_context`)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "number": number}
    return environment.get_template("page.html.j2").render(context)


def page_context(results: Path, config: Config) -> dict[str, Any]:
    """All that the page shows, gathered from a run; keys are the names that the template uses."""
    records = read_records(results)
    metrics = pd.read_csv(results / "tables" / "metrics.csv", dtype=str, keep_default_na=False)
    benchmark = pd.read_csv(results / "tables" / "benchmark.csv", dtype=str, keep_default_na=False)
    histories = {loss: pd.read_csv(results / "students" / loss / "history.csv") for loss in config.losses}
    pictures, encoding = inline_pictures(golden_files(results, config), _PICTURE_BUDGET)
    samples, matrix = _samples(results)
    golden = _floats(metrics[metrics["set"] == "golden"])
    return {
        "config": config,
        "facts": _facts(results, config),
        "glance": glance(golden, _floats(benchmark), list(config.losses)),
        "warnings": warnings(config, _floats(metrics), histories, records),
        "models": {model: _about(model, config) for model in config.models},
        "contents": [f"c{number}" for number in range(_count(config.golden.contents))],
        "styles": [f"s{number}" for number in range(_count(config.golden.styles))],
        "encoding": encoding,
        "metrics": {name: metrics_table(rows, config) for name, rows in metrics.groupby("set", sort=False)},
        "notes": notes(_floats(metrics), config.metrics.fid_minimum),
        "benchmark": plain_table(benchmark, {"model": "Model"} | _BENCHMARK_TITLES),
        "curves": svg(figures.loss_curves(histories), "curves"),
        "quality": svg(figures.quality_cost(golden, _floats(benchmark), config.models), "quality"),
        "samples": matrix,
        "excluded": _excluded(results),
        "costs": stage_costs(records),
        "versions": versions(records),
        "yaml": yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100),
        "data": _script_json({"pictures": pictures | samples, "scores": _pair_scores(results, config)}),
    }


# --- pictures ---------------------------------------------------------------------------------------------------


def golden_files(results: Path, config: Config) -> dict[str, Path]:
    """Name in the page -> file: c0, s0, and <model>/c0_s0 for every model that makes pictures of its own."""
    contents, styles = _count(config.golden.contents), _count(config.golden.styles)
    names = [f"c{number}" for number in range(contents)] + [f"s{number}" for number in range(styles)]
    made = [model for model in config.models if model not in ("content", "style")]
    pairs = [f"{model}/c{c}_s{s}" for model in made for s in range(styles) for c in range(contents)]
    return {name: results / "images" / "golden" / f"{name}.png" for name in names} | {
        name: results / "golden" / f"{name}.png" for name in pairs
    }


def inline_pictures(files: dict[str, Path], budget: int) -> tuple[dict[str, str], str]:
    """Data URIs of pictures, as good as `budget` characters allow, and in words how they are encoded.

    The files' own PNG bytes if they fit, else WebP of quality 90, else WebP of quality 75 at no more than 384 pixels.
    """
    uris = {name: _data_uri("png", path.read_bytes()) for name, path in files.items()}
    if _length(uris) <= budget:
        return uris, "pixel for pixel (PNG)"
    uris = {name: _data_uri("webp", _webp(path, 90)) for name, path in files.items()}
    if _length(uris) <= budget:
        return uris, "as WebP of quality 90; the files of the run are lossless"
    uris = {name: _data_uri("webp", _webp(path, 75, 384)) for name, path in files.items()}
    return uris, "as WebP of quality 75, at most 384 pixels wide; the files of the run are lossless and whole"


def _length(uris: dict[str, str]) -> int:
    return sum(map(len, uris.values()))


def _webp(path: Path, quality: int, side: int | None = None) -> bytes:
    picture = open_rgb(path)
    if side:
        picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _samples(results: Path, block: str = "train/0000") -> tuple[dict[str, str], dict[str, list[str]]]:
    contents, styles = figures.block_names(results, block, _SAMPLES)
    files = {f"samples/{name}": results / "images" / block / f"{name}.png" for name in (*contents, *styles)}
    files |= {f"samples/{c}_{s}": results / "teacher" / block / f"{c}_{s}.png" for c in contents for s in styles}
    uris = {name: _data_uri("webp", _webp(path, 90, 256)) for name, path in files.items()}
    return uris, {"contents": contents, "styles": styles}


# --- words ------------------------------------------------------------------------------------------------------


def warnings(
    config: Config, metrics: pd.DataFrame, histories: dict[str, pd.DataFrame], records: list[dict[str, Any]]
) -> list[str]:
    """What a reader must know before believing a number, one sentence or two each."""
    used = ("vgg19", config.metrics.lpips, config.metrics.fid)
    seeded = [name for name in used if getattr(config.networks, name) == "seeded"]
    said = []
    if seeded:
        said.append(
            f"The fixed networks {_listed(seeded)} have seeded random weights (nothing was downloaded). Numbers made "
            "with them compare the rows of this page with each other, never with published figures."
        )
    few = metrics[metrics["pairs"] < config.metrics.fid_minimum].drop_duplicates("set")
    if len(few):
        sets = _listed([f"{row['set']} has {row['pairs']:.0f} pairs" for _, row in few.iterrows()])
        said.append(
            f"FID and ArtFID are greyed: {sets}, below the {config.metrics.fid_minimum} that the measure needs. "
            "Gram and colour distances stand for style there."
        )
    for loss, history in histories.items():
        if len(config.losses[loss]) > 1:
            said += _share_warnings(loss, history)
    mixed = {package: found for package, found in versions(records).items() if len(found) > 1}
    for package, found in mixed.items():
        said.append(f"Parts of this run were made with different versions of {package}: {_listed(found)}.")
    return said


def _share_warnings(loss: str, history: pd.DataFrame) -> list[str]:
    """At most one sentence, about the term that is farthest from an even share of the gradient."""
    shares = history[[name for name in history if name.startswith("share_")]].astype(float)
    outside = shares.lt(0.05) | shares.gt(0.95)
    if not outside.any(axis=None):
        return []
    column = (shares - 0.5).abs().where(outside).max().idxmax()
    held = shares[column][outside[column]]
    effect = "the others hardly acted" if held.iloc[0] > 0.5 else "it hardly acted"
    return [
        f"Loss {loss}: in {len(held)} of {len(shares)} epochs the term {column.removeprefix('share_')} held "
        f"{_span(held)} of the gradient, outside the range of 5 to 95 %: {effect}."
    ]


def _span(shares: pd.Series) -> str:
    low, high = f"{shares.min() * 100:.1f}", f"{shares.max() * 100:.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


@dataclass(frozen=True)
class Glance:
    """What one loss achieved on the golden set; None where a number is missing."""

    loss: str
    of_pretrained: float | None  # teacher_mse as a part of pretrained's
    of_recolor: float | None
    sharpness: float | None  # Laplacian energy as a part of the teacher's
    faster: float | None  # times the teacher's speed
    megabytes: float | None


def glance(metrics: pd.DataFrame, benchmark: pd.DataFrame, losses: Sequence[str]) -> list[Glance]:
    """Each loss against pretrained, recolor and the teacher. metrics: rows of one set; both tables bear `model`."""
    scores, costs = metrics.set_index("model"), benchmark.set_index("model")

    def of(table: pd.DataFrame, model: str, column: str) -> float | None:
        value = table[column].get(model) if column in table else None
        return None if value is None or not math.isfinite(value) else float(value)

    def part(table: pd.DataFrame, column: str, above: str, below: str) -> float | None:
        upper, lower = of(table, above, column), of(table, below, column)
        return None if upper is None or not lower else upper / lower

    return [
        Glance(
            loss,
            part(scores, "teacher_mse", loss, "pretrained"),
            part(scores, "teacher_mse", loss, "recolor"),
            part(scores, "laplacian_energy", loss, "teacher"),
            part(costs, "seconds", "teacher", loss),
            of(costs, loss, "megabytes"),
        )
        for loss in losses
    ]


def _facts(results: Path, config: Config) -> list[tuple[str, str]]:
    pairs = {split: results / "shards" / f"{split}.json" for split in ("train", "val")}
    counts = {split: read_json(path)["pairs"] for split, path in pairs.items() if path.exists()}
    golden = _count(config.golden.contents), _count(config.golden.styles)
    return [
        *((f"{'training' if split == 'train' else 'validation'} pairs", f"{n:,}") for split, n in counts.items()),
        ("golden pairs", f"{golden[0]} × {golden[1]}"),
        ("pixels", f"{config.image_size} × {config.image_size}"),
        ("teacher steps", str(config.teacher.steps)),
        ("student", config.student.size),
        ("seed", str(config.seed)),
    ]


def _about(model: str, config: Config) -> str:
    if model in config.losses:
        return " + ".join(f"{weight:g} {term}" for term, weight in config.losses[model].items())
    return _CONTROLS_SAY[model]


def _excluded(results: Path) -> dict[str, Any] | None:
    """Pictures that could not be taken, from index/<source>.excluded.csv (picture, reason); None if there are none."""
    tables = []
    for path in sorted(results.glob("index/*.excluded.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.insert(0, "source", path.name.removesuffix(".excluded.csv"))
        tables.append(table)
    gathered = pd.concat(tables) if tables else pd.DataFrame()
    return (
        plain_table(gathered, {"source": "Source", "picture": "Picture", "reason": "Reason"}) if len(gathered) else None
    )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(pictures: dict[str, int | list[str]]) -> int:
    return sum(value if isinstance(value, int) else len(value) for value in pictures.values())


# --- tables -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """`value` is the CSV's own text, by which the page sorts; `text` is what stands there."""

    value: str
    text: str
    interval: str = ""
    marks: tuple[str, ...] = field(default=())  # best, greyed, number


def metrics_table(rows: pd.DataFrame, config: Config) -> dict[str, Any]:
    """Head and rows of one set's metrics. rows: strings as in tables/metrics.csv."""
    measures = [measure for measure in MEASURES if measure.name in rows]
    arrows = {"min": "↓", "max": "↑", None: ""}
    head = [("model", "Model", "")] + [(m.name, m.title, arrows[m.best]) for m in measures]
    table = _floats(rows).reset_index(drop=True)
    best = {measure.name: _best(table, measure.name, measure.best) for measure in measures}
    body = []
    for index, row in rows.reset_index(drop=True).iterrows():
        cells = [_measured(row, m.name, best[m.name] == index) for m in measures]
        body.append([Cell(row["model"], row["model"]), *cells])
    return {"head": head, "rows": body, "pairs": int(table["pairs"].iloc[0])}


def _measured(row: pd.Series, name: str, best: bool) -> Cell:
    greyed = name in ("fid", "artfid") and row.get("fid_greyed", "False") == "True"
    ends = [row.get(f"{name}_{end}", "") for end in ("low", "high")]
    interval = f"[{number(ends[0])}, {number(ends[1])}]" if all(ends) and math.isfinite(float(ends[0])) else ""
    marks = ("number", *(["best"] if best else []), *(["greyed"] if greyed else []))
    return Cell(row[name], number(row[name]), interval, marks)


def _best(table: pd.DataFrame, name: str, best: str | None) -> int | None:
    # As in tables.py: students compete among themselves, and never by a greyed FID.
    values = table[name][~table["model"].isin([*CONTROLS, "teacher"])]
    if name in ("fid", "artfid") and "fid_greyed" in table:
        values = values[table["fid_greyed"] != "True"]
    if best is None or values.count() < 2:
        return None
    return int(values.idxmin() if best == "min" else values.idxmax())


def plain_table(table: pd.DataFrame, titles: dict[str, str]) -> dict[str, Any]:
    """Head and rows of any table of strings; columns that `titles` does not know keep their name and come last."""
    columns = [name for name in titles if name in table] + [name for name in table if name not in titles]
    numeric = {name for name in columns if all(_is_number(text) for text in table[name])}
    rows = [
        [
            Cell(row[name], number(row[name]), marks=("number",)) if name in numeric else Cell(row[name], row[name])
            for name in columns
        ]
        for _, row in table.iterrows()
    ]
    return {"head": [(name, titles.get(name, name), "") for name in columns], "rows": rows}


def _is_number(text: str) -> bool:
    return text == "" or (bool(re.fullmatch(r"-?(\d+\.?\d*(e[-+]?\d+)?|inf|nan)", text)) and not text.startswith("00"))


def number(value: str | float) -> str:
    """Three significant digits, thousands separated, an exponent only below 0.00001; – where there is none."""
    value = float(value) if value != "" else math.nan
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}" if digits <= 7 else f"{value:.1e}"


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers as floats (empty: NaN), others as they are."""
    return table.apply(
        lambda column: pd.to_numeric(column.replace("", "nan")) if all(map(_is_number, column)) else column
    )


# --- what scripts in the page read ------------------------------------------------------------------------------


def _pair_scores(results: Path, config: Config) -> dict[str, dict[str, dict[str, float]]]:
    """model -> golden pair -> the measures shown beneath an enlarged picture."""
    shown = ("teacher_mse", "teacher_lpips", "lpips")
    scores = {}
    for model in config.models:
        table = pd.read_csv(results / "metrics" / f"{model}.csv")
        table = table[table["set"] == "golden"].set_index("pair")
        columns = [name for name in shown if name in table]
        scores[model] = {
            str(pair): {name: float(f"{row[name]:.4g}") for name in columns if math.isfinite(row[name])}
            for pair, row in table[columns].iterrows()
        }
    return scores


def _script_json(value: Any) -> str:
    # Inside <script> only "</" could end the element early; JSON may write it as <\/.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def svg(figure: Figure, name: str) -> str:
    """A chart as SVG inside HTML: ink in the page's own colour, identifiers prefixed by `name`, nothing referred to."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "styledistill"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', text, count=1)
    return text.replace(figures.INK, "currentColor")
