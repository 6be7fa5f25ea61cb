"""Damage is named, with its place and the way out, by a check and wherever it is met; looking harms nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import storage
from engine.model.errors import StorageError
from storage import upkeep, wal
from tests.support.dying import LATER
from tests.support.homes import make_home, picture, read_all, spoil_page, tamper


@pytest.fixture(scope="session")
def sound_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("damage") / "home"
    asyncio.run(make_home(home, "one"))
    return home


@pytest.fixture
def home(sound_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_home, tmp_path / "home"))


def log(home: Path) -> Path:
    return home / "cmbagent.db-wal"


@pytest.fixture
def crashed(home: Path) -> Path:
    """A home whose program was killed a moment ago: 100 of its commits are in the log alone."""
    script = """if True:
        import os, signal, sqlite3, sys
        raw = sqlite3.connect(sys.argv[1], isolation_level=None)
        for number in range(100):
            raw.execute("UPDATE sessions SET title = ?", [f"{number}"])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", script, str(home / "cmbagent.db")], check=False)
    assert log(home).stat().st_size > 100 * 4096
    return home


def cut(home: Path) -> str:
    log(home).write_bytes(log(home).read_bytes()[: 32 + 50 * 4120 + 17])
    return "is cut off: of 100 pages that were written last, 50 are lost"


def empty(home: Path) -> str:
    log(home).write_bytes(b"")
    return "is missing or empty: 100 pages that were written last are lost"


def remove(home: Path) -> str:
    log(home).unlink()
    return "is missing or empty: 100 pages that were written last are lost"


def harm(home: Path) -> str:
    data = bytearray(log(home).read_bytes())
    data[32 + 30 * 4120 + 2000] ^= 1
    log(home).write_bytes(bytes(data))
    return "is damaged: of 100 pages that were written last, 70 are lost"


def all_but_index(home: Path) -> dict[str, bytes]:
    return picture(home, lambda path: path.name.endswith("-shm"))


async def test_after_a_kill_everything_is_sound(crashed: Path) -> None:
    before = all_but_index(crashed)
    assert storage.check(crashed) == []
    assert all_but_index(crashed) == before, "not even what is in the log was moved"
    assert (await read_all(crashed)).keys() == {"99"}
    assert storage.check(crashed) == []


@pytest.mark.parametrize("spoil", [cut, empty, remove, harm])
async def test_a_log_that_lost_something_is_named_by_the_check(crashed: Path, spoil: Any) -> None:
    expected = spoil(crashed)
    before = picture(crashed)
    for _ in range(2):
        (finding,) = storage.check(crashed)
        assert f"{log(crashed)} {expected}" in finding
    assert picture(crashed) == before, "what can still tell of it is left as it was"


@pytest.mark.parametrize("spoil", [cut, empty, remove])
async def test_a_log_that_lost_something_is_refused_where_it_is_met(crashed: Path, tmp_path: Path, spoil: Any) -> None:
    expected = spoil(crashed)
    before = picture(crashed)
    store, _ = storage.open_store(crashed)
    with pytest.raises(StorageError, match=expected) as caught:
        await store.open()
    assert "db restore" in caught.value.hint and "cmbagent.db-shm" in caught.value.hint
    for meet in (
        lambda: storage.upgrade(crashed),
        lambda: storage.downgrade(crashed),
        lambda: storage.revision(crashed),
        lambda: storage.backup(crashed, None, tmp_path / "copy"),
    ):
        with pytest.raises(StorageError, match=expected):
            meet()
    assert picture(crashed) == before
    (crashed / "cmbagent.db-shm").unlink()  # the way on without what is lost, that the hint names
    assert len(await read_all(crashed)) == 1
    assert storage.check(crashed) == []


async def test_a_log_in_use_is_sound(home: Path, store, research) -> None:
    await store.commit(*research.opening())
    for number in range(30):
        await store.commit(research.move_run(*(("draft", "executing") if number == 0 else TURNS[number % 2])))
        assert wal.lost(home / "cmbagent.db") is None
        assert wal.lost(home / "cmbagent.db", thorough=True) is None
    assert storage.check(home) == []


TURNS = [("waiting_approval", "executing"), ("executing", "waiting_approval")]


