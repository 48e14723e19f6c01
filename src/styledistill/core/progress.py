"""Progress of long loops: a bar on a terminal, plain lines in a log, a line a minute on Snakemake's own terminal."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOG_SECONDS = 10.0
_TERMINAL_SECONDS = 60.0


def progress(items: Iterable[T], *, unit: str, total: int | None = None, label: str = "") -> Iterator[T]:
    """Yield `items` and show how far the loop is."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    if sys.stderr.isatty():
        from tqdm import tqdm  # here, since it takes a tenth of a start

        yield from tqdm(items, unit=unit, total=total, desc=label or None)
        return
    meter = Meter(unit=unit, total=total, label=label)
    for item in items:
        yield item
        meter.advance()
    meter.close()


class Meter:
    """Counts finished units and says so now and then; for loops that do not run over a list."""

    def __init__(self, *, unit: str, total: int | None = None, label: str = "") -> None:
        self.unit, self.total, self.label = unit, total, label
        self.done, self.note = 0, ""
        self._start = self._logged = self._shown = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are done; `note` (a loss, say) stands behind the next line."""
        self.done, self.note = self.done + count, note or self.note
        now = time.monotonic()
        if now - self._logged >= _LOG_SECONDS:
            self._logged = now
            _to_log(self._line(now))
        if now - self._shown >= _TERMINAL_SECONDS:
            self._shown = now
            to_terminal(self._line(now))

    def close(self) -> None:
        """Say how much was done in all."""
        _to_log(self._line(time.monotonic()))

    def _line(self, now: float) -> str:
        seconds = max(now - self._start, 1e-9)
        rate = self.done / seconds
        left = f", {(self.total - self.done) / rate:.0f} s left" if self.total and 0 < self.done < self.total else ""
        head = f"{self.label}: " if self.label else ""
        tail = f" ({self.note})" if self.note else ""
        if self.unit == "byte":
            of = f" of {megabytes(self.total)}" if self.total is not None else ""
            return f"{head}{megabytes(self.done)}{of} in {seconds:.0f} s, {megabytes(rate)}/s{left}{tail}"
        of = f" of {self.total}" if self.total is not None else ""
        return f"{head}{self.done}{of} {self.unit}s in {seconds:.0f} s, {rate:.3g}/s{left}{tail}"


def megabytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.1f} MB"


def on_one_line(text: str) -> str:
    """A text whose line breaks and other control characters are spelled out, as `\\n`."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def announce(line: str) -> None:
    """Say something that a user should not miss: in the log, and on Snakemake's own terminal.

    It stays one line whatever names of files stand in it: their line breaks and control characters are spelled out.
    """
    line = on_one_line(line)
    _to_log(line)
    to_terminal(line)


def _to_log(line: str) -> None:
    with suppress(OSError):  # a full disk: the image that does not fit will say so, with its name
        print(line, file=sys.stderr, flush=True)


def to_terminal(line: str) -> None:
    """Write a line past the job's log.

    The rules hand their terminal down as an extra file descriptor, since a job's own output goes to its log."""
    descriptor = os.environ.get("STYLEDISTILL_TERMINAL")
    if descriptor:
        try:
            os.write(int(descriptor), (line + "\n").encode())
        except OSError:  # the terminal has been closed; the log still has every line
            del os.environ["STYLEDISTILL_TERMINAL"]
