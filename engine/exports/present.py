"""Runs, sessions and the rest as the JSON of the contract."""

from __future__ import annotations

from datetime import datetime

from engine.compare import TOLERANCE
from engine.model.budget import Ceiling
from engine.model.checked import Checked
from engine.model.comparison import Comparison, Likeness
from engine.model.events import Event
from engine.model.money import decimal_usd
from engine.model.options import RunOptions
from engine.model.records import (
    Approval,
    Artifact,
    Attempt,
    CostTotal,
    Json,
    Message,
    Node,
    NodeKind,
    Run,
    RunView,
    SessionSummary,
)
from engine.model.spending import Budget
from engine.model.states import StepState


def run_json(view: RunView, comparison: Comparison | None = None) -> Json:
    """A run with its nodes, edges, cost and approvals. `depends_on` holds step ids, as in the plan; edges hold node
    ids. `comparison` is how a replay's files compare, once they were compared."""
    named = {node.id: node for node in view.nodes}
    depends: dict[str, list[str]] = {}
    for edge in view.edges:
        source = named[edge.from_node]
        if source.kind is NodeKind.STEP or named[edge.to_node].kind is not NodeKind.STEP:
            depends.setdefault(edge.to_node, []).append(source.step)
    attempts: dict[str, list[Attempt]] = {}
    for attempt in view.attempts:
        attempts.setdefault(attempt.node_id, []).append(attempt)
    artifacts: dict[str, list[Artifact]] = {}
    for artifact in view.artifacts:
        artifacts.setdefault(artifact.node_id, []).append(artifact)
    declared = _declared(view.run)
    checked = {node.id: _checked_json(node, attempts.get(node.id, []), declared) for node in view.nodes}
    nodes = [
        _node_json(
            node,
            checked[node.id],
            attempts.get(node.id, []),
            artifacts.get(node.id, []),
            depends.get(node.id, []),
            view.node_cost.get(node.id, CostTotal()),
        )
        for node in view.nodes
    ]
    return {
        **run_line(view.run),
        "title": view.session.title,
        "directory": view.session.directory,
        "notice": RunOptions.from_json(view.run.options).notice,
        "nodes": nodes,
        "edges": [{"from": edge.from_node, "to": edge.to_node, "kind": edge.kind.value} for edge in view.edges],
        "cost": cost_json(view.cost),
        "checks": {name: sum(one[name] for one in checked.values()) for name in _CHECKED},
        "budget": budget_json(view),
        "approvals": [approval_json(approval) for approval in view.approvals],
        "replay": _replay_json(view.run, comparison),
    }


def run_line(run: Run) -> Json:
    """A run in a list."""
    return {
        "run_id": run.id,
        "session_id": run.session_id,
        "state": run.state.value,
        "mode": run.mode.value,
        "task": run.task,
        "parent_run_id": run.parent_run_id,
        "parent_node_id": run.parent_node_id,
        "branch_name": run.branch_name,
        "hypothesis": run.hypothesis,
        "replay_of": run.replay_of,
        "created_at": time_json(run.created_at),
        "started_at": time_json(run.started_at),
        "ended_at": time_json(run.ended_at),
        "error": run.error,
    }


def session_line(summary: SessionSummary) -> Json:
    """A session in a list."""
    session, last = summary.session, summary.last_run
    return {
        "session_id": session.id,
        "title": session.title,
        "mode": session.mode.value,
        "directory": session.directory,
        "tags": list(session.tags),
        "created_at": time_json(session.created_at),
        "updated_at": time_json(session.updated_at),
        "archived_at": time_json(session.archived_at),
        "deleted_at": time_json(session.deleted_at),
        "runs": summary.runs,
        "run_id": last.id if last else None,
        "state": last.state.value if last else None,
        "cost": cost_json(summary.cost),
        "pending_approvals": summary.pending_approvals,
    }


def approval_json(approval: Approval) -> Json:
    """An approval, with what it shows."""
    return {
        "approval_id": approval.id,
        "session_id": approval.session_id,
        "run_id": approval.run_id,
        "node_id": approval.node_id,
        "kind": approval.kind,
        "title": approval.title,
        "state": approval.state.value,
        "shown": approval.shown,
        "created_at": time_json(approval.created_at),
        "deadline_at": time_json(approval.deadline_at),
        "resolved_at": time_json(approval.resolved_at),
        "resolved_by": approval.resolved_by,
        "feedback": approval.feedback,
        "answer": approval.answer,
    }


def cost_json(cost: CostTotal) -> Json:
    """A sum of costs; calls whose price is unknown are counted apart."""
    return {
        "usd": decimal_usd(cost.usd_micro),
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "calls": cost.calls,
        "unknown_calls": cost.unknown_calls,
    }


