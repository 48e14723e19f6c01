"""The page for browsers beside onnxruntime itself: 512 x 512 by the embedded micro.

    python tests/bench/page.py

Chromium draws in one thread of WebAssembly, onnxruntime in Python with all cores; they take turns, and the ratio is
that of the best times, since other work makes either of them slower. Prints the table, keeps it in
results/bench/page.json, and exits with 1 when the limit is missed. Needs chromium, chromedriver and
`python src page --fetch`; where one of them is missing, nothing is measured. Half a minute.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show

from styledistill.core.arrays import planes
from styledistill.downloads.npm import ONNXRUNTIME_WEB
from styledistill.share.write_site import drawn_contents, drawn_styles, write_site
from styledistill.student.onnx_student import OnnxStudent

TURNS = 10
LIMIT = 3.0
MICRO = ROOT / "weights" / "micro"
RUNTIME = ROOT / "resources/downloads" / ONNXRUNTIME_WEB.file
NAME = "512 x 512, browser over onnxruntime"


class Quiet(SimpleHTTPRequestHandler):
    """A static host that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    """Measure, print and keep everything; the exit code says whether the limit holds."""
    if not (shutil.which("chromium") and shutil.which("chromedriver") and RUNTIME.is_file()):
        show([Row(NAME, None, LIMIT)])
        return
    with tempfile.TemporaryDirectory() as folder:
        contents, styles = drawn_contents(), drawn_styles()
        write_site(Path(folder) / "site", {"micro": MICRO}, contents, styles, RUNTIME)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(Path(folder) / "site")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium") or ""
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        driver.get(f"http://127.0.0.1:{server.server_port}/")
        student = OnnxStudent.from_pretrained(MICRO)
        content, style = (planes(next(iter(images.values()))) for images in (contents, styles))
        memory = student.encode_style(style)
        browser, native = [], []
        for turn in range(TURNS):
            start = time.perf_counter()
            student.stylize(content, memory)
            native.append(time.perf_counter() - start)
            browser.append(drawn(driver, turn))
        driver.quit()
        server.shutdown()
    rows = [
        Row("512 x 512 in the browser, seconds", min(browser)),
        Row("512 x 512 in onnxruntime, seconds", min(native)),
        Row(NAME, min(browser) / min(native), LIMIT),
    ]
    show(rows)
    keep(ROOT / "results/bench/page.json", rows, {"browser": browser, "native": native})
    sys.exit(any(row.status == "MISSED" for row in rows))


def drawn(driver: webdriver.Chrome, turn: int) -> float:
    """Seconds of the next drawing; contents take turns, so that none is shown again from memory."""

    def number() -> int:
        return int(driver.find_element(By.CSS_SELECTOR, "#result").get_attribute("data-request") or 0)

    def ready(_: object) -> bool:
        return number() > before and not driver.find_element(By.CSS_SELECTOR, "#busy").is_displayed()

    before = 0
    if turn == 0:
        WebDriverWait(driver, 120, 0.05).until(ready)
    before = number()
    tile = driver.find_element(By.CSS_SELECTOR, f"#contents .tile:nth-child({2 - turn % 2}) input")
    driver.execute_script("arguments[0].click()", tile)
    WebDriverWait(driver, 120, 0.05).until(ready)
    return float(driver.find_element(By.CSS_SELECTOR, "#result").get_attribute("data-milliseconds")) / 1000


if __name__ == "__main__":
    main()
