"""The data card of a run's shards: a README.md in the form that the Hugging Face hub reads.

Made from the manifests, the blocks' tables, the versions in the records of the jobs that made the pictures, and the
configuration. No time, path or fact of the host stands in it, so equal shards have equal cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..config import Source
from ..core.files import canonical_json, read_json, sha256_bytes
from ..sources.registry import Excluded
from ..splits import select, tables
from ..splits.windows import SPLITS

UNKNOWN = "not stated"
SHOWN = 20  # files left out that the card names, for each source
# Words for licences that the hub knows (those that collections of pictures come under); it refuses a card with others.
HUB_LICENCES = (
    *("mit", "apache-2.0", "cc0-1.0", "pddl", "odbl", "odc-by", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
)
HUB_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
# What makes the pictures; of each the versions that the jobs wrote down which made them.
DECIDING = ("styledistill", "python", "numpy", "pillow", "isal", "scikit-image", "torch", "diffusers", "transformers")


@dataclass(frozen=True)
class Split:
    """What a manifest lists. shards: file (relative to the card) -> keys of its pairs; blocks: tables by block."""

    name: str
    shards: dict[str, list[str]]
    blocks: dict[str, list[tables.BlockRow]]

    @property
    def pairs(self) -> int:
        """How many pairs the split has."""
        return sum(len(keys) for keys in self.shards.values())

    @property
    def pairs_in_files(self) -> int:
        """How many pairs its tar files hold: whole blocks, of which the manifest may take the first pairs only."""
        roles = ([row.role for row in rows] for rows in self.blocks.values())
        return sum(block.count("content") * block.count("style") for block in roles)

    def pictures(self, role: str) -> set[tuple[str, str]]:
        """(source, id) of the contents or styles of the pairs that are listed."""
        place = {"content": 1, "style": 2}[role]
        keys = [key.removeprefix(f"{self.name}_").split("_") for keys in self.shards.values() for key in keys]
        used = {(parts[0], parts[place]) for parts in keys}  # (0007, s05)
        return {
            (row.source, row.picture)
            for block, rows in self.blocks.items()
            for row in rows
            if (block, row.name) in used
        }


def read_split(results: Path, name: str) -> Split:
    """The split of a run's folder (results/<run>), from its manifest and the tables of the blocks in that."""
    shards = {entry["file"]: entry["pairs"] for entry in read_json(results / "shards" / f"{name}.json")["shards"]}
    blocks = {
        block: tables.read(results / "blocks" / name / f"{block}.csv", tables.BlockRow)
        for block in (Path(file).stem for file in shards)
    }
    return Split(name, shards, blocks)


def card(results: Path, sources: Mapping[str, Source], size: int, seed: int) -> str:
    """The text of the card of the run in `results`.

    sources: those that blocks are made of. size: side of the pictures in pixels. seed: of the sources' order.
    """
    splits = [read_split(results, name) for name in SPLITS]
    teacher = read_json(results / "shards" / f"{SPLITS[0]}.json")["teacher"]
    excluded = {name: _excluded(results, name) for name in sorted(sources)}
    return "\n".join(
        [
            _front_matter(results.name, splits, sources),
            f"# Pairs of content, style and stylized picture: {results.name}",
            "",
            f"{sum(split.pairs for split in splits):,} pairs. Each is a content picture, a style picture, and the "
            f"picture that a diffusion stylizer, StyleID on `{teacher['model']}`, made of them; RGB, 8 bits, "
            f"{size} x {size} pixels, PNG. Made by StyleDistill to distil that stylizer into one feed-forward network.",
            "",
            *_splits(splits),
            *_sources(splits, sources),
            *_teacher(teacher),
            *_loading(splits),
            *_left_out(splits, excluded),
            *_made_with(results, splits, seed),
        ]
    )


def _excluded(results: Path, source: str) -> list[Excluded]:
    """What could not be taken of a source: known from its index, or found when a block opened its pictures."""
    found = tables.read(results / "index" / f"{source}.excluded.csv", Excluded)
    replaced = [
        row for path in results.glob("blocks/*/*.excluded.csv") for row in tables.read(path, tables.ExcludedRow)
    ]
    return sorted({*found, *(Excluded(row.picture, row.reason) for row in replaced if row.source == source)})


# --- front matter -----------------------------------------------------------------------------------------------


def _front_matter(name: str, splits: Sequence[Split], sources: Mapping[str, Source]) -> str:
    pairs = sum(split.pairs for split in splits)
    facts = {
        "pretty_name": f"StyleDistill pairs: {name}",
        "license": _hub_licence(sources.values()),
        "task_categories": ["image-to-image"],
        "size_categories": [next((label for limit, label in HUB_SIZES.items() if pairs < limit), "10M<n<100M")],
        "tags": ["style-transfer", "knowledge-distillation", "styleid", "webdataset"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split.name, "path": list(split.shards)} for split in splits],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---\n"


def _hub_licence(sources: Iterable[Source]) -> str:
    """The hub knows one word: that of all sources, `unknown` where one states none, else `other`."""
    licences = {_licence(source) for source in sources}
    if UNKNOWN in licences:
        return "unknown"
    only = licences.pop()
    return only if not licences and only in HUB_LICENCES else "other"


def _licence(source: Source) -> str:
    return source.licence or source.own_licence or UNKNOWN


# --- sections ---------------------------------------------------------------------------------------------------


