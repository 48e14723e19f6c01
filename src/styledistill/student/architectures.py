"""The architectures of students: one module each, and one line here.

A network takes and gives ImageNet-normalized images (B, 3, H, W), H and W multiples of its `grid`, says in which
`memory_format` its weights lie best and whether its time is `linear` in pixels, and offers
`encode_style` (style images to a named tuple of tensors, one row a style), `decode` (contents and that tuple to
images), `mixed` (the same for several styles, and for a strength below 1), `forward` (both in one) and `heaviest`
(parts to compute twice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..core.errors import UserError
from . import micro, sttr

Memory = tuple[Tensor | None, ...]  # a network's named tuple of what a style leaves


def parts(memory: Any) -> dict[str, Tensor]:
    """What a style leaves in this network, by name; a network may leave some of a memory's fields empty."""
    return {name: part for name, part in memory._asdict().items() if part is not None}


@dataclass(frozen=True)
class Architecture:
    """A network's class, that of its configuration, and its sizes by name."""

    network: type[nn.Module]
    config: type[Any]
    sizes: Mapping[str, Any]

    def read_config(self, values: Mapping[str, Any]) -> Any:
        """The configuration that `config.json` holds as plain values. Raises TypeError for unknown ones."""
        return self.config(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


ARCHITECTURES = {
    "sttr": Architecture(sttr.STTR, sttr.STTRConfig, sttr.SIZES),
    "micro": Architecture(micro.Micro, micro.MicroConfig, micro.SIZES),
}


def architecture(name: str) -> Architecture:
    """The architecture of a name. Raises UserError that names the known ones."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f"no architecture of students is called {name!r:.60}; known: {known}") from None


def architecture_of(network: nn.Module) -> str:
    """The name of a network's architecture."""
    return next(name for name, known in ARCHITECTURES.items() if isinstance(network, known.network))
