"""Bringing a database to the newest schema: forward only, whole or not at all, once though several processes open."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from engine.model.errors import StorageError
from storage import sqlite

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"  # the newest revision under migrations/versions: known here, so that opening need not load alembic


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


def prepare(path: Path) -> tuple[str | None, str]:
    """Create or upgrade the database; return the revisions before and after.

    Raises:
        StorageError: it is newer, not ours, damaged, not writable, or on a network file system. It is left as it was.
    """
    sqlite.refuse_network(path)
    sqlite.create_file(path)
    connection = sqlite.connect(path)
    try:
        before = current(connection, path)
        with sqlite.explained(path):
            if before == HEAD and sqlite.journal_mode(connection) == "wal":
                return before, HEAD
            with sqlite.opening(path):
                before = current(connection, path)
                if before != HEAD:
                    _refuse_unknown(before, path)
                sqlite.use_wal(connection, path)
                if before != HEAD:
                    move(path, HEAD)
    finally:
        connection.close()
    return before, HEAD


def move(path: Path, revision: str) -> None:
    """Upgrade or downgrade to a revision ("base": nothing), in one transaction under the write lock."""
    from alembic import command
    from alembic.script import ScriptDirectory
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
                at = current(driver, path)
                known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
                down = revision == "base" or (
                    at in known and revision in known and known.index(revision) > known.index(at)
                )
                (command.downgrade if down else command.upgrade)(config, revision)
                broken = driver.execute("PRAGMA foreign_key_check").fetchone()
                if broken:
                    raise StorageError(f"{path}: the migration would break a reference of {broken[0]}.", _UNTOUCHED)
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


_UNTOUCHED = "Nothing was changed. Please report this, with the output of `cmbagent-tui db check`."
