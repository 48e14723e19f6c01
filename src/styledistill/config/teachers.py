"""The teacher: its methods, what cards and pages call them, and its settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from ..core.places import weights_mark
from .fields import Place, Positive, Probability, Section


class Method(NamedTuple):
    """A method of the teacher: what it is called, and who made it.

    own: keys of the section that no other method reads. on_a_model: it works on a latent diffusion model, and reads
    the keys of no method too. crosses: it stylizes each content of a block in each style; else the n-th content in the
    n-th style. inverts: its images hang on an inversion, whose error is measured.
    """

    title: str
    says: str
    own: tuple[str, ...] = ()
    on_a_model: bool = True
    crosses: bool = True
    inverts: bool = False


# Name in the configuration -> what cards and pages say of it.
METHODS = {
    "styleid": Method(
        "StyleID",
        "StyleID (Chung, Hyun, Heo: Style Injection in Diffusion. CVPR 2024), with no training of its own",
        own=("convention", "gamma", "temperature", "layers", "injection", "features"),
        inverts=True,
    ),
    "inst": Method(
        "InST",
        "InST (Zhang et al.: Inversion-Based Style Transfer with Diffusion Models. CVPR 2023), which learns a prompt "
        "from each style image",
        own=("inst",),
    ),
    "command": Method(
        "a program from outside",
        "a program from outside, called by its command",
        own=("command", "version_command"),
        on_a_model=False,
    ),
    "images": Method(
        "finished triplets",
        "whoever made these triplets of content, style and stylized image, which came finished",
        on_a_model=False,
        crosses=False,
    ),
}


def method_of(facts: Mapping[str, Any]) -> str:
    """The method that the facts of a teacher (teacher.json) name. StyleID's name none, so that its pairs stay valid."""
    return facts.get("method", "styleid")


def gammas_of(facts: Mapping[str, Any]) -> list[float]:
    """All gammas that the facts of a teacher (teacher.json) name, the scored one first; none of a teacher at one."""
    return facts.get("gammas", [])


class Inst(Section):
    """InST's own settings. The teacher's steps, adain, dtype and batch hold for it too."""

    steps: Positive = Field(6100, description="steps of learning one style's prompt; each style is learned once")
    learning_rate: float = Field(1e-4, gt=0, description="AdamW's learning rate for the prompt")
    strength: float = Field(0.7, gt=0, lt=1, description="how far a content is noised, as a part of all timesteps")
    guidance: float = Field(10.0, gt=0, le=50, description="classifier-free guidance by the style's prompt; 1: none")


class GammaSchedule(Section):
    """A gamma that changes over the reverse steps."""

    start: Probability = Field(description="gamma at the noisiest step")
    end: Probability = Field(description="gamma at the cleanest step")
    shape: Literal["cosine", "linear"] = Field("cosine", description="shape of the curve between both")


