"""The journal's price: milliseconds by which a model call takes longer because its answer is durable before it is seen.

One step of many model calls, answered at once from a script, in a real worker on the real store. Beside it the very
same conversation with the same frames, but for one thing: the worker does not wait until the host has written them.
Each answer asks for a tool that does not exist, which costs nothing and is answered through the journal too, so that a
round waits twice: for the model's answer and for the tool's.

The floor is a bare durable commit in SQLite on the same disk, without which there is no promise at all.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.model.events import EventKind, Phase
from engine.model.frames import WorkerSpec
from engine.model.options import EngineSettings, RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.states import RunState
from engine.telemetry.prices import PriceTable
from storage import open_store

CALLS = 100
ROUNDS = 7
MOST = 2.0  # milliseconds a model call, the most that is allowed
PLAN = Plan(title="journal", steps=(PlanStep(id="talk", title="Talk", agent="engineer"),))


async def unwaited(spec: WorkerSpec, channel: Any) -> None:
    """The attempt in a worker that sends what its journal records and goes on at once."""
    from engine.worker.attempt import run_attempt
    from engine.worker.journal import Journal

    commit = Journal._commit
    sent: set[asyncio.Task[None]] = set()

    async def send(*arguments: Any, **more: Any) -> None:
        sent.add(asyncio.create_task(commit(*arguments, **more)))

    Journal._commit = send  # type: ignore[method-assign]
    await run_attempt(spec, channel)


async def milliseconds_a_call(home: Path, launcher: ZygoteLauncher) -> float:
    """Run the step; wall milliseconds from the beginning of its first model call to the end of its last, a call."""
    script = home / "talk.jsonl"
    talk: dict[str, Any] = {"tool_calls": [{"name": "nothing", "arguments": {}}]}
    answers = [
        {"step": "talk", "agent": "engineer", "sequence": number, **(talk if number < CALLS else {"content": "done"})}
        for number in range(1, CALLS + 1)
    ]
    script.write_text("".join(json.dumps(line) + "\n" for line in ({"journal": 1, "title": "talk"}, *answers)))
    (home / "agents").mkdir()
    (home / "agents" / "engineer.toml").write_text(f"max_turns = {CALLS + 1}\n")
    store, blobs = open_store(home)
    engine = Engine(EngineSettings(home), store, blobs, launcher, PriceTable())
    await engine.open()
    run = await engine.submit("benchmark", options=RunOptions(models={"default": f"journal:{script}"}), plan=PLAN)
    run = await engine.wait(run.id)
    assert run.state is RunState.COMPLETED, run.error
    events = await engine.events(run.id, kinds=[EventKind.MODEL_CALL], limit=2 * CALLS + 1)
    await engine.close()
    starts = [event.at for event in events if event.phase is Phase.START]
    assert len(starts) == CALLS
    return (max(event.at for event in events) - min(starts)).total_seconds() * 1000 / CALLS


def floor(home: Path) -> float:
    """Milliseconds of one durable commit."""
    database = sqlite3.connect(home / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, answer TEXT)")
    began = time.perf_counter()
    for number in range(CALLS):
        database.execute("INSERT INTO entries VALUES (?, ?)", (number, "x" * 1000))
    took = (time.perf_counter() - began) * 1000 / CALLS
    database.close()
    return took


def main() -> None:
    """Rounds of all three in turn; the medians as one JSON object."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    found: dict[str, list[float]] = {"waited": [], "unwaited": [], "floor": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for name in ("waited", "unwaited"):
                home = Path(folder) / str(number) / name
                home.mkdir(parents=True)
                launcher = ZygoteLauncher(environ=environ, entry=None if name == "waited" else "journal:unwaited")
                found[name].append(asyncio.run(milliseconds_a_call(home, launcher)))
            found["floor"].append(floor(home))
    waits = [one - other for one, other in zip(found["waited"], found["unwaited"], strict=True)]
    figures = {
        "round_ms": statistics.median(found["waited"]),
        "round_without_waiting_ms": statistics.median(found["unwaited"]),
        "journal_ms_a_round": statistics.median(waits),
        "journal_ms_a_model_call": statistics.median(waits) / 2,
        "durable_commit_ms": statistics.median(found["floor"]),
    }
    figures["beyond_a_durable_commit_ms"] = figures["journal_ms_a_model_call"] - figures["durable_commit_ms"]
    rounded = {name: round(value, 3) for name, value in figures.items()}
    met = rounded["journal_ms_a_model_call"] <= MOST
    print(json.dumps({"benchmark": "journal", "calls": CALLS, "rounds": ROUNDS, **rounded, "most": MOST, "met": met}))


if __name__ == "__main__":
    main()
