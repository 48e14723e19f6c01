"""Configurations out of files and plain values; what is wrong with one, in a line for each fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..core.errors import UserError
from ..core.progress import on_one_line
from .schema import Config


def load(path: Path | str) -> Config:
    """The validated configuration of a YAML file. Raises UserError."""
    return validate(read(path) or {})


class _Once(yaml.SafeLoader):
    """YAML in which no key stands twice: of two sections of one name the first would be gone without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises UserError for a key that is there already, with both lines."""
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = (key_node.tag, key_node.value), key_node.start_mark.line + 1
            if isinstance(key_node, yaml.ScalarNode) and key in lines and key_node.value != "<<":
                raise UserError(
                    f"{shown(key_node.value)} stands twice (lines {lines[key]} and {line}); keep one of them"
                )
            if isinstance(key_node, yaml.ScalarNode):
                lines[key] = line
        return super().construct_mapping(node, deep)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The same of an object in JSON."""
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UserError(f"{shown(twice)} stands twice; keep one of them")
    return dict(pairs)


def read(path: Path | str) -> Any:
    """The plain values of a YAML or JSON file in UTF-8. Raises UserError for others, and for a key that stands twice.

    Snakemake reads what is called .json as JSON, which YAML does not hold whole.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
        if Path(path).suffix == ".json":
            return json.loads(text, object_pairs_hook=_once)
        return yaml.load(text, _Once)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        form = "JSON" if Path(path).suffix == ".json" else "YAML"
        raise UserError(f"{path}: cannot be read as {form} ({' '.join(str(error).split())[:200]})") from error


def validate(values: dict[str, Any]) -> Config:
    """The validated configuration of plain values. Raises UserError with one line per fault, each naming its key."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError(
            "\n".join(dict.fromkeys(_line(fault) for fault in _of_the_kind_that_was_meant(error)))
        ) from None


_BRANCH = re.compile(r"[\[(A-Z]|^constrained-|^(float|int)$")


def _of_the_kind_that_was_meant(error: ValidationError) -> list[Any]:
    """A key of several kinds, a number or a list, has faults of each: without "is no list" of a number out of range."""
    faults = error.errors()
    every = [_keys(fault) for fault in faults]
    told = [keys for keys, fault in zip(every, faults, strict=True) if not fault["type"].endswith("_type")]

    def meant_otherwise(keys: list[str]) -> bool:
        within = any(other[: len(keys)] == keys and len(other) > len(keys) for other in every)
        return within or any(other[: len(keys)] == keys for other in told)

    return [
        fault
        for keys, fault in zip(every, faults, strict=True)
        if not fault["type"].endswith("_type") or not meant_otherwise(keys)
    ]


def _keys(fault: Any) -> list[str]:
    # Pydantic names the branch of a union inside the location; users know only the keys.
    parts = [str(part) for part in fault["loc"]]
    if parts[:1] in (["sources"], ["stylizers"]):
        del parts[2:3]
    return [shown(part) for part in parts if not _BRANCH.search(part)]


def _line(fault: Any) -> str:
    message = on_one_line(fault["msg"].removeprefix("Value error, "))  # some hold a value as it was given
    if fault["type"] == "extra_forbidden":
        message = "unknown key"
    elif fault["type"] == "missing":
        message = "missing"
    value = "" if fault["type"] in ("missing", "value_error", "extra_forbidden") else f" (got {fault['input']!r:.80})"
    where = ".".join(_keys(fault))
    return f"configuration: {where + ': ' if where else ''}{message}{value}"


def shown(key: object) -> str:
    """A key as a message may show it: what would break the line is written as Python does."""
    return str(key) if str(key).isprintable() else repr(str(key))


def json_schema() -> dict[str, Any]:
    """JSON schema of the configuration, for editors and for the drift test."""
    return Config.model_json_schema()
