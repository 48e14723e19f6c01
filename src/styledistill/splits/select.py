"""What a block or the golden set really takes, once the images that were only listed have been opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config import Source
from ..core.errors import BadImage, UserError
from ..core.progress import announce
from ..sources import registry
from .tables import BlockRow, ExcludedRow
from .windows import Member


def settle(
    members: Sequence[Member],
    spares: Mapping[str, Sequence[str]],
    sources: Mapping[str, Source],
    entries: Mapping[str, Mapping[str, registry.Entry]],
) -> tuple[list[BlockRow], list[ExcludedRow]]:
    """The rows of `members`, each bad image replaced by the next good one of its source's spares; and the bad ones.

    Images of sources that open them for the index are taken as they stand there. Raises UserError where the spares do
    not suffice.
    """
    for source in sorted({member.source for member in members}):
        taken = [member.image for member in members if member.source == source]
        registry.bring(sources[source], [*taken, *spares.get(source, ())], label=source)
    left = {source: iter(images) for source, images in spares.items()}
    rows, bad = [], []
    for member in members:
        entry = entries[member.source][member.image]
        while not entry.sha256:
            try:
                entry = registry.entry(sources[member.source], entry.image)
            except BadImage as error:
                bad.append(ExcludedRow(member.source, entry.image, str(error)))
                announce(f"excluded from {member.source}: {shown(entry.image)}: {error}")
                following = next(left.get(member.source, iter(())), None)
                if following is None:
                    raise UserError(_too_few(member.source, bad)) from error
                entry = entries[member.source][following]
        rows.append(BlockRow(*member._replace(image=entry.image), entry.sha256))
    return rows, bad


def shown(image: str) -> str:
    """An image's id in one line, whatever is in it."""
    return image if image.isprintable() else ascii(image)


def _too_few(source: str, bad: Sequence[ExcludedRow]) -> str:
    named = "; ".join(f"{shown(row.image)}: {row.reason}" for row in bad[:3] if row.source == source)
    return (
        f"sources.{source}: the spare images do not replace all bad ones of this block ({named}). "
        f"Raise sources.{source}.spares, or name other images if these were named."
    )
