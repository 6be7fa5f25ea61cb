"""Branch: another way on from a step of a run, as a run of its own. What stands before the step is taken as it is.

The new run gets its own rows for what it takes over (nodes, the attempts that completed them, what they left behind),
all written at once; the run that it comes from is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.errors import UsageError
from engine.model.ids import new_id, short
from engine.model.options import RunOptions
from engine.model.records import Attempt, AttemptState, Checkpoint, Json, Node, NodeKind, Run, RunView
from engine.model.states import RunState, StepState
from engine.runs.graph import Dag, add_nodes
from engine.runs.moves import By, move_run
from engine.runs.redo import find_step


def branch(
    view: RunView,
    checkpoints: Iterable[Checkpoint],
    step: str,
    by: By,
    at: datetime,
    *,
    name: str,
    hypothesis: str | None = None,
    feedback: str | None = None,
    owner_id: str | None = None,
) -> tuple[Run, list[Change]]:
    """The new run, executing from the step on, and the changes that write it down. `feedback` is told to the step.

    Raises:
        UsageError: there is no such step, or what it builds on is not complete.
    """
    node = find_step(view, step)
    _check(view, node)
    run = Run(
        new_id(),
        view.run.session_id,
        RunState.DRAFT,
        view.run.mode,
        view.run.task,
        _options(view.run),
        at,
        plan=view.run.plan,
        parent_run_id=view.run.id,
        parent_node_id=node.id,
        branch_name=name,
        hypothesis=hypothesis,
        owner_id=owner_id,
    )
    dag = Dag(view.nodes, view.edges)
    kept = {one.id for one in view.nodes if _kept(one, node, dag)}
    # That something was done again in the run that it comes from is no part of the branch.
    ids = {one.id: new_id() for one in view.nodes if one.kind is not NodeKind.BRANCH_POINT}
    nodes = [
        replace(one, id=ids[one.id], run_id=run.id, parent_node_id=ids.get(one.parent_node_id or ""))
        if one.id in kept
        else Node(
            ids[one.id], run.session_id, run.id, one.step, one.kind, one.title, one.agent, one.position,
            feedback=feedback if one.id == node.id else None,
        )
        for one in view.nodes
        if one.id in ids
    ]  # fmt: skip
    edges = [
        replace(edge, run_id=run.id, from_node=ids[edge.from_node], to_node=ids[edge.to_node])
        for edge in view.edges
        if edge.from_node in ids and edge.to_node in ids
    ]
    taken = _taken_over(view, run, kept, ids, checkpoints)
    _, moved = move_run(run, RunState.EXECUTING, by, at)
    return run, [Add(run), *add_nodes(nodes, edges, at), *taken, *moved]


def _options(run: Run) -> Json:
    """The options of the run that it comes from. A branch of a replay asks its models: nothing was recorded for it."""
    options = RunOptions.from_json(run.options)
    if options.replay:
        options = replace(options, replay=None, notice=options.replay.notice)
    return options.to_json()


def _check(view: RunView, node: Node) -> None:
    if node.kind is not NodeKind.STEP or view.run.plan is None:
        raise UsageError(f"a branch begins at a step of a plan, not at {node.step}")
    dag = Dag(view.nodes, view.edges)
    missing = [
        dag.nodes[name].step for name in dag.ancestors(node.id) if dag.nodes[name].state is not StepState.COMPLETED
    ]
    if missing:
        raise UsageError(
            f"run {short(view.run.id)} cannot be branched at {node.step}: {missing[0]}, which it builds on, is not "
            "completed"
        )


def _kept(one: Node, at: Node, dag: Dag) -> bool:
    """Whether a node is over for the branch too."""
    below = one.id == at.id or at.id in dag.ancestors(one.id)
    return one.state is StepState.COMPLETED and not below and one.kind is not NodeKind.TERMINATOR


def _taken_over(
    view: RunView, run: Run, kept: set[str], ids: Mapping[str, str], checkpoints: Iterable[Checkpoint]
) -> list[Change]:
    """What the kept nodes have done, as the new run's own."""
    newest: dict[str, Attempt] = {}
    for attempt in view.attempts:
        if attempt.node_id in kept and attempt.state is AttemptState.COMPLETED:
            newest[attempt.node_id] = attempt
    attempts = {
        node_id: replace(one, id=new_id(), run_id=run.id, node_id=ids[node_id], number=1, reason="branch", workdir=None)
        for node_id, one in newest.items()
    }
    changes: list[Change] = [Add(one) for one in attempts.values()]
    for one in checkpoints:
        if one.node_id in attempts:
            tree = tuple(replace(entry, node_id=ids.get(entry.node_id, entry.node_id)) for entry in one.tree)
            attempt = attempts[one.node_id]
            changes.append(
                Add(replace(one, id=new_id(), run_id=run.id, node_id=attempt.node_id, attempt_id=attempt.id, tree=tree))
            )
    for artifact in view.artifacts:
        attempt = newest.get(artifact.node_id)
        if attempt is not None and artifact.attempt_id == attempt.id:
            own = attempts[artifact.node_id]
            changes.append(
                Add(
                    replace(
                        artifact,
                        id=new_id(),
                        run_id=run.id,
                        node_id=own.node_id,
                        attempt_id=own.id,
                        event_id=None,
                    )
                )
            )
    return changes
