"""Redo: a person has a step done again. What builds on it is done again too; what came before stays as it is.

The earlier attempts stay in the record. Nothing but a person leads out of a terminal state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.model.changes import Advise, Change
from engine.model.errors import UsageError
from engine.model.ids import short
from engine.model.options import RunOptions
from engine.model.records import Node, NodeKind, RunView
from engine.model.states import RunState, StepState
from engine.runs.answers import passed_by
from engine.runs.graph import Dag
from engine.runs.moves import By, move_node, move_run
from engine.runs.outcome import break_off

_STOPPED = frozenset({StepState.CANCELLED, StepState.SKIPPED})


def redo(view: RunView, step: str, feedback: str | None, by: By, at: datetime) -> list[Change]:
    """The changes that have a step of a run that nobody drives at the moment done again, and the run go on.

    What a cancellation or this step's failure had stopped goes on too.

    Raises:
        UsageError: there is no such step, it is not over, or it was redone as often as the run allows.
    """
    node = find_step(view, step)
    _check(view, node)
    run, changes = view.run, break_off(view, at, "a step is redone")
    if run.state.terminal or run.state is RunState.PAUSED:
        goal = RunState.EXECUTING if run.plan is not None else RunState.PLANNING
        run, moved = move_run(run, goal, by, at)
        changes += moved
    for one in _again(view, node):
        changes += move_node(one, StepState.PENDING, by, at)[1]
    return [*changes, Advise(node.session_id, node.id, feedback)]


def find_step(view: RunView, step: str) -> Node:
    """The node that a person means by a step's id, or by its own id or an end of it.

    Raises:
        UsageError: there is none, or several.
    """
    kinds = (NodeKind.STEP, NodeKind.PLANNING)
    nodes = [node for node in view.nodes if node.kind in kinds]
    wanted = step.strip()
    named = [node for node in nodes if node.step == wanted]
    found = named or [node for node in nodes if wanted and (node.id.startswith(wanted) or node.id.endswith(wanted))]
    if len(found) != 1:
        steps = ", ".join(node.step for node in nodes)
        what = f"{len(found)} steps" if found else "no step"
        raise UsageError(f"{what} of run {short(view.run.id)} fits {step!r}", f"There are: {steps}.")
    return found[0]


def _check(view: RunView, node: Node) -> None:
    if not node.state.terminal:
        raise UsageError(
            f"the step {node.step} is {node.state.value}: only one that is over can be redone",
            "Pause or cancel the run to stop what it does now.",
        )
    if node.kind is NodeKind.PLANNING and view.run.plan is not None:
        raise UsageError(
            "the plan was approved and its steps have begun: it cannot be made again in this run",
            "Redo a step, or begin a new run with the same task.",
        )
    if node.kind is NodeKind.PLANNING and any(one.state is StepState.WAITING_APPROVAL for one in view.nodes):
        raise UsageError("the plan waits for a person", "Reject it, with feedback, to have another one made.")
    most = RunOptions.from_json(view.run.options).max_redos
    redone = sum(attempt.node_id == node.id and attempt.reason == "redo" for attempt in view.attempts)
    if redone >= most:
        raise UsageError(
            f"the step {node.step} was redone {redone} times, and at most {most} are allowed",
            "Begin a new run, or raise max_redos in the settings.",
        )


def _again(view: RunView, node: Node) -> Sequence[Node]:
    """The step, all that builds on it, and what was stopped; but nothing that another failed step stands before."""
    dag = Dag(view.nodes, view.edges)
    before = {one.id: dag.ancestors(one.id) for one in view.nodes}
    below = {name for name, ancestors in before.items() if name == node.id or node.id in ancestors}
    failed = {one.id for one in view.nodes if one.state is StepState.FAILED} - below
    stopped = {one.id for one in view.nodes if one.state in _STOPPED} - passed_by(view)
    return [
        one
        for one in view.nodes
        if one.state.terminal and (one.id in below or one.id in stopped) and not before[one.id] & failed
    ]
