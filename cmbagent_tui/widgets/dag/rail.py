"""The DAG as a list, one row a node, with its lines in lanes on the left: what a narrow terminal shows."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from cmbagent_tui.widgets.dag.drawing import Drawing, Spot

LANES = 10  # side by side; what is beyond shares the last one


def draw_rail(nodes: Mapping[str, int], edges: Sequence[tuple[str, str]], width: int) -> Drawing:
    """Lay a graph out as a list in topological order, the plan's order where that leaves a choice.

    `nodes` gives the ids in the plan's order (the widths are not used: a row takes all of `width`).
    """
    targets = _targets(nodes, edges)
    drawing = Drawing()
    lanes: list[set[str]] = []  # what each lane leads to; empty: free
    y = 0
    for node in _topological(nodes, targets):
        arriving = [place for place, lane in enumerate(lanes) if node in lane]
        own = arriving[0] if arriving else _free(lanes)
        for place in arriving:
            lanes[place].discard(node)
        merged = [place for place in arriving[1:] if not lanes[place]]
        if merged:
            drawing.lines.bus(y, [2 * own, *(2 * place for place in merged)], [2 * own], net=y)
            _pass(drawing, lanes, y, without={own, *merged})
            y += 1
        drawing.spots[node] = Spot(0, y, 0, 2 * own)
        drawing.rows[y] = [node]
        _pass(drawing, lanes, y, without={own})
        y += 1
        y += _leave(drawing, lanes, own, targets[node], y)
    drawing.height = y
    used = max((spot.mark for spot in drawing.spots.values()), default=0)
    used = max([used, *(x for row in drawing.lines.rows.values() for x in row)])
    for node, spot in drawing.spots.items():
        drawing.spots[node] = Spot(used + 2, spot.y, max(1, width - used - 2), spot.mark)
    drawing.width = max(width, used + 3)
    return drawing


def _leave(drawing: Drawing, lanes: list[set[str]], own: int, targets: Sequence[str], y: int) -> int:
    """Open lanes to a node's targets, or join the lanes that lead there already; return the rows that it took."""
    carried = bool(lanes[own])  # a shared lane goes on whatever this node does
    joined: set[int] = set()
    opened: set[int] = set()
    for target in targets:
        there = next((place for place, lane in enumerate(lanes) if target in lane and place not in opened), None)
        if there is not None:
            joined.add(there)
            continue
        place = own if not lanes[own] else _free(lanes)
        lanes[place].add(target)
        opened.add(place)
    ends = joined | opened
    if not ends - {own}:
        return 0
    below = {2 * place for place in ends} | ({2 * own} if carried else set())
    above = {2 * own} | {2 * place for place in joined}
    drawing.lines.bus(y, above, below, net=y)
    _pass(drawing, lanes, y, without=ends | {own})
    return 1


def _pass(drawing: Drawing, lanes: Sequence[set[str]], y: int, without: set[int]) -> None:
    """Draw the lanes that go straight through a row."""
    for place, lane in enumerate(lanes):
        if lane and place not in without:
            drawing.lines.vertical(2 * place, y, y, net=-1 - place)


def _free(lanes: list[set[str]]) -> int:
    for place, lane in enumerate(lanes):
        if not lane:
            return place
    if len(lanes) < LANES:
        lanes.append(set())
    return len(lanes) - 1


def _targets(nodes: Mapping[str, int], edges: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    rank = {node: place for place, node in enumerate(nodes)}
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in dict.fromkeys(edges):
        if source in targets and target in targets and source != target:
            targets[source].append(target)
    for found in targets.values():
        found.sort(key=rank.__getitem__)
    return targets


def _topological(nodes: Mapping[str, int], targets: Mapping[str, Sequence[str]]) -> list[str]:
    rank = {node: place for place, node in enumerate(nodes)}
    names = list(nodes)
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
