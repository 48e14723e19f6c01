"""Score the pictures of models of a run: distances to content, style and teacher."""

from pathlib import Path

from command import Folder, Settings, Writable, user_errors

import click

from styledistill.config import Metrics, Networks
from styledistill.core.record import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.evaluation import golden_pairs, validation_pairs
from styledistill.metrics import score


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/<run>).")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are.")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are.")
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--styles", type=Writable, required=True, help="Activations of styles (npz): read, or made if absent.")
def main(
    models: tuple[str, ...],
    results: Path,
    golden_contents: int,
    golden_styles: int,
    settings: Metrics,
    networks: Networks,
    device: str,
    styles: Path,
) -> None:
    """Write metrics/<model>.csv (one row per pair) and .json (FID, ArtFID and weights per set) of each of MODELS."""
    folder, images = results / "metrics", results / "images"
    facts_of = {"models": models, "metrics": settings.model_dump(), "networks": networks.model_dump()}
    with user_errors(), run_record(folder / f"{models[0]}.run.json", "score", facts_of, networks.seed) as facts:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        facts["device"] = str(where)
        instruments = score.load_instruments(settings, networks, where)
        sets = {
            "golden": golden_pairs(images, golden_contents, golden_styles),
            "validation": validation_pairs(images, results / "shards" / "val.json"),
        }
        if not styles.exists():
            every = [pair for pairs in sets.values() for pair in pairs]
            score.write_activations(styles, score.style_activations(every, instruments, settings.batch), images)
        kept = score.read_activations(styles, images)
        for model in models:
            scores = {
                pairs[0].set: score.score_set(
                    pairs, results / name / model, results / name / "teacher", kept, instruments, settings.batch
                )
                for name, pairs in sets.items()
            }
            score.write_scores(model, scores, instruments, folder / f"{model}.csv", folder / f"{model}.json")


if __name__ == "__main__":
    main()
