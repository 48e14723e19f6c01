"""What a block or the golden set really takes, once the pictures that were only listed have been opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config import Source
from ..core.errors import BadPicture, UserError
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
    """The rows of `members`, each bad picture replaced by the next good one of its source's spares; and the bad ones.

    Pictures of sources that open them for the index are taken as they stand there. Raises UserError where the spares do
    not suffice.
    """
    for source in sorted({member.source for member in members}):
        taken = [member.picture for member in members if member.source == source]
        registry.bring(sources[source], [*taken, *spares.get(source, ())], label=source)
    left = {source: iter(pictures) for source, pictures in spares.items()}
    rows, bad = [], []
    for member in members:
        entry = entries[member.source][member.picture]
        while not entry.sha256:
            try:
                entry = registry.entry(sources[member.source], entry.picture)
            except BadPicture as error:
                bad.append(ExcludedRow(member.source, entry.picture, str(error)))
                announce(f"excluded from {member.source}: {shown(entry.picture)}: {error}")
                following = next(left.get(member.source, iter(())), None)
                if following is None:
                    raise UserError(_too_few(member.source, bad)) from error
                entry = entries[member.source][following]
        rows.append(BlockRow(*member._replace(picture=entry.picture), entry.sha256))
    return rows, bad


def shown(picture: str) -> str:
    """A picture's id in one line, whatever is in it."""
    return picture if picture.isprintable() else ascii(picture)


def _too_few(source: str, bad: Sequence[ExcludedRow]) -> str:
    named = "; ".join(f"{shown(row.picture)}: {row.reason}" for row in bad[:3] if row.source == source)
    return (
        f"sources.{source}: the spare pictures do not replace all bad ones of this block ({named}). "
        f"Raise sources.{source}.spares, or name other pictures if these were named."
    )
