"""A session is carried whole to another home: everything that it is, nothing of anything else, and always the same
bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import tracemalloc
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

import storage
from engine.model.changes import Add, Own, Shelve
from engine.model.errors import NotFound, StorageError
from engine.model.ids import new_id
from engine.model.records import Artifact
from tests.support.archives import Parts
from tests.support.carried import FIGURE, Carried, export_to, import_from

TABLES = [
    "sessions",
    "session_states",
    "runs",
    "nodes",
    "edges",
    "attempts",
    "journal_entries",
    "events",
    "messages",
    "artifacts",
    "checkpoints",
    "approvals",
    "state_history",
    "cost_records",
]


async def told_of(home: Path, carried: Carried) -> dict[str, object]:
    """Everything that a reader is told of a session, but for its directory and its owner."""
    store, blobs = storage.open_store(home)
    await store.open()
    try:
        r = carried.research
        reads = store.reads(r.session.id)
        view = await reads.view(r.run.id)
        directory = view.session.directory
        return {
            "session": replace(view.session, directory=""),
            "run": replace(view.run, owner_id=None, lease=0),
            "nodes": view.nodes,
            "edges": view.edges,
            "attempts": [
                replace(one, workdir=one.workdir and one.workdir.removeprefix(directory)) for one in view.attempts
            ],
            "artifacts": [(one, blobs.get(one.sha256)) for one in view.artifacts],
            "approvals": view.approvals,
            "cost": view.cost,
            "node_cost": view.node_cost,
            "events": await reads.events(r.run.id, limit=1000),
            "messages": await reads.messages(r.run.id, limit=1000),
            "journal": await reads.journal(r.attempt.id),
            "checkpoint": await reads.checkpoint(r.node.id),
            "costs": await reads.costs(r.run.id),
            "history": await reads.history(r.run.id),
            "state": await reads.state(),
            "branch": await reads.run(carried.branch.id),
            "unfinished": [one.id for one in await store.unfinished()],
        }
    finally:
        await store.close()


async def test_everything_arrives(carried, elsewhere, tmp_path):
    session_id = import_from(carried.archive, elsewhere)
    assert session_id == carried.research.session.id
    here, there = await told_of(carried.home, carried), await told_of(elsewhere, carried)
    for what in here:
        if what != "unfinished":
            assert there[what] == here[what], what
    assert storage.check(elsewhere) == []


async def test_it_holds_something_of_every_table(carried):
    parts = Parts(carried.archive)
    assert sorted(parts.members) == sorted(
        [f"records/{table}.jsonl" for table in TABLES] + [name for name in parts.members if name.startswith("blobs/")]
    )
    assert [table for table in TABLES if not parts.rows(table)] == []


async def test_nobody_owns_it_and_its_directory_is_this_homes(carried, elsewhere):
    import_from(carried.archive, elsewhere)
    store, _ = storage.open_store(elsewhere)
    await store.open()
    view = await store.reads(carried.research.session.id).view(carried.research.run.id)
    await store.close()
    assert (view.run.owner_id, view.run.lease) == (None, 0)
    directory = Path(view.session.directory)
    assert directory.parent == elsewhere / "sessions"
    assert directory.name == f"2031-05-06-is-it-damped-{carried.research.session.id[-8:]}"
    (attempt,) = view.attempts
    assert attempt.workdir == f"{directory}/work/fit/1"


async def test_the_same_session_gives_the_same_bytes(carried, elsewhere, tmp_path):
    again = export_to(carried.home, carried.research, tmp_path / "again.zip")
    assert again.read_bytes() == carried.archive.read_bytes()
    import_from(carried.archive, elsewhere)
    from_there = export_to(elsewhere, carried.research, tmp_path / "there.zip")
    assert from_there.read_bytes() == carried.archive.read_bytes()


async def test_nothing_of_another_session_goes_along(carried):
    text = b"".join(Parts(carried.archive).members.values())
    for mine in (carried.other.session.id, carried.other.run.id, carried.secret_of_the_other):
        assert mine.encode() not in text


async def test_nothing_says_where_it_lay_or_who_drove_it(carried, elsewhere):
    parts = Parts(carried.archive)
    text = b"".join([json.dumps(parts.manifest).encode(), *parts.members.values()])
    assert carried.research.session.directory.encode() not in text
    assert carried.owner.encode() not in text


async def test_a_picture_of_one_moment_is_exported_while_the_run_goes_on(carried, elsewhere, tmp_path):
    r = carried.research
    store, _ = storage.open_store(carried.home)
    await store.open()
    loop = asyncio.get_running_loop()
    added: list[str] = []

    def told(what: str, done: int, total: int) -> None:
        if len(added) < 20:  # more happens after each of the first rows
            event = r.event("later" * 1000)
            added.append(event.id)
            asyncio.run_coroutine_threadsafe(store.commit(Add(event), Add(r.cost(1))), loop).result()

    file = tmp_path / "live.zip"
    await asyncio.to_thread(storage.export_session, carried.home, None, r.session.id, file, "test", told)
    await store.close()
    assert added
    assert file.read_bytes() == carried.archive.read_bytes()
    import_from(file, elsewhere)
    assert storage.check(elsewhere) == []


async def test_a_deleted_session_arrives_undeleted(carried, elsewhere, tmp_path):
    r = carried.research
    store, _ = storage.open_store(carried.home)
    await store.open()
    await store.commit(Shelve(r.session.id, ("kept",), r.at(40), r.at(50)))
    await store.close()
    import_from(export_to(carried.home, r, tmp_path / "deleted.zip"), elsewhere)
    store, _ = storage.open_store(elsewhere)
    await store.open()
    session = await store.reads(r.session.id).session()
    await store.close()
    assert (session.tags, session.archived_at, session.deleted_at) == (("kept",), r.at(40), None)


async def test_moves_keep_their_order_among_those_that_are_there(carried, elsewhere):
    """The numbers of moves are each database's own."""
    await carried.fill(elsewhere, carried.newcomer)
    import_from(carried.archive, elsewhere)
    assert storage.check(elsewhere) == []


