"""From settings to a teacher, and from weights to a model: diffusers folders, hub ids and single files.

Weights come through diffusers' own loaders.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import config
from ..core.errors import UserError
from ..core.files import canonical_json, read_json
from ..core.imports import large_imports
from ..core.places import found, hub_id
from ..downloads.hub_cache import local_model
from .asked import AnyTeacher
from .command import CommandTeacher
from .diffusion import Model, add_weights
from .engine import Teacher
from .images import ImagesTeacher
from .inst_engine import InstTeacher
from .inst_prompt import Encoders, load_encoders

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# May stand beside a folder's unet, vae and scheduler instead of a tokenizer and a text encoder.
NULL_TEXT = "null_text.safetensors"
ADVICE = "Set teacher.weights to a diffusers folder, a hub id or a .safetensors/.ckpt file."


@dataclass(frozen=True)
class Parts:
    """A pipeline without its text encoder: diffusers modules on the CPU, the scheduler's configuration as it is."""

    unet: nn.Module
    vae: nn.Module
    null_text: Tensor
    scheduler: dict[str, Any]


def _styleid(settings: config.Teacher, device: torch.device) -> Teacher:
    return Teacher(load_model(settings, device), settings)


def _inst(settings: config.Teacher, device: torch.device) -> Teacher:
    model = load_model(settings, device)
    path = found(settings.weights)
    if path.is_file():
        return InstTeacher(model, settings, Encoders())  # whose text encoder diffusers has given away
    with _explained(settings.weights), _quiet():
        folder = _of_the_hub(settings.weights) if hub_id(settings.weights) else path
        return InstTeacher(model, settings, load_encoders(folder, model.device))


# teacher.method -> how its teacher is made.
METHODS: dict[str, Callable[[config.Teacher, torch.device], AnyTeacher]] = {
    "styleid": _styleid,
    "inst": _inst,
    "command": lambda settings, device: CommandTeacher(settings),
    "images": lambda settings, device: ImagesTeacher(),
}


def load_teacher(settings: config.Teacher, device: torch.device) -> AnyTeacher:
    """The teacher of the configuration on `device`. Raises UserError where something that it needs is missing."""
    return METHODS[settings.method](settings, device)


def load_model(settings: config.Teacher, device: torch.device) -> Model:
    """The latent diffusion model of the configuration on `device`.

    settings.weights: a diffusers folder with unet, vae, scheduler and either tokenizer and text_encoder or
    `null_text.safetensors` (tensor `embedding`, (1, tokens, channels)); a hub id; or one .safetensors/.ckpt file in the
    original layout, whose configuration is taken from the folder of its name without the suffix if there is one, and
    asked from the hub by diffusers if not. Raises UserError where weights are missing or of another architecture.
    """
    load = _loader(settings.weights)
    dtype = DTYPES[settings.dtype]
    with _explained(settings.weights), _quiet():
        parts = load(dtype)
    model = Model(
        unet=_placed(parts.unet, device),
        vae=_placed(parts.vae, device),
        null_text=parts.null_text,
        levels=_levels(parts.scheduler),
        prediction=parts.scheduler.get("prediction_type", "epsilon"),
        weights=_fingerprint(parts),
        exact_unet=lambda: _placed(load(torch.float32).unet, device),
    )
    _check(model, settings.weights)
    return model


def _loader(weights: str) -> Callable[[torch.dtype], Parts]:
    path = found(weights)
    if path.suffix in (".safetensors", ".ckpt"):
        if not path.is_file():
            raise UserError(f"teacher.weights: there is no file {weights}. {ADVICE}")
        return partial(_from_file, path)
    if hub_id(weights):
        path = _of_the_hub(weights)
    if not (path / "model_index.json").is_file() and not (path / "unet" / "config.json").is_file():
        raise UserError(
            f"teacher.weights: no model in {weights} (looked for model_index.json or unet/config.json). {ADVICE}"
        )
    return partial(_from_folder, path)


def _of_the_hub(name: str) -> Path:
    try:
        return local_model(name)
    except UserError as error:
        raise UserError(f"teacher.weights: {error}") from None


def _from_folder(folder: Path, dtype: torch.dtype) -> Parts:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from safetensors.torch import load_file

    if (folder / NULL_TEXT).is_file():
        null_text = load_file(folder / NULL_TEXT)["embedding"].float()
    else:
        from transformers import CLIPTextModel, CLIPTokenizer

        # A folder and no hub id, so there is no revision to name.
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")  # nosec B615
        encoder = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder")  # nosec B615
        null_text = _empty_prompt(tokenizer, encoder)
    return Parts(
        unet=_component(UNet2DConditionModel, folder / "unet", dtype),
        vae=_component(AutoencoderKL, folder / "vae", torch.float32),
        null_text=null_text,
        scheduler=dict(DDIMScheduler.load_config(folder, subfolder="scheduler")),
    )


