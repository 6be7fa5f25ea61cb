"""What the tests of the process model share: specs, launchers of both sorts, and a look at what is alive."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from engine.host import CommandLauncher, ZygoteLauncher
from engine.host.handle import Exit, Worker
from engine.model.frames import Ack, Limits, ModelSpec, ResultFrame, WorkerFrame, WorkerSpec
from engine.model.ids import new_id

ROOT = Path(__file__).parents[3]
ENTRY = "tests.engine.host.entries:run"
KEY = "sk-a-secret-that-nobody-may-see"
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY, "CMBAGENT_HOME": "/nowhere"}

Launching = ZygoteLauncher | CommandLauncher


def launcher_of(kind: str) -> Launching:
    """Warm (by fork), or cold (as a command)."""
    kinds = {"warm": ZygoteLauncher, "cold": CommandLauncher}
    return kinds[kind](environ=ENVIRON, entry=ENTRY)


def spec_of(workdir: Path, do: str, *, limits: Limits | None = None, **told: object) -> WorkerSpec:
    """A spec whose task tells tests.engine.host.entries what to do."""
    return WorkerSpec(
        session_id="s",
        run_id="r",
        node_id="n",
        attempt_id=new_id(),
        attempt=1,
        step_id="step",
        task=json.dumps({"do": do, **told}),
        workdir=str(workdir),
        agents={},
        models={"engineer": ModelSpec(provider="openai", name="m", api_key=KEY)},
        limits=limits or Limits(),
    )


async def run(worker: Worker) -> tuple[list[WorkerFrame], Exit]:
    """Follow a worker to its end, acknowledging everything."""
    seen: list[WorkerFrame] = []
    async for frame in worker.frames():
        seen.append(frame)
        number = getattr(frame, "n", None)
        if number is not None:
            await worker.send(Ack(n=number))
    return seen, await worker.wait()


def result_of(frames: list[WorkerFrame]) -> ResultFrame:
    """The one result, which is the last frame."""
    assert isinstance(frames[-1], ResultFrame)
    return frames[-1]


async def until_event(worker: Worker, title: str) -> WorkerFrame:
    """The first event of this title."""
    async for frame in worker.frames():
        if frame.type == "event" and frame.title == title:
            return frame
    raise AssertionError(f"no event {title}")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def offspring(workdir: Path) -> dict[str, int]:
    """What `beget` started."""
    return {name: int((workdir / name).read_text()) for name in ("plain", "apart", "daemon")}


def survivors(workdir: Path) -> list[str]:
    """Which of what `beget` started is alive."""
    return [name for name, pid in offspring(workdir).items() if alive(pid)]


async def until(holds: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for something that must come true."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def zygotes() -> list[psutil.Process]:
    """The warm parents that this process has started."""
    return [child for child in psutil.Process().children() if "engine.worker.zygote" in child.cmdline()]
