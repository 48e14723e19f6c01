"""The data card of a run's shards: a README.md in the form that the Hugging Face hub reads.

Made from the manifests, the blocks' tables, the versions in the records of the jobs that made the images, and the
configuration. No time, path or fact of the host stands in it, so equal shards have equal cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import METHODS, Source, method_of
from ..core.files import canonical_json, read_json, sha256_bytes
from ..core.numbers import number
from ..sources.registry import Excluded
from ..splits import inversions, select, tables
from ..splits.windows import SPLITS
from .write import IMAGES, images_of, images_of_pair

if TYPE_CHECKING:
    from huggingface_hub import DatasetCardData

TEMPLATE = Path(__file__).with_name("card.md.j2")
UNKNOWN = "not stated"
SHOWN = 20  # files left out that the card names, for each source
# Words for licenses that the hub knows (those that collections of images come under); it refuses a card with others.
HUB_LICENSES = (
    *("mit", "apache-2.0", "cc0-1.0", "pddl", "odbl", "odc-by", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
)
HUB_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
# Those of the stylizer's settings that the card shows.
SETTINGS = (
    *("model", "convention", "steps", "gamma", "gammas", "temperature", "adain", "dtype", "layers"),
    *("strength", "guidance", "prompt", "learning_steps", "learning_rate", "command", "version", "triplets"),
)
# What makes the images; of each the versions that the jobs wrote down which made them.
DECIDING = ("styledistill", "python", "numpy", "pillow", "isal", "scikit-image", "torch", "diffusers", "transformers")


@dataclass(frozen=True)
class Split:
    """What a manifest lists.

    shards: file (relative to the card) -> keys of its pairs; blocks: tables by block; teacher: what made the targets;
    dropped: pairs that may not teach, with the reason, or None where none was looked at.
    """

    name: str
    shards: dict[str, list[str]]
    blocks: dict[str, list[tables.BlockRow]]
    teacher: dict[str, Any]
    dropped: dict[str, str] | None

    @property
    def pairs(self) -> int:
        """How many pairs the split has."""
        return sum(len(keys) for keys in self.shards.values())

    @property
    def pairs_in_files(self) -> int:
        """How many pairs its tar files hold: whole blocks, of which the manifest may take the first pairs only."""
        crossed = METHODS[method_of(self.teacher)].crosses
        roles = ([row.role for row in rows] for rows in self.blocks.values())
        return sum(block.count("content") * (block.count("style") if crossed else 1) for block in roles)

    def images(self, role: str) -> set[tuple[str, str]]:
        """(source, id) of the contents or styles of the pairs that are listed."""
        used = {image for keys in self.shards.values() for key in keys for image in images_of_pair(key)}
        return {
            (row.source, row.image)
            for block, rows in self.blocks.items()
            for row in rows
            if row.role == role and (block, row.name) in used
        }


def read_split(results: Path, name: str) -> Split:
    """The split of a run's folder (results/<run>), from its manifest and the tables of the blocks in that."""
    manifest = read_json(results / "shards" / f"{name}.json")
    shards = {entry["file"]: entry["pairs"] for entry in manifest["shards"]}
    blocks = {
        block: tables.read(results / "blocks" / name / f"{block}.csv", tables.BlockRow)
        for block in (Path(file).stem for file in shards)
    }
    return Split(name, shards, blocks, manifest["teacher"], manifest.get("dropped"))


def card(results: Path, sources: Mapping[str, Source], size: int, seed: int) -> str:
    """The text of the card of the run in `results`.

    sources: those that blocks are made of. size: side of the images in pixels. seed: of the sources' order.
    """
    from huggingface_hub import DatasetCard  # takes a second

    splits = [read_split(results, name) for name in SPLITS]
    manifests = [results / "shards" / f"{name}.json" for name in SPLITS]
    teacher = splits[0].teacher
    method = method_of(teacher)
    found = DatasetCard.from_template(
        _front_matter(results.name, splits, sources, method),
        template_path=str(TEMPLATE),
        name=results.name,
        splits=splits,
        teacher=teacher,
        further=images_of(teacher)[len(IMAGES) :],
        size=size,
        seed=seed,
        split_table=_split_table(splits),
        source_table=_source_table(splits, sources),
        method=METHODS[method],
        teacher_table=_table(
            ["setting", "value"],
            [[name, f"`{canonical_json(teacher[name])}`"] for name in SETTINGS if teacher.get(name) is not None],
        ),
        inversion_table=_inversion_table(results),
        dropped=splits[0].dropped,
        excluded={name: _excluded(results, name) for name in sorted(sources)},
        shown=SHOWN,
        digest=sha256_bytes(b"".join(path.read_bytes() for path in manifests)),
        versions=_versions(results, splits),
        count="{:,}".format,
    )
    return f"{found}\n"


