"""Write the data card of a run's shards."""

from pathlib import Path

from styledistill.run.cli import SEED, Folder, Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.files import write_text
from styledistill.core.provenance import run_record
from styledistill.shards.card import card


@click.command()
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/default).")
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="Those of the blocks, as JSON.")
@click.option("--size", type=int, required=True, help="Side of the images in pixels.")
@click.option("--seed", type=SEED, required=True, help="Seed of the sources' order.")
@click.option("--out", type=Writable, required=True, help="The card (shards/README.md).")
def main(results: Path, sources: dict[str, config.Source], size: int, seed: int, out: Path) -> None:
    """Say what the shards hold, where it comes from and how to load it, in the form of the Hugging Face hub."""
    with user_errors(), run_record(out.with_name("card.run.json"), "card", {"size": size}, seed):
        write_text(out, card(results, sources, size, seed))


if __name__ == "__main__":
    main()
