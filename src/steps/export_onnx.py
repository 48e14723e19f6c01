"""Export one student to ONNX."""

from pathlib import Path

from styledistill.run.cli import Folder, user_errors

import click
import onnx
import onnxruntime

from styledistill.core.provenance import run_record
from styledistill.core.runtime import use_threads
from styledistill.student.model import Student
from styledistill.student.onnx_export import OPSET, export


@click.command()
@click.option("--student", type=Folder, required=True, help="Folder of a student (student.safetensors, config.json).")
@click.option("--graphs", type=Folder, required=True, help="Folder of the graphs that trace_onnx.py made.")
@click.option(
    "--out", type=Folder, required=True, help="Folder for encode_style.onnx, stylize.onnx and their variants."
)
def main(student: Path, graphs: Path, out: Path) -> None:
    """Write a student as ONNX in float32, float16 and with int8 weights, each compared with torch (export.json)."""
    with user_errors(), run_record(out / "export.run.json", "export_onnx", {"opset": OPSET}) as facts:
        use_threads()
        export(Student.from_pretrained(student), graphs, out)
        facts.update(onnx=onnx.__version__, onnxruntime=onnxruntime.__version__)


if __name__ == "__main__":
    main()
