"""The kinds of sources: the settings of each, and all that the workflow must know of it before it reads an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator

from ..core.errors import UserError
from ..core.image_files import find, matcher
from ..core.places import HUB_NAME, HUB_RULE, hub_name, is_pattern, meant, on_server, roots
from .datasets import by_hand, source_of
from .fields import Place, Positive, Probability, Section

PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble", "ihc", "moon",
    "motorcycle", "retina", "rocket",
)  # fmt: skip
# Keys of a source that no image depends on: a better word for a license must not list or crop anything again.
RIGHTS = {"license", "citation"}


class SourceSection(Section):
    """What a kind of source says of itself before any image is read, and of the rights in its images.

    holds: what its images are, for the data card. own_license: theirs, where the configuration gives none.
    """

    holds: ClassVar[str]
    own_license: ClassVar[str | None] = None

    license: str | None = Field(
        None, min_length=1, description="license of the images; best by the hub's identifiers, such as cc-by-4.0"
    )
    citation: str | None = Field(None, min_length=1, description="whom to cite for the images")

    @property
    def remote(self) -> bool:
        """Whether it lies on a server."""
        return False

    @property
    def places(self) -> list[Path]:
        """Files and folders of this disk that hold it: what a container must see."""
        return []

    def missing(self) -> str | None:
        """What of it is not here, and what to do, from its key on (path: no folder ...); None where nothing is."""
        return None

    def stamp(self) -> list[list[Any]]:
        """Name, size and time of each file of this disk from which its images come, and what those are checked by."""
        return []


class ProceduralSource(SourceSection):
    """Images that this program draws from a seed."""

    holds, own_license = "drawn by StyleDistill", "mit"
    kind: Literal["procedural"]
    images: Literal["scenes", "faces", "styles"] = Field(description="what is drawn")
    count: Positive = Field(description="number of images in the source")


class FolderSource(SourceSection):
    """Every image below a folder of this machine."""

    holds = "image files"
    kind: Literal["folder"]
    path: Place = Field(description="the folder, relative to the working directory or absolute")
    pattern: str = Field("**/*", description="glob below the folder")

    @field_validator("pattern")
    @classmethod
    def _takes_something(cls, pattern: str) -> str:
        try:
            matcher(pattern)
        except UserError as error:
            raise ValueError(str(error)) from None
        return pattern

    @property
    def places(self) -> list[Path]:
        """The folder."""
        return [Path(self.path)]

    def missing(self) -> str | None:
        """The folder, where there is none."""
        if Path(self.path).is_dir():
            return None
        return f"path: no folder {self.path}. Put the images there, or set the path to yours.{by_hand(self.path)}"

    def stamp(self) -> list[list[Any]]:
        """Of all that lies among the images, too: what is left out may be mended."""
        if not Path(self.path).is_dir():
            return []
        found = find(self.path, self.pattern)
        names = [*found.images, *(left.name for left in found.left_out)]
        return sorted([name, *_facts(Path(self.path) / name)] for name in names)


def _facts(path: Path) -> list[int]:
    try:
        facts = path.stat()
    except OSError:  # a link that leads nowhere
        return [0, 0]
    return [facts.st_size, facts.st_mtime_ns]


class SkimageSource(SourceSection):
    """Photographs that scikit-image carries in its package."""

    holds = "photographs that scikit-image carries"
    own_license = "CC0 or public domain but for few; scikit-image says which"
    kind: Literal["skimage"]
    images: list[Literal[PHOTOGRAPHS]] = Field(  # type: ignore[valid-type]
        list(PHOTOGRAPHS), min_length=1, description="which of them"
    )


# Which of the three images of a triplet a source gives.
Take = Annotated[Literal["content", "style"], Field(description="which of the three images this source gives")]


class TripletsSource(SourceSection):
    """The contents or the styles of finished triplets (content, style, target), of which the target comes with them."""

    holds = "images of finished triplets"
    kind: Literal["triplets"]
    path: Place = Field(
        description="folder with triplets.csv (columns content, style, target: paths below the folder), such a CSV, or "
        "a WebDataset tar with the members content, style and target"
    )
    take: Take

    @property
    def title(self) -> str:
        """What records call the data set."""
        return Path(self.path).absolute().name

    @property
    def listing(self) -> Path:
        """The table or tar that lists the triplets."""
        place = Path(self.path)
        return place / "triplets.csv" if place.is_dir() else place

    @property
    def places(self) -> list[Path]:
        """The table or tar, and the folder beside the table that holds the images."""
        return [self.listing, *([self.listing.parent] if self.listing.suffix != ".tar" else [])]

    def missing(self) -> str | None:
        """The table or tar, where there is none."""
        if self.listing.is_file():
            return None
        return f"path: no file {self.listing}. Put the list of triplets there, or set the path to yours."

    def stamp(self) -> list[list[Any]]:
        """Of the table or tar; images that were exchanged under their names are noticed when they are cropped."""
        return [[str(self.listing), *_facts(self.listing)]] if self.listing.is_file() else []


class ListedSource(SourceSection):
    """A source whose images are listed without being opened. Only the images of the run and spares are fetched."""

    pattern: str = Field("*", description="glob of names inside the archive; * also matches slashes")
    spares: Probability = Field(
        0.2, description="spare images per block, as a fraction of the block, which replace unreadable ones"
    )
    whole: bool = Field(
        False,
        description="download whole zip and parquet files, not only the parts that the run needs; whole files are "
        "checked by their known sha256 or md5, parts of a file cannot be",
    )
    on_hub: ClassVar[bool] = False

    @property
    def limit(self) -> int | None:
        """How many images are listed, at the least; None: all."""
        return None


class ArchiveSource(ListedSource):
    """Images in zips or tars (WebDataset shards too), or single files, on this machine or on a server."""

    holds = "image files of an archive"
    kind: Literal["archive"]
    address: Place = Field(
        min_length=1, description="path or http(s) address; {00..19} names several archives, in paths * does too"
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="hash of a single archive; checked when the whole archive is on this machine",
    )
    md5: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="hash of a single archive; checked when the whole archive is on this machine",
    )
    bytes: Positive | None = Field(None, description="size of a single archive in bytes; checked like the hashes")

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.address

    @property
    def folder_name(self) -> str:
        """What the folder of its downloads is called, before the hash and whatever a file system refuses."""
        return PurePosixPath(self.address).name

    @property
    def column(self) -> str:
        """Image column of parquet files."""
        return "image"

    @property
    def remote(self) -> bool:
        """Whether its address is one of the web."""
        return on_server(self.address)

    @property
    def places(self) -> list[Path]:
        """The archive; of several, the folders that hold them."""
        return [] if self.remote else roots(self.address)

    def missing(self) -> str | None:
        """The archive, where it is not here. Patterns of several are looked for by the job that lists them."""
        if self.remote or is_pattern(self.address) or Path(self.address).is_file():
            return None
        advice = f"Put the archive there, or set the address to yours.{by_hand(self.address)}"
        return f"address: no file {self.address}. {advice}"

    def stamp(self) -> list[list[Any]]:
        """Nothing while no archive is here: images that were taken before are as good as ever."""
        files = [] if self.remote else [path for path in meant(self.address) if path.is_file()]
        facts = [[str(path), *_facts(path)] for path in files]
        return [*facts, [self.bytes, self.sha256, self.md5]] if facts else []


def _of_the_hub(name: str) -> str:
    if not hub_name(name):  # no `pattern` of the field, for pydantic's own engine knows no look-ahead
        raise ValueError(f"{name!r} is no name of a repository of the hub. {HUB_RULE}")
    return name


class OnHub(ListedSource):
    """Files of a data set of the Hugging Face hub."""

    repo: Annotated[str, AfterValidator(_of_the_hub)] = Field(
        description="hub id of the data set: owner/name", json_schema_extra={"pattern": HUB_NAME}
    )
    revision: str = Field(
        "main", description="branch, tag or commit; a branch is pinned to its commit at the first listing"
    )
    files: str = Field("*.parquet", description="glob of the files that hold images; * also matches slashes")
    on_hub: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """What messages and records call it."""
        return self.repo

    @property
    def folder_name(self) -> str:
        """What the folder of its downloads is called, before the hash and whatever a file system refuses."""
        return self.repo.replace("/", "--")

    @property
    def remote(self) -> bool:
        """The hub is a server."""
        return True


class HubSource(OnHub):
    """A data set of the Hugging Face hub: parquet files with an image column, or zips or tars (WebDataset)."""

    holds = "images of a data set of the Hugging Face hub"
    kind: Literal["hub"]
    column: str = Field("image", description="image column of the parquet files")
    images: Positive | None = Field(
        None,
        description="take this many images, to download less: row groups spread over all parquet files, or whole "
        "tars, until they hold so many; null: all",
    )

    @property
    def limit(self) -> int | None:
        """How many images are listed, at the least; None: all."""
        return self.images


class Roles(Section):
    """By what the three images of a triplet are told apart, where the data set calls them otherwise."""

    content: str = Field("content", min_length=1, description="column, member or folder of the contents")
    style: str = Field("style", min_length=1, description="that of the styles")
    target: str = Field("target", min_length=1, description="that of the targets, the stylized images")

    @model_validator(mode="after")
    def _differ(self) -> Roles:
        if len({self.content, self.style, self.target}) < 3:
            raise ValueError("two of content, style and target have one name")
        return self


class HubTripletsSource(OnHub):
    """Contents or styles of finished triplets on Hugging Face's hub: rows of parquet, samples of tars, image files."""

    holds = "images of finished triplets of a data set of the Hugging Face hub"
    kind: Literal["hub_triplets"]
    take: Take
    roles: Roles = Field(
        Roles(),
        description="what the three images are called: columns of parquet files, members of a tar's samples "
        "(7.content.png), or folders of image files, which may lie in zips or tars",
    )

    @property
    def listing(self) -> str:
        """Where its triplets are listed."""
        return f"{self.repo}@{self.revision}"


