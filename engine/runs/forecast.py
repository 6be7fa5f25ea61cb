"""What a redo would come to, told before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.errors import UsageError
from engine.model.frames import Program
from engine.model.options import RunOptions
from engine.model.plan import Plan
from engine.model.records import CostTotal, Node, NodeKind, RunView
from engine.runs.redo import again, check, find_step, left


@dataclass(frozen=True, slots=True)
class Renewed:
    """A step that would be done again, and what its attempts so far came to. A later one may be spared: what it builds
    on may fail, or be cancelled."""

    node: Node
    attempts: int
    cost: CostTotal


@dataclass(frozen=True, slots=True)
class Forecast:
    """`node` is the step, `renewed` it and all that would go back to pending, in the plan's order. `left` is how many
    redos its run allows it still, of `most`. `refused` says why it cannot be redone now ("": it can), `instructions`
    are the plan's for it (None: it has none that can be edited), `program` is what its agent ran last."""

    node: Node
    renewed: tuple[Renewed, ...]
    left: int
    most: int
    refused: str
    instructions: tuple[str, ...] | None
    program: Program | None


def forecast(view: RunView, step: str, program: Program | None) -> Forecast:
    """What a redo of a step would come to, as a run stands.

    Raises:
        UsageError: there is no such step.
    """
    node = find_step(view, step)
    refused = ""
    try:
        check(view, node)
    except UsageError as error:
        refused = str(error)
    steps = Plan.model_validate(view.run.plan).steps if view.run.plan else ()
    renewed = [
        Renewed(
            one,
            sum(attempt.node_id == one.id for attempt in view.attempts),
            view.node_cost.get(one.id, CostTotal()),
        )
        for one in sorted(again(view, node), key=lambda one: one.position)
        if one.kind is not NodeKind.TERMINATOR
    ]
    return Forecast(
        node,
        tuple(renewed),
        left(view, node),
        RunOptions.from_json(view.run.options).max_redos,
        refused,
        next((one.instructions for one in steps if one.id == node.step), None),
        program,
    )
