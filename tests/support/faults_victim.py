"""The victim: a process with a real engine on a real store, to which one thing happens at one exact place.

The store and the launcher that the engine is given are the real ones behind a thin layer that counts the places which
the run passes (see `Points`) and tells the test, over a pipe, what was acknowledged. A place is named for what is
written or begun there: "before intent" is reached before the commit that says an attempt is about to run.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.host.sweep import started
from engine.model.changes import Add, Advise, Change, EndAttempt, Move, SettleApproval
from engine.model.events import Event
from engine.model.frames import HostFrame, WorkerFrame, WorkerSpec
from engine.model.options import ApprovalMode, EngineSettings, RunOptions
from engine.model.records import Approval, Artifact, Attempt, AttemptState, JournalEntry
from engine.model.states import RunState, StepState
from engine.ports import WorkerHandle
from engine.telemetry.prices import PriceTable
from storage import open_store


@dataclass(frozen=True)
class Point:
    """The `number`-th time that a place is passed, and so many turns of the event loop later."""

    place: str
    number: int = 1
    turns: int = 0


@dataclass(frozen=True)
class Order:
    """What a victim shall do, and what happens to it: `do` names a deed, `at` says where."""

    home: Path
    what: str
    shape: str = "chain"
    model: str = ""
    environ: dict[str, str] = field(default_factory=dict[str, str])
    run_id: str = ""
    at: Point | None = None
    do: str = "kill"
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    more: dict[str, Any] = field(default_factory=dict[str, Any])


class Points:
    """Counts the places that were passed, and does what is to be done at one of them."""

    def __init__(self, at: Point | None, do: Callable[[], object]) -> None:
        self.passed: Counter[str] = Counter()
        self._at, self._do = at, do
        self._tasks: set[asyncio.Task[None]] = set()

    def passes(self, place: str) -> None:
        """A place is passed now."""
        self.passed[place] += 1
        at = self._at
        if at is None or (at.place, at.number) != (place, self.passed[place]):
            return
        if at.turns == 0:
            self._do()
        else:
            self._tasks.add(asyncio.create_task(self._later(at.turns)))

    async def _later(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        self._do()


class Victim:
    """One life of an engine."""

    def __init__(self, order: Order, told: Connection, deeds: Mapping[str, Callable[[Victim], None]]) -> None:
        self.order, self.deeds = order, deeds
        self._told = told
        self._telling = threading.Lock()
        self.points = Points(order.at, self._do)
        self.inner, self.blobs = open_store(order.home)
        self.store = TellingStore(self)
        self.launcher = TellingLauncher(self)
        self.clock = MovableClock()
        self.clock.wall = order.more.get("ahead", 0.0)
        self.workers: dict[str, Handle] = {}  # by step

    def tell(self, kind: str, *what: Any) -> None:
        """Tell the test something. It has been told when this returns."""
        with self._telling:
            self._told.send((kind, *what))

    def _do(self) -> None:
        self.tell("did", self.order.do)
        self.deeds[self.order.do](self)

    def engine(self) -> Engine:
        """An engine that is not opened yet."""
        settings = EngineSettings(self.order.home, environ=self.order.environ, **self.order.settings)
        return Engine(settings, self.store, self.blobs, self.launcher, PriceTable(), self.clock)  # type: ignore[arg-type]

    def options(self) -> RunOptions:
        """The options of a run that is begun: what failed is tried again only where a test is about that."""
        options = {"models": {"default": self.order.model}, "approval": ApprovalMode.NONE, "retries": 0}
        return RunOptions(**{**options, **self.order.options})


class MovableClock:
    """The real clock with hands that can be moved (see engine.ports.Clock)."""

    def __init__(self) -> None:
        self.wall, self.gone = 0.0, 0.0  # seconds ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.wall)

    def monotonic(self) -> float:
        return time.monotonic() + self.gone


class TellingStore:
    """A store that tells what it acknowledged (see engine.ports.Store)."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._inner: Any = victim.inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open(self) -> None:
        await self._inner.open()
        self._inner.listen(self._heard)
        connection: sqlite3.Connection = self._inner._opened().writer._connection
        connection.set_trace_callback(lambda _: self._victim.points.passes("statement"))

    async def commit(self, *changes: Change, urgent: bool = True) -> None:
        places = _places(changes)
        for place in places:
            self._victim.points.passes(f"before {place}")
        await self._inner.commit(*changes, urgent=urgent)
        self._victim.tell("stored", changes)
        for place in places:
            self._victim.points.passes(f"after {place}")

    def _heard(self, events: Sequence[Event]) -> None:
        self._victim.tell("heard", tuple(events))


class TellingLauncher:
    """A launcher that tells whom it started (see engine.ports.Launcher)."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._inner: Any = ZygoteLauncher(entry=victim.order.more.get("entry"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def start(self, spec: WorkerSpec) -> WorkerHandle:
        points = self._victim.points
        points.passes("before start")
        limits = spec.limits.model_copy(update=self._victim.order.more.get("limits", {}))
        handle = await self._inner.start(spec.model_copy(update={"limits": limits}))
        self._victim.tell("worker", spec.step_id, spec.attempt_id, handle.pid, started(handle.pid))
        points.passes("after start")
        self._victim.workers[spec.step_id] = made = Handle(self._victim, handle, spec.step_id)
        return made


class Handle:
    """A worker whose every word is counted (see engine.ports.WorkerHandle)."""

    def __init__(self, victim: Victim, inner: Any, step: str) -> None:
        self._victim, self._inner, self._step = victim, inner, step
        self.token, self.pid = inner.token, inner.pid

    async def send(self, frame: HostFrame) -> None:
        await self._inner.send(frame)

    async def frames(self) -> AsyncIterator[WorkerFrame]:
        async for frame in self._inner.frames():
            self._victim.points.passes("frame")
            self._victim.points.passes(f"frame of {self._step}")
            yield frame

    async def wait(self) -> Any:
        return await self._inner.wait()

    async def stop(self, grace: float = 2.0) -> None:
        await self._inner.stop(grace)


def _places(changes: Sequence[Change]) -> list[str]:
    """What a commit is, by what it writes."""
    found: dict[str, None] = {"commit": None}
    for change in changes:
        match change:
            case Move() if change.change.entity == "node" and change.change.after == StepState.RUNNING:
                found["intent"] = None
            case Move() if change.change.entity == "run" and change.change.after == RunState.COMPLETED:
                found["end"] = None
            case EndAttempt(state=AttemptState.COMPLETED):
                found["result"] = None
            case SettleApproval():
                found["settled"] = None
            case Add(record=JournalEntry() as entry):
                found["intended" if entry.answer is None else f"{entry.kind} answer"] = None
            case Add(record=Artifact()):
                found["files"] = None
            case Add(record=Approval()):
                found["asked"] = None
            case Add(record=Attempt()):
                found["attempt"] = None
            case Advise() if change.retry_at is not None:
                found["backoff"] = None
            case _:
                pass
    return list(found)
