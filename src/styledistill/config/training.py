"""What learns and how: the student, its first training and its distillation."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import Literal

from pydantic import Field, model_validator

from .fields import Place, Positive, Probability, Section


class Student(Section):
    """The network that learns."""

    architecture: Literal["sttr", "micro"] = Field(
        "sttr", description="sttr: the preprint's transformer; micro: convolutions, linear in pixels, 0.57 M parameters"
    )
    size: Literal["tiny", "full"] = Field(
        "full", description="of sttr: full (45.64 M parameters) or tiny (2.68 M); micro has one size"
    )
    start: Place = Field(
        description="weights before distillation: a folder with student.safetensors, the authors' .pth file, "
        "'pretrain' (this workflow's own pretraining) or 'imagenet' (backbone only, of sttr)"
    )
    pretrained: Place | None = Field(
        None,
        description="where `start` has learned from a teacher itself: the folder of the student before that. It is the "
        "row `pretrained` then, and `start` is a row of its own",
    )

    @property
    def title(self) -> str:
        """The network in words: sttr (tiny), micro."""
        return f"{self.architecture} ({self.size})" if self.architecture == "sttr" else self.architecture

    @model_validator(mode="after")
    def _start_fits(self) -> Student:
        of_sttr = self.start == "imagenet" or self.start.endswith((".pth", ".pt"))
        if self.architecture != "sttr" and of_sttr:
            raise ValueError(f"start: {self.start} is a start of sttr; give {self.architecture} a folder or 'pretrain'")
        if self.pretrained and (of_sttr or self.start == "pretrain"):
            raise ValueError(f"pretrained: beside a start that is a student's folder only; start is {self.start}")
        return self


class Pretrain(Section):
    """Training before distillation (`student.start: pretrain`): STTR's content and style losses, without a teacher."""

    steps: Positive = Field(40_000, description="training steps")
    batch: int = Field(4, ge=0, description="content and style pairs per step; 0: only images to reproduce")
    identity_batch: int = Field(0, ge=0, description="further images per step that the network must reproduce")
    recolor: Probability = Field(
        0.0, description="fraction of these images whose content is recolored with another image's colors"
    )
    learning_rate: float = Field(1e-4, gt=0, description="AdamW's learning rate")
    learning_rate_backbone: float = Field(1e-5, ge=0, description="the same for the backbones")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay")
    content_weight: float = Field(1.0, ge=0, description="weight of the content loss")
    style_weight: float = Field(10.0, ge=0, description="weight of the AdaIN style loss")
    identity_weight: float = Field(0.0, ge=0, description="weight of the error of reproduced images")
    clip: float = Field(0.1, gt=0, description="gradients are clipped to this norm")
    half_size: Probability = Field(0.0, description="fraction of the steps, from the first on, at half the image size")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the forward pass")

    @model_validator(mode="after")
    def _trains_on_something(self) -> Pretrain:
        if (self.identity_weight > 0) != (self.identity_batch > 0):
            raise ValueError("identity_weight and identity_batch go together: set both, or neither")
        if not self.batch and not self.identity_batch:
            raise ValueError("batch: 0 leaves nothing to train on; set identity_batch and identity_weight")
        return self


class Distill(Section):
    """Training of the students; all losses share it."""

    batch: Positive = Field(8, description="pairs per optimizer step, on any number of devices")
    micro_batch: Positive | None = Field(None, description="pairs per forward pass; null: the whole batch")
    learning_rate: float = Field(1e-4, gt=0, description="AdamW's learning rate")
    learning_rate_backbone: float = Field(1e-5, ge=0, description="the same for the backbones or the style encoder")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay")
    clip: float = Field(0.1, gt=0, description="gradients are clipped to this norm")
    max_epochs: Positive = Field(100, description="training ends after this many epochs at the latest")
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau",
        description="how the learning rate falls. plateau: by `factor` where the validation loss stands still; "
        "cosine: in every step, to 0 at the end of `max_epochs`",
    )
    patience: int = Field(
        2, ge=0, description="epochs without a new best validation loss before the learning rate is reduced"
    )
    factor: float = Field(0.5, gt=0, lt=1, description="factor of each reduction of the learning rate")
    threshold: float = Field(1e-3, ge=0, description="relative improvement that counts as a new best")
    stop_after: Positive = Field(
        4, description="stop after this many epochs without a new best, counted from the first reduction"
    )
    gram_normalize: Literal["matched", "hw", "chw"] = Field(
        "matched",
        description="divisor of Gram matrices: H W or C H W; matched: C H W, with gradients as strong as pixel's",
    )
    gram_per_image: bool = Field(
        True, description="one Gram matrix per image; false: one per batch, as in STTR's published code"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the forward pass")
    gradient_checkpointing: bool = Field(
        False, description="compute decoder and tail again in the backward pass: less memory, more time"
    )
    workers: int = Field(
        0, ge=0, description="processes per GPU that decode images; 0: none beside the training itself"
    )
    tracker: Literal["none", "tensorboard", "trackio", "wandb"] = Field(
        "none", description="where the history and images of validation pairs are shown too; a package to install"
    )
    flip: bool = Field(
        False, description="mirror a random half of the pairs: content, style and teacher's image together"
    )
    identity: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="part of the pairs, drawn anew each epoch, whose style image is content and target too",
    )

    @model_validator(mode="after")
    def _fits_schedule(self) -> Distill:
        for name in ("patience", "factor", "threshold", "stop_after"):
            if self.schedule == "cosine" and getattr(self, name) != Distill.model_fields[name].default:
                raise ValueError(f"{name}: the schedule cosine does not read it; remove it, or set schedule: plateau")
        return self

    def missing(self) -> str | None:
        """What of it is not installed, and what to do, from its key on; None where nothing is."""
        if self.tracker == "none" or list(distributions(name=self.tracker)):
            return None
        name = self.tracker
        return f"tracker: the package {name} is not installed. Run: pip install {name}, or set it to none."
