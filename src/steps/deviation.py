"""Measure how spread the teacher's attention logits are over the timesteps, with and without injection."""

from pathlib import Path

from styledistill.run.cli import Readable, Settings, Writable, user_errors

import click

from styledistill.config import Teacher
from styledistill.core.files import write_csv
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, use_threads
from styledistill.core.tensors import load_images
from styledistill.teacher.load import load_teacher
from styledistill.teacher.logit_deviation import attention_deviation


@click.command()
@click.option("--content", "contents", type=Readable, multiple=True, required=True, help="A content image.")
@click.option("--style", "styles", type=Readable, multiple=True, required=True, help="A style image.")
@click.option("--teacher", type=Settings(Teacher), required=True, help="The teacher section, as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--table", type=Writable, required=True, help="CSV to write: timestep, layer, kind, deviation.")
def main(contents: tuple[Path, ...], styles: tuple[Path, ...], teacher: Teacher, device: str, table: Path) -> None:
    """Look at every content with every style; injection is on and the temperature 1, whatever the settings say."""
    settings = teacher.model_copy(update={"temperature": 1.0, "injection": True, "compile": False})
    with user_errors(), run_record(table.with_suffix(".run.json"), "deviation", settings.model_dump()) as facts:
        use_threads()
        where = pick_device(device)
        facts["device"] = str(where)
        rows = attention_deviation(load_teacher(settings, where), load_images(contents), load_images(styles))
        write_csv(table, rows[0], (row.values() for row in rows), digits=7)


if __name__ == "__main__":
    main()
