"""The configuration that a run was started with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from snakemake.utils import update_config

from ..config import Config, read, validate
from ..core.errors import UserError
from ..downloads import addresses

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

Result = TypeVar("Result")


def or_exit(function: Callable[..., Result], *arguments: Any) -> Result:
    """What the function returns. A user's mistake ends the program with one line per fault."""
    try:
        return function(*arguments)
    except UserError as error:
        sys.exit(f"error: {error}")


def chosen_configuration(config: dict[str, Any], workflow: Workflow, project: Path) -> Config:
    """The configuration of a run. Exits with one line per fault.

    config: Snakemake's, which holds the files of --configfile and the keys of --config, or what a `module` statement
    gives. project: where no file was given, config.yaml in this folder is what the keys change.
    """
    return or_exit(_chosen, config, workflow, project)


def _chosen(config: dict[str, Any], workflow: Workflow, project: Path) -> Config:
    values: dict[str, Any] = {}
    if workflow.modifier.is_main_snakefile():
        files = workflow.config_settings.configfiles
        # Once more, for Snakemake says nothing of keys that stand twice.
        for file in files:
            read(file)
        if not files:
            values = read(project / "config.yaml")
        update_config(values, config)
        _with_nulls(values, workflow.config_settings.config)
    else:
        values = config or read(project / "config.yaml")
    return validate(_without_secrets(values))


def _with_nulls(values: dict[str, Any], told: dict[str, Any]) -> None:
    """`null` on the command line means what it means in a file; Snakemake takes it for a word."""
    for key, value in told.items():
        if value == "null":
            values[key] = None
        elif isinstance(value, dict) and isinstance(values.get(key), dict):
            _with_nulls(values[key], value)


def _without_secrets(values: dict[str, Any]) -> dict[str, Any]:
    """Passwords and tokens in addresses go to the jobs that ask there, and nowhere else."""
    sources = values.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict) and isinstance(source.get("address"), str):
            source["address"] = addresses.conceal(source["address"])
    return values
