"""What is to be drawn of a board: its steps, what is unfolded under each, and the edges between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cmbagent_tui.state.board import Card
from engine.model.records import Edge

INDENT = 2  # cells by which a sub-node stands to the right of what it hangs under


@dataclass(frozen=True, slots=True)
class Block:
    """A step and what is unfolded under it: (node, depth below the step), row by row. `width` is what it would like, in
    cells."""

    rows: tuple[tuple[str, int], ...]
    width: int


@dataclass(slots=True)
class Scene:
    """Blocks by the id of their step, in the plan's order, and edges between those steps
    with the value of their EdgeKind. `inside` lists what hangs
    under a node, at any depth; `stands_for` names the visible node of every hidden one."""

    blocks: dict[str, Block] = field(default_factory=dict[str, Block])
    edges: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    inside: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    stands_for: dict[str, str] = field(default_factory=dict[str, str])

    def only(self, kept: Collection[str]) -> Scene:
        """The same with these steps alone."""
        return Scene(
            {name: block for name, block in self.blocks.items() if name in kept},
            {(a, b): kind for (a, b), kind in self.edges.items() if a in kept and b in kept},
            self.inside,
            self.stands_for,
        )

    def head(self, node: str) -> str | None:
        """The step whose block shows a node, or stands for it."""
        shown = self.stands_for.get(node, node)
        if shown in self.blocks:
            return shown
        return next((name for name, block in self.blocks.items() if any(shown == row for row, _ in block.rows)), None)


def scene_of(
    cards: Sequence[Card],
    edges: Iterable[Edge],
    unfolded: Collection[str],
    width_of: Callable[[Card], int],
) -> Scene:
    """The scene of all nodes: `unfolded` are those whose sub-nodes are shown."""
    scene = Scene()
    known = {card.node.id: card for card in cards}
    below: dict[str, list[str]] = {}
    head: dict[str, str] = {}
    for card in cards:
        if (parent := _parent(card, known)) is not None:
            below.setdefault(parent, []).append(card.node.id)
    for card in cards:
        top = card.node.id
        seen = {top}
        while (parent := _parent(known[top], known)) is not None and parent not in seen:
            top = parent
            seen.add(top)
        head[card.node.id] = top
        if top != card.node.id:
            _count(scene, card.node.id, known)
    for card in cards:
        name = card.node.id
        if head[name] == name:
            rows = tuple(_rows(name, 0, below, unfolded, name, scene))
            width = max(width_of(known[node]) + INDENT * depth for node, depth in rows)
            scene.blocks[name] = Block(rows, width)
    for edge in edges:
        source, target = head.get(edge.from_node), head.get(edge.to_node)
        if source != target and source in scene.blocks and target in scene.blocks:
            scene.edges.setdefault((source, target), edge.kind.value)
    return scene


def neighbourhood(edges: Iterable[tuple[str, str]], centre: str, hops: int) -> set[str]:
    """The nodes that lead to a node, or follow from it, over at most so many edges; itself among them."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for source, target in edges:
        below.setdefault(source, []).append(target)
        above.setdefault(target, []).append(source)
    found = {centre}
    for near in (above, below):
        edge_of = {centre}
        for _ in range(hops):
            edge_of = {other for one in edge_of for other in near.get(one, ())} - found
            found |= edge_of
    return found


def _parent(card: Card, known: Mapping[str, Card]) -> str | None:
    parent = card.node.parent_node_id
    return parent if parent in known and parent != card.node.id else None


def _count(scene: Scene, name: str, known: Mapping[str, Card]) -> None:
    """List a sub-node with everything that it hangs under."""
    seen: set[str] = set()
    at = _parent(known[name], known)
    while at is not None and at not in seen:
        scene.inside.setdefault(at, []).append(name)
        seen.add(at)
        at = _parent(known[at], known)


def _rows(
    name: str,
    depth: int,
    below: Mapping[str, Sequence[str]],
    unfolded: Collection[str],
    visible: str,
    scene: Scene,
) -> Iterable[tuple[str, int]]:
    """A node and what is unfolded under it; what is not is noted as hidden behind `visible`."""
    yield name, depth
    for child in below.get(name, ()):
        if name in unfolded:
            yield from _rows(child, depth + 1, below, unfolded, child, scene)
        else:
            for hidden in (child, *scene.inside.get(child, ())):
                scene.stands_for[hidden] = visible
