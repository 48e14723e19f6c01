"""The table of all models: statistics, what is best, what is grayed, what the note says."""

import numpy as np
import pandas as pd
import pytest

from styledistill.core.errors import UserError
from styledistill.core.files import read_json, write_json
from styledistill.report.tables import formats
from styledistill.report.tables.bootstrap import Resampling
from styledistill.report.tables.metrics import _PER_PAIR as PER_PAIR
from styledistill.report.tables.metrics import document, gather
from styledistill.report.tables.small_sets import grayed

# mean of every measure by model; the controls and the teacher would win every column if they competed
LEVELS = {"content": 0.01, "teacher": 0.02, "pretrained": 0.9, "mse": 0.3, "gram_50": 0.5}
SCALES = {
    "fid": 100,
    "artfid": 200,
    "fid_64": 10,
    "kid": 1,
    "kid_low": 0.9,
    "kid_high": 1.1,
}  # of what Inception measures
REAL = {"alexnet": "alexnet-1", "vgg19": "vgg19-1", "inception": "pt_inception-1"}


def write_model(folder, model, pairs=40, networks=REAL, seeded=()):
    rng = np.random.default_rng(3)
    sets, rows = {}, []
    for name in ("golden", "val"):
        values = LEVELS[model] + 0.01 * rng.normal(size=(pairs, len(PER_PAIR)))
        names = [{"pair": f"c{i // 8}_s{i % 8}", "content": f"c{i // 8}", "style": f"s{i % 8}"} for i in range(pairs)]
        measured = [dict(zip(PER_PAIR, row, strict=True)) for row in values]
        rows += [{"set": name, **pair, **row} for pair, row in zip(names, measured, strict=True)]
        sets[name] = {"pairs": pairs, **{name: scale * LEVELS[model] for name, scale in SCALES.items()}}
    pd.DataFrame(rows).to_csv(folder / f"{model}.csv", index=False)
    summary = {"model": model, "sets": sets, "networks": networks, "seeded": list(seeded)}
    write_json(folder / f"{model}.json", summary)
    return folder / f"{model}.csv"


@pytest.fixture
def scores(tmp_path):
    return [write_model(tmp_path, model) for model in LEVELS]


def markdown(table, fid_minimum):
    return formats.markdown(document(table, fid_minimum))


def latex(table, fid_minimum):
    return formats.latex(document(table, fid_minimum))


def row_of(text, model, name, start, between):
    lines = [line for line in text.splitlines() if line.startswith(f"{start}{model} ") and f" {name} " in line]
    return [cell.strip() for cell in lines[0].strip("| \\").split(between)]


def test_one_row_per_set_and_model_in_order(scores):
    table = gather(scores, 200, seed=1)
    assert list(table.columns[:3]) == ["model", "set", "pairs"]
    assert list(table["model"]) == [*LEVELS, *LEVELS]
    assert list(table["set"]) == ["golden"] * 5 + ["val"] * 5


def test_means_lie_in_their_intervals(scores):
    table = gather(scores, 200, seed=1)
    for name in PER_PAIR:
        assert (table[f"{name}_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_high"]).all()


def grid(contents, styles):
    return pd.DataFrame([{"content": f"c{c}", "style": f"s{s}"} for c in range(contents) for s in range(styles)])


def test_intervals_of_independent_pairs_agree_with_the_normal_ones_and_repeat():
    # Each pair with a content and a style of its own, none of which is the other pairs': nothing is shared.
    pairs = pd.DataFrame({"content": np.arange(400), "style": 0})
    values = np.random.default_rng(0).normal(5, 2, size=(400, 1))
    low, high = Resampling(pairs, seed=1).interval(values)
    half = 1.96 * values.std() / 20
    assert low[0] == pytest.approx(values.mean() - half, abs=0.04)
    assert high[0] == pytest.approx(values.mean() + half, abs=0.04)
    assert Resampling(pairs, seed=1).interval(values)[0] == low
    assert Resampling(pairs, seed=2).interval(values)[0] != low


