"""Engine and storage alone: milliseconds a step, with steps that do nothing.

The launcher here starts no process: its workers answer at once with a result, so that what is left is the scheduler,
the store and the two commits a step. The floor is a bare SQLite loop with two durable commits a step on the same disk.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from engine.engine import Engine
from engine.model.frames import HostFrame, ResultFrame, WorkerFrame, WorkerSpec
from engine.model.options import EngineSettings, RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Mode
from engine.model.states import RunState
from engine.ports import Launcher
from engine.telemetry.prices import PriceTable
from storage import open_store

STEPS = 200
ROUNDS = 5


class Instant:
    """A worker that has nothing to do."""

    token = "instant"
    code, signal, stray = 0, None, ""

    async def send(self, frame: HostFrame) -> None:
        """Take an acknowledgement."""

    async def frames(self) -> AsyncIterator[WorkerFrame]:
        """One result."""
        yield ResultFrame(n=1, ok=True, summary="done")

    async def wait(self) -> Instant:
        """Gone already."""
        return self

    async def stop(self, grace: float = 2.0) -> None:
        """Gone already."""


class InstantLauncher:
    """Starts nothing."""

    async def open(self) -> None:
        """Nothing to warm up."""

    async def start(self, spec: WorkerSpec) -> Instant:
        """A worker that is done."""
        return Instant()

    async def sweep(self, attempt_ids: Sequence[str]) -> None:
        """Nothing is left."""

    async def close(self) -> None:
        """Nothing to close."""


def chain(steps: int) -> Plan:
    """One step after another."""
    return Plan(
        title="chain",
        steps=tuple(
            PlanStep(id=f"s{n}", title=f"Step {n}", agent="engineer", depends_on=(f"s{n - 1}",) if n else ())
            for n in range(steps)
        ),
    )


def fan(steps: int) -> Plan:
    """All steps at once."""
    return Plan(
        title="fan", steps=tuple(PlanStep(id=f"s{n}", title=f"Step {n}", agent="engineer") for n in range(steps))
    )


async def milliseconds_a_step(home: Path, plan: Plan, parallel: int, launcher: Launcher) -> float:
    """Run a plan; wall milliseconds from submit to completed, by its number of steps.

    Each step's one model call is answered "done" from a journal. A plan of one step goes before, so that what only the
    first worker has to wait for is not counted.
    """
    script = home / "done.jsonl"
    answers = [{"step": step.id, "agent": step.agent, "sequence": 1, "content": "done"} for step in plan.steps]
    lines = [{"journal": 1, "title": "done"}, *answers]
    script.write_text("".join(json.dumps(line) + "\n" for line in lines))
    store, blobs = open_store(home)
    engine = Engine(EngineSettings(home, max_workers=parallel), store, blobs, launcher, PriceTable())
    await engine.open()
    options = RunOptions(models={"default": f"journal:{script}"}, max_parallel=parallel)

    async def seconds(plan: Plan) -> float:
        began = time.perf_counter()
        run = await engine.submit("benchmark", mode=Mode.PLANNING_CONTROL, options=options, plan=plan)
        run = await engine.wait(run.id)
        took = time.perf_counter() - began
        assert run.state is RunState.COMPLETED, run.error
        return took

    await seconds(chain(1))
    took = await seconds(plan)
    await engine.close()
    return took * 1000 / len(plan.steps)


def floor(home: Path) -> float:
    """Two durable commits a step, in SQLite, with nothing around them."""
    database = sqlite3.connect(home / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE steps (id INTEGER PRIMARY KEY, state TEXT)")
    began = time.perf_counter()
    for step in range(STEPS):
        database.execute("INSERT INTO steps VALUES (?, 'running')", (step,))
        database.execute("UPDATE steps SET state = 'completed' WHERE id = ?", (step,))
    return (time.perf_counter() - began) * 1000 / STEPS


def main() -> None:
    """Print the medians as one JSON object. Nothing is deleted before the end: ext4 searches long for a free inode when
    many were given back just before."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            home = Path(folder) / str(number)
            home.mkdir()
            figures.setdefault("floor_ms_a_step", []).append(floor(home))
            for name, plan, parallel in (("chain", chain(STEPS), 1), ("fan_16", fan(STEPS), 16)):
                place = home / name
                place.mkdir()
                took = asyncio.run(milliseconds_a_step(place, plan, parallel, InstantLauncher()))
                figures.setdefault(f"{name}_ms_a_step", []).append(took)
    medians = {name: round(statistics.median(values), 3) for name, values in figures.items()}
    least = {f"{name}_least": round(min(values), 3) for name, values in figures.items()}
    print(json.dumps({"benchmark": "engine_steps", "steps": STEPS, "rounds": ROUNDS, **medians, **least}))


if __name__ == "__main__":
    main()
