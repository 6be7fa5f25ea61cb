"""Branch points: where a person has had a step done again, the run's DAG has a node that says so."""

from __future__ import annotations

from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.events import Event, EventKind, node_data
from engine.model.ids import new_id
from engine.model.records import Edge, EdgeKind, Node, NodeKind, RunView
from engine.model.states import StepState
from engine.model.text import one_line

_TITLE = 80  # characters


def redone(view: RunView, node_id: str) -> int:
    """How often a person has had a node done again."""
    points = {one.id for one in view.nodes if one.kind is NodeKind.BRANCH_POINT}
    return sum(edge.to_node == node_id and edge.from_node in points for edge in view.edges)


def branch_point(view: RunView, node: Node, said: str | None, at: datetime) -> list[Change]:
    """The changes that put a branch point before a node that is done again: it stands behind all that the node waits
    for, and a conditional edge leads from it to the node. `said` is what the person wants to be different."""
    number = redone(view, node.id) + 1
    title = one_line(said, _TITLE) if said else "as before"
    point = Node(
        new_id(),
        node.session_id,
        node.run_id,
        f"redo {number} of {node.step}",  # no step of a plan has a blank in its id
        NodeKind.BRANCH_POINT,
        title,
        None,
        node.position,
        StepState.COMPLETED,
    )
    points = {one.id for one in view.nodes if one.kind is NodeKind.BRANCH_POINT}
    before = [edge for edge in view.edges if edge.to_node == node.id and edge.from_node not in points]
    edges = [Edge(node.session_id, node.run_id, edge.from_node, point.id, EdgeKind.SEQUENTIAL) for edge in before]
    edges.append(Edge(node.session_id, node.run_id, point.id, node.id, EdgeKind.CONDITIONAL))
    data = node_data(point, [(edge.from_node, edge.to_node, edge.kind.value) for edge in edges])
    event = Event(new_id(), node.session_id, node.run_id, EventKind.NODE, at, node_id=point.id, title=title, data=data)
    return [Add(point), Add(event), *(Add(edge) for edge in edges)]
