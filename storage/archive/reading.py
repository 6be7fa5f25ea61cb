"""Reading an archive that anyone may have made: nothing is believed, and never more read than was declared."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from engine.model.errors import UsageError
from engine.model.text import one_line
from storage.archive.form import MANIFEST, MAX_MANIFEST, MAX_MEMBERS, Manifest, Member, Refused
from storage.progress import Told

_CHUNK = 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024  # bytes; a row's bodies are at most 16 KB each, however they are escaped
_MAX_DIRECTORY = 256 * MAX_MEMBERS  # bytes of a zip's table of contents, which is read whole
_NAME = re.compile(rf"{re.escape(MANIFEST)}|records/[a-z_]{{1,40}}\.jsonl|blobs/[0-9a-f]{{64}}")
_END = struct.Struct("<4s4H2LH")  # the record that ends a zip, its zip64 form, and what says where that is
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENCRYPTED = 0x1


class _Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...


@contextlib.contextmanager
def open_archive(path: Path, limit: int, told: Told) -> Generator[Archive]:
    """An archive whose manifest was read and whose members are what it lists, as far as their names and sizes say.

    Raises:
        UsageError: there is no such file.
        Refused: it is no archive, a damaged one, one of another format, or would unpack to more than `limit` bytes.
    """
    try:
        # Non-blocking, so that a pipe under this name cannot hold us up.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Refused("it is no regular file.")
    with os.fdopen(number, "rb") as file:
        with _damage():
            _check_ends(file)
            archive = ZipFile(file)
        with archive:
            yield Archive(archive, limit, told)


class Archive:
    """An open archive."""

    def __init__(self, archive: ZipFile, limit: int, told: Told) -> None:
        self._archive = archive
        self._told = told
        self._done = 0
        self._entries = _entries(archive.infolist())
        self.size = sum(entry.file_size for entry in self._entries.values())  # bytes, unpacked
        if self.size > limit:
            raise Refused(
                f"it would unpack to {self.size:,} bytes; at most {limit:,} are taken.",
                "If you trust it and there is room on the disk, say how much with --max-size.",
            )
        self.manifest = self._manifest()

    def blobs(self) -> Iterator[tuple[str, Checked]]:
        """The stored content: its SHA-256, and where it is to be read from."""
        for name in self._entries:
            if name.startswith("blobs/"):
                with self._reading(name) as source:
                    yield name.removeprefix("blobs/"), source

    def tables(self) -> list[str]:
        """The tables that it has rows of."""
        names = (name.partition("/") for name in self._entries)
        return [rest.removesuffix(".jsonl") for folder, _, rest in names if folder == "records"]

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member. At the end it is certain that they are what the manifest says, not before."""
        rest = b""
        with self._reading(name) as source:
            while data := source.read(_CHUNK):
                *whole, rest = (rest + data).split(b"\n")
                yield from whole
                if len(rest) > _MAX_LINE:
                    raise Refused(f"{name} has a line of more than {_MAX_LINE:,} bytes.")
        if rest:
            raise Refused(f"{name} ends in the middle of a line.")

    @contextlib.contextmanager
    def _reading(self, name: str) -> Generator[Checked]:
        with _damage(name):
            opened = self._archive.open(self._entries[name])
        with opened as source:
            yield Checked(source, name, self.manifest.members[name], self._count)

    def _count(self, size: int) -> None:
        self._done += size
        self._told("unpacked and checked", self._done, self.size)

    def _manifest(self) -> Manifest:
        entry = self._entries.pop(MANIFEST, None)
        if entry is None:
            raise Refused(
                f"it has no {MANIFEST}.", "`cmbagent-tui export SESSION --as zip` makes what can be imported."
            )
        if entry.file_size > MAX_MANIFEST:
            raise Refused(f"its {MANIFEST} is too large ({entry.file_size:,} bytes).")
        with _damage(MANIFEST):
            data = self._archive.read(entry)
        manifest = Manifest.decode(data)
        for name in sorted(manifest.members.keys() ^ self._entries.keys()):
            where = "is listed and not there" if name in manifest.members else "is not in its manifest"
            raise Refused(f"{one_line(name, 100)!r} {where}.")
        for name, entry in self._entries.items():
            _check_size(name, entry.file_size, manifest.members[name])
            if name.startswith("blobs/") and name != f"blobs/{manifest.members[name].sha256}":
                raise Refused(f"{name} is listed with another SHA-256 than its name.")
        return manifest


