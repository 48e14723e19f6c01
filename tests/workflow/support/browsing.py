"""The page of a student in a real browser: started, shown, acted on, and what it has drawn."""

from __future__ import annotations

import base64
import io
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from styledistill.core.arrays import levels, planes
from styledistill.downloads.npm import ONNXRUNTIME_WEB
from styledistill.student.onnx_student import OnnxStudent
from styledistill.student.stylize_jobs import scaled

ROOT = Path(__file__).parents[3]
MICRO = ROOT / "weights" / "micro"
RUNTIME = ROOT / "resources/downloads" / ONNXRUNTIME_WEB.file
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LACKING = [
    *(name for name, found in (("chromium", CHROMIUM), ("chromedriver", shutil.which("chromedriver"))) if not found),
    *([] if RUNTIME.is_file() else [f"{RUNTIME.name} (python src page --fetch)"]),
]
MARKS = [
    pytest.mark.skipif(bool(LACKING), reason=f"no {' and no '.join(LACKING)}"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
DESKTOP, PHONE = 1280, 360


def serve(folder: Path, **headers: str) -> tuple[ThreadingHTTPServer, list[str]]:
    """A server as bare as static hosts are, but for `headers`, and the paths that it is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


def started(profile: Path, *flags: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    return driver


def show(driver: webdriver.Chrome, address: str, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(address)
    drawn(driver)


def one(driver: webdriver.Chrome, selector: str):
    return driver.find_element(By.CSS_SELECTOR, selector)


def drawn(driver: webdriver.Chrome, after: int = 0) -> int:
    """The number of the drawing that is shown, once there is one after `after` and none is under way."""

    def ready(_: object) -> int:
        assert not one(driver, "#error").is_displayed(), one(driver, "#error").text
        number = int(one(driver, "#result").get_attribute("data-request") or 0)
        return number if number > after and not one(driver, "#busy").is_displayed() else 0

    return WebDriverWait(driver, 120, 0.05).until(ready)


def changed(driver: webdriver.Chrome, script: str, *words: object) -> int:
    """The number of the drawing that follows what a script does."""
    before = int(one(driver, "#result").get_attribute("data-request") or 0)
    driver.execute_script(script, *words)
    return drawn(driver, before)


def click(driver: webdriver.Chrome, selector: str) -> int:
    return changed(driver, "document.querySelector(arguments[0]).click()", selector)


def set_range(driver: webdriver.Chrome, selector: str, value: int) -> int:
    script = "const r = document.querySelector(arguments[0]); r.value = arguments[1];"
    script += "for (const kind of ['input', 'change']) r.dispatchEvent(new Event(kind, {bubbles: true}))"
    return changed(driver, script, selector, value)


def give(driver: webdriver.Chrome, selector: str, *files: Path) -> int:
    before = int(one(driver, "#result").get_attribute("data-request") or 0)
    one(driver, selector).send_keys("\n".join(map(str, files)))
    return drawn(driver, before)


def result(driver: webdriver.Chrome) -> np.ndarray:
    """The image to download, uint8 (H, W, 3)."""
    script = """const done = arguments[0];
    fetch(document.querySelector('#download').href).then((answer) => answer.blob()).then((blob) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.split(',')[1]);
      reader.readAsDataURL(blob);
    })"""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(driver.execute_async_script(script)))).convert("RGB"))


def of_python(content: np.ndarray, styles: list[np.ndarray], size: int, **controls: object) -> np.ndarray:
    """What the engine of `stylize --size` draws, of images that are larger."""
    given = []
    for image in (content, *styles):
        whole = Image.fromarray(image)
        shorter = min(size, *whole.size)
        given.append(planes(np.asarray(whole.resize(scaled(whole.size, shorter), Image.Resampling.LANCZOS))))
    return levels(OnnxStudent.from_pretrained(MICRO).stylize(given[0], given[1:], **controls))


def off(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


def photograph(path: Path, width: int, height: int) -> np.ndarray:
    """An image with edges and noise, as a file; its pixels, uint8 (H, W, 3)."""
    noise = np.random.default_rng(width).normal(0, 12, (height, width, 3))
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    ramps = np.stack([x * 255 / width, y * 255 / height, ((x // 31 + y // 17) % 2) * 190], 2)
    pixels = np.uint8(np.clip(ramps + noise, 0, 255))
    Image.fromarray(pixels).save(path)
    return pixels


def workers(driver: webdriver.Chrome) -> int:
    targets = driver.execute_cdp_cmd("Target.getTargets", {"filter": [{}]})["targetInfos"]
    return sum(target["type"] == "worker" for target in targets)
