"""Draw images in the style of others with a distilled student."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.progress import on_one_line
from ..run.cli import Place, needs
from ..student.stylize_jobs import check, plan
from ._drawing import Drawing, draws

_NAMED = 20  # files in the last line; all of them stand above it


@click.command()
@click.argument("content", type=Place())
@click.option("-o", "--out", type=Place(), required=True, help="The image to write, or a folder.")
@click.option("--overwrite", is_flag=True, help="Write over results that a folder holds already.")
@draws("image")
def main(content: Path, out: Path, overwrite: bool, drawing: Drawing) -> None:
    """Draw CONTENT in the style of STYLE.

    Both are images or folders of images; with a folder, every content is drawn in every style, and --out is a folder
    for <content>_<style>.png. The result has the content's size: its own, or with --size N the one at which its shorter
    side is N. A style is scaled likewise; a student draws best near the size that it was trained at.
    """
    left_out: list[str] = []
    jobs = plan(content, drawing.styles, out, overwrite, left_out)
    student = drawing.student(check(jobs, drawing.options))  # what is wrong with the command has been told by now
    with needs():
        from ..student.stylize_files import stylize_files
    made = stylize_files(student, jobs, drawing.options, left_out)
    click.echo(f"{out}: {made} image{'s' * (made != 1)}")
    if left_out:
        names, more = ", ".join(map(on_one_line, left_out[:_NAMED])), len(left_out) - _NAMED
        what = f"{len(jobs) - made} of {len(jobs)} images could not be made" if made < len(jobs) else "not all are made"
        raise UserError(f"{what}; the reasons stand above. Left out: {names}{f' and {more} more' if more > 0 else ''}.")
