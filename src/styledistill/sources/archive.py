"""Sources that lie in archives, here or on a server: what they list, and how the images that a run takes get here.

The list of an archive's images is asked for once and kept in `resources/downloads/<source>/list.json`; what it says
is pinned in the lock. Images come in batches into the store beside it, and are read from there alone: whoever crops
needs no network. An archive of this disk may be replaced by its owner: by its size and time that is noticed, and its
list and its images are made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from shutil import rmtree
from urllib.parse import urlsplit

from ..config import ArchiveSource, HubSource
from ..core.errors import BadImage, UserError
from ..core.files import canonical_json, read_json, sha256_bytes, write_text
from ..core.image_files import LeftOut
from ..core.places import braced, meant, on_server
from ..core.progress import Meter, announce, megabytes
from ..downloads import hub
from ..downloads.addresses import conceal
from ..downloads.http import fetch_file, size_there
from ..downloads.http_ranges import LocalPieces, Pieces, RemotePieces
from ..downloads.lock import alone, forget, pin, pinned
from .archive_file import (
    Archive,
    check_local,
    checked_once,
    image_id,
    names_in,
    some_groups,
    spread,
    wanted_ids,
    wanted_members,
)
from .archive_formats import (
    Contents,
    Extracted,
    Member,
    extract_parquet,
    extract_tar,
    extract_zip,
    list_parquet,
    list_tar,
    list_zip,
    pages_checked,
)
from .archive_store import Store

FOLDER = Path("resources/downloads")  # below the working directory
_FOOTERS_AT_ONCE = 8
_UNCHECKED = "unchecked: rows of a file without checksums, pinned as they first came"

Listed = ArchiveSource | HubSource


class Archives:
    """A source of kind archive or hub."""

    def __init__(self, source: Listed, folder: Path = FOLDER) -> None:
        if isinstance(source, ArchiveSource):
            source = source.model_copy(update={"address": conceal(source.address)})
        self.source, self._downloads = source, folder
        facts = source.model_dump(include={"kind", "address", "repo", "revision", "files", "column", "images"})
        if "images" in facts:
            facts["pictures"] = facts.pop("images")  # by this word folders of before are found again
        if source.on_hub and source.whole:
            facts["whole"] = True  # its images are checked, and replace none that are not
        head = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in source.folder_name)
        self.folder = folder / f"{head[:60]}-{sha256_bytes(canonical_json(facts).encode())[:8]}"
        self.store = Store(self.folder / "pictures")

    @property
    def listed(self) -> bool:
        """Whether the list is here and of the archives that are here, so that `names` only reads it."""
        return (self.folder / "list.json").is_file() and not self._replaced

    @property
    def _replaced(self) -> bool:
        """Whether an archive of this disk is another one than that which was listed."""
        if not (self.folder / "list.json").is_file() or not (stamp := self.source.stamp()):
            return False
        made_of = self.folder / "made_of.json"
        return not made_of.is_file() or read_json(made_of) != stamp

    def names(self) -> list[str]:
        """Ids of all images that fit the pattern, sorted; the list is fetched where it is not here."""
        pattern, found = self.source.pattern, []
        with nullcontext() if self.listed else alone(self.folder):
            lists = self._list()
        for archive, members in lists:
            rows = archive.form == "parquet"  # which have no names
            names = [name for name in names_in(archive, members) if rows or fnmatchcase(name, pattern)]
            found += [image_id(archive, name) for name in names]
        if not found:
            first = "".join(f"; {left.name} is left out: {left.reason}" for left in self.left_out()[:1])
            raise UserError(f"{self.source.title}: no images there (looked for {pattern}{first}).")
        return sorted(found)

    def left_out(self) -> list[LeftOut]:
        """What lies in the archives and is not taken, as far as the pattern asks for it.

        Nothing of a list that was made before this was written down.
        """
        if not (kept := self.folder / "left_out.json").is_file():
            return []
        return [
            LeftOut(f"{archive}/{name}" if archive else name, reason)
            for archive, name, reason in read_json(kept)
            if fnmatchcase(name, self.source.pattern)
        ]

    def bring(self, images: Iterable[str], label: str = "") -> dict[str, int]:
        """Fetch those of `images` that are not here; says beforehand how many bytes will come.

        Returns how many images were wanted and how many had to be fetched. Raises UserError.
        """
        wanted = set(images)
        lacking = self._lacking(wanted)
        if lacking or self._replaced:
            with alone(self.folder):  # another job may be bringing just these
                if not self.listed:
                    self._make_list()  # which leaves no images of an archive that has been replaced
                if lacking := self._lacking(wanted):
                    self._bring(lacking, len(wanted), label or self.source.title)
        return {"images": len(wanted), "fetched": len(lacking)}

    def _lacking(self, wanted: set[str]) -> set[str]:
        return {image for image in wanted if image not in self.store}

    def _bring(self, lacking: set[str], wanted: int, label: str) -> None:
        plan = [
            (archive, chosen)
            for archive, members in self._list()
            if (chosen := wanted_members(archive, members, lacking))
        ]
        known = {image for archive, chosen in plan for image in wanted_ids(archive, chosen, lacking)}
        if unknown := lacking - known:
            raise UserError(f"{self.source.title}: there is no image {min(unknown)!r}.")
        total, unknown = self._total([archive for archive, _ in plan])
        total += sum(member.stop - member.start for archive, chosen in plan for member in self._pieced(archive, chosen))
        announce(f"{label}: {len(lacking):,} of {wanted:,} images are not here; {megabytes(total)} to fetch{unknown}")
        meter = Meter(unit="byte", total=total, label=label)
        pins: dict[str, str] = {}
        try:
            for archive, chosen in plan:
                pins |= self._unchecked(archive, chosen)
                for image, data in self._extract(archive, chosen, lacking, meter):
                    pins |= self._keep(archive, image, data)
        finally:
            pin(self._downloads, pins)  # what came before a failure is kept, and so is its pin
        meter.close()
        if absent := self._lacking(lacking):
            raise UserError(
                f"{self.source.title}: {min(absent)!r} is not where it was when the archive was listed. Has it "
                f"changed? Remove {self.folder / 'list.json'} and run again."
            )

    def _unchecked(self, archive: Archive, groups: Sequence[Member]) -> dict[str, str]:
        """What the lock says of rows that come by the piece, with nothing to check them by the first time."""
        if archive.form != "parquet" or not archive.remote or self.source.whole:
            return {}
        if pages_checked(self._pieces(archive), groups[0]):
            return {}
        announce(
            f"{archive.name or archive.address}: nothing says what its rows must be (no checksums in it, and a hash of "
            f"the whole says nothing of a piece); they are pinned as they come now. `whole: true` of the source checks."
        )
        return {f"{archive.address}#rows": _UNCHECKED}

    def _keep(self, archive: Archive, image: str, data: bytes | BadImage) -> dict[str, str]:
        if isinstance(data, BadImage):
            self.store.put_bad(image, str(data))
            return {}
        # A row has an image in each column, and two sources may take one of them each.
        other = archive.form == "parquet" and self.source.column != "image"
        what = f"{self.source.title}#{image}" + (f" {self.source.column}" if other else "")
        digest = sha256_bytes(data)
        if (known := pinned(self._downloads, what)) is not None and known != digest:
            pin(self._downloads, {what: digest})  # says how to go on
        self.store.put(image, data)
        return {what: digest}

    # --- lists ---------------------------------------------------------------------------------------------------

    def _list(self) -> list[tuple[Archive, list[Member]]]:
        if not self.listed:
            self._make_list()
        return [
            (Archive(**entry["archive"]), [Member(*member) for member in entry["members"]])
            for entry in read_json(self.folder / "list.json")
        ]

    def _make_list(self) -> None:
        stamp, what = self.source.stamp(), f"{self.folder.name}#list"
        archives = self._archives()
        lists = list(self._lists(archives))
        found = [{"archive": asdict(archive), "members": contents.members} for archive, contents in lists]
        if stamp and pinned(self._downloads, what) is None:  # new, or its owner has said that another one is right
            forget(self._downloads, f"{self.source.title}#")
        pin(self._downloads, {what: sha256_bytes(canonical_json(found).encode())})
        if stamp:
            rmtree(self.store.folder, ignore_errors=True)  # what an archive before this one left, bad images too
        # Beside the list and not in it, for the list's hash is pinned.
        left_out = [(archive.name, *left) for archive, contents in lists for left in contents.left_out]
        write_text(self.folder / "left_out.json", canonical_json(left_out))
        write_text(self.folder / "list.json", canonical_json(found))
        write_text(self.folder / "made_of.json", canonical_json(stamp))

    def _archives(self) -> list[Archive]:
        if isinstance(self.source, HubSource):
            what = f"{self.source.title}@{self.source.revision}"
            commit, files = hub.dataset_files(
                self.source.repo, pinned(self._downloads, what) or self.source.revision, self.source.files
            )
            pin(self._downloads, {what: commit})
            places = (hub.address(self.source.repo, commit, file.name) for file in files)
            return [Archive(f.name, place, f.size, f.sha256) for f, place in zip(files, places, strict=True)]
        address = self.source.address
        places = braced(address) if on_server(address) else [str(place) for place in meant(address)]
        if not places:
            advice = "Put the archives there, or set the source's address to yours."
            raise UserError(f"{address}: no such file. {advice}")
        several = any(letter in address for letter in "{*?[")
        checks = (self.source.bytes, self.source.sha256, self.source.md5) if not several else (None, None, None)
        names = [PurePosixPath(place).name if several else "" for place in places]
        if len(set(names)) != len(names):
            raise UserError(f"{address}: several archives of one name; give each its own source")
        return [Archive(name, place, *checks) for name, place in zip(names, places, strict=True)]

    def _lists(self, archives: Sequence[Archive]) -> Iterator[tuple[Archive, Contents]]:
        limit = self.source.limit
        if limit is not None and any(archive.form != "parquet" for archive in archives):
            taken = 0
            for archive in sorted(archives, key=lambda one: spread(one.name)):
                if taken < limit:
                    self._announce_whole([archive], f"{archive.name}, for {limit - taken:,} images")
                    known, contents = self._opened(archive)
                    taken += len(contents.members)
                    yield known, contents
            return
        now = [one for one in archives if one.form != "image" and not self._listed_by_pieces(one)]
        self._announce_whole(now, "whose images are then listed")
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            lists = list(pool.map(self._opened, archives))
        yield from lists if limit is None else some_groups(lists, limit)

    def _opened(self, archive: Archive) -> tuple[Archive, Contents]:
        """An archive with its size, and what lies in it."""
        if archive.form == "image":
            only = Member(PurePosixPath(urlsplit(archive.address).path).name, 0, archive.size or 0, [])
            return archive, Contents([only], [])
        if not archive.remote:
            check_local(archive)
            archive = Archive(archive.name, archive.address)  # what it is checked by is no part of the list
        if archive.form == "tar":
            return archive, list_tar(self._whole(archive))
        pieces = self._ranges(archive) if self._listed_by_pieces(archive) else self._pieces(archive)
        zipped = archive.form == "zip"
        contents = list_zip(pieces) if zipped else Contents(list_parquet(pieces, self.source.column), [])
        return replace(archive, size=pieces.size), contents

    # --- bytes ---------------------------------------------------------------------------------------------------

    def _comes_whole(self, archive: Archive) -> bool:
        """Whether it is on a server, not here, and wanted as a whole file."""
        whole = archive.form in ("tar", "image") or self.source.whole
        return archive.remote and whole and not self._place(archive).is_file()

    def _listed_by_pieces(self, archive: Archive) -> bool:
        """Whether its list comes by range requests even where the file is to come whole: rows of few files may do."""
        return self.source.on_hub and archive.form == "parquet"

    def _pieced(self, archive: Archive, members: Sequence[Member]) -> Sequence[Member]:
        """Those that come by range requests."""
        whole = archive.form in ("tar", "image") or self.source.whole
        return members if archive.remote and not whole else ()

    def _size(self, archive: Archive) -> int | None:
        return archive.size or size_there(archive.url, self._headers())

    def _total(self, archives: Sequence[Archive]) -> tuple[int, str]:
        """Bytes of the whole files to come, and words for those of which no server tells the size."""
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            sizes = list(pool.map(self._size, [archive for archive in archives if self._comes_whole(archive)]))
        unknown = sizes.count(None)
        return sum(filter(None, sizes)), f" (without {unknown} whose size no server tells)" if unknown else ""

    def _announce_whole(self, archives: Sequence[Archive], why: str) -> None:
        """Whole archives come while their images are listed: say so before."""
        if count := sum(map(self._comes_whole, archives)):
            total, unknown = self._total(archives)
            files = "one whole file" if count == 1 else f"{count} whole files"
            announce(f"{self.source.title}: {megabytes(total)} to fetch{unknown}: {files}, {why}")

    def _extract(
        self, archive: Archive, members: list[Member], lacking: set[str], meter: Meter
    ) -> Iterator[tuple[str, bytes | BadImage]]:
        if self._comes_whole(archive):
            meter.advance(self._whole(archive).stat().st_size)
        if archive.form == "parquet":
            groups = {}
            for group in members:
                number, first, count = group.facts
                rows = [row for row in range(count) if image_id(archive, str(first + row)) in lacking]
                groups[number] = rows
            found: Iterable[Extracted] = (
                (str(row), data)
                for row, data in extract_parquet(self._pieces(archive, meter), self.source.column, groups)
            )
        elif archive.form == "tar":
            found = extract_tar(self._whole(archive), members)
        elif archive.form == "image":
            path = self._whole(archive)
            found = [(members[0].name, path.read_bytes())]
        else:
            found = extract_zip(self._pieces(archive, meter), members, archive.remote and not self.source.whole)
        for name, data in found:
            yield image_id(archive, name), data

    def _pieces(self, archive: Archive, meter: Meter | None = None) -> Pieces:
        if not archive.remote or self.source.whole:
            return LocalPieces(self._whole(archive))
        return self._ranges(archive, meter)

    def _ranges(self, archive: Archive, meter: Meter | None = None) -> RemotePieces:
        count = (lambda _: None) if meter is None else meter.advance
        parts = self.folder / "parts" / sha256_bytes(archive.address.encode())[:16]
        return RemotePieces(archive.url, archive.size, headers=self._headers(), on_bytes=count, parts=parts)

    def _headers(self) -> dict[str, str]:
        return hub.headers() if self.source.on_hub else {}

    def _place(self, archive: Archive) -> Path:
        # Files of a hub may be of one name in several folders; of archives such are refused.
        name = archive.name.replace("/", "--") or PurePosixPath(urlsplit(archive.address).path).name
        return self.folder / "whole" / name

    def _whole(self, archive: Archive) -> Path:
        """The archive as a file of this disk; fetched where it lies on a server, and checked once."""
        if not archive.remote:
            path = Path(archive.address)
            if not path.is_file():
                raise UserError(f"{path}: no such file. Put the archive there, or set the source's address to yours.")
            return path
        path = self._place(archive)
        known = archive.sha256 or pinned(self._downloads, archive.address) or ""
        if path.is_file():
            digest = checked_once(path, known, archive.size, archive.md5, path.stat().st_mtime_ns)
        else:
            digest = fetch_file(archive.url, path, known, archive.size, md5=archive.md5, headers=self._headers())
        pin(self._downloads, {archive.address: digest})
        return path
