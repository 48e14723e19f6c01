"""What lies in a zip, a tar or a parquet file, and how one member of it is read.

Each format lists its members without reading them (`list_*`) and gives the bytes of those wanted (`extract_*`). Nothing
is unpacked under its own name, so no name can lead out of a folder; archives that try are refused all the same.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import BadImage, UserError
from ..core.image_files import MAX_BYTES, LeftOut, climbs_out, is_image, left_out_of, slashed
from ..downloads.http_ranges import Pieces
from .samples import check_end

_PIECE = 1 << 20
_AT_ONCE = 8  # requests to one server
_PAGE_HEAD = 32  # bytes that hold the first fields of a parquet page's header
_NEXT_NUMBER = b"\x15"  # the field after the one before (1 << 4), an i32 (5)
# What the readers of archives raise besides their own errors where bytes are not what they should be.
_DAMAGED = (OSError, EOFError, ValueError, ArithmeticError, LookupError, NotImplementedError, struct.error)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack all at once, however much that is

# Names of no encoding are told apart by their bytes, written out.
_NAMES: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}

Extracted = tuple[str, bytes | BadImage]


class Member(NamedTuple):
    """One image of an archive: its name there, where its bytes begin and end, and what its format needs to know."""

    name: str
    start: int
    stop: int
    facts: list[int]


class Contents(NamedTuple):
    """The images of an archive, and what else lies in it, with the reason why it is not taken."""

    members: list[Member]
    left_out: list[LeftOut]


def _refuse_climbing(archive: str, name: str) -> None:
    if climbs_out(name):
        raise UserError(f"{archive}: refused, because it holds a path that climbs out of its folder ({name!r}).")


def _last_of_each_name(members: Iterable[Member]) -> list[Member]:
    """An archive to which a newer image of a known name was appended means that one; so tar and unzip take it."""
    return list({member.name: member for member in members}.values())


def _one_line(error: Exception) -> str:
    """The first line of what a library says; some tell all their attempts."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")


# --- zip --------------------------------------------------------------------------------------------------------


def list_zip(pieces: Pieces) -> Contents:
    """What lies in a zip by its table of contents, which stands at its end. Raises UserError."""
    from ..downloads.piece_file import PieceFile

    try:
        with zipfile.ZipFile(PieceFile(pieces)) as archive:
            entries, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, *_DAMAGED) as error:
        raise UserError(f"{pieces.name}: cannot be read as a zip ({_one_line(error)}). Is it whole?") from error
    for entry in entries:
        _refuse_climbing(pieces.name, entry.filename)
        if not 0 <= entry.header_offset < end:
            raise UserError(
                f"{pieces.name}: cannot be read as a zip ({entry.filename!r} would begin behind its end). Is it whole?"
            )
    places = sorted({entry.header_offset for entry in entries} | {end})
    behind = dict(pairwise(places))
    members = _last_of_each_name(
        Member(
            entry.filename,
            entry.header_offset,
            behind[entry.header_offset],
            [entry.compress_size, entry.file_size, entry.CRC, entry.compress_type, entry.flag_bits],
        )
        for entry in entries
        if is_image(slashed(entry.filename))
    )
    return Contents(members, left_out_of(entry.filename for entry in entries if not entry.is_dir()))


def extract_zip(pieces: Pieces, members: Iterable[Member], remote: bool) -> Iterator[Extracted]:
    """The members' bytes, checked by length and CRC-32; a BadImage in place of what cannot be unpacked.

    remote: wrong bytes are then the transfer's fault, asked for once more and, if still wrong, a UserError.
    """

    def one(member: Member) -> Extracted:
        try:
            raw = pieces.read(member.start, member.stop)
            try:
                return member.name, _unpacked(raw, member)
            except BadImage:
                if not remote:
                    raise
            return member.name, _unpacked(pieces.read(member.start, member.stop), member)
        except BadImage as error:
            if remote and isinstance(error, _WrongBytes):
                raise UserError(
                    f"{pieces.name}: {member.name!r} comes with wrong bytes ({error}). Try later."
                ) from error
            return member.name, error

    yield from _side_by_side(one, members) if remote else map(one, members)


class _WrongBytes(BadImage):
    """The bytes are not those that the archive's table of contents promises."""


