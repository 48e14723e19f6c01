"""Draw a video in the style of images with a distilled student."""

from pathlib import Path

import click

from ..core.places import weights_mark
from ..run.cli import Place, needs
from ._drawing import Drawing, draws


@click.command()
@click.argument("video", type=Place())
@click.option("-o", "--out", type=Place(), required=True, help="The video to write: .mp4, .mov, .mkv or .webm.")
@click.option("--frame-by-frame", is_flag=True, help="Draw each frame for itself: faster, and strokes flicker.")
@draws("video")
def main(video: Path, out: Path, frame_by_frame: bool, drawing: Drawing) -> None:
    """Draw VIDEO in the style of the image STYLE, with its sound.

    The drawing is held steady along the motion of the video. A run that was cut goes on when the same command is given
    again; its finished frames lie in <out>.parts until the video is whole.
    """
    with needs("video"):
        from ..video.jobs import plan
        from ..video.stylize_video import stylize_video
    job = plan(video, drawing.styles, out, drawing.options, not frame_by_frame)
    student = drawing.student(job.size[0] * job.size[1])
    made = stylize_video(student, job, str(student.facts.get("origin") or weights_mark(drawing.model)))
    click.echo(f"{out}: {made} frame{'s' * (made != 1)}")
