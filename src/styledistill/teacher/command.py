"""Any program as a teacher: it is given files of a content and a style, and writes the image.

The command is split into words as a shell would, and no shell runs it. `{content}`, `{style}` and `{output}` in its
words are paths, and it runs once for each pair. Or `{pairs}` is the path of a CSV table with the columns content, style
and output, and it runs once for all pairs of a block, so that a network is loaded once.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .. import config
from ..core.children import ending_with_parent
from ..core.errors import BadImage, UserError
from ..core.files import write_csv
from ..core.images import open_rgb, save_png
from .asked import AnyTeacher, Asked
from .batching import Pair

_SAID = 300  # letters of a program's last line that a message repeats


class CommandTeacher(AnyTeacher):
    """A program from outside."""

    def __init__(self, settings: config.Teacher) -> None:
        assert settings.command is not None  # the configuration has seen to it
        self.settings, self.command = settings, settings.command

    @cached_property
    def key(self) -> dict[str, Any]:
        """The command, the version that it tells, and the bytes of the files that it names."""
        asked = self.settings.version_command
        return {
            "method": "command",
            "command": self.command,
            "version": self._version(asked) if asked else None,
            "files": self.settings.command_files,
        }

    def _make(self, asked: Asked) -> None:
        """Raises UserError that names a pair of which no image came, or one of another size."""
        missing = asked.missing(asked.pairs)
        labels = {pair: asked.label(pair) for pair in missing}
        for pair, image in self._made(missing, labels, asked.contents, asked.styles):
            asked.put(pair, image)

    def _made(
        self, pairs: list[Pair], labels: dict[Pair, str], contents: np.ndarray, styles: np.ndarray
    ) -> Iterator[tuple[Pair, np.ndarray]]:
        """The pairs with their images, each as soon as it is there."""
        if not pairs:
            return
        with TemporaryDirectory(prefix="styledistill-teacher-") as temporary:
            folder = Path(temporary)
            (folder / "output").mkdir()
            for role, images, numbers in (
                ("content", contents, {c for c, _ in pairs}),
                ("style", styles, {s for _, s in pairs}),
            ):
                for number in numbers:
                    save_png(images[number], folder / role / f"{number}.png")
            files = {
                pair: {
                    "content": folder / "content" / f"{pair[0]}.png",
                    "style": folder / "style" / f"{pair[1]}.png",
                    "output": folder / "output" / f"{pair[0]}_{pair[1]}.png",
                }
                for pair in pairs
            }
            if "{pairs}" in self.command:
                table = folder / "pairs.csv"
                write_csv(table, ("content", "style", "output"), [tuple(places.values()) for places in files.values()])
                fault = self._run({"pairs": table})
                yield from self._gathered(files, labels, contents, fault)
                return
            for pair, places in files.items():
                if fault := self._run(places):
                    raise UserError(f"teacher: pair {labels[pair]}: {fault}")
                yield pair, _read(labels[pair], places["output"], contents[pair[0]])

    def _gathered(
        self, files: dict[Pair, dict[str, Path]], labels: dict[Pair, str], contents: np.ndarray, fault: str | None
    ) -> Iterator[tuple[Pair, np.ndarray]]:
        """What one run for all pairs wrote: good images first, so that they are kept, then the first fault."""
        faults = []
        for pair, places in files.items():
            try:
                image = _read(labels[pair], places["output"], contents[pair[0]])
            except UserError as error:
                faults.append(error)
                continue
            yield pair, image
        if fault:
            raise UserError(f"teacher: pair {next(iter(labels.values()))} and those with it: {fault}")
        if faults:
            raise faults[0]

    def _run(self, places: dict[str, Path]) -> str | None:
        """Run the command with these paths; None, or what went wrong. What it says goes to the log line by line."""
        words = shlex.split(self.command)
        for name, path in places.items():
            words = [word.replace(f"{{{name}}}", str(path)) for word in words]
        try:
            process = subprocess.Popen(  # the user's own words, and no shell  # nosec B603
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                preexec_fn=ending_with_parent(),
            )
        except OSError as error:
            return f"{words[0]} cannot be started ({os.strerror(error.errno or 0)}). Check teacher.command."
        last = ""
        with process:
            try:
                for line in process.stdout:
                    print(line, end="", file=sys.stderr, flush=True)
                    last = line if line.strip() else last
            except BaseException:
                process.kill()
                raise
        return f"{self._name} ended with code {process.returncode}{_last(last)}" if process.returncode else None

    def _version(self, command: str) -> str:
        words = shlex.split(command)
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # nosec B603
        except OSError as error:
            raise UserError(f"teacher.version_command: {words[0]}: {os.strerror(error.errno or 0)}") from error
        lines = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
        if done.returncode or not lines:
            said = _last(done.stderr.decode(errors="replace"))
            raise UserError(f"teacher.version_command: {command} told no version (code {done.returncode}){said}")
        return lines[0].strip()

    @property
    def _name(self) -> str:
        """The program in a message: up to its first path."""
        return shlex.join(word for word in shlex.split(self.command) if "{" not in word)


def _read(label: str, output: Path, content: np.ndarray) -> np.ndarray:
    """The image that a program wrote, uint8 (H, W, 3)."""
    if not output.is_file():
        raise UserError(f"teacher: pair {label}: the command ended well and wrote no image to its output path.")
    try:
        image = np.array(open_rgb(output))
    except BadImage as error:
        raise UserError(f"teacher: pair {label}: what the command wrote is no image ({error}).") from error
    if image.shape != content.shape:
        raise UserError(
            f"teacher: pair {label}: the command wrote {image.shape[1]} x {image.shape[0]} pixels for a content of "
            f"{content.shape[1]} x {content.shape[0]}; both must be of one size."
        )
    return image


def _last(said: str) -> str:
    """The last line of what a program said, for the end of a message."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return "."
    line = lines[-1][-_SAID:]
    return f": {line if line.isprintable() else ascii(line)}"
