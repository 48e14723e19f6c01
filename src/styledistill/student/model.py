"""The student as a product: images in [0, 1] of any size in, images out; saved as safetensors and a JSON."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..core.arrays import resized
from ..core.distinct import distinct
from ..core.errors import UserError
from ..core.files import atomic_path, canonical_json, sha256_file, write_json
from ..core.tensors import finite, finite_weights
from ..downloads.registry import local_file
from ..perceptual import denormalize, normalize
from .architectures import Memory, architecture, architecture_of, parts
from .controls import WHOLE_PIXELS, Stylizing, mixture, style_target
from .detail import WORKING_PIXELS
from .folders import CONFIG_FILE, FACTS, WEIGHTS_FILE, facts_of, student_folder
from .modulation import load_features
from .sttr import SIZES, STTR


class Student(nn.Module, Stylizing):
    """A stylizer: a network of one of the ARCHITECTURES between images in [0, 1]."""

    def __init__(self, network: nn.Module, facts: dict[str, Any] | None = None) -> None:
        """network: weights as trained. facts: what `config.json` says beside the network (loss, seed, origin)."""
        super().__init__()
        self.network = network.to(memory_format=network.memory_format)
        self.facts = dict(facts or {})
        self.working_pixels = sys.maxsize if network.linear else WORKING_PIXELS
        self.eval()

    @classmethod
    def create(cls, size: str, seed: int, name: str = "sttr") -> Student:
        """An untrained student of the architecture `name` whose random weights depend on `seed` only."""
        chosen = architecture(name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = chosen.network(chosen.sizes[size])
        load_features(network)
        return cls(network, {"size": size, "seed": seed})

    @classmethod
    def from_pretrained(cls, path: Path | str, revision: str = "main") -> Student:
        """The student of a folder (student.safetensors, config.json) or of a hub id. Raises UserError.

        revision: branch, tag or commit of a hub id; `facts["origin"]` says which commit that was.
        """
        folder, origin = student_folder(path, revision)
        try:
            facts = facts_of(folder) | origin
            chosen = architecture(facts.pop("architecture", "sttr"))  # students of before had one
            config = chosen.read_config(facts.pop("network"))
            network = _built(chosen.network, config, state := load_file(folder / WEIGHTS_FILE))
        except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError, SafetensorError) as error:
            raise UserError(
                f"{folder}: no student of this version ({type(error).__name__}: {str(error).splitlines()[0]:.100}). "
                f"Train it again, or give another folder."
            ) from error
        finite_weights(state, str(folder / WEIGHTS_FILE))
        return cls(network, facts)

    @classmethod
    def from_checkpoint(cls, path: Path | str, sha256: str | None = None) -> Student:
        """The full student with the weights of the authors' `checkpoint0005.pth`; `save` it once and load that.

        sha256: what the file's hash must be. Nothing of the file is executed. Raises UserError.
        """
        found = _checked(Path(path), sha256)
        try:
            # DETR's programs keep their command line beside the weights; a Namespace holds plain values only.
            with torch.serialization.safe_globals([argparse.Namespace]):
                checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            network = _built(STTR, SIZES["full"], checkpoint["model"])
        except (KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(
                f"{path}: not the authors' checkpoint of STTR ({type(error).__name__}: "
                f"{str(error).splitlines()[0]:.100}). Download checkpoint0005.pth again."
            ) from error
        return cls(network, {"size": "full", "origin": Path(path).name, "origin_sha256": found})

    def save(self, folder: Path | str) -> None:
        """Write `student.safetensors` (float32) and `config.json` into `folder`.

        Killed at any time, it leaves the student before or this one. Raises UserError for weights that are not finite,
        and for such that draw no image.
        """
        folder = Path(folder)
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        finite_weights(state, str(folder / WEIGHTS_FILE))
        ramp = torch.linspace(0, 1, 3 * 32 * 32).view(1, 3, 32, 32)
        self.stylize(ramp, ramp)  # weights of 1e30 are finite, and their images are not
        network = {"architecture": architecture_of(self.network), "network": asdict(self.network.config)}
        write_student(folder, state, {**self.facts, **network})

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def encode_style(self, styles: Tensor, style_size: int | None = None) -> Memory:
        """Memory of style images (M, 3, H', W') in [0, 1], of any size; give it to `stylize` in their place.

        style_size: the shorter side to which they are scaled first.
        """
        styles = self._images(styles, "styles")
        size = tuple(styles.shape[2:])
        target = style_target(*size, style_size)
        if target != size:
            styles = self._taken(resized(styles.cpu().numpy(), *target))
        return self.network.encode_style(self._prepared(styles))

    @property
    def mixes(self) -> bool:
        """Whether this student can mix styles, as strengths below 1 do too."""
        return True

    @torch.inference_mode()
    def stylize(self, contents: Tensor, styles: Tensor | Memory | list[Any], *args: Any, **options: Any) -> Tensor:
        """As `Stylizing.stylize`; equal styles are encoded once."""
        return super().stylize(contents, styles, *args, **options)

    def _drawn(self, contents: Tensor, memories: list[Memory], portions: list[float]) -> Tensor:
        memories = [_rows(memory, len(contents)) for memory in memories]
        large = contents[0, 0].numel() > WHOLE_PIXELS
        if large and self.device.type == "cpu" and architecture_of(self.network) == "micro":
            drawn = self._in_strips(contents, memories, portions)
        else:
            drawn = self._whole(contents, memories, portions)
        return finite(drawn, "student: what it draws is").clamp(0, 1)

    def _whole(self, contents: Tensor, memories: list[Memory], portions: list[float]) -> Tensor:
        height, width = contents.shape[2:]
        prepared = self._prepared(contents)
        if len(memories) == 1:
            drawn = self.network.decode(prepared, memories[0])
        else:
            drawn = self.network.mixed(prepared, memories, portions)
        return denormalize(drawn)[:, :, :height, :width]

    def _in_strips(self, contents: Tensor, memories: list[Memory], portions: list[float]) -> Tensor:
        """Large images on a CPU, by onnxruntime in strips: whole, their maps would not fit."""
        from .onnx_student import micro_strips

        weights = {name: value.numpy() for name, value in self.network.state_dict().items()}
        draw = micro_strips(weights, asdict(self.network.config))
        codes = mixture([memory.codes for memory in memories], portions).numpy()
        images = contents.numpy()
        drawn = [draw(images[n : n + 1], codes[n : n + 1]) for n in range(len(contents))]
        return torch.from_numpy(np.concatenate(drawn))

    def _memory(self, style: Any, style_size: int | None) -> Memory:
        if not self._is_image(style):
            return style
        first, same_as = _distinct(style := self._images(style, "styles"))
        memory = self.encode_style(style[first], style_size)
        return type(memory)(**{name: part[same_as.to(part.device)] for name, part in parts(memory).items()})

    def as_array(self, images: Tensor) -> np.ndarray:
        """Images as an array of the CPU."""
        return images.cpu().numpy()

    def nbytes(self, memory: Memory) -> int:
        """The size of what a style left."""
        return sum(part.nbytes for part in parts(memory).values())

    def _taken(self, images: Any) -> Tensor:
        return torch.as_tensor(images, dtype=torch.float32, device=self.device)

    def _is_image(self, style: Any) -> bool:
        return not isinstance(style, tuple)

    def _prepared(self, images: Tensor) -> Tensor:
        return normalize(reflected(images.to(self.device), self.network.grid))


def _rows(memory: Memory, count: int) -> Memory:
    """One row of a memory for each of `count` contents."""
    kept = len(memory[0])
    if kept not in (1, count):
        raise ValueError(f"{kept} styles for {count} contents: give as many, or one")
    rows = torch.arange(kept).expand(count) if kept == 1 else torch.arange(count)
    return type(memory)(**{name: part[rows.to(part.device)] for name, part in parts(memory).items()})


def reflected(images: Tensor, multiple: int) -> Tensor:
    """Images continued to the right and downwards by reflection until both sides are multiples of `multiple`.

    Images smaller than the strip that is missing are reflected again and again.
    """
    for axis in (2, 3):
        images = images.index_select(axis, _mirror(images.shape[axis], multiple).to(images.device))
    return images


def _mirror(length: int, multiple: int) -> Tensor:
    """Indices 0, 1, .., n-1, n-2, .., 0, 1, .. up to the next multiple.

    No branch, no negative number: exported to ONNX, whose integer division rounds toward 0, it follows any length.
    """
    period = torch.full((1,), torch.sym_max(1, 2 * (length - 1)))
    position = torch.arange((length + multiple - 1) // multiple * multiple) % period
    return torch.minimum(position, period - position)


def _distinct(images: Tensor) -> tuple[list[int], Tensor]:
    """Index of the first of each group of equal images, and for each image the number of its group."""
    first, group_of = distinct(hashlib.sha256(image.detach().contiguous().cpu().numpy()).digest() for image in images)
    return first, torch.tensor(group_of)


# --- starting weights -------------------------------------------------------------------------------------------


def load_imagenet(student: Student) -> None:
    """Give both backbones torchvision's ResNet-50 of ImageNet (version 1, as the authors used), hash checked.

    For the full size only. Raises UserError where it has not been downloaded.
    """
    set_backbones(student.network, torch.load(local_file("resnet50"), map_location="cpu", weights_only=True))


def set_backbones(network: STTR, resnet50: dict[str, Tensor]) -> None:
    """Copy a ResNet-50's state into both backbones; layers that a backbone does not reach are left out."""
    for backbone in (network.backbone_content, network.backbone_style):
        body = backbone.body
        try:
            body.load_state_dict({name: resnet50[name] for name in body.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise UserError("student.start: imagenet needs student.size full (a ResNet-50's weights)") from error


# --- files ------------------------------------------------------------------------------------------------------


def write_student(folder: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write weights and `config.json`, which says `facts`.

    The weights' file says them too, and that one counts: two files cannot be replaced at once, and weights beside the
    configuration of another student would be of neither.
    """
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        save_file(state, temporary, {FACTS: canonical_json(facts)})
    write_json(folder / CONFIG_FILE, facts)


def _built(kind: type[nn.Module], config: Any, state: dict[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in float32; no random weights are drawn first (1 s at any size)."""
    with torch.device("meta"), _Unfilled():
        network = kind(config)
    in_float32 = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    network.load_state_dict(in_float32, assign=True)
    return network


class _Unfilled(TorchFunctionMode):
    """Random fills do nothing here; on the meta device they draw no number anyway, but import torch's compiler."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return function(*args, **(kwargs or {}))


def _checked(path: Path, sha256: str | None) -> str:
    if not path.is_file():
        raise UserError(f"student.start: no file {path}. Give the authors' checkpoint0005.pth or a student's folder.")
    found = sha256_file(path)
    if sha256 and found != sha256.lower():
        raise UserError(f"{path}: sha256 is {found[:16]}.., expected {sha256[:16]}... Download the file again.")
    return found
