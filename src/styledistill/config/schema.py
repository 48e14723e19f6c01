"""The configuration: one typed model per section, read by the workflow and handed to each script as JSON.

`workflow/schemas/config.schema.yaml` and `docs/configuration.md` are generated from these models; defaults, ranges and
descriptions stand in this package alone.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .fields import Name, Place, Positive, Section, Seed
from .sources import DatasetSource, Source, in_step
from .stylizers import FolderStylizer, Stylizer
from .teachers import METHODS, OtherTeacher, Teacher, Variant
from .terms import TERMS
from .training import Distill, Pretrain, Student

# Models beside a run's losses and stylizers, so none of these may bear their names. `start` only where it is distilled.
CONTROLS = ("content", "style", "recolor")
FIXED_MODELS = ("teacher", "pretrained", "start", *CONTROLS)
# A loss: the weight of each of its terms.
Loss = dict[Literal[tuple(TERMS)], Annotated[float, Field(gt=0, allow_inf_nan=False)]]  # type: ignore[valid-type]


# --- data -------------------------------------------------------------------------------------------------------


class BlockShape(Section):
    """A block pairs each of its contents with each of its styles. One job makes one block."""

    contents: dict[Name, Positive] = Field(min_length=1, description="images per block from each source")
    styles: dict[Name, Positive] = Field(min_length=1, description="images per block from each source")

    @property
    def pairs_per_block(self) -> int:
        """Contents times styles."""
        return sum(self.contents.values()) * sum(self.styles.values())


class Blocks(BlockShape):
    """Blocks of each split. A block pairs each of its contents with each of its styles; jobs work block by block."""

    train: Positive = Field(description="number of training blocks")
    val: Positive = Field(description="number of validation blocks")

    @property
    def shape(self) -> BlockShape:
        """What one block looks like, whatever their number: all that a job of one block may depend on."""
        return BlockShape(contents=self.contents, styles=self.styles)


class Keep(Section):
    """Which training pairs may teach: those within these limits."""

    structure_max: float | None = Field(
        None, gt=0, description="largest distance to the content's structure (`cfsd_mean` of the scores); null: any"
    )
    style_max: float | None = Field(
        None, gt=0, description="largest distance to the style (`gram_distance` of the scores); null: any"
    )
    inversion_max: float | None = Field(
        None, gt=0, description="largest round-trip error of the inversion of content and style (StyleID); null: any"
    )

    def fault(self, structure: float, style: float, inversion: float = 0.0) -> str:
        """Why a pair of these values may not teach; empty where it may. What is no number never may.

        inversion: the larger one of the round-trip errors of both images.
        """
        for name, value, most in (
            ("structure", structure, self.structure_max),
            ("style", style, self.style_max),
            ("inversion", inversion, self.inversion_max),
        ):
            if not math.isfinite(value):
                return f"{name} is no number"
            if most is not None and value > most:
                return f"{name} {value:.4g} is over {most:g}"
        return ""


class Pairs(Section):
    """Pairs of each split, taken in the order of its blocks."""

    train: Positive = Field(description="number of training pairs")
    val: Positive = Field(description="number of validation pairs")
    keep: Keep | None = Field(
        None, description="limits beyond which a training pair is replaced by a later one; null: all pairs teach"
    )


class Golden(Section):
    """The test set. No training pair shares an image with it."""

    contents: dict[Name, Positive | list[str]] = Field(
        min_length=1, description="content images by source: a number (from the middle of its order) or names"
    )
    styles: dict[Name, Positive | list[str]] = Field(min_length=1, description="style images, likewise")


def total(choices: dict[str, int | list[str]]) -> int:
    """How many images a role of the golden set has."""
    return sum(choice if isinstance(choice, int) else len(choice) for choice in choices.values())


class Networks(Section):
    """Weights of the fixed networks of losses and metrics: download, a file, or seeded (random, for tests)."""

    features: Literal["vgg19", "efficientnet_lite0"] = Field(
        "vgg19", description="network of feature losses, CFSD and Gram distance"
    )
    vgg19: Place = Field("download", description="weights of VGG19")
    efficientnet_lite0: Place = Field(
        "package", description="weights of EfficientNet-Lite0; package: those of an installed Python package"
    )
    alexnet: Place = Field("download", description="weights of LPIPS on AlexNet")
    vgg16: Place = Field("download", description="weights of LPIPS on VGG16; read only for metrics.lpips: vgg16")
    inception: Place = Field("download", description="weights of FID's Inception")
    art_inception: Place = Field(
        "download", description="weights of ArtFID's Inception; read only for metrics.fid: art_inception"
    )
    shift_tolerant_alexnet: Place = Field(
        "package", description="weights of ST-LPIPS; package: as for efficientnet_lite0"
    )
    seed: Seed = Field(1, description="seed of the random weights of seeded networks")

    @classmethod
    def trained(cls, network: str) -> str:
        """The word that stands for a network's trained weights."""
        return str(cls.model_fields[network].default)


# Names of the networks whose weights `networks` says.
NETWORKS = tuple(name for name in Networks.model_fields if name not in ("features", "seed"))


