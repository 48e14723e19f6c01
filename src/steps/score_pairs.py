"""Score the pairs of one block: what the teacher kept of each content and took of each style."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Settings, Writable, user_errors

import click

from styledistill import perceptual
from styledistill.config import Networks
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.metrics.pair_quality import qualities
from styledistill.splits import tables
from styledistill.splits.pairs import pairs_of


@click.command()
@click.argument("stylized", type=Readable, nargs=-1, required=True)
@click.option("--images", type=Folder, required=True, help="Crops of the block (images/train/0007).")
@click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=Writable, required=True, help="CSV: pair, structure, style.")
def main(stylized: tuple[Path, ...], images: Path, networks: Networks, device: str, out: Path) -> None:
    """Score STYLIZED (teacher/train/0007/c03_s05.png and the like) by the network of the feature losses."""
    settings = networks.model_dump()
    with user_errors(), run_record(out.with_suffix(".run.json"), "score_pairs", settings, networks.seed) as facts:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        facts["device"] = str(where)
        network = perceptual.features(networks).to(where)
        found = qualities(pairs_of(images, [path.stem for path in stylized]), stylized[0].parent, network, where)
        rows = [(row.pair, f"{row.structure:.7g}", f"{row.style:.7g}") for row in found]
        tables.write(out, tables.Quality._fields, rows)


if __name__ == "__main__":
    main()
