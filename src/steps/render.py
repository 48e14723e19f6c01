"""Stylize the golden set and the validation pairs with one model."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Settings, user_errors

import click

from styledistill.config import FolderStylizer, Stylizer, Teacher
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.metrics.outside import copy_images
from styledistill.metrics.stylizers import CHUNK, Wanted, copy_finished, load_stylizer, render
from styledistill.splits.pairs import golden_pairs, validation_pairs


@click.command()
@click.option("--model", required=True, help="teacher, or any name with --weights.")
@click.option("--weights", type=Folder, help="Folder of a student (student.safetensors, config.json).")
@click.option("--teacher", type=Settings(Teacher), help="The teacher section, as JSON; for the model `teacher`.")
@click.option("--outside", type=Settings(Stylizer), help="Section of a stylizer from outside, as JSON.")
@click.option("--store", type=Folder, help="Finished pairs (resources/pairs); for the model `teacher`.")
@click.option("--finished", type=Folder, help="Validation images that exist (teacher/val) and are copied.")
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@click.option("--manifest", type=Readable, help="Manifest of the validation pairs (shards/val.json), if wanted.")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are.")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are.")
@click.option("--out-golden", type=Folder, required=True, help="Folder for c2_s4.png and the like.")
@click.option("--out-validation", type=Folder, help="Folder for 0000_c03_s05.png and the like; with --manifest.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    model: str,
    weights: Path | None,
    teacher: Teacher | None,
    outside: Stylizer | None,
    store: Path | None,
    finished: Path | None,
    images: Path,
    manifest: Path | None,
    golden_contents: int,
    golden_styles: int,
    out_golden: Path,
    out_validation: Path | None,
    device: str,
) -> None:
    """Write one image per golden pair and, with a manifest, per validation pair, made by one model."""
    settings = {"model": model, "teacher": teacher.model_dump(mode="json") if teacher else None}
    if outside:
        settings["stylizer"] = outside.model_dump(mode="json")
    with user_errors(), run_record(out_golden / "render.run.json", "render", settings) as facts:
        use_threads()
        seed_everything(0)
        where = pick_device(device)
        facts["device"] = str(where)
        golden = golden_pairs(images, golden_contents, golden_styles)
        validates = manifest and (outside is None or outside.validates)
        validation = validation_pairs(images, manifest) if validates else []
        facts |= {"images": len(golden) + len(validation)} | ({"stylizer": outside.facts()} if outside else {})
        if isinstance(outside, FolderStylizer):
            copy_images(model, outside, {out_golden: golden, out_validation: validation})
            return
        stylizer = load_stylizer(Wanted(model, where, weights, teacher, store, outside))
        # The teacher inverts each image once for all pairs that it is handed, so it gets them together.
        render(stylizer, golden, out_golden, where, len(golden) if model == "teacher" else CHUNK)
        if finished:
            copy_finished(validation, finished, out_validation)
        elif validation:
            render(stylizer, validation, out_validation, where)


if __name__ == "__main__":
    main()
