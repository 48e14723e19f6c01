"""Finished triplets as the teacher: it makes nothing, it knows the targets that were kept."""

from __future__ import annotations

from typing import Any

from ..core.errors import UserError
from .asked import AnyTeacher, Asked

KEY = {"method": "images"}


class ImagesTeacher(AnyTeacher):
    """What is kept of finished triplets."""

    @property
    def key(self) -> dict[str, Any]:
        """Nothing but the method, for whoever made a target is not known: each run keeps its own."""
        return KEY

    def _make(self, asked: Asked) -> None:
        """Raises UserError for a pair that is no triplet."""
        if missing := asked.missing(asked.pairs):
            raise UserError(
                f"teacher: pair {asked.label(missing[0])}: its triplet is not among those that the run keeps. Run "
                "again with --forcerun teach_golden; a teacher of images has no other images than its triplets."
            )
