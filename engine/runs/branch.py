"""Branch: another way on from a step of a run, as a run of its own. What stands before the step is taken as it is.

The new run gets its own rows for what it takes over (nodes, the attempts that completed them, what they left behind),
all written at once; the run that it comes from is not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.model.changes import Add, Change
from engine.model.errors import UsageError
from engine.model.ids import new_id, short
from engine.model.options import RunOptions
from engine.model.plan import Plan
from engine.model.records import (
    Attempt,
    AttemptState,
    Checkpoint,
    Json,
    Node,
    NodeKind,
    Run,
    RunView,
    SessionState,
)
from engine.model.states import RunState, StepState
from engine.model.text import one_line
from engine.runs.graph import Dag, add_nodes
from engine.runs.moves import By, move_run
from engine.runs.recorder import safe
from engine.runs.redo import find_step
from engine.runs.replanned import Laid, is_kept, replanned

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MOST = 8_000  # characters of all variables: every prompt has them


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of a branch. `feedback` is told to its first step, `context` are variables that every step of
    it is told, and `plan` is carried out in place of the run's own."""

    name: str
    hypothesis: str | None = None
    feedback: str | None = None
    context: Json = field(default_factory=dict[str, Any])
    plan: Plan | None = None


def variables(given: Mapping[str, Any]) -> Json:
    """Context variables, made safe.

    Raises:
        UsageError: one has a name that is none, or they are too many or too long.
    """
    for name in given:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{one_line(name, 60)!r} is no name of a variable", "A letter, then letters, digits, _ . -"
            )
    safe_ones: Json = safe(dict(given))
    if len(json.dumps(safe_ones)) > _MOST:
        raise UsageError(f"the variables have more than {_MOST:,} characters", "Put long material into a file.")
    return safe_ones


def branch(
    view: RunView,
    checkpoints: Iterable[Checkpoint],
    step: str,
    wanted: Wanted,
    by: By,
    at: datetime,
    *,
    state: SessionState | None = None,
    owner_id: str | None = None,
) -> tuple[Run, list[Change]]:
    """The new run, executing from the step on, and the changes that write it down. `state` is the session's newest:
    with variables that were set there is a newer one.

    Raises:
        UsageError: there is no such step, what it builds on is not complete, or the plan changes that.
    """
    node = find_step(view, step)
    _check(view, node)
    options = _options(view.run, wanted.context)
    plan = wanted.plan.model_dump(mode="json") if wanted.plan else view.run.plan
    run = Run(
        new_id(),
        view.run.session_id,
        RunState.DRAFT,
        view.run.mode,
        view.run.task,
        options.to_json(),
        at,
        plan=plan,
        parent_run_id=view.run.id,
        parent_node_id=node.id,
        branch_name=wanted.name,
        hypothesis=wanted.hypothesis,
        owner_id=owner_id,
    )
    laid = replanned(view, run, node, wanted.plan) if wanted.plan else _as_before(view, run, node)
    nodes = [
        replace(one, feedback=wanted.feedback) if one.step == node.step and one.kind is NodeKind.STEP else one
        for one in laid.nodes
    ]
    taken = _taken_over(view, run, set(laid.kept), laid.kept, checkpoints)
    _, moved = move_run(run, RunState.EXECUTING, by, at)
    if wanted.context:
        version, said = (state.version + 1, state.conversation) if state else (1, [])
        moved.append(Add(SessionState(run.session_id, version, at, said, options.context, plan)))
    return run, [Add(run), *add_nodes(nodes, laid.edges, at), *taken, *moved]


def _as_before(view: RunView, run: Run, node: Node) -> Laid:
    """The nodes of the run that it comes from, those from the step on to be done."""
    dag = Dag(view.nodes, view.edges)
    # That something was done again in the run that it comes from is no part of the branch.
    ids = {one.id: new_id() for one in view.nodes if one.kind is not NodeKind.BRANCH_POINT}
    kept = {one.id: ids[one.id] for one in view.nodes if one.id in ids and is_kept(one, node, dag)}
    nodes = [
        replace(one, id=ids[one.id], run_id=run.id, parent_node_id=ids.get(one.parent_node_id or ""))
        if one.id in kept
        else Node(ids[one.id], run.session_id, run.id, one.step, one.kind, one.title, one.agent, one.position)
        for one in view.nodes
        if one.id in ids
    ]
    edges = [
        replace(edge, run_id=run.id, from_node=ids[edge.from_node], to_node=ids[edge.to_node])
        for edge in view.edges
        if edge.from_node in ids and edge.to_node in ids
    ]
    return Laid(nodes, edges, kept)


def _options(run: Run, context: Json) -> RunOptions:
    """The options of the run that it comes from. A branch of a replay asks its models: nothing was recorded for it."""
    options = RunOptions.from_json(run.options)
    if options.replay:
        options = replace(options, replay=None, notice=options.replay.notice)
    return replace(options, context={**options.context, **context})


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
            "completed",
            f"`cmbagent-tui redo {short(view.run.id)} {missing[0]}` does it again.",
        )


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
