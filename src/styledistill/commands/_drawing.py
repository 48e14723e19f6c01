"""What commands that draw with a student are given: how to draw, in which styles, with which student."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import UserError
from ..core.places import embedded
from ..run.cli import Number, Place, needs, user_errors
from ..student.stylize_jobs import Options, weighted

if TYPE_CHECKING:
    from ..student.controls import Stylizing

File = Place()


@dataclass(frozen=True)
class Drawing:
    """styles: their images. options: hold for all that is drawn. model: of a student, a folder or a hub id."""

    styles: tuple[Path, ...]
    options: Options
    model: str
    revision: str
    device: str

    def student(self, pixels: int) -> Stylizing:
        """The student, for images of up to so many pixels. Its engine takes a moment to import."""
        with needs():
            from ..student.engines import load

            mixing = len(self.styles) > 1 or self.options.strength < 1
            return load(self.model, self.device, self.revision, mixing=mixing, pixels=pixels)


def draws(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the argument STYLE and the options of drawing; it is called with `drawing`, in `user_errors`.

    what: is drawn, in the words of the help (image, video).
    """
    pixels = click.IntRange(1)
    parameters = (
        click.argument("style", type=File, required=False),
        click.option(
            "--style", "mixed", multiple=True, help="In STYLE's place, several times: images to mix, as a.jpg:0.7."
        ),
        click.option(
            "--model",
            default=str(embedded("micro")),
            help="Folder of a student (results/<run>/students/<loss>), or its hub id. Default: the embedded micro.",
        ),
        click.option("--revision", default="main", show_default=True, help="Branch, tag or commit of a hub id."),
        click.option("--size", type=pixels, help="Scale the shorter side to so many pixels. Default: its own."),
        click.option("--style-size", type=pixels, help="That of styles alone: of larger ones the grain is coarser."),
        click.option(
            "--working-size",
            type=pixels,
            help=f"Draw at this shorter side and keep the {what}'s size and detail: larger strokes, less time.",
        ),
        click.option("--strength", type=Number(0, 1), default=1.0, show_default=True, help="How much of the style."),
        click.option(
            "--preserve-color", is_flag=True, help=f"Keep the {what}'s colors: only light and dark are stylized."
        ),
        click.option(
            "--mask", type=File, help=f"Black and white, of the {what}'s size: the style holds where it is white."
        ),
        click.option("--outside", type=File, help=f"The style where the mask is black. Default: the {what} as it is."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def main(
            style: Path | None,
            mixed: tuple[str, ...],
            model: str,
            revision: str,
            size: int | None,
            style_size: int | None,
            working_size: int | None,
            strength: float,
            preserve_color: bool,
            mask: Path | None,
            outside: Path | None,
            device: str,
            **own: Any,
        ) -> None:
            with user_errors():
                if (style is None) == (not mixed):
                    raise UserError("give a style: STYLE, or --style once or more, and not both.")
                styles, weights = zip(*(weighted(one) for one in mixed), strict=True) if mixed else ((style,), None)
                options = Options(size, style_size, working_size, weights, strength, preserve_color, mask, outside)
                command(drawing=Drawing(styles, options, model, revision, device), **own)

        for parameter in reversed(parameters):
            main = parameter(main)
        return main

    return decorate
