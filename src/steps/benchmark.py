"""Measure seconds and memory per image of all models on one device."""

from pathlib import Path

from styledistill.run.cli import Readable, Settings, Writable, user_errors

import click

from styledistill.config import Benchmark, Stylizer, Teacher
from styledistill.core.files import write_csv
from styledistill.core.progress import progress
from styledistill.core.provenance import run_record
from styledistill.metrics.benchmark import COLUMNS, Measurement, measure_each


@click.command()
@click.option("--model", "models", multiple=True, required=True, help="teacher, recolor, or NAME=FOLDER of a student.")
@click.option("--content", type=Readable, required=True, help="The content image (images/golden/c0.png).")
@click.option("--style", type=Readable, required=True, help="The style image (images/golden/s0.png).")
@click.option("--size", type=click.IntRange(32), required=True, help="Side of the images in pixels.")
@click.option("--settings", type=Settings(Benchmark), required=True, help="The benchmark section, as JSON.")
@click.option("--teacher", type=Settings(Teacher), required=True, help="The teacher section, as JSON.")
@click.option("--outside", type=Settings(dict[str, Stylizer]), default="{}", help="Stylizers from outside, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--table", type=Writable, required=True, help="CSV to write: one row per model.")
def main(
    models: tuple[str, ...],
    content: Path,
    style: Path,
    size: int,
    settings: Benchmark,
    teacher: Teacher,
    outside: dict[str, Stylizer],
    device: str,
    table: Path,
) -> None:
    """Measure each model alone: parameters, megabytes, seconds and peak memory for one image."""
    facts_of = {"benchmark": settings.model_dump(), "size": size, "teacher": teacher.model_dump(mode="json")}
    if outside:
        facts_of["stylizers"] = {name: one.model_dump(mode="json") for name, one in outside.items()}
    with user_errors(), run_record(table.with_suffix(".run.json"), "benchmark", facts_of) as facts:
        wanted = Measurement(content, style, size, settings.repeats, device, teacher, outside)
        folders = {name: Path(folder) if folder else None for name, _, folder in (m.partition("=") for m in models)}
        if teacher.method == "images":
            folders.pop("teacher", None)  # it makes nothing that could be timed
        folders |= dict.fromkeys(outside)
        measured = list(progress(measure_each(folders, wanted), unit="model", total=len(folders)))
        rows = [row for row, _ in measured]
        facts |= {"device": rows[-1]["device"], "peak_memory_mb": round(max(peak for _, peak in measured), 1)}
        write_csv(table, COLUMNS, ([row[name] for name in COLUMNS] for row in rows), digits=6)


if __name__ == "__main__":
    main()
