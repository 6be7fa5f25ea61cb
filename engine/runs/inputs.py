"""What steps start from: the summaries and files that finished steps have left."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model.frames import Upstream
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Checkpoint, Node, NodeKind, RunView, TreeEntry
from engine.model.states import StepState
from engine.ports import SessionReads
from engine.runs.graph import Dag
from engine.runs.workdir import Conflict, merge


@dataclass(slots=True)
class Inputs:
    """The plan's steps, and what each finished node has left behind, by node id."""

    steps: dict[str, PlanStep]
    given: tuple[TreeEntry, ...] = ()  # what a person attached: where the first steps start
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict[str, Checkpoint])
    summaries: dict[str, str] = field(default_factory=dict[str, str])
    _told: dict[str, Upstream] = field(default_factory=dict[str, Upstream])

    def tree(self, dag: Dag, node: Node) -> tuple[tuple[TreeEntry, ...], tuple[Conflict, ...]]:
        """The merge of the checkpoints of the nodes that this one waits for."""
        left = [self.checkpoints[one.id] for one in dag.upstream(node.id) if one.id in self.checkpoints]
        if len(left) < 2:
            return left[0].tree if left else self.given, ()
        steps = {one.id: one.step for one in dag.nodes.values()}
        return merge(left, dag.ancestors, steps)

    def upstream(self, dag: Dag, node: Node) -> tuple[Upstream, ...]:
        """What every step that this one builds on, near or far, has said and written, in the plan's order."""
        before = dag.ancestors(node.id)
        steps = sorted((dag.nodes[one] for one in before if one in self.checkpoints), key=lambda one: one.position)
        return tuple(self._upstream(one) for one in steps if one.kind is NodeKind.STEP)

    def _upstream(self, node: Node) -> Upstream:
        told = self._told.get(node.id)
        if told is None:
            tree = self.checkpoints[node.id].tree
            told = self._told[node.id] = Upstream(
                step=node.step,
                title=node.title,
                agent=node.agent or "",
                summary=self.summaries.get(node.id, ""),
                files=tuple(entry.path for entry in tree if entry.node_id == node.id),
            )
        return told


async def inputs_of(reads: SessionReads, view: RunView) -> Inputs:
    """Gather what a run's finished nodes have left."""
    plan = Plan.model_validate(view.run.plan)
    given = tuple(
        TreeEntry(one.path, one.sha256, one.size, "") for one in RunOptions.from_json(view.run.options).inputs
    )
    inputs = Inputs({step.id: step for step in plan.steps}, given)
    inputs.summaries = {attempt.node_id: attempt.summary for attempt in view.attempts if attempt.summary}
    done = {node.id for node in view.nodes if node.state is StepState.COMPLETED and node.kind is NodeKind.STEP}
    if done:
        left = await reads.checkpoints(view.run.id)
        inputs.checkpoints = {one.node_id: one for one in left if one.node_id in done}
    return inputs
