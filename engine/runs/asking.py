"""What is asked: the approvals about a step that is about to start and about an error, with all that a person needs to
settle them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.failures import PastFailure, chance_of, kind_of
from engine.model.frames import Failure, Upstream
from engine.model.ids import new_id
from engine.model.money import decimal_usd
from engine.model.options import RunOptions
from engine.model.plan import PlanStep
from engine.model.records import Approval, ApprovalState, Json, Node, TreeEntry
from engine.model.states import StepState
from engine.model.text import clean, one_line
from engine.policy import Decision
from engine.runs.control import Asked
from engine.runs.deadlines import with_deadline
from engine.runs.moves import approval_event, engine, move_node
from engine.runs.recorder import safe


def ask(
    node: Node, kind: str, title: str, shown: Json, options: RunOptions, why: str, at: datetime
) -> tuple[Node, list[Change]]:
    """Have a node wait until a person has settled something about it."""
    approval = Approval(
        new_id(), node.session_id, node.run_id, node.id, kind, one_line(title), shown, ApprovalState.PENDING, at
    )
    approval = with_deadline(approval, options)
    node, moved = move_node(node, StepState.WAITING_APPROVAL, engine(why), at)
    return node, [Add(approval), *moved, Add(approval_event(approval, at))]


def ask_midway(node: Node, asked: Asked, options: RunOptions, at: datetime) -> tuple[Node, list[Change]]:
    """Have a node wait whose attempt was let go because a person has to be asked (`node` as it was before it ran)."""
    node = replace(node, state=StepState.RUNNING)
    why = "the agent asks a person" if asked.kind == "question" else "a person is asked about a call"
    if asked.shown is not None and "budget" in asked.shown:
        why = "the budget is reached"
    if asked.shown is None:  # the question stands already
        return move_node(node, StepState.WAITING_APPROVAL, engine(why), at)
    return ask(node, asked.kind, asked.title, asked.shown, options, why, at)


def ask_about_step(
    node: Node,
    step: PlanStep,
    attempt: int,
    files: Iterable[TreeEntry],
    upstream: Iterable[Upstream],
    steps: dict[str, str],
    spent: int,
    decision: Decision,
    options: RunOptions,
    at: datetime,
) -> tuple[Node, list[Change]]:
    """Ask whether a step is to begin as it is. `steps` names the step of each node."""
    shown: Json = {
        "step": safe(step.model_dump(mode="json", exclude_none=True)),
        "attempt": attempt,
        "inputs": [
            {"path": clean(one.path), "size": one.size, "sha256": one.sha256, "from": steps.get(one.node_id, "")}
            for one in files
        ],
        "upstream": [safe(one.model_dump(mode="json")) for one in upstream],
        "cost_usd": decimal_usd(spent),
    }
    if node.feedback:
        shown["feedback"] = node.feedback
    if decision.reasons:
        shown["why"] = list(decision.reasons)
    return ask(node, "step", f"Step {node.step}: {node.title}", shown, options, "a person is asked first", at)


def ask_about_error(
    node: Node,
    step: PlanStep | None,
    attempt: int,
    failure: Failure,
    why_not: str,
    decision: Decision,
    options: RunOptions,
    past: Iterable[PastFailure],
    at: datetime,
) -> tuple[Node, list[Change]]:
    """Ask what is to become of a node whose attempt has failed and which the engine does not try again."""
    kind = kind_of(failure.category)
    shown: Json = {
        "attempt": attempt,
        "kind": kind.name,
        "message": clean(failure.message),
        "hint": clean(failure.hint),
        "detail": clean(failure.detail, 4_000),
        "not_retried": why_not,
        "chance": chance_of(kind.name, past).words,
    }
    if step is not None:
        shown["step"] = safe(step.model_dump(mode="json", exclude_none=True))
    if decision.reasons:
        shown["why"] = list(decision.reasons)
    title = f"{node.step} failed: {one_line(failure.message, 120)}"
    return ask(node, "error", title, shown, options, f"a person is asked about the failure: {kind.name}", at)
