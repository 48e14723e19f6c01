"""Score the golden pictures of the teacher's variants."""

from pathlib import Path

from command import Folder, Settings, user_errors

import click

from styledistill.config import Metrics, Networks
from styledistill.core.record import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.evaluation import golden_pairs
from styledistill.metrics import score


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--pictures", type=Folder, required=True, help="Where their folders lie (results/<run>/ablation).")
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are.")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are.")
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    variants: tuple[str, ...],
    pictures: Path,
    images: Path,
    golden_contents: int,
    golden_styles: int,
    settings: Metrics,
    networks: Networks,
    device: str,
) -> None:
    """Write PICTURES/<variant>.csv and .json for VARIANTS; distances to the teacher are distances to the first one."""
    facts_of = {"variants": variants, "metrics": settings.model_dump(), "networks": networks.model_dump()}
    with user_errors(), run_record(pictures / "score.run.json", "score_variants", facts_of, networks.seed) as facts:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        facts["device"] = str(where)
        instruments = score.load_instruments(settings, networks, where)
        pairs = golden_pairs(images, golden_contents, golden_styles)
        styles = score.style_activations(pairs, instruments, settings.batch)
        for variant in variants:
            found = score.score_set(
                pairs, pictures / variant, pictures / variants[0], styles, instruments, settings.batch
            )
            table = pictures / f"{variant}.csv"
            score.write_scores(variant, {"golden": found}, instruments, table, table.with_suffix(".json"))


if __name__ == "__main__":
    main()
