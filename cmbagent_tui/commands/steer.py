"""Commands that settle and steer: approve, pause, cancel."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from cmbagent_tui.commands.common import note, out, out_json, with_engine
from engine import exports
from engine.engine import Engine
from engine.model.errors import NotFound, UsageError
from engine.model.ids import short
from engine.model.plan import MAX_BYTES, Plan
from engine.model.records import ApprovalState


def approve(arguments: Namespace) -> int:
    """Settle an approval. A run that a living process drives goes on at once; any other when it is resumed."""
    plan = read_plan(arguments.edit) if arguments.edit else None
    if plan:
        state = ApprovalState.MODIFIED
    elif arguments.abort:
        state = ApprovalState.ABORT
    elif arguments.reject or arguments.feedback:
        state = ApprovalState.REJECTED
    else:
        state = ApprovalState.APPROVED

    async def use(engine: Engine) -> None:
        approval_id = await _approval(engine, arguments.id)
        approval = await engine.resolve(approval_id, state, feedback=arguments.feedback, plan=plan)
        if arguments.json:
            out_json(exports.approval_json(approval))
        else:
            out(f"{approval.title}: {approval.state.value}")
        if not await engine.driven(approval.run_id):
            note(f"Nothing drives the run now: `cmbagent-tui resume {short(approval.run_id)}` lets it go on.")

    with_engine(use)
    return 0


def pause(arguments: Namespace) -> int:
    """Begin nothing new in a run."""
    return _steer(arguments, "pause")


def cancel(arguments: Namespace) -> int:
    """End a run and all that it started."""
    return _steer(arguments, "cancel")


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


def _steer(arguments: Namespace, verb: str) -> int:
    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        run = await (engine.pause(run_id) if verb == "pause" else engine.cancel(run_id))
        if arguments.json:
            out_json(exports.run_json(await engine.view(run_id)))
        else:
            out(f"run {short(run_id)}: {run.state.value}")

    with_engine(use, drives=True)
    return 0


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
