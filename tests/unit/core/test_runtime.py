"""Jobs side by side take a GPU each; a claim lives as long as its process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from styledistill.core import runtime
from styledistill.core.errors import UserError
from styledistill.core.runtime import claim, own_folder, pick_device

SRC = Path(__file__).parents[3] / "src"
GPUS = ["first", "second"]
HOLD = "import sys; from pathlib import Path; from styledistill.core.runtime import claim; "
HOLD += "print(claim(sys.argv[2:], Path(sys.argv[1])), flush=True); sys.stdin.read()"


def job(folder: Path) -> subprocess.Popen[str]:
    """A process that claims a GPU and lives until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *GPUS],
        env={"PYTHONPATH": str(SRC)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_jobs_side_by_side_take_a_gpu_each_and_leave_it_when_killed(tmp_path):
    with job(tmp_path) as first, job(tmp_path) as second:
        assert sorted(process.stdout.readline().strip() for process in (first, second)) == ["0", "1"]
        assert claim(GPUS, tmp_path) == 0  # all are taken: better two on one than none
        second.kill()
        first.kill()
    assert [claim(GPUS, tmp_path), claim(GPUS, tmp_path)] == [0, 1]


@pytest.fixture
def shared(tmp_path, monkeypatch) -> Path:
    """A folder for everybody's temporary files; returns where ours would be."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"styledistill-{os.getuid()}"


def test_claims_lie_in_a_folder_of_ones_own(shared):
    assert own_folder() == own_folder() == shared
    assert shared.stat().st_mode & 0o777 == 0o700


def _link(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    place.symlink_to("elsewhere")


def _open_to_all(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)


def _of_another(place: Path) -> None:
    if os.getuid():
        pytest.skip("giving a folder away needs root")
    place.mkdir(mode=0o700)
    os.chown(place, 65534, 65534)


@pytest.mark.parametrize("prepare", [_link, _open_to_all, _of_another, Path.touch])
def test_what_others_have_put_in_its_place_is_refused(shared, prepare):
    prepare(shared)
    with pytest.raises(
        UserError, match=rf"^{shared}: not a folder that only you can write to. Remove it, or set TMPDIR"
    ):
        own_folder()
    assert not list(shared.parent.glob("*/*.lock"))


def test_several_gpus_are_claimed_there(shared, monkeypatch):
    """No machine with several GPUs is needed: what CUDA would say of two of them is told here."""
    gpus = [SimpleNamespace(uuid=name) for name in ("one", "two")]
    cuda = {"is_available": lambda: True, "device_count": lambda: 2, "get_device_properties": gpus.__getitem__}
    for name, answer in cuda.items():
        monkeypatch.setattr(runtime.torch.cuda, name, answer)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert [pick_device("auto"), pick_device("cuda")] == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert sorted(path.name for path in shared.iterdir()) == ["one.lock", "two.lock"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_the_cpu_is_taken_where_no_gpu_is():
    assert pick_device("auto") == torch.device("cpu")
