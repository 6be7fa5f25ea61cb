"""The follower's lag: from the moment at which a process knows its commit to be durable, to the arrival of the event in
another process's subscription.

Process A commits 300 events one by one at random times, and then 30 bursts of 100 in commits of random sizes. Process B
is an engine that follows the run, and listens to the news of all runs (every third event is news). The floor is process
C: a bare loop that asks SQLite for `PRAGMA data_version` every 50 ms and reads what is behind the last number that it
saw; it follows the same events at the same time. All three on one machine, on one monotonic clock. Milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.model.changes import Add
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.options import EngineSettings
from engine.model.records import Mode, Run, Session
from engine.model.states import RunState
from engine.telemetry.prices import PriceTable
from storage import open_store

ALONE, GAP = 300, 0.15  # events, and the longest time between two of them (seconds)
BURSTS, BURST = 30, 100
LAST = ALONE + BURSTS * BURST
MOST = 200.0  # milliseconds
BODY = {"stream": "stdout", "text": "x" * 980}  # 1 KB as JSON


async def write(home: Path) -> None:
    """Process A: commit, and print the last number of each commit with the time at which it was acknowledged."""
    store, _ = open_store(home)
    await store.open()
    (run,) = await store.runs()
    dice, seq = random.Random(1), 0

    async def commit(count: int) -> None:
        nonlocal seq
        kinds = [EventKind.APPROVAL if (seq + one) % 3 == 0 else EventKind.OUTPUT for one in range(count)]
        now = datetime.now(UTC)
        await store.commit(*(Add(Event(new_id(), run.session_id, run.id, kind, now, data=BODY)) for kind in kinds))
        seq += count
        print(seq, time.monotonic(), flush=True)

    for _ in range(ALONE):
        await asyncio.sleep(dice.random() * GAP)
        await commit(1)
    for _ in range(BURSTS):
        await asyncio.sleep(dice.random() * GAP)
        left = BURST
        while left:
            await commit(part := min(left, dice.choice([1, 2, 10, 50])))
            left -= part
    await store.close()


def poll(home: Path) -> None:
    """Process C: print the last number that each look finds, with the time."""
    connection = sqlite3.connect(home / "cmbagent.db", isolation_level=None)
    version, last = -1, 0
    print("ready", flush=True)
    while last < LAST:
        time.sleep(0.05)
        ((now,),) = connection.execute("PRAGMA data_version").fetchall()
        if now != version:
            version = now
            rows = connection.execute("SELECT seq, data FROM events WHERE seq > ? ORDER BY seq", [last]).fetchall()
            last = rows[-1][0] if rows else last
            print(last, time.monotonic(), flush=True)


async def follow(engine: Engine, run_id: str | None, ready: asyncio.Event) -> list[tuple[int, float]]:
    """Process B: the numbers that arrive together, the last of each, with the time."""
    subscription = engine.subscribe(run_id)
    ready.set()
    arrivals: list[tuple[int, float]] = []
    last = LAST if run_id else LAST - (LAST - 1) % 3
    while not arrivals or arrivals[-1][0] < last:
        await subscription.wait()
        items = [item for item in subscription.drain() if isinstance(item, Event)]
        arrivals.append((items[-1].seq, time.monotonic()))
    return arrivals


def times(marks: Iterable[tuple[int, float]]) -> dict[int, float]:
    """The time of each number: that of the first mark that reaches it."""
    found: dict[int, float] = {}
    for seq, at in marks:
        for one in range(len(found) + 1, seq + 1):
            found[one] = at
    return found


def lags(name: str, committed: dict[int, float], arrived: dict[int, float], seqs: Iterable[int]) -> dict[str, float]:
    """Percentiles, by rank."""
    found = sorted((arrived[seq] - committed[seq]) * 1000 for seq in seqs)
    return {
        f"{name}_p50_ms": round(found[len(found) // 2], 1),
        f"{name}_p95_ms": round(found[int(len(found) * 0.95)], 1),
        f"{name}_max_ms": round(found[-1], 1),
    }


def marks(text: str) -> list[tuple[int, float]]:
    """What a process printed."""
    return [(int(seq), float(at)) for seq, at in (line.split() for line in text.splitlines())]


async def main() -> None:
    """One run of all three; one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        store, blobs = open_store(home)
        engine = Engine(EngineSettings(home, drives=False), store, blobs, ZygoteLauncher(), PriceTable())
        await engine.open()
        now = datetime.now(UTC)
        session = Session(new_id(), "benchmark", Mode.ONE_SHOT, folder, now, now)
        run = Run(new_id(), session.id, RunState.DRAFT, Mode.ONE_SHOT, "write events", {}, now)
        await store.commit(Add(session), Add(run))
        ready = asyncio.Event()
        followers = [asyncio.create_task(follow(engine, which, ready)) for which in (run.id, None)]
        await ready.wait()
        program = [sys.executable, __file__]
        floor = await asyncio.create_subprocess_exec(*program, "poll", str(home), stdout=subprocess.PIPE)
        assert floor.stdout
        await floor.stdout.readline()
        before = time.process_time(), time.monotonic()
        writer = await asyncio.create_subprocess_exec(*program, "write", str(home), stdout=subprocess.PIPE)
        said, _ = await writer.communicate()
        own, news = [times(one) for one in await asyncio.gather(*followers)]
        cpu = (time.process_time() - before[0]) / (time.monotonic() - before[1]) * 100
        bare = times(marks((await floor.communicate())[0].decode()))
        await engine.close()
    committed = times(marks(said.decode()))
    alone, bursts = range(1, ALONE + 1), range(ALONE + 1, LAST + 1)
    figures = {
        **lags("alone", committed, own, alone),
        **lags("burst", committed, own, bursts),
        **lags("news", committed, news, range(1, LAST + 1, 3)),
        **lags("floor_alone", committed, bare, alone),
        **lags("floor_burst", committed, bare, bursts),
    }
    most = max(figures[f"{name}_max_ms"] for name in ("alone", "burst", "news"))
    result = {"benchmark": "follower", "events": LAST, **figures, "follower_cpu_percent": round(cpu, 2)}
    print(json.dumps({**result, "met": most <= MOST}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", where]:
            asyncio.run(write(Path(where)))
        case ["poll", where]:
            poll(Path(where))
        case _:
            asyncio.run(main())
