"""Opening: made and migrated once, kept private, and refused in words where it cannot be."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import storage
from engine.model.errors import StorageError, UsageError
from storage import migrate, sqlite
from storage.tables import metadata

UPGRADE = "import sys, storage; from pathlib import Path; print(tuple(storage.upgrade(Path(sys.argv[1]))[:2]))"


def schema(path: Path) -> dict[str, list[str]]:
    """What each table and index is declared as; within one, the order of constraints is free, and one that came with
    its column counts as one of the table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
        return {name: sorted(clauses(sql)) for name, sql in rows}


def clauses(sql: str) -> list[str]:
    """The parts of a declaration that are separated by commas, outside of brackets."""
    found, depth = [""], 0
    for character in " ".join(sql.split()):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 1:
            found.append("")
        else:
            found[-1] += character
    parts = [part.strip() for clause in found for part in clause.replace(" CONSTRAINT ", "\0CONSTRAINT ").split("\0")]
    return [part.rstrip(") ") if part.startswith("CONSTRAINT") else part for part in parts if part]


def columns(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        return {table: [row[1] for row in raw.execute(f"PRAGMA table_info({table})")] for table in metadata.tables}


def test_the_migrations_make_the_tables_that_the_program_knows(tmp_path):
    migrated, fresh = tmp_path / "migrated.db", tmp_path / "fresh.db"
    migrate.prepare(migrated)
    engine = create_engine(f"sqlite:///{fresh}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(migrated) == schema(fresh)
    assert columns(migrated) == columns(fresh)


def test_down_and_up_again_is_as_at_first(tmp_path):
    path = tmp_path / "cmbagent.db"
    assert migrate.prepare(path) == migrate.Migrated(None, migrate.HEAD)
    first = schema(path)
    migrate.downgrade(path, "base")
    assert schema(path) == {}
    assert migrate.prepare(path) == migrate.Migrated(None, migrate.HEAD)
    assert schema(path) == first
    assert migrate.prepare(path) == migrate.Migrated(migrate.HEAD, migrate.HEAD)


def test_the_head_that_the_program_knows_is_the_scripts_head():
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(migrate._config())
    assert scripts.get_heads() == [migrate.HEAD]


def test_every_session_owned_table_says_whose_it_is():
    assert {name for name, table in metadata.tables.items() if "session_id" not in table.c} == {"sessions", "clients"}


async def test_files_are_private(home, store, research):
    _, blobs = storage.open_store(home)
    await store.commit(*research.opening())
    blobs.put(b"secret")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes == {"cmbagent.db": 0o600, "cmbagent.db-wal": 0o600, "cmbagent.db-shm": 0o600, "blobs": 0o700}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home / "blobs").rglob("*"))


async def test_every_commit_is_synced(store, home):
    connection = store._opened().writer._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_readers_cannot_write(store):
    engine = store._opened().reader.engine
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM sessions")


def test_several_processes_that_open_at_once_migrate_once(home):
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(5)
    ]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, said
    head = migrate.HEAD
    assert sorted(out.decode().strip() for out, _ in said) == [f"('{head}', '{head}')"] * 4 + [f"(None, '{head}')"]
    assert storage.check(home) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_migration_that_is_killed_leaves_the_old_schema_or_the_new(home, seed):
    rng = random.Random(seed)
    with subprocess.Popen([sys.executable, "-c", UPGRADE, str(home)], stdout=subprocess.DEVNULL) as process:
        # The file appears shortly before the migration begins.
        while not (home / "cmbagent.db").exists() and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
    assert storage.revision(home)[0] in (None, migrate.HEAD)
    tables = set(schema(home / "cmbagent.db"))
    assert not tables or tables >= set(metadata.tables)
    storage.upgrade(home)
    assert storage.check(home) == []


