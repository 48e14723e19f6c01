"""The page in a real browser serves keyboards, readers of the screen and phones, and says what a browser lacks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from browsing import (
    DESKTOP,
    MARKS,
    PHONE,
    drawn,
    give,
    one,
    photograph,
    result,
    show,
    started,
)
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = MARKS


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