def _excluded(results: Path, source: str) -> list[str]:
    """Names of what could not be taken of a source: known from its index, or found when a block opened its images."""
    found = tables.read(results / "index" / f"{source}.excluded.csv", Excluded)
    replaced = [
        row for path in results.glob("blocks/*/*.excluded.csv") for row in tables.read(path, tables.ExcludedRow)
    ]
    names = {*found, *(Excluded(row.image, row.reason) for row in replaced if row.source == source)}
    return [f"`{select.shown(bad.image)}`" for bad in sorted(names)]


# --- front matter -----------------------------------------------------------------------------------------------


def _front_matter(name: str, splits: Sequence[Split], sources: Mapping[str, Source], method: str) -> DatasetCardData:
    from huggingface_hub import DatasetCardData

    pairs = sum(split.pairs for split in splits)
    files = [{"split": split.name, "path": list(split.shards)} for split in splits]
    tags = [method] if METHODS[method].on_a_model else []  # "images" and "command" say nothing on the hub
    return DatasetCardData(
        pretty_name=f"StyleDistill pairs: {name}",
        license=_hub_license(sources.values()),
        task_categories=["image-to-image"],
        size_categories=[next((label for limit, label in HUB_SIZES.items() if pairs < limit), "10M<n<100M")],
        tags=["style-transfer", "knowledge-distillation", *tags, "webdataset"],
        configs=[{"config_name": "default", "data_files": files}],
    )


def _hub_license(sources: Iterable[Source]) -> str:
    """The hub knows one word: that of all sources, `unknown` where one states none, else `other`."""
    licenses = {_license(source) for source in sources}
    if UNKNOWN in licenses:
        return "unknown"
    only = licenses.pop()
    return only if not licenses and only in HUB_LICENSES else "other"


def _license(source: Source) -> str:
    return source.license or source.own_license or UNKNOWN


# --- tables -----------------------------------------------------------------------------------------------------


def _split_table(splits: Sequence[Split]) -> str:
    rows = [
        [
            f"`{split.name}`",
            split.pairs,
            len(split.images("content")),
            len(split.images("style")),
            len(split.shards),
            split.pairs_in_files,
        ]
        for split in splits
    ]
    return _table(["split", "pairs", "contents", "styles", "tar files", "pairs in these"], rows)


def _inversion_table(results: Path) -> str:
    """The round-trip errors of the stylizer's inversions; empty where none was measured."""
    found = inversions.summaries(results, SPLITS)
    rows = [
        [f"`{row.split}`", row.measured, number(row.median), number(row.largest), f"`{row.worst}`"] for row in found
    ]
    return _table(["split", "images", "median", "largest", "of"], rows) if rows else ""


def _source_table(splits: Sequence[Split], sources: Mapping[str, Source]) -> str:
    taken = [split.images(role) for split in splits for role in ("content", "style")]
    head = [f"{split.name} {role}" for split in splits for role in ("contents", "styles")]
    rows = [
        [
            f"`{name}`",
            source.holds,
            *(sum(owner == name for owner, _ in images) for images in taken),
            _license(source),
            source.citation or "",
        ]
        for name, source in sorted(sources.items())
    ]
    return _table(["source", "what it holds", *head, "license", "citation"], rows)


def _versions(results: Path, splits: Sequence[Split]) -> str:
    """Packages and their versions, by the records of the jobs that made the blocks of the splits."""
    found: dict[str, set[str]] = {}
    for split in splits:
        for block in split.blocks:
            places = (f"images/{split.name}/{block}/crop", f"teacher/{split.name}/{block}/teach")
            for record in (results / f"{place}.run.json" for place in places):
                for package, version in (read_json(record)["versions"] if record.is_file() else {}).items():
                    found.setdefault(package, set()).add(version)
    return ", ".join(f"{package} {' and '.join(sorted(found[package]))}" for package in DECIDING if package in found)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [list(head), ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(str(value).split()).replace("|", r"\|")
