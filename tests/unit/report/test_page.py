"""The report holds everything of a run, says what must be said, and reads without scripts and without a network."""

import base64
import csv
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml

from styledistill import config as configuration
from styledistill.core.errors import UserError
from styledistill.core.files import read_json, write_json
from styledistill.report.page import page
from styledistill.report.tables import published, stored
from styledistill.run.summary import summarize
from styledistill.splits import inversions


@pytest.fixture(scope="module")
def html(trial, trial_config) -> str:
    out = trial / "report.html"
    page.write_page(trial, trial_config, out)
    return out.read_text()


class Page(HTMLParser):
    """Tables with an id as rows of (data-value, class) cells, images with their words, the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables, self.table, self.images, self.sections, self.section = {}, None, {}, {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "h2":
            self.section = attributes["id"]
        if tag == "img" and "data-image" in attributes:
            self.images[attributes["data-image"]] = (attributes["src"], attributes["alt"])
        elif tag == "table":
            self.table = self.tables.setdefault(attributes.get("id"), [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th") and "data-value" in attributes:
            self.table[-1].append((attributes["data-value"], attributes.get("class") or ""))

    def handle_data(self, data):
        self.sections[self.section] = self.sections.get(self.section, "") + " " + data


@pytest.fixture(scope="module")
def seen(html) -> Page:
    return Page(html)


def decoded(uri: str, kind: str = "png") -> bytes:
    return base64.b64decode(uri.removeprefix(f"data:image/{kind};base64,"))


def test_the_claims_are_answered(seen, html):
    row = seen.tables["claims-answered"][1]
    assert [cell[0] for cell in row] == ["L1 is brighter than L3", "golden", "cannot be told", "no L3 in this run"]
    assert "Beside published scores" not in html


def test_published_scores_are_shown_by_a_run_of_styleids_protocol_alone(trial, trial_config, tmp_path, monkeypatch):
    run = shutil.copytree(trial, tmp_path / "trial")
    rows = [("StyleID", "published", 28.801, 18.131, 0.5055, 0.228), ("mse", "measured", 30.0, 20.0, 0.4, 0.3)]
    scores = pd.DataFrame(rows, columns=["model", "origin", *published.DIGITS]).assign(decided="all pinned")
    stored.write(published.document(scores), run / "tables/published")  # of an earlier configuration
    assert "Beside published scores" not in page.render(page.page_context(run, trial_config))
    monkeypatch.setattr(page, "is_styleids", lambda config: True)
    html = page.render(page.page_context(run, trial_config))
    assert texts(html, "published") == [
        ["StyleID", "published", "28.801", "18.131", "0.5055", "0.228"],
        ["mse", "measured", "30.000", "20.000", "0.4000", "0.300"],
    ]
    assert (
        "all pinned" in html and "quoted from StyleID" in html and "Scores of different papers do not compare" in html
    )


def test_the_differences_are_the_csv_files_own(seen, trial):
    table = pd.read_csv(trial / "tables" / "differences.csv", dtype=str)
    for other in ("teacher", "pretrained"):
        rows = list(filter(None, seen.tables[f"differences-{other}"]))
        some = table[table["minus"] == other]
        lpips = some[some["measure"] == "lpips"]
        assert [row[0][0] for row in rows] == list(lpips["model"]) and other not in {row[0][0] for row in rows}
        assert [row[2][0] for row in rows] == list(lpips["difference"])
        assert [row[3][0] for row in rows] == list(some[some["measure"] == "gram_distance"]["difference"])


def test_what_can_be_told_of_a_difference_is_bold_and_said(seen):
    for other in ("teacher", "pretrained"):
        rows = filter(None, seen.tables[f"differences-{other}"])
        bold = [(row[0][0], row[1][0], place) for row in rows for place, cell in enumerate(row) if "told" in cell[1]]
        assert bold == [("mse", "validation", 2)]
    text = " ".join(seen.sections["differences"].split())
    assert "mse , validation: higher in LPIPS; not to be told: Gram distance." in text
    assert "gram50 , validation: nothing can be told." in text


def test_the_teacher_s_variants_are_shown_with_settings_scores_and_images(seen, trial):
    rows = list(filter(None, seen.tables["variants"]))
    assert [[value for value, _ in row[:6]] for row in rows] == [
        ["default", "0.5", "1.5", "on", "on", "0.3"],
        ["flat", "0.0", "1.5", "on", "on", "0.2"],
        ["cosine", "0.75 to 0.25", "1.5", "on", "on", "0.1"],
    ]
    assert all("grayed" in row[7][1] for row in rows)  # FID, behind LPIPS and ST-LPIPS
    text = " ".join(seen.sections["ablation"].split())
    assert "a temperature of 1.50" in text and "4 pairs, below the 200" in text
    variants = {name for name in seen.images if name.startswith("ablation/")}
    assert variants == {f"ablation/{variant}/c{n}_s{n}" for variant in ("default", "flat", "cosine") for n in range(2)}
    assert seen.images["ablation/flat/c1_s1"][1] == "flat: c1 in the style of s1"


def test_other_teachers_are_shown_beside_the_teacher(seen, trial):
    rows = list(filter(None, seen.tables["compared"]))
    assert [[cell[0] for cell in row] for row in rows[-2:]] == [
        ["teacher (StyleID)", "1.55", "0.1"], ["other (InST)", "2.55", "0.2"],
    ]  # fmt: skip
    assert seen.images["teachers/other/c1_s0"][1] == "other (InST): c1 in the style of s0"
    assert len({name for name in seen.images if name.startswith("teachers/")}) == 4 + 2 * 4


def test_a_run_without_other_teachers_says_nothing_of_them_whatever_lies_there(trial, trial_config):
    plain = configuration.validate(trial_config.model_dump() | {"compare_teachers": {}})
    html = page.render(page.page_context(trial, plain))
    assert "Other teachers" not in html and "teachers/other" not in html


def test_a_run_without_variants_says_nothing_of_them_whatever_lies_there(trial, trial_config):
    plain = configuration.validate(trial_config.model_dump() | {"ablation": {}})
    html = page.render(page.page_context(trial, plain))
    assert "Teacher's parts" not in html and "ablation/" not in html


def test_every_model_and_pair_has_its_own_image(seen, trial):
    for model in ("recolor", "teacher", "pretrained", "mse", "gram50"):
        for pair in ("c0_s0", "c1_s0", "c0_s1", "c1_s1"):
            uri, text = seen.images[f"{model}/{pair}"]
            assert decoded(uri) == (trial / "golden" / model / f"{pair}.png").read_bytes()
            assert text == f"{model}: {pair[:2]} in the style of {pair[3:]}"


def test_originals_stand_once_and_in_every_row(html, trial):
    for name in ("c0", "c1", "s0", "s1"):
        (uri,) = re.findall(rf"\.of-{name} \{{ background-image: url\((.*?)\)", html)
        assert decoded(uri) == (trial / "images" / "golden" / f"{name}.png").read_bytes()
        assert html.count(uri) == 1
        # Two rows of the golden grid, and one of the teacher's variants.
        assert len(re.findall(rf'class="original of-{name}" role="img" aria-label="\w+ {name}"', html)) == 3


def test_the_slider_offers_every_model(html, trial_config):
    for model in trial_config.models:
        assert html.replace(" selected", "").count(f"<option>{model}</option>") == 2


def test_every_image_has_words(seen):
    assert all(text for _, text in seen.images.values())
    assert {uri.split(",")[0] for uri, _ in seen.images.values()} <= {f"data:image/{k};base64" for k in ("png", "webp")}


def test_nothing_is_fetched(html):
    without_data = re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=\s]+", "#", html)
    assert not re.search(r"https?://|//\w+\.\w+|@import|url\((?!#)", without_data)
    assert not re.search(r'(?:src|href)="(?!#)', without_data)
    assert "default-src 'none'" in html


def test_the_tables_hold_the_csv_files_own_numbers(seen, trial):
    with (trial / "tables" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = ("lpips", "fid", "artfid", "teacher_mse", "teacher_psnr", "laplacian_energy")
    for name in ("golden", "val"):
        expected = [[row["model"], *(row[measure] for measure in shown)] for row in rows if row["set"] == name]
        assert [[value for value, _ in row] for row in seen.tables[f"metrics-{name}"] if row] == expected
    with (trial / "tables" / "benchmark.csv").open() as file:
        expected = [list(row) for row in list(csv.reader(file))[1:]]
    assert [[value for value, _ in row] for row in seen.tables["benchmark"] if row] == expected


def texts(html: str, table: str) -> list[list[str]]:
    """What each cell of a table's body shows, without the brackets around what is gray."""
    body = html.split(f'<table class="data" id="{table}">')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[dh] [^>]*>(.*?)</t[dh]>", row) for row in body.split("</tr>")[:-1]]
    return [[re.sub(r"<small>|</small>|[()]", "", cell).replace("[", " [") for cell in row] for row in rows]


