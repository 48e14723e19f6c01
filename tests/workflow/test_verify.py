"""A flipped bit anywhere in a finished run: found, blamed on the right file, and mended by remaking that alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from running import ROOT, SMOKE, environment, planned

from styledistill.core.files import sha256_bytes, write_json, write_text
from styledistill.core.provenance import run_record
from styledistill.run.repair import times_kept
from styledistill.run.verify import Run, verify
from verify import main

pytestmark = pytest.mark.slow

RUN = Path("results/smoke")


def flip(path: Path, place: int | None = None) -> bytes:
    """Change one bit of a file, of its middle byte or another, with its time kept; returns the bytes before."""
    before, facts = path.read_bytes(), path.stat()
    damaged = bytearray(before)
    damaged[len(damaged) // 2 if place is None else place] ^= 1
    path.write_bytes(bytes(damaged))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return before


def verified(folder: Path, *arguments: str) -> Result:
    """What verify.py says; in this process, since loading the teacher's libraries takes longest."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(main, [str(RUN), *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def repaired(folder: Path) -> subprocess.CompletedProcess:
    """The command that verify advises, with where the workflow lies."""
    places = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "1"]
    command = [sys.executable, str(ROOT / "src/verify.py"), str(RUN), "--repair", "--", *places]
    command += ["--nocolor", "--configfile", str(SMOKE)]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


def damaged(said: str) -> set[str]:
    return set(re.findall(rf"^damaged: {RUN}/(.*?): ", said, re.M))


def test_a_whole_run_is_called_whole_and_no_result_goes_unchecked(smoke):
    done = verified(smoke)
    assert done.exit_code == 0, done.stdout + done.stderr
    said = rf"{RUN}: every file is what was made \((\d+) files; logs and times are not checked\)\n"
    count = int(re.fullmatch(said, done.stdout)[1])
    files = {path for path in (smoke / RUN).rglob("*") if path.is_file()}
    results = {path for path in files if not {"logs", "times"} & set(path.parts) and path.name[0] != "."}
    assert count == len({path for path in results if not path.name.endswith(".run.json")})


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    done = verified(tmp_path)
    assert done.exit_code == 1
    assert done.stderr == f"error: {RUN}: no records here, so nothing to check: is this the folder of a run?\n"


@pytest.mark.long
def test_what_is_damaged_is_remade_and_nothing_that_was_made_from_it(smoke_copy):
    """The student is larger than what Snakemake compares by its bytes, and the validation images are a folder."""
    run = smoke_copy / RUN
    files = [
        "images/train/0000/c01.png",
        "teacher/train/0000/c02_s01.png",
        "shards/train/0001.tar",
        "students/mse/student.safetensors",
        "validation/content/0000_c00_s01.png",
    ]
    assert (run / "students/mse/student.safetensors").stat().st_size > 10**6
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.suffix in (".png", ".tar", ".safetensors")}
    before = {file: flip(run / file) for file in files}
    lost = ["shards/val.json"]
    before |= {file: (run / file).read_bytes() for file in lost}
    for file in lost:
        (run / file).unlink()
    done = verified(smoke_copy, "--", "--cores", "1")
    assert done.exit_code == 1
    assert damaged(done.stdout) == {*files, *lost}
    assert f"repair: python src/verify.py {RUN} --repair -- --cores 1\n" in done.stdout
    done = repaired(smoke_copy)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert f"{RUN}: every file is what was made" in done.stdout and "other bytes" not in done.stdout
    assert [file for file in before if (run / file).read_bytes() != before[file]] == []
    assert [path for path in kept if path.read_bytes() != kept[path]] == []
    assert set(re.findall(r"^Job \d+: (.*)$", done.stdout + done.stderr, re.M)) == {
        "Crop the images of train block 0000",
        "Stylize train block 0000 with the teacher",
        "Pack train block 0001 into a shard",
        "List the pairs of split val",
        "Distill the teacher into student mse",
        "Make the baselines' images of the golden set and the validation pairs",
    }
    assert planned(smoke_copy, SMOKE) == set()


RECORDS = ["shards/train/0000.run.json", "images/golden/crop.run.json", "shards/train.run.json"]


def test_a_damaged_record_is_named_itself_and_its_job_done_again(smoke_copy):
    """A byte that is no UTF-8, a key that is another, a digit of a hash: whatever is hit, the files are not blamed."""
    run = smoke_copy / RUN
    (run / RECORDS[0]).write_bytes(b"\xff" + (run / RECORDS[0]).read_bytes()[1:])
    text = (run / RECORDS[1]).read_bytes()
    flip(run / RECORDS[1], text.index(b'"sha256"') + 1)
    text = (run / RECORDS[2]).read_bytes()
    flip(run / RECORDS[2], text.index(b'"train.json": "') + 20)
    done = verified(smoke_copy)
    assert (done.exit_code, done.stderr) == (1, "")
    assert damaged(done.stdout) == set(RECORDS)
    done = repaired(smoke_copy)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert planned(smoke_copy, SMOKE) == set()


@pytest.mark.parametrize("hit", ['"file"', "0000.tar", '"sha256"', '": "'])
def test_a_flipped_bit_in_a_manifest_blames_the_manifest(smoke_copy, hit):
    manifest = smoke_copy / RUN / "shards/train.json"
    flip(manifest, manifest.read_bytes().index(hit.encode()) + 2)
    found = list(verify(Run(smoke_copy / RUN)))
    assert [(fault.path, fault.remake) for fault in found] == [(manifest, manifest)]


