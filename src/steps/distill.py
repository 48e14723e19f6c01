"""Distill the teacher's images into the student, with one loss."""

from contextlib import nullcontext
from pathlib import Path

from styledistill.run.cli import SEED, Folder, Readable, Settings, user_errors

import click
from safetensors.torch import save_file

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.files import atomic_path
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.core.tensors import finite_weights
from styledistill.student.distill import distill
from styledistill.student.distributed import group_size, is_main, part, processes_for, run_in_processes
from styledistill.student.tracker import tracked
from styledistill.student.training import write_history


@click.command()
@click.option("--train", type=Readable, required=True, help="Manifest of the training pairs (shards/train.json).")
@click.option("--val", type=Readable, required=True, help="Manifest of the validation pairs (shards/val.json).")
@click.option("--start", type=Folder, required=True, help="Folder of the student before distillation.")
@click.option("--loss", type=Settings(config.Loss), required=True, help="Weights of the terms, as JSON.")
@click.option("--settings", type=Settings(config.Distill), required=True, help="The distill section, as JSON.")
@click.option("--networks", type=Settings(config.Networks), required=True, help="The networks section, as JSON.")
@click.option("--seed", type=SEED, required=True)
@click.option("--device", default="auto", show_default=True, help="auto or cuda: all visible GPUs; cpu; cuda:N.")
@click.option("--processes", type=click.IntRange(1), help="Processes to train with.  [default: one per GPU]")
@click.option("--state", type=Folder, default="resources/training", show_default=True, help="Where states are kept.")
@click.option("--out", type=Folder, required=True, help="Folder of the distilled student.")
def main(
    train: Path,
    val: Path,
    start: Path,
    loss: dict[str, float],
    settings: config.Distill,
    networks: config.Networks,
    seed: int,
    device: str,
    processes: int | None,
    state: Path,
    out: Path,
) -> None:
    """Distill the teacher's images into the student, with one loss; killed and started again it goes on.

    Writes student.safetensors and config.json (the epoch of the lowest validation loss), last.safetensors and
    history.csv.
    """
    record = run_record(out / "distill.run.json", "distill", settings.model_dump(), seed)
    with user_errors():
        use_threads()
        if missing := settings.missing():
            raise UserError(f"distill.{missing}")
        run_in_processes(processes or processes_for(device, settings.batch))
        with record if is_main() else nullcontext({}) as facts:
            seed_everything(seed)
            where = pick_device(device)
            with tracked(settings.tracker if is_main() else "none", out) as tracker:
                done = distill(start, (train, val), loss, settings, networks, seed, where, state, tracker)
            if is_main():
                done.student.save(out)
                finite_weights(done.last, str(out / "last.safetensors"))
                with atomic_path(out / "last.safetensors") as temporary:
                    save_file(done.last, temporary)
                write_history(out / "history.csv", done.rows)
            facts.update(device=str(where), loss=loss, processes=group_size(), pairs_per_second=done.pairs_per_second)
        part()


if __name__ == "__main__":
    main()
