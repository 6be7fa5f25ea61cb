"""Redo: a person has a step done again. What builds on it is done again too; what came before stays as it is.

The earlier attempts stay in the record, and a branch point in the DAG says that it was done again. Nothing but a person
leads out of a terminal state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.model.changes import Add, Advise, Change, SetPlan
from engine.model.errors import UsageError
from engine.model.events import Event, EventKind
from engine.model.frames import Program
from engine.model.ids import new_id, short
from engine.model.options import RunOptions
from engine.model.plan import Plan, path_problem
from engine.model.records import Json, Node, NodeKind, RunView
from engine.model.redo import Redo
from engine.model.states import RunState, StepState
from engine.model.text import one_line
from engine.runs.answers import passed_by
from engine.runs.branch_point import branch_point, redone
from engine.runs.graph import Dag
from engine.runs.moves import By, move_node, move_run
from engine.runs.outcome import break_off
from engine.runs.settling import difference

_STOPPED = frozenset({StepState.CANCELLED, StepState.SKIPPED})


def redo(view: RunView, step: str, wanted: Redo, by: By, at: datetime, program: Program | None = None) -> list[Change]:
    """The changes that have a step of a run that nobody drives at the moment done again, and the run go on.

    What a cancellation or this step's failure had stopped goes on too. `program` is what the step's agent ran last.

    Raises:
        UsageError: there is no such step, it is not over, it was redone as often as the run allows, or what was edited
            cannot be carried out.
    """
    node = find_step(view, step)
    check(view, node)
    edited, differs = _edited(view, node, wanted, program)
    changes = go_back(view, node, "a step is redone", by, at)
    changes += [*edited, *branch_point(view, node, wanted.feedback or differs, at)]
    changes.append(Add(_told(view, node, wanted, differs, by, at)))
    return [*changes, Advise(node.session_id, node.id, wanted.feedback)]


def go_back(view: RunView, node: Node, why: str, by: By, at: datetime) -> list[Change]:
    """The changes that have a run go on from a step that is over, and all that is done anew with it."""
    run, changes = view.run, break_off(view, at, why)
    if run.state.terminal or run.state is RunState.PAUSED:
        goal = RunState.EXECUTING if run.plan is not None else RunState.PLANNING
        changes += move_run(run, goal, by, at)[1]
    for one in again(view, node):
        changes += move_node(one, StepState.PENDING, by, at)[1]
    return changes


def left(view: RunView, node: Node) -> int:
    """How many redos of a step its run still allows."""
    return max(0, RunOptions.from_json(view.run.options).max_redos - redone(view, node.id))


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


def check(view: RunView, node: Node) -> None:
    """Raise UsageError unless the node can be redone now."""
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
    if not left(view, node):
        times = "once" if most == 1 else f"{redone(view, node.id)} times"
        raise UsageError(
            f"the step {node.step} was redone {times}: max_redos, {most}, is reached",
            "Branch at the step to go on in another run, or raise max_redos in the settings for runs to come.",
        )


def _edited(view: RunView, node: Node, wanted: Redo, program: Program | None) -> tuple[list[Change], str]:
    """The changes that put into the plan what was edited, and how that differs from what there was."""
    changes: list[Change] = []
    differs: list[str] = []
    if wanted.instructions is not None:
        plan = Plan.model_validate(view.run.plan) if view.run.plan else None
        step = next((one for one in plan.steps if one.id == node.step), None) if plan else None
        if plan is None or step is None:
            raise UsageError(f"{node.step} has no instructions that could be edited", "Give feedback instead.")
        if not wanted.instructions:
            raise UsageError(f"the edited instructions of {node.step} say nothing")
        if wanted.instructions != step.instructions:
            plan = plan.with_step(step.model_copy(update={"instructions": wanted.instructions}))
            changes.append(SetPlan(view.run.session_id, view.run.id, plan.model_dump(mode="json")))
            differs.append(difference(list(step.instructions), list(wanted.instructions)))
    if wanted.program is not None:
        if program is None:
            raise UsageError(f"{node.step} ran no program that could be edited", "Edit its instructions instead.")
        _check_program(wanted.program)
        differs.append(difference({program.file: program.code}, {wanted.program.file: wanted.program.code}))
    return changes, "\n".join(filter(None, differs))


def _check_program(program: Program) -> None:
    problem = path_problem(program.file)
    if problem or not program.file.endswith(".py"):
        raise UsageError(problem or f"{program.file} is no Python file", "Keep the program's name.")
    try:
        compile(program.code, program.file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(f"the edited program is not Python: line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError("the edited program is not Python: it cannot be read") from None


def _told(view: RunView, node: Node, wanted: Redo, differs: str, by: By, at: datetime) -> Event:
    """The event that keeps what a person wanted, and that the next attempt is begun from."""
    number = 1 + max((one.number for one in view.attempts if one.node_id == node.id), default=0)
    data: Json = {"category": "redo", "attempt": number, "by": by.who}
    if wanted.feedback:
        data["feedback"] = wanted.feedback
    if wanted.program:
        data["program"] = wanted.program.model_dump()
    if differs:
        data["difference"] = differs
    said = f": {one_line(wanted.feedback, 200)}" if wanted.feedback else ", edited" if differs else ""
    title = f"{node.step} is done again: {by.who} wants it{said}"
    return Event(new_id(), node.session_id, node.run_id, EventKind.RETRY, at, node_id=node.id, title=title, data=data)


def again(view: RunView, node: Node) -> Sequence[Node]:
    """The step, all that builds on it, and what was stopped; but nothing that another failed step stands before."""
    dag = Dag(view.nodes, view.edges)
    before = {one.id: dag.ancestors(one.id) for one in view.nodes}
    below = {name for name, ancestors in before.items() if name == node.id or node.id in ancestors}
    failed = {one.id for one in view.nodes if one.state is StepState.FAILED} - below
    stopped = {one.id for one in view.nodes if one.state in _STOPPED} - passed_by(view)
    return [
        one
        for one in view.nodes
        if one.kind is not NodeKind.BRANCH_POINT
        and one.state.terminal
        and (one.id in below or one.id in stopped)
        and not before[one.id] & failed
    ]
