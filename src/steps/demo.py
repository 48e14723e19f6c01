"""The students of a run as a page for browsers."""

from pathlib import Path

from styledistill.run.cli import Folder, Writable, user_errors

import click

from styledistill.core.images import load_array
from styledistill.core.provenance import run_record
from styledistill.downloads.npm import ONNXRUNTIME_WEB, fetch
from styledistill.share.write_site import write_site
from styledistill.splits import names as called


@click.command()
@click.option("--student", "students", type=Folder, multiple=True, required=True, help="Folder of a student, by loss.")
@click.option("--images", type=Folder, required=True, help="Folder of the golden crops: c0.png, ..., s0.png, ...")
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="Golden contents: c0, c1, ...")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="Golden styles: s0, s1, ...")
@click.option("--runtime", type=Writable, required=True, help="Archive of onnxruntime-web; fetched unless it is here.")
@click.option("--out", type=Folder, required=True, help="Folder of the page (results/<run>/demo).")
def main(
    students: tuple[Path, ...], images: Path, golden_contents: int, golden_styles: int, runtime: Path, out: Path
) -> None:
    """Write a static folder in which the students draw in a visitor's browser, with the golden set as examples."""
    counts = {"content": golden_contents, "style": golden_styles}
    contents, styles = (
        {name: load_array(images / f"{name}.png") for name in called.names(role, count, called.GOLDEN)}
        for role, count in counts.items()
    )
    # The record stands beside the folder: it names this machine, and the folder is for everybody.
    with user_errors(), run_record(out.with_name("demo.run.json"), "demo", {"runtime": ONNXRUNTIME_WEB.spec}):
        write_site(out, {folder.name: folder for folder in students}, contents, styles, fetch(ONNXRUNTIME_WEB, runtime))


if __name__ == "__main__":
    main()
