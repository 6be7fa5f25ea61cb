"""Runs in which something is tried again, by a clock that the test sets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.engine import Engine
from engine.model.events import Event, EventKind
from engine.model.plan import Plan
from engine.model.records import RunView
from tests.engine.conftest import Lab
from tests.support.journals import Json, plan
from tests.support.openai_server import OpenAIServer, Refused

CLIENT = 3  # times that a provider's client asks before it gives up
LONG = Refused(429, "Slow down", retry_after=600)  # longer than a client waits: it gives up at once
TWICE = [(1, "first", "failed"), (2, "retry", "completed")]


class Hands:
    """A clock that goes by itself and can be set on, by wall and by stop-watch apart."""

    def __init__(self) -> None:
        self.wall = self.passed = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.wall)

    def monotonic(self) -> float:
        return time.monotonic() + self.passed

    def on(self, seconds: float) -> None:
        """So much time passes."""
        self.wall += seconds
        self.passed += seconds


def live(server: OpenAIServer) -> dict[str, Any]:
    """The settings of an engine that asks the server."""
    return {"environ": {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url}}


LIVE = {"models": {"default": "openai:test-model"}, "retries": 2}


async def begin(engine: Engine, lab: Lab, *steps: Json, **options: Any) -> str:
    run = await engine.submit("Try it.", options=lab.options(**options), plan=Plan.parse(plan(*steps)))
    return run.id


async def decisions(engine: Engine, run_id: str) -> list[Event]:
    return [one for one in await engine.events(run_id, kinds=[EventKind.RETRY], limit=1000) if "at" in one.data]


@asynccontextmanager
async def impatient(engine: Engine, run_id: str, clock: Hands) -> AsyncIterator[None]:
    """Whenever a retry is decided on, its time comes at once."""
    subscription = engine.subscribe(run_id)

    async def go() -> None:
        while True:
            await subscription.wait()
            for item in subscription.drain():
                if isinstance(item, Event) and item.kind is EventKind.RETRY:
                    clock.on(item.data.get("wait", 0.0))

    task = asyncio.create_task(go())
    try:
        yield
    finally:
        task.cancel()
        subscription.close()


async def until_waiting(engine: Engine, run_id: str, name: str) -> datetime:
    """Wait until a step waits to be tried again; until when."""
    async with asyncio.timeout(60):
        while True:
            for node in (await engine.view(run_id)).nodes:
                if node.step == name and node.retry_at is not None and node.state == "pending":
                    return node.retry_at
            await asyncio.sleep(0.02)


def tries(view: RunView) -> dict[str, list[tuple[int, str, str]]]:
    """Every step's attempts: number, reason, state."""
    names = {node.id: node.step for node in view.nodes}
    found: dict[str, list[tuple[int, str, str]]] = {}
    for one in sorted(view.attempts, key=lambda one: one.number):
        found.setdefault(names[one.node_id], []).append((one.number, one.reason, one.state.value))
    return found


async def last_told(engine: Engine, run_id: str, node_id: str) -> str:
    """What the agent of a step's newest attempt was asked."""
    return [one.content for one in await engine.messages(run_id, node_id=node_id) if one.role == "user"][-1]
