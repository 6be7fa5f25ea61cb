"""Answers: what follows for a step once a person has settled what was asked about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from engine.model.changes import Add, Advise, Change, SetPlan
from engine.model.events import Event
from engine.model.failures import chance_of
from engine.model.frames import Failure
from engine.model.plan import Plan, PlanStep
from engine.model.records import Approval, ApprovalState, Attempt, AttemptState, Node, Run, RunView
from engine.model.states import StepState
from engine.model.waive import only_waived
from engine.runs.budget import raised
from engine.runs.lessons import FAILED_CHECK, goes_on, learn, past_failures, retry_event, told_before
from engine.runs.moves import approval_event, engine, move_node
from engine.runs.questions import settled_by
from engine.runs.world import World

_ABOUT_STEPS = frozenset({"step", "error"})


@dataclass(frozen=True, slots=True)
class Taken:
    """A node whose question is settled, as it goes on, and the changes that write it down. `run` has its plan edited if
    the step was, and its options if a ceiling is raised."""

    node: Node
    run: Run
    changes: tuple[Change, ...]


def passed_by(view: RunView) -> set[str]:
    """The nodes that a person had skipped: what builds on them goes on without them."""
    skipped = {node.id for node in view.nodes if node.state is StepState.SKIPPED}
    newest = {one.node_id: one for one in sorted(view.approvals, key=lambda one: one.id) if one.kind in _ABOUT_STEPS}
    return {name for name in skipped if name in newest and newest[name].state is ApprovalState.SKIP}


async def take_up(world: World, run: Run, node: Node, approval: Approval, attempts: Iterable[Attempt]) -> Taken:
    """Carry out a settled question about a node that waits for it.

    It goes on (pending), is skipped, or has failed. What nobody has answered is not done, nor what a rule for silence
    has settled in a way that means nothing for such a question.
    """
    at = world.clock.now()
    heard = Add(approval_event(approval, at))
    state = approval.state
    if "budget" in approval.shown:
        now = await world.store.reads(run.session_id).run(run.id)  # how it asks may have been changed meanwhile
        run, approval, change = raised(replace(run, options=now.options), approval)
        node, moved = move_node(node, StepState.PENDING, settled_by(approval), at)
        return Taken(node, run, (change, Add(approval_event(approval, at)), *moved))
    if approval.kind not in _ABOUT_STEPS:
        node, moved = move_node(node, StepState.PENDING, settled_by(approval), at)
        return Taken(node, run, (heard, *moved))
    if state is ApprovalState.SKIP and "step" in approval.shown:
        node, moved = move_node(node, StepState.SKIPPED, settled_by(approval), at)
        return Taken(node, run, (heard, *moved))
    again = {ApprovalState.MODIFIED, ApprovalState.APPROVED if approval.kind == "step" else ApprovalState.RETRY}
    if state not in again:
        by = settled_by(approval)
        why = f"{'not begun' if approval.kind == 'step' else approval.shown['message']}: {state.value} by {by.who}"
        if approval.feedback:
            why = f"{why}: {approval.feedback}"
        node, moved = move_node(node, StepState.FAILED, engine(f"{by.why} by {by.who}"), at, why)
        return Taken(node, run, (heard, *moved))
    changes: list[Change] = [heard]
    waived = _waived(run, approval)
    if state is ApprovalState.MODIFIED and approval.answer:
        edited = Plan.model_validate(run.plan).with_step(PlanStep.model_validate(approval.answer["step"]))
        plan = edited.model_dump(mode="json")
        run = replace(run, plan=plan)
        changes.append(SetPlan(run.session_id, run.id, plan))
    if approval.kind == "error":
        event = await _retry(world, node, approval, attempts, waived, at)
        node = replace(node, feedback=node.feedback if waived else approval.feedback, retry_at=at)
        changes.append(Add(event))
    elif approval.feedback:
        node = replace(node, feedback="\n\n".join(filter(None, (node.feedback, approval.feedback))))
    changes.append(Advise(node.session_id, node.id, node.feedback, node.retry_at))
    node, moved = move_node(node, StepState.PENDING, settled_by(approval), at)
    return Taken(node, run, (*changes, *moved))


async def _retry(
    world: World,
    node: Node,
    approval: Approval,
    attempts: Iterable[Attempt],
    waived: Collection[str],
    at: datetime,
) -> Event:
    """The event that has the next attempt told what failed; or, where only checks are waived, go on as it stood."""
    mine = [one for one in attempts if one.node_id == node.id and one.state is AttemptState.FAILED]
    failed = max(mine, key=lambda one: one.number)
    shown, who = approval.shown, approval.resolved_by or ""
    reads = world.store.reads(node.session_id)
    if waived:
        return await goes_on(reads, node, failed, shown["message"], who, waived, approval.feedback, at)
    failure = Failure(category=shown["kind"], message=shown["message"], detail=shown["detail"])
    past = await past_failures(world.store)
    lesson = await learn(world.store, failed, failure, await told_before(reads, failed), past)
    title = f"attempt {failed.number + 1} at once: {who} wants it"
    return retry_event(node, failed, failure, chance_of(shown["kind"], past), lesson, who, title, at)


def _waived(run: Run, approval: Approval) -> tuple[str, ...]:
    """The checks that an answer about a failed check waives, if it changes nothing else: the work then stands."""
    if approval.shown.get("kind") != FAILED_CHECK or approval.state is not ApprovalState.MODIFIED:
        return ()
    before = next(one for one in Plan.model_validate(run.plan).steps if one.id == approval.shown["step"]["id"])
    after = PlanStep.model_validate((approval.answer or {})["step"])
    known = {check.name: check.waived for check in before.checks}
    waived = (check.name for check in after.checks if check.waived and check.waived != known.get(check.name))
    return tuple(waived) if only_waived(before, after) else ()
