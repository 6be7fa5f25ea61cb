"""The check names each thing that is wrong, and finds nothing where nothing is."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

import storage
from engine.model.changes import Add, EndAttempt
from engine.model.ids import new_id
from engine.model.records import Artifact, AttemptState, Checkpoint, TreeEntry


@pytest.fixture
async def filled(home, research):
    """A small, whole database: (home, research, sha256 of an artifact, sha256 only in a checkpoint)."""
    store, blobs = storage.open_store(home)
    await store.open()
    r = research
    figure, table = blobs.put(b"a figure"), blobs.put(b"a table")
    event = r.event("x" * 40_000)
    artifact = Artifact(
        new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, event.id, r.at(2), "e", "f.png", figure, 8, "figure"
    )
    tree = (TreeEntry("f.png", figure, 8, r.node.id), TreeEntry("t.csv", table, 7, r.node.id))
    checkpoint = Checkpoint(new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, r.at(3), tree, {})
    await store.commit(*r.opening(), r.move_run("draft", "executing"), r.move_node("pending", "running"))
    await store.commit(Add(event), Add(r.event()), Add(artifact), Add(checkpoint), Add(r.cost(5, event_id=event.id)))
    await store.commit(
        EndAttempt(r.session.id, r.attempt.id, AttemptState.COMPLETED, r.at(9)), r.move_node("running", "completed")
    )
    await store.close()
    return home, research, figure, table


def tamper(home, sql):
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        raw.execute("PRAGMA ignore_check_constraints=ON")
        raw.execute(sql)
        raw.commit()


async def test_a_whole_database_has_no_findings(filled):
    assert storage.check(filled[0]) == []


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("DELETE FROM events WHERE seq = 1", "are numbered 2 to 2"),
        ("UPDATE runs SET state = 'completed'", "but its history ends in executing"),
        ("UPDATE runs SET state = 'sleeping'", "CHECK constraint failed in runs"),
        ("DELETE FROM nodes", "names a missing row of nodes"),
        ("UPDATE attempts SET state = 'running'", "is running, but its node"),
        ("UPDATE state_history SET actor = 'person' WHERE entity = 'node'", "only by the engine"),
        ("UPDATE state_history SET \"before\" = 'paused' WHERE \"after\" = 'completed'", "but it was running"),
        ("UPDATE cost_records SET event_id = 'nothing'", "names the event nothing"),
        ("UPDATE state_history SET why = 'no JSON'", "cannot be read"),
    ],
)
async def test_what_contradicts_itself_is_found(filled, sql, finding):
    tamper(filled[0], sql)
    findings = storage.check(filled[0])
    assert any(finding in one for one in findings), findings


@pytest.mark.parametrize("which", [2, 3])
async def test_content_that_is_lost_or_damaged_is_found(filled, which):
    home, sha256 = filled[0], filled[which]
    _, blobs = storage.open_store(home)
    path = blobs.path(sha256)
    path.chmod(0o600)
    path.write_bytes(b"something else")
    (finding,) = storage.check(home)
    assert sha256 in finding and "does not hash" in finding
    path.unlink()
    (finding,) = storage.check(home)
    assert sha256 in finding and "is missing" in finding


async def test_a_lost_body_is_found(filled):
    home = filled[0]
    for path in (home / "blobs").glob("??/*"):
        if path.stat().st_size > 16_000:
            path.unlink()
    (finding,) = storage.check(home)
    assert "events.data" in finding and "is missing" in finding


async def test_a_damaged_page_is_found(filled):
    path = filled[0] / "cmbagent.db"
    with closing(sqlite3.connect(path)) as raw:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : (page - 1) * size + 8] = b"\xff" * 8
    path.write_bytes(bytes(data))
    findings = storage.check(filled[0])
    assert any("damaged" in finding or "btree" in finding.lower() for finding in findings), findings
