"""Errors of the system that no script can foresee: one line, and the program's own faults keep their traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path

from styledistill.run.cli import user_errors

import numpy as np
import pytest
import torch


def _said(capsys, fault) -> str:
    with pytest.raises(SystemExit, match="1"), user_errors():
        fault()
    return capsys.readouterr().err


@pytest.mark.parametrize("take", [lambda: torch.empty(10**15), lambda: np.ones((10**8, 10**7))], ids=["torch", "numpy"])
def test_memory_that_is_not_there(capsys, take):
    assert _said(capsys, take).startswith("error: not enough memory: end other programs")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "no space left on the disk"), (errno.EMFILE, "too many open files")]
)
def test_limits_of_the_system(capsys, number, words):
    def fault() -> None:
        raise OSError(number, "said otherwise", "some/file")

    assert _said(capsys, fault).startswith(f"error: some/file: {words}")


@pytest.mark.parametrize("fault", [RuntimeError("shapes differ"), OSError(errno.EIO, "input/output error")])
def test_other_faults_keep_their_traceback(fault):
    with pytest.raises(type(fault)), user_errors():
        raise fault


def test_threads_that_wait_are_told_not_to_spin_before_their_libraries_are_there():
    code = (
        "import os, sys, styledistill.run.cli\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)\n"
        "assert os.environ['OMP_WAIT_POLICY'] == 'PASSIVE' and os.environ['OPENBLAS_THREAD_TIMEOUT'] == '4'\n"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "OPENBLAS_"))}
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3] / "src", env=bare, check=False)
    assert done.returncode == 0
