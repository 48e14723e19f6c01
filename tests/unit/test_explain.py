"""The table of a dry run: why, and how long by what jobs took before."""

from __future__ import annotations

import pytest

from explain import Job, estimate, seconds, table, why

PARAMS = "Params have changed since last execution: Union of exclusive params before and now across all output: "


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Missing output files: a.png; Input files updated by another job: b.csv", "not made yet"),
        ("Input files updated by another job: b.csv", "follows from another job"),
        (PARAMS + """before: '{"pixel":1.0}' now: '{"pixel":0.5}' """, "settings changed"),
        (PARAMS + "before: '0123456789abcdef' now: 'fedcba9876543210' ", "code changed"),
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
    assert lines[2].split()[:3] == ["table", "1", "?"]
    assert lines[3].split()[:4] == ["in", "all", "3", "4.00"]
    assert "(table)" in lines[4]
    assert table([]) == "Nothing to be done."
