"""The files of a demo's folder, by name. Nothing heavy here: the workflow asks before any job runs."""

from __future__ import annotations

PAGE = "index.html"
LIST = "demo.json"  # what the page offers; its presence tells a folder of a demo
SOURCES = ("page.js", "worker.js", "images.js", "style.css", "icon.svg")
LICENSE = "onnxruntime/LICENSE.txt"
# Of the package of npm: the smallest build, WebAssembly alone, and a name that every host serves as JavaScript.
RUNTIME = {
    "dist/ort.wasm.bundle.min.mjs": "onnxruntime/ort.js",
    "dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort-wasm-simd-threaded.wasm",
}


def graph_file(student: int, graph: str) -> str:
    """The file of a student's graph; `encode_style` or `stylize`."""
    return f"students/{student}/{graph}.onnx"


def image_file(role: str, number: int) -> str:
    """The file of an example; role: `contents` or `styles`. Names of images are in LIST alone, as text."""
    return f"{role}/{number}.png"


def all_files(students: int, contents: int, styles: int) -> list[str]:
    """All files of a demo with so many students and examples."""
    return [
        PAGE,
        LIST,
        LICENSE,
        *SOURCES,
        *RUNTIME.values(),
        *(graph_file(number, graph) for number in range(students) for graph in ("encode_style", "stylize")),
        *(image_file("contents", number) for number in range(contents)),
        *(image_file("styles", number) for number in range(styles)),
    ]