def test_no_log_is_lost_while_others_come_and_go(home: Path) -> None:
    """Programs that open, write and close, so that the log comes, begins anew and goes, and one that looks."""
    script = """if True:
        import sqlite3, sys
        for number in range(60):
            raw = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
            raw.execute("PRAGMA wal_autocheckpoint=3")
            for _ in range(number % 7):
                raw.execute("UPDATE sessions SET updated_at = updated_at + 1")
            raw.close()
    """
    others = [subprocess.Popen([sys.executable, "-c", script, str(home / "cmbagent.db")]) for _ in range(2)]
    looks = 0
    while any(other.poll() is None for other in others):
        assert wal.lost(home / "cmbagent.db", thorough=looks % 2 == 0) is None
        looks += 1
    assert [other.returncode for other in others] == [0, 0] and looks > 10


@pytest.mark.parametrize("table", ["runs", "events", "messages", "journal_entries"])
async def test_a_damaged_page_is_named_with_its_table(home: Path, table: str) -> None:
    page = spoil_page(home, table)
    before = picture(home)
    findings = storage.check(home)
    assert f"page {page} (of {table}), or one that hangs on it, is damaged" in "\n".join(findings)
    assert picture(home) == before
    with pytest.raises(StorageError, match=f"{home}/cmbagent.db is damaged") as caught:
        await read_all(home)
    assert "db check" in caught.value.hint and "db restore" in caught.value.hint


def test_no_damaged_page_goes_unnoticed(home: Path) -> None:
    path = home / "cmbagent.db"
    whole, size = path.read_bytes(), 4096
    for page in range(2, len(whole) // size + 1):
        data = bytearray(whole)
        data[(page - 1) * size : (page - 1) * size + 8] = b"\xff" * 8
        path.write_bytes(data)
        findings = storage.check(home)
        named = (f"page {page} ", "the list of the database's own tables")
        assert any(one in finding for finding in findings for one in named), (page, findings)


def test_all_that_is_wrong_is_named_though_a_page_is_damaged(home: Path) -> None:
    spoil_page(home, "messages")
    tamper(home, "UPDATE runs SET state = 'sleeping'")
    blob = max((home / "blobs").glob("??/*"), key=lambda path: path.stat().st_size)
    blob.chmod(0o600)
    blob.write_bytes(b"edited")
    findings = "\n".join(storage.check(home))
    assert "(of messages), or one that hangs on it, is damaged" in findings
    assert "is sleeping, but its history ends in completed" in findings


@pytest.mark.parametrize("size", [50, 4000, 9000, 30_000])
async def test_a_database_that_was_cut_off_is_named(home: Path, size: int) -> None:
    path = home / "cmbagent.db"
    path.write_bytes(path.read_bytes()[:size])
    before = picture(home)
    findings = storage.check(home)
    assert findings and str(path) in "\n".join(findings)
    assert picture(home) == before
    with pytest.raises(StorageError) as caught:
        await read_all(home)
    assert "db restore" in caught.value.hint


def test_what_a_lost_or_edited_content_belongs_to_is_named(home: Path) -> None:
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        sha256, run = raw.execute("SELECT sha256, run_id FROM artifacts").fetchone()
        (body,) = raw.execute("SELECT content FROM messages").fetchone()
    file, text = (home / "blobs" / name[:2] / name for name in (sha256, body[-65:-1]))
    file.unlink()
    text.chmod(0o600)
    text.write_bytes(text.read_bytes() + b"#")
    findings = storage.check(home)
    assert f"the content {sha256} (the file f.png of run {run}) is missing" in findings
    assert any(text.name in one and "was edited or damaged" in one for one in findings)
    assert len(findings) == 2


def test_a_check_changes_nothing_and_works_where_nothing_can_be_written(home: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*") if path.is_file()}
    told: list[str] = []
    assert storage.check(home, None, lambda what, done, total: told.append(what)) == []
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*") if path.is_file()
    } == before
    assert {"pages and rows", "contents"} <= set(told)


@pytest.mark.parametrize("deed", ["check", "backup", "prune"])
def test_an_interrupt_ends_it_wherever_it_is(home: Path, monkeypatch, deed: str) -> None:
    monkeypatch.setattr(upkeep, "_STEPS", 50)
    calls = 0

    def told(what: str, done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise KeyboardInterrupt

    before = picture(home)
    with pytest.raises(KeyboardInterrupt):
        if deed == "check":
            storage.check(home, None, told)
        elif deed == "backup":
            storage.backup(home, None, home.parent / "copies" / "one", told)
        else:
            storage.prune(home, None, LATER, older_than=timedelta(0), told=told)
    assert picture(home) == before
    assert not list(home.parent.glob("copies/*"))


def test_a_check_of_what_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "cmbagent.db").write_bytes(os.urandom(50_000))
    (finding,) = storage.check(tmp_path)
    assert "is not a database" in finding
