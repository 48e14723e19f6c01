"""Models against each other, against the preprint's claims, against published scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archived import image
from pydantic import TypeAdapter
from serving import serving

from styledistill import config as configuration
from styledistill.config import datasets
from styledistill.core.files import write_json
from styledistill.downloads import lock
from styledistill.report.tables import claims, protocol, published
from styledistill.report.tables.differences import PairedScores, differences
from styledistill.report.tables.differences import document as differences_document
from styledistill.report.tables.formats import latex, markdown
from styledistill.report.tables.metrics import _PER_PAIR as PER_PAIR
from styledistill.sources import registry
from styledistill.splits import tables

PRESET = Path(__file__).parents[3] / "workflow" / "presets" / "styleid.yaml"
LOSSES = {"mse": {"pixel": 1.0}, "half": {"pixel": 0.5, "gram": 0.5}, "third": {"pixel": 0.7, "gram": 0.3}}
BENCHMARK = pd.DataFrame({"model": ["teacher", *LOSSES], "parameters": [1000, 100, 100, 90]})


def frame(shifts, contents=8, styles=6, noise=0.01, seed=0):
    """Scores whose measures are alike in all models but for `shifts`; pairs differ much more than models do."""
    common, own = np.random.default_rng(1), np.random.default_rng(seed)
    pairs = [(c, s) for c in range(contents) for s in range(styles)]
    rows = pd.DataFrame({"pair": [f"c{c}_s{s}" for c, s in pairs]})
    rows["content"], rows["style"] = ([f"{letter}{pair[i]}" for pair in pairs] for i, letter in enumerate("cs"))
    for measure in PER_PAIR:
        rows[measure] = 5 + common.normal(size=len(rows)) + noise * own.normal(size=len(rows)) + shifts.get(measure, 0)
    return rows.assign(networks="alexnet real; vgg19 real")


def scores(shifts, **how):
    models = {"teacher": {}, "pretrained": {}, **{loss: {} for loss in LOSSES}} | shifts
    return PairedScores({m: frame(s, seed=i, **how) for i, (m, s) in enumerate(models.items())}, seed=1)


# What the preprint says of its students.
AS_CLAIMED = {
    "mse": {"brightness": 0.1, "cfsd": -0.5},
    "half": {"saturation": -0.1, "teacher_artifacts": 0.2, "cfsd": -0.4},
    "third": {"cfsd": -0.3},
}


def answers(shifts, losses=LOSSES, benchmark=BENCHMARK, **how):
    table = claims.answer(losses, {"val": scores(shifts, **how)}, benchmark)
    return table.groupby("claim", sort=False)["answer"].first().tolist(), table


def test_claims_hold_where_the_run_says_so():
    found, table = answers(AS_CLAIMED)
    assert found == [claims.HOLDS] * 5
    assert list(table["claim"].unique()) == [*(claim.text for claim in claims.CLAIMS), claims.SIZE]
    row = table[table["comparison"] == "half − mse"].iloc[0]
    assert row["low"] < row["difference"] < row["high"] < 0
    assert row["difference"] == pytest.approx(-0.1, abs=0.01)


def test_claims_do_not_hold_where_the_run_says_the_opposite():
    opposite = {loss: {name: -value for name, value in shifts.items()} for loss, shifts in AS_CLAIMED.items()}
    large = BENCHMARK.assign(parameters=[1000, 100, 100, 101])
    assert answers(opposite, benchmark=large)[0] == [claims.FAILS] * 5


def test_claims_cannot_be_told_without_a_difference_a_loss_or_enough_images():
    assert answers({}, noise=1.0)[0] == [claims.OPEN] * 4 + [claims.HOLDS]
    found, table = answers(AS_CLAIMED, losses={"mse": LOSSES["mse"], "half": {"pixel": 1.0, "tv": 0.1}})
    assert found[:4] == [claims.OPEN] * 4
    against = claims.evidence({"mse": {}}, {"val": scores(AS_CLAIMED)})
    assert "no L3 in this run" in markdown(claims.document(table, against))
    assert answers(AS_CLAIMED, contents=4)[0][:4] == [claims.OPEN] * 4


def test_one_comparison_that_fails_fails_the_claim():
    found, _ = answers(AS_CLAIMED | {"third": {"cfsd": 0.3}})
    assert found[3] == claims.FAILS


def test_a_random_network_of_cfsd_is_told():
    _, table = answers(AS_CLAIMED)
    assert not any("seeded" in note for note in claims.notes(table))
    assert any("seeded" in note for note in claims.notes(table.assign(networks="vgg19 seeded-1 (random)")))
    real = table.assign(networks="alexnet seeded-1 (random); efficientnet_lite0 imagenet")
    assert not any("seeded" in note for note in claims.notes(real))  # CFSD did not look through LPIPS's network


def test_claims_are_written_for_people_and_for_print():
    _, table = answers(AS_CLAIMED)
    against = claims.evidence(LOSSES, {"val": scores(AS_CLAIMED)})
    document = claims.document(table, against)
    text, print_ = markdown(document), latex(document)
    assert "| L1 is brighter than L3 | val | holds | Brightness, mse − third: 0." in text
    assert "Parameters, teacher / third: 11.1" in text
    body = [line for line in print_.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") + 1 for line in body} == {4, 6}
    assert "−" not in print_


def test_differences_are_pair_by_pair_whatever_the_order_of_rows():
    ordered = {"teacher": frame({}), "mse": frame({"lpips": 0.05}, seed=2), "pretrained": frame({}, seed=3)}
    shuffled = ordered | {"mse": ordered["mse"].sample(frac=1, random_state=0)}
    one, other = (differences({"val": PairedScores(frames, seed=1)}) for frames in (ordered, shuffled))
    pd.testing.assert_frame_equal(one, other)
    row = one[(one["model"] == "mse") & (one["minus"] == "teacher") & (one["measure"] == "lpips")].iloc[0]
    assert row["difference"] == pytest.approx(0.05, abs=0.005)
    # Pairs vary by 1, models by 0.01: only a paired interval is this narrow.
    assert row["high"] - row["low"] < 0.02


def test_measures_that_were_not_taken_have_no_difference_and_the_others_stay():
    whole = {"teacher": frame({}), "mse": frame({"cfsd": 0.05}, seed=2), "pretrained": frame({}, seed=3)}
    without = {model: rows.drop(columns=["lpips", "teacher_lpips"]) for model, rows in whole.items()}
    one, other = (differences({"val": PairedScores(frames, seed=1)}) for frames in (whole, without))
    rest = one[~one["measure"].isin(["lpips", "teacher_lpips"])].reset_index(drop=True)
    assert len(rest) < len(one)
    pd.testing.assert_frame_equal(other, rest)
    text = markdown(differences_document(other))
    assert "ST-LPIPS to teacher" in text and "| LPIPS" not in text and "nan" not in text


def test_differences_that_leave_out_0_are_bold():
    table = differences({"val": scores(AS_CLAIMED, noise=1e-6)})
    text = markdown(differences_document(table))
    line = next(line for line in text.splitlines() if line.startswith("| mse | val"))
    assert "**−0.500**" in line and "**0.100**" in line
    assert r"\textbf{$-$0.500}" in latex(differences_document(table))
    assert "distance to the teacher" not in text


# --- published --------------------------------------------------------------------------------------------------


def styleid(**changes):
    return configuration.validate(configuration.load(PRESET).model_dump() | changes)


def test_published_scores_stand_beside_exactly_styleids_protocol():
    assert protocol.is_styleids(styleid())
    networks = {"vgg19": "download", "alexnet": "seeded", "art_inception": "download"}
    fewer = {"contents": {"eval_contents": 19}, "styles": {"eval_styles": 40}}
    folder = {"eval_contents": {"kind": "folder", "path": "styleid_contents"}}
    for changes in (
        {"networks": networks},
        {"metrics": {"fid": "inception"}},
        {"golden": fewer},
        {"image_size": 256},
        {"sources": configuration.load(PRESET).model_dump()["sources"] | folder},
    ):
        assert not protocol.is_styleids(styleid(**changes))


def test_published_rows_are_marked_and_said_not_to_compare():
    metrics = pd.DataFrame(
        {"model": ["mse", "mse"], "set": ["golden", "val"], "artfid": 30.0, "fid": 19.0, "lpips": 0.5, "cfsd": 0.25}
    )
    table = published.published_table(metrics, True, "Because.")
    assert list(table["model"]) == ["StyleID", "mse", "StyTR2", "AdaIN", "AesPA-Net", "InST"]
    text = markdown(published.document(table))
    assert "| StyleID | published | **28.801** | **18.131** | 0.5055 | **0.228** |" in text
    assert "| mse | measured | 30.000 | 19.000 | **0.5000** | 0.250 |" in text
    assert "| InST | published | 40.633 | 21.571 | 0.8002 | – |" in text
    assert "Scores of different papers do not compare" in text
    print_ = latex(published.document(table))
    assert "measured" in print_ and r"\textbf{28.801} & \textbf{18.131} & 0.5055" in print_
    assert "Because." in text and "Because." in print_
    without = published.published_table(metrics, False, "No published rows: other images.")
    assert list(without["model"]) == ["mse"] and "quoted" not in markdown(published.document(without))
    assert "No published rows: other images." in markdown(published.document(without))


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Writes a golden table of StyleID's 20 contents and 40 styles, pins them, and says what is decided."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STYLEDISTILL_MIRROR", raising=False)
    raw = "https://raw.githubusercontent.com/jiwoogit/StyleID/d4ea655dc1f7b19e0eac9553ad087132d18bb96f/data"

    def put(first="00" * 32, styles=40, pinned=60):
        rows = [tables.BlockRow(f"c{n}", "content", "eval", f"{n:02d}.png", f"{n:064x}") for n in range(20)]
        rows += [tables.BlockRow(f"s{n}", "style", "eval", f"{n:02d}.png", f"{n + 20:064x}") for n in range(styles)]
        places = [f"{raw}/cnt/{n:02d}.png" for n in range(20)] + [f"{raw}/sty/{n:02d}.png" for n in range(40)]
        lock.pin(lock.FOLDER, {place: f"{n:064x}" for n, place in enumerate(places[:pinned])})
        tables.write("golden.csv", tables.BlockRow._fields, [rows[0]._replace(sha256=first), *rows[1:]])
        return protocol.evaluation_images(Path("golden.csv"))

    return put


def test_published_rows_need_each_evaluation_image_as_it_was_pinned(evaluated):
    decided = evaluated()
    assert decided.holds and "20 contents and 40 styles" in decided.reason
    assert "StyleID/d4ea655dc1f7b19e0eac9553ad087132d18bb96f" in decided.reason
    digest = decided.reason.rpartition(" ")[2]
    assert len(digest) == 65 and evaluated().reason.endswith(digest)
    other = evaluated(first="ff" * 32)
    assert not other.holds and "content 00.png is not what resources/downloads/lock.json has for https" in other.reason
    assert not evaluated(styles=39).holds


def test_what_a_mirror_brings_in_the_authors_name_is_told(tmp_path, monkeypatch):
    """The real way: the registry's sources, fetched, into the golden table."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    files = {
        f"/{part}/{n:02d}.png": image(n, form="PNG") for part, many in (("cnt", 20), ("sty", 40)) for n in range(many)
    }
    golden = []
    with serving(files) as server:
        monkeypatch.setenv("STYLEDISTILL_MIRROR", server.address)
        for role, name in (("content", "styleid_contents"), ("style", "styleid_styles")):
            source = TypeAdapter(configuration.Source).validate_python(datasets.source_of(name))
            images = registry.names(source)
            registry.bring(source, images)
            found = [registry.entry(source, one) for one in images]
            golden += [tables.BlockRow("x", role, name, one.image, one.sha256) for one in found]
    tables.write("golden.csv", tables.BlockRow._fields, golden)
    decided = protocol.evaluation_images(Path("golden.csv"))
    assert f"content 00.png came from a mirror ({server.address})" in decided.reason
    # The same files from the authors' own address: the lock is then without that word.
    kept = {what: value for what, value in lock.listed(lock.FOLDER).items() if not what.startswith("mirror of")}
    write_json(lock.FOLDER / lock.NAME, kept)
    assert protocol.evaluation_images(Path("golden.csv")).holds


def test_images_that_are_pinned_nowhere_or_come_from_a_mirror_are_nobodys(evaluated, monkeypatch):
    assert "style 39.png is not what" in evaluated(pinned=59).reason
    monkeypatch.setenv("STYLEDISTILL_MIRROR", "http://own.host/images")
    decided = evaluated()
    assert not decided.holds
    assert "style 39.png came from a mirror (http://own.host/images), which may hold any image" in decided.reason
