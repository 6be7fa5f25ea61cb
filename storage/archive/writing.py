"""Writing a session into an archive: a consistent picture of it, also while its runs go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from engine.model.errors import NotFound, StorageError
from engine.model.records import ApprovalState
from storage import migrate, sqlite
from storage.archive.form import (
    CARRIED,
    MANIFEST,
    MAX_MEMBERS,
    Manifest,
    Member,
    blob_of,
    columns_of,
    rows_of,
)
from storage.blobs import FileBlobs
from storage.bodies import named, unpack
from storage.codec import APPROVAL, ARTIFACT, ATTEMPT, CHECKPOINT, EVENT, RUN, SESSION, SESSION_STATE, Codec
from storage.location import Location
from storage.progress import Told

_CHUNK = 1024 * 1024
_THE_SAME_DAY = (1980, 1, 1, 0, 0, 0)  # a zip's first, so that the same session gives the same bytes
_WORTH_IT = 0.9  # of its size; what does not become smaller than that is not compressed


def write_archive(location: Location, session_id: str, target: Path, program: str, told: Told) -> None:
    """Write a session to `target`, which is there whole or not at all.

    Raises:
        NotFound: there is no such session.
        StorageError: the database is of another revision, content is missing or damaged, or the disk refused.
    """
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        with contextlib.closing(sqlite.connect(location.database, read_only=True)) as connection:
            # What is sorted may be large: it goes to the disk then, not to memory.
            connection.execute("PRAGMA temp_store=FILE")
            with open(part, "xb", opener=_private) as file:
                with ZipFile(file, "w") as archive:
                    _Writer(archive, connection, location, told).write(session_id, program)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
    except sqlite3.Error as error:
        raise sqlite.explain(error, location.database) from error
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}.", "Name another place with --output.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Writer:
    """One archive as it is written."""

    def __init__(self, archive: ZipFile, connection: sqlite3.Connection, location: Location, told: Told) -> None:
        self._archive = archive
        self._connection = connection
        self._path = location.database
        self._blobs = FileBlobs(location.blobs)
        self._told = told
        self._done = self._total = 0
        self._members: dict[str, Member] = {}
        self._named: set[str] = set()  # the blobs that the rows refer to

    def write(self, session_id: str, program: str) -> None:
        self._connection.execute("BEGIN")  # everything that is read of the database is of one moment
        at = migrate.current(self._connection, self._path)
        if at != migrate.HEAD:
            raise migrate.another_revision(self._path, at)
        migrate.refuse_half(self._connection, self._path)
        found = self._connection.execute("SELECT title, directory FROM sessions WHERE id = ?", [session_id]).fetchone()
        if found is None:
            raise NotFound(f"there is no session {session_id}.", "`cmbagent-tui sessions` lists them.")
        title, directory = found
        runs = [row[0] for row in self._connection.execute("SELECT id FROM runs WHERE session_id = ?", [session_id])]
        for codec in CARRIED:
            self._rows(codec, session_id, sorted(runs), directory)
        self._connection.execute("ROLLBACK")
        if len(self._named) + len(CARRIED) >= MAX_MEMBERS:
            raise StorageError(f"the session refers to {len(self._named):,} files: an archive holds {MAX_MEMBERS:,}.")
        self._total = self._done + sum(self._size(sha256) for sha256 in self._named)
        for sha256 in sorted(self._named):
            self._blob(sha256)
        data = Manifest(program, migrate.HEAD, session_id, title, self._members).encode()
        with self._archive.open(_entry(MANIFEST, ZIP_DEFLATED), "w") as out:
            out.write(data)

    def _rows(self, codec: Codec[Any], session_id: str, runs: list[str], directory: str) -> None:
        table = codec.table.name
        columns = columns_of(self._connection, table)
        with self._member(rows_of(table), ZIP_DEFLATED) as write:
            for values in self._select(codec, columns, session_id, runs):
                row = dict(zip(columns, values, strict=True))
                self._note(codec, row)
                _leave_here(codec, row, directory)
                write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _select(
        self, codec: Codec[Any], columns: list[str], session_id: str, runs: list[str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, run by run, as the tables have an index for it, in an order that is always the same."""
        listed = ", ".join(f'"{name}"' for name in columns)
        select = f"SELECT {listed} FROM {codec.table.name} WHERE"
        if codec is SESSION:
            yield from self._connection.execute(f"{select} id = ?", [session_id])
        elif codec is SESSION_STATE:
            yield from self._connection.execute(f"{select} session_id = ? ORDER BY version", [session_id])
        else:
            order = "seq" if codec is EVENT else ", ".join(column.name for column in codec.table.primary_key)
            key = "id" if codec is RUN else "run_id"
            for run in runs:
                yield from self._connection.execute(f"{select} {key} = ? ORDER BY {order}", [run])

    def _note(self, codec: Codec[Any], row: dict[str, Any]) -> None:
        """Remember the blobs that a row refers to."""
        for body in filter(None, (row[name] for name in codec.bodies)):
            self._named.update(named(body, self._blobs))
        if codec is ARTIFACT:
            self._named.add(row["sha256"])
        elif codec is CHECKPOINT:
            self._named.update(entry[1] for entry in unpack(row["tree"], self._blobs))
        elif codec is RUN:
            self._named.update(one["sha256"] for one in unpack(row["options"], self._blobs).get("inputs", ()))

    def _size(self, sha256: str) -> int:
        try:
            return self._blobs.path(sha256).stat().st_size
        except OSError:
            return 0  # said when it is read

    def _blob(self, sha256: str) -> None:
        try:
            source = self._blobs.path(sha256).open("rb")
        except OSError as error:
            raise _unusable(sha256, f"cannot be read: {error.strerror}") from error
        with source:
            data = source.read(_CHUNK)
            head = data[: _CHUNK // 16]
            worth_it = len(zlib.compress(head, 1)) < _WORTH_IT * len(head)
            name = blob_of(sha256)
            with self._member(name, ZIP_DEFLATED if worth_it else ZIP_STORED) as write:
                while data:
                    write(data)
                    data = source.read(_CHUNK)
        if self._members[name].sha256 != sha256:
            raise _unusable(sha256, "does not hash to its name")

    @contextlib.contextmanager
    def _member(self, name: str, compression: int) -> Generator[Any]:
        """A function that writes the next member, which is counted and hashed meanwhile."""
        digest, size = hashlib.sha256(), 0

        def write(data: bytes) -> None:
            nonlocal size
            out.write(data)
            digest.update(data)
            size += len(data)
            self._done += len(data)
            self._told("written to the archive", self._done, self._total)

        out: IO[bytes]
        with self._archive.open(_entry(name, compression), "w", force_zip64=True) as out:
            yield write
        self._members[name] = Member(size, digest.hexdigest())


def _entry(name: str, compression: int) -> ZipInfo:
    entry = ZipInfo(name, _THE_SAME_DAY)
    entry.compress_type = compression
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o100600 << 16
    return entry


def _leave_here(codec: Codec[Any], row: dict[str, Any], directory: str) -> None:
    """Take out of a row what is of this place: whose process drives it, where its files lie, whether it was deleted,
    and until when an answer is waited for."""
    if codec is SESSION:
        row["directory"], row["deleted_at"] = "", None
    elif codec is RUN:
        row["owner_id"], row["lease"] = None, 0
    elif codec is APPROVAL and row["state"] == ApprovalState.PENDING:
        row["deadline_at"], row["on_expiry"] = None, None
    elif codec is ATTEMPT and row["workdir"] is not None:
        inside = PurePosixPath(row["workdir"]).is_relative_to(directory) and directory
        row["workdir"] = str(PurePosixPath(row["workdir"]).relative_to(directory)) if inside else None


def _unusable(sha256: str, problem: str) -> StorageError:
    return StorageError(f"the stored content {sha256} {problem}.", "Run `cmbagent-tui db check`.")
