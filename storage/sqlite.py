"""What only SQLite can do: opening a file safely, its pragmas, its locks, and what its errors mean."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Callable, Generator
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from engine.model.errors import CockpitError, NotFound, StaleState, StorageError
from storage.location import make_private

BEGIN_WRITE = "BEGIN IMMEDIATE"  # take the write lock at once, so that no later statement finds it taken
BUSY_SECONDS = 10.0  # how long a statement waits for another process that writes
_OPENING_SECONDS = 60.0  # how long an opening waits for another one, which may be migrating
_CHECKPOINT_PAGES = 2000  # 8 MB: a checkpoint in a commit's way stays rare, the log small

_MOUNTS = Path("/proc/mounts")

# Memory-mapped shared files do not work across the hosts of these, and WAL lives on one.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|beegfs|fhgfs|ceph|glusterfs|afs|openafs|auristorfs|coda|ncpfs|orangefs|pvfs2"
    r"|panfs|wekafs|vastfs|ocfs2|gfs2|davfs"
    r"|fuse\.(sshfs|glusterfs|ceph|ceph-fuse|s3fs|rclone|gcsfuse|davfs2?|juicefs|cvmfs2|beegfs|objectivefs|goofys|quobyte)"
)
_OTHER_PLACE = "Set CMBAGENT_HOME or CMBAGENT_DATABASE_URL to a place on a local disk"


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """Raise StorageError when the path lies on a network file system, as far as the mount table tells (Linux).

    `mounts` is the text of /proc/mounts.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
    target = os.path.realpath(path)
    found, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = _unescaped(fields[1])
        inside = target == mounted or target.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(found):  # of two on one point the later one is seen
            found, kind = mounted, fields[2]
    if _NETWORK.fullmatch(kind):
        raise StorageError(
            f"{path} is on a network file system ({kind}, mounted at {found}), where the database could be damaged.",
            f"{_OTHER_PLACE}.",
        )


