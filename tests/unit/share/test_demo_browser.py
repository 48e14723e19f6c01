"""The page in a real browser: it draws what Python draws, asks no other host, gives memory back, and serves keyboards,
readers of the screen and phones."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from styledistill.core.arrays import levels, planes
from styledistill.downloads.npm import ONNXRUNTIME_WEB
from styledistill.share.write_site import drawn_contents, drawn_styles, write_site
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
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"no {' and no '.join(LACKING)}"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
DESKTOP, PHONE = 1280, 360
EVIL = '<img src=x onerror="document.title=1">.png'


# --- a server, a browser, a page ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a host serves; the page lies below a path."""
    root = tmp_path_factory.mktemp("host")
    styles = dict(list(drawn_styles().items())[:3])
    write_site(root / "some" / "path", {"micro": MICRO, "again": MICRO}, drawn_contents(), styles, RUNTIME)
    return root


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


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server, _ = serve(folder)
    yield f"http://127.0.0.1:{server.server_port}/some/path/"
    server.shutdown()


def started(profile: Path, *flags: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    return driver


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = started(tmp_path_factory.mktemp("profile"), *CAMERA)
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    """The page on a desktop with its first image drawn; after the test, nothing may stand in the console."""
    chromium.get_log("browser")
    show(chromium, address, DESKTOP)
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


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


# --- the image ----------------------------------------------------------------------------------------------------


def test_it_draws_what_python_draws(page: webdriver.Chrome):
    contents, styles = list(drawn_contents().values()), list(drawn_styles().values())[:3]
    assert off(result(page), of_python(contents[0], styles[:1], 512)) <= 2
    click(page, "#contents .tile:nth-child(2) input")
    set_range(page, "#strength", 40)
    assert off(result(page), of_python(contents[1], styles[:1], 512, strength=0.4)) <= 2
    page.execute_script("document.querySelector('#mix').click()")
    time.sleep(0.3)
    click(page, "#styles .tile:nth-child(3) input")
    set_range(page, "#shares label:nth-child(2) input", 100)
    set_range(page, "#strength", 100)
    mixed = of_python(contents[1], [styles[0], styles[2]], 512, weights=[50, 100])
    assert off(result(page), mixed) <= 2 and off(mixed, of_python(contents[1], styles[:1], 512)) > 30


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core")
def test_behind_two_headers_several_threads_draw_the_same_image(page: webdriver.Chrome, folder: Path, tmp_path: Path):
    assert not page.execute_script("return crossOriginIsolated") and workers(page) == 1
    alone = result(page)
    names = {"Cross_Origin_Opener_Policy": "same-origin", "Cross_Origin_Embedder_Policy": "require-corp"}
    server, _ = serve(folder, **names)
    driver = started(tmp_path)
    try:
        show(driver, f"http://127.0.0.1:{server.server_port}/some/path/", DESKTOP)
        assert driver.execute_script("return crossOriginIsolated") and workers(driver) > 1
        assert off(result(driver), alone) <= 1
        assert [entry["message"] for entry in driver.get_log("browser")] == []
    finally:
        driver.quit()
        server.shutdown()


@pytest.mark.parametrize(("size", "width", "height"), [(384, 1001, 650), (256, 300, 207), (1024, 1300, 1170)])
def test_photographs_of_any_size_are_reduced_as_python_does(
    size: int, width: int, height: int, page: webdriver.Chrome, tmp_path: Path
):
    """Beyond a megapixel too, where onnxruntime's own normalization is off by levels in WebAssembly."""
    content, style = (photograph(tmp_path / f"{n}.png", width + n, height) for n in (0, 1))
    give(page, "#content-file", tmp_path / "0.png")
    give(page, "#style-file", tmp_path / "1.png")
    if size != 512:
        changed(page, "const s = document.querySelector('#size'); s.value = arguments[0];"
                      "s.dispatchEvent(new Event('change', {bubbles: true}))", size)  # fmt: skip
    made = of_python(content, [style], size)
    assert off(result(page), made) <= 2
    assert one(page, "#status").text.startswith(f"{made.shape[1]} × {made.shape[0]} pixels")


# --- no other host, no markup of names ----------------------------------------------------------------------------


def test_nothing_leaves_the_page(page: webdriver.Chrome, address: str, tmp_path: Path):
    page.get_log("performance")
    page.get(address)
    drawn(page)
    photograph(tmp_path / EVIL.replace("/", ""), 90, 70)
    give(page, "#content-file", tmp_path / EVIL)
    give(page, "#style-file", tmp_path / EVIL)
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    requests = [m["params"]["request"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    home = address.removesuffix("some/path/")
    asked = [request["url"] for request in requests if not request["url"].startswith("blob:")]
    assert len(asked) > 8 and [url for url in asked if not url.startswith(address)] == [], home
    assert {request["method"] for request in requests} == {"GET"}
    # Names of files are text.
    assert EVIL in [tile.get_attribute("title") for tile in page.find_elements(By.CSS_SELECTOR, ".tile")]
    assert page.find_elements(By.CSS_SELECTOR, "[onerror]") == [] and page.title.startswith("StyleDistill")
    assert one(page, "header").text.count("Images never leave this page.") == 1


def test_the_browser_refuses_other_hosts(chromium: webdriver.Chrome, address: str, tmp_path: Path):
    show(chromium, address, DESKTOP)
    other, asked = serve(tmp_path)
    url = f"http://127.0.0.1:{other.server_port}/"
    script = f"""const done = arguments[0]; const image = new Image(); image.src = '{url}image.png';
    navigator.sendBeacon('{url}beacon', 'x');
    fetch('{url}fetch', {{mode: 'no-cors'}}).then(() => done('sent'), () => done('refused'))"""
    assert chromium.execute_async_script(script) == "refused"
    time.sleep(0.5)
    other.shutdown()
    assert asked == []
    chromium.get_log("browser")  # it tells of each refusal


# --- own images ---------------------------------------------------------------------------------------------------


def test_a_photograph_can_be_dropped_anywhere_and_a_style_on_styles(page: webdriver.Chrome):
    drop = """const done = arguments[1]; const canvas = new OffscreenCanvas(80, 60);
    canvas.getContext('2d').fillRect(9, 9, 40, 30);
    canvas.convertToBlob().then((blob) => {
      const data = new DataTransfer(); data.items.add(new File([blob], 'dropped.png', {type: 'image/png'}));
      document.querySelector(arguments[0]).dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true}));
      done();
    })"""
    for target, box in (("header", "contents"), ("#styles legend", "styles")):
        before = drawn(page)
        page.execute_async_script(drop, target)
        drawn(page, before)
        assert one(page, f"#{box} .tile:last-child").text == "dropped.png"
        assert one(page, f"#{box} .tile:last-child input").is_selected()
    assert result(page).shape == (60, 80, 3)
    assert one(page, "#download").get_attribute("download") == "dropped_dropped.png.png"


def test_the_camera_gives_a_photograph_and_is_let_go(page: webdriver.Chrome):
    one(page, "#camera-open").click()
    WebDriverWait(page, 20).until(lambda d: d.execute_script("return document.querySelector('video').videoWidth"))
    before = drawn(page)
    one(page, "#camera-take").click()
    drawn(page, before)
    assert one(page, "#contents .tile:last-child input").is_selected()
    WebDriverWait(page, 5).until(lambda d: d.execute_script("return document.querySelector('video').srcObject") is None)


def test_what_is_no_image_is_told_and_the_page_goes_on(page: webdriver.Chrome, tmp_path: Path):
    (tmp_path / "words.png").write_text("no image")
    one(page, "#content-file").send_keys(str(tmp_path / "words.png"))
    WebDriverWait(page, 20).until(lambda d: one(d, "#error").is_displayed())
    assert one(page, "#error").text.startswith("This file is no image") and one(page, "#error").aria_role == "alert"
    before = int(one(page, "#result").get_attribute("data-request"))
    page.execute_script("document.querySelector('#contents .tile:nth-child(2) input').click()")
    number = "return Number(document.querySelector('#result').dataset.request)"
    WebDriverWait(page, 60).until(lambda d: d.execute_script(number) > before)
    assert not one(page, "#error").is_displayed()


# --- memory -------------------------------------------------------------------------------------------------------


def workers(driver: webdriver.Chrome) -> int:
    targets = driver.execute_cdp_cmd("Target.getTargets", {"filter": [{}]})["targetInfos"]
    return sum(target["type"] == "worker" for target in targets)


def resident(driver: webdriver.Chrome) -> float:
    """Megabytes of the largest process that shows a page."""
    processes = psutil.Process(driver.service.process.pid).children(recursive=True)
    return max(p.memory_info().rss for p in processes if "--type=renderer" in p.cmdline()) / 1e6


def test_memory_is_given_back(page: webdriver.Chrome, tmp_path: Path):
    for number in (2, 1, 2):
        click(page, f"#contents .tile:nth-child({number}) input")
    small = resident(page)
    for number in (1, 2, 1, 2, 1, 2):
        click(page, f"#contents .tile:nth-child({number}) input")
    assert workers(page) == 1 and resident(page) < small + 60
    photograph(tmp_path / "large.png", 1500, 1400)
    give(page, "#content-file", tmp_path / "large.png")
    assert workers(page) == 1
    changed(page, "const s = document.querySelector('#size'); s.value = 1024;"
                  "s.dispatchEvent(new Event('change', {bubbles: true}))")  # fmt: skip
    WebDriverWait(page, 10).until(lambda d: workers(d) == 0)  # its memory has gone with it
    WebDriverWait(page, 20).until(lambda d: resident(d) < small + 60)
    click(page, "#contents .tile:nth-child(1) input")
    assert result(page).shape == (512, 512, 3)


# --- keyboards, readers of the screen, phones ---------------------------------------------------------------------


def test_all_of_it_can_be_done_by_keyboard(page: webdriver.Chrome):
    page.execute_script("document.querySelector('#contents .tile:nth-child(1) input').focus()")
    before = drawn(page)
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    before = drawn(page, before)
    assert one(page, "#contents .tile:nth-child(2) input").is_selected()
    ActionChains(page).send_keys(Keys.TAB, Keys.ARROW_DOWN).perform()
    before = drawn(page, before)
    assert one(page, "#styles .tile:nth-child(2) input").is_selected()
    ring = "return getComputedStyle(document.activeElement.parentNode).outlineStyle"
    assert page.execute_script(ring) == "solid"
    ActionChains(page).send_keys(Keys.TAB, Keys.TAB, Keys.SPACE).perform()
    assert one(page, "#mix").is_selected()
    focus = "document.querySelector('#compare').focus()"
    time.sleep(0.5)
    drawn(page)
    page.execute_script(focus)
    ActionChains(page).send_keys(Keys.ENTER).perform()
    assert one(page, "#compare").get_attribute("aria-pressed") == "true"
    assert one(page, "#result").get_attribute("alt") == "The photograph"
    assert before


def test_a_reader_of_the_screen_finds_names_for_everything(page: webdriver.Chrome):
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    roles = {"button", "checkbox", "radio", "slider", "combobox", "link", "image", "progressbar"}
    assert [role for role, name in told if role in roles and not name.strip()] == []
    assert {("radio", "style 1"), ("slider", "Strength 100 %"), ("button", "Choose a file")} & set(told)
    groups = {name for role, name in told if role in ("group", "radiogroup")}
    assert {"Photograph", "Style", "Drawing"} <= groups
    assert ("status", "") in told or any(role == "status" for role, _ in told)
    assert any(role == "image" and name.endswith("in the style of style 1") for role, name in told)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_it_fits_its_window(width: int, page: webdriver.Chrome, address: str):
    show(page, address, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert one(page, "#result").rect["width"] > width / 4
    small = """return [...document.querySelectorAll('button, .button, select, .tile, .check, .line')]
      .filter((e) => e.offsetParent && (e.offsetHeight < 44 || e.offsetWidth < 44)).map((e) => e.textContent.trim())"""
    assert page.execute_script(small) == []  # what a finger meets
    Select(one(page, "#student")).select_by_visible_text("again")


# --- what a browser lacks -----------------------------------------------------------------------------------------


def test_without_simd_it_says_so(address: str, tmp_path: Path):
    driver = started(tmp_path, "--js-flags=--no-enable-sse4-1 --no-enable-ssse3 --no-enable-sse3")
    try:
        driver.get(address)
        missing = one(driver, "#missing")
        WebDriverWait(driver, 20).until(lambda _: missing.is_displayed() and "server" not in missing.text)
        assert "no WebAssembly SIMD" in missing.text and not one(driver, "main").is_displayed()
    finally:
        driver.quit()


def test_with_too_little_memory_it_says_so_and_goes_on(address: str, tmp_path: Path):
    driver = started(tmp_path / "profile", "--js-flags=--wasm-max-mem-pages=2400")  # of 64 KB
    try:
        show(driver, address, DESKTOP)
        photograph(tmp_path / "large.png", 1100, 1050)
        give(driver, "#content-file", tmp_path / "large.png")
        change = "const s = document.querySelector('#size'); s.value = arguments[0];"
        change += "s.dispatchEvent(new Event('change', {bubbles: true}))"
        driver.execute_script(change, 1024)
        error = one(driver, "#error")
        WebDriverWait(driver, 60).until(lambda _: error.is_displayed())
        assert error.text.startswith("There is too little memory for this size. Choose a smaller one")
        driver.execute_script(change, 256)
        WebDriverWait(driver, 60).until(lambda _: not error.is_displayed())
        assert result(driver).shape == (256, 268, 3)
    finally:
        driver.quit()


def test_opened_from_a_disk_it_says_what_to_do(chromium: webdriver.Chrome, folder: Path):
    chromium.get((folder / "some/path/index.html").as_uri())
    WebDriverWait(chromium, 10).until(lambda d: one(d, "#missing").is_displayed())
    assert "python -m http.server" in one(chromium, "#missing").text
    chromium.get_log("browser")  # it refuses scripts there
