"""From a planning attempt to an approved plan: what is asked, and what each answer leads to."""

from __future__ import annotations

from datetime import datetime

from engine.model.changes import Add, Change, SetPlan
from engine.model.errors import CockpitError
from engine.model.ids import new_id
from engine.model.options import RunOptions
from engine.model.plan import Plan
from engine.model.records import Approval, ApprovalState, Node, NodeKind, Run, RunView
from engine.model.states import Actor, RunState, StepState
from engine.runs.deadlines import with_deadline
from engine.runs.graph import add_nodes, plan_nodes
from engine.runs.moves import By, approval_event, engine, move_node, move_run

_PLANNED_AGAIN = frozenset({ApprovalState.REJECTED, ApprovalState.RETRY})


def ask_for_approval(run: Run, gate: Node, plan: Plan, at: datetime, cost: str = "") -> tuple[Run, list[Change]]:
    """Stop the run until a person has settled this plan; `cost` says what it may cost."""
    approval = Approval(
        new_id(),
        run.session_id,
        run.id,
        gate.id,
        "plan",
        f"Plan: {plan.title}",
        {"plan": plan.model_dump(mode="json"), **({"estimate": cost} if cost else {})},
        ApprovalState.PENDING,
        at,
    )
    approval = with_deadline(approval, RunOptions.from_json(run.options))
    why = engine("the plan waits for a person")
    gate, gate_moved = move_node(gate, StepState.WAITING_APPROVAL, why, at)
    run, run_moved = move_run(run, RunState.WAITING_APPROVAL, why, at)
    return run, [Add(approval), *gate_moved, *run_moved, Add(approval_event(approval, at))]


def execute_plan(
    run: Run, plan: Plan, after: list[Node], position: int, by: By, at: datetime
) -> tuple[Run, list[Change]]:
    """Fix the plan, add its nodes behind `after`, and begin."""
    nodes, edges = plan_nodes(run, plan, after, position)
    run, moved = move_run(run, RunState.EXECUTING, by, at)
    return run, [SetPlan(run.session_id, run.id, plan.model_dump(mode="json")), *add_nodes(nodes, edges, at), *moved]


def plan_of(approval: Approval) -> Plan:
    """The plan that an approval settled on: the person's own where it was modified."""
    return Plan.parse((approval.answer or approval.shown)["plan"])


def settle(view: RunView, approval: Approval, at: datetime) -> tuple[Run, list[Change]]:
    """Carry out a settled plan approval.

    Approved or modified: the plan's nodes are added and the run goes on. Rejected: it is planned again. Aborted, left
    without an answer, or settled in a way that means nothing for a plan: the run is cancelled.
    """
    run = view.run
    gate = next(node for node in view.nodes if node.kind is NodeKind.APPROVAL)
    by = By(Actor.PERSON, approval.resolved_by or "a person", f"plan {approval.state.value}")
    changes: list[Change] = [Add(approval_event(approval, at))]
    match approval.state:
        case ApprovalState.APPROVED | ApprovalState.MODIFIED:
            gate, moved = move_node(gate, StepState.COMPLETED, by, at)
            run, begun = execute_plan(run, plan_of(approval), [gate], gate.position + 1, by, at)
            return run, [*changes, *moved, *begun]
        case state if state in _PLANNED_AGAIN:
            planning = next(node for node in view.nodes if node.kind is NodeKind.PLANNING)
            _, gate_moved = move_node(gate, StepState.PENDING, by, at)
            _, planning_moved = move_node(planning, StepState.PENDING, by, at)
            run, run_moved = move_run(run, RunState.PLANNING, by, at)
            return run, [*changes, *gate_moved, *planning_moved, *run_moved]
        case ApprovalState.ABORT | ApprovalState.SKIP | ApprovalState.EXPIRED:
            _, moved = move_node(gate, StepState.CANCELLED, by, at)
            expired = approval.state is ApprovalState.EXPIRED
            why = f"the plan: {approval.feedback}" if expired else f"the plan was given up by {by.who}"
            run, run_moved = move_run(run, RunState.CANCELLED, by, at, why)
            return run, [*changes, *moved, *run_moved]
        case _:
            raise CockpitError(f"approval {approval.id} is {approval.state.value}: there is nothing to carry out")


def feedback_of(view: RunView, before: datetime | None = None) -> tuple[str | None, Plan | None]:
    """What people said of the plans so far (or before a time), and the last plan they saw: for the planner's next try.
    In a replay, what its planner was told then."""
    replaying = RunOptions.from_json(view.run.options).replay
    if replaying:
        return replaying.feedback.get("planning"), Plan.parse(replaying.previous) if replaying.previous else None
    planning = {node.id for node in view.nodes if node.kind is NodeKind.PLANNING}
    settled = [one for one in view.approvals if before is None or (one.resolved_at and one.resolved_at <= before)]
    rejected = [one for one in settled if one.kind == "plan" and one.state in _PLANNED_AGAIN]
    on_errors = [one for one in settled if one.kind == "error" and one.node_id in planning]
    said = [one.feedback for one in (*rejected, *on_errors) if one.feedback]
    if not rejected:
        return "\n\n".join(said) or None, None
    return "\n\n".join(said) or "The person rejected this plan without saying why.", plan_of(rejected[-1])
