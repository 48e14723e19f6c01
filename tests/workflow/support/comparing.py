"""What two smoke runs on one machine have alike, to the byte."""

from __future__ import annotations

from pathlib import Path

from styledistill.run.watchdog import LOCK

RUN = Path("results/smoke")
# What no two runs have alike: times, facts of the host, and what is drawn from them.
FOLDERS_OF_THE_HOST = ("logs", "times")
FILES_OF_THE_HOST = (LOCK, "*.run.json", "tables/benchmark.csv", "figures/cost.*", "report.html")


def results(folder: Path) -> dict[str, bytes]:
    """Every image, shard, weight, table and quality metric of the smoke run in `folder`."""
    run = folder / RUN
    files = {path.relative_to(run): path for path in run.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in files.items()
        if name.parts[0] not in FOLDERS_OF_THE_HOST and not any(name.match(one) for one in FILES_OF_THE_HOST)
    }


def assert_alike(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
