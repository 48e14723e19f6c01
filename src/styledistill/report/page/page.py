"""The report: one HTML page that holds everything it shows and opens without a server or a network."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from ...config import METHODS, Config, Stylizer, total
from ...core.files import read_json, write_text
from ...core.numbers import number
from ...core.provenance import duration, read_records, stage_costs, versions
from ...splits import inversions
from ...splits import names as called
from ...splits.windows import SPLITS
from ...student.strengths import strengths_of
from ..figures import charts, sheets
from ..figures.ablation import ablation_figure, ratio
from ..figures.distances import DISTANCES, Judged, distance_measure, extremes, golden_distances
from ..tables import stored
from ..tables.formats import ARROWS
from ..tables.metrics import MEASURES
from ..tables.model import Table, listed, plain
from ..tables.protocol import is_styleids
from .data_uri import inline_images, svg, webp
from .html_tables import breakdown_table, differences_tables, metrics_tables, onnx_facts
from .teachers import compared_teachers
from .warnings import cautions

# Base64 characters that the golden images may take; with samples and charts the page then stays below 20 MB.
_IMAGE_BUDGET = 14_000_000
# The golden grid shows at most so many contents and styles, spread over all of them.
_MOST_GOLDEN = 14
_SAMPLES = 6
# Golden pairs that show the teacher's variants.
_VARIED_PAIRS = 3
# Anchor of a section -> its title, in the order of the page.
SECTIONS = {
    "glance": "At a glance",
    "golden": "Golden grid",
    "compare": "Compare",
    "metrics": "Metrics",
    "differences": "Differences",
    "claims": "Claims",
    "breakdown": "Best and worst",
    "ablation": "Teacher's parts",
    "teachers": "Other teachers",
    "cost": "Speed and size",
    "losses": "Loss curves",
    "samples": "Data set",
    "stages": "Cost per stage",
    "configuration": "Configuration",
}
_CONTROLS_SAY = {
    "content": "the content image, unchanged",
    "style": "the style image, unchanged",
    "recolor": "content with the style's mean and deviation per color channel",
    "pretrained": "the student before distillation",
    "start": "the student that distillation starts from: distilled from the same teacher before, on other pairs",
}
_BENCHMARK_TITLES = {
    "model": "Model",
    "parameters": "Parameters",
    "megabytes": "Weights, MB",
    "seconds": "Seconds per image",
    "seconds_iqr": "Interquartile range, s",
    "peak_memory_mb": "Peak memory, MB",
    "device": "Device",
}


def write_page(results: Path, config: Config, out: Path) -> None:
    """Write the report of the run in `results` to `out`. Reads images, tables, histories and records of the run."""
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
    environment.globals["arrows"] = ARROWS
    return environment.get_template("page.html.j2").render(context)


def page_context(results: Path, config: Config) -> dict[str, Any]:
    """All that the page shows, gathered from a run; keys are the names that the template uses.

    Tables of the run stand here as they were said (`tables.stored`). benchmark.csv is what was measured, said here.
    """
    records = read_records(results)
    tables = results / "tables"
    metrics, differences, claims = (stored.read(tables / name) for name in ("metrics", "differences", "claims"))
    scores, benchmark = metrics.data, pd.read_csv(tables / "benchmark.csv")
    pairs = pd.read_csv(results / "metrics" / "teacher.csv")
    histories = {loss: pd.read_csv(results / "students" / loss / "history.csv") for loss in config.losses}
    golden, measure = scores[scores["set"] == "golden"], distance_measure(scores)
    distances = golden_distances(results, ["recolor", *config.starts, *config.compared], measure)
    return {
        "config": config,
        "method": METHODS[config.teacher.method],
        "sections": {name: title for name, title in SECTIONS.items() if name not in _left_out(config)},
        "facts": _facts(results, config),
        "glance": glance(golden, benchmark, list(config.losses)),
        "cautions": cautions(config, metrics.notes, pairs, histories, records),
        "models": {model: _about(model, config, records) for model in config.models},
        **_images(results, config, measure),
        "metrics": metrics_tables(metrics.tables[0]),
        "notes": metrics.tables[0].notes,
        "differences": differences_tables(differences, config.compared),
        "claims": claims.tables[0],
        # A table of an earlier configuration may still lie there.
        "published": stored.read(tables / "published").tables[0] if is_styleids(config) else None,
        "measure": DISTANCES[measure],
        "breakdown": breakdown_table(distances),
        "breakdown_chart": svg(charts.by_image(distances, measure, results / "images" / "golden"), "breakdown"),
        "benchmark": plain(benchmark, _BENCHMARK_TITLES),
        "quality": svg(charts.quality_cost(golden, benchmark, config.models, measure), "quality"),
        "variants": _variants(results) if config.variants else None,
        "onnx": onnx_facts(results, list(config.losses)),
        "curves": svg(charts.loss_curves(histories), "curves"),
        "curves_words": _curves_words(histories),
        "inversions": _inversions(results),
        "inversion_limit": inversions.LIMIT,
        "excluded": _excluded(results),
        "costs": stage_costs(records),
        "versions": versions(records),
        "yaml": yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100),
        "data": _script_json({"names": _PAIR_NUMBERS, "scores": _pair_scores(results, config)}),
        "css": _source("page.css"),
        "js": _source("page.js"),
    }


def _left_out(config: Config) -> set[str]:
    return {name for name, asked in (("ablation", config.variants), ("teachers", config.other_teachers)) if not asked}


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


# --- images ---------------------------------------------------------------------------------------------------


def _images(results: Path, config: Config, measure: str) -> dict[str, Any]:
    """The page's images as data URIs, and the names by which the template asks for them."""
    counts = {"content": total(config.golden.contents), "style": total(config.golden.styles)}
    all_names = [called.names(role, count, called.GOLDEN) for role, count in counts.items()]
    contents, styles = (sheets.spread(every, _MOST_GOLDEN) for every in all_names)
    made = [model for model in config.models if model not in ("content", "style")]
    files = {name: results / "images" / "golden" / f"{name}.png" for name in (*contents, *styles)}
    pairs = [f"{model}/{called.pair(content, style)}" for model in made for style in styles for content in contents]
    files |= {name: results / "golden" / f"{name}.png" for name in pairs}
    uris, encoding = inline_images(files, _IMAGE_BUDGET)
    samples, matrix = _samples(results)
    few = [sheets.spread(some, _VARIED_PAIRS) for some in (contents, styles)]
    varied = [called.pair(*both) for both in zip(*few, strict=False)]
    ends, found = _extremes(results, config.validated, measure)
    others, compared = compared_teachers(results, config)
    return {
        "contents": contents,
        "styles": styles,
        "golden_words": _golden_words(all_names, [contents, styles], encoding),
        "originals": {name: uris.pop(name) for name in (*contents, *styles)},
        "images": uris | samples | ends | others | _varied(results, config, varied),
        "varied": varied,
        "samples": matrix,
        "extremes": found,
        "teachers": compared,
    }