class Teacher(Section):
    """The stylizer that is distilled."""

    weights: Place | None = Field(
        None,
        description="hub id, diffusers folder, or a single .safetensors or .ckpt file; read by methods on a latent "
        "diffusion model, which need it",
    )
    method: Literal[tuple(METHODS)] = Field(  # type: ignore[valid-type]
        "styleid", description=f"how it stylizes; only styleid reads {', '.join(METHODS['styleid'].own)}"
    )
    convention: Literal["ldm", "diffusers"] = Field(
        "diffusers", description="which of StyleID's two published implementations to follow step by step"
    )
    steps: int = Field(50, ge=2, le=1000, description="DDIM steps of the inversion and of the sampling")
    gamma: Probability | GammaSchedule | Annotated[list[Probability], Field(min_length=2)] = Field(
        0.75,
        description="weight of the content's query against the stylized one's in injected layers; of a list the first "
        "is scored, and students learn all, each at a strength of its own",
    )
    temperature: float = Field(1.5, gt=0, le=10, description="factor on the attention logits of injected layers")
    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = Field(
        "auto", description="indices of injected decoder self-attentions; auto: all at the two finest resolutions"
    )
    adain: bool = Field(True, description="give the start latent the style's mean and deviation per channel")
    injection: bool = Field(True, description="inject the style's keys and values into self-attention")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the UNet")
    features: Literal["auto", "recompute", "cache"] = Field(
        "auto", description="keep the attention features of all steps (cache), or compute them again to save memory"
    )
    batch: Positive = Field(8, description="images per forward pass on a CPU; the upper bound on a GPU")
    compile: bool = Field(False, description="compile the UNet with torch.compile")
    inst: Inst = Field(Inst(), description="settings of the method inst; read by no other")
    command: str | None = Field(
        None,
        description="the program of the method command: its words, among them {content}, {style} and {output} (paths; "
        "it runs once a pair) or {pairs} (a CSV of such paths; it runs once a block)",
    )
    version_command: str | None = Field(
        None, description="a command whose first line is the program's version, which becomes part of each pair's key"
    )

    @field_validator("gamma")
    @classmethod
    def _gammas_differ(cls, gamma: Any) -> Any:
        if isinstance(gamma, list) and len(set(gamma)) < len(gamma):
            raise ValueError("lists a value twice")
        return gamma

    @field_validator("command", "version_command")
    @classmethod
    def _is_a_command(cls, command: str | None) -> str | None:
        try:
            words = ["nothing"] if command is None else shlex.split(command)
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error})") from None
        if not words:
            raise ValueError("is empty")
        return command

    @field_validator("command")
    @classmethod
    def _says_where_paths_go(cls, command: str | None) -> str | None:
        if command is None:
            return None
        one = ("{content}", "{style}", "{output}")
        lacking, named = ([name for name in one if (name in command) == there] for there in (False, True))
        if "{pairs}" not in command and lacking:
            raise ValueError(f"lacks {' and '.join(lacking)}; the program must be told each path (or {{pairs}})")
        if "{pairs}" in command and named:
            raise ValueError(f"has {{pairs}}, a table of all, and {' and '.join(named)}, of one; keep one of both")
        return command

    @model_validator(mode="after")
    def _has_what_its_method_reads(self) -> Teacher:
        if self.on_a_model and self.weights is None:
            raise ValueError(
                f"weights: missing, and {self.method} works on a latent diffusion model. Set it to a hub id, a "
                "diffusers folder, or one .safetensors or .ckpt file."
            )
        if self.method == "command" and self.command is None:
            raise ValueError('command: missing. Set it to one as "python mine.py {content} {style} {output}".')
        return self

    @property
    def gammas(self) -> list[float | GammaSchedule]:
        """The gamma that is scored, then those that are taught beside it."""
        return self.gamma if isinstance(self.gamma, list) else [self.gamma]

    @property
    def further_gammas(self) -> list[float]:
        """Those of a list but the first; none where gamma changes no image."""
        changes = "gamma" in METHODS[self.method].own and self.injection
        return self.gamma[1:] if isinstance(self.gamma, list) and changes else []

    def at(self, gamma: float | GammaSchedule) -> Teacher:
        """The same at this gamma alone."""
        return self.model_copy(update={"gamma": gamma})

    @property
    def at_first_gamma(self) -> Teacher:
        """The same at the gamma that is scored."""
        return self.at(self.gammas[0])

    @property
    def on_a_model(self) -> bool:
        """Whether its method works on the latent diffusion model of `weights`."""
        return METHODS[self.method].on_a_model

    @property
    def inverts(self) -> bool:
        """Whether its images hang on an inversion whose error is measured."""
        return METHODS[self.method].inverts

    @property
    def model(self) -> str | None:
        """The weights that its method reads; None for a method that works on no model."""
        return self.weights if self.on_a_model else None

    @property
    def command_files(self) -> dict[str, str]:
        """Files that its commands name (mine.py, --net=net.pt), each with a mark of its bytes (large: its size)."""
        commands = [self.command, self.version_command] if self.method == "command" else []
        words = {word for command in filter(None, commands) for word in shlex.split(command)}
        names = words | {word.partition("=")[2] for word in words}
        return {name: weights_mark(name).removeprefix("weights ") for name in sorted(names) if Path(name).is_file()}

    def mark(self) -> str:
        """What tells that weights, or files of a command, have changed: by bytes, not by place or time."""
        if self.on_a_model:
            return weights_mark(str(self.weights))
        return " ".join(f"{word} {mark}" for word, mark in self.command_files.items())


class Variant(Section):
    """The teacher with some settings changed. null keeps the value of `teacher`."""

    gamma: Probability | GammaSchedule | None = Field(None, description="as in teacher")
    temperature: float | None = Field(None, gt=0, le=10, description="as in teacher")
    adain: bool | None = Field(None, description="as in teacher")
    injection: bool | None = Field(None, description="as in teacher")


class OtherTeacher(Section):
    """A stylizer on the teacher's model, for a figure only. null keeps the value of `teacher`."""

    method: Literal[tuple(name for name, method in METHODS.items() if method.on_a_model)] = Field(  # type: ignore[valid-type]
        description="as in teacher"
    )
    steps: int | None = Field(None, ge=2, le=1000, description="as in teacher")
    adain: bool | None = Field(None, description="as in teacher")
    inst: Inst | None = Field(None, description="as in teacher")