def test_intervals_know_that_pairs_share_contents_and_styles():
    pairs, random = grid(12, 30), np.random.default_rng(0)
    content, style = random.normal(0, 1, 12), random.normal(0, 1.5, 30)
    values = (content[:, None] + style[None] + random.normal(0, 0.1, (12, 30))).reshape(-1, 1)
    low, high = Resampling(pairs, seed=1).interval(values)
    true = 2 * 1.96 * np.sqrt(content.var() / 12 + style.var() / 30)
    naive = 2 * 1.96 * values.std() / np.sqrt(360)
    assert high[0] - low[0] == pytest.approx(true, rel=0.1)
    assert high[0] - low[0] > 3 * naive


def test_laplacian_ratio_is_to_the_teacher_of_the_same_set(scores):
    table = gather(scores, 200, seed=1).set_index(["model", "set"])
    assert table.loc[("teacher", "val"), "laplacian_ratio"] == 1
    expected = table.loc[("mse", "val"), "laplacian_energy"] / table.loc[("teacher", "val"), "laplacian_energy"]
    assert table.loc[("mse", "val"), "laplacian_ratio"] == pytest.approx(expected)


def test_the_best_student_is_bold_and_controls_never(scores):
    text = markdown(gather(scores, 10, seed=1), 10)
    cells = {model: row_of(text, model, "val", "| ", " | ") for model in LEVELS}
    titles = text.splitlines()[0].strip("| ").split(" | ")
    lpips, psnr = titles.index("LPIPS ↓"), titles.index("PSNR to teacher, dB ↑")
    assert cells["mse"][lpips].startswith("**")
    assert cells["pretrained"][psnr].startswith("**")  # the larger is the better there
    assert not any("**" in cell for model in ("content", "teacher") for cell in cells[model])
    assert not any("**" in row[titles.index("Saturation")] for row in cells.values())


def test_fid_of_few_pairs_is_gray_and_never_bold(scores):
    few, enough = (markdown(gather(scores, limit, seed=1), limit) for limit in (41, 40))
    fid = few.splitlines()[0].strip("| ").split(" | ").index("FID ↓")
    assert row_of(few, "mse", "val", "| ", " | ")[fid] == '<span style="color:gray">(30.0)</span>'
    assert row_of(enough, "mse", "val", "| ", " | ")[fid] == "**30.0**"
    assert "FID and ArtFID are grayed: golden has 40 pairs and val has 40 pairs, below the 41" in few
    assert "FID and ArtFID are grayed" not in enough


def test_what_few_styles_settle_is_told_by_their_number(scores):
    text = markdown(gather(scores, 40, seed=1), 40)
    titles = text.splitlines()[0].strip("| ").split(" | ")
    row = dict(zip(titles, row_of(text, "mse", "val", "| ", " | "), strict=True))
    assert row["FID (64) ↓"] == '<span style="color:gray">(3.00)</span>'  # 8 styles in 64 dimensions
    assert row["KID ↓"] == "**0.300** <sub>[0.270, 0.330]</sub>"
    assert "FID (64) is grayed: golden has 8 styles and val has 8 styles" in text and "KID is grayed" not in text


@pytest.mark.parametrize(
    ("contents", "styles", "gray"),
    [(5, 65, set()), (5, 64, {"fid_64_grayed"}), (4, 65, {"kid_grayed"}), (9, 4, {"fid_64_grayed", "kid_grayed"})],
)
def test_measures_of_sets_are_gray_below_what_each_needs(contents, styles, gray):
    found = grayed(pairs=325, contents=contents, styles=styles, fid_minimum=200)
    assert {name for name, few in found.items() if few} == gray