def test_a_migration_that_fails_changes_nothing(home):
    storage.upgrade(home)
    path = home / "cmbagent.db"
    migrate.downgrade(path, "base")
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("CREATE TABLE clients (mine TEXT)")  # in the way of the last table of the migration
        before = schema(path)
    with pytest.raises(StorageError, match="clients"):
        storage.upgrade(home)
    assert schema(path) == before
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("DROP TABLE clients")
    assert storage.upgrade(home) == migrate.Migrated(None, migrate.HEAD)


async def refusal(home: Path) -> str:
    store, _ = storage.open_store(home)
    with pytest.raises(StorageError) as caught:
        await store.open()
    assert caught.value.hint
    return str(caught.value)


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(home):
    storage.upgrade(home)
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (home / "cmbagent.db").read_bytes()
    said = await refusal(home)
    assert "'9999'" in said and f"'{migrate.HEAD}'" in said and "Update cmbagent-tui" in said
    assert (home / "cmbagent.db").read_bytes() == before
    assert storage.revision(home) == ("9999", migrate.HEAD)
    with pytest.raises(StorageError, match="9999"):
        storage.check(home)


@pytest.mark.parametrize("content", [b"just some text, longer than a header" * 100, b"SQLite format 3\x00" * 999])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(home, content):
    home.mkdir()
    (home / "cmbagent.db").write_bytes(content)
    said = await refusal(home)
    assert "cmbagent.db" in said
    assert (home / "cmbagent.db").read_bytes() == content


async def test_another_programs_database_is_refused_and_left_alone(home):
    home.mkdir()
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "another program's" in await refusal(home)
    assert set(schema(home / "cmbagent.db")) == {"bookmarks"}


async def test_a_database_that_was_cut_off_is_refused(home):
    storage.upgrade(home)
    path = home / "cmbagent.db"
    path.write_bytes(path.read_bytes()[:5000])
    assert re.search("damaged|not a database", await refusal(home))


async def test_a_directory_in_the_databases_place_is_refused(home):
    (home / "cmbagent.db").mkdir(parents=True)
    assert "cmbagent.db" in await refusal(home)


async def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    said = await refusal(tmp_path / "file" / "home")
    assert "cannot create" in said and "CMBAGENT_HOME" in said


def without_roots_powers() -> list[str]:
    """A command prefix under which modes bind root as they bind anybody."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to stop it")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(("file", "directory"), [(None, 0o500), (0o400, 0o700), (0o400, 0o500), (0o000, 0o700)])
def test_what_may_not_be_written_to_is_refused(home, file, directory):
    home.mkdir()
    if file is not None:
        storage.upgrade(home)
        (home / "cmbagent.db").chmod(file)
    home.chmod(directory)
    script = """if True:
        import sys, storage
        from pathlib import Path
        from engine.model.errors import StorageError
        try:
            storage.upgrade(Path(sys.argv[1]))
        except StorageError as error:
            print(error)
    """
    command = [*without_roots_powers(), sys.executable, "-c", script, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert str(home) in done.stdout and "CMBAGENT_HOME" in done.stdout


def test_a_home_on_a_read_only_disk_is_refused(home):
    storage.upgrade(home)
    before = (home / "cmbagent.db").read_bytes()
    script = """if True:
        import sys, storage
        from pathlib import Path
        from engine.model.errors import StorageError
        for home in (Path(sys.argv[1]), Path(sys.argv[1], "new")):
            try:
                storage.upgrade(home)
            except StorageError as error:
                print(str(error).replace(chr(10), " "))
    """
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; shift; exec "$@"'
    try:
        command = ["unshare", "-rm", "sh", "-c", mount, "-", str(home), sys.executable, "-c", script, str(home)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode != 0 and "Traceback" not in done.stderr:
        pytest.skip("no file system may be mounted here")
    there, new = done.stdout.splitlines()
    assert "cannot be opened" in there and "CMBAGENT_HOME" in there
    assert "Read-only file system" in new and "CMBAGENT_HOME" in new
    assert (home / "cmbagent.db").read_bytes() == before


def test_a_disk_that_is_full_at_the_first_start_leaves_nothing_half_made(home):
    script = """if True:
        import resource, signal, sys, storage
        from pathlib import Path
        from engine.model.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        try:
            storage.upgrade(Path(sys.argv[1]))
        except StorageError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", script, str(home)], capture_output=True, text=True, timeout=60)
    assert "disk" in done.stdout and done.returncode == 0, done
    assert schema(home / "cmbagent.db") == {}
    assert storage.upgrade(home) == migrate.Migrated(None, migrate.HEAD)
    assert storage.check(home) == []


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
lfs /scratch lustre rw 0 0
user@host: /mnt/with\\040space fuse.sshfs rw 0 0
portal /run/user/doc fuse.portal rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/ana/.cmbagent/cmbagent.db", "nfs4"), ("/scratch/x.db", "lustre"), ("/mnt/with space/x.db", "fuse.sshfs")],
)
def test_a_network_file_system_is_refused(path, kind):
    with pytest.raises(StorageError) as caught:
        sqlite.refuse_network(Path(path), MOUNTS)
    assert kind in str(caught.value)
    assert "CMBAGENT_HOME" in caught.value.hint and "CMBAGENT_DATABASE_URL" in caught.value.hint


