"""The report in a real browser, opened from its file: it moves, sorts, follows the keyboard and fits a phone."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from styledistill.report.page.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = [
    name for name, found in (("chromium", CHROMIUM), ("chromedriver", shutil.which("chromedriver"))) if not found
]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"no {' and no '.join(MISSING)}: apt-get install chromium chromium-driver"
    ),
    pytest.mark.xdist_group("browser"),
]
DESKTOP, PHONE = 1280, 360


@pytest.fixture(scope="module")
def file(trial, trial_config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_page(trial, trial_config, out)
    return out


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = f"--user-data-dir={tmp_path_factory.mktemp('profile')}"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", profile):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium, file):
    """The page on a desktop, freshly opened; after the test, nothing may stand in the console."""
    show(chromium, file, DESKTOP)
    yield chromium
    assert chromium.get_log("browser") == []


def show(driver, file: Path, width: int, scripts: bool = True) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    driver.get(file.as_uri())


def one(driver, selector: str):
    return driver.find_element(By.CSS_SELECTOR, selector)


def press(driver, *keys: str) -> None:
    ActionChains(driver).send_keys(*keys).perform()


def focused(driver) -> str:
    return driver.execute_script(
        "const e = document.activeElement; return e.dataset.zoom ? `${e.dataset.zoom} ${e.dataset.pair}` : e.tagName"
    )


def edge(driver) -> float:
    """Where the slider's edge stands, as a part of the image's width."""
    wipe, line = one(driver, "#wipe").rect, one(driver, "#wipe .edge").rect
    return (line["x"] + line["width"] / 2 - wipe["x"]) / wipe["width"]


def test_the_slider_follows_pointer_and_keys(page):
    wipe = one(page, "#wipe")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", wipe)
    assert edge(page) == pytest.approx(0.5, abs=0.01)
    ActionChains(page).move_to_element_with_offset(wipe, -wipe.rect["width"] // 4, 0).click().perform()
    assert edge(page) == pytest.approx(0.25, abs=0.02)
    ActionChains(page).click_and_hold().move_by_offset(wipe.rect["width"] // 2, 0).release().perform()
    assert edge(page) == pytest.approx(0.75, abs=0.02)
    before = edge(page)
    press(page, Keys.ARROW_LEFT * 10)
    assert edge(page) == pytest.approx(before - 0.05, abs=0.005)
    shown = page.execute_script("return getComputedStyle(document.querySelector('.over')).clipPath")
    assert float(re.search(r"([\d.]+)%", shown)[1]) == pytest.approx(100 * (1 - edge(page)), abs=1)
    assert one(page, "#wipe input").get_attribute("aria-valuetext").endswith("% teacher")


def test_the_slider_compares_any_two_models_of_any_pair(page, file):
    def source(model: str, pair: str) -> str:
        return one(page, f'[data-image="{model}/{pair}"]').get_attribute("src")

    Select(one(page, "#left")).select_by_visible_text("recolor")
    Select(one(page, "#right")).select_by_visible_text("gram50")
    page.execute_script("arguments[0].click()", one(page, '#pick-style input[value="s1"]'))
    assert one(page, "#wipe .over").get_attribute("src") == source("recolor", "c0_s1")
    assert one(page, "#wipe .under").get_attribute("src") == source("gram50", "c0_s1")
    Select(one(page, "#right")).select_by_visible_text("style")
    uri = re.search(r"\.of-s1 \{ background-image: url\((.*?)\)", file.read_text())[1]
    assert one(page, "#wipe .under").get_attribute("src") == uri
    numbers = one(page, "#pair-numbers").text
    assert "recolor style" in numbers and "MSE to teacher 0.04 0.03" in numbers


def column(driver, table: str, selector: str) -> list[str]:
    return [cell.get_attribute("textContent") for cell in driver.find_elements(By.CSS_SELECTOR, f"#{table} {selector}")]


def test_tables_sort_by_pointer_and_by_keyboard(page, trial):
    golden = pd.read_csv(trial / "tables" / "metrics.csv").query("set == 'golden'")
    order = list(golden.sort_values("teacher_mse")["model"])
    button = one(page, '#metrics-golden [data-key="teacher_mse"]')
    head = button.find_element(By.XPATH, "..")
    page.execute_script("arguments[0].click()", button)
    assert (column(page, "metrics-golden", "tbody th"), head.get_attribute("aria-sort")) == (order, "ascending")
    button.send_keys(Keys.ENTER)
    assert (column(page, "metrics-golden", "tbody th"), head.get_attribute("aria-sort")) == (order[::-1], "descending")
    one(page, '#metrics-golden [data-key="model"]').send_keys(Keys.SPACE)
    assert column(page, "metrics-golden", "tbody th") == sorted(order)
    assert head.get_attribute("aria-sort") is None
    assert column(page, "metrics-val", "tbody th") == list(golden["model"])  # other tables stay


def test_differences_sort_by_size_with_their_sign(page, trial):
    table = pd.read_csv(trial / "tables" / "differences.csv").query("minus == 'teacher' and measure == 'lpips'")
    one(page, '#differences-teacher [data-key="lpips"]').send_keys(Keys.ENTER)
    assert column(page, "differences-teacher", "tbody th") == list(
        table.sort_values("difference", kind="stable")["model"]
    )
    assert column(page, "differences-pretrained", "tbody th")[:2] == ["content", "style"]


def test_what_can_be_told_stands_out(page):
    weights = {
        page.execute_script("return getComputedStyle(arguments[0]).fontWeight", cell)
        for cell in page.find_elements(By.CSS_SELECTOR, "#differences-teacher td.told")
    }
    plain = one(page, "#differences-teacher td.number:not(.told)")
    assert (
        weights == {"700"} and page.execute_script("return getComputedStyle(arguments[0]).fontWeight", plain) == "400"
    )


def test_variants_are_drawn_and_enlarged(page):
    chart = one(page, "#ablation ~ .chart svg")
    paths = "[...arguments[0].querySelectorAll('[id^=ablation-line2d] path')]"
    lines = page.execute_script(f"return {paths}.filter((path) => path.getTotalLength() > 50).length", chart)
    assert chart.rect["width"] > 600 and lines >= 3  # the curve over gamma, and the deviations with and without
    shot = one(page, '[data-zoom="variants"][data-pair="c0_s0"]')
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", shot)
    shot.click()
    assert one(page, "#zoom strong").text == "default: c0 in the style of s0"
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert one(page, "#zoom strong").text == "flat: c1 in the style of s1"


def test_infinite_values_sort_last(page):
    one(page, '#metrics-golden [data-key="teacher_psnr"]').send_keys(Keys.ENTER)
    assert column(page, "metrics-golden", "tbody th")[-1] == "teacher"


def test_the_keyboard_walks_over_the_grid_and_into_the_zoom(page):
    page.execute_script("document.querySelector('[aria-label=\"Golden grid\"]').focus()")
    press(page, Keys.TAB)
    assert focused(page) == "content c0_s0"  # one stop for the whole grid
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert focused(page) == "recolor c1_s0"
    press(page, Keys.ENTER)
    zoom = one(page, "#zoom")
    assert zoom.get_attribute("open") is not None
    assert one(page, "#zoom strong").text == "recolor: c1 in the style of s0"
    press(page, Keys.ARROW_RIGHT)
    assert one(page, "#zoom .stage img").get_attribute("alt") == "teacher: c1 in the style of s0"
    assert "MSE to teacher" in one(page, "#zoom .note").text
    small = one(page, "#zoom .stage img").rect["width"]
    press(page, "+")
    assert one(page, "#zoom .stage img").rect["width"] == pytest.approx(2 * small)
    press(page, "p")
    assert one(page, '#zoom [data-do="p"]').get_attribute("aria-pressed") == "true"
    press(page, Keys.ESCAPE)
    assert zoom.get_attribute("open") is None
    assert focused(page) == "teacher c1_s0"
    press(page, Keys.TAB)
    assert focused(page) != "pretrained c1_s0"


def test_hidden_models_and_rows_are_passed_over(page):
    page.execute_script("arguments[0].click()", one(page, 'input[data-model="teacher"]'))
    Select(one(page, "#only-content")).select_by_visible_text("c1")
    assert not any(cell.is_displayed() for cell in page.find_elements(By.CSS_SELECTOR, '[data-column="teacher"]'))
    page.execute_script("document.querySelector('[aria-label=\"Golden grid\"]').focus()")
    press(page, Keys.TAB)
    assert focused(page) == "content c1_s0"
    press(page, Keys.ARROW_RIGHT * 3)
    assert focused(page) == "pretrained c1_s0"
    press(page, Keys.ARROW_DOWN)
    assert focused(page) == "pretrained c1_s1"


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_page_fits_its_window_and_shows_every_image(page, file, width):
    show(page, file, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    empty = "return [...document.images].filter((i) => i.dataset.image && !(i.complete && i.naturalWidth)).length"
    assert page.execute_script(empty) == 0
    fetched = page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_the_page_reads_without_scripts(page, file):
    show(page, file, DESKTOP, scripts=False)
    try:
        golden = page.find_elements(By.CSS_SELECTOR, "#golden-grid img, #golden-grid .original")
        assert len(golden) == 4 * 7 and all(image.size["width"] == 128 for image in golden)
        assert not one(page, "#compare").is_displayed()
        assert not one(page, ".controls").is_displayed()
        assert one(page, "noscript p").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
