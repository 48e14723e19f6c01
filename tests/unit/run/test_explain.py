"""The table of a dry run: why, and how long by what jobs took before."""

from __future__ import annotations

from pathlib import Path

import pytest

from styledistill.run.explain import Job, counted, estimate, seconds, table, why

ROOT = Path(__file__).parents[3]
PARAMS = "Params have changed since last execution: Union of exclusive params before and now across all output: "


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Missing output files: a.png; Input files updated by another job: b.csv", "not made yet"),
        ("Input files updated by another job: b.csv", "follows from another job"),
        (PARAMS + """before: '{"pixel":1.0}' now: '{"pixel":0.5}' """, "settings changed"),
        (PARAMS + "before: '0123456789abcdef' now: 'fedcba9876543210' ", "code changed"),
        (PARAMS + "before: 'files 0123456789abcdef' now: 'files fedcba9876543210' ", "images changed"),
        (PARAMS + "before: '' now: 'files fedcba9876543210' ", "images changed"),
        ("Updated input files: a.csv; Input files updated by another job: b.csv", "newer input"),
        ("Something new in Snakemake", "Something new in Snakemake"),
    ],
)
def test_why_a_job_runs_in_few_words(reason, words):
    assert why(reason) == words


def _job(rule: str, times: str, took: float | None, reason: str = "not made yet") -> Job:
    return Job(rule, {}, reason, times, took)


def test_hours_come_from_the_jobs_own_times_and_else_from_the_rules_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    times = tmp_path / "results/r/times/teach/train"
    times.mkdir(parents=True)
    for number, took in enumerate((1800, 3600, 5400)):
        (times / f"{number}.tsv").write_text(f"s\th:m:s\tmax_rss\n{took}\t-\t1\n")
    (times / "3.tsv").write_text("s\th:m:s\n")  # cut off while it was written
    assert seconds(times / "1.tsv") == 3600
    assert seconds(times / "3.tsv") is None and seconds(times / "none.tsv") is None
    new = [_job("teach", f"results/r/times/teach/train/{n}.tsv", None) for n in (7, 8)]
    assert estimate(new) == 2.0  # two jobs of a mean hour
    assert estimate([_job("teach", "results/r/times/teach/train/0.tsv", 1800), new[0]]) == 1.0
    assert estimate([_job("table", "results/r/times/table.tsv", None)]) is None


def test_one_line_per_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [
        _job("teach", "results/r/times/teach/a.tsv", 7200.0),
        _job("teach", "results/r/times/teach/b.tsv", 7200.0, "settings changed"),
        _job("table", "results/r/times/table.tsv", None),
    ]
    lines = table(jobs).splitlines()
    assert lines[1].split() == ["teach", "2", "4.00", "not", "made", "yet", "(1),", "settings", "changed", "(1)"]
    assert lines[2].split()[:3] == ["table", "1", "not"]
    assert lines[3].split()[:4] == ["in", "all", "3", "4.00"]
    assert lines[4] == "no hours: not run yet in this run (table)"
    assert table([]) == "Nothing to be done."


def test_a_first_run_says_once_that_there_are_no_hours_yet():
    lines = table([_job(rule, f"results/own/times/{rule}.tsv", None) for rule in ("index", "table")]).splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["index", "1", "not"], ["table", "1", "not"]]
    assert lines[3].split()[:3] == ["in", "all", "2"]
    assert lines[4:] == ["no hours: not run yet in this run (any rule)"]


def test_hours_of_the_papers_size_are_those_of_the_documentation():
    """Before the first job of 26 GPU hours has run, what was counted; it is marked as such."""
    rows = [line.split("|")[1:-1] for line in (ROOT / "docs/cluster.md").read_text().splitlines() if line[:2] == "| "]
    said = {cells[0].strip(): [cell.strip().split(" ")[0] for cell in cells[1:]] for cells in rows if len(cells) == 5}
    jobs = {"index": 1, "teach": 92, "pack": 92, "distill": 3, "render": 5, "render_controls": 1, "score": 3}
    jobs |= {"score_fixed": 1, "select_block": 92, "crop": 92}
    planned = {
        rule: [_job(rule, f"results/paper/times/{rule}/{n}.tsv", None) for n in range(count)]
        for rule, count in jobs.items()
    }
    hours = {rule: counted(some) for rule, some in planned.items()}
    gpu = {"teach": ["teach"], "distill": ["distill"], "render, render_controls": ["render", "render_controls"]}
    gpu |= {"score, score_fixed": ["score", "score_fixed"]}
    for row, rules in gpu.items():
        assert sum(hours[rule] for rule in rules) == pytest.approx(float(said[row][1]), rel=0.1), row
    for row, rules in {"index": ["index"], "select_block, crop": ["select_block", "crop"], "pack": ["pack"]}.items():
        assert sum(hours[rule] for rule in rules) == pytest.approx(float(said[row][2]), rel=0.1), row
    lines = table([job for some in planned.values() for job in some]).splitlines()
    assert lines[2].split()[:3] == ["teach", "92", "~4.20"]
    assert lines[-1].startswith("~: counted for one GPU")
