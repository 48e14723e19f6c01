"""The embedded teacher: Stable Diffusion's plan (VAE, UNet, null text, DDIM) at a size that two cores can train.

The autoencoder is trained first (L1 + gradient L1 + KL), its latents are standardized per channel by folding the affine
map into the 1 x 1 convolutions beside the latent, then the UNet learns to predict the noise in them (Ho et al. 2020,
Stable Diffusion's betas).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.averages import follow, start_average, use_average
from ..core.errors import UserError
from ..core.files import atomic_path, write_together
from ..core.progress import Meter
from ..core.tensors import finite, finite_weights

LATENT_CHANNELS = 8  # Stable Diffusion has 4; at factor 4 and 128 pixels eight keep the fine lines
TEXT_WIDTH = 64
SD_SCALING_FACTOR = 0.18215


def build_vae() -> AutoencoderKL:
    """AutoencoderKL of factor 4; residual blocks start as identities, which gains 1.6 dB in a short training."""
    vae = AutoencoderKL(
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        scaling_factor=SD_SCALING_FACTOR,
        sample_size=128,
    )
    for name, module in vae.named_modules():
        if name.endswith("conv2"):
            _zero(module)
    return vae


def build_unet() -> UNet2DConditionModel:
    """UNet with self-attention at the two finest grids, four heads, and one null token as text."""
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 80, 112),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,  # diffusers' name for the number of heads
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=16,
    )
    for name, module in unet.named_modules():
        if name.endswith(("conv2", "proj_out")) or name == "conv_out":
            _zero(module)
    return unet


def _zero(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def build_scheduler() -> DDIMScheduler:
    """Stable Diffusion's scaled-linear betas."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a part is trained: 200 steps of warm-up, then half a cosine to a hundredth of the rate."""

    steps: int
    batch: int
    learning_rate: float
    ema: float = 0.999

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / 200)
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))


class Trainer:
    """One network in training: AdamW, clipping, moving average of the weights, and a state that survives a kill."""

    def __init__(self, parameters: dict[str, nn.Parameter], schedule: Schedule, state: Path, seed: int) -> None:
        self.parameters, self.schedule, self.state = parameters, schedule, state
        self.optimizer = torch.optim.AdamW(parameters.values(), lr=schedule.learning_rate, weight_decay=1e-4)
        self.average = start_average(parameters)
        self.random = torch.Generator().manual_seed(seed)
        self.step, self.losses = 0, []
        if state.exists():
            self._resume()

    def run(self, loss_of: Callable[[int, torch.Generator], Tensor], save_every: int = 250) -> Iterator[int]:
        """Train to the last step; yields the step after each save. Raises UserError where a gradient is not finite."""
        meter = Meter(unit="step", total=self.schedule.steps, label=self.state.stem)
        meter.advance(self.step)
        while self.step < self.schedule.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(self.step)
            self.optimizer.zero_grad(set_to_none=True)
            loss = loss_of(self.step, self.random)
            loss.backward()
            if not nn.utils.clip_grad_norm_(self.parameters.values(), 1.0).isfinite():
                raise UserError(f"{self.state}: the gradient of step {self.step} is not finite. Lower its rate.")
            self.optimizer.step()
            self._follow()
            self.losses.append(loss.item())
            self.step += 1
            meter.advance(note=f"loss {np.mean(self.losses[-100:]):.4f}")
            if self.step % save_every == 0 or self.step == self.schedule.steps:
                self._save()
                yield self.step
        meter.close()

    def use_average(self) -> None:
        """Put the moving average in place of the weights."""
        use_average(self.average, self.parameters)

    def _follow(self) -> None:
        follow(self.average, self.parameters, min(self.schedule.ema, (1 + self.step) / (10 + self.step)))

    def _save(self) -> None:
        state = {
            "weights": {name: value.detach() for name, value in self.parameters.items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "step": self.step,
            "losses": torch.tensor(self.losses),
        }
        with atomic_path(self.state) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        state = torch.load(self.state, weights_only=True)
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(state["weights"][name])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.random.set_state(state["random"])
        self.step, self.losses = state["step"], state["losses"].tolist()


def image_batch(pool: np.ndarray, count: int, side: int, random: torch.Generator) -> Tensor:
    """Random crops of uint8 (N, S, S, 3), mirrored at random: (count, 3, side, side) in [-1, 1]."""
    number, size = pool.shape[0], pool.shape[1]
    chosen = torch.randint(number, (count,), generator=random).tolist()
    corners = torch.randint(size - side + 1, (count, 2), generator=random).tolist()
    crops = [pool[n, y : y + side, x : x + side] for n, (y, x) in zip(chosen, corners, strict=True)]
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
    mirrored = torch.rand(count, generator=random) < 0.5
    return torch.where(mirrored[:, None, None, None], batch.flip(3), batch)


def autoencoder_loss(vae: AutoencoderKL, images: Tensor, random: torch.Generator) -> Tensor:
    """L1 + L1 of the horizontal and vertical differences (edges) + a KL term small enough to keep detail."""
    posterior = vae.encode(images).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=random)
    decoded = vae.decode(posterior.mean + posterior.std * noise).sample
    return reconstruction_loss(decoded, images) + 1e-4 * posterior.kl().mean() / posterior.mean[0].numel()


