"""Commands that settle and steer: approve, pause, cancel."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from pathlib import Path

from cmbagent_tui.commands.common import note, out, out_json, with_engine
from engine import exports
from engine.engine import Engine
from engine.model.errors import CockpitError, NotFound, UsageError
from engine.model.ids import short
from engine.model.plan import MAX_BYTES, Plan
from engine.model.records import ApprovalState, Run
from engine.model.states import RunState, StepState

_WAYS = {
    "edit": ApprovalState.MODIFIED,
    "abort": ApprovalState.ABORT,
    "retry": ApprovalState.RETRY,
    "skip": ApprovalState.SKIP,
    "reject": ApprovalState.REJECTED,
}
_NOT_PAUSED = frozenset({RunState.PLANNING, RunState.EXECUTING, RunState.WAITING_APPROVAL})
_LOOK = 0.1  # seconds between two looks whether a run is paused
_PATIENCE = 1.0  # seconds after which it is said what is waited for


def approve(arguments: Namespace) -> int:
    """Settle an approval, and have its run go on: where it is driven, or in a process of its own."""
    from cmbagent_tui.detach import goes_on, start_detached

    plan = read_plan(arguments.edit) if arguments.edit else None
    chosen = (state for name, state in _WAYS.items() if getattr(arguments, name))
    state = next(chosen, ApprovalState.REJECTED if arguments.feedback else ApprovalState.APPROVED)

    async def use(engine: Engine) -> None:
        approval_id = await _approval(engine, arguments.id)
        approval = await engine.resolve(approval_id, state, feedback=arguments.feedback, plan=plan)
        if arguments.json:
            out_json(exports.approval_json(approval))
        else:
            out(f"{approval.title}: {approval.state.value}")
        if await engine.driven(approval.run_id):
            return
        try:
            log = await start_detached(engine, approval.run_id)
        except (CockpitError, OSError) as error:
            note(f"It is settled, but the run could not be woken: {error}")
            note(f"Nothing drives it now: `cmbagent-tui resume {short(approval.run_id)}` lets it go on.")
        else:
            note(goes_on(approval.run_id, log))

    with_engine(use)
    return 0


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


def read_plan(name: str) -> Plan:
    """Read a plan's file.

    Raises:
        UsageError: it is missing, unreadable, or no plan.
    """
    path = Path(name)
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{name} has {path.stat().st_size:,} bytes; a plan has at most {MAX_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the plan {name} cannot be read: {error.strerror}") from None
    return Plan.parse(content, name=name)


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


async def _approval(engine: Engine, prefix: str) -> str:
    """The approval that is meant: by its own id, or by the id of the run that waits for it."""
    try:
        return (await engine.identify("approvals", prefix))[0]
    except NotFound as unknown:
        try:
            run_id, _ = await engine.identify("runs", prefix)
        except NotFound:
            raise unknown from None
        waiting = [one for one in await engine.approvals() if one.run_id == run_id]
        if not waiting:
            raise UsageError(f"run {short(run_id)} waits for nothing") from None
        return waiting[0].id
