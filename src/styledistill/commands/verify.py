"""Check a finished run against the hashes that were kept of it, and repair what is damaged."""

import shlex
import subprocess
import sys
from pathlib import Path

import click

from ..core.errors import UserError
from ..core.places import PROJECT
from ..run.cli import Folder, user_errors
from ..run.repair import in_order, times_kept
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
            mend(results, faults, snakemake or ("--cores", "all"))
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


def _where(results: Path, arguments: tuple[str, ...]) -> list[str]:
    """Where the run and its workflow lie, for a Snakemake that is started somewhere else and is not told."""
    folder = folder_of(results)
    if folder == Path.cwd() or any(word in arguments for word in ("-d", "--directory")):
        return []
    told = any(word in arguments for word in ("-s", "--snakefile"))
    return ["--directory", str(folder), *([] if told else ["--snakefile", str(PROJECT / "Snakefile")])]


def mend(results: Path, faults: list[Fault], arguments: tuple[str, ...]) -> None:
    """Remove and remake what is damaged. Raises UserError where Snakemake cannot."""
    for fault in faults:
        if fault.remove:
            fault.path.unlink()
    for remake in in_order(faults):
        command = ["snakemake", "--force", *map(str, remake), *_where(results, arguments), *arguments]
        click.echo(f"runs: {shlex.join(command)}")
        with times_kept(Run(results), {fault.path for fault in faults}) as other:
            if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
                raise UserError(f"{results}: could not be repaired; what Snakemake said stands above")
        for path in other:
            click.echo(f"made again with other bytes: {path}; the next run makes anew what was made from it")
