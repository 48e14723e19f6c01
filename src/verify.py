"""Check a finished run against the hashes that were kept of it, and say how to remake what is damaged."""

import shlex
from pathlib import Path

from command import Folder, user_errors

import click

from styledistill.core.errors import UserError
from styledistill.verification import stored_pairs, verify


@click.command()
@click.argument("results", type=Folder)
@click.option("--store", type=Folder, default="resources/pairs", show_default=True, help="Finished pairs of all runs.")
@click.option("--configfile", type=click.Path(path_type=Path), help="That of the run; goes into the advice as it is.")
def main(results: Path, store: Path, configfile: Path | None) -> None:
    """Check the run in RESULTS (results/default). Exit code 1 and one line per fault where something is damaged."""
    with user_errors():
        if not (results / "shards").is_dir():
            raise UserError(f"{results}: no shards here, so nothing to check: is this the folder of a run?")
        faults = [*verify(results), *stored_pairs(store)]
    for fault in faults:
        click.echo(f"damaged: {fault.path}: {fault.reason}")
    if not faults:
        click.echo(f"{results}: every file is what was made")
        return
    if gone := [str(fault.path) for fault in faults if fault.remake is None and store in fault.path.parents]:
        click.echo(f"remove: rm {shlex.join(gone)}")
    if remake := list(dict.fromkeys(str(fault.remake) for fault in faults if fault.remake)):
        how = f" --configfile {shlex.quote(str(configfile))}" if configfile else ""
        click.echo(f"remake: snakemake --cores all --force {shlex.join(remake)}{how}")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
