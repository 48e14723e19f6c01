"""The report holds everything of a run, says what must be said, and works in a browser from its file alone."""

import base64
import csv
import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from styledistill import config as configuration
from styledistill.core.files import write_json, write_text
from styledistill.core.images import save_png
from styledistill.report import page
from styledistill.report.records import duration, read_records, stage_costs
from styledistill.report.summary import summarize

CONFIG = {
    "run": "trial",
    "image_size": 32,
    "sources": {"photos": {"kind": "skimage"}, "drawn": {"kind": "procedural", "pictures": "styles", "count": 9}},
    "blocks": {"train": 1, "val": 1, "contents": {"photos": 2}, "styles": {"drawn": 2}},
    "pairs": {"train": 4, "val": 4},
    "golden": {"contents": {"photos": 2}, "styles": {"drawn": ["p7", "p8"]}},
    "teacher": {"weights": "weights/tiny"},
    "student": {"size": "tiny", "start": "weights/student"},
    "losses": {"mse": {"pixel": 1.0}, "gram50": {"pixel": 0.5, "gram": 0.5}},
    "networks": {"vgg19": "seeded", "alexnet": "seeded", "inception": "seeded"},
}
NETWORKS = dict.fromkeys(("alexnet", "vgg19", "inception"), "seeded-1 (random)")


@pytest.fixture(scope="module")
def config() -> configuration.Config:
    return configuration.validate(CONFIG)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def write_csv(path: Path, rows: list[dict]) -> None:
    write_text(path, pd.DataFrame(rows).to_csv(index=False))


@pytest.fixture(scope="module")
def results(tmp_path_factory, config) -> Path:
    """A run's folder with random pictures and numbers: everything that the page reads."""
    root = tmp_path_factory.mktemp("run") / "trial"
    pairs = [(content, style) for content in range(2) for style in range(2)]
    for number in range(2):
        save_png(picture(number), root / "images" / "golden" / f"c{number}.png")
        save_png(picture(5 + number), root / "images" / "golden" / f"s{number}.png")
        save_png(picture(20 + number), root / "images" / "train" / "0000" / f"c{number:02d}.png")
        save_png(picture(30 + number), root / "images" / "train" / "0000" / f"s{number:02d}.png")
    for c, s in pairs:
        save_png(picture(40 + 2 * c + s), root / "teacher" / "train" / "0000" / f"c{c:02d}_s{s:02d}.png")
    scores, metrics = np.random.default_rng(1), []
    for index, model in enumerate(config.models):
        for c, s in pairs:
            save_png(picture(100 * index + 10 * c + s), root / "golden" / model / f"c{c}_s{s}.png")
        psnr = np.inf if model == "teacher" else 20.0
        rows = [
            {"set": "golden", "pair": f"c{c}_s{s}", "lpips": 0.3, "teacher_mse": index / 100, "teacher_psnr": psnr}
            for c, s in pairs
        ]
        write_csv(root / "metrics" / f"{model}.csv", rows)
        for name, count in (("golden", 4), ("val", 300)):
            row = {"model": model, "set": name, "pairs": count}
            for measure in ("lpips", "teacher_mse", "teacher_psnr", "laplacian_energy"):
                value = psnr if measure == "teacher_psnr" else round(float(scores.uniform(0.1, 0.9)), 6)
                row |= {measure: value, f"{measure}_low": value * 0.9, f"{measure}_high": value * 1.1}
            metrics.append(
                row | {"fid": 12.5, "artfid": 15.0, "fid_greyed": count < 200, **NETWORKS, "seeded": "vgg19"}
            )
    write_csv(root / "tables" / "metrics.csv", metrics)
    costs = [{"model": m, "parameters": 1000, "megabytes": 4.5, "seconds": 1.5} for m in ("teacher", "mse", "gram50")]
    write_csv(root / "tables" / "benchmark.csv", [{**cost, "device": "cpu"} for cost in costs])
    for loss in config.losses:
        epochs = [{"epoch": e, "learning_rate": 1e-4, "train_loss": 1 / e, "val_loss": 1.1 / e} for e in (1, 2, 3)]
        shares = {"mse": {"share_pixel": 1.0}, "gram50": {"share_pixel": 0.02, "share_gram": 0.98}}[loss]
        write_csv(root / "students" / loss / "history.csv", [epoch | shares for epoch in epochs])
    roles = [{"name": f"{role[0]}{n:02d}", "role": role} for role in ("content", "style") for n in range(2)]
    write_csv(root / "blocks" / "train" / "0000.csv", roles)
    write_csv(root / "index" / "photos.excluded.csv", [{"picture": "a</script>.jpg", "reason": "too <small>"}])
    for number in range(2):
        record = {"stage": "teach", "seconds": 30.0 + number, "started": f"2026-01-0{number + 1}", "device": "cpu"}
        facts = {"peak_memory_mb": 500.0 + number, "versions": {"python": "3.11.7", "torch": "2.15.0"}}
        write_json(root / "teacher" / "train" / f"000{number}.run.json", record | facts)
    write_json(root / "shards" / "train.json", {"pairs": 4})
    return root


