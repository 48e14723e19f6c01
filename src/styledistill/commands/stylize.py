"""Draw images in the style of others with a distilled student."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.places import embedded
from ..run.cli import Number, Place, needs, user_errors
from ..student.stylize_jobs import Options, check, plan, weighted

EMBEDDED = str(embedded("micro"))
File = Place()


@click.command()
@click.argument("content", type=File)
@click.argument("style", type=File, required=False)
@click.option("-o", "--out", type=File, required=True, help="The image to write, or a folder.")
@click.option("--style", "mixed", multiple=True, help="In STYLE's place, several times: images to mix, as a.jpg:0.7.")
@click.option(
    "--model",
    default=EMBEDDED,
    help="Folder of a student (results/<run>/students/<loss>), or its hub id. Default: the embedded micro.",
)
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of a hub id.")
@click.option(
    "--size",
    type=click.IntRange(1),
    help="Scale the shorter sides to so many pixels. Default: keep every image's own.",
)
@click.option("--style-size", type=click.IntRange(1), help="That of styles alone: of larger ones the grain is coarser.")
@click.option(
    "--working-size",
    type=click.IntRange(1),
    help="Draw at this shorter side and keep the image's size and detail: larger strokes on large images.",
)
@click.option("--strength", type=Number(0, 1), default=1.0, show_default=True, help="How much of the style.")
@click.option("--preserve-color", is_flag=True, help="Keep the content's colors: only light and dark are stylized.")
@click.option("--mask", type=File, help="An image of the content's size: the style holds where it is white.")
@click.option("--outside", type=File, help="The style where the mask is black. Default: the content as it is.")
@click.option("--overwrite", is_flag=True, help="Write over results that a folder holds already.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    content: Path,
    style: Path | None,
    out: Path,
    mixed: tuple[str, ...],
    model: str,
    revision: str,
    size: int | None,
    style_size: int | None,
    working_size: int | None,
    strength: float,
    preserve_color: bool,
    mask: Path | None,
    outside: Path | None,
    overwrite: bool,
    device: str,
) -> None:
    """Draw CONTENT in the style of STYLE.

    Both are images or folders of images; with a folder, every content is drawn in every style, and --out is a folder
    for <content>_<style>.png. The result has the content's size: its own, or with --size N the one at which its shorter
    side is N. A style is scaled likewise; a student draws best near the size that it was trained at.
    """
    with user_errors():
        if (style is None) == (not mixed):
            raise UserError("give a style: STYLE, or --style once or more, and not both.")
        styles, weights = zip(*(weighted(one) for one in mixed), strict=True) if mixed else ([style], None)
        jobs = plan(content, styles, out, overwrite)
        options = Options(size, style_size, working_size, weights, strength, preserve_color, mask, outside)
        pixels = check(jobs, options)
        # The engine takes a moment to import; what is wrong with the command has been told by now.
        with needs():
            from ..student.engines import load
            from ..student.stylize_files import stylize_files

            student = load(model, device, revision, mixing=len(styles) > 1 or strength < 1, pixels=pixels)
        made = stylize_files(student, jobs, options)
        click.echo(f"{out}: {made} image{'s' * (made != 1)}")
        if made < len(jobs):
            raise UserError(f"{len(jobs) - made} of {len(jobs)} images could not be made; the reasons stand above.")