def test_the_page_says_each_number_as_markdown_does(html, trial):
    text = (trial / "tables/metrics.md").read_text()
    lines = [re.sub(r"<.*?>|[*()]", "", line).strip("| ").split(" | ") for line in text.splitlines()]
    for name in ("golden", "val"):
        said = [[line[0], *line[3:]] for line in lines if len(line) > 3 and line[1] == name]
        assert len(said) == 7 and texts(html, f"metrics-{name}") == said


def test_the_page_reads_no_table_back_from_its_csv(html, trial, trial_config, tmp_path):
    run = shutil.copytree(trial, tmp_path / "trial")
    tables = {path.stem: path for path in (run / "tables").glob("*.csv")}
    tables.pop("benchmark")  # what was measured, and no table of the report
    assert tables.keys() == {"metrics", "differences", "claims", "ablation"}
    for path in tables.values():
        path.unlink()
    assert page.render(page.page_context(run, trial_config)) == html


def test_a_table_of_an_earlier_version_is_told_in_one_line(trial, trial_config, tmp_path):
    run = shutil.copytree(trial, tmp_path / "trial")
    (run / "tables/claims.json").unlink()
    with pytest.raises(UserError, match=r"tables/claims\.json: there is no such file\. Run the workflow again"):
        page.page_context(run, trial_config)


