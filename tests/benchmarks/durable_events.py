"""Durable events: how many a second, and how long each of 50 producers waits for its acknowledgement.

Each producer commits an event of 1 KB, waits until it is durable, and goes on with the next. The floor is a bare SQLite
loop on the same disk, with the same pragmas and the same batches, into one table with one index, its rows ready made.
Also: what one urgent commit alone takes, beside the floor's commit of one row.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.model.changes import Add
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.records import Mode, Node, NodeKind, Run, Session
from engine.model.states import RunState
from engine.ports import Store
from storage import open_store

PRODUCERS = 50
EVENTS = 10_000  # a round
ALONE = 300
ROUNDS = 5
BODY = {"stream": "stdout", "text": "x" * 980}  # 1 KB as JSON


def percentile(values: Sequence[float], share: float) -> float:
    """A percentile, by rank."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measured(store: Store, run: Run, node: Node, batches: list[int]) -> dict[str, float]:
    """One round of the store; the sizes of its batches are appended."""
    waits: list[float] = []

    def event() -> Event:
        now = datetime.now(UTC)
        return Event(
            new_id(), run.session_id, run.id, EventKind.OUTPUT, now, node_id=node.id, agent="engineer", data=BODY
        )

    async def produce() -> None:
        for _ in range(EVENTS // PRODUCERS):
            one = event()
            asked = time.perf_counter()
            await store.commit(Add(one))
            waits.append(time.perf_counter() - asked)

    first = len(batches)
    started = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    seconds = time.perf_counter() - started
    batch = statistics.mean(batches[first:])
    alone: list[float] = []
    for _ in range(ALONE):
        one = event()
        asked = time.perf_counter()
        await store.commit(Add(one))
        alone.append(time.perf_counter() - asked)
    return {
        "events_per_s": EVENTS / seconds,
        "ack_p50_ms": percentile(waits, 0.5) * 1000,
        "ack_p99_ms": percentile(waits, 0.99) * 1000,
        "alone_p50_ms": percentile(alone, 0.5) * 1000,
        "mean_batch": batch,
    }


def floor(directory: Path, batch: int) -> dict[str, float]:
    """The bare loop: events a second in batches of this size, and milliseconds for one row alone."""
    connection = sqlite3.connect(directory / "floor.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=2000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("DROP TABLE IF EXISTS events")
    connection.execute("CREATE TABLE events (id TEXT PRIMARY KEY, run_id TEXT, seq INTEGER, data TEXT)")
    text = json.dumps(BODY)
    rows = [(new_id(), "run", seq, text) for seq in range(EVENTS + ALONE)]

    def write(part: Sequence[tuple[str, str, int, str]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", part)
        connection.execute("COMMIT")

    started = time.perf_counter()
    for start in range(0, EVENTS, batch):
        write(rows[start : min(start + batch, EVENTS)])
    seconds = time.perf_counter() - started
    alone: list[float] = []
    for row in rows[EVENTS:]:
        asked = time.perf_counter()
        write([row])
        alone.append(time.perf_counter() - asked)
    connection.close()
    return {"floor_events_per_s": EVENTS / seconds, "floor_alone_p50_ms": percentile(alone, 0.5) * 1000}


async def main() -> None:
    """Rounds of both in turn, on one disk; the medians as one JSON object."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        directory = Path(name)
        store, _ = open_store(directory / "home")
        await store.open()
        now = datetime.now(UTC)
        session = Session(new_id(), "benchmark", Mode.ONE_SHOT, name, now, now)
        run = Run(new_id(), session.id, RunState.DRAFT, Mode.ONE_SHOT, "write events", {}, now)
        node = Node(new_id(), session.id, run.id, "only", NodeKind.STEP, "only", "engineer", 0)
        await store.commit(Add(session), Add(run), Add(node))
        batches: list[int] = []
        store.listen(lambda events: batches.append(len(events)))
        rounds: list[dict[str, float]] = []
        for _ in range(ROUNDS):
            ours = await measured(store, run, node, batches)
            rounds.append({**ours, **floor(directory, max(1, round(ours["mean_batch"])))})
        await store.close()
    medians = {key: round(statistics.median(one[key] for one in rounds), 3) for key in rounds[0]}
    print(json.dumps({"benchmark": "durable_events", "producers": PRODUCERS, "rounds": ROUNDS, **medians}))


if __name__ == "__main__":
    asyncio.run(main())