@pytest.fixture(scope="module")
def html(results, config) -> str:
    out = results / "report.html"
    page.write_page(results, config, out)
    return out.read_text()


class Tables(HTMLParser):
    """Every table with an id as rows of (data-value, class) cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables, self.table = {}, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "table":
            self.table = self.tables.setdefault(attributes.get("id"), [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th") and "data-value" in attributes:
            self.table[-1].append((attributes["data-value"], attributes.get("class") or ""))


def embedded(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_every_model_and_pair_has_its_own_picture(html, config, results):
    pictures = embedded(html)["pictures"]
    for model in ("recolor", "teacher", "pretrained", "mse", "gram50"):
        for pair in ("c0_s0", "c1_s0", "c0_s1", "c1_s1"):
            data = base64.b64decode(pictures[f"{model}/{pair}"].removeprefix("data:image/png;base64,"))
            assert data == (results / "golden" / model / f"{pair}.png").read_bytes()
            assert f'data-picture="{model}/{pair}"' in html
    for model in config.models:
        assert f">{model}</option>" in html.replace(" selected", "")


def test_every_picture_that_the_page_names_is_embedded(html):
    named = set(re.findall(r'data-picture="([^"]+)"', html))
    assert named == set(embedded(html)["pictures"])


def test_nothing_is_fetched(html):
    without_data = re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?://|//\w+\.\w+|@import|url\((?!#)", without_data)
    assert not re.search(r'(?:src|href)="(?!#)', without_data)
    assert "default-src 'none'" in html


def test_the_tables_hold_the_csv_files_own_numbers(html, results):
    tables = Tables(html).tables
    with (results / "tables" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = ("lpips", "fid", "artfid", "teacher_mse", "teacher_psnr", "laplacian_energy")
    for name in ("golden", "val"):
        expected = [[row["model"], *(row[measure] for measure in shown)] for row in rows if row["set"] == name]
        assert [[value for value, _ in row] for row in tables[f"metrics-{name}"] if row] == expected
    with (results / "tables" / "benchmark.csv").open() as file:
        expected = [list(row) for row in list(csv.reader(file))[1:]]
    assert [[value for value, _ in row] for row in tables["benchmark"] if row] == expected


def test_fid_of_few_pairs_is_greyed_and_never_bold(html):
    tables = Tables(html).tables
    for row in filter(None, tables["metrics-golden"]):
        assert "greyed" in row[2][1] and "best" not in row[2][1]
    assert not any("greyed" in mark for row in tables["metrics-val"] for _, mark in row)


def test_the_best_student_is_bold_and_no_control_is(html, results):
    table = pd.read_csv(results / "tables" / "metrics.csv").query("set == 'golden'").set_index("model")
    best = table.loc[["pretrained", "mse", "gram50"], "lpips"].idxmin()
    bold = [row[0][0] for row in Tables(html).tables["metrics-golden"] if row and "best" in row[1][1]]
    assert bold == [best]


def test_warnings_name_what_they_warn_of(config, results):
    said = page.page_context(results, config)["warnings"]
    assert len(said) == 3
    assert "vgg19, alexnet and inception" in said[0]
    assert "golden has 4 pairs" in said[1] and "val" not in said[1]
    assert "gram50" in said[2] and "2.0 %" in said[2]  # and not mse, whose only term holds all of the gradient


def test_no_warning_where_all_is_well():
    fine = configuration.validate(CONFIG | {"networks": {}})
    metrics = pd.DataFrame({"set": ["golden"], "pairs": [800.0]})
    shares = pd.DataFrame({"share_pixel": [0.05, 0.5], "share_gram": [0.95, 0.5]})
    records = [{"versions": {"torch": "2.15.0"}}] * 2
    assert page.warnings(fine, metrics, {"gram50": shares}, records) == []
    records[1] = {"versions": {"torch": "2.16.0"}}
    assert "torch: 2.15.0 and 2.16.0" in page.warnings(fine, metrics, {"gram50": shares}, records)[0]


def test_the_configuration_on_the_page_is_the_run_s(html, config):
    text = unescape(re.search(r'<pre[^>]*id="yaml">(.*?)</pre>', html, re.DOTALL)[1])
    assert configuration.validate(yaml.safe_load(text)) == config


def test_foreign_text_cannot_become_markup(html):
    assert "a&lt;/script&gt;.jpg" in html and "too &lt;small&gt;" in html
    assert "a</script>" not in html


def test_what_was_excluded_is_listed_with_source_and_reason(html, results, config):
    assert Tables(html).tables["excluded"][1][0][0] == "photos"
    (results / "index" / "drawn.excluded.csv").write_text("picture,reason\n")  # a source of which nothing was excluded
    assert len(page.page_context(results, config)["excluded"]["rows"]) == 1


def test_a_glance_compares_with_pretrained_and_with_the_teacher():
    metrics = pd.DataFrame(
        {
            "model": ["recolor", "teacher", "pretrained", "mse"],
            "teacher_mse": [0.02, 0.0, 0.05, 0.01],
            "laplacian_energy": [1.0, 2.0, 1.0, 1.5],
        }
    )
    costs = pd.DataFrame({"model": ["teacher", "mse"], "seconds": [2.0, 0.01], "megabytes": [7.0, 4.0]})
    (seen,) = page.glance(metrics, costs, ["mse"])
    assert (seen.of_pretrained, seen.of_recolor, seen.sharpness) == pytest.approx((0.2, 0.5, 0.75))
    assert (seen.faster, seen.megabytes) == pytest.approx((200, 4))
    assert page.glance(metrics, costs.iloc[:1], ["mse"])[0].faster is None


def test_pictures_are_lossless_while_they_fit_and_smaller_when_not(tmp_path):
    files = {}
    for name in ("a", "b"):
        files[name] = tmp_path / f"{name}.png"
        save_png(picture(ord(name)), files[name])
    lossless, words = page.inline_pictures(files, 100_000)
    assert lossless["a"].startswith("data:image/png") and "PNG" in words
    smaller, words = page.inline_pictures(files, 4_000)
    assert smaller["a"].startswith("data:image/webp") and "quality 90" in words
    assert sum(map(len, smaller.values())) <= 4_000 < sum(map(len, lossless.values()))


@pytest.mark.parametrize(
    ("value", "text"),
    [("", "–"), ("nan", "–"), ("inf", "∞"), (0, "0"), ("0.012345", "0.0123"), (4.6, "4.60"), (1234567, "1,234,567"),
     (1e-9, "1.0e-09"), (-2.5, "-2.50")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert page.number(value) == text


def test_stages_add_up(results):
    (cost,) = stage_costs([record for record in read_records(results) if record["stage"] == "teach"])
    assert (cost.jobs, cost.seconds, cost.slowest, cost.peak_memory_mb) == (2, 61.0, 31.0, 501.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.24, "4.2 s"), (59.98, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_the_summary_says_what_was_made_and_where_to_look(results, html):
    text = summarize(results)
    assert "trial: 4 train pairs, 2 students (gram50, mse), 4 golden pairs" in text
    assert re.search(r"teach +1 min 01 s +2 jobs", text)
    assert str(results / "report.html") in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCRIPT = """
