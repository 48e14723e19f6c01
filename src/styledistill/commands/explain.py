"""Sum up what a run would do, before it costs anything: rule, jobs, why, estimated hours."""

import click

from ..run.cli import needs


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def main(snakemake: tuple[str, ...]) -> None:
    """Sum up what `snakemake SNAKEMAKE` would do, such as --configfile workflow/presets/paper.yaml; nothing is run."""
    with needs():
        from ..run.explain import planned, table
    click.echo(table(planned(snakemake)))