class Metrics(Section):
    """Scores of all models."""

    lpips: Literal["alexnet", "vgg16", "none"] = Field(
        "alexnet", description="network of LPIPS; none: no LPIPS and no ArtFID"
    )
    fid: Literal["inception", "art_inception", "none"] = Field(
        "inception",
        description="network of FID, KID and ArtFID: pytorch-fid's Inception, or ArtFID's own; none: none of them",
    )
    fid_minimum: Positive = Field(200, description="with fewer pairs, FID and ArtFID are grayed and never bold")
    batch: Positive = Field(16, description="images per forward pass")


class Benchmark(Section):
    """Seconds and memory per image. One job, alone on the machine, measures all models."""

    repeats: Positive = Field(5, description="timed repetitions; the table has their median")
    size: int | None = Field(None, ge=32, description="side of the images in pixels; null: image_size")


class Config(Section):
    """A whole run."""

    run: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run and of its folder below results/"
    )
    seed: Seed = Field(1, description="seed of the order of sources and of all trainings")
    image_size: int = Field(512, ge=32, le=4096, description="side of the square crops in pixels, a multiple of 32")
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto: CUDA where a job finds it, else the CPU"
    )
    sources: dict[Name, Source] = Field(min_length=1, description="where images come from, by a name of your choice")
    blocks: Blocks
    pairs: Pairs
    golden: Golden
    teacher: Teacher
    student: Student
    pretrain: Pretrain = Pretrain()
    losses: dict[Name, Loss] = Field(min_length=1, description="one student per entry: the weights of its terms")
    distill: Distill = Distill()
    ablation: dict[Name, Variant] = Field(
        {}, description="variants of the teacher, by name; `snakemake ablation` scores each on the golden set"
    )
    compare_teachers: dict[Name, OtherTeacher] = Field(
        {}, description="stylizers that figures/teachers.png shows beside the teacher, by name; none: no such figure"
    )
    stylizers: dict[Name, Stylizer] = Field(
        {}, description="stylizers from outside, by a name of your choice: a row each in every table and figure"
    )
    networks: Networks = Networks()
    metrics: Metrics = Metrics()
    benchmark: Benchmark = Benchmark()
    demo: bool = Field(
        True, description="write demo/, the students as a page for browsers, where onnxruntime-web has been fetched"
    )

    @field_validator("image_size")
    @classmethod
    def _fits_the_latent_grid(cls, size: int) -> int:
        if size % 32:
            raise ValueError(f"{size} is not a multiple of 32 (the student's and the teacher's grids need that)")
        return size

    @field_validator("sources")
    @classmethod
    def _names_are_known(cls, sources: dict[str, Source]) -> dict[str, Source]:
        return {name: s.meant() if isinstance(s, DatasetSource) else s for name, s in sources.items()}

    @field_validator("ablation")
    @classmethod
    def _default_is_the_teacher(cls, variants: dict[str, Any]) -> dict[str, Any]:
        if "default" in variants:
            raise ValueError("default is the teacher as it is; choose another name")
        return variants

    @model_validator(mode="after")
    def _variants_are_styleids(self) -> Config:
        if self.ablation and self.teacher.method != "styleid":
            raise ValueError(
                f"ablation: its variants are of StyleID, and teacher.method is {self.teacher.method}; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _inverts_what_is_limited(self) -> Config:
        if self.pairs.keep and self.pairs.keep.inversion_max is not None and not self.teacher.inverts:
            raise ValueError(
                f"pairs.keep.inversion_max: teacher.method {self.teacher.method} has no inversion that is measured; "
                "leave it out"
            )
        return self

    @field_validator("compare_teachers")
    @classmethod
    def _the_teacher_is_there_already(cls, others: dict[str, Any]) -> dict[str, Any]:
        if "teacher" in others:
            raise ValueError("teacher is the teacher itself; choose another name")
        return others

    @field_validator("losses")
    @classmethod
    def _losses_are_no_models(cls, losses: dict[str, Any]) -> dict[str, Any]:
        for name, terms in losses.items():
            if name in FIXED_MODELS:
                raise ValueError(f"{name} is the name of a model that every run has; choose another")
            if not terms:
                raise ValueError(f"{name} has no terms; allowed: {', '.join(TERMS)}")
        return losses

    @model_validator(mode="after")
    def _stylizers_have_names_of_their_own(self) -> Config:
        for name in self.stylizers:
            if name in FIXED_MODELS or name in self.losses:
                whose = "a loss" if name in self.losses else "a model that every run has"
                raise ValueError(f"stylizers.{name}: this is the name of {whose}; choose another")
        return self

    @model_validator(mode="after")
    def _images_of_stylizers_are_safe(self) -> Config:
        """Snakemake removes a job's files before it makes them, and so what somebody has put among them."""
        run = Path("results", self.run)
        for name, stylizer in self.stylizers.items():
            for key in ("path", "validation") if isinstance(stylizer, FolderStylizer) else ():
                place = getattr(stylizer, key)
                if place and Path(place).resolve().is_relative_to(run.resolve()):
                    raise ValueError(
                        f"stylizers.{name}.{key}: {place} lies in {run}, where jobs remove and write images; put yours "
                        "elsewhere"
                    )
        return self

    @model_validator(mode="after")
    def _fid_sees_enough(self) -> Config:
        if self.metrics.fid == "art_inception" and self.image_size < 96:
            raise ValueError("metrics.fid: art_inception does not resize and needs an image_size of at least 96")
        return self

    @model_validator(mode="after")
    def _variants_have_lpips_and_fid(self) -> Config:
        lacking = [key for key in ("lpips", "fid") if getattr(self.metrics, key) == "none"]
        if self.ablation and lacking:
            raise ValueError(
                f"ablation: its figure shows LPIPS against FID, and metrics.{lacking[0]} is none; name a network "
                "there, or leave ablation out"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Config:
        for section, roles in (("blocks", self.blocks), ("golden", self.golden)):
            for role in ("contents", "styles"):
                for source in getattr(roles, role):
                    if source not in self.sources:
                        known = ", ".join(sorted(self.sources))
                        raise ValueError(f"{section}.{role}: no source named {source}; sources: {known}")
        crosses = METHODS[self.teacher.method].crosses
        per_block = self.blocks.pairs_per_block if crosses else total(self.blocks.contents)
        for split in ("train", "val"):
            have = getattr(self.blocks, split) * per_block
            if getattr(self.pairs, split) > have:
                raise ValueError(
                    f"pairs.{split}: {getattr(self.pairs, split)} pairs asked for, but blocks.{split} = "
                    f"{getattr(self.blocks, split)} blocks of {per_block} pairs make only {have}"
                )
        return self

    @model_validator(mode="after")
    def _triplets_stay_together(self) -> Config:
        """The n-th content of a block and its n-th style are of one triplet where both are taken alike."""
        if self.teacher.method != "images":
            return self
        for section, roles in (("blocks", self.blocks), ("golden", self.golden)):
            taken = [list(roles.contents.items()), list(roles.styles.items())]
            sources = [self.sources[name] for some in taken for name, _ in some]
            if [len(some) for some in taken] != [1, 1] or not in_step(*sources) or taken[0][0][1] != taken[1][0][1]:
                raise ValueError(
                    f"{section}: with teacher.method images, contents and styles are one source of kind triplets or "
                    "hub_triplets each, alike but for take: content and take: style, and as many of both"
                )
        if total(self.golden.contents) != 1:
            raise ValueError("golden: with teacher.method images it is one triplet, for no other pair has a target")
        return self

    @property
    def scoring_networks(self) -> tuple[str, ...]:
        """The fixed networks that scores look through: of structure and Gram distance, LPIPS, ST-LPIPS and FID."""
        every = (self.networks.features, self.metrics.lpips, "shift_tolerant_alexnet", self.metrics.fid)
        return tuple(name for name in every if name != "none")

    @property
    def variants(self) -> dict[str, Teacher]:
        """The teacher as it is (`default`) and its variants, where an ablation is wanted."""
        changes = {name: variant.model_dump(exclude_none=True) for name, variant in self.ablation.items()}
        return {
            name: Teacher.model_validate(self.teacher.at_first_gamma.model_dump() | change)
            for name, change in ({"default": {}} | changes if changes else {}).items()
        }

    @property
    def other_teachers(self) -> dict[str, Teacher]:
        """The stylizers of `compare_teachers`; none where the teacher has no model that they could work on."""
        if not self.teacher.on_a_model:
            return {}
        changes = {name: other.model_dump(exclude_none=True) for name, other in self.compare_teachers.items()}
        teacher = self.teacher.at_first_gamma.model_dump()
        return {name: Teacher.model_validate(teacher | one) for name, one in changes.items()}

    @property
    def teacher_titles(self) -> dict[str, str]:
        """What figures call the teacher and those beside it: its method, and their names with their methods."""
        others = {name: f"{name} ({METHODS[one.method].title})" for name, one in self.other_teachers.items()}
        return {"teacher": f"teacher ({METHODS[self.teacher.method].title})"} | others

    @property
    def begins_with(self) -> str:
        """The model that every distillation starts from: `pretrained`, or `start` where that is distilled itself."""
        return "start" if self.student.pretrained else "pretrained"

    @property
    def starts(self) -> list[str]:
        """The student before any distillation and, where that is another, the one that this run starts from."""
        return list(dict.fromkeys(["pretrained", self.begins_with]))

    @property
    def fixed_models(self) -> list[str]:
        """The models that no loss and no stylizer of this run changes."""
        return ["teacher", *self.starts, *CONTROLS]

    @property
    def models(self) -> list[str]:
        """All models in the order of tables and figures."""
        return [*CONTROLS, "teacher", *self.starts, *self.compared]

    @property
    def compared(self) -> list[str]:
        """The models whose distance to the teacher is looked at: the students, then stylizers from outside."""
        return [*self.losses, *self.stylizers]

    @property
    def validated(self) -> list[str]:
        """Those of them that have an image of every validation pair."""
        return [*self.losses, *(name for name, stylizer in self.stylizers.items() if stylizer.validates)]
