"""Questions that stop a step until a person has settled them. No process waits meanwhile: the answer is read from the
rows when the step goes on.

The one question so far: a tool had begun, its outcome is unknown, and it is declared not to be begun again unasked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.ids import new_id
from engine.model.options import RunOptions
from engine.model.records import Approval, ApprovalState, JournalEntry, Json, Node, RunView
from engine.model.states import Actor, StepState
from engine.runs.deadlines import with_deadline
from engine.runs.moves import By, approval_event, engine, move_node
from engine.runs.tries import Try

_AGAIN = frozenset({ApprovalState.APPROVED, ApprovalState.RETRY, ApprovalState.MODIFIED})


def ask_about(
    node: Node, this: Try, doubt: JournalEntry, options: RunOptions, at: datetime
) -> tuple[Node, list[Change]]:
    """Have the node wait for a person who knows what became of a tool call."""
    shown: Json = {
        "attempt_id": doubt.attempt_id,
        "attempt": this.attempt.number,
        "agent": doubt.agent,
        "sequence": doubt.sequence,
        "tool": doubt.name,
        "request": doubt.request,
        "approve": "run it again",
        "skip": "do not: the agent is told that its outcome is unknown",
    }
    title = f"{node.step}: {doubt.name} had begun when its process was lost, and may have had its effect"
    approval = Approval(
        new_id(), node.session_id, node.run_id, node.id, "tool", title, shown, ApprovalState.PENDING, at
    )
    approval = with_deadline(approval, options)
    node, moved = move_node(node, StepState.WAITING_APPROVAL, engine("a tool's outcome is unknown"), at)
    return node, [Add(approval), *moved, Add(approval_event(approval, at))]


def answer_about(doubt: JournalEntry, approvals: Iterable[Approval]) -> Approval | None:
    """What a person said of this tool call, if they were asked."""
    key = (doubt.attempt_id, doubt.agent, doubt.sequence)
    for one in approvals:
        shown = one.shown
        if (
            one.kind == "tool"
            and "arguments" not in shown
            and (shown.get("attempt_id"), shown.get("agent"), shown.get("sequence")) == key
        ):
            return one
    return None


def again(approval: Approval) -> bool:
    """Whether a tool call is to be made again."""
    return approval.state in _AGAIN


def not_again(doubt: JournalEntry, approval: Approval, at: datetime) -> Change:
    """The result that stands in the journal for a tool call that is not made again."""
    text = (
        f"{doubt.name} had begun when its process was lost: it may have had its effect or not. "
        f"{approval.resolved_by} decided that it is not run again."
    )
    if approval.feedback:
        text += f" They say: {approval.feedback}"
    return Add(replace(doubt, answer={"ok": False, "result": text}, at=at))


def answered(view: RunView) -> list[tuple[Node, Approval]]:
    """The steps that wait for a person who has settled their question meanwhile."""
    found: list[tuple[Node, Approval]] = []
    for node in view.nodes:
        if node.state is StepState.WAITING_APPROVAL:
            asked = [one for one in view.approvals if one.node_id == node.id]
            newest = max(asked, key=lambda one: one.id, default=None)
            if newest is not None and newest.state is not ApprovalState.PENDING:
                found.append((node, newest))
    return found


def settled_by(approval: Approval) -> By:
    """Who settled an approval, and how."""
    return By(Actor.PERSON, approval.resolved_by or "a person", f"{approval.kind} {approval.state.value}")
