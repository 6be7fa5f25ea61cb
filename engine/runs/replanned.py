"""An edited plan for a branch: its steps become nodes of the new run; what is done and was left alone is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.model.errors import UsageError
from engine.model.ids import new_id
from engine.model.plan import Plan, PlanStep
from engine.model.records import Edge, Mode, Node, NodeKind, Run, RunView
from engine.model.states import StepState
from engine.runs.graph import Dag, plan_nodes

_BEFORE = frozenset({NodeKind.PLANNING, NodeKind.APPROVAL})


@dataclass(frozen=True, slots=True)
class Laid:
    """The nodes and edges of a branch. `kept` maps each node that is taken over to its own one in the branch."""

    nodes: list[Node]
    edges: list[Edge]
    kept: dict[str, str]


def is_kept(one: Node, at: Node, dag: Dag) -> bool:
    """Whether a node of a run is over for a branch too that begins at another."""
    below = one.id == at.id or at.id in dag.ancestors(one.id)
    return one.state is StepState.COMPLETED and not below and one.kind is not NodeKind.TERMINATOR


def replanned(view: RunView, run: Run, at: Node, plan: Plan) -> Laid:
    """The nodes of a branch that begins at a node and carries out an edited plan.

    Raises:
        UsageError: the plan lacks the step, or changes what the step builds on.
    """
    if run.mode is Mode.HUMAN_IN_THE_LOOP:
        raise UsageError(
            "a person gives this run its turns: there is no plan to edit", "Branch without an edited plan."
        )
    dag = Dag(view.nodes, view.edges)
    old = {one.id: one for one in Plan.model_validate(view.run.plan).steps}
    new = {one.id: one for one in plan.steps}
    _check(at, dag, old, new)
    first = [one for one in view.nodes if one.kind in _BEFORE and is_kept(one, at, dag)]
    ids = {one.id: new_id() for one in first}
    before = [replace(one, id=ids[one.id], run_id=run.id) for one in first]
    edges = [
        replace(edge, run_id=run.id, from_node=ids[edge.from_node], to_node=ids[edge.to_node])
        for edge in view.edges
        if edge.from_node in ids and edge.to_node in ids
    ]
    nodes, added = plan_nodes(run, plan, before[-1:], len(before))
    own = {one.step: one for one in nodes}
    stays = _stays({one.step for one in view.nodes if one.kind is NodeKind.STEP and is_kept(one, at, dag)}, old, new)
    done = {one.step: one for one in view.nodes if one.step in stays and one.kind is NodeKind.STEP}
    nodes = [
        replace(done[one.step], id=one.id, run_id=run.id, position=one.position, parent_node_id=None)
        if one.step in done
        else one
        for one in nodes
    ]
    kept = {**ids, **{one.id: own[one.step].id for one in done.values()}}
    return Laid([*before, *nodes], [*edges, *added], kept)


def _check(at: Node, dag: Dag, old: Mapping[str, PlanStep], new: Mapping[str, PlanStep]) -> None:
    if at.step not in new:
        raise UsageError(
            f"the edited plan has no step {at.step}, where the branch begins",
            f"Keep a step with the id {at.step}, or branch at an earlier one.",
        )
    for name in sorted(dag.ancestors(at.id), key=lambda one: dag.nodes[one].position):
        step = dag.nodes[name].step
        if step not in old or old[step] == new.get(step):
            continue
        what = f"changes the {_differs(old[step], new[step])} of" if step in new else "leaves out"
        raise UsageError(
            f"the edited plan {what} the step {step}, which {at.step} builds on and which is done",
            f"Leave {step} as it is, or branch at {step}.",
        )


def _differs(old: PlanStep, new: PlanStep) -> str:
    names = [name for name in PlanStep.model_fields if getattr(old, name) != getattr(new, name)]
    return " and ".join(names)


def _stays(done: set[str], old: Mapping[str, PlanStep], new: Mapping[str, PlanStep]) -> set[str]:
    """The steps that are done and that the new plan leaves alone, with all that they build on."""
    found = {name for name in done if name in new and old.get(name) == new[name]}
    while gone := {name for name in found if not set(new[name].depends_on) <= found}:
        found -= gone
    return found