async def test_an_archive_of_the_revision_before_is_brought_up_to_date(carried, elsewhere, tmp_path):
    parts = Parts(carried.archive)
    parts.manifest["schema"] = "0001"
    added = {
        "sessions": ("tags", "archived_at", "deleted_at"),
        "runs": ("lease", "replay_of"),
        "nodes": ("feedback", "retry_at"),
        "attempts": ("feedback",),
        "journal_entries": ("repeatable",),
        "approvals": ("on_expiry",),
    }
    for table, columns in added.items():
        parts.rows(table, lambda row, columns=columns: [row.pop(name) for name in columns])
    import_from(parts.write(tmp_path / "older.zip"), elsewhere)
    assert storage.check(elsewhere) == []
    assert (await told_of(elsewhere, carried))["events"] == (await told_of(carried.home, carried))["events"]


async def test_an_unknown_session_is_not_exported(carried, tmp_path):
    file = tmp_path / "none.zip"
    with pytest.raises(NotFound):
        storage.export_session(carried.home, None, new_id(), file, "test", lambda *_: None)
    assert list(tmp_path.glob("*none*")) == []


@pytest.mark.parametrize("harm", ["missing", "damaged"])
async def test_a_session_with_lost_content_is_not_exported(carried, tmp_path, harm):
    _, blobs = storage.open_store(carried.home)
    path = blobs.path(carried.figure)
    path.chmod(0o600)
    path.unlink() if harm == "missing" else path.write_bytes(b"something else")
    with pytest.raises(StorageError) as refused:
        export_to(carried.home, carried.research, tmp_path / "lost.zip")
    assert carried.figure in refused.value.cause
    assert list(tmp_path.glob("*lost*")) == []


