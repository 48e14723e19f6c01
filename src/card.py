"""Write the data card of a run's shards."""

from pathlib import Path

from command import Folder, Settings, Writable, user_errors

import click
import torch

from styledistill import config
from styledistill.core.files import write_text
from styledistill.core.record import run_record
from styledistill.shards.card import card
from styledistill.teacher.load import load_teacher


@click.command()
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/default).")
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="Those of the blocks, as JSON.")
@click.option("--teacher", type=Settings(config.Teacher), required=True, help="The teacher section, as JSON.")
@click.option("--size", type=int, required=True, help="Side of the pictures in pixels.")
@click.option("--seed", type=int, required=True, help="Seed of the sources' order.")
@click.option("--out", type=Writable, required=True, help="The card (shards/README.md).")
def main(
    results: Path, sources: dict[str, config.Source], teacher: config.Teacher, size: int, seed: int, out: Path
) -> None:
    """Say what the shards hold, where it comes from and how to load it, in the form of the Hugging Face hub."""
    with user_errors(), run_record(out.with_name("card.run.json"), "card", {"size": size}, seed):
        key = load_teacher(teacher, torch.device("cpu")).key  # it alone knows the hash of its weights
        write_text(out, card(results, sources, key, size, seed))


if __name__ == "__main__":
    main()
