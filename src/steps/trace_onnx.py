"""Write a student's network down as ONNX graphs without weights."""

from pathlib import Path

from styledistill.run.cli import Folder, user_errors

import click

from styledistill.core.provenance import run_record
from styledistill.core.runtime import use_threads
from styledistill.student.model import Student
from styledistill.student.onnx_export import OPSET, trace


@click.command()
@click.option("--student", type=Folder, required=True, help="Folder of any student of the wanted shape.")
@click.option("--out", type=Folder, required=True, help="Folder for encode_style.onnx and stylize.onnx.")
def main(student: Path, out: Path) -> None:
    """Trace the graphs that all students of one shape share; export_onnx.py fills them with weights."""
    with user_errors(), run_record(out / "graphs.run.json", "trace_onnx", {"opset": OPSET}):
        use_threads()
        trace(Student.from_pretrained(student), out)


if __name__ == "__main__":
    main()