Triplets = TripletsSource | HubTripletsSource


def in_step(contents: SourceSection, styles: SourceSection) -> bool:
    """Whether two sources list the same triplets in the same order, one their contents and the other their styles."""
    if not (isinstance(contents, Triplets) and isinstance(styles, Triplets)):
        return False
    same = [source.model_dump(exclude={"take", *RIGHTS}) for source in (contents, styles)]
    return (contents.take, styles.take) == ("content", "style") and same[0] == same[1]


class DatasetSource(Section):
    """A data set that this program knows by name; `python src/download.py --list` shows all."""

    kind: Literal["dataset"]
    name: str = Field(description="name of the data set")
    images: Positive | None = Field(None, description="as for kind hub, for data sets that lie on the hub")

    def meant(self) -> Source:
        """The source that the name stands for. Raises ValueError."""
        try:
            return TypeAdapter(Source).validate_python(
                source_of(self.name, **self.model_dump(include={"images"}, exclude_none=True))
            )
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError:
            raise ValueError(f"{self.name} does not lie on the hub: it takes no `images`") from None


def _kinds(section: type[SourceSection]) -> Iterator[type[SourceSection]]:
    """The classes of settings that have a `kind`, in the order in which they stand here."""
    for one in section.__subclasses__():
        if "kind" in one.model_fields:
            yield one
        yield from _kinds(one)


Source = Annotated[Union[(*_kinds(SourceSection), DatasetSource)], Field(discriminator="kind")]
