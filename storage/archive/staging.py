"""A place beside the blobs where an archive becomes a database of its own, to be looked over before anything is taken.

It is on the file system of the blobs, so that they need only be moved, and gone when the import ends, however it ends;
what a killed import has left goes with the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

from engine.model.errors import StorageError
from engine.model.records import Json
from engine.model.text import one_line
from storage import migrate, sqlite
from storage.archive.content import unpack_blobs
from storage.archive.form import CARRIED, Refused, columns_of, rows_of
from storage.archive.reading import Archive
from storage.blobs import FileBlobs
from storage.codec import SESSION
from storage.location import Location, make_private

_NAMED = "import-"


@contextlib.contextmanager
def stage(blobs: Path) -> Generator[Location]:
    """An empty place below the directory of the blobs.

    Raises:
        StorageError: it cannot be made.
    """
    root = blobs / "tmp" / f"{_NAMED}{os.urandom(6).hex()}"
    try:
        make_private(root.parent)
        with _held(root.parent):  # so that nobody sweeps what is not held yet
            _sweep(root.parent)
            root.mkdir(mode=0o700)
            held = _hold(root)
    except OSError as error:
        raise StorageError(f"cannot write under {blobs}: {error.strerror}.") from error
    try:
        yield Location(root / "session.db", root / "blobs")
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(held)


def fill(archive: Archive, place: Location) -> None:
    """Unpack an archive: its blobs, each as its name says, and its rows, brought to this program's revision.

    Raises:
        Refused: something in it is not what it should be.
        StorageError: the disk refused.
    """
    manifest = archive.manifest
    if not migrate.known(manifest.schema):
        raise Refused(
            f"its rows are of a newer version (revision {one_line(manifest.schema, 20)!r}, of cmbagent-tui "
            f"{one_line(manifest.program, 20)}; this program knows up to {migrate.HEAD!r}).",
            "Update cmbagent-tui, and import it then.",
        )
    sqlite.create_file(place.database)
    migrate.upgrade(place.database, manifest.schema)
    with contextlib.closing(sqlite.connect(place.database)) as connection:
        for pragma in ("foreign_keys=OFF", "synchronous=OFF", "journal_mode=MEMORY"):  # all of it is looked over later
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        _rows(archive, connection)
        connection.execute("COMMIT")
    unpack_blobs(archive, FileBlobs(place.blobs))
    if manifest.schema != migrate.HEAD:
        try:
            migrate.upgrade(place.database)
        except StorageError as error:
            raise Refused(f"its rows cannot be brought to this version: {error.cause}") from None


def _rows(archive: Archive, connection: sqlite3.Connection) -> None:
    known = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    wanted = [codec.table.name for codec in CARRIED if codec.table.name in known]
    for table in sorted({*wanted} ^ {*archive.tables()}):
        where = "are missing" if table in wanted else "belong to no session"
        raise Refused(f"the rows of {one_line(table, 60)!r} {where}.")
    for table in wanted:
        columns = columns_of(connection, table)
        listed, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
        insert = f"INSERT INTO {table} ({listed}) VALUES ({marks})"
        key = "id" if table == SESSION.table.name else "session_id"
        for where, row in _parsed(archive, table):
            for name in sorted({*columns} ^ row.keys()):
                lacks = "has no" if name in columns else "has an unknown"
                raise Refused(f"{where} {lacks} column {one_line(name, 60)!r}.")
            if row[key] != archive.manifest.session_id:
                raise Refused(f"{where} belongs to another session.")
            try:
                connection.execute(insert, [_plain(row[name]) for name in columns])
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
                raise Refused(f"{where} holds what is not allowed: {one_line(str(error), 200)}.") from None
            except (TypeError, OverflowError, UnicodeEncodeError) as error:
                raise Refused(f"{where} holds what no column can: {one_line(str(error), 200)}.") from None
    if connection.execute("SELECT count(*) FROM sessions").fetchone() != (1,):
        raise Refused("it holds no session.")


def _parsed(archive: Archive, table: str) -> Iterator[tuple[str, Json]]:
    """Each row, and what to call it."""
    for number, line in enumerate(archive.lines(rows_of(table)), 1):
        where = f"line {number:,} of {rows_of(table)}"
        try:
            row = cast(object, json.loads(line.decode()))
        except (ValueError, RecursionError):
            raise Refused(f"{where} is not JSON.") from None
        if not isinstance(row, dict):
            raise Refused(f"{where} is no row.")
        yield where, cast(Json, row)


def _plain(value: Any) -> str | int | None:
    if value is not None and type(value) not in (str, int):
        raise TypeError(f"a {type(value).__name__}")
    return value


def _sweep(parent: Path) -> None:
    """Remove what killed imports have left: nobody holds it any more."""
    for entry in parent.glob(f"{_NAMED}*"):
        with contextlib.suppress(OSError), _held(entry, fcntl.LOCK_NB):
            shutil.rmtree(entry, ignore_errors=True)


@contextlib.contextmanager
def _held(directory: Path, how: int = 0) -> Generator[None]:
    held = _hold(directory, how)
    try:
        yield
    finally:
        os.close(held)


def _hold(directory: Path, how: int = 0) -> int:
    """Lock a directory until the descriptor is closed, or its process ends."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | how)
    except BaseException:
        os.close(held)
        raise
    return held
