"""The configuration: one typed model per section, read by the workflow and handed to each script as JSON.

`workflow/schemas/config.schema.yaml` is generated from these models; defaults and ranges stand in this package alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .fields import Name, Place, Positive, Probability, Section, Seed
from .sources import DatasetSource, Source
from .terms import TERMS

# Models that every run has beside its losses, so no loss may bear their names.
CONTROLS = ("content", "style", "recolor")
FIXED_MODELS = ("teacher", "pretrained", *CONTROLS)
# A loss: the weight of each of its terms.
Loss = dict[Literal[tuple(TERMS)], Annotated[float, Field(gt=0, allow_inf_nan=False)]]  # type: ignore[valid-type]


# --- data -------------------------------------------------------------------------------------------------------


class BlockShape(Section):
    """A block is every content of it times every style of it; it is the unit of jobs."""

    contents: dict[Name, Positive] = Field(min_length=1, description="pictures per block, by source")
    styles: dict[Name, Positive] = Field(min_length=1, description="pictures per block, by source")

    @property
    def pairs_per_block(self) -> int:
        """Contents times styles."""
        return sum(self.contents.values()) * sum(self.styles.values())


class Blocks(BlockShape):
    """How many blocks of one shape each split has."""

    train: Positive = Field(description="number of training blocks")
    val: Positive = Field(description="number of validation blocks")

    @property
    def shape(self) -> BlockShape:
        """What one block looks like, whatever their number: all that a job of one block may depend on."""
        return BlockShape(contents=self.contents, styles=self.styles)


class Pairs(Section):
    """How many pairs of each split the manifest takes, in the written order."""

    train: Positive
    val: Positive


class Golden(Section):
    """The pictures shown in every figure: by source, either how many (from the middle of its order) or their names."""

    contents: dict[Name, Positive | list[str]] = Field(min_length=1)
    styles: dict[Name, Positive | list[str]] = Field(min_length=1)


def total(choices: dict[str, int | list[str]]) -> int:
    """How many pictures a role of the golden set has."""
    return sum(choice if isinstance(choice, int) else len(choice) for choice in choices.values())


# --- models -----------------------------------------------------------------------------------------------------


class GammaSchedule(Section):
    """gamma over the reverse steps, from the noisiest (start) to the cleanest (end)."""

    start: Probability
    end: Probability
    shape: Literal["cosine", "linear"] = "cosine"


class Teacher(Section):
    """StyleID on a latent diffusion model."""

    weights: Place = Field(description="hub id, diffusers folder, or one .safetensors/.ckpt file")
    convention: Literal["ldm", "diffusers"] = Field("diffusers", description="which of the authors' implementations")
    steps: int = Field(50, ge=2, le=1000, description="DDIM steps of the inversion and of the sampling")
    gamma: Probability | GammaSchedule = Field(0.75, description="weight of the content's query in the injection")
    temperature: float = Field(1.5, gt=0, le=10, description="factor on the attention logits of injected layers")
    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = Field(
        "auto", description="decoder self-attentions that are injected; auto: all at the two finest resolutions"
    )
    adain: bool = Field(True, description="give the start latent the style's statistics per channel")
    injection: bool = Field(True, description="inject the style's keys and values")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    features: Literal["auto", "recompute", "cache"] = Field("auto", description="keep attention features of all steps")
    batch: Positive = Field(8, description="pictures per forward on a CPU; on a GPU the upper bound")
    compile: bool = Field(False, description="torch.compile the UNet")


class Variant(Section):
    """The teacher with some of its settings changed; what is left out is as in `teacher`."""

    gamma: Probability | GammaSchedule | None = None
    temperature: float | None = Field(None, gt=0, le=10)
    adain: bool | None = None
    injection: bool | None = None


class Student(Section):
    """The network that learns."""

    architecture: Literal["sttr", "micro"] = Field(
        "sttr", description="sttr: the preprint's transformer; micro: convolutions, linear in pixels, 0.57 M parameters"
    )
    size: Literal["tiny", "full"] = Field(
        "full", description="of sttr: full has 45.64 M parameters, tiny the same plan, small; micro has one size"
    )
    start: Place = Field(
        description="weights before distillation: a folder with student.safetensors, the authors' .pth file, "
        "'pretrain' (this workflow's own pretraining) or 'imagenet' (backbone only, of sttr)"
    )

    @property
    def title(self) -> str:
        """The network in words: sttr (tiny), micro."""
        return f"{self.architecture} ({self.size})" if self.architecture == "sttr" else self.architecture

    @model_validator(mode="after")
    def _start_fits(self) -> Student:
        if self.architecture != "sttr" and (self.start == "imagenet" or self.start.endswith((".pth", ".pt"))):
            raise ValueError(f"start: {self.start} is a start of sttr; give {self.architecture} a folder or 'pretrain'")
        return self


class Pretrain(Section):
    """STTR's unsupervised objective: content loss + AdaIN style loss, and identity where the backbone is untrained."""

    steps: Positive = 40_000
    batch: int = Field(4, ge=0, description="pairs of content and style per step; 0: only pictures to reproduce")
    identity_batch: int = Field(0, ge=0, description="further pictures per step that the network must reproduce")
    recolor: Probability = Field(0.0, description="part of these whose content wears another picture's colours")
    learning_rate: float = Field(1e-4, gt=0)
    learning_rate_backbone: float = Field(1e-5, ge=0)
    weight_decay: float = Field(1e-4, ge=0)
    content_weight: float = Field(1.0, ge=0)
    style_weight: float = Field(10.0, ge=0)
    identity_weight: float = Field(0.0, ge=0)
    clip: float = Field(0.1, gt=0, description="largest norm of the gradient")
    half_size: Probability = Field(0.0, description="part of the steps, from the first on, on crops of half the side")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _trains_on_something(self) -> Pretrain:
        if (self.identity_weight > 0) != (self.identity_batch > 0):
            raise ValueError("identity_weight and identity_batch go together: set both, or neither")
        if not self.batch and not self.identity_batch:
            raise ValueError("batch: 0 leaves nothing to train on; set identity_batch and identity_weight")
        return self


