"""The DAG as a list, one row a node, with its lines in lanes on the left: what a narrow terminal shows."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Mapping, Sequence

from cmbagent_tui.widgets.dag.drawing import Drawing, Spot, draw_tree, new_net
from cmbagent_tui.widgets.dag.graph import Edges, Layered
from cmbagent_tui.widgets.dag.scene import INDENT, Scene
from engine.model.records import EdgeKind

LANES = 10  # side by side; what is beyond shares the last one
_OWN_COLOUR = EdgeKind.SEQUENTIAL.value


def draw_rail(scene: Scene, width: int) -> Generator[None, None, Drawing]:
    """Lay a scene out as a list in topological order, the plan's order where that leaves a choice, in slices.

    A row takes all of `width`.
    """
    rail = _Rail(scene)
    yield
    for node in _topological(scene.blocks, rail.targets):
        rail.add(node)
        yield
    return rail.finish(width)


class _Rail:
    """The list while it is being made."""

    def __init__(self, scene: Scene) -> None:
        self.drawing = Drawing(graph=Layered(edges=scene.edges))
        self.targets = _targets(scene.blocks, scene.edges)
        self._scene = scene
        self._lanes: list[set[str]] = []  # what each lane leads to; empty: free
        self._nets: list[int] = []  # the line in each lane

    def add(self, node: str) -> None:
        """Write a node's rows, and the lines that end at it or leave it."""
        drawing, lanes = self.drawing, self._lanes
        arriving = [place for place, lane in enumerate(lanes) if node in lane]
        own = arriving[0] if arriving else self._free()
        for place in arriving:
            lanes[place].discard(node)
        merged = [place for place in arriving[1:] if not lanes[place]]
        if merged:
            tops = [2 * own, *(2 * place for place in merged)]
            drawing.lines.bus(drawing.height, tops, [2 * own], self._nets[own])
            self._pass(without={own, *merged})
        for row, (name, _) in enumerate(self._scene.blocks[node].rows):
            drawing.place(name, Spot(0, drawing.height, 0, 2 * own))
            drawing.levels.append(drawing.height)
            goes_on = lanes[own] or (row and self.targets[node])
            if row and goes_on:
                drawing.lines.vertical(2 * own, drawing.height, drawing.height, self._nets[own])
            self._pass(without={own})
        self._leave(node, own)

    def finish(self, width: int) -> Drawing:
        """Give the texts their place, right of all lanes."""
        drawing = self.drawing
        rows = drawing.lines.strokes.values()
        used = max((spot.mark for spot in drawing.spots.values()), default=0)
        used = max([used, *(stroke.right for row in rows for stroke in row)])
        room = max(1, width - used - 2)
        for node, block in self._scene.blocks.items():
            mark = drawing.spots[node].mark
            y = drawing.spots[node].y
            if len(block.rows) > 1:
                draw_tree(drawing, block.rows, used + 2, y, new_net(drawing, _OWN_COLOUR), goes_on=False)
            for offset, (name, depth) in enumerate(block.rows):
                x = used + 2 + INDENT * depth
                spot = Spot(x + 2, y + offset, room - INDENT * depth - 2, x) if depth else Spot(x, y, room, mark)
                drawing.spots[name] = spot
        drawing.width = max(width, used + 3)
        return drawing

    def _leave(self, node: str, own: int) -> None:
        """Open lanes to a node's targets, or join the lanes that lead there already."""
        drawing, lanes, targets = self.drawing, self._lanes, self.targets[node]
        carried = bool(lanes[own])  # a shared lane goes on whatever this node does
        joined: set[int] = set()
        opened: set[int] = set()
        for target in targets:
            there = next((place for place, lane in enumerate(lanes) if target in lane and place not in opened), None)
            if there is not None:
                joined.add(there)
                self._name(node, target, there)
                continue
            place = own if not lanes[own] else self._free()
            lanes[place].add(target)
            if place not in opened and not (place == own and carried):
                self._nets[place] = new_net(drawing, self._scene.edges[node, target])
            opened.add(place)
            self._name(node, target, place)
        ends = joined | opened
        if not ends - {own}:
            return
        below = {2 * place for place in ends} | ({2 * own} if carried else set())
        above = {2 * own} | {2 * place for place in joined}
        net = self._nets[min(ends - {own})]
        drawing.lines.bus(drawing.height, above, below, net)
        self._pass(without=ends | {own})

    def _name(self, source: str, target: str, place: int) -> None:
        self.drawing.nets[source, target] = self._nets[place]

    def _pass(self, without: set[int]) -> None:
        """Draw the lanes that go straight through this row, and go to the next."""
        y = self.drawing.height
        for place, lane in enumerate(self._lanes):
            if lane and place not in without:
                self.drawing.lines.vertical(2 * place, y, y, self._nets[place])
        self.drawing.height += 1

    def _free(self) -> int:
        for place, lane in enumerate(self._lanes):
            if not lane:
                return place
        if len(self._lanes) < LANES:
            self._lanes.append(set())
            self._nets.append(new_net(self.drawing, _OWN_COLOUR))
        return len(self._lanes) - 1


def _targets(nodes: Iterable[str], edges: Edges) -> dict[str, list[str]]:
    rank = {node: place for place, node in enumerate(nodes)}
    targets: dict[str, list[str]] = {node: [] for node in rank}
    for source, target in edges:
        if source in targets and target in targets and source != target:
            targets[source].append(target)
    for found in targets.values():
        found.sort(key=rank.__getitem__)
    return targets


def _topological(nodes: Iterable[str], targets: Mapping[str, Sequence[str]]) -> list[str]:
    names = list(nodes)
    rank = {node: place for place, node in enumerate(names)}
    waiting = dict.fromkeys(names, 0)
    for found in targets.values():
        for target in found:
            waiting[target] += 1
    ready = [rank[node] for node in names if not waiting[node]]
    result: list[str] = []
    while ready:
        node = names[heapq.heappop(ready)]
        result.append(node)
        for target in targets[node]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, rank[target])
    reached = set(result)
    return result + [node for node in names if node not in reached]
