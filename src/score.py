"""Score the pictures of one model."""

from pathlib import Path

from command import Folder, Readable, Settings, Writable, user_errors

import click

from styledistill.config import Metrics, Networks
from styledistill.core.record import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.evaluation import golden_pairs, validation_pairs
from styledistill.metrics.score import load_instruments, score_set, write_scores


@click.command()
@click.option("--model", required=True, help="Name of the model in tables.")
@click.option("--golden", type=Folder, required=True, help="The model's golden pictures (golden/<model>).")
@click.option("--validation", type=Folder, required=True, help="Its validation pictures (validation/<model>).")
@click.option("--teacher-golden", type=Folder, required=True, help="The teacher's golden pictures.")
@click.option("--teacher-validation", type=Folder, required=True, help="The teacher's validation pictures.")
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@click.option("--manifest", type=Readable, required=True, help="Manifest of the validation pairs (shards/val.json).")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are.")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are.")
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--table", type=Writable, required=True, help="CSV to write: one row per pair.")
@click.option("--summary", type=Writable, required=True, help="JSON to write: FID, ArtFID and weights per set.")
def main(
    model: str,
    images: Path,
    manifest: Path,
    golden_contents: int,
    golden_styles: int,
    settings: Metrics,
    networks: Networks,
    device: str,
    table: Path,
    summary: Path,
    **folders: Path,
) -> None:
    """Measure distances to content, style and teacher, picture by picture and set by set."""
    facts_of = {"model": model, "metrics": settings.model_dump(), "networks": networks.model_dump()}
    with user_errors(), run_record(table.with_suffix(".run.json"), "score", facts_of, networks.seed) as facts:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        facts["device"] = str(where)
        instruments = load_instruments(networks, where)
        pairs = golden_pairs(images, golden_contents, golden_styles)
        golden = score_set(pairs, folders["golden"], folders["teacher_golden"], instruments, settings.batch)
        pairs = validation_pairs(images, manifest)
        val = score_set(pairs, folders["validation"], folders["teacher_validation"], instruments, settings.batch)
        write_scores(model, {"golden": golden, "val": val}, instruments, table, summary)


if __name__ == "__main__":
    main()