def _golden_words(every: list[list[str]], shown: list[list[str]], encoding: str) -> str:
    if shown == every:
        return f"Every golden content with every golden style, by every model, {encoding}."
    parts = [
        f"{len(some)} of {len(names)} {role}"
        for some, names, role in zip(shown, every, ("contents", "styles"), strict=True)
    ]
    return f"Of the golden set {listed(parts)}, by every model, {encoding}."


def _samples(results: Path, block: str = "train/0000") -> tuple[dict[str, str], dict[str, list[str]]]:
    contents, styles = sheets.block_names(results, block, _SAMPLES)
    files = {f"samples/{name}": results / "images" / block / f"{name}.png" for name in (*contents, *styles)}
    pairs = called.grid(contents, styles)
    files |= {f"samples/{pair}": results / "teacher" / block / f"{pair}.png" for pair in pairs}
    made = {name: path for name, path in files.items() if path.is_file()}  # of triplets each content has one style
    return {name: webp(path) for name, path in made.items()}, {"contents": contents, "styles": styles}


def _extremes(
    results: Path, models: list[str], measure: str
) -> tuple[dict[str, str], dict[str, dict[str, list[dict[str, Any]]]]]:
    """Data URIs of the extreme pairs' images, and model -> end -> pairs, each with the names of its images."""
    uris: dict[str, str] = {}

    def shown(model: str, judged: Judged) -> dict[str, Any]:
        files = sheets.judged_files(results, model, judged)
        names = [str(path.relative_to(results).with_suffix("")) for path in files]
        uris.update({name: webp(path) for name, path in zip(names, files, strict=True) if name not in uris})
        return {"name": judged.pair.name, "distance": judged.distance, "images": names}

    found = {
        model: {end: [shown(model, judged) for judged in getattr(both, end)] for end in ("closest", "farthest")}
        for model in models
        for both in [extremes(results, model, measure)]
    }
    return uris, found


def _varied(results: Path, config: Config, pairs: list[str]) -> dict[str, str]:
    """Data URIs of golden pairs by each variant of the teacher."""
    names = [f"ablation/{variant}/{pair}" for variant in config.variants for pair in pairs]
    return {name: webp(results / f"{name}.png") for name in names}


