"""A layered graph: nodes by topological generation, long edges broken by dummies: every link spans one layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple


class Dummy(NamedTuple):
    """The place where a bundle of long edges crosses a layer: all those of one kind and one source, or of one target.

    `off` counts the layers from that node, so that it is the same one when a layer comes in elsewhere. `kind` is the
    value of an EdgeKind: plain text hashes faster, and layouts hash a lot.
    """

    bundle: str
    off: int
    inward: bool  # bundled by target
    kind: str


Vertex = str | Dummy
Link = tuple[Vertex, Vertex]
Edges = Mapping[tuple[str, str], str]  # the kind of each
_LONG = 20  # layers of an edge after which the keys have their turn


@dataclass(slots=True)
class Layered:
    """Vertices by layer. A vertex is a node's id, or a `Dummy` that a long edge passes through."""

    layers: list[list[Vertex]] = field(default_factory=list["list[Vertex]"])
    below: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])
    above: dict[Vertex, list[Vertex]] = field(default_factory=dict["Vertex", "list[Vertex]"])
    edges: Edges = field(default_factory=dict[tuple[str, str], str])
    level: dict[str, int] = field(default_factory=dict[str, int])
    inward: frozenset[tuple[str, str]] = frozenset()  # the long edges that are bundled by target

    def kind(self, upper: Vertex, lower: Vertex) -> str:
        """The kind of edge that a link is part of."""
        if isinstance(upper, Dummy):
            return upper.kind
        return lower.kind if isinstance(lower, Dummy) else self.edges[upper, lower]

    def route(self, source: str, target: str) -> list[Vertex]:
        """The vertices that an edge passes, its ends among them."""
        if not self.level:  # a list, where lines pass no layers
            return [source, target]
        kind = self.edges[source, target]
        first, last = self.level[source], self.level[target]
        if (source, target) in self.inward:
            return [source, *(Dummy(target, last - at, True, kind) for at in range(first + 1, last)), target]
        return [source, *(Dummy(source, at - first, False, kind) for at in range(first + 1, last)), target]


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


def layered(nodes: Sequence[str], edges: Edges) -> Generator[None, None, Layered]:
    """Build the layers with dummies, in slices.

    Long edges share a chain of dummies with the others of their source or of their target, whichever are more: a
    hundred steps that all lead to the end make one line, not a hundred.
    """
    layers = generations(nodes, edges)
    level = {node: place for place, layer in enumerate(layers) for node in layer}
    kept = {(a, b): kind for (a, b), kind in edges.items() if a in level and b in level and level[a] < level[b]}
    long = [(a, b) for a, b in kept if level[b] - level[a] > 1]
    leaving, arriving = Counter(a for a, _ in long), Counter(b for _, b in long)
    inward = frozenset((a, b) for a, b in long if arriving[b] > leaving[a])
    graph = Layered([list(layer) for layer in layers], edges=kept, level=level, inward=inward)
    yield
    below: dict[Vertex, list[Vertex]] = {node: [] for node in level}
    above: dict[Vertex, list[Vertex]] = {node: [] for node in level}
    seen: set[Link] = set()
    for source, target in kept:
        route = graph.route(source, target)
        at = level[source]
        for upper, lower in pairwise(route):
            at += 1
            if (upper, lower) in seen:
                continue
            seen.add((upper, lower))
            if lower not in above:
                graph.layers[at].append(lower)
                above[lower], below[lower] = [], []
            below[upper].append(lower)
            above[lower].append(upper)
        if len(route) > _LONG:
            yield
    graph.above, graph.below = above, below
    return graph
