"""A layered graph: nodes by topological generation, long edges broken by dummies: every link spans one layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class Layered:
    """Vertices by layer. A vertex is a node's id, or a `Dummy` that a long edge passes through."""

    layers: list[list[Vertex]] = field(default_factory=list["list[Vertex]"])
    below: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])
    above: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])


class Dummy(NamedTuple):
    """The place where a bundle of long edges crosses a layer: all those of one source, or all those of one target."""

    bundle: str
    layer: int
    inward: bool  # bundled by target


Vertex = str | Dummy


def generations(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Nodes by the length of the longest path that leads to them, each layer in the given order.

    Edges to unknown nodes are left out. What lies on a cycle (which no valid plan has) is put into one last layer
    rather than lost.
    """
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    waiting: dict[str, int] = dict.fromkeys(nodes, 0)
    for source, target in edges:
        if source in targets and target in targets and source != target:
            targets[source].append(target)
            waiting[target] += 1
    rank = {node: place for place, node in enumerate(nodes)}
    layer = [node for node in nodes if not waiting[node]]
    layers: list[list[str]] = []
    while layer:
        layers.append(layer)
        following: list[str] = []
        for node in layer:
            for target in targets[node]:
                waiting[target] -= 1
                if not waiting[target]:
                    following.append(target)
        layer = sorted(following, key=rank.__getitem__)
    stuck = [node for node in nodes if waiting[node] > 0]
    return [*layers, stuck] if stuck else layers


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layered:
    """Build the layers with dummies.

    Long edges share a chain of dummies with the others of their source or of their target, whichever are more: a
    hundred steps that all lead to the end make one line, not a hundred.
    """
    layers = generations(nodes, edges)
    level = {node: place for place, layer in enumerate(layers) for node in layer}
    graph = Layered([list(layer) for layer in layers])
    kept = [(a, b) for a, b in dict.fromkeys(edges) if a in level and b in level and level[a] < level[b]]
    long = [(a, b) for a, b in kept if level[b] - level[a] > 1]
    leaving, arriving = Counter(a for a, _ in long), Counter(b for _, b in long)
    links: dict[tuple[Vertex, Vertex], None] = {}  # as an ordered set
    for source, target in kept:
        inward = arriving[target] > leaving[source]
        previous: Vertex = source
        for layer in range(level[source] + 1, level[target]):
            dummy = Dummy(target if inward else source, layer, inward)
            links[previous, dummy] = None
            previous = dummy
        links[previous, target] = None
    seen: set[Vertex] = set()
    for _, lower in links:
        if isinstance(lower, Dummy) and lower not in seen:
            seen.add(lower)
            graph.layers[lower.layer].append(lower)
    for vertices in graph.layers:
        for vertex in vertices:
            graph.below[vertex] = []
            graph.above[vertex] = []
    for upper, lower in links:
        graph.below[upper].append(lower)
        graph.above[lower].append(upper)
    return graph
