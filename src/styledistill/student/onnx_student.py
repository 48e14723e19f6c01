"""A student in onnxruntime: the interface of `Student` on NumPy's arrays, and no torch.

Its graphs are those that lie in its folder (`encode_style.onnx` and `stylize.onnx`, there or in `onnx/`). A micro
student needs none: they are made from its weights in a hundredth of a second, and large images are drawn in strips.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..core.arrays import finite, mirrored, resized
from ..core.errors import UserError
from ..core.files import read_json
from ..core.threads import granted_threads
from . import micro_graphs, strips
from .controls import WHOLE_PIXELS, Stylizing, mixture, style_target
from .detail import WORKING_PIXELS
from .folders import CONFIG_FILE, GRAPHS, WEIGHTS_FILE, facts_of, graphs_folder, is_micro, student_folder

Memory = dict[str, np.ndarray]
Strips = Callable[[np.ndarray, np.ndarray], np.ndarray]

_OPEN = 3  # sessions of strips: each keeps what its largest run took


class OnnxStudent(Stylizing):
    """A student whose images are float32 arrays (N, 3, H, W) in [0, 1]."""

    def __init__(self, sessions: Sessions, facts: dict[str, Any] | None = None, strips: Strips | None = None) -> None:
        """sessions: of `encode_style` and `stylize`. strips: draws large images of a micro student."""
        self._sessions, self._strips = sessions, strips
        self.facts = dict(facts or {})
        self.working_pixels = sys.maxsize if self.mixes else WORKING_PIXELS

    @classmethod
    def from_pretrained(cls, path: Path | str, revision: str = "main") -> OnnxStudent:
        """The student of a folder or of a hub id: one with graphs, or a micro student. Raises UserError."""
        folder, origin = student_folder(path, revision, graphs=True)
        if is_micro(folder):
            return cls._micro(folder, origin)
        if (graphs := graphs_folder(folder)) is None:
            raise UserError(
                f"{folder}: no graphs here ({GRAPHS[0]}.onnx is missing). Export them, or use a student of torch."
            )
        config = folder / CONFIG_FILE
        try:
            facts = dict(read_json(config)) if config.is_file() else {}
        except (ValueError, TypeError) as error:
            raise UserError(f"{config}: not the configuration of a student. Export it again.") from error
        files = {name: (graphs / f"{name}.onnx").read_bytes for name in GRAPHS}
        return cls(Sessions(files, str(graphs)), {**facts, **origin})

    @classmethod
    def _micro(cls, folder: Path, origin: dict[str, str]) -> OnnxStudent:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            facts = facts_of(folder) | origin
            config = facts.pop("network")
            stored = load_file(folder / WEIGHTS_FILE)
            weights = {name: value.astype(np.float32) for name, value in stored.items()}
            made = micro_graphs.graphs(weights, config)
            whole = {name: made[name]() for name in GRAPHS}
            strips = micro_strips(weights, config)
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, SafetensorError) as error:
            raise UserError(
                f"{folder}: no student of this version ({type(error).__name__}: {str(error).splitlines()[0]:.100}). "
                f"Train it again, or give another folder."
            ) from error
        for name, value in weights.items():
            finite(value, f"{folder / WEIGHTS_FILE}: {name}")
        return cls(
            Sessions({name: lambda graph=graph: graph for name, graph in whole.items()}, str(folder)), facts, strips
        )

    @property
    def mixes(self) -> bool:
        """Whether this student can mix styles, as strengths below 1 do too: where a style is a code."""
        return self._sessions.names("stylize") == ["contents", "codes"]

    def encode_style(self, styles: np.ndarray, style_size: int | None = None) -> Memory:
        """What styles (M, 3, H', W') in [0, 1] leave, by name."""
        styles = self._images(styles, "styles")
        height, width = styles.shape[2:]
        target = style_target(height, width, style_size)
        if target != (height, width):
            styles = resized(styles, *target)
        names, values = self._sessions.run_named("encode_style", styles=self._on_grid(styles))
        return dict(zip(names, values, strict=True))

    def _drawn(self, contents: np.ndarray, memories: list[Memory], portions: list[float]) -> np.ndarray:
        memory = memories[0] if len(memories) == 1 else self._mixed(memories, portions)
        kept = len(next(iter(memory.values())))
        if kept not in (1, len(contents)):
            raise ValueError(f"{kept} styles for {len(contents)} contents: give as many, or one")
        made = np.empty_like(contents)
        height, width = contents.shape[2:]
        for number in range(len(contents)):  # one at a time: a batch wins nothing on a CPU
            content = contents[number : number + 1]
            rows = slice(number, number + 1) if kept > 1 else slice(None)
            style = {name: value[rows] for name, value in memory.items()}
            if self._strips and height * width > WHOLE_PIXELS:
                drawn = self._strips(content, style["codes"])
            else:
                (drawn,) = self._sessions.run("stylize", contents=self._on_grid(content), **style)
            made[number] = drawn[0, :, :height, :width]
        return finite(made, "student: what it draws is")

    def _mixed(self, memories: list[Memory], portions: list[float]) -> Memory:
        if not self.mixes:
            raise UserError("this student mixes styles, and draws at less than full strength, in torch only")
        return {"codes": mixture([memory["codes"] for memory in memories], portions)}

    def _on_grid(self, images: np.ndarray) -> np.ndarray:
        """Images continued by reflection to what micro takes; graphs in files do this themselves."""
        rows, columns = (mirrored(side, micro_graphs.GRID) for side in images.shape[2:])
        if self._strips is None or (len(rows), len(columns)) == images.shape[2:]:
            return images
        return images.take(rows, 2).take(columns, 3)

    def as_array(self, images: np.ndarray) -> np.ndarray:
        """The images themselves, which are arrays."""
        return images

    def nbytes(self, memory: Memory) -> int:
        """The size of what a style left."""
        return sum(part.nbytes for part in memory.values())

    def _taken(self, images: Any) -> np.ndarray:
        return np.ascontiguousarray(images, np.float32)

    def _is_image(self, style: Any) -> bool:
        return not isinstance(style, dict)


def micro_strips(weights: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> Strips:
    """A function that draws a content (1, 3, H, W) in the style of a code (1, code), in strips."""
    graphs, blocks = micro_graphs.graphs(weights, config), micro_graphs.block_names(config)

    def draw(content: np.ndarray, code: np.ndarray) -> np.ndarray:
        sessions = Sessions(graphs, "micro", _OPEN)
        return strips.draw(sessions.run, weights, blocks, content, code)

    return draw


class Sessions:
    """Graphs by name, each opened when it is first run."""

    def __init__(self, graphs: dict[str, Callable[[], bytes | str]], where: str, at_once: int | None = None) -> None:
        """graphs: functions that give a graph's bytes or its path. where: for messages. at_once: how many stay open."""
        self._graphs, self._where, self._at_once = graphs, where, at_once
        self._open: OrderedDict[str, onnxruntime.InferenceSession] = OrderedDict()

    def run(self, name: str, **inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs of a graph. Raises MemoryError where memory does not suffice."""
        return self.run_named(name, **inputs)[1]

    def run_named(self, name: str, **inputs: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
        """The names of a graph's outputs, and the outputs."""
        session = self._session(name)
        try:
            made = session.run(None, inputs)
        except Exception as error:  # onnxruntime raises types of its own, and none of them tells of memory
            if "allocate memory" in str(error) or "bad_alloc" in str(error):
                raise MemoryError("onnxruntime cannot allocate memory") from error
            raise
        return [output.name for output in session.get_outputs()], made

    def names(self, name: str) -> list[str]:
        """The names of a graph's inputs."""
        return [value.name for value in self._session(name).get_inputs()]

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        if name not in self._open:
            while self._at_once and len(self._open) >= self._at_once:
                self._open.popitem(last=False)
            self._open[name] = self._opened(self._graphs[name]())
        self._open.move_to_end(name)
        return self._open[name]

    def _opened(self, graph: bytes | str) -> onnxruntime.InferenceSession:
        onnxruntime.disable_telemetry_events()  # on by default since it has them on Linux: nothing speaks to a network
        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = granted_threads()
        # Threads that spin between the many short runs of strips take as much of the processor as the work itself.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A plan of memory, made at the first run, would take as much again at the second, beside what the first left.
        options.enable_mem_pattern = False
        _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises types of its own for each kind of fault
            said = str(error).splitlines()[0]
            raise UserError(f"{self._where}: no graphs that onnxruntime takes ({said:.100}). Export again.") from error


@cache
def _share_memory() -> None:
    """One allocator for all sessions: what the style's code took serves the image, and the system clears it once."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, None)