def budget_json(view: RunView) -> Json:
    """What the run may use up, has used, and has left, of all that has a ceiling; `time` is in seconds at work."""
    ceilings = RunOptions.from_json(view.run.options).ceilings
    time = {} if ceilings.seconds is None else {"time": {"of": ceilings.seconds}}
    return {**used_json(Budget(ceilings, view.cost)), **time}


def used_json(budget: Budget) -> Json:
    """What may be used up, was used, and is left, of money, tokens and calls that have a ceiling."""
    found: Json = {}
    for ceiling, (used, most) in budget.parts.items():
        amounts = {"of": most, "used": used, "left": max(0, most - used)}
        in_usd = ceiling is Ceiling.USD
        found[ceiling.value] = {name: decimal_usd(one) for name, one in amounts.items()} if in_usd else amounts
    return found


def event_json(event: Event) -> Json:
    """An event."""
    return {
        "event_id": event.id,
        "seq": event.seq,
        "run_id": event.run_id,
        "node_id": event.node_id,
        "attempt_id": event.attempt_id,
        "parent_event_id": event.parent_event_id,
        "span_id": event.span_id,
        "kind": event.kind.value,
        "phase": event.phase.value,
        "agent": event.agent,
        "title": event.title,
        "at": time_json(event.at),
        "data": event.data,
    }


def artifact_json(artifact: Artifact) -> Json:
    """A file that was written."""
    return {
        "artifact_id": artifact.id,
        "node_id": artifact.node_id,
        "attempt_id": artifact.attempt_id,
        "event_id": artifact.event_id,
        "agent": artifact.agent,
        "path": artifact.path,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "kind": artifact.kind,
        "at": time_json(artifact.at),
    }


def message_json(message: Message) -> Json:
    """A turn of a conversation."""
    return {
        "message_id": message.id,
        "node_id": message.node_id,
        "attempt_id": message.attempt_id,
        "event_id": message.event_id,
        "sender": message.sender,
        "role": message.role,
        "content": message.content,
        "at": time_json(message.at),
    }


def _replay_json(run: Run, comparison: Comparison | None) -> Json | None:
    """How a replay compares with the run that it replays; None for any other run. Counts are null while nothing was
    compared."""
    replaying = RunOptions.from_json(run.options).replay
    if run.replay_of is None or replaying is None:
        return None
    counts = {one.value: comparison.counts.get(one, 0) if comparison else None for one in Likeness}
    return {
        "of": run.replay_of,
        "strict": replaying.strict,
        "ok": comparison.ok if comparison else None,
        **counts,
        "requests": comparison.requests if comparison else None,
        "requests_changed": comparison.changed if comparison else None,
        "tolerance": TOLERANCE,
        "files": [file.to_json() for file in comparison.files] if comparison else [],
    }


_CHECKED = ("declared", "held", "failed", "waived", "unchecked")


def _declared(run: Run) -> dict[str, int]:
    """How many checks the plan declares, by step."""
    return {one["id"]: len(one.get("checks") or ()) for one in (run.plan or {}).get("steps", ())}


def _checked_json(node: Node, attempts: list[Attempt], declared: dict[str, int]) -> Json:
    """A node's checks as counts: declared by the plan, and what its newest attempt's came to. A step that is completed
    with none is unchecked."""
    last = max(attempts, key=lambda one: one.number, default=None)
    counts = Checked.of(last.checks if last else ())
    done = node.kind is NodeKind.STEP and node.state is StepState.COMPLETED
    return {
        "declared": declared.get(node.step, 0) if node.kind is NodeKind.STEP else 0,
        **counts.to_json(),
        "unchecked": done and not counts.total,
    }


def _node_json(
    node: Node,
    checked: Json,
    attempts: list[Attempt],
    artifacts: list[Artifact],
    depends: list[str],
    cost: CostTotal,
) -> Json:
    last = max(attempts, key=lambda one: one.number, default=None)
    checks = last.checks if last else ()
    return {
        "id": node.id,
        "step": node.step,
        "kind": node.kind.value,
        "title": node.title,
        "agent": node.agent,
        "state": node.state.value,
        "attempt": last.number if last else 0,
        "attempts": len(attempts),
        "parent_node_id": node.parent_node_id,
        "depth": node.depth,
        "depends_on": depends,
        "started_at": time_json(node.started_at),
        "ended_at": time_json(node.ended_at),
        "cost_usd": decimal_usd(cost.usd_micro),
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "detail": check.detail,
                "waived": bool(check.waived),
                "waived_by": check.waived or None,
            }
            for check in checks
        ],
        "checked": checked,
        "artifacts": [artifact_json(artifact) for artifact in artifacts],
        "summary": last.summary if last else None,
        "error": node.error,
    }


def time_json(at: datetime | None) -> str | None:
    """A time, ISO 8601 UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
