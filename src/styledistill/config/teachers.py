"""The methods of the teacher: their names, what cards and pages call them, and settings that are one method's own."""

from __future__ import annotations

from pydantic import Field

from .fields import Positive, Section

# Name in the configuration -> what it is called, and who made it.
METHODS = {
    "styleid": (
        "StyleID",
        "StyleID (Chung, Hyun, Heo: Style Injection in Diffusion. CVPR 2024), with no training of its own",
    ),
    "inst": (
        "InST",
        "InST (Zhang et al.: Inversion-Based Style Transfer with Diffusion Models. CVPR 2023), which learns a prompt "
        "from each style image",
    ),
}


class Inst(Section):
    """InST's own settings. The teacher's steps, adain, dtype and batch hold for it too."""

    steps: Positive = Field(6100, description="steps of learning one style's prompt; each style is learned once")
    learning_rate: float = Field(1e-4, gt=0, description="AdamW's learning rate for the prompt")
    strength: float = Field(0.7, gt=0, lt=1, description="how far a content is noised, as a part of all timesteps")
    guidance: float = Field(10.0, gt=0, le=50, description="classifier-free guidance by the style's prompt; 1: none")