async def test_a_place_that_cannot_be_written_is_named(carried, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot write .*file/x\.zip"):
        export_to(carried.home, carried.research, tmp_path / "file" / "x.zip")


async def test_content_that_does_not_become_smaller_is_not_compressed(carried):
    with ZipFile(carried.archive) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    noise, text = entries[f"blobs/{carried.noise}"], entries["records/events.jsonl"]
    assert noise.compress_size == noise.file_size
    assert text.compress_size < text.file_size


async def test_progress_is_told_to_the_end(carried, elsewhere, tmp_path):
    heard: dict[str, list[tuple[int, int]]] = {}

    def told(what: str, done: int, total: int) -> None:
        heard.setdefault(what, []).append((done, total))

    file = tmp_path / "told.zip"
    storage.export_session(carried.home, None, carried.research.session.id, file, "test", told)
    storage.import_session(elsewhere, None, file, elsewhere / "sessions", told)
    for what in ("written to the archive", "unpacked and checked"):
        assert heard[what] == sorted(heard[what], key=lambda one: one[0])
        assert 0 < heard[what][-1][0] <= heard[what][-1][1]


async def test_the_database_can_be_anywhere(carried, tmp_path):
    home, url = tmp_path / "third", f"sqlite:///{tmp_path}/apart/research.db"
    storage.import_session(home, url, carried.archive, home / "sessions", lambda *_: None)
    assert storage.check(home, url) == []
    assert not (home / "cmbagent.db").exists()


async def test_what_a_killed_import_has_left_goes_with_the_next(carried, elsewhere):
    left = elsewhere / "blobs" / "tmp" / "import-abc"
    (left / "blobs").mkdir(parents=True)
    (left / "blobs" / "big").write_bytes(b"x" * 1000)
    import_from(carried.archive, elsewhere)
    assert not left.exists()
    assert list((elsewhere / "blobs" / "tmp").iterdir()) == []


async def test_content_that_is_here_already_is_shared(carried, elsewhere):
    """And a damaged copy of it is made whole."""
    _, blobs = storage.open_store(elsewhere)
    blobs.put(FIGURE)
    path = blobs.path(carried.figure)
    path.chmod(0o600)
    path.write_bytes(FIGURE.upper())
    import_from(carried.archive, elsewhere)
    assert blobs.get(carried.figure) == FIGURE
    assert path.stat().st_mode & 0o777 == 0o400


async def test_a_taken_over_run_can_be_owned_again(carried, elsewhere):
    import_from(carried.archive, elsewhere)
    store, _ = storage.open_store(elsewhere)
    await store.open()
    r = carried.research
    await store.commit(Own(r.session.id, r.run.id, "me", None, 0))
    assert (await store.reads(r.session.id).run(r.run.id)).owner_id == "me"
    await store.close()


async def test_others_write_while_a_session_arrives(carried, elsewhere):
    """The database is locked for no longer than a copy takes: not while the archive is read and looked over."""
    store, _ = storage.open_store(elsewhere)
    await store.open()
    await store.commit(*carried.newcomer.opening())
    loop = asyncio.get_running_loop()
    waited: list[int] = []

    def told(what: str, done: int, total: int) -> None:
        waited.append(done)
        change = Add(carried.newcomer.event())
        asyncio.run_coroutine_threadsafe(store.commit(change), loop).result(timeout=30)

    await asyncio.to_thread(storage.import_session, elsewhere, None, carried.archive, elsewhere / "sessions", told)
    events = await store.reads(carried.newcomer.session.id).events(carried.newcomer.run.id, limit=1000)
    await store.close()
    assert len(events) == len(waited) > 10
    assert storage.check(elsewhere) == []


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        return raw.execute(query).fetchall()


async def test_processes_and_what_they_asked_of_each_other_stay_where_they_are(carried, elsewhere):
    import_from(carried.archive, elsewhere)
    assert rows(carried.home, "SELECT count(*) FROM commands") == [(2,)]
    assert rows(elsewhere, "SELECT count(*) FROM commands") == [(0,)]
    assert rows(elsewhere, "SELECT count(*) FROM clients") == [(0,)]


async def test_both_ways_need_little_memory_however_large_the_files_are(carried, elsewhere, tmp_path):
    r = carried.research
    store, blobs = storage.open_store(carried.home)
    await store.open()
    large = random.Random(1).randbytes(1 << 20) * 64
    place = (r.session.id, r.run.id, r.node.id, r.attempt.id)
    sha256 = blobs.put(large)
    await store.commit(
        Add(Artifact(new_id(), *place, None, r.at(5), "engineer", "large.bin", sha256, len(large), "data"))
    )
    await store.close()
    file = export_to(carried.home, r, tmp_path / "first.zip")  # so that all is loaded
    file.unlink()
    size = len(large)
    del large
    tracemalloc.start()
    export_to(carried.home, r, file)
    import_from(file, elsewhere)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 4
    assert storage.check(elsewhere) == []