class Distill(Section):
    """The recipe that all losses share."""

    batch: Positive = Field(8, description="effective batch size, whatever the number of devices")
    micro_batch: Positive | None = Field(None, description="pictures per forward; null: the whole batch")
    learning_rate: float = Field(1e-4, gt=0)
    learning_rate_backbone: float = Field(1e-5, ge=0)
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(0.1, gt=0, description="largest norm of the gradient")
    max_epochs: Positive = 100
    patience: int = Field(2, ge=0, description="epochs without a new best before the rate is reduced")
    factor: float = Field(0.5, gt=0, lt=1, description="the reduction of the rate")
    threshold: float = Field(1e-3, ge=0, description="relative improvement that counts as a new best")
    stop_after: Positive = Field(4, description="epochs after the first reduction that brought no new best")
    gram_normalize: Literal["matched", "hw", "chw"] = "matched"
    gram_per_picture: bool = Field(True, description="false: the authors' Gram matrix with the batch folded in")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    gradient_checkpointing: bool = Field(
        False, description="compute decoder and tail twice instead of keeping what they made: less memory, more time"
    )
    workers: int = Field(0, ge=0, description="processes that decode pictures, for each GPU")
    tensorboard: bool = Field(False, description="events beside history.csv; needs the package tensorboard")
    flip: bool = Field(False, description="mirror half of the pairs at random: content, style and target together")


class Networks(Section):
    """The fixed networks of losses and metrics: 'download', a file, or 'seeded' (random, for tests)."""

    features: Literal["vgg19", "efficientnet_lite0"] = Field(
        "vgg19", description="what feature losses, structure and Gram distance look through"
    )
    vgg19: Place = "download"
    efficientnet_lite0: Place = Field("package", description="package: the weights that an installed package carries")
    alexnet: Place = "download"
    vgg16: Place = Field("download", description="read only where metrics.lpips says vgg16")
    inception: Place = "download"
    art_inception: Place = Field("download", description="read only where metrics.fid says art_inception")
    seed: Seed = Field(1, description="of the seeded networks")

    @classmethod
    def trained(cls, network: str) -> str:
        """The word that stands for a network's trained weights."""
        return str(cls.model_fields[network].default)


# Names of the networks whose weights `networks` says.
NETWORKS = tuple(name for name in Networks.model_fields if name not in ("features", "seed"))


class Metrics(Section):
    """How is scored."""

    lpips: Literal["alexnet", "vgg16"] = Field("alexnet", description="the network that LPIPS looks through")
    fid: Literal["inception", "art_inception"] = Field(
        "inception", description="the network of FID and ArtFID: pytorch-fid's, or ArtFID's own"
    )
    fid_minimum: Positive = Field(200, description="below so many pairs FID and ArtFID are greyed and never bold")
    batch: Positive = 16


class Benchmark(Section):
    """Seconds and memory per picture, all models in one exclusive job."""

    repeats: Positive = 5
    size: int | None = Field(None, ge=32, description="side of the pictures; null: image_size")


class Config(Section):
    """A whole run."""

    run: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the folder below results/")
    seed: Seed = 1
    image_size: int = Field(512, ge=32, le=4096, description="side of the square crops in pixels")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="resolved inside each job")
    sources: dict[Name, Source] = Field(min_length=1)
    blocks: Blocks
    pairs: Pairs
    golden: Golden
    teacher: Teacher
    student: Student
    pretrain: Pretrain = Pretrain()
    losses: dict[Name, Loss] = Field(min_length=1)
    distill: Distill = Distill()
    ablation: dict[Name, Variant] = Field(
        {}, description="variants of the teacher, each rendered and scored on the golden set by `snakemake ablation`"
    )
    networks: Networks = Networks()
    metrics: Metrics = Metrics()
    benchmark: Benchmark = Benchmark()

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
    def _fid_sees_enough(self) -> Config:
        if self.metrics.fid == "art_inception" and self.image_size < 96:
            raise ValueError("metrics.fid: art_inception does not resize and needs an image_size of at least 96")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Config:
        for section, roles in (("blocks", self.blocks), ("golden", self.golden)):
            for role in ("contents", "styles"):
                for source in getattr(roles, role):
                    if source not in self.sources:
                        known = ", ".join(sorted(self.sources))
                        raise ValueError(f"{section}.{role}: no source named {source}; sources: {known}")
        for split in ("train", "val"):
            have = getattr(self.blocks, split) * self.blocks.pairs_per_block
            if getattr(self.pairs, split) > have:
                raise ValueError(
                    f"pairs.{split}: {getattr(self.pairs, split)} pairs asked for, but blocks.{split} = "
                    f"{getattr(self.blocks, split)} blocks of {self.blocks.pairs_per_block} pairs make only {have}"
                )
        return self

    @property
    def variants(self) -> dict[str, Teacher]:
        """The teacher as it is (`default`) and its variants, where an ablation is wanted."""
        changes = {name: variant.model_dump(exclude_none=True) for name, variant in self.ablation.items()}
        return {
            name: Teacher.model_validate(self.teacher.model_dump() | change)
            for name, change in ({"default": {}} | changes if changes else {}).items()
        }

    @property
    def models(self) -> list[str]:
        """All models in the order of tables and figures."""
        return ["content", "style", "recolor", "teacher", "pretrained", *self.losses]
