"""Publish a student or a run's shards on the Hugging Face hub, with its card."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.progress import megabytes
from ..run.cli import Place, needs, user_errors

Folder = Place()


@click.command()
@click.argument("folder", type=Folder)
@click.argument("repo")
@click.option("--dry-run", is_flag=True, help="Send nothing; write what would be sent into the folder --out.")
@click.option("-o", "--out", type=Folder, help="A new folder, for --dry-run.")
@click.option("--private", is_flag=True, help="A repository that is made now is seen by its owner only.")
@click.option("--overwrite", is_flag=True, help="Replace what the repository holds, all of it in one commit.")
@click.option("--license", help="The hub's word for the license of a student's weights.  [default: other or unknown]")
def main(
    folder: Path, repo: str, dry_run: bool, out: Path | None, private: bool, overwrite: bool, license: str | None
) -> None:
    """Publish FOLDER as REPO (owner/name) on the Hugging Face hub.

    FOLDER is a student (results/<run>/students/<loss>) or the shards of a run (results/<run>/shards), which become a
    model and a data set. HF_TOKEN, or the token of `hf auth login`, must allow to write there.
    """
    with user_errors():
        if dry_run != (out is not None):
            raise UserError("--dry-run and --out go together: nothing is sent, and the folder is written.")
        with needs():
            from ..downloads.hub_upload import check_name, require_token, upload
            from ..share.bundle import bundle_of

        check_name(repo)
        if not dry_run:
            require_token(repo)
        bundle = bundle_of(folder, repo, license)
        told = f"{len(bundle.files)} files, {megabytes(bundle.bytes)}"
        if out is not None:
            bundle.write(out)
            click.echo(f"{out}: {told}; nothing was sent")
            return
        kind = {"model": "student", "dataset": "pairs"}[bundle.kind]
        message = f"Publish {kind} {folder.resolve().name} with StyleDistill"
        address = upload(repo, bundle.kind, bundle.files, message, private=private, overwrite=overwrite)
        click.echo(f"{address}: {told}")