def _unescaped(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def create_file(path: Path) -> None:
    """Make the directory (0700) and an empty file (0600), where they are not there; SQLite gives -wal and -shm the
    file's own mode.

    Raises:
        StorageError: the place is not writable, or no place.
    """
    try:
        make_private(path.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StorageError(
            f"cannot create {path}: {error.strerror}.", f"{_OTHER_PLACE} that you may write to."
        ) from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit: whoever uses it says BEGIN.

    Every commit on it is on the disk when it returns (synchronous=FULL), and foreign keys are enforced. A file that is
    not there is not made.
    """
    with explained(path):
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_CHECKPOINT_PAGES * 4096}")
            if read_only:
                connection.execute("PRAGMA query_only=ON")
        except BaseException:
            connection.close()
            raise
        return connection


def in_wal(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is in write-ahead mode already."""
    with explained(path):
        return connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Put the file in write-ahead mode (it stays so).

    Raises:
        StorageError: the file system cannot carry it.
    """
    with explained(path):
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError(f"{path} cannot be put in write-ahead mode (it stays {mode!r}).", f"{_OTHER_PLACE}.")


def require_writable(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageError unless the file can be written to now."""
    with explained(path):
        connection.execute(BEGIN_WRITE)  # which SQLite quietly makes a read on a file that it could only open so
        try:
            connection.execute("UPDATE alembic_version SET version_num = version_num")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


@contextlib.contextmanager
def opening(path: Path) -> Generator[None]:
    """Hold the lock that lets one process at a time create or migrate the database in this directory."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _OPENING_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"another process has been opening {path} for {_OPENING_SECONDS:.0f} seconds.",
                        "End it if it hangs, and try again.",
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def engine(path: Path, *, read_only: bool = False, begin: str = "BEGIN", size: int = 1) -> Engine:
    """A SQLAlchemy engine over `size` connections; each transaction begins with `begin`."""
    made = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: connect(path, read_only=read_only),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
    )

    def started(connection: Connection) -> None:
        # The driver itself begins nothing (isolation_level None), and so commits nothing behind our back before DDL.
        connection.exec_driver_sql(begin)

    event.listen(made, "begin", started)
    return made


class Arrivals:
    """Tells, look after look, which events were committed since the last one, by whichever process. A look that finds
    nothing costs a few microseconds.

    As one connection writes at a time, the numbers that SQLite gives the rows of events (`rowid`) are in the order of
    commits. The place is kept as an event's id, though: a VACUUM may number the rows anew.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, read_only=True)
        with explained(path):
            self._place = self._newest()

    def look(self) -> list[tuple[str, str, int, int]]:
        """Per run and kind of event: its first and last number of those that are new.

        Raises:
            sqlite3.Error: the file cannot be read now. Nothing is missed by it.
        """
        newest = self._newest()
        if newest == self._place:
            return []
        found = self._connection.execute(_ARRIVED, (self._place, newest)).fetchall()
        self._place = newest
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _newest(self) -> str:
        found = self._connection.execute("SELECT id FROM events ORDER BY rowid DESC LIMIT 1").fetchall()
        return str(found[0][0]) if found else ""


# Ids sort by time: where an event was deleted, the one before it stands in for its place.
_PLACE = "coalesce((SELECT rowid FROM events WHERE id <= ? ORDER BY id DESC LIMIT 1), 0)"
_ARRIVED = (  # an index on runs would be read from end to end
    "SELECT run_id, kind, min(seq), max(seq) FROM events NOT INDEXED"
    f" WHERE rowid > {_PLACE} AND rowid <= {_PLACE} GROUP BY run_id, kind"
)


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn the driver's errors into ours, in words."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def spoils_all(error: BaseException) -> bool:
    """Whether an error is the database's own, so that nothing else can be written either, and not a record's."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError
    )


def explain(error: sqlite3.Error, path: Path) -> CockpitError:
    """What a driver's error means, and what to do about it."""
    code = getattr(error, "sqlite_errorname", "")
    if code == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return NotFound("a record names a session, run, node or attempt that is not there, or that is another's.")
    if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return StaleState(f"the record is there already ({error}).")
    if isinstance(error, sqlite3.IntegrityError):
        return StorageError(f"a record holds a value that is not allowed ({error}).")
    for prefix, say in _MEANINGS.items():
        if code.startswith(prefix):
            return say(path, code)
    return StorageError(f"the database {path} refused: {error}.", "Run `cmbagent-tui db check`.")


def _meaning(cause: str, hint: str) -> Callable[[Path, str], StorageError]:
    return lambda path, code: StorageError(cause.format(path=path, code=code), hint)


_MEANINGS: dict[str, Callable[[Path, str], StorageError]] = {
    "SQLITE_FULL": _meaning(
        "no space is left on the disk of {path}.",
        "Free some space, then resume the run, or start it again if it failed.",
    ),
    "SQLITE_READONLY": _meaning("{path} may not be written to.", f"{_OTHER_PLACE} that you may write to."),
    "SQLITE_CANTOPEN": _meaning("{path} cannot be opened.", f"Check that you may read and write it. {_OTHER_PLACE}."),
    "SQLITE_PERM": _meaning("{path} may not be opened.", f"{_OTHER_PLACE} that you may write to."),
    "SQLITE_NOTADB": _meaning(
        "{path} is not a database.",
        "Move it away, bring a backup back (`cmbagent-tui db restore DIRECTORY`), or set CMBAGENT_DATABASE_URL to "
        "another file.",
    ),
    "SQLITE_CORRUPT": _meaning(
        "the database {path} is damaged.",
        "`cmbagent-tui db check` says where; `cmbagent-tui db restore DIRECTORY` brings a backup back.",
    ),
    "SQLITE_BUSY": _meaning(
        f"{{path}} was locked by another process for {BUSY_SECONDS:.0f} seconds.",
        "See which process holds it (`fuser` on the file), end it if it hangs, and try again.",
    ),
    "SQLITE_IOERR": _meaning("the disk of {path} failed ({code}).", "Check the disk and the system's log."),
}