def _splits(splits: Sequence[Split]) -> list[str]:
    rows = [
        [
            f"`{split.name}`",
            split.pairs,
            len(split.pictures("content")),
            len(split.pictures("style")),
            len(split.shards),
            split.pairs_in_files,
        ]
        for split in splits
    ]
    head = ["split", "pairs", "contents", "styles", "tar files", "pairs in these"]
    return [
        "## Splits",
        "",
        *_table(head, rows),
        "",
        "No picture is in two splits. A tar file holds a whole block, every content of it with every style of it; "
        "`<split>.json` lists the pairs that belong to the split, in their order, and the sha256 of each file.",
        "",
        "A pair `<key>` is four files: `<key>.content.png`, `<key>.style.png`, `<key>.target.png` (the stylizer's "
        "picture) and `<key>.json` (where content and style come from, the sha256 of all three, the stylizer's "
        "settings).",
        "",
    ]


def _sources(splits: Sequence[Split], sources: Mapping[str, Source]) -> list[str]:
    taken = [split.pictures(role) for split in splits for role in ("content", "style")]
    head = [f"{split.name} {role}" for split in splits for role in ("contents", "styles")]
    rows = [
        [
            f"`{name}`",
            source.holds,
            *(sum(owner == name for owner, _ in pictures) for pictures in taken),
            _licence(source),
            source.citation or "",
        ]
        for name, source in sorted(sources.items())
    ]
    return [
        "## Sources",
        "",
        "How many pictures were taken from each, and who has rights in them. The stylized pictures are made from these "
        "by the stylizer's weights, whose licence may bind their use too.",
        "",
        *_table(["source", "what it holds", *head, "licence", "citation"], rows),
        "",
    ]


def _teacher(facts: Mapping[str, Any]) -> list[str]:
    shown = ("model", "convention", "steps", "gamma", "temperature", "adain", "dtype", "layers")
    rows = [[name, f"`{canonical_json(facts[name])}`"] for name in shown]
    return [
        "## Stylizer",
        "",
        "StyleID (Chung, Hyun, Heo: Style Injection in Diffusion. CVPR 2024), with no training of its own. "
        "`layers` are the decoder's self-attentions that take the style.",
        "",
        *_table(["setting", "value"], rows),
        "",
        f"sha256 over the weights as they were loaded, whatever files they came from: `{facts['weights']}`. "
        f"Fingerprint of the method's code: `{facts['code']}`.",
        "",
    ]


def _loading(splits: Sequence[Split]) -> list[str]:
    name = splits[0].name
    return [
        "## Loading",
        "",
        f"Exactly the pairs of `{name}`, in the folder of this card:",
        "",
        "```python",
        "import json",
        "",
        f'manifest = json.load(open("{name}.json"))',
        'shards = [shard["file"] for shard in manifest["shards"]]',
        'listed = {key for shard in manifest["shards"] for key in shard["pairs"]}',
        "```",
        "",
        "with `webdataset`, one after another,",
        "",
        "```python",
        "import webdataset",
        "",
        "pairs = webdataset.WebDataset(shards, shardshuffle=False)",
        'pairs = pairs.select(lambda pair: pair["__key__"] in listed).decode("pil")',
        "for pair in pairs:",
        '    content, style, target = (pair[f"{part}.png"] for part in ("content", "style", "target"))',
        "```",
        "",
        "or with `datasets`, as a table:",
        "",
        "```python",
        "import datasets",
        "",
        f'pairs = datasets.load_dataset("webdataset", data_files={{"{name}": shards}}, split="{name}")',
        'pairs = pairs.filter(listed.__contains__, input_columns="__key__")',
        "```",
        "",
    ]


def _left_out(splits: Sequence[Split], excluded: Mapping[str, list[Excluded]]) -> list[str]:
    lines = []
    over = sum(split.pairs_in_files - split.pairs for split in splits)
    if over:
        lines.append(
            f"- {over:,} pairs of the tar files, which the manifests do not list: their number was limited, or one of "
            "their pictures looks like one of another split (compared by a difference hash and by colours)."
        )
    for name, pictures in excluded.items():
        if pictures:
            named = ", ".join(f"`{select.shown(bad.picture)}`" for bad in pictures[:SHOWN])
            more = f" and {len(pictures) - SHOWN:,} more" if len(pictures) > SHOWN else ""
            lines.append(f"- {len(pictures):,} files of `{name}`, which could not be read as pictures: {named}{more}.")
    lines.append(
        "- The pictures of the golden set, on which models are shown and scored: none of them is in a pair here."
    )
    return ["## Left out", "", *lines, ""]


def _made_with(results: Path, splits: Sequence[Split], seed: int) -> list[str]:
    found = _versions(results, splits)
    versions = ", ".join(f"{package} {' and '.join(found[package])}" for package in DECIDING if package in found)
    manifests = " ".join(f"{split.name}.json" for split in splits)
    digest = sha256_bytes(b"".join((results / "shards" / f"{split.name}.json").read_bytes() for split in splits))
    return [
        "## Made with",
        "",
        f"Version of this data set: `{digest[:16]}` (`cat {manifests} | sha256sum`: the manifests name every pair, and "
        "the sha256 of every tar file).",
        "",
        f"Seed {seed}: it orders each source, and so decides which picture is in which pair. The stylizer draws no "
        f"random numbers. The jobs that cropped and stylized the pictures ran with: {versions or 'not recorded'}.",
        "",
    ]


def _versions(results: Path, splits: Sequence[Split]) -> dict[str, list[str]]:
    """Package -> its versions, by the records of the jobs that made the blocks of the splits."""
    found: dict[str, set[str]] = {}
    for split in splits:
        for block in split.blocks:
            places = (f"images/{split.name}/{block}/crop", f"teacher/{split.name}/{block}/teach")
            for record in (results / f"{place}.run.json" for place in places):
                for package, version in (read_json(record)["versions"] if record.is_file() else {}).items():
                    found.setdefault(package, set()).add(version)
    return {package: sorted(versions) for package, versions in found.items()}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [list(head), ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(str(value).split()).replace("|", r"\|")
