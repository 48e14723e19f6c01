"""Draw every image of a data set in several styles, to train others on."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.files import write_json
from ..core.places import embedded
from ..run.cli import SEED, Number, Place, needs, user_errors
from ..student.augment_jobs import MAP, SETTINGS, plan, refuse_other_settings, settings
from ..student.folders import student_folder
from ..student.stylize_jobs import Options

Folder = Place()


@click.command()
@click.argument("images", type=Folder)
@click.argument("styles", type=Folder)
@click.option("-o", "--out", type=Folder, required=True, help="Folder for the results and augment.csv.")
@click.option("--shards", is_flag=True, help="Write tars of WebDataset; labels of samples go along.")
@click.option("--member", help="The image of a sample that is drawn, where it has several: content.png.")
@click.option("--styles-per-image", type=click.IntRange(1), default=1, show_default=True, help="Drawn without repeats.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Decides which image meets which styles.")
@click.option("--model", default=str(embedded("micro")), help="Folder of a student, or its hub id. Default: micro.")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of a hub id.")
@click.option("--size", type=click.IntRange(1), help="Scale the shorter sides to so many pixels. Default: their own.")
@click.option("--strength", type=Number(0, 1), default=1.0, show_default=True, help="How much of the style.")
@click.option("--preserve-color", is_flag=True, help="Keep the content's colors: only light and dark are stylized.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each core, one for a GPU]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    images: Path,
    styles: Path,
    out: Path,
    shards: bool,
    member: str | None,
    styles_per_image: int,
    seed: int,
    model: str,
    revision: str,
    size: int | None,
    strength: float,
    preserve_color: bool,
    workers: int | None,
    device: str,
) -> None:
    """Draw every image below IMAGES in styles of those below STYLES.

    IMAGES is a folder, or tars of WebDataset ("shards/{000..019}.tar", "shards/*.tar"). Folders are kept; augment.csv
    says what was drawn with what. The same command again goes on where it ended.
    """
    with user_errors():
        options = Options(size=size, strength=strength, preserve_color=preserve_color)
        drawn = settings(model, revision, options)
        refuse_other_settings(out, drawn)
        works = plan(images, styles, out, styles_per_image, seed, shards=shards, member=member)
        asked, made = sum(len(work.jobs) for work in works), 0
        if works:
            with needs():
                from ..student.augment_work import augment

            student_folder(model, revision, graphs=True)  # what is no student is not written down
            write_json(out / SETTINGS, drawn)
            made = augment(works, model, device, revision, options, workers)
        click.echo(f"{out / MAP}: {made} image{'s' * (made != 1)} made")
        if made < asked:
            raise UserError(f"{asked - made} of {asked} images could not be made; the reasons stand above.")
