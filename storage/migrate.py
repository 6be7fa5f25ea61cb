"""Bringing a database to the newest schema, or back to an older one: whole or not at all, once though several processes
open it, and with a copy taken first."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.model.errors import StorageError, UsageError
from storage import sqlite, wal

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).parent / "migrations"
HEAD = "0002"  # the newest revision under migrations/versions: known here, so that opening need not load alembic


def current(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision that a database is at, None for an empty one.

    Raises:
        StorageError: it is no database of this program.
    """
    with sqlite.explained(path):
        names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in names:
            if names:
                raise StorageError(
                    f"{path} is another program's database.",
                    "Move it away, or set CMBAGENT_DATABASE_URL to another file.",
                )
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def revision_of(path: Path) -> str | None:
    """The revision of a database file, None when it is empty or not there.

    Raises:
        StorageError: it is no database of this program.
    """
    if not path.exists():
        return None
    refuse_lossy(path)
    with contextlib.closing(sqlite.connect(path, read_only=True)) as connection:
        return current(connection, path)


class Migrated(NamedTuple):
    """From which revision (None: an empty file) to which, and where the database lies as it was before."""

    before: str | None
    after: str
    copy: Path | None = None


def prepare(path: Path) -> Migrated:
    """Create or upgrade the database.

    Raises:
        StorageError: it is newer, not ours, damaged, not writable, half migrated, on a network file system, or to be
            upgraded while others have it open. It is left as it was.
    """
    sqlite.refuse_network(path)
    sqlite.create_file(path)
    refuse_lossy(path)
    done: Migrated | None = None
    with contextlib.closing(sqlite.connect(path)) as connection:
        if current(connection, path) != HEAD or not sqlite.in_wal(connection, path):
            with sqlite.opening(path):
                before = current(connection, path)
                if before != HEAD:
                    _refuse_unknown(before, path)
                sqlite.use_wal(connection, path)
                if before is None:
                    upgrade(path)
                    done = Migrated(None, HEAD)
                elif before != HEAD:
                    with _copied(connection, path, f"before-upgrade-{before}-") as copy:
                        upgrade(path)
                    done = Migrated(before, HEAD, copy)
        refuse_half(connection, path)
        sqlite.require_writable(connection, path)
    return done or Migrated(HEAD, HEAD)


def lower(path: Path, revision: str | None) -> Migrated:
    """Take the database back to an older revision (None: to the one before its own).

    Raises:
        UsageError: that is no older revision.
        StorageError: there is no database, it is not ours, damaged or newer, or others have it open. It is left as it
            was.
    """
    if not path.is_file():
        raise StorageError(f"there is no database at {path}.", "It is made when the program first runs.")
    refuse_lossy(path)
    with contextlib.closing(sqlite.connect(path)) as connection, sqlite.opening(path):
        before = current(connection, path)
        _refuse_unknown(before, path)
        target = _older(before, revision)
        with _copied(connection, path, f"before-downgrade-{before}-") as copy:
            downgrade(path, target)
    return Migrated(before, target, copy)


def refuse_lossy(path: Path) -> None:
    """Raise StorageError when the database's log is cut off. Whoever opened it would go on with what is left."""
    try:
        lost = wal.lost(path)
    except OSError:
        return  # to open it says it better
    if lost:
        raise StorageError(
            f"{lost}.",
            "`cmbagent-tui db restore DIRECTORY` brings a backup back. To go on without what is lost, remove "
            f"{path.name}-shm beside it first.",
        )


