"""A hash of the code that makes a result: changes of the code rerun what it made, comments and formatting do not.

Snakemake tracks neither the script that a rule calls nor the modules which that imports, so each rule carries this
fingerprint as a parameter. The syntax trees are walked here and not printed by `ast.dump`, whose text differs between
Python versions.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

_SRC = Path(__file__).resolve().parents[2]
_PACKAGE = "styledistill"
_SILENT = {"ctx", "kind", "type_comment"}
_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")  # fields that hold statements


def fingerprint_script(name: str) -> str:
    """Fingerprint of `src/steps/<name>.py` and all modules of the library that it imports, directly or not."""
    return _digest(_reachable(_SRC / "steps" / f"{name}.py"))


def fingerprint_modules(names: list[str]) -> str:
    """Fingerprint of just the named modules (such as `styledistill.teacher.ddim`), without what they import."""
    return _digest({_SRC / (name.replace(".", "/") + ".py") for name in names})


def _digest(paths: set[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(_SRC)}\n{_module_hash(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _module_hash(path: Path) -> str:
    return hashlib.sha256("".join(f"{piece}\n" for piece in _pieces(_tree(path))).encode()).hexdigest()


def _pieces(tree: ast.AST) -> list[str]:
    """Type names and non-empty fields of a syntax tree, docstrings left out.

    Every plan walks all trees; adding to one list takes less than half of what generators in each other take.
    """
    pieces: list[str] = []
    _add_pieces(tree, pieces.append)
    return pieces


def _add_pieces(node: object, add: Callable[[str], None]) -> None:
    if isinstance(node, ast.AST):
        add(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            # Contexts follow from the place; a kind ("u") is formatting; empty fields differ between versions.
            if value is None or field in _SILENT or value == []:
                continue
            add(f".{field}")
            if field == "body" or field == "values":
                value = _told_alike(node, field, value)
            _add_pieces(value, add)
    elif isinstance(node, list):
        add(str(len(node)))
        for item in node:
            _add_pieces(item, add)
    else:
        add(f"{type(node).__name__}:{node!r}")


def _told_alike(node: ast.AST, field: str, value: object) -> object:
    """A field's value, without what does not count or what Python versions tell in different ways."""
    if field == "body":
        return _without_docstring(node, value)
    if isinstance(node, ast.JoinedStr) and isinstance(value, list):
        return _joined(value)
    return value


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, neighboring texts as one; Python 3.12.1 ends `:>{width}` with an empty text."""
    parts: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif parts and isinstance(parts[-1], ast.Constant):
            parts[-1] = ast.Constant(parts[-1].value + value.value)
        elif value.value:
            parts.append(value)
    return parts


def _without_docstring(node: ast.AST, body: object) -> object:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    if documented and isinstance(body, list) and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return body[1:]
    return body


def _reachable(path: Path) -> set[Path]:
    found: set[Path] = set()
    todo = [path]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo.extend(_imports(current))
    return found


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of the library and sibling scripts that a file imports, lazily inside functions too."""
    files: set[Path] = set()
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            files.update(_files_of(name, path.parent))
    return frozenset(files)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements of a tree; imports stand nowhere else, so expressions are not walked."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        for field in _BODIES:
            todo.extend(getattr(node, field, ()))


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(_SRC).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


@cache
def _files_of(name: str, folder: Path) -> frozenset[Path]:
    """The file of a module and the `__init__` files on the way to it; nothing for foreign packages.

    folder: where the importing file lies; scripts import those beside them by their bare names.
    """
    parts = name.split(".")
    if parts[0] != _PACKAGE and (len(parts) > 1 or (_SRC / _PACKAGE) in (folder, *folder.parents)):
        return frozenset()  # a foreign package, or one that the library imports
    root = _SRC if parts[0] == _PACKAGE else folder
    stems = [root.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    return frozenset(
        file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()
    )