def test_the_breakdown_holds_means_by_content_and_by_style(seen):
    rows = {row[0][0]: [float(value) for value, _ in row[1:]] for row in seen.tables["breakdown-table"] if row}
    assert list(rows) == ["recolor", "pretrained", "mse", "gram50"]
    # models count from 0 in the order of tables; a distance is (model + content + 2 style) / 100
    assert rows["mse"] == pytest.approx([0.06, 0.07, 0.055, 0.075])


def test_extreme_pairs_are_those_of_the_validation_scores(seen, trial):
    text = " ".join(seen.sections["breakdown"].split())
    assert "mse, closest content style teacher mse distance 0.0500 0.0600 mse, farthest" in text
    assert "mse, farthest content style teacher mse distance 0.0800 0.0700 gram50, closest" in text
    assert seen.images["validation/mse/0000_c01_s01"][1] == "mse: pair 0000_c01_s01"
    assert {name for name in seen.images if name.startswith("validation/teacher")} == {
        f"validation/teacher/0000_c0{c}_s0{s}" for c in range(2) for s in range(2)
    }


def test_onnx_files_are_shown_with_megabytes_and_differences(seen):
    rows = [[value for value, _ in row] for row in seen.tables["onnx"] if row]
    assert [row[:3] for row in rows[:3]] == [["mse", "fp32", "12"], ["mse", "fp16", "6"], ["mse", "int8", "3"]]
    assert [float(value) for value in rows[0][3:]] == [0.00025, 0.000025]
    assert [row[0] for row in rows] == ["mse"] * 3 + ["gram50"] * 3
    assert "drawn images" in seen.sections["cost"]


def test_fid_of_few_pairs_is_grayed_and_never_bold(seen):
    for row in filter(None, seen.tables["metrics-golden"]):
        assert "grayed" in row[2][1] and "best" not in row[2][1]
    assert not any("grayed" in mark for row in seen.tables["metrics-val"] for _, mark in row)


def test_the_best_student_is_bold_and_no_control_is(seen, trial):
    table = pd.read_csv(trial / "tables" / "metrics.csv").query("set == 'golden'").set_index("model")
    best = table.loc[["pretrained", "mse", "gram50"], "lpips"].idxmin()
    bold = [row[0][0] for row in seen.tables["metrics-golden"] if row and "best" in row[1][1]]
    assert bold == [best]


