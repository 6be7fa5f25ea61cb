"""What follows from a planning attempt, and from a person's word on one that failed."""

from __future__ import annotations

from contextlib import suppress

from engine.model.changes import Change
from engine.model.errors import StorageError
from engine.model.estimate import estimate
from engine.model.frames import Failure
from engine.model.plan import Plan
from engine.model.records import Approval, ApprovalState, Node, NodeKind, RunView
from engine.model.states import RunState, StepState
from engine.runs.answers import take_up
from engine.runs.asking import ask_about_error
from engine.runs.attempts import Ended
from engine.runs.gate import Gate, refusal
from engine.runs.graph import add_nodes, gate_node
from engine.runs.lessons import past_failures
from engine.runs.models import model_of
from engine.runs.moves import engine, move_node, move_run
from engine.runs.outcome import cancel, close_attempt
from engine.runs.plans import ask_for_approval, execute_plan
from engine.runs.questions import settled_by
from engine.runs.retry import Decision
from engine.runs.world import World

_HISTORY = 500  # completed steps of the past that an estimate is made from


async def accept(world: World, gate: Gate, view: RunView, ended: Ended, plan: Plan) -> list[Change]:
    """A plan was made: it is carried out, a person is asked, or a rule refuses it."""
    run, now = view.run, world.clock.now()
    changes = close_attempt(ended, now)
    node, moved = move_node(
        ended.node, StepState.COMPLETED, engine("the plan is made"), now, attempt=ended.attempt.number
    )
    changes += moved
    place, decision = _place(view), gate.plan()
    if decision.effect == "ask":
        if place is None:
            place, edge = gate_node(run, node)
            changes += add_nodes([place], [edge], now)
        return changes + ask_for_approval(run, place, plan, now, await _estimate(world, gate, plan))[1]
    if decision.effect == "deny":
        why = engine("policy")
        return [*changes, *_skip(place, world), *move_run(run, RunState.FAILED, why, now, refusal(decision))[1]]
    if place is None:
        return changes + execute_plan(run, plan, [node], 1, engine("no approval is asked for"), now)[1]
    nobody = engine("nobody is asked any more")
    for state in (StepState.RUNNING, StepState.COMPLETED):
        place, moved = move_node(place, state, nobody, now)
        changes += moved
    return changes + execute_plan(run, plan, [place], place.position + 1, nobody, now)[1]


async def give_up(
    world: World, gate: Gate, view: RunView, ended: Ended, failure: Failure, again: Decision
) -> list[Change]:
    """A planning has failed and is not tried again: a person is asked what now, or the run has failed."""
    run, node, now, number = view.run, ended.node, world.clock.now(), ended.attempt.number
    changes = close_attempt(ended, now, failure, again.why_not)
    decision = gate.error(node)
    if decision.effect == "ask":
        past = await past_failures(world.store)
        asked = ask_about_error(node, None, number, failure, again.why_not, decision, gate.options, past, now)[1]
        why = engine("a person is asked")
        return [*changes, *asked, *move_run(run, RunState.WAITING_APPROVAL, why, now)[1]]
    why = engine(failure.category)
    changes += move_node(node, StepState.FAILED, why, now, failure.message, number)[1]
    error = f"planning: {failure.message}"
    return [*changes, *_skip(_place(view), world), *move_run(run, RunState.FAILED, why, now, error)[1]]


async def answered(world: World, view: RunView, node: Node, approval: Approval) -> list[Change]:
    """A person has settled what was asked about a planning: it goes on, or the run has failed or is cancelled."""
    now = world.clock.now()
    if approval.state is ApprovalState.ABORT:
        return cancel(view, settled_by(approval), now)
    taken = await take_up(world, view.run, node, approval, view.attempts)
    if taken.node.state is StepState.FAILED:
        error = f"planning: {taken.node.error}"
        failed = move_run(view.run, RunState.FAILED, engine("the planning failed"), now, error)[1]
        return [*taken.changes, *_skip(_place(view), world), *failed]
    return [*taken.changes, *move_run(view.run, RunState.PLANNING, settled_by(approval), now)[1]]


async def _estimate(world: World, gate: Gate, plan: Plan) -> str:
    """What the plan may cost; empty where that cannot be read, or the answers are recorded ones."""
    agents = [world.agents[step.agent] for step in plan.steps]
    asked = [(one.name, model_of(one, gate.options, world.settings.environ) or "") for one in agents]
    if all(model.startswith("journal:") for _, model in asked):
        return ""
    with suppress(StorageError):
        return estimate(asked, await world.store.past_steps(limit=_HISTORY))
    return ""


def _place(view: RunView) -> Node | None:
    """Where a person approves the plan, if one is asked."""
    return next((one for one in view.nodes if one.kind is NodeKind.APPROVAL), None)


def _skip(place: Node | None, world: World) -> list[Change]:
    if place is None:
        return []
    return move_node(place, StepState.SKIPPED, engine("there is no plan"), world.clock.now())[1]
