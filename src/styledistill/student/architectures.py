"""The architectures of students: one module each, and one line here.

A network takes and gives ImageNet-normalized images (B, 3, H, W), H and W multiples of its `grid`, says in which
`memory_format` its weights lie best and whether its time is `linear` in pixels, and offers
`encode_style` (style images to a named tuple of tensors, one row a style), `decode` (contents and that tuple to
images), `mixed` (the same for several styles, and for a strength below 1), `forward` (both in one) and `heaviest`
(parts to compute twice).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from ..core.errors import UserError
from . import micro, sttr

_LARGEST = 4096  # number in a configuration; more layers would take minutes to build

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
        """The configuration that `config.json` holds as plain values. Raises ValueError for what is none."""
        try:
            config = TypeAdapter(self.config).validate_python(values)
        except ValidationError as error:
            fault = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
        if unknown := set(values) - {field.name for field in fields(config)}:
            raise ValueError(f"unknown key {min(unknown)}")
        for name, number in _numbers(asdict(config)):
            if not 0 <= number <= _LARGEST:
                raise ValueError(f"{name}: {number} is not within 0 and {_LARGEST}")
        return config


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        yield from ((name, number) for number in (value if isinstance(value, tuple) else (value,)))


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
