"""The command on files: how long from its start to the image, and how time and memory grow with the pixels.

    python tests/bench/stylize.py

The embedded micro draws photographs of 0.25 to 24 megapixels (a drawn scene, enlarged) in one style, each in a process
of its own, all sizes in turns. Time is the processor's, user and system, of the whole command, which other work on the
machine disturbs little; memory is the largest resident size. A start is compared with the same command in torch. Prints
a table, keeps it in results/bench/stylize.json, and exits with 1 when a limit is missed. 3 minutes on two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show
from PIL import Image

from styledistill.procedural.draw import draw

TURNS = 3
SIZES = {0.25: (576, 432), 1: (1152, 864), 3: (2000, 1500), 6: (2828, 2121), 12: (4000, 3000), 24: (5656, 4242)}
# Of a command: seconds of the processor and MB, measured by its parent, so that nothing is loaded into the command.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3, done.returncode)
"""
IN_TORCH = """
import sys
from styledistill.commands.stylize import main
from styledistill.student import engines
engines._GPUS = ("/",)
main()
"""


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        scene = Image.fromarray(draw("scenes", 1, 512))
        Image.fromarray(draw("styles", 1, 512)).save("style.png")
        scene.save("start.png")
        for megapixels, size in SIZES.items():
            scene.resize(size, Image.Resampling.LANCZOS).save(f"{megapixels}.jpg", quality=92)
        program = [str(ROOT / "src" / "stylize.py")]
        cases = {f"{megapixels}.jpg": program for megapixels in SIZES} | {"start.png": program}
        turns = [{name: measured(command, name) for name, command in cases.items()} for _ in range(TURNS)]
        torch = [measured(["-c", IN_TORCH], "start.png")[0] for _ in range(TURNS)]
    seconds = {name: median(turn[name][0] for turn in turns) for name in cases}
    memory = {name: max(turn[name][1] for turn in turns) for name in cases}
    for name in cases:
        print(f"{name}: {seconds[name]:.2f} processor seconds, {memory[name]:.0f} MB")
    start = seconds["start.png"] / median(torch)
    growth = (seconds["24.jpg"] - seconds["12.jpg"]) / 12 / ((seconds["12.jpg"] - seconds["3.jpg"]) / 9)
    rows = [
        Row("from the start to the image, 512 x 512: over the same command in torch", start, 1 / 2),
        Row("seconds of a further megapixel, 12 to 24 over 3 to 12", growth, 1.3),
        Row("peak at 4000 x 3000, MB", memory["12.jpg"], 2000),
    ]
    show(rows)
    keep(ROOT / "results" / "bench" / "stylize.json", rows, {"seconds": seconds, "megabytes": memory})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


def measured(command: list[str], content: str) -> tuple[float, float]:
    """Processor seconds and peak MB of a command on a content."""
    words = [*command, content, "style.png", "-o", f"made_{content}", "--device"]
    words.append("auto" if command[0] == "-c" else "cpu")
    environment = os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", MEASURE, *words], capture_output=True, text=True, env=environment)
    seconds, megabytes, status = map(float, done.stdout.split())
    if status:
        sys.exit(f"{content}: the command failed: {done.stderr}")
    return seconds, megabytes


if __name__ == "__main__":
    main()
