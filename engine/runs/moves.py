"""Moves: a change of state with its history row and its event, as changes of one transaction; and the events that the
engine itself tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from engine.model.changes import Add, Change, Move
from engine.model.checked import Checked
from engine.model.events import Event, EventKind, Phase
from engine.model.ids import new_id
from engine.model.records import Approval, Node, Run, StateChange
from engine.model.states import Actor, RunState, StepState, check_run, check_step


@dataclass(frozen=True, slots=True)
class By:
    """Who wants a change, and why."""

    actor: Actor
    who: str
    why: str


def engine(why: str) -> By:
    """The engine itself."""
    return By(Actor.ENGINE, "engine", why)


def move_run(run: Run, after: RunState, by: By, at: datetime, error: str | None = None) -> tuple[Run, list[Change]]:
    """The run as it will be, and the changes that make it so.

    Raises:
        IllegalTransition: the table does not allow it.
    """
    check_run(run.state, after, by.actor)
    change = StateChange(run.session_id, run.id, "run", run.id, run.state, after, by.actor, by.who, by.why, at)
    data: dict[str, Any] = {"before": run.state.value, "after": after.value, "who": by.who, "why": by.why}
    if error:
        data["error"] = error
    event = run_event(run, EventKind.RUN_STATE, at, f"run {after.value}", data)
    moved = replace(
        run,
        state=after,
        started_at=run.started_at or (at if after in (RunState.PLANNING, RunState.EXECUTING) else None),
        ended_at=at if after.terminal else None,
        error=error if after.terminal else None,
    )
    return moved, [Move(change, error), Add(event)]


def move_node(
    node: Node,
    after: StepState,
    by: By,
    at: datetime,
    error: str | None = None,
    attempt: int | None = None,
    checked: Checked | None = None,
) -> tuple[Node, list[Change]]:
    """The node as it will be, and the changes that make it so. Of a step that is completed, its checks are told too.

    Raises:
        IllegalTransition: the table does not allow it.
    """
    check_step(node.state, after, by.actor)
    change = StateChange(node.session_id, node.run_id, "node", node.id, node.state, after, by.actor, by.who, by.why, at)
    data: dict[str, Any] = {"before": node.state.value, "after": after.value, "who": by.who, "why": by.why}
    if error:
        data["error"] = error
    if attempt:
        data["attempt"] = attempt
    if checked is not None:
        data["checks"] = checked.to_json()
    title = f"{node.step} {after.value}"
    event = Event(
        new_id(), node.session_id, node.run_id, EventKind.NODE_STATE, at, node_id=node.id, title=title, data=data
    )
    moved = replace(
        node,
        state=after,
        started_at=at if after is StepState.RUNNING else node.started_at,
        ended_at=at if after.terminal else None,
        error=error if after.terminal else None,
    )
    return moved, [Move(change, error), Add(event)]


def run_event(run: Run, kind: EventKind, at: datetime, title: str, data: dict[str, Any]) -> Event:
    """An event of the run as a whole."""
    return Event(new_id(), run.session_id, run.id, kind, at, phase=Phase.POINT, title=title, data=data)


def approval_event(approval: Approval, at: datetime) -> Event:
    """An approval was asked for, or settled: what stands in the record, without what was shown."""
    data: dict[str, Any] = {
        "approval": approval.id,
        "kind": approval.kind,
        "title": approval.title,
        "state": approval.state.value,
    }
    if approval.resolved_by:
        data["by"] = approval.resolved_by
    if approval.feedback:
        data["feedback"] = approval.feedback
    if approval.answer and "difference" in approval.answer:
        data["difference"] = approval.answer["difference"]
    if approval.answer and "ceilings" in approval.answer:
        data["ceilings"] = approval.answer["ceilings"]
    return Event(
        new_id(),
        approval.session_id,
        approval.run_id,
        EventKind.APPROVAL,
        at,
        node_id=approval.node_id,
        title=f"{approval.title}: {approval.state.value}",
        data=data,
    )


def broken_off(start: Event, at: datetime) -> Event:
    """The end of what had begun and will not end by itself any more."""
    data: dict[str, Any] = {"ok": False, "error": "broken off with its process"}
    return replace(start, id=new_id(), at=at, phase=Phase.END, span_id=start.id, data=data, seq=0)
