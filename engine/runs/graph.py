"""The DAG of a run: from a plan to nodes and edges, and from their states to what may start."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.events import Event, EventKind, node_data
from engine.model.ids import new_id
from engine.model.plan import Plan
from engine.model.records import Edge, EdgeKind, Node, NodeKind, Run
from engine.model.states import StepState

_PLACES = frozenset({NodeKind.APPROVAL, NodeKind.BRANCH_POINT})  # where a person had a say: they leave nothing behind


def plan_nodes(run: Run, plan: Plan, after: Sequence[Node], position: int) -> tuple[list[Node], list[Edge]]:
    """Nodes for a plan's steps and the terminator that gathers them; the first steps wait for the nodes `after`."""
    nodes: dict[str, Node] = {}
    for offset, step in enumerate(plan.steps):
        nodes[step.id] = _node(run, step.id, NodeKind.STEP, step.title, step.agent, position + offset)
    needed = {dependency for step in plan.steps for dependency in step.depends_on}
    dependants: dict[str, int] = {}
    for step in plan.steps:
        for dependency in step.depends_on:
            dependants[dependency] = dependants.get(dependency, 0) + 1
    edges: list[Edge] = []
    first = [step for step in plan.steps if not step.depends_on]
    for step in plan.steps:
        target = nodes[step.id]
        for dependency in dict.fromkeys(step.depends_on):
            alone = len(step.depends_on) == 1 and dependants[dependency] == 1
            edges.append(_edge(nodes[dependency], target, alone))
        if not step.depends_on:
            edges += [_edge(earlier, target, len(first) == 1) for earlier in after]
    terminator = _node(run, "terminator", NodeKind.TERMINATOR, "Gather the results", None, position + len(plan.steps))
    last = [step for step in plan.steps if step.id not in needed]
    edges += [_edge(nodes[step.id], terminator, len(last) == 1) for step in last]
    return [*nodes.values(), terminator], edges


def opening_nodes(run: Run, approval: bool) -> tuple[list[Node], list[Edge]]:
    """The nodes that a planned run begins with: the planning, and the approval of what it makes."""
    planning = _node(run, "planning", NodeKind.PLANNING, "Make a plan", "planner", 0)
    if not approval:
        return [planning], []
    gate, edge = gate_node(run, planning)
    return [planning, gate], [edge]


def gate_node(run: Run, planning: Node) -> tuple[Node, Edge]:
    """Where a person approves the plan that a planning makes."""
    gate = _node(run, "approval", NodeKind.APPROVAL, "Approve the plan", None, 1)
    return gate, _edge(planning, gate, True)


def add_nodes(nodes: Iterable[Node], edges: Sequence[Edge], at: datetime) -> list[Change]:
    """The changes that add nodes and edges, with one event a node."""
    into: dict[str, list[tuple[str, str, str]]] = {}
    for edge in edges:
        into.setdefault(edge.to_node, []).append((edge.from_node, edge.to_node, edge.kind.value))
    changes: list[Change] = []
    for node in nodes:
        data = node_data(node, into.get(node.id, []))
        event = Event(
            new_id(), node.session_id, node.run_id, EventKind.NODE, at, node_id=node.id, title=node.title, data=data
        )
        changes += [Add(node), Add(event)]
    return [*changes, *(Add(edge) for edge in edges)]


class Dag:
    """The ready set over a run's nodes. Kept up as nodes change; nothing is walked twice.

    `passed` are the nodes that a person skipped: what waits for them goes on without them.
    """

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge], passed: Iterable[str] = ()) -> None:
        self.passed = set(passed)
        self.nodes = {node.id: node for node in nodes}
        self._sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        self._targets: dict[str, list[str]] = {name: [] for name in self.nodes}
        for edge in edges:
            self._sources[edge.to_node].append(edge.from_node)
            self._targets[edge.from_node].append(edge.to_node)
        done = {node.id for node in self.nodes.values() if node.state is StepState.COMPLETED} | self.passed
        self._waits_for = {
            name: sum(source not in done for source in sources) for name, sources in self._sources.items()
        }
        self._ready = sorted(
            (
                node.id
                for node in self.nodes.values()
                if node.state is StepState.PENDING and self._waits_for[node.id] == 0
            ),
            key=lambda name: self.nodes[name].position,
        )

    def update(self, node: Node) -> None:
        """Take note of a node's new state."""
        before = self.nodes[node.id].state
        self.nodes[node.id] = node
        if node.state is StepState.COMPLETED and before is not StepState.COMPLETED:
            self._release(node.id)
        elif node.state is StepState.PENDING and before is not StepState.PENDING:
            self._offer(node.id)

    def pass_by(self, node: Node) -> None:
        """Take note of a node that a person skipped."""
        self.nodes[node.id] = node
        self.passed.add(node.id)
        self._release(node.id)

    def _release(self, name: str) -> None:
        for target in self._targets[name]:
            self._waits_for[target] -= 1
            self._offer(target)

    def again(self, node: Node) -> None:
        """Take a node back that was taken: it may start again."""
        self.nodes[node.id] = node
        self._offer(node.id)

    def _offer(self, name: str) -> None:
        if self._waits_for[name] == 0 and self.nodes[name].state is StepState.PENDING:
            insort(self._ready, name, key=lambda one: self.nodes[one].position)

    def take_ready(self) -> Node | None:
        """The next node that may start, in the plan's order; it is no longer in the set."""
        while self._ready:
            node = self.nodes[self._ready.pop(0)]
            if node.state is StepState.PENDING:
                return node
        return None

    def upstream(self, node_id: str) -> list[Node]:
        """The nodes that this one directly waits for, in the plan's order; in place of one that was passed, or where a
        person was asked or had it done again, those that it waited for."""
        waiting, found = list(self._sources[node_id]), dict[str, Node]()
        for name in waiting:
            if name in self.passed or self.nodes[name].kind in _PLACES:
                waiting += self._sources[name]
            else:
                found[name] = self.nodes[name]
        return sorted(found.values(), key=lambda one: one.position)

    def ancestors(self, node_id: str) -> set[str]:
        """Every node that this one builds on."""
        found: set[str] = set()
        waiting = [node_id]
        while waiting:
            for source in self._sources[waiting.pop()]:
                if source not in found:
                    found.add(source)
                    waiting.append(source)
        return found

    def doomed(self, node_id: str) -> list[Node]:
        """The nodes that can no longer run because this one failed: all that depend on it and have not begun."""
        import networkx as nx  # only now: it would be a third of what a resumed run waits for

        below: set[str] = nx.descendants(nx.DiGraph(self._targets), node_id)  # pyright: ignore
        return sorted(
            (self.nodes[name] for name in below if self.nodes[name].state is StepState.PENDING),
            key=lambda one: one.position,
        )


def _node(run: Run, step: str, kind: NodeKind, title: str, agent: str | None, position: int) -> Node:
    return Node(new_id(), run.session_id, run.id, step, kind, title, agent, position)


def _edge(source: Node, target: Node, alone: bool) -> Edge:
    kind = EdgeKind.SEQUENTIAL if alone else EdgeKind.PARALLEL
    return Edge(source.session_id, source.run_id, source.id, target.id, kind)
