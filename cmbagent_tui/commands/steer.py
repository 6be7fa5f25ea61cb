"""Commands that steer: pause, cancel."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace

from cmbagent_tui.commands.common import note, out, out_json, with_engine
from engine import exports
from engine.engine import Engine
from engine.model.ids import short
from engine.model.records import Run
from engine.model.states import RunState, StepState

_NOT_PAUSED = frozenset({RunState.PLANNING, RunState.EXECUTING, RunState.WAITING_APPROVAL})
_LOOK = 0.1  # seconds between two looks whether a run is paused
_PATIENCE = 1.0  # seconds after which it is said what is waited for


def pause(arguments: Namespace) -> int:
    """Hold a run, and wait until it is paused."""

    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        try:
            run = await _paused(engine, run_id, arguments.now)
        except asyncio.CancelledError:
            note(f"It stays pausing: `cmbagent-tui resume {short(run_id)}` takes that back.")
            raise
        await _print_state(engine, run, arguments.json)

    with_engine(use, drives=True)
    return 0


def cancel(arguments: Namespace) -> int:
    """End a run and all that it started."""

    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        await _print_state(engine, await engine.cancel(run_id), arguments.json)

    with_engine(use, drives=True)
    return 0


async def _paused(engine: Engine, run_id: str, now: bool) -> Run:
    """Pause a run and wait until it is paused or over; say what it waits for."""
    told, began = False, time.monotonic()
    run = await engine.pause(run_id, now=now)
    while run.state in _NOT_PAUSED:
        if not told and time.monotonic() - began >= _PATIENCE:
            told = True
            note(await _what_it_waits_for(engine, run))
        await asyncio.sleep(_LOOK)
        run = (await engine.view(run_id)).run
        if run.state is RunState.WAITING_APPROVAL or (run.state in _NOT_PAUSED and not await engine.driven(run_id)):
            run = await engine.pause(run_id, now=now)  # it came to rest, or lost its process, before it heard
    return run


async def _what_it_waits_for(engine: Engine, run: Run) -> str:
    view = await engine.view(run.id)
    steps = [node.step for node in view.nodes if node.state is StepState.RUNNING]
    calls = f"what runs in {', '.join(steps)}" if steps else "what runs"
    return f"Waiting for {calls} to come to an end; `cmbagent-tui pause {short(run.id)} --now` stops it at once."


async def _print_state(engine: Engine, run: Run, as_json: bool) -> None:
    if as_json:
        out_json(exports.run_json(await engine.view(run.id)))
    else:
        out(f"run {short(run.id)}: {run.state.value}")
