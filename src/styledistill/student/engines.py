"""Which engine draws: onnxruntime, which starts in a fraction of torch's time, or torch, which has GPUs. No torch here.

A micro student always has graphs, for they are made from its weights; another has those that were exported beside it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UserError
from .controls import Stylizing
from .folders import graphs_folder, is_micro, student_folder

# Runtimes hold an attention's weights whole: of an STTR more pixels take gigabytes in onnxruntime, and not in torch.
ATTENDED_PIXELS = 1 << 18
_GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def load(
    model: Path | str, device: str = "auto", revision: str = "main", *, mixing: bool = False, pixels: int = 0
) -> Stylizing:
    """The student of a folder or of a hub id's revision, in the engine that suits. Raises UserError.

    device: `auto` (a GPU if there is one, else the CPU), `cpu`, `cuda` or `cuda:1`. mixing: whether several styles or a
    strength below 1 will be asked for. pixels: of the largest content.
    """
    folder, origin = student_folder(model, revision, graphs=True)  # asked once: of a hub id that takes requests
    student = _in_engine(folder, device, mixing, pixels)
    student.facts |= origin
    return student


def gpu_here() -> bool:
    """Whether this machine has a GPU that torch may know, by its files; torch takes a second to ask."""
    return any(Path(place).exists() for place in _GPUS)


def _in_engine(folder: Path, device: str, mixing: bool, pixels: int) -> Stylizing:
    if device in ("auto", "cpu") and find_spec("onnxruntime"):
        micro = is_micro(folder)
        able = micro or (graphs_folder(folder) and not mixing and pixels <= ATTENDED_PIXELS)
        gpu = device == "auto" and gpu_here()
        if (able and not gpu) or not find_spec("torch"):
            from .onnx_student import OnnxStudent

            return OnnxStudent.from_pretrained(folder)
    from ..core.runtime import pick_device, use_threads
    from .model import Student

    use_threads()
    student = Student.from_pretrained(folder)
    try:
        return student.to(pick_device(device))
    except RuntimeError as error:
        raise UserError(f"device {device}: {str(error).splitlines()[0]:.100}. Use auto or cpu.") from error
