"""Score the pairs of one block: what the teacher kept of each content and took of each style."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Settings, Writable, user_errors

import click

from styledistill import perceptual
from styledistill.config import METHODS, Networks, method_of
from styledistill.core.files import read_json
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.metrics.pair_quality import qualities
from styledistill.splits import names as called
from styledistill.splits import tables
from styledistill.splits.pairs import pairs_of


@click.command()
@click.option("--block", type=Readable, required=True, help="Table of one block (blocks/train/0007.csv).")
@click.option("--images", type=Folder, required=True, help="Its crops (images/train/0007).")
@click.option(
    "--teacher", type=Folder, required=True, help="Its teacher images (teacher/train/0007), with teacher.json."
)
@click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=Writable, required=True, help="CSV: pair, structure, style.")
def main(block: Path, images: Path, teacher: Path, networks: Networks, device: str, out: Path) -> None:
    """Score each pair of one block by the network of the feature losses."""
    settings = networks.model_dump()
    with user_errors(), run_record(out.with_suffix(".run.json"), "score_pairs", settings, networks.seed) as facts:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        facts["device"] = str(where)
        network = perceptual.features(networks).to(where)
        crossed = METHODS[method_of(read_json(teacher / "teacher.json"))].crosses
        names = [called.pair(content.name, style.name) for content, style in tables.paired(block, crossed)]
        found = qualities(pairs_of(images, names), teacher, network, where)
        rows = [(row.pair, f"{row.structure:.7g}", f"{row.style:.7g}") for row in found]
        tables.write(out, tables.Quality._fields, rows)


if __name__ == "__main__":
    main()
