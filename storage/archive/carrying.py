"""Carrying a session: out of one database, and into another, whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Collection
from pathlib import Path

from engine.model.errors import StorageError
from storage import migrate, sqlite
from storage.archive.content import moving
from storage.archive.form import CARRIED, Manifest, Refused, columns_of
from storage.archive.judging import judge
from storage.archive.reading import Archive, open_archive
from storage.archive.staging import fill, stage
from storage.audit import audit
from storage.blobs import FileBlobs
from storage.location import Location
from storage.progress import Told

_TOLD = 3  # of the findings of an audit
_ROWS_TAKE = 3  # times their size: as a database of their own, in the database's log, and in the database


def read_archive(location: Location, file: Path, sessions: Path, limit: int, told: Told) -> str:
    """Take the session of an archive in, with a directory of its own among `sessions`; return its id.

    Raises:
        UsageError: there is no such file.
        Refused: the archive is none, or holds what this program could not have written.
        StorageError: the session is here already, or the disk or the database refused.
        Nothing of it is left then.
    """
    with open_archive(file, limit, told) as archive:
        session_id = archive.manifest.session_id
        migrate.prepare(location.database)
        with contextlib.closing(sqlite.connect(location.database, read_only=True)) as connection:
            _refuse_known(connection, archive.manifest)
        with stage(location.blobs) as place:
            _refuse_too_large(archive, place)
            fill(archive, place)
            named = judge(place, sessions)
            if findings := audit(place, told):
                raise Refused(f"it contradicts itself: {'; '.join(findings[:_TOLD])}.")
            _take(place, location, archive.manifest, named)
    return session_id


def _refuse_known(connection: sqlite3.Connection, manifest: Manifest) -> None:
    found = connection.execute("SELECT title, deleted_at FROM sessions WHERE id = ?", [manifest.session_id]).fetchone()
    if found:
        where = "here already" if found[1] is None else "here already, among the deleted ones"
        raise StorageError(
            f"the session {manifest.session_id} ({found[0]}) is {where}.",
            "Nothing was changed. To have both, import it into another CMBAGENT_HOME.",
        )


def _refuse_too_large(archive: Archive, place: Location) -> None:
    rows = sum(one.size for name, one in archive.manifest.members.items() if not name.startswith("blobs/"))
    needed = archive.size + (_ROWS_TAKE - 1) * rows
    free = shutil.disk_usage(place.database.parent).free
    if needed > free:
        raise Refused(f"it needs {needed:,} bytes on the disk, and {free:,} are free.", "Free some space first.")


def _take(place: Location, location: Location, manifest: Manifest, named: Collection[str]) -> None:
    """Move what is staged to where it belongs, in one transaction: the database waits no longer than for a copy."""
    with (
        sqlite.explained(location.database),
        contextlib.closing(sqlite.connect(location.database)) as connection,
    ):
        connection.execute("ATTACH ? AS staged", [str(place.database)])
        connection.execute(sqlite.BEGIN_WRITE)
        try:
            connection.execute("PRAGMA defer_foreign_keys=ON")  # a branch may come before its parent
            _refuse_known(connection, manifest)
            for table in (codec.table.name for codec in CARRIED):
                listed = ", ".join(f'"{name}"' for name in columns_of(connection, table))
                connection.execute(
                    f"INSERT INTO main.{table} ({listed}) SELECT {listed} FROM staged.{table} ORDER BY rowid"
                )
            with moving(FileBlobs(place.blobs), FileBlobs(location.blobs), named):
                connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            raise Refused(f"something in it is here already, in another session ({error}).") from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
