"""Workers that draw a data set: processes of one thread each, so the images are the same for any number of them.

Several threads may add numbers in another order than one does. No torch here until a worker loads a student.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache

from ..core.errors import UserError
from ..core.progress import Meter, announce
from ..core.threads import granted_threads
from ..shards.samples import writing_tar
from ..sources.samples import members
from .augment_jobs import Row, Work
from .engines import gpu_here, load
from .folders import student_folder
from .stylize_files import FileStylist
from .stylize_jobs import Job, Options


def default_workers(device: str) -> int:
    """One for each core; one alone where a GPU draws, whose memory they would share."""
    return 1 if device.startswith("cuda") or (device == "auto" and gpu_here()) else granted_threads()


def augment(
    works: Sequence[Work], model: str, device: str, revision: str, options: Options, workers: int | None = None
) -> int:
    """Draw what `works` ask for with the student of a folder or hub id; how many images were made.

    workers: processes; None takes `default_workers`. Images that cannot be used are named and left out. Raises
    UserError for a student that cannot be loaded, and where a worker is killed; what is finished is kept then.
    """
    folder, _ = student_folder(model, revision, graphs=True)  # of a hub id one commit for all, asked once
    meter = Meter(unit="image", total=sum(len(work.jobs) for work in works))
    pool = ProcessPoolExecutor(
        min(workers or default_workers(device), len(works)),
        multiprocessing.get_context("spawn"),  # a fork would take half of a library's threads along
        _begin,
        (str(folder), device, options),
    )
    try:
        for done in as_completed([pool.submit(_work, work) for work in works]):
            meter.advance(done.result())
    except BrokenProcessPool as error:
        raise UserError(
            "a worker was killed, as for want of memory: run again, with fewer --workers should it happen twice; "
            "finished images are kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return meter.done


# --- in a worker --------------------------------------------------------------------------------------------------

_told: list[tuple[str, str, Options]] = []  # what this worker was started with


def _begin(folder: str, device: str, options: Options) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    _told.append((folder, device, options))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Of a parent that was killed nobody else would tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def _stylist() -> FileStylist:
    folder, device, options = _told[-1]
    return FileStylist(load(folder, device, mixing=options.strength < 1), options)


class _Nothing(Exception):
    """No image was made, so the tar of before stays."""


class _Unwritten(Exception):
    """A tar could not be written on; whatever comes behind would be garbage."""


def _work(work: Work) -> int:
    """How many images were made; what fails is named, and ends neither the worker nor the others."""
    stylist = _stylist()
    try:
        return stylist.draw(work.jobs) if work.tar is None else _fill(stylist, work)
    except (_Unwritten, UserError) as error:
        announce(f"left out: {error}")
        return 0


def _fill(stylist: FileStylist, work: Work) -> int:
    """Write a tar anew, with the images that it held and those that can be made now, in the order of its rows."""
    tar, made = work.tar, 0
    assert tar is not None
    held = {member.name: member for member in members(tar)} if tar.is_file() else {}
    rows = iter(work.rows)
    with suppress(_Nothing), writing_tar(tar) as add:

        def put(row: Row, image: bytes) -> None:
            files = {row.name: image, **{name: label.read() for name, label in row.labels}}
            try:
                for name, data in files.items():
                    add(name, data)
            except OSError as error:
                raise _Unwritten(f"{tar}: {error.strerror or error}") from error

        def copy_up_to(job: Job | None) -> Row | None:
            """Take over what was there before the row of a job (None: to the end), and return that row."""
            for row in rows:
                if row.job == job:
                    return row
                if row.name in held:
                    put(row, held[row.name].read())
            return None

        def keep(job: Job, image: bytes) -> None:
            row = copy_up_to(job)
            assert row is not None, job
            put(row, image)

        made = stylist.draw(work.jobs, keep)
        if not made:
            raise _Nothing
        copy_up_to(None)
    return made
