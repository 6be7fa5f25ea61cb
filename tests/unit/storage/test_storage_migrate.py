"""Migrations up and down: with a copy taken first, whole or not at all, and refused while others have the database open
or where one was broken off."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import storage
from engine.model.errors import StorageError, UsageError
from storage import migrate
from storage.codec import micros
from tests.support.dying import killed
from tests.support.homes import make_home, picture, read_all, tamper

SEED = 20310506


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrate") / "home"
    asyncio.run(make_home(home, "one", "two"))
    return home


@pytest.fixture
def home(new_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(new_home, tmp_path / "home"))


@pytest.fixture(scope="session")
def old_home(new_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the first revision."""
    home = Path(shutil.copytree(new_home, tmp_path_factory.mktemp("old") / "home"))
    storage.downgrade(home, None, "0001")
    shutil.rmtree(home / "backups")
    return home


@pytest.fixture
def older(old_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(old_home, tmp_path / "older"))


def dump(path: Path) -> list[str]:
    """All rows and declarations of a database."""
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


def copies(home: Path) -> list[Path]:
    return sorted((home / "backups").glob("*")) if (home / "backups").exists() else []


async def test_an_older_database_is_upgraded_when_it_is_opened_and_a_copy_kept(older: Path, new_home: Path) -> None:
    before = dump(older / "cmbagent.db")
    assert await read_all(older) == await read_all(new_home)
    assert storage.check(older) == []
    (copy,) = copies(older)
    assert copy.name.startswith("before-upgrade-0001-")
    assert dump(copy / "cmbagent.db") == before
    assert (copy / "cmbagent.db").stat().st_mode & 0o077 == 0
    storage.restore(older, None, copy)  # its contents are where they were
    assert dump(older / "cmbagent.db") == before


def test_down_and_up_by_command(home: Path) -> None:
    before = dump(home / "cmbagent.db")
    down = storage.downgrade(home)
    assert (down.before, down.after) == (migrate.HEAD, "0001")
    assert down.copy is not None and dump(down.copy / "cmbagent.db") == before
    assert storage.revision(home) == ("0001", migrate.HEAD)
    with pytest.raises(StorageError, match="db upgrade"):
        storage.check(home)
    up = storage.upgrade(home)
    assert (up.before, up.after) == ("0001", migrate.HEAD)
    assert storage.check(home) == []
    assert storage.upgrade(home) == migrate.Migrated(migrate.HEAD, migrate.HEAD)
    assert len(copies(home)) == 2


@pytest.mark.parametrize("revision", ["0002", "base", "9999", "heads", "-1"])
def test_only_an_older_revision_can_be_gone_back_to(home: Path, revision: str) -> None:
    before = picture(home)
    with pytest.raises(UsageError, match="no revision before") as caught:
        storage.downgrade(home, None, revision)
    assert "0001" in caught.value.hint
    assert picture(home) == before


def test_there_is_nothing_before_the_first_revision(older: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no revision before '0001'"):
        storage.downgrade(older)
    with pytest.raises(StorageError, match="no database"):
        storage.downgrade(tmp_path / "nowhere")


async def refused(home: Path) -> str:
    store, _ = storage.open_store(home)
    with pytest.raises(StorageError) as caught:
        await store.open()
    assert caught.value.hint
    return str(caught.value)


async def test_nothing_is_migrated_while_others_have_the_database_open(home: Path, older: Path) -> None:
    now = micros(datetime.now(UTC))
    insert = (
        "INSERT INTO clients (id, pid, host, terminal, started_at, heartbeat_at, label) "
        f"VALUES ('c', {os.getppid()}, '{socket.gethostname()}', '', {now}, {now}, '')"
    )
    for one in (home, older):
        tamper(one, insert)
        before = dump(one / "cmbagent.db")
        said = await refused(one) if one is older else ""
        if one is home:
            with pytest.raises(StorageError) as caught:
                storage.downgrade(one)
            said = caught.value.cause
        assert f"process {os.getppid()}" in said
        assert dump(one / "cmbagent.db") == before and copies(one) == []
        tamper(one, f"UPDATE clients SET heartbeat_at = {now - 16_000_000}")
    storage.downgrade(home)
    storage.upgrade(older)


BROKEN = '''
"""Broken off.

Revision ID: 0003
Revises: 0002
"""
from alembic import op
revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None

def upgrade():
    op.execute("ALTER TABLE nodes ADD COLUMN half TEXT")
    op.execute("DELETE FROM messages")
    COMMITS
    raise RuntimeError("out of luck")
'''


@pytest.mark.parametrize("commits", ["pass", "op.get_bind().connection.driver_connection.execute('COMMIT')"])
async def test_a_migration_that_fails_leaves_everything_as_it_was(
    home: Path, tmp_path, monkeypatch, commits: str
) -> None:
    """Also one that had committed a part of it by then."""
    scripts = Path(shutil.copytree(migrate._SCRIPTS, tmp_path / "migrations"))
    (scripts / "versions" / "0003_broken.py").write_text(BROKEN.replace("COMMITS", commits))
    before = dump(home / "cmbagent.db")
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "HEAD", "0003")
    with pytest.raises(StorageError, match="cannot be migrated: out of luck"):
        storage.upgrade(home)
    monkeypatch.undo()
    assert dump(home / "cmbagent.db") == before
    assert storage.check(home) == []
    assert copies(home) == [], "there is nothing that it would be needed for"


@pytest.mark.parametrize(
    ("half", "lacks"),
    [
        ("ALTER TABLE nodes DROP COLUMN retry_at", "nodes.retry_at"),
        ("ALTER TABLE attempts RENAME COLUMN feedback TO advice", "attempts.feedback"),
        ("PRAGMA foreign_keys=OFF; DROP TABLE checkpoints", "checkpoints.id"),
    ],
)
async def test_a_half_migrated_database_is_refused_and_left_alone(home: Path, half: str, lacks: str) -> None:
    tamper(home, half)
    before = picture(home)
    said = await refused(home)
    assert "half migrated" in said and lacks in said and "db restore" in said
    assert picture(home) == before


async def test_a_half_upgraded_database_is_refused_and_left_alone(older: Path) -> None:
    tamper(older, "ALTER TABLE sessions ADD COLUMN archived_at BIGINT")
    before = dump(older / "cmbagent.db")
    assert "duplicate column name: archived_at" in await refused(older)
    assert dump(older / "cmbagent.db") == before and copies(older) == []


@pytest.mark.parametrize("deed", ["upgrade", "downgrade"])
def test_a_migration_that_is_killed_leaves_the_old_revision_or_the_new_one(
    new_home: Path, old_home: Path, tmp_path: Path, deed: str
) -> None:
    origin = old_home if deed == "upgrade" else new_home
    homes = [Path(shutil.copytree(origin, tmp_path / f"h{number}")) for number in range(29)]
    assert killed(deed, homes, SEED) >= 20
    whole = {"0001": dump(old_home / "cmbagent.db"), "0002": dump(new_home / "cmbagent.db")}
    found = set()
    for home in homes:
        context = f"{home.name}, seed {SEED}"
        revision, _ = storage.revision(home)
        assert revision is not None, context
        found.add(revision)
        assert dump(home / "cmbagent.db") == whole[revision], context
        for copy in copies(home):
            if not copy.name.endswith(".part"):
                assert dump(copy / "cmbagent.db") == whole["0001" if deed == "upgrade" else "0002"], context
        storage.upgrade(home)
        assert storage.check(home) == [], context
    assert found == {"0001", "0002"}
