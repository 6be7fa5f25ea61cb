"""Bringing a backup back: verified first, what stood before is kept, and a kill at any point leaves the one or the
other."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from engine.model.errors import StorageError, UsageError
from storage import living, sqlite, upkeep, wal
from storage.arriving import arriving, named_now
from storage.backups import DATABASE, bring, look_over, verify
from storage.blobs import FileBlobs
from storage.location import Location
from storage.progress import Told, silent

_PAGES = 2048  # at a time


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back, and where that lies which stood before (None: nothing did)."""

    directory: Path
    revision: str
    kept: Path | None


def restore(location: Location, directory: Path, told: Told = silent) -> Restored:
    """Put a backup in the database's place.

    Contents are added to the home's; none is removed. The database is overwritten in one transaction of its own; where
    that cannot be, because it is damaged beyond that, its file is replaced.

    Raises:
        UsageError: the directory is where the database lies.
        StorageError: the backup is damaged, of a newer version or none; another process has the database open; or the
            disk refused. The database is as it was then.
    """
    path, source = location.database, Location(directory.absolute() / DATABASE, directory.absolute() / "blobs")
    if path.exists() and source.database.exists() and path.samefile(source.database):
        raise UsageError(f"{directory} is where the database itself lies.", "Name a backup's directory.")
    theirs, ours = FileBlobs(source.blobs), FileBlobs(location.blobs)
    revision, names = look_over(source, source.database, [theirs, ours], told)
    verify(theirs, names, told, also=ours)
    sqlite.refuse_network(path)
    sqlite.create_file(path)
    _refuse_living(path)
    with sqlite.opening(path):
        _bring_contents(theirs, ours, names, told)
        try:
            with upkeep.alone(path) as connection:
                kept = _keep(location, told)
                with contextlib.closing(upkeep.look(source.database)) as backup:
                    backup.backup(connection, pages=_PAGES, progress=lambda _, left, all_: _tell(told, left, all_))
        except (sqlite3.DatabaseError, StorageError) as error:
            if not upkeep.unreadable(error):
                raise
            kept = _replace(location, source, told)
    return Restored(directory, revision, kept)


def _tell(told: Told, left: int, total: int) -> None:
    told("writing the database", total - left, total)


def _refuse_living(path: Path) -> None:
    if wal.lost(path):
        return  # to look would be to settle for what is left of it, before that is kept
    with contextlib.suppress(sqlite3.DatabaseError):  # what is damaged names nobody
        try:
            connection = upkeep.look(path)
        except StorageError:
            return
        with contextlib.closing(connection):
            living.refuse_others(connection, path)


def _bring_contents(theirs: FileBlobs, ours: FileBlobs, names: set[str], told: Told) -> None:
    for number, name in enumerate(sorted(names)):
        told("bringing contents back", number, len(names))
        if not ours.has(name) or ours.verify(name):
            bring(theirs.path(name), ours.path(name))
    for directory in {ours.path(name).parent for name in names}:
        upkeep.sync(directory)


def _keep(location: Location, told: Told) -> Path | None:
    """Keep what stands as a backup that is not verified, since it may be the damage that made someone restore."""
    path = location.database
    if not path.stat().st_size:
        return None
    final = named_now(location.backups, "before-restore-")
    with arriving(final) as part:
        told("keeping what stands", 0, 0)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                target = part / f"{DATABASE}{suffix}"
                shutil.copyfile(path.with_name(path.name + suffix), target)
                target.chmod(0o600)
                upkeep.sync(target)
        blobs = FileBlobs(location.blobs)
        for name in blobs.names():
            bring(blobs.path(name), FileBlobs(part / "blobs").path(name))
    return final


def _replace(location: Location, source: Location, told: Told) -> Path | None:
    path = location.database
    new = path.with_name(f".{path.name}.part")
    new.unlink(missing_ok=True)  # what a killed process has left
    try:
        with sqlite.explained(path), contextlib.closing(upkeep.look(source.database)) as backup:
            upkeep.copy(backup, new, lambda done, total: told("writing the database", done, total))
        kept = _keep(location, told)
        for suffix in ("-wal", "-shm"):  # before the new file is there: it would be applied to that
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        new.replace(path)
        upkeep.sync(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}.", "Make room there, and try again.") from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return kept