async def test_a_home_on_a_network_file_system_is_refused_with_the_way_out(home, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "_MOUNTS", tmp_path / "mounts")
    (tmp_path / "mounts").write_text(f"/dev/vda / ext4 rw 0 0\nserver:/export {home.parent.resolve()} nfs4 rw 0 0\n")
    said = await refusal(home)
    assert "nfs4" in said and "CMBAGENT_DATABASE_URL" in said
    with pytest.raises(StorageError, match="nfs4"):
        storage.upgrade(home)
    assert not home.exists()


@pytest.mark.parametrize("path", ["/var/x.db", "/home/local/x.db", "/homes/x.db", "/run/user/doc/x.db"])
def test_a_local_file_system_is_not(path):
    sqlite.refuse_network(Path(path), MOUNTS)


def test_a_url_says_where_the_database_is(home, tmp_path):
    url = f"sqlite:///{tmp_path}/else where/100%25.db"
    assert storage.upgrade(home, url) == migrate.Migrated(None, migrate.HEAD)
    assert (tmp_path / "else where" / "100%.db").is_file()
    assert not home.exists()
    storage.upgrade(home, "sqlite:///own.db")
    assert (home / "own.db").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:hunter2@db/cockpit",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "cmbagent.db",
        "mysql://x",
    ],
)
def test_a_url_that_is_not_supported_is_refused_without_repeating_its_secrets(home, url):
    with pytest.raises(UsageError) as caught:
        storage.open_store(home, url)
    assert "CMBAGENT_DATABASE_URL" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_a_check_without_a_database_says_so(home):
    assert storage.revision(home) == (None, migrate.HEAD)
    with pytest.raises(StorageError, match="no database"):
        storage.check(home)
    assert not home.exists()


def test_what_is_not_needed_is_not_loaded(home):
    storage.upgrade(home)
    script = """if True:
        import asyncio, sys, storage
        from pathlib import Path
        def loaded(): return {"sqlalchemy", "alembic", "pydantic"} & set(sys.modules)
        assert not loaded(), loaded()
        store, blobs = storage.open_store(Path(sys.argv[1]))
        assert not loaded(), loaded()
        async def main():
            await store.open()
            await store.close()
        asyncio.run(main())
        assert loaded() == {"sqlalchemy"}, loaded()
    """
    subprocess.run([sys.executable, "-c", script, str(home)], check=True, cwd="/", timeout=60)


def test_a_home_with_odd_characters_works(tmp_path):
    for name in ("with space", "per%cent", "que?stion#mark", "ünï"):
        home = tmp_path / name
        assert storage.upgrade(home) == migrate.Migrated(None, migrate.HEAD)
        assert storage.check(home) == []
