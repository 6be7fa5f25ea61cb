"""Workers: from asking for one to its first frame, and what one costs in memory; and what running code costs.

The floors, in the same run: a bare fork and waitpid in a process that has imported the same, a cold `import ag2`, and
the same command started by subprocess alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from engine.host import CommandLauncher, ZygoteLauncher
from engine.host.handle import Worker
from engine.model.frames import Ack, Hello, Limits, ResultFrame, WorkerSpec
from engine.model.ids import new_id
from engine.worker.execute import execute

ALONE = 100
AT_ONCE = 16
ROUNDS = 10
COLD = 5
FORKING = """
import gc, json, os, statistics, time
import engine.worker.attempt, openai
gc.collect(); gc.disable(); gc.freeze()
took = []
for _ in range(100):
    began = time.perf_counter()
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    took.append((time.perf_counter() - began) * 1000)
print(statistics.median(took))
"""


def spec(folder: Path) -> WorkerSpec:
    """An attempt with nothing to do: it greets, and reports just that."""
    return WorkerSpec(
        session_id="s",
        run_id="r",
        node_id="n",
        attempt_id=new_id(),
        attempt=1,
        step_id="step",
        task="",
        workdir=str(folder / "work"),
        agents={},
        models={},
    )


async def launched(launcher: ZygoteLauncher | CommandLauncher, folder: Path) -> tuple[Worker, float]:
    """A worker, and the milliseconds until its first frame."""
    began = time.perf_counter()
    worker = await launcher.start(spec(folder))
    assert isinstance(await anext(aiter(worker.frames())), Hello)
    return worker, (time.perf_counter() - began) * 1000


async def finished(worker: Worker) -> float:
    """Follow a worker to its end; its private memory in MB while it waits for its last acknowledgement."""
    private = 0.0
    async for frame in worker.frames():
        if isinstance(frame, ResultFrame):
            rollup = Path(f"/proc/{worker.pid}/smaps_rollup").read_text()
            private = sum(int(size) for size in re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", rollup)) / 1024
            await worker.send(Ack(n=frame.n))
    await worker.wait()
    return private


def spread(values: Sequence[float], name: str) -> dict[str, float]:
    """The median and the 95th percentile, rounded."""
    return {
        name: round(statistics.median(values), 2),
        f"{name}_p95": round(sorted(values)[min(len(values) - 1, int(len(values) * 0.95))], 2),
    }


async def warm(folder: Path) -> dict[str, float]:
    """Workers from a warm parent."""
    launcher = ZygoteLauncher(["openai"])
    began = time.perf_counter()
    await launcher.open()
    opened = (time.perf_counter() - began) * 1000
    await finished((await launched(launcher, folder))[0])
    ready = (time.perf_counter() - began) * 1000
    hello: list[float] = []
    whole: list[float] = []
    private: list[float] = []
    for _ in range(ALONE):
        began = time.perf_counter()
        worker, took = await launched(launcher, folder)
        hello.append(took)
        private.append(await finished(worker))
        whole.append((time.perf_counter() - began) * 1000)
    last: list[float] = []
    for _ in range(ROUNDS):
        both = await asyncio.gather(*(launched(launcher, folder) for _ in range(AT_ONCE)))
        last.append(max(took for _, took in both))
        await asyncio.gather(*(finished(worker) for worker, _ in both))
    await launcher.close()
    return {
        "warm_up_blocks_ms": round(opened, 2),
        "first_worker_ms": round(ready, 1),
        **spread(hello, "hello_ms"),
        **spread(whole, "hello_to_reaped_ms"),
        **spread(last, "all_of_16_at_once_ms"),
        "private_mb": round(statistics.median(private), 2),
        "private_mb_most": round(max(private), 2),
    }


async def cold(folder: Path) -> dict[str, float]:
    """Workers as a command each."""
    launcher = CommandLauncher()
    took: list[float] = []
    for _ in range(COLD):
        worker, one = await launched(launcher, folder)
        await finished(worker)
        took.append(one)
    return spread(took, "cold_hello_ms")


async def code(folder: Path) -> dict[str, float]:
    """What running a command under a guard costs, beside running it."""
    guarded: list[float] = []
    bare: list[float] = []
    for _ in range(30):
        began = time.perf_counter()
        await execute(["true"], cwd=folder / "work", env={}, limits=Limits(), timeout=60, on_output=None)
        guarded.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        subprocess.run(["true"], check=True, capture_output=True)
        bare.append((time.perf_counter() - began) * 1000)
    return {**spread(guarded, "execute_ms"), **spread(bare, "floor_subprocess_ms")}


def floors() -> dict[str, float]:
    """What nobody can go below."""
    forked = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True)
    imported: list[float] = []
    for _ in range(COLD):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import ag2"], check=True)
        imported.append((time.perf_counter() - began) * 1000)
    return {
        "floor_fork_and_wait_ms": round(float(forked.stdout), 2),
        "floor_cold_import_ag2_ms": round(statistics.median(imported), 1),
    }


def main() -> None:
    """Print the figures as one JSON object."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {**asyncio.run(warm(folder)), **asyncio.run(cold(folder)), **asyncio.run(code(folder)), **floors()}
    json.dump({"benchmark": "workers", "alone": ALONE, "rounds": ROUNDS, **result}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
