"""What follows from an attempt's end: the changes that close it, and those that end a run before its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain

from engine.model.changes import Add, Change, EndAttempt, SettleApproval
from engine.model.events import EventKind
from engine.model.failures import kind_of
from engine.model.frames import Failure
from engine.model.ids import new_id
from engine.model.records import (
    ApprovalState,
    Attempt,
    AttemptState,
    Checkpoint,
    Json,
    Node,
    RunView,
    TreeEntry,
)
from engine.model.states import RunState, StepState
from engine.model.text import clean, one_line
from engine.runs.attempts import Ended
from engine.runs.moves import By, engine, move_node, move_run
from engine.runs.recorder import safe
from engine.runs.workdir import checkpoint_tree

_SUMMARY = 8_000  # characters
_DETAIL = 4_000


def close_attempt(ended: Ended, at: datetime, failure: Failure | None = None, not_retried: str = "") -> list[Change]:
    """The changes that end an attempt as it ended: completed, or failed with an error event that says why, and why it
    is not tried again."""
    attempt, result = ended.attempt, ended.result
    failure = failure or ended.failure
    summary = clean(result.summary, _SUMMARY) if result and result.summary else None
    state = AttemptState.FAILED if failure else AttemptState.COMPLETED
    error = clean(failure.message) if failure else None
    changes: list[Change] = [EndAttempt(attempt.session_id, attempt.id, state, at, summary, error, ended.checks)]
    if failure:
        kind = kind_of(failure.category)
        data: Json = {"category": kind.category.value, "kind": kind.name, "message": error, "hint": clean(failure.hint)}
        if failure.detail:
            data["detail"] = clean(failure.detail, _DETAIL)
        if not_retried:
            data["not_retried"] = not_retried
        changes.append(Add(ended.recorder.event(EventKind.ERROR, error or "", data)))
    return changes


def leave_behind(ended: Ended, before: Iterable[TreeEntry], at: datetime) -> Checkpoint:
    """The checkpoint of a completed attempt."""
    assert ended.result is not None
    node = ended.node
    tree = checkpoint_tree(node.id, ended.result.tree, before)
    context = safe(ended.result.context)
    return Checkpoint(new_id(), node.session_id, node.run_id, node.id, ended.attempt.id, at, tree, context)


def skip(nodes: Iterable[Node], why: str, at: datetime) -> tuple[list[Node], list[Change]]:
    """Skip nodes that can no longer run."""
    moved = [move_node(node, StepState.SKIPPED, engine(why), at) for node in nodes]
    return [node for node, _ in moved], list(chain.from_iterable(changes for _, changes in moved))


def break_off(view: RunView, at: datetime, why: str) -> list[Change]:
    """Put back what was running when its process went or was stopped. The attempts stay open, to be continued."""
    changes: list[Change] = []
    for node in view.nodes:
        if node.state is StepState.RUNNING:
            changes += move_node(node, StepState.PENDING, engine(why), at)[1]
    return changes


def cancel(view: RunView, by: By, at: datetime, *, failed: str | None = None) -> list[Change]:
    """End a run before its time, with everything in it that is not over: cancelled, or (with a reason) failed."""
    changes: list[Change] = []
    for attempt in _running(view.attempts):
        changes.append(EndAttempt(attempt.session_id, attempt.id, AttemptState.CANCELLED, at, error=by.why))
    for node in view.nodes:
        if not node.state.terminal:
            changes += move_node(node, StepState.CANCELLED, by, at)[1]
    for approval in view.approvals:
        if approval.state is ApprovalState.PENDING:
            settled = SettleApproval(approval.session_id, approval.id, ApprovalState.WITHDRAWN, by.who, at, by.why)
            changes.append(settled)
    after = RunState.FAILED if failed else RunState.CANCELLED
    return [*changes, *move_run(view.run, after, by, at, failed or f"cancelled by {by.who}")[1]]


def verdict(nodes: Iterable[Node]) -> str:
    """Why a run in which nothing can proceed has failed, naming each step and its error."""
    steps = list(nodes)
    failed = [node for node in steps if node.state is StepState.FAILED]
    skipped = sum(node.state is StepState.SKIPPED for node in steps)
    words = [f"step {node.step}: {one_line(node.error or 'failed', 400)}" for node in failed]
    if skipped:
        words.append(f"{skipped} skipped because of that")
    return "; ".join(words) or "nothing is left that can proceed"


def _running(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.state is AttemptState.RUNNING]
