"""The page in a real browser: it draws what Python draws, asks no other host, and gives memory back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest
from browsing import (
    DESKTOP,
    MARKS,
    changed,
    click,
    drawn,
    give,
    of_python,
    off,
    one,
    photograph,
    result,
    serve,
    set_range,
    show,
    started,
    workers,
)
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from styledistill.share.write_site import drawn_contents, drawn_styles

pytestmark = MARKS
EVIL = '<img src=x onerror="document.title=1">.png'


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