# --- words ------------------------------------------------------------------------------------------------------


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
    golden = total(config.golden.contents), total(config.golden.styles)
    first, *further = config.teacher.gammas[:1] + config.teacher.further_gammas
    return [
        *((f"{'training' if split == 'train' else 'validation'} pairs", f"{n:,}") for split, n in counts.items()),
        ("golden pairs", f"{golden[0]} × {golden[1]}"),
        ("pixels", f"{config.image_size} × {config.image_size}"),
        *((("teacher steps", str(config.teacher.steps)),) if config.teacher.on_a_model else ()),
        ("student", config.student.title),
        *((("students' strength", f"{strengths_of([first, *further])[0]:g} (gamma {first:g})"),) if further else ()),
        ("seed", str(config.seed)),
    ]


def _about(model: str, config: Config, records: Sequence[dict[str, Any]]) -> str:
    if model in config.losses:
        return " + ".join(f"{weight:g} {term}" for term, weight in config.losses[model].items())
    if model == "teacher":
        return f"{METHODS[config.teacher.method].title}, which is distilled"
    if model in config.stylizers:
        kept = (one["stylizer"] for one in records if one["path"] == f"golden/{model}/render.run.json")
        return _about_outside(config.stylizers[model], next(kept, {}))
    return _CONTROLS_SAY[model]


def _about_outside(stylizer: Stylizer, facts: dict[str, Any]) -> str:
    """In words. facts: what the record of its images keeps of it."""
    version = facts.get("version") or stylizer.version
    words = f"from outside: {stylizer.kind} {stylizer.origin}" + (f", version {version}" if version else "")
    return words + (f", sha256 {facts['sha256'][:12]}" if "sha256" in facts else "")


def _variants(results: Path) -> dict[str, Any]:
    """Scores and chart of the teacher's variants."""
    ablation = stored.read(results / "tables" / "ablation")
    deviation = pd.read_csv(results / "ablation" / "deviation.csv")
    return {
        "table": ablation.tables[0],
        "chart": svg(ablation_figure(ablation.data, deviation), "ablation"),
        "ratio": ratio(deviation),
    }


def _inversions(results: Path) -> Table | None:
    """Round-trip errors of the teacher's inversions by split; None where none was measured."""
    found = pd.DataFrame(inversions.summaries(results, SPLITS))
    titles = {"split": "Split", "measured": "Images", "median": "Median", "largest": "Largest", "worst": "Of"}
    return plain(found[list(titles)], titles) if len(found) else None


def _excluded(results: Path) -> Table | None:
    """Images that were left out, and training pairs that `pairs.keep` drops; None if there are none.

    From index/<source>.excluded.csv (image, reason); from blocks/duplicates.excluded.csv and, where images are opened
    only once they are taken, blocks/<split>/<block>.excluded.csv (source, image, reason); from shards/train.json.
    """
    columns = ["source", "image", "reason"]
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in results.glob("blocks/**/*.excluded.csv")]
    for path in sorted(results.glob("index/*.excluded.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.insert(0, "source", path.name.removesuffix(".excluded.csv"))
        tables.append(table)
    manifest = results / "shards" / "train.json"
    dropped = read_json(manifest).get("dropped", {}) if manifest.is_file() else {}
    tables.append(pd.DataFrame([("pairs.keep", key, why) for key, why in dropped.items()], columns=columns))
    gathered = pd.concat(tables)[columns].drop_duplicates().sort_values(columns)
    titles = {"source": "Source", "image": "Image or pair", "reason": "Reason"}
    return plain(gathered, titles) if len(gathered) else None


def _curves_words(histories: dict[str, pd.DataFrame]) -> str:
    ends = [
        f"{loss}: best validation loss {number(history['val_loss'].min())} of epoch {history['epoch'][best]}"
        for loss, history in histories.items()
        for best in [history["val_loss"].idxmin()]
    ]
    return "; ".join(ends)


# --- what scripts in the page read ------------------------------------------------------------------------------


# The measures shown beneath an enlarged image, and their titles.
_SHOWN = ("teacher_mse", "teacher_lpips", "teacher_st_lpips", "lpips", "st_lpips")
_PAIR_NUMBERS = {m.name: m.title for m in MEASURES if m.name in _SHOWN}


def _pair_scores(results: Path, config: Config) -> dict[str, dict[str, dict[str, float]]]:
    """model -> golden pair -> measure -> value, of `_PAIR_NUMBERS`."""
    scores = {}
    for model in config.models:
        table = pd.read_csv(results / "metrics" / f"{model}.csv")
        table = table[table["set"] == "golden"].set_index("pair")
        columns = [name for name in _PAIR_NUMBERS if name in table]
        scores[model] = {
            str(pair): {name: float(f"{row[name]:.4g}") for name in columns if math.isfinite(row[name])}
            for pair, row in table[columns].iterrows()
        }
    return scores


def _script_json(value: Any) -> str:
    # Inside <script> only "</" could end the element early; JSON may write it as <\/.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
