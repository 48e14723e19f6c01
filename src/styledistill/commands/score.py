"""Score stylized images in any folders, without a run."""

from pathlib import Path

import click

from ..run.cli import Folder, Writable, needs, user_errors
from ._scoring import chosen_instruments, network_options


@click.command()
@click.option("--stylized", type=Folder, required=True, help="Images named 00_stylized_03.png or 00_03.png.")
@click.option("--content", type=Folder, required=True, help="Their contents: 00.png and so on.")
@click.option("--style", type=Folder, required=True, help="Their styles: 03.png and so on.")
@click.option("--teacher", type=Folder, help="Images of the same names by another model, to measure distances to it.")
@click.option("--size", type=click.IntRange(32, 10_000), help="Compare center squares of so many pixels.")
@click.option("--out", type=Writable, help="CSV to write: one row per image.")
@network_options
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Images per forward.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    stylized: Path,
    content: Path,
    style: Path,
    teacher: Path | None,
    size: int | None,
    out: Path | None,
    lpips: str,
    fid: str,
    features: str,
    seeded: bool,
    batch: int,
    device: str,
) -> None:
    """Print LPIPS, ST-LPIPS, FID, ArtFID, CFSD and the other measures of the images in a folder.

    StyleID's own protocol is --fid art_inception --size 512 on its 20 contents and 40 styles. Pairs with an image that
    cannot be read are left out and named at the end, and the exit code is 1.
    """
    with needs():
        from ..core.errors import UserError
        from ..core.runtime import pick_device, use_threads
        from ..metrics.score import write_rows
        from ..metrics.score_folders import described, score_folders
    with user_errors():
        use_threads()
        instruments = chosen_instruments(lpips, fid, features, seeded, pick_device(device))
        scores, left_out = score_folders(stylized, content, style, teacher, size, instruments, batch)
        click.echo(described(scores))
        click.echo("networks: " + "; ".join(f"{name} {weights}" for name, weights in instruments.labels.items()))
        if out:
            write_rows(scores.rows, out)
        if left_out:
            raise UserError(
                f"{len(left_out)} of {len(left_out) + len(scores.rows)} pairs are not in these scores, for an image of"
                f" theirs cannot be read: {', '.join(left_out)}."
            )
