"""Check a finished run against the hashes that were kept of it, and repair what is damaged."""

import shlex
from pathlib import Path

import click

from ..core.errors import UserError
from ..run.cli import Folder, user_errors
from ..run.repair import mend
from ..run.verify import Fault, Run, folder_of, stored_pairs, verify


@click.command()
@click.argument("results", type=Folder)
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
@click.option("--store", type=Folder, help="Finished pairs of all runs.  [default: resources/pairs beside the run]")
@click.option("--repair", is_flag=True, help="Remove and remake what is damaged, and nothing else.")
def main(results: Path, snakemake: tuple[str, ...], store: Path | None, repair: bool) -> None:
    """Check the run in RESULTS (results/default). Exit code 1 and one line per fault where something is damaged.

    SNAKEMAKE, behind "--": what the run is started with, such as -- --cores 8 --configfile workflow/presets/paper.yaml.
    """
    with user_errors():
        store = store or folder_of(results) / "resources" / "pairs"
        faults = check(results, store)
        if faults and repair:
            for told in mend(results, faults, snakemake or ("--cores", "all")):
                click.echo(told)
            faults = check(results, store)
        elif faults:
            arguments = shlex.join(["--", *snakemake]) if snakemake else ""
            click.echo(f"repair: python src/verify.py {shlex.quote(str(results))} --repair {arguments}".rstrip())
    raise SystemExit(1 if faults else 0)


def check(results: Path, store: Path) -> list[Fault]:
    """Print and return the faults of a run and of the store."""
    run = Run(results)
    if not run.made and not run.unreadable:
        raise UserError(f"{results}: no records here, so nothing to check: is this the folder of a run?")
    faults = [*verify(run), *stored_pairs(store)]
    for fault in faults:
        click.echo(f"damaged: {fault.path}: {fault.reason}")
    if not faults:
        click.echo(f"{results}: every file is what was made ({len(run.made):,} files; logs and times are not checked)")
    if not run.unreadable and run.unclaimed:
        click.echo(f"not checked: {len(run.unclaimed):,} files that no record tells of, such as {run.unclaimed[0]}")
    return faults
