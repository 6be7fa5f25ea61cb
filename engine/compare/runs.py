"""Two runs beside each other, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.checked import Checked
from engine.model.comparison import Comparison
from engine.model.records import CostTotal, Node, NodeKind, RunView
from engine.model.states import StepState


@dataclass(frozen=True, slots=True)
class StepSide:
    """A step as one of two runs has it. `seconds` is what its last attempt took, None while it has not ended. One that
    was `taken_over` was done in the run that this one branches off. `checked` is what its checks come to, once it is
    completed."""

    state: StepState
    attempts: int
    seconds: float | None
    cost: CostTotal
    taken_over: bool
    checked: Checked | None


@dataclass(frozen=True, slots=True)
class StepComparison:
    """A step in both runs; None where one has no step of this id."""

    step: str
    title: str
    first: StepSide | None
    second: StepSide | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs: their steps in the order of the plans, and their files, `first` to `second`."""

    first: RunView
    second: RunView
    steps: tuple[StepComparison, ...]
    files: Comparison


def compare_steps(first: RunView, second: RunView) -> tuple[StepComparison, ...]:
    """The steps of both, those of the first run in its order, then those that only the second has."""
    one, other = _steps(first), _steps(second)
    return tuple(
        StepComparison(
            step,
            (one.get(step) or other[step]).title,
            _side(first, one[step]) if step in one else None,
            _side(second, other[step]) if step in other else None,
        )
        for step in dict.fromkeys((*one, *other))
    )


def _steps(view: RunView) -> dict[str, Node]:
    return {node.step: node for node in view.nodes if node.kind is NodeKind.STEP}


def _side(view: RunView, node: Node) -> StepSide:
    attempts = sorted((one for one in view.attempts if one.node_id == node.id), key=lambda one: one.number)
    last = attempts[-1] if attempts else None
    seconds = (last.ended_at - last.started_at).total_seconds() if last and last.ended_at else None
    taken_over = last is not None and last.reason == "branch"
    checked = Checked.of(last.checks) if last and node.state is StepState.COMPLETED else None
    return StepSide(node.state, len(attempts), seconds, view.node_cost.get(node.id, CostTotal()), taken_over, checked)
