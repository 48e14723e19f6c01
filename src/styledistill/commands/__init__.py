"""The programs for people, a module each; `styledistill` has them as subcommands, src/<name>.py calls one alone."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import click

from ..core.errors import UserError
from ..run.cli import install, needs, user_errors


class Lazy(click.Group):
    """Subcommands by the names of the modules beside this; each is imported when it is called, and not to be listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the modules."""
        return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `main` of a module; where a package that it needs is not installed, one that says so."""
        if cmd_name not in self.list_commands(ctx):
            from ._former import answer

            with user_errors():
                if said := answer(cmd_name):
                    raise UserError(said)
            return None
        try:
            return import_module(f"{__name__}.{cmd_name}").main
        except ModuleNotFoundError as error:
            return _lacking(cmd_name, error)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each with the first line of its module's text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _purpose(name)) for name in self.list_commands(ctx)])


def _lacking(name: str, error: ModuleNotFoundError) -> click.Command:
    """Has a help even so; called, it ends the program in the line of `needs`."""

    def end(**_: object) -> None:
        with needs():
            raise error

    words = click.Argument(["words"], nargs=-1, metavar="...")
    told = f"{_purpose(name)}\n\nThis needs packages that are not installed: {install('train')}"
    return click.Command(name, {"ignore_unknown_options": True}, end, [words], help=told)


def _purpose(name: str) -> str:
    text = Path(__file__).with_name(f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]


def _tell_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"styledistill {import_module('styledistill').__version__}")
        ctx.exit()


@click.command(cls=Lazy)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Distill a diffusion stylizer into one feed-forward network, and use the result."""
