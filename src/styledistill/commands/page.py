"""Write a page on which anybody stylizes own photographs in the browser: a folder for any static host."""

from pathlib import Path
from shlex import quote

import click

from ..core.errors import UserError
from ..core.places import embedded, found
from ..downloads.npm import FOLDER, ONNXRUNTIME_WEB, fetch
from ..run.cli import Place, needs, user_errors

RUNTIME = FOLDER / ONNXRUNTIME_WEB.file


@click.command()
@click.option("-o", "--out", type=Place(file_okay=False), help="Folder to write; over an earlier page of this kind.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Folder of a student, or its hub id; several to choose from. Default: the embedded micro.",
)
@click.option("--styles", type=Place(exists=True, file_okay=False), help="Folder of styles to offer. Default: drawn.")
@click.option("--contents", type=Place(exists=True, file_okay=False), help="Folder of example photographs, likewise.")
@click.option(
    "--runtime",
    type=Place(dir_okay=False),
    default=RUNTIME,
    show_default=True,
    help=f"Archive of npm's package {ONNXRUNTIME_WEB.spec}, which is fetched to here unless it is here.",
)
@click.option("--fetch", "only_fetch", is_flag=True, help="Only fetch that archive; runs then write their page too.")
def main(
    out: Path | None,
    models: tuple[str, ...],
    styles: Path | None,
    contents: Path | None,
    runtime: Path,
    only_fetch: bool,
) -> None:
    """Write a static folder in which a student draws in the visitor's browser.

    Nothing is uploaded: images never leave the page. Any static host serves it, below any path.
    """
    with user_errors():
        if (out is None) != only_fetch:
            raise UserError("give either a folder, -o site, or --fetch.")
        named = {_name(model): model for model in models or (str(embedded("micro")),)}
        if len(named) < len(models):
            raise UserError("--model: two students of one name, which the page could not tell apart. Rename a folder.")
        with needs():
            if out is not None:
                from ..student.folders import student_folder

                for model in named.values():
                    student_folder(model, "main")  # what is not there is told before anything large is fetched
            fetch(ONNXRUNTIME_WEB, runtime)
            if out is None:
                click.echo(f"{runtime}: is here")
                return
            from ..share.write_site import drawn_contents, drawn_styles, examples, write_site

        write_site(
            out,
            named,
            examples(contents) if contents else drawn_contents(),
            examples(styles) if styles else drawn_styles(),
            runtime,
        )
        click.echo(f"{out}: to look at it, `python -m http.server -d {quote(str(out))}` and http://localhost:8000")


def _name(model: str) -> str:
    """The last part of a hub id, or a folder's own name, which `.` and `..` do not say."""
    folder = found(model)
    return (folder.resolve() if folder.is_dir() else Path(model)).name