def test_a_page_without_lpips_and_fid_speaks_of_neither(trial_without):
    run, config = trial_without
    context = page.page_context(run, config)
    assert context["measure"] == "ST-LPIPS to the teacher"
    (caution,) = (one.text for one in context["cautions"] if one.section == "metrics")
    assert caution.startswith("The fixed networks vgg19 have seeded random weights")
    html = page.render(context)
    keys = [re.findall(r'data-key="(\w+)"', part) for part in html.split('<table class="data" id="')[1:]]
    assert "st_lpips" in keys[0] and not {"lpips", "fid", "artfid", "kid"} & {key for some in keys for key in some}
    # But for the configuration, scripts, and images in base64.
    said = re.sub(r"<pre.*?</pre>|<script.*?</script>|base64,[\w+/=\s]+", "", html, flags=re.S)
    assert not re.search(r"(?<!ST-)LPIPS|FID|KID|alexnet|inception\b", said)
    scores = json.loads(context["data"])["scores"]
    assert scores["mse"]["c1_s1"].keys() == {"st_lpips", "teacher_st_lpips", "teacher_mse"}


def test_warnings_stand_where_they_belong(seen):
    assert "seeded random weights" in seen.sections["metrics"] and "golden has 4 pairs" in seen.sections["metrics"]
    assert "outside the range" in seen.sections["losses"] and "outside the range" not in seen.sections["metrics"]
    top = " ".join(seen.sections[""].split())
    assert "4 warnings stand where they belong, at Metrics , Differences and Loss curves ." in top


def test_the_configuration_on_the_page_is_the_run_s(html, trial_config):
    text = unescape(re.search(r'<pre[^>]*id="yaml">(.*?)</pre>', html, re.DOTALL)[1])
    assert configuration.validate(yaml.safe_load(text)) == trial_config


def test_students_of_several_gammas_are_said_to_draw_at_the_strength_of_the_first(trial, trial_config):
    several = trial_config.teacher.model_copy(update={"gamma": [0.4, 0.2]})
    facts = dict(page.page_context(trial, trial_config.model_copy(update={"teacher": several}))["facts"])
    assert facts["students' strength"] == "0.9 (gamma 0.4)"
    assert "students' strength" not in dict(page.page_context(trial, trial_config)["facts"])


def test_foreign_text_cannot_become_markup(html):
    assert "a&lt;/script&gt;.jpg" in html and "too &lt;small&gt;" in html
    assert "a</script>" not in html


def test_what_was_excluded_is_listed_with_source_and_reason(seen, trial, trial_config, tmp_path):
    assert seen.tables["excluded"][1][0][0] == "photos"
    copy = shutil.copytree(trial, tmp_path / "trial")
    (copy / "index" / "drawn.excluded.csv").write_text("image,reason\n")  # a source of which nothing was excluded
    assert len(page.page_context(copy, trial_config)["excluded"].rows) == 1
    manifest = copy / "shards" / "train.json"
    dropped = {"dropped": {"train_0000_c01_s00": "style 2 is over 1"}}
    write_json(manifest, read_json(manifest) | dropped)
    rows = [[cell.text for cell in row] for row in page.page_context(copy, trial_config)["excluded"].rows]
    assert rows[0] == ["pairs.keep", "train_0000_c01_s00", "style 2 is over 1"] and len(rows) == 2


def test_inversions_are_summed_up_where_they_were_measured(seen, trial, trial_config, tmp_path):
    assert "inversions" not in seen.tables
    copy = shutil.copytree(trial, tmp_path / "trial")
    rows = [inversions.Inversion("c00", 0.1), inversions.Inversion("s00", 0.7)]
    inversions.write(copy / "teacher/train/0001/inversion.csv", rows)
    page.write_page(copy, trial_config, tmp_path / "report.html")
    again = Page((tmp_path / "report.html").read_text())
    assert again.tables["inversions"][1][0][0] == "train"
    assert again.tables["inversions"][1][-1][0] == "train_0001_s00"


def test_the_numbers_of_a_pair_are_those_of_its_scores(html):
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    assert data["scores"]["mse"]["c1_s1"] == {"lpips": 0.3, "teacher_mse": 0.08}
    assert data["names"]["teacher_mse"] == "MSE to teacher"


def test_the_summary_says_what_was_made_and_where_to_look(trial, html):
    text = summarize(trial)
    assert "trial: 4 train pairs, 4 val pairs, 2 students (gram50, mse), 4 golden pairs" in text
    assert re.search(r"teach +1 min 01 s +2 jobs", text)
    assert str(trial / "report.html") in text


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def test_words_stand_out_from_their_background_in_light_and_dark(html):
    schemes = re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", scheme))
        for text in ("ink", "soft", "accent"):
            for ground in ("paper", "card", "warn"):
                dark, light = sorted(luminance(colors[name]) for name in (text, ground))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
