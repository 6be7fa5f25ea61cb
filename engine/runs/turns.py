"""Turns: a run that a person steers. Between two turns the run waits; the person names the agent of the next turn and
what it is to do, has the last one done again, or ends the run.

Each turn is a step and each wait a node of the same DAG, so that journal, files and history are as in any other run:
`you1` → `turn1` → `you2` → … → the terminator.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from engine.model.agents import AgentSpec
from engine.model.changes import Add, Advise, Change, SetPlan
from engine.model.frames import Upstream
from engine.model.ids import new_id
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Approval, ApprovalState, Edge, EdgeKind, Json, Node, NodeKind, Run, RunView
from engine.model.states import RunState, StepState
from engine.model.text import clean, one_line
from engine.runs.asking import ask
from engine.runs.graph import add_nodes
from engine.runs.moves import approval_event, engine, move_node, move_run
from engine.runs.outcome import cancel
from engine.runs.questions import settled_by

_YOU, _TURN = "you", "turn"


def begin(run: Run, at: datetime) -> list[Change]:
    """The changes that begin a run whose turns a person gives."""
    plan = Plan(title=one_line(run.task, 80), steps=())
    moved = move_run(run, RunState.EXECUTING, engine("a person gives each turn"), at)[1]
    return [SetPlan(run.session_id, run.id, plan.model_dump(mode="json")), *add_nodes([_you(run, 1)], [], at), *moved]


def ask_for_turn(
    node: Node, agents: Mapping[str, AgentSpec], done: list[Upstream], plan: Plan, options: RunOptions, at: datetime
) -> tuple[Node, list[Change]]:
    """Have the run wait for its next turn."""
    number = _number(node)
    given = next((one for one in plan.steps if one.id == f"{_TURN}{number}"), None)  # it was done before
    last = done[-1].agent if done else "engineer"
    shown: Json = {
        "question": "Who works next, and what shall it do?" if done else "Who begins, and what shall it do?",
        "turn": number,
        "next": {"agent": given.agent, "instruction": given.instructions[0]} if given else {"agent": last},
        "agents": {name: clean(one.description) for name, one in agents.items() if one.plannable},
        "done": [
            {"turn": one.title, "agent": one.agent, "said": clean(one.summary), "files": [*map(clean, one.files)]}
            for one in done
        ],
    }
    return ask(node, "question", f"Turn {number}: what is next?", shown, options, "a person gives the next turn", at)


def answered(view: RunView, node: Node, approval: Approval, at: datetime) -> list[Change]:
    """Carry out what a person said between two turns: the next one begins, the last one is done again, or the run is
    ended; what nobody has answered ends it too."""
    run, by, number = view.run, settled_by(approval), _number(node)
    if approval.state is ApprovalState.ABORT:
        return cancel(view, by, at)
    heard = Add(approval_event(approval, at))
    moved = move_run(run, RunState.EXECUTING, by, at)[1]
    before = next((one for one in view.nodes if one.step == f"{_TURN}{number - 1}"), None)
    if approval.state is ApprovalState.RETRY and before:
        waits = move_node(node, StepState.PENDING, by, at)[1]
        again = move_node(before, StepState.PENDING, by, at)[1]
        return [heard, *waits, *again, Advise(before.session_id, before.id, approval.feedback), *moved]
    changes: list[Change] = [heard, *move_node(node, StepState.COMPLETED, by, at)[1]]
    known = {one.step for one in view.nodes}
    if approval.state is ApprovalState.MODIFIED and approval.answer:
        changes += _next_turn(view, node, number, approval.answer["next"], known, at)
    elif f"{_TURN}{number}" not in known and "terminator" not in known:
        end = _node(run, "terminator", NodeKind.TERMINATOR, "Gather the results", None, 2 * number)
        changes += add_nodes([end], [_edge(node, end)], at)
    return [*changes, *moved]


def _next_turn(view: RunView, node: Node, number: int, given: Json, known: set[str], at: datetime) -> list[Change]:
    plan = Plan.model_validate(view.run.plan)
    step = PlanStep(
        id=f"{_TURN}{number}",
        title=one_line(given["instruction"], 80),
        agent=given["agent"],
        instructions=(given["instruction"],),
        depends_on=(f"{_TURN}{number - 1}",) if number > 1 else (),
    )
    others = (one for one in plan.steps if one.id != step.id)
    steps = sorted(chain(others, [step]), key=lambda one: int(one.id.removeprefix(_TURN)))
    run = view.run
    changes: list[Change] = [
        SetPlan(run.session_id, run.id, plan.model_copy(update={"steps": tuple(steps)}).model_dump(mode="json"))
    ]
    if step.id not in known:
        turn = _node(run, step.id, NodeKind.STEP, step.title, step.agent, 2 * number - 1)
        after = _you(run, number + 1)
        changes += add_nodes([turn, after], [_edge(node, turn), _edge(turn, after)], at)
    return changes


def _number(node: Node) -> int:
    return int(node.step.removeprefix(_YOU))


def _you(run: Run, number: int) -> Node:
    return _node(run, f"{_YOU}{number}", NodeKind.APPROVAL, f"Give turn {number}", None, 2 * number - 2)


def _node(run: Run, step: str, kind: NodeKind, title: str, agent: str | None, position: int) -> Node:
    return Node(new_id(), run.session_id, run.id, step, kind, title, agent, position)


def _edge(source: Node, target: Node) -> Edge:
    return Edge(source.session_id, source.run_id, source.id, target.id, EdgeKind.SEQUENTIAL)
