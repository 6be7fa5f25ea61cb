"""Backups: a directory laid out like a home, with the database as it was at one moment and every content that it refers
to; verified before it gets its name."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from engine.model.errors import StorageError
from storage import migrate, sqlite, upkeep
from storage.arriving import arriving, named_now
from storage.blobs import FileBlobs
from storage.location import Location, make_private
from storage.progress import Told, silent
from storage.references import mentions

DATABASE = "cmbagent.db"  # as in a home


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified backup. `database` and `contents` are bytes."""

    directory: Path
    revision: str
    database: int
    blobs: int
    contents: int


def back_up(location: Location, directory: Path | None = None, told: Told = silent) -> Backup:
    """Back the database up with its contents, while runs go on (None: among the home's backups).

    Raises:
        UsageError: something is in the directory's place.
        StorageError: there is no database, it or a content is damaged, or the disk refused. No backup is left then.
    """
    path = location.database
    if not path.is_file():
        raise StorageError(f"there is no database at {path}.", "It is made when the program first runs.")
    migrate.refuse_lossy(path)
    final = (directory or named_now(location.backups)).absolute()
    with arriving(final) as part:
        with sqlite.explained(path), contextlib.closing(sqlite.connect(path, read_only=True)) as connection:
            if migrate.current(connection, path) is None:
                raise StorageError(f"the database {path} is empty.", "There is nothing to back up.")
            upkeep.copy(connection, part / DATABASE, lambda done, total: told("copying the database", done, total))
        copy = Location(part / DATABASE, part / "blobs")
        revision, names = look_over(copy, path, [FileBlobs(location.blobs)], told)
        make_private(copy.blobs)
        for number, name in enumerate(sorted(names)):
            told("storing contents", number, len(names))
            bring(FileBlobs(location.blobs).path(name), FileBlobs(copy.blobs).path(name))
        contents = verify(FileBlobs(copy.blobs), names, told)
        size = copy.database.stat().st_size
    return Backup(final, revision, size, len(names), contents)


def look_over(copy: Location, called: Path, stores: Collection[FileBlobs], told: Told = silent) -> tuple[str, set[str]]:
    """Look a backup's database over; return its revision and the contents that it refers to.

    `called` is what to call it; `stores` are where those contents may be found that name others.

    Raises:
        StorageError: it is damaged, none of ours, or of a newer version.
    """
    path = copy.database
    if not path.is_file():
        raise StorageError(f"{path.parent} is no backup: there is no {path.name} in it.", "Name a backup's directory.")
    migrate.refuse_lossy(path)
    with sqlite.explained(called), contextlib.closing(upkeep.look(path)) as connection:
        revision = migrate.current(connection, called)
        if revision is None or not migrate.known(revision):
            raise migrate.another_revision(called, revision)
        if revision == migrate.HEAD:
            migrate.refuse_half(connection, called)
        with upkeep.telling(connection, "checking the database", told):
            for finding in upkeep.damage(connection):
                raise StorageError(f"{called} is damaged: {finding}.", _DAMAGED)
            return revision, _named(connection, stores)


def verify(blobs: FileBlobs, names: Collection[str], told: Told = silent, *, also: FileBlobs | None = None) -> int:
    """Read every content (from `also`, if it is not in `blobs`) and compare it with its name; return their bytes.

    Raises:
        StorageError: one is missing or damaged.
    """
    sizes = {name: blobs.size(name) or (also.size(name) if also else 0) for name in names}
    total, done = sum(sizes.values()), 0
    for name, size in sizes.items():
        told("checking contents", done, total)
        problem = blobs.verify(name)
        if problem and also and not blobs.path(name).exists():
            problem = also.verify(name)
        if problem:
            raise StorageError(f"the content {name} {problem}.", _DAMAGED)
        done += size
    return done


def bring(source: Path, target: Path) -> None:
    """Put a blob in its place in another store, whole: a hard link where the file system allows, since what is stored
    never changes; else a copy.

    Raises:
        StorageError: it is missing, or the disk refused.
    """
    part = target.with_name(f".{os.getpid():x}-{os.urandom(6).hex()}.part")
    try:
        make_private(target.parent)
        try:
            try:
                os.link(source, part, follow_symlinks=False)
            except FileNotFoundError:
                raise
            except OSError:
                shutil.copyfile(source, part, follow_symlinks=False)
                part.chmod(0o400)
                upkeep.sync(part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise StorageError(f"the content {target.name} is missing.", _DAMAGED) from error
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {error.strerror}.", "Make room there, or name another place."
        ) from error


def _named(connection: sqlite3.Connection, stores: Collection[FileBlobs]) -> set[str]:
    names: set[str] = set()
    for mention in mentions(connection):
        for number, store in enumerate(stores, 1):
            try:
                names.update(name for name, _ in mention.names(store))
                break
            except StorageError as error:
                if number == len(stores):
                    raise StorageError(error.cause, _DAMAGED) from error
            except ValueError as error:
                raise StorageError(f"{mention.where} cannot be read ({error}).", _DAMAGED) from error
    return names


_DAMAGED = "`cmbagent-tui db check` looks everything over; a backup must be whole."
