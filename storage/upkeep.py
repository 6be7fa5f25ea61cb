"""What only SQLite can do for a database that is looked after: a look that changes nothing, a copy while others write,
its own checks, and being alone with it."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from engine.model.errors import StorageError
from storage import sqlite
from storage.progress import Told

_HEADER = 100  # bytes
_MAGIC = b"SQLite format 3\0"
_TREES = (b"\x02", b"\x05", b"\x0a", b"\x0d")  # what the page begins with at which a table or an index does
_STEPS = 1_000_000  # of SQLite's machine, between two words in the middle of a statement
_COPY_PAGES = 2048  # at a time, between two words on how far a copy is


def look(path: Path) -> sqlite3.Connection:
    """Open a connection that leaves everything as it is, also when it is closed: any other one would settle for what
    is left of a damaged log, and remove it.

    Raises:
        StorageError: it cannot be opened.
    """
    if not path.with_name(f"{path.name}-wal").exists():
        with contextlib.suppress(StorageError):
            return sqlite.connect(path, read_only=True)
        query = "mode=ro&immutable=1"  # where nothing may be written
    else:
        query = "mode=ro"
    with sqlite.explained(path):
        connection = sqlite3.connect(
            f"{path.as_uri()}?{query}",
            uri=True,
            timeout=sqlite.BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA temp_store=MEMORY")
        return connection


@contextlib.contextmanager
def alone(path: Path) -> Generator[sqlite3.Connection]:
    """A connection beside which nobody has the file open, nor can open it.

    Raises:
        StorageError: somebody has it open.
    """
    with (
        sqlite.explained(path),
        contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # before anything is read, or the others stay
        connection.execute("PRAGMA foreign_keys=ON")
        try:
            connection.execute(sqlite.BEGIN_WRITE)
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise
            raise StorageError(
                f"another program has {path} open.", "Close it (`fuser` on the file names it), and try again."
            ) from error
        connection.execute(f"PRAGMA busy_timeout={sqlite.BUSY_SECONDS * 1000:.0f}")
        try:
            yield connection
        finally:
            # Who is alone uses no index of the log, and so leaves one that a killed process had left: removed before
            # the log is, it cannot tell of pages that are not in a log any more.
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


def copy(source: sqlite3.Connection, target: Path, told: Callable[[int, int], None]) -> None:
    """Copy a database as it is at this moment, though others write to it meanwhile, into a new file that needs no other
    beside it. It is on the disk when this returns. `told` is called with the pages done and those in all.

    Raises:
        sqlite3.Error, OSError: it cannot be read, or the disk refused.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode=OFF")  # it is of no use to anyone before it is whole
        made.execute("PRAGMA synchronous=OFF")
        source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # this is the moment
            source.backup(made, pages=_COPY_PAGES, progress=lambda _, left, total: told(total - left, total))
        finally:
            source.execute("ROLLBACK")
        made.execute("PRAGMA journal_mode=DELETE")
    sync(target)


@contextlib.contextmanager
def telling(connection: sqlite3.Connection, what: str, told: Told) -> Generator[None]:
    """Have it told again and again, also in the middle of a long statement, what is being done."""

    def tell() -> int:
        told(what, 0, 0)
        return 0  # go on

    tell()
    connection.set_progress_handler(tell, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if not interrupted(error):
            raise
        raise KeyboardInterrupt from error  # which was met in `tell`, and ends the statement there
    finally:
        connection.set_progress_handler(None, 0)


def interrupted(error: BaseException) -> bool:
    """Whether a person has ended a statement."""
    return getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"


def sync(path: Path) -> None:
    """Have a file or a directory written to the disk."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def cut_off(path: Path) -> str | None:
    """That a database's file is shorter than it says itself, in words; of one with a log, nobody can tell.

    Raises:
        OSError: it cannot be read.
    """
    log = path.with_name(f"{path.name}-wal")
    size = path.stat().st_size
    if not size or (log.exists() and log.stat().st_size):
        return None
    with path.open("rb") as file:
        header = file.read(_HEADER)
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    whole = pages * (65536 if page == 1 else page)
    if len(header) == _HEADER and (not header.startswith(_MAGIC) or header[24:28] != header[92:96]):
        return None  # no database, or one that does not say
    if len(header) < _HEADER or size < whole:
        return f"{path} is cut off: it has {size:,} bytes" + (f" of {whole:,}" if len(header) == _HEADER else "")
    return None


def damage(connection: sqlite3.Connection) -> Generator[str]:
    """What SQLite's own checks find, as they find it: pages, indexes, CHECK constraints, foreign keys.

    Raises:
        sqlite3.DatabaseError: a check could not go on. What was found until then was given.
    """
    query = "SELECT name, rootpage, tbl_name FROM sqlite_master WHERE rootpage"
    try:
        trees = [(str(name), int(root), str(table)) for name, root, table in connection.execute(query)]
    except sqlite3.DatabaseError as error:
        if not unreadable(error):
            raise
        yield f"the list of the database's own tables is damaged, and so nothing in it can be read: {error}"
        return
    roots = {root: name for name, root, _ in trees}
    try:
        yield from _integrity(connection, "100", roots)
    except sqlite3.DatabaseError as whole:
        if not unreadable(whole):
            raise
        for table in sorted({table for _, _, table in trees}):
            try:
                yield from _integrity(connection, f'"{table}"', roots)
            except sqlite3.DatabaseError as error:
                if not unreadable(error):
                    raise
                its = {root: name for name, root, of in trees if of == table}
                pages = ", ".join(
                    f"page {root} (of {name})" for root, name in (_no_trees(connection, its) or its).items()
                )
                yield f"{pages}, or one that hangs on it, is damaged: {error}"
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(100):
        yield f"row {row} of {table} names a missing row of {parent}"


def _no_trees(connection: sqlite3.Connection, roots: Mapping[int, str]) -> dict[int, str]:
    """Those pages at which no tree begins, as far as the file itself tells without its log."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    found: dict[int, str] = {}
    with Path(path).open("rb") as file:
        for root, name in roots.items():
            file.seek((root - 1) * page)
            if file.read(1) not in _TREES:
                found[root] = name
    return found


def _integrity(connection: sqlite3.Connection, what: str, roots: Mapping[int, str]) -> Generator[str]:
    for (said,) in connection.execute(f"PRAGMA integrity_check({what})"):
        yield from (_in_words(line, roots) for line in said.splitlines() if line != "ok" and not line.startswith("***"))


def _in_words(line: str, roots: Mapping[int, str]) -> str:
    """A line of an integrity check, with the page that it is about and whose that is."""
    found = re.match(r"(?:Tree (?P<root>\d+) |On tree )?[Pp]age (?P<page>\d+)(?: cell \d+)?: (?P<what>.*)", line)
    if not found or "never used" in line:
        return line
    owner = roots.get(int(found["root"] or found["page"]))
    return f"page {found['page']}{f' (of {owner})' if owner else ''} is damaged: {found['what']}"


def unreadable(error: BaseException) -> bool:
    """Whether an error says that the file is damaged, or no database, and not that something is in the way."""
    while not isinstance(error, sqlite3.Error) and error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
