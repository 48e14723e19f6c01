"""Draw pictures in the style of others with a distilled student."""

from pathlib import Path

import click

from ..cli import Number, needs, user_errors
from ..core.errors import UserError
from ..core.places import embedded
from ..student.stylize_jobs import plan

EMBEDDED = str(embedded("micro"))


@click.command()
@click.argument("content", type=click.Path(path_type=Path))
@click.argument("style", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The picture to write, or a folder.")
@click.option(
    "--model",
    default=EMBEDDED,
    help="Folder of a student (results/<run>/students/<loss>), or its hub id. Default: the embedded micro.",
)
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of a hub id.")
@click.option(
    "--size",
    type=click.IntRange(1),
    help="Scale the shorter sides to so many pixels. Default: keep every picture's own.",
)
@click.option("--strength", type=Number(0, 1), default=1.0, show_default=True, help="How much of the style.")
@click.option("--preserve-color", is_flag=True, help="Keep the content's colours: only light and dark are stylized.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    content: Path,
    style: Path,
    out: Path,
    model: str,
    revision: str,
    size: int | None,
    strength: float,
    preserve_color: bool,
    device: str,
) -> None:
    """Draw CONTENT in the style of STYLE.

    Both are pictures or folders of pictures; with a folder, every content is drawn in every style, and --out is a
    folder for <content>_<style>.png. The result has the content's size: its own, or with --size N the one at which its
    shorter side is N. A style is scaled likewise; a student draws best near the size that it was trained at.
    """
    with user_errors():
        jobs = plan(content, style, out)
        # torch takes a second to import; what is wrong with the command has been told by now.
        with needs():
            from ..core.runtime import use_threads
            from ..student.stylize_files import load, stylize_files

        use_threads()
        made = stylize_files(load(model, device, revision), jobs, size, strength, preserve_color)
        click.echo(f"{out}: {made} picture{'s' * (made != 1)}")
        if made < len(jobs):
            raise UserError(f"{len(jobs) - made} of {len(jobs)} pictures could not be made; the reasons stand above.")
