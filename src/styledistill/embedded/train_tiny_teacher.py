"""Train the embedded teacher: `images`, `autoencoder`, `unet` and `export`, one after the other, each resumable."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import load_file

from ..core.files import atomic_path, sha256_file, write_json, write_text
from ..core.runtime import use_threads
from ..run.cli import SEED, Folder, user_errors  # sets OpenMP's wait policy, so it stands before torch
from ..sources.crops import HELD_OUT, Group, crops, opened
from . import tiny_teacher
from .pool import mixed_pool
from .steps import kept

AUTOENCODER = tiny_teacher.Schedule(steps=2_400, batch=8, learning_rate=5e-4)
COARSE = 1_000  # the first UNet steps on quarter-size latents: layout of textures is learned four times faster there
UNET = tiny_teacher.Schedule(steps=6_000, batch=4, learning_rate=5e-4, ema=0.9985)
COUNTS = {"drawn": 2_000, "photographs": 2_000, "paintings": 2_000}  # images of 128 x 128


@click.group()
def main() -> None:
    """Train the embedded teacher (see the module's text)."""


@main.command()
@click.argument("work", type=Folder)
@click.option("--photographs", type=Folder, required=True, help="Folder of photographs.")
@click.option("--paintings", type=Folder, required=True, help="Folder of paintings.")
@click.option("--seed", type=SEED, default=1, show_default=True)
def images(work: Path, photographs: Path, paintings: Path, seed: int) -> None:
    """Draw images and crop photographs and paintings, at scales of every kind."""
    folders = {"photographs": (photographs, 1.0), "paintings": (paintings, 1.4)}
    for name, part, held_out in (("train", seed, False), ("held_out", seed + 1, True)):
        counts = {kind: count // 25 for kind, count in COUNTS.items()} if held_out else COUNTS
        pools = [
            crops([Group(opened(folder, HELD_OUT[kind], held_out), 1.0, zoom)], part, counts[kind], 128)
            for kind, (folder, zoom) in folders.items()
        ]
        pools.insert(0, mixed_pool(part, counts["drawn"], 128))  # takes minutes, so folders are looked at before
        mixed = np.random.default_rng(part).permutation(np.concatenate(pools))
        with atomic_path(work / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, mixed)


@main.command()
@click.argument("work", type=Folder)
@click.option("--start", type=Folder, help="Teacher whose autoencoder the new one starts from.")
@click.option("--seed", type=SEED, default=1, show_default=True)
def autoencoder(work: Path, start: Path | None, seed: int) -> None:
    """Train encoder and decoder together, then standardize the latents."""
    torch.manual_seed(seed)
    pool = np.load(kept(work / "train.npy", "images"), mmap_mode="r")
    vae = tiny_teacher.AutoencoderKL.from_pretrained(start / "vae") if start else tiny_teacher.build_vae()
    trainer = tiny_teacher.Trainer(dict(vae.named_parameters()), AUTOENCODER, work / "autoencoder.pt", seed)

    def loss(step: int, random: torch.Generator) -> torch.Tensor:
        return tiny_teacher.autoencoder_loss(vae, tiny_teacher.image_batch(pool, AUTOENCODER.batch, 64, random), random)

    for step in trainer.run(loss):
        if step % 1_000 == 0:
            print(f"step {step}: {held_out_psnr(vae, work):.2f} dB on held-out images", flush=True)
    trainer.use_average()
    tiny_teacher.standardize_latents(vae, pool[:800])
    print(f"standardized: {held_out_psnr(vae, work):.2f} dB on held-out images")
    tiny_teacher.save_part(vae, work / "vae")


@main.command()
@click.argument("work", type=Folder)
@click.option("--start", type=Folder, help="Teacher whose UNet and null text the new ones start from.")
@click.option("--seed", type=SEED, default=3, show_default=True)
def unet(work: Path, start: Path | None, seed: int) -> None:
    """Train the UNet and the null text's embedding on the latents; writes an average for looking at now and then."""
    torch.manual_seed(seed)
    vae = tiny_teacher.AutoencoderKL.from_pretrained(kept(work / "vae", "autoencoder"))
    latents = tiny_teacher.encode_pool(vae, np.load(kept(work / "train.npy", "images"), mmap_mode="r"))
    network, null_text = (
        tiny_teacher.build_unet(),
        torch.nn.Parameter(0.02 * torch.randn(1, 1, tiny_teacher.TEXT_WIDTH)),
    )
    if start:
        network.load_state_dict(tiny_teacher.UNet2DConditionModel.from_pretrained(start / "unet").state_dict())
        null_text.data = load_file(start / "null_text.safetensors")["embedding"].float()
    alphas = tiny_teacher.build_scheduler().alphas_cumprod
    trainer = tiny_teacher.Trainer(
        {**dict(network.named_parameters()), "null_text": null_text}, UNET, work / "unet.pt", seed
    )

    def loss(step: int, random: torch.Generator) -> torch.Tensor:
        count, side = (4 * UNET.batch, 16) if step < COARSE else (UNET.batch, 32)
        return tiny_teacher.noise_loss(
            network, null_text, tiny_teacher.latent_batch(latents, count, side, random), alphas, random
        )

    for _ in trainer.run(loss):
        pass


@main.command()
@click.argument("work", type=Folder)
@click.argument("out", type=Folder)
def export(work: Path, out: Path) -> None:
    """Write the averaged weights as a diffusers folder in fp16, with recipe, loss curve and sha256."""
    kept(work / "unet.pt", "unet")
    vae = tiny_teacher.AutoencoderKL.from_pretrained(kept(work / "vae", "autoencoder"))
    network, null_text = tiny_teacher.build_unet(), torch.nn.Parameter(torch.zeros(1, 1, tiny_teacher.TEXT_WIDTH))
    trainer = tiny_teacher.Trainer(
        {**dict(network.named_parameters()), "null_text": null_text}, UNET, work / "unet.pt", seed=3
    )
    trainer.use_average()
    tiny_teacher.save_half(vae, out / "vae")
    tiny_teacher.save_half(network, out / "unet")
    tiny_teacher.save_part(tiny_teacher.build_scheduler(), out / "scheduler")
    tiny_teacher.save_null_text(null_text, out / "null_text.safetensors")
    write_json(out / "recipe.json", recipe(work, out, trainer.step, held_out_psnr(vae, work)))
    write_text(out / "loss.csv", loss_curve(trainer.losses))


def held_out_psnr(vae: tiny_teacher.AutoencoderKL, work: Path) -> float:
    """Mean PSNR of reconstructions of images that were not trained on, in dB."""
    errors = []
    with torch.no_grad():
        for batch in tiny_teacher.whole_batches(np.load(work / "held_out.npy")):
            decoded = vae.decode(vae.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
            errors.append((decoded - batch).div(2).square().mean((1, 2, 3)))
    return float(-10 * torch.cat(errors).log10().mean())


def recipe(work: Path, out: Path, unet_steps: int, psnr: float) -> dict[str, object]:
    """What a reader needs to make the weights again, and to know them."""
    weights = sorted(out.rglob("*.safetensors"))
    return {
        "made_by": "styledistill.embedded.train_tiny_teacher (images, autoencoder, unet, export)",
        "images": int(np.load(kept(work / "train.npy", "images"), mmap_mode="r").shape[0]),
        "seeds": {"images": 1, "autoencoder": 1, "unet": 3},
        "autoencoder": vars(AUTOENCODER),
        "unet": {**vars(UNET), "steps_done": unet_steps, "coarse_steps": COARSE},
        "images_sha256": sha256_file(work / "train.npy"),
        "held_out_psnr_db": round(psnr, 2),
        "sha256": {str(path.relative_to(out)): sha256_file(path) for path in weights},
    }


def loss_curve(losses: list[float], every: int = 50) -> str:
    """CSV of the UNet's loss, averaged over `every` steps."""
    rows = [f"{end},{np.mean(losses[end - every : end]):.6f}" for end in range(every, len(losses) + 1, every)]
    return "\n".join(["step,loss", *rows, ""])


if __name__ == "__main__":
    use_threads()
    with user_errors():
        main()
