"""Waive: a person lets a step's result stand although a check of it does not hold.

Nothing is computed anew and no model is asked again: the next attempt goes on from the failed one's journal, and the
checks are run on what it comes to. What is waived stays declared, is run, and is shown as waived wherever it fails.
"""

from __future__ import annotations

from datetime import datetime

from engine.model.changes import Add, Advise, Change, SetPlan
from engine.model.errors import UsageError
from engine.model.events import EventKind
from engine.model.plan import Plan
from engine.model.records import Attempt, AttemptState, Json, Node, RunView
from engine.model.redo import Redo
from engine.model.states import StepState
from engine.model.waive import waived_step
from engine.ports import SessionReads
from engine.runs.lessons import FAILED_CHECK, goes_on
from engine.runs.moves import By
from engine.runs.redo import find_step, go_back


async def waive(reads: SessionReads, view: RunView, step: str, wanted: Redo, by: By, at: datetime) -> list[Change]:
    """The changes that waive checks of a failed step of a run that nobody drives at the moment, and have it go on.

    Raises:
        UsageError: there is no such step or check, or the step has not failed of a check.
    """
    node = find_step(view, step)
    failed, error = await _failed(reads, view, node)
    plan = Plan.model_validate(view.run.plan)
    declared = next(one for one in plan.steps if one.id == node.step)
    plan = plan.with_step(waived_step(declared, wanted.waive, by.who, wanted.feedback))
    changes = go_back(view, node, "a check is waived", by, at)
    changes.append(SetPlan(view.run.session_id, view.run.id, plan.model_dump(mode="json")))
    event = await goes_on(reads, node, failed, str(error["message"]), by.who, wanted.waive, wanted.feedback, at)
    return [*changes, Advise(node.session_id, node.id, node.feedback, at), Add(event)]


async def _failed(reads: SessionReads, view: RunView, node: Node) -> tuple[Attempt, Json]:
    """The attempt that failed of a check, and what its error event says."""
    mine = [one for one in view.attempts if one.node_id == node.id and one.state is AttemptState.FAILED]
    errors = await reads.events(view.run.id, node_id=node.id, kinds=(EventKind.ERROR,), newest=True, limit=1)
    if node.state is not StepState.FAILED or not mine or not errors or errors[-1].data.get("kind") != FAILED_CHECK:
        raise UsageError(
            f"the step {node.step} has not failed of a check: there is nothing to waive",
            "A step that has not begun is edited in the approval of the plan, or of the step.",
        )
    return max(mine, key=lambda one: one.number), errors[-1].data
