"""Go on with a run whose Snakemake was killed: unlock it and run again, unless somebody (or SLURM) works on it."""

import click

from ..run.cli import needs
from ..run.resume import resume


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def main(snakemake: tuple[str, ...]) -> None:
    """Unlock the run, then become `snakemake SNAKEMAKE`, such as --cores all; give it what the run was started with."""
    with needs():
        resume(snakemake)
