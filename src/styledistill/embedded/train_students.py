"""Train the embedded students: `images`, `train` and `export`, one after the other, each resumable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import numpy as np
import torch

from ..config import Networks
from ..core.files import atomic_path, read_json, sha256_file, write_bytes, write_json
from ..core.runtime import use_threads
from ..core.tensors import finite_weights
from ..perceptual import features
from ..run.cli import Folder, user_errors  # sets OpenMP's wait policy, so it stands before torch
from ..sources.crops import HELD_OUT, Group, opened
from ..student.architectures import architecture_of
from ..student.model import CONFIG_FILE, WEIGHTS_FILE, Student, write_student
from ..student.modulation import load_features
from ..student.practice import PairsByChance, Practice, Recipe, Weights, state_file
from ..student.sttr import STTR
from ..student.training import write_history
from .pool import content_pool, style_pool
from .steps import kept

RECIPES = {
    "micro": Recipe(steps=12_500),
    "sttr": Recipe(steps=5_200, learning_rate=5e-4, warm_up=200, sizes=((1.0, 4, 128),), weights=Weights(content=0.5)),
}
SEEDS = {"micro": 1, "sttr": 2, "drawn styles": 7, "drawn contents": 8}


@click.group()
def main() -> None:
    """Train the embedded students (see the module's text)."""


@main.command()
@click.argument("work", type=Folder)
def images(work: Path) -> None:
    """Draw images that join the photographs and paintings."""
    with user_errors():
        for name, pool, count in (("styles", style_pool, 400), ("contents", content_pool, 200)):
            with atomic_path(work / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, pool(SEEDS[f"drawn {name}"], count, 256))


@main.command()
@click.argument("work", type=Folder)
@click.argument("architecture", type=click.Choice(list(RECIPES)))
@click.option("--photographs", type=Folder, required=True, help="Folder of photographs.")
@click.option("--paintings", type=Folder, required=True, help="Folder of paintings.")
@click.option("--start", type=Folder, help="Student whose weights the new one takes where names agree.")
def train(work: Path, architecture: str, photographs: Path, paintings: Path, start: Path | None) -> None:
    """Train a student on photographs, paintings and drawn images; killed and started again it goes on."""
    with user_errors():
        use_threads()
        taken, art = opened(photographs, HELD_OUT["photographs"]), opened(paintings, HELD_OUT["paintings"])
        drawn = {name: list(np.load(kept(work / f"{name}.npy", "images"))) for name in ("contents", "styles")}
        contents = [Group(taken, 0.75), Group(art, 0.13), Group(drawn["contents"], 0.12)]
        styles = [Group(art, 0.75, zoom=1.25), Group(taken, 0.12), Group(drawn["styles"], 0.13, zoom=1.0)]
        recipe, seed = RECIPES[architecture], SEEDS[architecture]
        network = untrained(architecture, seed, start)
        pairs = PairsByChance(contents, styles, recipe.recolored, seed)
        lite = features(Networks(features="efficientnet_lite0"))
        state = state_file(work / "states", network, lite, pairs, recipe)
        training = Practice(network, lite, pairs, recipe, state)
        for step in training.run():
            write_history(work / f"{architecture}.csv", training.rows)
            click.echo(f"step {step} of {recipe.steps}")
        training.use_average()
        Student(network, {"size": "tiny", "seed": seed, "origin": "practice"}).save(work / architecture)


@main.command()
@click.argument("work", type=Folder)
@click.argument("architecture", type=click.Choice(list(RECIPES)))
@click.argument("out", type=Folder)
def export(work: Path, architecture: str, out: Path) -> None:
    """Write a trained student in fp16, with recipe, history and sha256."""
    with user_errors():
        student = Student.from_pretrained(kept(work / architecture, "train"))
        state = student.network.state_dict()
        half = {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in state.items()}
        finite_weights(half, str(out / WEIGHTS_FILE))  # fp16 ends at 65504
        history = kept(work / f"{architecture}.csv", "train").read_bytes()
        write_student(out, half, read_json(work / architecture / CONFIG_FILE))
        write_bytes(out / "history.csv", history)
        recipe = {
            "made_by": "styledistill.embedded.train_students (images, train, export); weights then rounded to fp16",
            "architecture": architecture_of(student.network),
            "recipe": dataclasses.asdict(RECIPES[architecture]),
            "seeds": SEEDS,
            "sha256": {WEIGHTS_FILE: sha256_file(out / WEIGHTS_FILE)},
        }
        write_json(out / "recipe.json", recipe)


def untrained(architecture: str, seed: int, start: Path | None) -> torch.nn.Module:
    """The network to train: STTR with a styled tail, or micro; with the weights of `start` where names agree."""
    if architecture != "sttr":
        return Student.create("tiny", seed, architecture).network
    base = Student.from_pretrained(start) if start else Student.create("tiny", seed)
    torch.manual_seed(seed)
    network = STTR(dataclasses.replace(base.network.config, style_code=64))
    network.load_state_dict(base.network.state_dict(), strict=False)
    load_features(network)
    return network


if __name__ == "__main__":
    main()
