"""The configuration reference, `docs/configuration.md`, as Markdown: written from the models, never by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .reading import json_schema
from .sources import RIGHTS

HEAD = """\
# Configuration

*Generated from the models in `src/styledistill/config/`; after a change run
`PYTHONPATH=src python -m styledistill.config reference > docs/configuration.md`.*

A configuration is one YAML file. Without `--configfile` the run reads [`config.yaml`](../config.yaml); a file given
with `--configfile` replaces it whole. `--config key=value` changes single keys, and those within a section in braces:
`--config run=mine 'pairs={train: 90}'`. Unknown keys, keys that appear twice and values out of range stop the run
before its first job, with one line that names the key.

A default in the tables below holds where a file lacks the key. `config.yaml` gives most keys, often with other values.

Complete examples with comments: [`config.yaml`](../config.yaml) and [`workflow/presets/`](../workflow/presets).
Names of sources, losses and variants are yours: lower-case letters, digits and underscores, a letter first.
[Losses](losses.md) explains the terms of a loss, [reruns](reruns.md) which jobs a change runs again. Editors can check
a file by the JSON schema [`config.schema.yaml`](../workflow/schemas/config.schema.yaml).
"""


def reference() -> str:
    """The whole page."""
    schema = json_schema()
    sections = schema["$defs"]
    plain = {name: one for name, one in schema["properties"].items() if not _targets(one, sections)}
    lines = [HEAD, "## Top level", "", *_table(plain, schema)]
    shown: set[str] = set()
    for name, one in schema["properties"].items():
        if name not in plain:
            lines += ["", *_section(name, one, sections, shown)]
    return "\n".join(lines) + "\n"


def _section(name: str, one: dict[str, Any], sections: dict[str, Any], shown: set[str]) -> Iterator[str]:
    targets = _targets(one, sections)
    need = "Optional." if "default" in one else "Required."
    yield from (f"## `{name}`", "")
    if "description" in one:
        yield f"{_sentence(one['description'])} {need}"
    if len(targets) > 1:
        for target in (sections[name] for name in targets):
            fields = dict(target["properties"])
            kind = fields.pop("kind")
            yield from ("", f"### `kind: {kind['const']}`", "", _sentence(target["description"]), "")
            yield from _table({key: fields[key] for key in sorted(fields, key=RIGHTS.__contains__)}, target)
            yield from _inner(target, sections, shown)
        return
    target = sections[targets[0]]
    yield _sentence(target["description"]) + ("" if "description" in one else f" {need}")
    yield ""
    yield from _table(target["properties"], target)
    yield from _inner(target, sections, shown)


def _inner(target: dict[str, Any], sections: dict[str, Any], shown: set[str]) -> Iterator[str]:
    """The sections that keys of a section lead to, each where it is first met."""
    inner = {name: None for field in target["properties"].values() for name in _targets(field, sections)}
    for name in (name for name in inner if name not in shown):
        yield from ("", f"### {name}", "", _sentence(sections[name]["description"]), "")
        yield from _table(sections[name]["properties"], sections[name])
    shown.update(inner)


def _table(fields: dict[str, Any], owner: dict[str, Any]) -> Iterator[str]:
    yield "| key | values | default | meaning |"
    yield "|---|---|---|---|"
    for name, one in fields.items():
        default = "*required*" if name in owner.get("required", ()) else _code(one.get("default"))
        cells = (f"`{name}`", "; or ".join(_values(one)), default, " ".join(one["description"].split()))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(one: dict[str, Any]) -> Iterator[str]:
    """What a key takes, one text for each branch of a union."""
    if "$ref" in one:
        section = one["$ref"].rpartition("/")[2]
        yield f"a section ([{section}](#{section.lower()}))"
    elif branches := one.get("anyOf") or one.get("oneOf"):
        for branch in branches:
            yield from _values(branch)
    elif "const" in one:
        yield _code(one["const"])
    elif "enum" in one:
        yield ", ".join(map(_code, one["enum"]))
    elif one["type"] == "array":
        yield f"list of: {'; or '.join(_values(one['items']))}"
    elif one["type"] == "object":
        yield from _entries(one)
    else:
        yield _scalar(one)


def _entries(one: dict[str, Any]) -> Iterator[str]:
    """A mapping: whose names the keys are, and what stands behind them."""
    inner = next(iter(one.get("patternProperties", {}).values()), None) or one["additionalProperties"]
    names = one.get("propertyNames", {}).get("enum")
    key = f"each of {', '.join(map(_code, names))}" if names else "`<name>`"
    yield f"{key}: {'; or '.join(_values(inner))}"


def _scalar(one: dict[str, Any]) -> str:
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    limits = []
    if "minimum" in one:
        limits.append(f"≥ {one['minimum']}")
    if "exclusiveMinimum" in one:
        limits.append(f"> {one['exclusiveMinimum']}")
    if "maximum" in one:
        limits.append(f"≤ {one['maximum']}")
    if "exclusiveMaximum" in one:
        most = one["exclusiveMaximum"]
        limits.append(f"< {f'2^{most.bit_length() - 1}' if most > 10**6 else most}")
    if "pattern" in one:
        limits.append(f"of the form `{one['pattern']}`")
    return " ".join([words[one["type"]], ", ".join(limits)]).rstrip()


def _targets(one: Any, sections: dict[str, Any]) -> list[str]:
    """Names of the sections that a key leads to, in their order."""
    if isinstance(one, dict):
        if "$ref" in one:
            return [one["$ref"].rpartition("/")[2]]
        return [name for key, part in one.items() if key != "discriminator" for name in _targets(part, sections)]
    return [name for part in one for name in _targets(part, sections)] if isinstance(one, list) else []


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


def _sentence(text: str) -> str:
    """A description on one line, with a capital letter and a full stop."""
    text = " ".join(text.split())
    return text[0].upper() + text[1:].removesuffix(".") + "."