def test_a_manifest_that_lists_an_earlier_shard_is_to_be_made_anew(smoke_copy):
    shards = smoke_copy / RUN / "shards"
    with run_record(shards / "train/0000.run.json", "pack", {}):
        write_text(shards / "train/0000.tar", "another shard, made after the manifest")
    (fault,) = verify(Run(smoke_copy / RUN))
    assert (fault.path, fault.remake) == (shards / "train.json", shards / "train.json")
    assert fault.reason == f"lists {shards / 'train/0000.tar'} otherwise than it is"


def test_only_what_came_out_with_the_same_bytes_counts_as_made_when_it_was(tmp_path):
    """A benchmark's times are never the same: what was made from them is to be made anew."""
    for name in ("same", "other", "lost", "untouched"):
        with run_record(tmp_path / f"{name}.run.json", "table", {}):
            write_text(tmp_path / f"{name}.csv", name)
        os.utime(tmp_path / f"{name}.csv", (1000, 1000))
        os.utime(tmp_path / f"{name}.run.json", (999, 999))  # Snakemake touches what a job made when it has ended
    folder = tmp_path / "validation/mse"
    folder.mkdir(parents=True)
    (folder / ".snakemake_timestamp").touch()
    os.utime(folder / ".snakemake_timestamp", (1000, 1000))
    (tmp_path / "lost.csv").unlink()
    os.utime(tmp_path / "same.csv")  # by what has damaged it
    damaged = {tmp_path / f"{name}.csv" for name in ("same", "other", "lost")}
    with times_kept(Run(tmp_path), damaged) as other:
        for name, text in {"same": "same", "other": "never", "lost": "lost"}.items():
            with run_record(tmp_path / f"{name}.run.json", "table", {}):
                write_text(tmp_path / f"{name}.csv", text)
        (folder / ".snakemake_timestamp").touch()
    assert other == [tmp_path / "other.csv"]
    times = {path.name: path.stat().st_mtime for path in tmp_path.rglob("*") if path.is_file()}
    kept = {"same.csv": 999, "lost.csv": 999, "untouched.csv": 1000, ".snakemake_timestamp": 1000}
    assert {name: times[name] for name in kept} == kept
    assert times["other.csv"] > 10**9


def test_the_time_of_a_damaged_file_is_that_of_what_its_job_made_besides(tmp_path):
    """Also where somebody has touched all files of the run since then."""
    with run_record(tmp_path / "a.run.json", "table", {}):
        for name in ("a.csv", "b.csv"):
            write_text(tmp_path / name, name)
    os.utime(tmp_path / "a.run.json", (999, 999))
    os.utime(tmp_path / "b.csv", (2000, 2000))
    with times_kept(Run(tmp_path), {tmp_path / "a.csv"}) as other:
        for name in ("a.csv", "b.csv"):
            write_text(tmp_path / name, name)
    assert other == []
    assert [(tmp_path / name).stat().st_mtime for name in ("a.csv", "b.csv")] == [2000, 2000]


def test_a_file_that_no_record_tells_of_is_said_to_be_unchecked(smoke_copy):
    (smoke_copy / RUN / "golden/mse/own.png").write_bytes(b"")
    done = verified(smoke_copy)
    assert done.exit_code == 0
    assert f"not checked: 1 files that no record tells of, such as {RUN}/golden/mse/own.png\n" in done.stdout


def test_a_damaged_stored_pair_is_removed(smoke_copy):
    stored = next((smoke_copy / "resources/pairs").glob("*/*/*.png"))
    flip(stored)
    done = verified(smoke_copy, "--repair")
    assert done.exit_code == 0
    assert f"damaged: {stored}: not the image that was stored" in done.stdout
    assert not stored.exists()


@pytest.fixture
def downloaded(tmp_path) -> tuple[Path, Path]:
    """A run that has loaded weights, and the file of those."""
    file = tmp_path / "resources/weights/net.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights of another")
    stamps = tmp_path / RUN / "weights"
    with run_record(stamps / "net.run.json", "weights", {}):
        write_json(stamps / "net.json", {"file": "net.pth", "sha256": sha256_bytes(b"weights")})
    return tmp_path / RUN, file


def test_downloaded_weights_are_checked_by_their_stamps(downloaded):
    run, file = downloaded
    (fault,) = verify(Run(run))
    stamp = run / "weights/net.json"
    assert (fault.path, fault.remake, fault.remove) == (file, stamp, True)
    assert fault.reason == f"not the file that {stamp} describes"
    file.unlink()
    (fault,) = verify(Run(run))
    assert (fault.path, fault.reason, fault.remove) == (file, "missing", False)


def test_other_weights_of_the_teacher_are_found(smoke_copy):
    (smoke_copy / "weights").unlink()
    shutil.copytree(ROOT / "weights", smoke_copy / "weights")
    (unet,) = (smoke_copy / "weights/tiny_teacher/unet").glob("*.safetensors")
    flip(unet)
    done = verified(smoke_copy)
    assert re.search("damaged: weights/tiny_teacher: not the weights that .*/teacher.json names; put them", done.stdout)
