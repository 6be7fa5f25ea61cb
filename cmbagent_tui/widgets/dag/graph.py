"""A layered graph: nodes by topological generation, long edges broken by dummies: every link spans one layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Layered:
    """Vertices by layer. A vertex is a node's id, or a `Dummy` that a long edge passes through."""

    layers: list[list[Vertex]] = field(default_factory=list["list[Vertex]"])
    below: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])
    above: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])


@dataclass(frozen=True, slots=True)
class Dummy:
    """The place where the edges from `source` cross a layer on their way further down; they share it."""

    source: str
    layer: int


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
    """Build the layers with dummies. The edges of one source share a chain of dummies, which keeps the picture calm."""
    layers = generations(nodes, edges)
    level = {node: place for place, layer in enumerate(layers) for node in layer}
    graph = Layered([list(layer) for layer in layers])
    reach: dict[str, int] = {}
    links: list[tuple[Vertex, Vertex]] = []
    seen: set[tuple[str, str]] = set()
    for source, target in edges:
        if (source, target) in seen or source not in level or target not in level or level[target] <= level[source]:
            continue
        seen.add((source, target))
        last = level[target] - 1
        reach[source] = max(reach.get(source, 0), last)
        links.append((source if last == level[source] else Dummy(source, last), target))
    for source, last in reach.items():
        previous: Vertex = source
        for layer in range(level[source] + 1, last + 1):
            dummy = Dummy(source, layer)
            graph.layers[layer].append(dummy)
            links.append((previous, dummy))
            previous = dummy
    for vertices in graph.layers:
        for vertex in vertices:
            graph.below[vertex] = []
            graph.above[vertex] = []
    for upper, lower in links:
        graph.below[upper].append(lower)
        graph.above[lower].append(upper)
    return graph
