"""The lives that victims lead: how an engine is opened, and what is asked of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

from engine.engine import Engine
from engine.model.errors import CockpitError, StaleState
from engine.model.records import ApprovalState
from engine.runs import attempts, fleet
from storage import sqlite
from tests.support import faults_zygote
from tests.support.faults_deeds import DEEDS
from tests.support.faults_story import plan_of
from tests.support.faults_victim import Order, Victim


async def _begin(victim: Victim) -> None:
    """Begin a run and go on until only a person can."""
    engine = await _opened(victim)
    more = victim.order.more
    plan = None if more.get("planned") else plan_of(victim.order.shape)
    run = await engine.submit(more.get("task", "Find out."), options=victim.options(), plan=plan)
    victim.tell("run", run.id)
    await _end(victim, engine, run.id)


async def _resume(victim: Victim) -> None:
    """Go on with a run, because a person says so."""
    engine = await _opened(victim)
    await engine.resume(victim.order.run_id)
    await _end(victim, engine, victim.order.run_id)


async def _take_over(victim: Victim) -> None:
    """Go on with whatever was at work, as an engine does that has just been opened: at once when its process is gone,
    else as soon as it was silent for long enough."""
    engine = await _opened(victim)
    while not (taken := await engine.take_over()) and victim.order.more.get("patiently"):
        await asyncio.sleep(0.02)
    victim.tell("taken", taken)
    await _end(victim, engine, victim.order.run_id)


async def _settle(victim: Victim) -> None:
    """Answer the one approval that waits, and go on."""
    engine = await _opened(victim)
    (approval,) = await engine.approvals(pending=False)
    victim.tell("approval", approval)
    try:
        await engine.resolve(approval.id, ApprovalState(victim.order.more.get("answer", "approved")))
    except StaleState as error:
        victim.tell("late", error.cause)
    await _end(victim, engine, victim.order.run_id)


async def _outwait(victim: Victim) -> None:
    """Begin a run whose plan waits, let its deadline pass after some seconds, and go on until the run is over."""
    engine = await _opened(victim)
    run = await engine.submit("Find out.", options=victim.options())
    victim.tell("run", run.id)
    victim.tell("over", (await engine.wait(run.id)).state.value, None)
    await asyncio.sleep(victim.order.more["seconds"])
    victim.clock.wall += 3600
    victim.clock.gone += 3600
    while not (await engine.wait(run.id)).state.terminal:
        await asyncio.sleep(0.01)
    await engine.close()


async def _redo(victim: Victim) -> None:
    """Have a step done again."""
    engine = await _opened(victim)
    await engine.redo(victim.order.run_id, victim.order.more["step"])
    await _end(victim, engine, victim.order.run_id)


async def _cancel(victim: Victim) -> None:
    """End a run, wherever it is driven."""
    engine = await _opened(victim)
    await engine.cancel(victim.order.run_id)
    await engine.close()


async def _opened(victim: Victim) -> Engine:
    engine = victim.engine()
    await engine.open()
    return engine


async def _end(victim: Victim, engine: Engine, run_id: str) -> None:
    try:
        run = await engine.wait(run_id)
        victim.tell("over", run.state.value, run.error)
    except CockpitError as error:
        victim.tell("failed", error.cause, error.hint)
    if victim.order.more.get("stays"):
        await asyncio.sleep(600)
    await engine.close()


LIVES: dict[str, Callable[[Victim], Awaitable[None]]] = {
    "begin": _begin,
    "resume": _resume,
    "take over": _take_over,
    "settle": _settle,
    "outwait": _outwait,
    "redo": _redo,
    "cancel": _cancel,
}


def live(order: Order, told: Connection, said: str) -> None:
    """Be a victim, in a process that was just forked; whatever it prints goes to the file `said`."""
    os.setsid()
    printed = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(printed, descriptor)
    os.close(printed)
    faults_zygote.install()
    sqlite.BUSY_SECONDS = order.more.get("busy", sqlite.BUSY_SECONDS)
    attempts._SLACK = order.more.get("slack", attempts._SLACK)
    fleet._LOOK_FOR_DEADLINES = 0.02
    asyncio.run(_live(order, told))


async def _live(order: Order, told: Connection) -> None:
    victim = Victim(order, told, DEEDS)
    await LIVES[order.what](victim)
    victim.tell("passed", victim.points.passed)