def _unpacked(raw: bytes, member: Member) -> bytes:
    """What `raw`, a member with the header before it, unpacks to: a zip for zipfile, without a table of contents."""
    entry = zipfile.ZipInfo(member.name)
    entry.compress_size, size, entry.CRC, method, flags = member.facts
    entry.file_size, entry.compress_type, entry.flag_bits, entry.header_offset = size, method, flags, 0
    if flags & 1:
        raise BadImage("encrypted in its archive")
    if method not in _METHODS:
        raise BadImage(f"packed by method {method}, which only few programs know")
    if size > MAX_BYTES:
        raise BadImage(f"unpacks to {size:,} bytes, over {MAX_BYTES:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(raw), "a") as archive, archive.open(entry) as file:
            data = file.read(size)  # no more is unpacked than the table of contents promises
    except (zipfile.BadZipFile, zlib.error, *_DAMAGED) as error:
        raise _WrongBytes(_one_line(error)) from error
    if len(data) != size:
        raise _WrongBytes(f"{len(data):,} bytes, expected {size:,}")
    return data


def _side_by_side(one: Callable[[Member], Extracted], members: Iterable[Member]) -> Iterator[Extracted]:
    """In the order of `members`; few at once, so that memory stays flat."""
    waiting = list(members)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for first in range(0, len(waiting), 4 * _AT_ONCE):
            yield from pool.map(one, waiting[first : first + 4 * _AT_ONCE])


# --- tar (and WebDataset, which is tar) -------------------------------------------------------------------------


def list_tar(path: Path) -> Contents:
    """What lies in a tar on this disk, packed or not, read to its end: a packed one has its checksums behind.

    Raises UserError, also where it does not end behind its last member.
    """
    members, names, no_files = [], [], []
    with _opened(path) as archive:
        for place in archive:
            _refuse_climbing(str(path), place.name)
            if not place.isreg() or place.sparse:
                if is_image(slashed(place.name)) and not place.isdir():
                    no_files.append(place.name)
                continue
            names.append(place.name)
            if is_image(slashed(place.name)):
                members.append(Member(place.name, place.offset_data, place.offset_data + place.size, []))
        check_end(archive)
        while archive.fileobj.read(_PIECE):
            pass
    links = [LeftOut(name, "a link or another entry without bytes of its own") for name in no_files]
    return Contents(_last_of_each_name(members), sorted([*left_out_of(names), *links]))


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """A tar whose faults are UserErrors, while it is opened and while it is read."""
    try:
        with tarfile.open(path, **_NAMES) as archive:
            yield archive
    except UserError:
        raise
    except (tarfile.TarError, zlib.error, lzma.LZMAError, *_DAMAGED) as error:
        if isinstance(error, OSError) and error.strerror:  # of the system: no permission, say
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        raise UserError(f"{path}: cannot be read as a tar ({_one_line(error)}). Is it whole?") from error


def extract_tar(path: Path, members: Iterable[Member]) -> Iterator[Extracted]:
    """The members' bytes, in the order of the file: a packed tar is unpacked once."""
    wanted = {(member.name, member.start) for member in members}
    with _opened(path) as archive:
        for place in archive:
            if (place.name, place.offset_data) in wanted:
                if place.size > MAX_BYTES:
                    yield place.name, BadImage(f"{place.size:,} bytes, over {MAX_BYTES:,}")
                    continue
                file = archive.extractfile(place)
                assert file is not None, "only regular files are listed"
                yield place.name, file.read()


# --- parquet ----------------------------------------------------------------------------------------------------


def list_parquet(pieces: Pieces, column: str) -> list[Member]:
    """The row groups of a parquet file by its footer; `start` to `stop` is the column chunk with the images' bytes.

    facts: number of the group, its first row, how many rows it has. An image's name is the number of its row.
    Raises UserError where there is no such column.
    """
    metadata = _parquet(pieces).metadata
    paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    leaves = [number for number, path in enumerate(paths) if path in (column, f"{column}.bytes")]
    if not leaves:
        known = ", ".join(dict.fromkeys(path.split(".")[0] for path in paths))
        raise UserError(
            f"{pieces.name}: no column {column!r} with images' bytes; there are {known}. "
            "Set `column`, or `roles` of triplets, to one of them."
        )
    groups, first = [], 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunk = group.column(leaves[0])
        start = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
        stop = start + chunk.total_compressed_size
        groups.append(Member(str(number), start, stop, [number, first, group.num_rows]))
        first += group.num_rows
    return groups


def pages_checked(pieces: Pieces, group: Member) -> bool:
    """Whether the pages of a row group carry checksums; most writers of data sets leave them out.

    The first page's header tells it: fields 1 to 3 are numbers that every page has, field 4 is its CRC-32 (Thrift's
    compact protocol; PageHeader of the parquet format).
    """
    head, place = pieces.read(group.start, min(group.stop, group.start + _PAGE_HEAD)), 0
    for _ in range(3):
        place += 1  # what field it is
        while place < len(head) and head[place] & 128:  # a number goes on while its bytes have the highest bit
            place += 1
        place += 1
    return head[place : place + 1] == _NEXT_NUMBER


def extract_parquet(
    pieces: Pieces, column: str, groups: dict[int, list[int]]
) -> Iterator[tuple[int, bytes | BadImage]]:
    """(row of the file, bytes of its image). groups: number of each row group -> wanted rows within it.

    Pages are checked by their CRC-32 where they carry one (`pages_checked`). Where they do not, a wrong byte is noticed
    only if the packing breaks by it: nothing in the file, and no hash of the whole of it, tells a piece's right bytes.
    """
    import pyarrow as pa

    file = _parquet(pieces)
    for number, rows in sorted(groups.items()):
        first = sum(file.metadata.row_group(before).num_rows for before in range(number))
        try:
            cells = file.read_row_group(number, columns=[column], use_threads=False).column(column)
        except (pa.ArrowException, *_DAMAGED) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{pieces.name}: row group {number} cannot be read ({reason}). Run again, or get it anew."
            ) from error
        for row in rows:
            yield first + row, _bytes_of(cells[row].as_py())


def _bytes_of(cell: Any) -> bytes | BadImage:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data if isinstance(data, bytes) and data else BadImage("no bytes in its row")


def _parquet(pieces: Pieces) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..downloads.piece_file import PieceFile

    try:
        # Only the columns asked for are read, each chunk with one request.
        file = pa.PythonFile(PieceFile(pieces), mode="r")
        return pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, *_DAMAGED) as error:
        raise UserError(f"{pieces.name}: cannot be read as parquet ({_one_line(error)}). Is it whole?") from error
