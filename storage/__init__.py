"""What is remembered: the database and the blob store behind engine.ports.

Importing this loads neither SQLAlchemy nor alembic; an open of a database that is up to date never loads alembic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storage.progress import silent

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from engine.ports import Blobs, Store
    from storage.backups import Backup
    from storage.migrate import Migrated
    from storage.progress import Told
    from storage.pruning import Pruned
    from storage.restoring import Restored


def open_store(home: Path, url: str | None = None) -> tuple[Store, Blobs]:
    """The store and the blobs of a home directory; nothing on disk is touched before `await store.open()`.

    Raises:
        UsageError: the URL names no SQLite file.
    """
    from storage.blobs import FileBlobs
    from storage.location import locate
    from storage.store import SqlStore

    location = locate(home, url)
    blobs = FileBlobs(location.blobs)
    return SqlStore(location, blobs), blobs


def upgrade(home: Path, url: str | None = None) -> Migrated:
    """Create the database or bring it to the newest revision, with a copy of its file taken first. Blocks.

    Raises:
        UsageError: the URL names no SQLite file.
        StorageError: the database cannot be migrated, or others have it open; it is left as it was.
    """
    from storage.location import locate
    from storage.migrate import prepare

    return prepare(locate(home, url).database)


def downgrade(home: Path, url: str | None = None, revision: str | None = None) -> Migrated:
    """Take the database back to an older revision (None: by one), for an older version of the program, with a copy of
    its file taken first. Blocks.

    Raises:
        UsageError: there is no such older revision, or the URL names no SQLite file.
        StorageError: the database cannot be migrated, or others have it open; it is left as it was.
    """
    from storage.location import locate
    from storage.migrate import lower

    return lower(locate(home, url).database, revision)


def revision(home: Path, url: str | None = None) -> tuple[str | None, str]:
    """The revision of the database (None: there is none yet), and the newest that this program knows. Blocks.

    Raises:
        UsageError: the URL names no SQLite file.
        StorageError: it is no database of this program.
    """
    from storage.location import locate
    from storage.migrate import HEAD, revision_of

    return revision_of(locate(home, url).database), HEAD


def check(home: Path, url: str | None = None, told: Told = silent) -> list[str]:
    """Look the database and its blobs over; return each finding as a sentence, none when all is well. Blocks, and reads
    everything; nothing is changed.

    Raises:
        UsageError: the URL names no SQLite file.
        StorageError: there is no database, or it is of another revision.
    """
    from storage.audit import audit
    from storage.location import locate

    return audit(locate(home, url), told)


def backup(home: Path, url: str | None = None, directory: Path | None = None, told: Told = silent) -> Backup:
    """Back the database up with everything that it refers to, while runs go on (see storage.backups). Blocks."""
    from storage.backups import back_up
    from storage.location import locate

    return back_up(locate(home, url), directory, told)


def restore(home: Path, url: str | None, directory: Path, told: Told = silent) -> Restored:
    """Put a backup in the database's place, once it is verified (see storage.restoring). Blocks."""
    from storage.location import locate
    from storage.restoring import restore as bring_back

    return bring_back(locate(home, url), directory, told)


def prune(
    home: Path,
    url: str | None,
    now: datetime,
    *,
    older_than: timedelta | None = None,
    keep_size: int | None = None,
    dry: bool = False,
    told: Told = silent,
) -> Pruned:
    """Remove runs that are over and older than that, or the oldest until the rest fits into `keep_size` bytes; then
    what nothing refers to any more (see storage.pruning). `dry`: only say what would go. Blocks."""
    from storage.location import locate
    from storage.pruning import prune as let_go
    from storage.retention import Limits

    return let_go(locate(home, url), Limits(older_than, keep_size), now, dry=dry, told=told)


def export_session(home: Path, url: str | None, session_id: str, file: Path, program: str, told: Told) -> None:
    """Write a session with all that it refers to into a file, as it is at this moment; its runs may go on meanwhile.
    Blocks; `told` is called with the bytes done and those in all.

    Raises:
        UsageError: the URL names no SQLite file.
        NotFound: there is no such session.
        StorageError: something stored is missing or damaged, or the disk refused. No file is left then.
    """
    from storage.archive.writing import write_archive
    from storage.location import locate

    write_archive(locate(home, url), session_id, file, program, told)


def import_session(
    home: Path,
    url: str | None,
    file: Path,
    sessions: Path,
    told: Told,
    max_size: int | None = None,
) -> str:
    """Take an exported session in, and give it a new directory among `sessions`; return its id. Blocks. `max_size` is
    what it may unpack to (bytes).

    Raises:
        UsageError: there is no such file, it is not to be trusted, or the URL names no SQLite file.
        StorageError: the session is here already, or the disk or the database refused.
        Nothing of it is left then.
    """
    from storage.archive.carrying import read_archive
    from storage.archive.form import MAX_SIZE
    from storage.location import locate

    return read_archive(locate(home, url), file, sessions, MAX_SIZE if max_size is None else max_size, told)
