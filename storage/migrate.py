"""Bringing a database to the newest schema: forward only, whole or not at all, once though several processes open."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.model.errors import StorageError
from storage import sqlite

if TYPE_CHECKING:
    from alembic.config import Config

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
    with contextlib.closing(sqlite.connect(path, read_only=True)) as connection:
        return current(connection, path)


def prepare(path: Path) -> tuple[str | None, str]:
    """Create or upgrade the database; return the revisions before and after.

    Raises:
        StorageError: it is newer, not ours, damaged, not writable, or on a network file system. It is left as it was.
    """
    sqlite.refuse_network(path)
    sqlite.create_file(path)
    with contextlib.closing(sqlite.connect(path)) as connection:
        before = current(connection, path)
        if before != HEAD or not sqlite.in_wal(connection, path):
            with sqlite.opening(path):
                before = current(connection, path)
                if before != HEAD:
                    _refuse_unknown(before, path)
                sqlite.use_wal(connection, path)
                if before != HEAD:
                    upgrade(path)
        sqlite.require_writable(connection, path)
    return before, HEAD


def upgrade(path: Path) -> None:
    """Bring an existing database to the newest revision."""
    from alembic import command

    _migrate(path, lambda config: command.upgrade(config, "head"))


def downgrade(path: Path, revision: str) -> None:
    """Take an existing database back to an older revision ("base": to nothing)."""
    from alembic import command

    _migrate(path, lambda config: command.downgrade(config, revision))


def _migrate(path: Path, run: Callable[[Config], None]) -> None:
    """Run alembic in one transaction that holds the write lock from its start."""
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
    finally:
        database.dispose()


def _refuse_unknown(revision: str | None, path: Path) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise StorageError(
            f"{path} is of a newer version (revision {revision!r}; this program knows up to {HEAD!r}).",
            "Update cmbagent-tui, or set CMBAGENT_HOME to another directory.",
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # A percent sign in the path would be read as an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