class Checked:
    """A member that is read to its end: more or less than the manifest says, or something else, is refused there."""

    def __init__(self, source: _Readable, name: str, member: Member, count: Callable[[int], None]) -> None:
        self._source, self._name, self._member, self._count = source, name, member, count
        self._digest, self._size = hashlib.sha256(), 0

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end.

        Raises:
            Refused: it is damaged, or not what was declared.
        """
        with _damage(self._name):
            data = self._source.read(size)
        self._digest.update(data)
        self._size += len(data)
        self._count(len(data))
        if not data or self._size > self._member.size:
            _check_size(self._name, self._size, self._member)
            if self._digest.hexdigest() != self._member.sha256:
                raise Refused(f"{self._name} is not what its manifest says: its SHA-256 is another.")
        return data


def _entries(listed: list[ZipInfo]) -> dict[str, ZipInfo]:
    """The members by name, in the archive's order, none of which is anything but a file that belongs there."""
    entries: dict[str, ZipInfo] = {}
    for entry in listed:
        name = entry.orig_filename  # `filename` ends where a NUL stands
        said = repr(one_line(name, 100))
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or name[1:2] == ":":
            raise Refused(f"{said} leads outside of it.")
        if kind == stat.S_IFLNK:
            raise Refused(f"{said} is a symbolic link.")
        if not _NAME.fullmatch(name) or name != entry.filename or kind not in (0, stat.S_IFREG):
            raise Refused(f"{said} does not belong in an archive.")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise Refused(f"{said} is encrypted, or compressed in a way that is not used here.")
        if name in entries:
            raise Refused(f"{said} is there twice.")
        entries[name] = entry
    return entries


def _check_size(name: str, size: int, member: Member) -> None:
    if size != member.size:
        raise Refused(f"{name} is not what its manifest says: {size:,} bytes instead of {member.size:,}.")


def _check_ends(file: BinaryIO) -> None:
    """Look at the record that ends a zip, before anything as long as it says is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    begins_well = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    tail = _tail(file, size, _END.size)
    if tail[:4] != b"PK\x05\x06" or not begins_well:
        raise Refused("it is cut off: its end is missing." if begins_well else "it is no zip archive.")
    _, _, _, _, count, length, _, comment = _END.unpack(tail)
    locator = _tail(file, size - _END.size, _LOCATOR.size)
    if locator[:4] == b"PK\x06\x07":
        end64 = _tail(file, size - _END.size - _LOCATOR.size, _END64.size)
        if end64[:4] != b"PK\x06\x06":
            raise Refused("it is damaged: its table of contents is not where it should be.")
        count, length = _END64.unpack(end64)[7:9]
    if comment or count > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise Refused(f"it claims to have {count:,} members; an archive has at most {MAX_MEMBERS:,}.")


def _tail(file: BinaryIO, end: int, size: int) -> bytes:
    """The last bytes before a place; fewer than asked for where there are not so many."""
    start = max(0, end - size)
    file.seek(start)
    return file.read(max(0, end) - start).rjust(size, b"\0")


@contextlib.contextmanager
def _damage(name: str = "") -> Generator[None]:
    """Say in words what the zip library stumbled over."""
    try:
        yield
    except (BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError) as error:
        raise Refused(f"{name or 'it'} is damaged: {one_line(str(error), 200) or 'it ends too early'}.") from error