def refuse_half(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageError when a database of the newest revision is not what that revision is."""
    from storage.tables import metadata

    query = "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    with sqlite.explained(path):
        there = {(str(table), str(column)) for table, column in connection.execute(query)}
    for table in metadata.tables.values():
        for column in table.columns:
            if (table.name, column.name) not in there:
                raise StorageError(
                    f"{path} is half migrated: it says that it is at revision {HEAD!r}, and has no "
                    f"{table.name}.{column.name}.",
                    "`cmbagent-tui db restore DIRECTORY` brings a backup back; `backups` beside it has the copies that "
                    "were taken before migrations.",
                )


@contextlib.contextmanager
def _copied(connection: sqlite3.Connection, path: Path, name: str) -> Generator[Path]:
    """Keep a copy of the database file, and put it back if the body fails; then there is no need to keep it.

    Raises:
        StorageError: others have the database open, or the copy cannot be made.
    """
    from storage import living, upkeep
    from storage.arriving import arriving, named_now

    living.refuse_others(connection, path)
    final = named_now(path.parent / "backups", name)
    with sqlite.explained(path), arriving(final) as part:
        upkeep.copy(connection, part / "cmbagent.db", lambda done, total: None)
    before = connection.execute("PRAGMA data_version").fetchone()
    try:
        yield final
    except BaseException:
        if connection.execute("PRAGMA data_version").fetchone() != before:  # some of it was committed
            with sqlite.explained(path), contextlib.closing(sqlite.connect(final / "cmbagent.db")) as copy:
                copy.backup(connection)
        shutil.rmtree(final, ignore_errors=True)
        raise


def upgrade(path: Path, revision: str = "head") -> None:
    """Bring an existing database to a newer revision."""
    from alembic import command

    _migrate(path, lambda config: command.upgrade(config, revision))


def downgrade(path: Path, revision: str) -> None:
    """Take an existing database back to an older revision ("base": to nothing)."""
    from alembic import command

    _migrate(path, lambda config: command.downgrade(config, revision))


def _migrate(path: Path, run: Callable[[Config], None]) -> None:
    """Run alembic in one transaction that holds the write lock from its start."""
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    database = sqlite.engine(path, begin="BEGIN EXCLUSIVE")
    try:
        with database.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            # A table that is built anew is dropped in between; what refers to it is checked at the end instead.
            driver.execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                config = _config()
                config.attributes["connection"] = connection
                run(config)
                (said,) = driver.execute("PRAGMA quick_check(1)").fetchone()
                if said != "ok":
                    raise StorageError(
                        f"{path} cannot be migrated, because it is damaged: {said}.",
                        "Nothing was changed. Run `cmbagent-tui db check`.",
                    )
                broken = driver.execute("PRAGMA foreign_key_check").fetchone()
                if broken:
                    raise StorageError(
                        f"{path} cannot be migrated: a row of {broken[0]} names a missing row of {broken[2]}.",
                        "Nothing was changed. Run `cmbagent-tui db check`.",
                    )
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise sqlite.explain(error.orig, path) from error
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, CommandError) as error:
        raise StorageError(f"{path} cannot be migrated: {error}.", "Nothing was changed.") from error
    finally:
        database.dispose()


def known(revision: str) -> bool:
    """Whether this is a revision that this program has or had."""
    return revision in _revisions()


def another_revision(path: Path, at: str | None) -> StorageError:
    """What to say of a database that is not at the newest revision."""
    return StorageError(
        f"{path} is at revision {at!r}, this program at {HEAD!r}.",
        "Run `cmbagent-tui db upgrade`." if at is None or known(at) else "Update cmbagent-tui.",
    )


def _revisions() -> list[str]:
    """All that this program knows, newest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _refuse_unknown(revision: str | None, path: Path) -> None:
    if revision is not None and not known(revision):
        raise StorageError(
            f"{path} is of a newer version (revision {revision!r}; this program knows up to {HEAD!r}).",
            "Update cmbagent-tui, or set CMBAGENT_HOME to another directory.",
        )


def _older(at: str | None, wanted: str | None) -> str:
    """The revision to go back to."""
    all_of_them = _revisions()
    older = all_of_them[all_of_them.index(at) + 1 :] if at is not None else []
    if not older:
        raise UsageError(f"there is no revision before {at!r}.", "There is nothing to take back.")
    if wanted is not None and wanted not in older:
        raise UsageError(f"{wanted!r} is no revision before {at!r}.", f"There are {', '.join(older)}.")
    return wanted or older[0]


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # A percent sign in the path would be read as an interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
