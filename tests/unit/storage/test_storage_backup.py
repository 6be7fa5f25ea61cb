"""Backups: whole and verified, taken while others write; brought back whole or not at all, what stood before kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import storage
from engine.model.changes import Add
from engine.model.clients import Client
from engine.model.errors import StorageError, UsageError
from engine.model.ids import new_id
from storage import migrate
from tests.support.dying import killed
from tests.support.homes import make_home, picture, read_all, spoil_page, tamper, titles

SEED = 20310506


@pytest.fixture(scope="session")
def two_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a home that holds "old", and one that holds "new"."""
    place = tmp_path_factory.mktemp("homes")
    asyncio.run(make_home(place / "old", "old"))
    asyncio.run(make_home(place / "new", "new"))
    return place


@pytest.fixture
def old(two_homes: Path, tmp_path: Path) -> Path:
    """A backup of the home with "old"."""
    shutil.copytree(two_homes / "old", tmp_path / "was")
    storage.backup(tmp_path / "was", None, tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def home(two_homes: Path, tmp_path: Path) -> Path:
    """A home with "new"."""
    return Path(shutil.copytree(two_homes / "new", tmp_path / "home"))


def named(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs").glob("??/*")}


async def test_a_backup_is_a_home_with_all_that_the_database_refers_to(home: Path, tmp_path: Path) -> None:
    stray = storage.open_store(home)[1].put(b"nothing refers to this")
    done = storage.backup(home, None, tmp_path / "copy")
    assert (done.directory, done.revision) == (tmp_path / "copy", migrate.HEAD)
    assert sorted(path.name for path in done.directory.iterdir()) == ["blobs", "cmbagent.db"]
    assert named(tmp_path / "copy") == named(home) - {stray}
    assert done.blobs == len(named(home)) - 1
    assert done.contents == sum(path.stat().st_size for path in (tmp_path / "copy" / "blobs").glob("??/*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in [done.directory, *done.directory.rglob("*")])
    assert storage.check(tmp_path / "copy") == []
    assert await read_all(tmp_path / "copy") == await read_all(home)


def test_contents_are_shared_with_the_home_where_they_can_be(home: Path, tmp_path: Path) -> None:
    storage.backup(home, None, tmp_path / "copy")
    for name in named(tmp_path / "copy"):
        one, two = (place / "blobs" / name[:2] / name for place in (home, tmp_path / "copy"))
        assert one.samefile(two)
    shutil.rmtree(home)
    assert storage.check(tmp_path / "copy") == []


def test_contents_are_copied_where_they_cannot_be_shared(home: Path, tmp_path: Path, monkeypatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    storage.backup(home, None, tmp_path / "copy")
    assert storage.check(tmp_path / "copy") == []
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "copy" / "blobs").glob("??/*"))


def test_without_a_name_it_is_put_among_the_backups_of_the_home(home: Path) -> None:
    first, second = storage.backup(home), storage.backup(home)
    assert first.directory.parent == second.directory.parent == home / "backups"
    assert first.directory != second.directory
    assert storage.check(home) == [] and storage.check(second.directory) == []


async def test_a_backup_that_is_taken_while_runs_go_on_holds_a_moment_of_theirs(home, store, research) -> None:
    await store.commit(*research.opening())
    acknowledged: list[str] = []
    stop = False

    async def write(number: int) -> None:
        while not stop:
            events = [research.event("x" * (5000 if number == 0 else 300)) for _ in range(3)]
            await store.commit(*map(Add, events))
            acknowledged.extend(event.id for event in events)

    writers = [asyncio.create_task(write(number)) for number in range(6)]
    for number in range(3):
        before = set(acknowledged)
        copy = home.parent / f"copy{number}"
        await asyncio.to_thread(storage.backup, home, None, copy)
        there = len(acknowledged)
        assert storage.check(copy) == []
        with closing(sqlite3.connect(copy / "cmbagent.db")) as raw:
            events = [row[0] for row in raw.execute("SELECT id FROM events WHERE run_id = ?", [research.run.id])]
        assert before <= set(events)
        assert there >= len(events) - 18  # and what was under way
    stop = True
    await asyncio.gather(*writers)


@pytest.mark.parametrize("how", ["edited", "missing", "page"])
def test_what_is_damaged_is_not_backed_up(home: Path, tmp_path: Path, how: str) -> None:
    blob = sorted((home / "blobs").glob("??/*"))[0]
    if how == "page":
        spoil_page(home, "messages")
    else:
        blob.unlink()
        if how == "edited":
            blob.write_bytes(b"something else")
    with pytest.raises(StorageError) as caught:
        storage.backup(home, None, tmp_path / "copies" / "one")
    assert (f"{home}/cmbagent.db" if how == "page" else blob.name) in caught.value.cause
    assert "db check" in caught.value.hint
    assert list((tmp_path / "copies").iterdir()) == []


def test_nothing_is_overwritten_by_a_backup(home: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    for name in ("full", "file", "link"):
        with pytest.raises(UsageError, match="is there already"):
            storage.backup(home, None, tmp_path / name)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]
    (tmp_path / "empty").mkdir()
    assert storage.backup(home, None, tmp_path / "empty").directory == tmp_path / "empty"


def test_what_a_killed_backup_left_is_removed_after_a_day_and_nothing_of_anyone_elses(home: Path) -> None:
    backups = home / "backups"
    one, mine = ".2031-05-06T07-08-09Z-12ab.0123abcd.part", ".mine.0123abcd.part"
    others = [".theirs.0123abcd.part", ".download.part", "plain.part"]
    for name in (one, mine, *others, ".before-restore-2031-05-06T07-08-09Z-12ab.0123abcd.part"):
        (backups / name).mkdir(parents=True)
        os.utime(backups / name, (0, 0))
    fresh = backups / ".2031-05-06T07-08-09Z-12ac.0123abcd.part"
    fresh.mkdir()
    storage.backup(home, None, backups / "mine")
    assert sorted(path.name for path in backups.iterdir()) == sorted([fresh.name, "mine", *others])


def test_a_place_that_cannot_be_written_to_is_said(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        storage.backup(home, None, tmp_path / "file" / "copy")


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no database"):
        storage.backup(tmp_path / "home", None, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_backup_leaves_none_or_a_whole_one(two_homes: Path, tmp_path: Path) -> None:
    homes = [Path(shutil.copytree(two_homes / "new", tmp_path / str(number))) for number in range(22)]
    assert killed("backup", homes, SEED) >= 8
    for home in homes:
        context = f"{home.name}, seed {SEED}"
        if (home / "copy").exists():
            assert storage.check(home / "copy") == [], context
            assert titles(home / "copy") == {"new"}, context
        assert storage.check(home) == [], context


async def test_a_backup_is_brought_back_and_what_stood_before_is_kept(home: Path, old: Path) -> None:
    before = await read_all(home)
    done = storage.restore(home, None, old)
    assert (done.directory, done.revision) == (old, migrate.HEAD)
    assert storage.check(home) == []
    assert await read_all(home) == await read_all(old)
    assert done.kept is not None and done.kept.parent == home / "backups"
    again = storage.restore(home, None, done.kept)
    assert again.kept is not None and titles(again.kept) == {"old"}
    assert storage.check(home) == []
    assert await read_all(home) == before


async def test_a_backup_is_brought_back_to_an_empty_home(old: Path, tmp_path: Path) -> None:
    assert storage.restore(tmp_path / "fresh", None, old).kept is None
    shutil.rmtree(tmp_path / "was")
    assert storage.check(tmp_path / "fresh") == []
    assert await read_all(tmp_path / "fresh") == await read_all(old)


@pytest.mark.parametrize("wreck", ["page", "header", "nonsense", "short", "log", "blob"])
async def test_a_backup_is_brought_back_over_a_wreck(home: Path, old: Path, wreck: str) -> None:
    path = home / "cmbagent.db"
    match wreck:
        case "page":
            spoil_page(home, "runs")
        case "header":
            path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
        case "nonsense":
            path.write_bytes(b"Dear diary, " * 5000)
        case "short":
            path.write_bytes(path.read_bytes()[:9000])
        case "log":
            path.with_name("cmbagent.db-wal").write_bytes(b"\x37\x7f\x06\x82" * 3000)
        case _:
            for blob in (home / "blobs").glob("??/*"):
                blob.chmod(0o600)
                blob.write_bytes(b"damaged")
    damaged = path.read_bytes()
    done = storage.restore(home, None, old)
    assert done.kept is not None and (done.kept / "cmbagent.db").read_bytes() == damaged
    assert storage.check(home) == []
    assert await read_all(home) == await read_all(old)


@pytest.mark.parametrize("wreck", ["page", "nonsense", "missing", "edited", "newer", "half", "none"])
def test_a_backup_that_is_not_whole_is_refused_and_nothing_harmed(home: Path, old: Path, wreck: str) -> None:
    blob = sorted((old / "blobs").glob("??/*"))[0]
    expected = "is damaged"
    match wreck:
        case "page":
            spoil_page(old, "nodes")
        case "nonsense":
            (old / "cmbagent.db").write_bytes(b"Dear diary, " * 5000)
            expected = "not a database"
        case "missing":
            blob.unlink()
            expected = blob.name
        case "edited":
            blob.unlink()
            blob.write_bytes(b"something else")
            expected = blob.name
        case "newer":
            tamper(old, "UPDATE alembic_version SET version_num = '9999'")
            expected = "'9999'"
        case "half":
            tamper(old, "ALTER TABLE nodes DROP COLUMN retry_at")
            expected = "half migrated"
        case _:
            (old / "cmbagent.db").unlink()
            expected = "is no backup"
    before = picture(home)
    with pytest.raises(StorageError, match=expected) as caught:
        storage.restore(home, None, old)
    assert caught.value.hint
    assert picture(home) == before


def test_the_database_itself_is_no_backup(home: Path) -> None:
    with pytest.raises(UsageError, match="where the database itself lies"):
        storage.restore(home, None, home)


def client(pid: int, host: str, seconds_ago: float) -> Client:
    from datetime import UTC, datetime, timedelta

    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return Client(new_id(), pid, host, "/dev/pts/7", at, at)


async def test_a_database_that_another_process_has_open_is_not_overwritten(home: Path, old: Path) -> None:
    import socket

    store, _ = storage.open_store(home)
    await store.open()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        living = client(other.pid, socket.gethostname(), 1)
        await store.commit(Add(living), Add(client(1, "elsewhere", 16)))
        await store.close()
        with pytest.raises(
            StorageError, match=f"another process has .* open: process {other.pid} on /dev/pts/7"
        ) as caught:
            storage.restore(home, None, old)
        assert caught.value.hint
        assert titles(home) == {"new"}
        other.communicate()
    storage.restore(home, None, old)  # its process is gone: it does not count any more
    assert titles(home) == {"old"}


async def test_a_database_that_any_program_has_open_is_not_overwritten(home: Path, old: Path) -> None:
    with closing(sqlite3.connect(home / "cmbagent.db")) as other:
        other.execute("SELECT count(*) FROM sessions").fetchone()
        with pytest.raises(StorageError, match=r"another program has .* open"):
            storage.restore(home, None, old)
    assert titles(home) == {"new"}


async def test_a_restore_that_is_killed_leaves_the_old_one_or_the_new_one(
    two_homes: Path, old: Path, tmp_path: Path
) -> None:
    homes = [Path(shutil.copytree(two_homes / "new", tmp_path / f"h{number}")) for number in range(24)]
    for home in homes[1::3]:  # one that was killed itself a moment ago, and so has a log
        crash(home)
    assert killed("restore", homes, SEED) >= 12
    found = []
    for home in homes:
        context = f"{home.name}, seed {SEED}"
        assert storage.check(home) == [], context
        found.append(titles(home))
        assert found[-1] in ({"old"}, {"new"}), context
        storage.restore(home, None, old)
        assert storage.check(home) == [] and titles(home) == {"old"}, context
    assert {"new"} in found


def crash(home: Path) -> None:
    """Leave a log behind, as a process does that is killed."""
    script = """if True:
        import os, signal, sqlite3, sys
        raw = sqlite3.connect(sys.argv[1], isolation_level=None)
        for number in range(50):
            raw.execute("UPDATE sessions SET updated_at = updated_at + 1")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", script, str(home / "cmbagent.db")], check=False)
    assert (home / "cmbagent.db-wal").stat().st_size > 0


async def test_a_backup_of_an_older_revision_is_brought_back_and_upgraded_when_it_is_opened(
    home: Path, two_homes: Path, tmp_path: Path
) -> None:
    shutil.copytree(two_homes / "old", tmp_path / "was")
    storage.downgrade(tmp_path / "was", None, "0001")
    storage.backup(tmp_path / "was", None, tmp_path / "backup")
    assert storage.restore(home, None, tmp_path / "backup").revision == "0001"
    assert storage.revision(home)[0] == "0001"
    found = await read_all(home)
    assert found.keys() == {"old"}
    assert storage.revision(home)[0] == migrate.HEAD


def test_it_is_told_how_far_they_are(home: Path, old: Path) -> None:
    told: list[tuple[str, int, int]] = []
    storage.backup(home, None, home / "copy", lambda *how: told.append(how))
    assert {what for what, _, _ in told} == {
        "copying the database",
        "checking the database",
        "storing contents",
        "checking contents",
    }
    assert all(0 <= done <= total or total == 0 for _, done, total in told)
    told.clear()
    storage.restore(home, None, old, lambda *how: told.append(how))
    assert {"checking contents", "keeping what stands", "writing the database"} <= {what for what, _, _ in told}