def _component(kind: Any, folder: Path, dtype: torch.dtype) -> nn.Module:
    found = read_json(folder / "config.json").get("_class_name")
    if found != kind.__name__:
        raise ValueError(f"{folder.name} is a {found} and not a {kind.__name__}")
    weights = (path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern))
    plain = any(path.name.count(".") == 1 for path in weights)
    variant = None if plain else "fp16"  # some folders hold the half-precision files only
    module, report = kind.from_pretrained(folder, torch_dtype=dtype, variant=variant, output_loading_info=True)
    if strange := [*report["missing_keys"], *report["unexpected_keys"]]:
        raise ValueError(f"{len(strange)} tensors of {folder.name} do not fit its config.json, such as {strange[0]}")
    return module


def _from_file(file: Path, dtype: torch.dtype) -> Parts:
    from diffusers import StableDiffusionPipeline

    beside = file.with_suffix("")
    known = {"config": str(beside)} if (beside / "model_index.json").is_file() else {}
    pipeline = StableDiffusionPipeline.from_single_file(
        str(file), torch_dtype=torch.float32, safety_checker=None, feature_extractor=None, **known
    )
    null_text = _empty_prompt(pipeline.tokenizer, pipeline.text_encoder)
    return Parts(pipeline.unet.to(dtype), pipeline.vae, null_text, dict(pipeline.scheduler.config))


@torch.no_grad()
def _empty_prompt(tokenizer: Any, text_encoder: nn.Module) -> Tensor:
    length = tokenizer.model_max_length
    tokens = tokenizer("", padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    return text_encoder.float().eval()(tokens)[0].clone()


def _levels(scheduler: dict[str, Any]) -> list[float]:
    """abar of each training timestep, whichever of diffusers' schedulers the model was saved with."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_config(scheduler).alphas_cumprod.tolist()


def _placed(module: nn.Module, device: torch.device) -> nn.Module:
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    return module.to(device, memory_format=layout).eval().requires_grad_(False)


def _check(model: Model, weights: str) -> None:
    """Raise UserError for a model of which StyleID, as it is written here, would make nonsense."""
    unet, vae = model.unet.config, model.vae.config
    depth = unet.transformer_layers_per_block
    reasons = {
        f"its UNet takes {unet.in_channels} channels and its latents have {vae.latent_channels}": (
            unet.in_channels != vae.latent_channels or unet.out_channels != vae.latent_channels
        ),
        "its UNet wants more than a text embedding": bool(unet.addition_embed_type or unet.class_embed_type),
        "its attentions have several transformer blocks": depth != 1 and set(_flat(depth)) != {1},
        f"its UNet takes text of width {unet.cross_attention_dim} and the encoder gives {model.null_text.shape[-1]}": (
            set(_flat(unet.cross_attention_dim)) != {model.null_text.shape[-1]}
        ),
        f"it predicts {model.prediction}": model.prediction not in ("epsilon", "v_prediction"),
    }
    for reason, holds in reasons.items():
        if holds:
            raise UserError(
                f"teacher.weights: {weights} is of another architecture than Stable Diffusion 1 and 2: {reason}."
            )


def _flat(value: Any) -> list[Any]:
    return [inner for item in value for inner in _flat(item)] if isinstance(value, list | tuple) else [value]


def _fingerprint(parts: Parts) -> str:
    """sha256 over what was loaded, not over files: equal for the same model as folder, hub id and single file."""
    digest = hashlib.sha256()
    for module in (parts.unet, parts.vae):
        facts = {name: value for name, value in module.config.items() if not name.startswith("_")}
        digest.update(canonical_json(facts).encode())
        add_weights(digest, module)
    digest.update(parts.null_text.contiguous().numpy())
    digest.update(canonical_json([_levels(parts.scheduler), parts.scheduler.get("prediction_type")]).encode())
    return digest.hexdigest()


@contextmanager
def _explained(weights: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # diffusers, transformers and the hub's client raise many types for unfit files
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise cause from None  # the weights are not to blame
            cause = cause.__cause__
        first = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"teacher.weights: {weights} cannot be loaded ({first}). {ADVICE}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without diffusers' remarks about files that are not needed here."""
    with large_imports():
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel  # noqa: F401
        from diffusers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
