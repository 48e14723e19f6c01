"""Which pairs share a forward, and how many images one forward takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.errors import UserError

# Distinct images whose features of one timestep are held at once: 1.1 GB with Stable Diffusion at 512 in fp16.
GROUP_IMAGES = 64
# The part of a GPU's remaining memory that the activations of one forward may take.
FORWARD_SHARE = 0.7

Pair = tuple[int, int]


class Batching:
    """Sizes of the forwards of UNet and VAE: as asked on a CPU, on a GPU at most what its memory holds."""

    def __init__(self, vae: nn.Module, most: int) -> None:
        """most: images per forward."""
        self.most, self._vae = most, vae
        self._size = {"unet": most, "vae": most}

    @property
    def unet(self) -> int:
        """Images per forward of the UNet, as things stand."""
        return self._size["unet"]

    def each(
        self, count: int, run: Callable[[slice], Tensor], part: str = "unet", limit: int | None = None
    ) -> Iterator[Tensor]:
        """run() over slices of `count` rows. Where a GPU's memory does not do, the batch is halved and run again.

        part: unet or vae. limit: largest size of this batch. Raises UserError where one image is too much.
        """
        first = 0
        while first < count:
            size = min(self._size[part], limit or count)
            rows = slice(first, min(first + size, count))
            try:
                result = run(rows)
            except torch.OutOfMemoryError:
                self._halve(part)
                continue
            first = rows.stop
            yield result

    def fit(self, device: torch.device, forward_of_one: Callable[[], object], kept: int) -> None:
        """On a GPU, let the UNet's forwards fill the memory beside `kept` bytes; a forward of one image is measured."""
        if device.type != "cuda":
            return
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        forward_of_one()
        one = max(1, torch.cuda.max_memory_allocated(device) - before)
        room = FORWARD_SHARE * (free_bytes(device) - kept)
        self._size["unet"] = max(1, min(self.most, int(room / one)))

    def _halve(self, part: str) -> None:
        torch.cuda.empty_cache()
        if self._size[part] > 1:
            self._size[part] //= 2
        elif part == "vae" and not self._vae.use_tiling:
            self._vae.enable_tiling()
        else:
            raise UserError(
                "teacher: the GPU's memory is too small. Set teacher.features to recompute, teacher.dtype to float16, "
                "or take smaller images."
            )


def free_bytes(device: torch.device) -> int:
    """Memory that this process may still take: of the GPU, else of the machine and of the job's control group."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    group = Path("/sys/fs/cgroup") / Path("/proc/self/cgroup").read_text().split(":")[-1].strip().lstrip("/")
    for folder in (group, *group.parents):
        if (folder / "memory.max").is_file() and (limit := (folder / "memory.max").read_text().strip()) != "max":
            free = min(free, int(limit) - int((folder / "memory.current").read_text()))
    return max(0, free)


def groups(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Cut a list of pairs where its distinct images would be more than GROUP_IMAGES."""
    group: list[Pair] = []
    seen: set[tuple[str, int]] = set()
    for content, style in pairs:
        more = seen | {("content", content), ("style", style)}
        if group and len(more) > GROUP_IMAGES:
            yield group
            group, more = [], {("content", content), ("style", style)}
        group.append((content, style))
        seen = more
    if group:
        yield group


def whole_batches(ids: Sequence[int], needed: set[int], size: int) -> list[int]:
    """The distinct ids, cut into batches of `size`: all of each batch that holds one of the `needed`."""
    ids = list(dict.fromkeys(ids))
    batches = [ids[first : first + size] for first in range(0, len(ids), size)]
    return [image for batch in batches if needed & set(batch) for image in batch]
