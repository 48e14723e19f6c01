"""What the sections of the configuration are made of."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..core.files import at_home

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits, underscores")]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what all generators take


def _place(path: str) -> str:
    if "\0" in path or not (path.strip() or os.path.lexists(path)):  # a folder may be called " "
        raise ValueError("is no path")
    return at_home(path)


Place = Annotated[str, AfterValidator(_place)]  # a path, in which ~ is the home folder

# Former names of keys, which are still read.
FORMER = {"pictures": "images", "licence": "license", "gram_per_picture": "gram_per_image"}


class Section(BaseModel):
    """Unknown keys are refused, and so are numbers that are not finite; values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        known = {old: new for old, new in FORMER.items() if new in cls.model_fields and new not in values}
        return {known.get(key, key): value for key, value in values.items()}
