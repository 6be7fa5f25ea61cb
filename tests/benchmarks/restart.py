"""A run of 200 steps loses its process to kill -9 in the middle: milliseconds until the first new step begins.

`cold` counts from the start of a new Python process, `inside` from the moment at which an engine that is open already,
and has shown the run as a second terminal does, is told to take it over. A step has begun when its intent is durable
and its worker is asked for. The steps do nothing (see engine_steps); `cold_worker` is the same with real workers, until
the first of them answers, and so holds the import of AG2. The floor is a new process that opens an SQLite file, reads
200 rows and commits one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
# Where it is set our own files would be compiled anew each time, and not the libraries'.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
STEPS = 200
KILLED_AT = 100


def main() -> None:
    """Print the medians as one JSON object."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for name, how in (("cold", "resume"), ("inside", "inside"), ("cold_worker", "worker")):
                home = Path(folder) / f"{number}-{name}"
                home.mkdir()
                _say(home, "victim")
                figures.setdefault(f"{name}_ms", []).append(_say(home, how))
            figures.setdefault("floor_ms", []).append(_floor(Path(folder) / f"{number}.db"))
    medians = {name: round(statistics.median(values), 1) for name, values in figures.items()}
    least = {f"{name}_least": round(min(values), 1) for name, values in figures.items()}
    print(json.dumps({"benchmark": "restart", "steps": STEPS, "rounds": ROUNDS, **medians, **least}))


def _say(home: Path, what: str) -> float:
    """Run this file as a process of its own; milliseconds until it says that it is there (what it says beats that)."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.benchmarks.restart", what, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRON) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        took = (time.perf_counter() - began) * 1000
        process.kill()
    return float(line) if line.strip() else took


def _floor(path: Path) -> float:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE steps (id INTEGER PRIMARY KEY, state TEXT)")
        database.executemany("INSERT INTO steps VALUES (?, 'done')", [(n,) for n in range(STEPS)])
    code = (
        f"import sqlite3; d = sqlite3.connect({str(path)!r}); d.execute('SELECT * FROM steps').fetchall(); "
        "d.execute(\"UPDATE steps SET state = 'x' WHERE id = 1\"); d.commit()"
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


async def _process(what: str, home: Path) -> None:
    """What the started process does: be the victim, or go on with its run."""
    from cmbagent_tui.cli import start_quickly

    start_quickly()
    from engine.engine import Engine
    from engine.host import ZygoteLauncher
    from engine.model.frames import WorkerSpec
    from engine.model.options import EngineSettings, RunOptions
    from engine.telemetry.prices import PriceTable
    from storage import open_store
    from tests.benchmarks.engine_steps import Instant, InstantLauncher, chain

    class Launcher(InstantLauncher):
        """Says when a worker is asked for; the victim's does not survive its hundredth."""

        started = 0
        began = 0.0

        async def start(self, spec: WorkerSpec) -> Instant:
            self.started += 1
            if what == "victim" and self.started == KILLED_AT:
                os.kill(os.getpid(), signal.SIGKILL)
            if what != "victim" and self.started == 1:
                print((time.perf_counter() - self.began) * 1000 if what == "inside" else "", flush=True)
            return await super().start(spec)

    class Real(ZygoteLauncher):
        """Says when the first worker was forked and has taken its task."""

        async def start(self, spec: WorkerSpec):
            worker = await super().start(spec)
            print(flush=True)
            return worker

    launcher = Real() if what == "worker" else Launcher()
    store, blobs = open_store(home)
    engine = Engine(EngineSettings(home, warm=what == "worker"), store, blobs, launcher, PriceTable())
    await engine.open()
    if what == "victim":
        script = home / "done.jsonl"
        plan = chain(STEPS)
        lines = [{"journal": 1, "title": "done"}]
        lines += [{"step": step.id, "agent": step.agent, "sequence": 1, "content": "done"} for step in plan.steps]
        script.write_text("".join(json.dumps(line) + "\n" for line in lines))
        options = RunOptions(models={"default": f"journal:{script}"}, max_parallel=1)
        run = await engine.submit("benchmark", options=options, plan=plan)
    else:
        if what == "inside" and isinstance(launcher, Launcher):
            await engine.view((await engine.runs())[0].id)
            launcher.began = time.perf_counter()
        (run_id,) = await engine.take_over()
        run = (await engine.view(run_id)).run
    await engine.wait(run.id)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_process(sys.argv[1], Path(sys.argv[2])))
    else:
        main()
