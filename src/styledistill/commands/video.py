"""Draw a video in the style of images with a distilled student."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.places import embedded, weights_mark
from ..run.cli import Number, Place, needs, user_errors
from ..student.stylize_jobs import Options, weighted

EMBEDDED = str(embedded("micro"))
File = Place()


@click.command()
@click.argument("video", type=File)
@click.argument("style", type=File, required=False)
@click.option("-o", "--out", type=File, required=True, help="The video to write: .mp4, .mov, .mkv or .webm.")
@click.option("--style", "mixed", multiple=True, help="In STYLE's place, several times: images to mix, as a.jpg:0.7.")
@click.option("--model", default=EMBEDDED, help="Folder of a student, or its hub id. Default: the embedded micro.")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of a hub id.")
@click.option("--size", type=click.IntRange(1), help="Scale the shorter side to so many pixels. Default: its own.")
@click.option("--style-size", type=click.IntRange(1), help="That of styles alone: of larger ones the grain is coarser.")
@click.option(
    "--working-size",
    type=click.IntRange(1),
    help="Draw at this shorter side and keep the video's size and detail: larger strokes, less time.",
)
@click.option("--strength", type=Number(0, 1), default=1.0, show_default=True, help="How much of the style.")
@click.option("--preserve-color", is_flag=True, help="Keep the video's colors: only light and dark are stylized.")
@click.option("--mask", type=File, help="An image of the video's size: the style holds where it is white.")
@click.option("--outside", type=File, help="The style where the mask is black. Default: the video as it is.")
@click.option("--frame-by-frame", is_flag=True, help="Draw each frame for itself: faster, and strokes flicker.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    video: Path,
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
    frame_by_frame: bool,
    device: str,
) -> None:
    """Draw VIDEO in the style of the image STYLE, with its sound.

    The drawing is held steady along the motion of the video. A run that was cut goes on when the same command is given
    again; its finished frames lie in <out>.parts until the video is whole.
    """
    with user_errors():
        if (style is None) == (not mixed):
            raise UserError("give a style: STYLE, or --style once or more, and not both.")
        styles, weights = zip(*(weighted(one) for one in mixed), strict=True) if mixed else ([style], None)
        options = Options(size, style_size, working_size, weights, strength, preserve_color, mask, outside)
        with needs("video"):
            from ..video.jobs import plan
            from ..video.stylize_video import stylize_video
        job = plan(video, styles, out, options, not frame_by_frame)
        with needs():
            from ..student.engines import load

            pixels = job.size[0] * job.size[1]
            student = load(model, device, revision, mixing=len(styles) > 1 or strength < 1, pixels=pixels)
        made = stylize_video(student, job, str(student.facts.get("origin") or weights_mark(model)))
        click.echo(f"{out}: {made} frame{'s' * (made != 1)}")