def reconstruction_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """L1 of the images and of their differences between neighbors."""
    edges = sum(F.l1_loss(decoded.diff(dim=axis), images.diff(dim=axis)) for axis in (2, 3))
    return F.l1_loss(decoded, images) + 0.5 * edges


def noise_loss(unet: nn.Module, null_text: Tensor, latents: Tensor, alphas: Tensor, random: torch.Generator) -> Tensor:
    """Mean squared error of the predicted noise at random timesteps. Ho et al. 2020, equation 14."""
    count = len(latents)
    # One timestep from each of `count` equal parts of the range: the same mean, less variance between steps.
    offsets = torch.rand(count, generator=random)
    timesteps = ((torch.arange(count) + offsets) / count * len(alphas)).long()
    noise = torch.randn(latents.shape, generator=random)
    signal = alphas[timesteps].view(-1, 1, 1, 1)
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    predicted = unet(noisy, timesteps, null_text.expand(count, -1, -1)).sample
    return F.mse_loss(predicted, noise)


@torch.no_grad()
def standardize_latents(vae: AutoencoderKL, pool: np.ndarray) -> None:
    """Give every latent channel mean 0 and deviation 1 / scaling factor by changing the 1 x 1 convolutions beside it.

    Images come out as before; the diffusion sees channels of equal strength.
    """
    means, squares = [], []
    for images in whole_batches(pool):
        latents = vae.encode(images).latent_dist.mean
        means.append(latents.mean((0, 2, 3)))
        squares.append(latents.square().mean((0, 2, 3)))
    mean = torch.stack(means).mean(0)
    gain = torch.stack(squares).mean(0).sub(mean.square()).sqrt() * SD_SCALING_FACTOR
    quant, post = vae.quant_conv, vae.post_quant_conv
    # latent' = (latent - mean) / gain, so the decoder's first convolution has to see latent' * gain + mean
    quant.weight[:LATENT_CHANNELS] /= gain[:, None, None, None]
    quant.bias[:LATENT_CHANNELS] = (quant.bias[:LATENT_CHANNELS] - mean) / gain
    quant.bias[LATENT_CHANNELS:] -= 2 * gain.log()  # the posterior's log variance scales with it
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
    post.weight *= gain[None, :, None, None]


def whole_batches(pool: np.ndarray, batch: int = 16) -> Iterator[Tensor]:
    """All images of uint8 (N, S, S, 3) in order, as (batch, 3, S, S) in [-1, 1]."""
    for start in range(0, len(pool), batch):
        yield torch.from_numpy(np.array(pool[start : start + batch])).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def encode_pool(vae: AutoencoderKL, pool: np.ndarray) -> Tensor:
    """Scaled latents of all images and of their mirror images, (2 N, C, S/4, S/4)."""
    scaled = [vae.encode(view).latent_dist.mean for batch in whole_batches(pool) for view in (batch, batch.flip(3))]
    return torch.cat(scaled) * vae.config.scaling_factor


def latent_batch(latents: Tensor, count: int, side: int, random: torch.Generator) -> Tensor:
    """`count` random crops of `side` x `side` latents."""
    chosen = torch.randint(len(latents), (count,), generator=random).tolist()
    corners = torch.randint(latents.shape[-1] - side + 1, (count, 2), generator=random).tolist()
    crops = [latents[n, :, y : y + side, x : x + side] for n, (y, x) in zip(chosen, corners, strict=True)]
    return torch.stack(crops)


def save_half(module: nn.Module, folder: Path) -> None:
    """Write a diffusers model in fp16 safetensors, leaving the model in memory as it is."""
    config = {key: value for key, value in module.config.items() if key != "_name_or_path"}  # a place on this machine
    half = type(module).from_config(config).half()
    half.load_state_dict(module.state_dict())
    finite_weights(half.state_dict(), str(folder))
    save_part(half, folder)


def save_part(part: AutoencoderKL | UNet2DConditionModel | DDIMScheduler, folder: Path) -> None:
    """Write one part of a diffusers pipeline; its files are put in place when all of them are whole."""
    with TemporaryDirectory() as made:
        part.save_pretrained(made)
        write_together({folder / file.name: file.read_bytes() for file in sorted(Path(made).iterdir())})


def save_null_text(embedding: Tensor, path: Path) -> None:
    """Write the null text's embedding (1, T, D)."""
    half = embedding.detach().half().contiguous()
    with atomic_path(path) as temporary:
        save_file({"embedding": finite(half, str(path))}, temporary)
