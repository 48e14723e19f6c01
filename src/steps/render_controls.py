"""Stylize the golden set and the validation pairs with the controls, which learned nothing."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, user_errors

import click
import torch

from styledistill.config import CONTROLS
from styledistill.core.provenance import run_record
from styledistill.core.runtime import use_threads
from styledistill.metrics.stylizers import Wanted, load_stylizer, render
from styledistill.splits.pairs import golden_pairs, validation_pairs


@click.command()
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@click.option("--manifest", type=Readable, required=True, help="Manifest of the validation pairs (shards/val.json).")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are.")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are.")
@click.option("--out-golden", type=Folder, required=True, help="Folder for <control>/c2_s4.png.")
@click.option("--out-validation", type=Folder, required=True, help="Folder for <control>/0000_c03_s05.png.")
def main(
    images: Path,
    manifest: Path,
    golden_contents: int,
    golden_styles: int,
    out_golden: Path,
    out_validation: Path,
) -> None:
    """Write one image per golden pair, per validation pair and per control (content, style, recolor); on the CPU."""
    with user_errors(), run_record(out_golden / "controls.run.json", "render_controls", {"models": CONTROLS}) as facts:
        use_threads()
        cpu = torch.device("cpu")
        golden = golden_pairs(images, golden_contents, golden_styles)
        validation = validation_pairs(images, manifest)
        for control in CONTROLS:
            stylizer = load_stylizer(Wanted(control, cpu))
            render(stylizer, golden, out_golden / control, cpu)
            render(stylizer, validation, out_validation / control, cpu)
        facts["images"] = len(CONTROLS) * (len(golden) + len(validation))


if __name__ == "__main__":
    main()