def test_latex_escapes_names_and_grays_and_bolds(scores):
    text = latex(gather(scores, 200, seed=1), 200)
    assert "gram\\_50 & golden" in text
    assert "\\textcolor{gray}{(30.0)}" in text
    assert "\\textbf{" in text
    assert text.count("\\midrule") == 2
    columns = text.split("\\begin{tabular}{")[1].split("}")[0]
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert {line.count(" & ") + 1 for line in body} == {len(columns)}


def test_the_note_names_the_weights(scores):
    assert "LPIPS: alexnet-1" in markdown(gather(scores, 200, seed=1), 200)


def test_seeded_networks_are_said_and_set_apart_from_published_figures(tmp_path):
    table = gather([write_model(tmp_path, m, seeded=["inception"]) for m in LEVELS], 200, seed=1)
    assert "Seeded random weights were used for FID and KID:" in markdown(table, 200)
    assert "never with published figures" in latex(table, 200)


def test_trained_networks_are_not_called_seeded(scores):
    assert "eeded" not in markdown(gather(scores, 200, seed=1), 200)


def without(folder, model, *left_out):
    """A model's scores without the networks left out, and so without their measures."""
    path = write_model(folder, model)
    measures = {"alexnet": ("lpips", "teacher_lpips", "artfid"), "inception": tuple(SCALES)}
    gone = {name for network in left_out for name in measures[network]}
    frame = pd.read_csv(path)
    frame.drop(columns=[name for name in frame if name in gone]).to_csv(path, index=False)
    summary = read_json(path.with_suffix(".json"))
    sets = {name: {key: v for key, v in facts.items() if key not in gone} for name, facts in summary["sets"].items()}
    networks = {name: weights for name, weights in REAL.items() if name not in left_out}
    write_json(path.with_suffix(".json"), summary | {"sets": sets, "networks": networks})
    return path


def test_what_was_not_measured_has_no_column_and_the_rest_stays(tmp_path, scores):
    whole = gather(scores, 200, seed=1)
    table = gather([without(tmp_path, model, "alexnet", "inception") for model in LEVELS], 200, seed=1)
    gone = {name for name in whole if name.startswith(("lpips", "teacher_lpips", "fid", "artfid", "kid"))}
    assert len(gone) == 2 * 3 + len(SCALES) + 3
    assert set(whole) - set(table) == gone | {"alexnet", "inception"}
    pd.testing.assert_frame_equal(table, whole[list(table)])
    text = markdown(table, 200)
    assert "ST-LPIPS" in text and not any(word in text for word in (" LPIPS", "FID", "KID", "grayed", "nan", "–"))
    assert "KID" in markdown(whole, 200)


def test_without_lpips_there_is_fid_and_no_artfid(tmp_path):
    text = markdown(gather([without(tmp_path, model, "alexnet") for model in LEVELS], 200, seed=1), 200)
    assert "ArtFID" not in text and "KID: pt_inception-1" in text
    assert " FID is grayed: golden has 40 pairs" in text.replace("\n", " ")


def test_models_scored_with_other_networks_do_not_share_a_table(tmp_path, scores):
    other = write_model(tmp_path, "mse", networks=REAL | {"vgg19": "other"})
    with pytest.raises(UserError, match="other networks"):
        gather([scores[0], other], 200, seed=1)


def test_infinite_psnr_and_missing_fid_are_shown(tmp_path):
    path = write_model(tmp_path, "teacher")
    pd.read_csv(path).assign(teacher_psnr=np.inf).to_csv(path, index=False)
    summary = {"model": "teacher", "networks": REAL, "seeded": []}
    write_json(path.with_suffix(".json"), summary | {"sets": {"golden": {"pairs": 1, **dict.fromkeys(SCALES)}}})
    table = gather([path], 200, seed=1)
    cells = row_of(markdown(table, 200), "teacher", "golden", "| ", " | ")
    assert "∞" in cells
    assert "–" in cells
    assert "nan" not in markdown(table, 200) + latex(table, 200)
