"""The kinds of sources: the settings of each, and all that the workflow must know of it before it reads an image."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from ..core.errors import UserError
from ..core.image_files import matcher
from .datasets import source_of
from .fields import Place, Positive, Probability, Section

PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble", "ihc", "moon",
    "motorcycle", "retina", "rocket",
)  # fmt: skip
# Keys of a source that no picture depends on: a better word for a licence must not list or crop anything again.
RIGHTS = {"licence", "citation"}


class SourceSection(Section):
    """What every kind of source may say about the rights in its pictures; the data card repeats it."""

    licence: str | None = Field(None, min_length=1, description="of the pictures; best in the hub's words: cc-by-4.0")
    citation: str | None = Field(None, min_length=1, description="whom to cite for the pictures")


class ProceduralSource(SourceSection):
    """Pictures drawn by this program from a seed."""

    kind: Literal["procedural"]
    pictures: Literal["scenes", "faces", "styles"]
    count: Positive = Field(description="how many pictures the source holds")


class FolderSource(SourceSection):
    """Every picture below a folder of this machine."""

    kind: Literal["folder"]
    path: Place = Field(description="the folder; relative to the working directory or absolute")
    pattern: str = Field("**/*", description="glob below the folder")

    @field_validator("pattern")
    @classmethod
    def _takes_something(cls, pattern: str) -> str:
        try:
            matcher(pattern)
        except UserError as error:
            raise ValueError(str(error)) from None
        return pattern


class SkimageSource(SourceSection):
    """Photographs that scikit-image carries in its package."""

    kind: Literal["skimage"]
    pictures: list[Literal[PHOTOGRAPHS]] = Field(  # type: ignore[valid-type]
        list(PHOTOGRAPHS), min_length=1, description="which of them"
    )


class ListedSource(SourceSection):
    """A source whose pictures are listed without being opened; only those that a run takes are fetched, and spares."""

    pattern: str = Field("*", description="which pictures, by their name in the archive; * stands for slashes too")
    spares: Probability = Field(
        0.2, description="pictures kept ready beside those of each block, as a part of them, should some be bad"
    )
    whole: bool = Field(
        False,
        description="download zip and parquet files as a whole and not only what the run takes of them; each is then "
        "checked by the sha256 or md5 that is known of it, which pieces of a file cannot be",
    )


class ArchiveSource(ListedSource):
    """Pictures in zips or tars (WebDataset shards too), or single ones, of this machine or of a server."""

    kind: Literal["archive"]
    address: Place = Field(
        min_length=1, description="path or http(s) address; {00..19} and, in paths, * stand for several archives"
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="of one archive; checked where all of it is here"
    )
    md5: str | None = Field(
        None, pattern=r"^[0-9a-f]{32}$", description="of one archive; checked where all of it is here"
    )
    bytes: Positive | None = Field(None, description="size of one archive; checked as they are")


class HubSource(ListedSource):
    """A data set of the Hugging Face hub: parquet files with an image column, or zips or tars (WebDataset)."""

    kind: Literal["hub"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")
    revision: str = Field("main", description="branch, tag or commit; a branch is pinned when it is first listed")
    files: str = Field("*.parquet", description="which files of it hold pictures; * stands for slashes too")
    column: str = Field("image", description="the column of parquet files that holds pictures")
    pictures: Positive | None = Field(
        None,
        description="enough of them: of parquet, row groups spread over all files are taken until they hold so many; "
        "of tars, files. null: all. The less, the less is downloaded, because neither is sent by the row",
    )


class DatasetSource(Section):
    """A data set that this program knows by name: `python src/download.py --list` shows them."""

    kind: Literal["dataset"]
    name: str
    pictures: Positive | None = Field(None, description="as for kind hub, where the data set lies there")

    def meant(self) -> Source:
        """The source that the name stands for. Raises ValueError."""
        try:
            return TypeAdapter(Source).validate_python(
                source_of(self.name, **self.model_dump(include={"pictures"}, exclude_none=True))
            )
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError:
            raise ValueError(f"{self.name} does not lie on the hub: it takes no `pictures`") from None


Source = Annotated[
    ProceduralSource | FolderSource | SkimageSource | ArchiveSource | HubSource | DatasetSource,
    Field(discriminator="kind"),
]
