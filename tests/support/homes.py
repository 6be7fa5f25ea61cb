"""Homes with finished runs in them, of the kind that looking after a database is about."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import storage
from engine.model.browsing import SessionFilter, SessionSort, Shelf
from engine.model.changes import Add, Change, EndAttempt
from engine.model.events import EventKind
from engine.model.ids import new_id, short
from engine.model.records import Artifact, AttemptState, Checkpoint, Message, SessionState, TreeEntry
from engine.ports import Blobs
from tests.unit.storage.conftest import Research

TEXT = "".join(f"print('line {n}')\n" for n in range(300))  # long enough to be stored by itself
LARGE = [f"{n} " * 200 for n in range(100)]  # long, and of short texts


def finished(r: Research, blobs: Blobs, words: str, ended: datetime | None = None) -> list[Change]:
    """A research's records but its session: a run that is over, with files, texts and a conversation, some of them its
    own (`words`) and some as every other one's."""
    at = ended or r.at(20)
    own, common = blobs.put(words.encode() * 500), blobs.put(b"common to all" * 500)
    event = r.event(kind=EventKind.CODE_EXEC, data={"code": TEXT + words, "large": [*LARGE, words]})
    message = Message(new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, event.id, at, "e", "assistant", TEXT)
    artifact = Artifact(
        new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, event.id, at, "e", "f.png", own, 8, "figure"
    )
    tree = (TreeEntry("f.png", own, 8, r.node.id), TreeEntry("c.csv", common, 8, r.node.id))
    checkpoint = Checkpoint(new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, at, tree, {"note": words * 3000})
    return [
        Add(r.run),
        Add(r.node),
        Add(r.attempt),
        r.move_run("draft", "executing"),
        r.move_node("pending", "running"),
        Add(event),
        Add(r.event()),
        Add(message),
        Add(artifact),
        Add(checkpoint),
        Add(r.journal(1, {"content": TEXT + words})),
        Add(r.cost(5, event_id=event.id)),
        Add(r.command()),
        EndAttempt(r.session.id, r.attempt.id, AttemptState.COMPLETED, at, summary=TEXT),
        r.move_node("running", "completed"),
        replace(
            r.move_run("executing", "completed"), change=replace(r.move_run("executing", "completed").change, at=at)
        ),
    ]


async def make_home(home: Path, *words: str) -> list[Research]:
    """A home with one session for each of these words, each with a run that is over."""
    store, blobs = storage.open_store(home)
    await store.open()
    made = [Research() for _ in words]
    for one, word in zip(made, words, strict=True):
        one.session = replace(one.session, title=word, directory=str(home / "sessions" / word))
        state = SessionState(one.session.id, 1, one.at(1), [{"content": TEXT + word}], {}, None)
        await store.commit(Add(one.session), *finished(one, blobs, word), Add(state))
        await store.commit(Add(one.approval()))
        directory = home / "sessions" / word / short(one.run.id)
        directory.mkdir(parents=True)
        (directory / "report.md").write_text(word)
    await store.close()
    return made


async def read_all(home: Path) -> dict[str, list[Any]]:
    """Everything that the home's sessions hold, read as the program does, by title."""
    store, blobs = storage.open_store(home)
    await store.open()
    found: dict[str, list[Any]] = {}
    ids = await store.browse(SessionFilter(shelf=Shelf.ALL), SessionSort.CREATED, descending=True)
    for summary in await store.summaries(ids):
        reads = store.reads(summary.session.id)
        parts: list[Any] = [summary.session, await reads.state()]
        for run in await reads.runs(limit=1000):
            view = await reads.view(run.id)
            parts += [view, await reads.events(run.id, limit=10_000), await reads.messages(run.id, limit=1000)]
            parts += [await reads.journal(attempt.id) for attempt in view.attempts]
            parts += [blobs.get(artifact.sha256) for artifact in view.artifacts]
            parts += [await reads.checkpoint(node.id) for node in view.nodes]
        found[summary.session.title] = parts
    await store.close()
    return found


def titles(home: Path) -> set[str]:
    """What the sessions of a home are called."""
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        return {title for (title,) in raw.execute("SELECT title FROM sessions")}


def tamper(home: Path, sql: str) -> None:
    """Change a home's database behind everyone's back."""
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        raw.execute("PRAGMA ignore_check_constraints=ON")
        raw.executescript(sql)


def spoil_page(home: Path, table: str) -> int:
    """Overwrite the root page of a table; return its number."""
    path = home / "cmbagent.db"
    with closing(sqlite3.connect(path)) as raw:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : (page - 1) * size + 8] = b"\xff" * 8
    path.write_bytes(bytes(data))
    return page


def picture(directory: Path, but: Callable[[Path], bool] = lambda path: False) -> dict[str, bytes]:
    """Every file below a directory with its bytes."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not but(path)
    }