const seen = {};
const models = (id) => all(`#${id} tbody th`).map((cell) => cell.textContent);
const header = one('#metrics-golden [data-key="teacher_mse"]');
header.click(); seen.up = models("metrics-golden"); header.click(); seen.down = models("metrics-golden");
seen.marked = header.closest("th").getAttribute("aria-sort");
range.value = 25; range.dispatchEvent(new Event("input"));
seen.edge = one(".edge").getBoundingClientRect().left + 1 - wipe.getBoundingClientRect().left;
seen.width = wipe.clientWidth;
one("#left").value = "recolor"; one("#left").dispatchEvent(new Event("change"));
one('#pick-style input[value="s1"]').click();
seen.left = one(".over").src === pictures["recolor/c0_s1"];
one("#right").value = "style"; one("#right").dispatchEvent(new Event("change"));
seen.right = one(".under").src === pictures["s1"];
one('[data-zoom="teacher"][data-pair="c0_s0"]').click();
const key = (name) => zoom.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
key("ArrowRight"); key("ArrowDown"); seen.zoom = one("#zoom img").alt; seen.open = zoom.open;
zoom.close();
one('input[data-model="teacher"]').click();
seen.hidden = all('[data-column="teacher"]').every((cell) => cell.offsetParent === null);
seen.empty = all("img").filter((image) => !(image.complete && image.naturalWidth)).length;
seen.overflow = document.documentElement.scrollWidth > window.innerWidth;
document.documentElement.dataset.seen = JSON.stringify(seen);
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (looked for chromium, google-chrome)")
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_works_in_a_browser(html, results, tmp_path, width):
    probe = tmp_path / "probe.html"
    listen = f"<script>window.onload = () => {{ {SCRIPT} }};</script></body>"
    probe.write_text(html.replace("</body>", listen))
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    command = [CHROMIUM, *flags.split(), "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom"]
    run = subprocess.run([*command, probe.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in run.stderr, run.stderr
    found = re.search(r'data-seen="([^"]*)"', run.stdout)
    assert found, run.stdout[:300]
    seen = json.loads(found[1].replace("&quot;", '"'))
    order = pd.read_csv(results / "tables" / "metrics.csv").query("set == 'golden'").sort_values("teacher_mse")["model"]
    assert seen["up"] == list(order)
    assert seen["down"] == list(order)[::-1] and seen["marked"] == "descending"
    assert seen["edge"] == pytest.approx(seen["width"] / 4, abs=1)
    assert seen["left"] and seen["right"]
    assert seen["zoom"] == "pretrained: c1 in the style of s0" and seen["open"]
    assert seen["hidden"]
    assert seen["empty"] == 0
    assert not seen["overflow"]
