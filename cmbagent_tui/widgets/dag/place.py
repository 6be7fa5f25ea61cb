"""Order within layers (baryplace_of sweeps) and columns (least squares under minimum gaps)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from cmbagent_tui.widgets.dag.graph import Dummy, Layered, Vertex

SWEEPS = 4
GAP = 2  # blank cells between two neighbours


def order(graph: Layered, previous: Mapping[str, int] | None = None) -> None:
    """Sort every layer in place so that few links cross.

    `previous` (node → column in the last layout) is the order to begin with, so that a node that comes in moves few
    others.
    """
    if previous:
        for layer in graph.layers:
            at = {vertex: float(place) for place, vertex in enumerate(layer)}
            known: dict[Vertex, float] = {v: float(previous[v]) for v in layer if isinstance(v, str) and v in previous}
            if known:
                last = max(known.values())
                layer.sort(key=lambda v: (known.get(v, last), at[v]))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = graph.above if down else graph.below
        layers = graph.layers if down else graph.layers[::-1]
        for fixed, moving in pairwise(layers):
            rank = {vertex: float(place) for place, vertex in enumerate(fixed)}
            own = {vertex: float(place) for place, vertex in enumerate(moving)}
            scale = len(fixed) / max(1, len(moving))
            weight = {
                vertex: sum(map(rank.__getitem__, near)) / len(near)
                if (near := neighbours[vertex])
                else own[vertex] * scale
                for vertex in moving
            }
            moving.sort(key=lambda v: (weight[v], own[v]))


def columns(
    graph: Layered, widths: Mapping[str, int], room: int, previous: Mapping[str, int] | None = None
) -> dict[Vertex, int]:
    """The column of every vertex (a node's glyph, a dummy's line), none overlapping, the leftmost at 0, within `room`
    cells where a layer fits.

    Each wants to stand right below or above the middle one of its neighbours: a straight line reads better than a
    small step, which their mean would make. A node that had a column in `previous` wants to stay there.
    """
    kept: dict[Vertex, float] = {node: float(column) for node, column in (previous or {}).items()}
    right = {v: 1 if isinstance(v, Dummy) else widths[v] for layer in graph.layers for v in layer}
    gaps: list[list[float]] = []
    column: dict[Vertex, float] = {}
    for layer in graph.layers:
        gap = [0.0] + [float(right[a] + GAP) for a, _ in pairwise(layer)]
        gaps.append(gap)
        place = max(0.0, (room - sum(gap) - right[layer[-1]]) / 2) if layer else 0.0
        for vertex, step in zip(layer, gap, strict=True):
            place += step
            column[vertex] = place
    height = len(graph.layers)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = graph.above if down else graph.below
        for level in range(height) if down else range(height - 1, -1, -1):
            layer = graph.layers[level]
            wanted = [kept.get(v, _middle([column[n] for n in neighbours[v]], column[v])) for v in layer]
            # A dummy pulls harder: a straight long edge reads best.
            weights = [16.0 if v in kept else 4.0 if isinstance(v, Dummy) else 1.0 for v in layer]
            limit = room - sum(gaps[level]) - right[layer[-1]]
            for vertex, place in zip(layer, spread(wanted, gaps[level], weights, limit), strict=True):
                column[vertex] = place
    left = min((column[v] for layer in graph.layers for v in layer), default=0.0)
    found: dict[Vertex, int] = {}
    for layer in graph.layers:
        edge = None
        for vertex in layer:
            place = round(column[vertex] - left)
            if edge is not None:  # rounding may not eat a gap
                place = max(place, edge + GAP)
            found[vertex] = place
            edge = place + right[vertex]
    return found


def _middle(places: list[float], otherwise: float) -> float:
    return sorted(places)[(len(places) - 1) // 2] if places else otherwise


def spread(wanted: Sequence[float], gaps: Sequence[float], weights: Sequence[float], limit: float) -> list[float]:
    """Places as near to the wanted ones as can be in weighted least squares, each at least its gap behind the last, the
    first at 0 or later and, if `limit` is not negative, so that nothing is pushed more than `limit` beyond it.

    Isotonic regression by pooling adjacent violators on `wanted` less the summed gaps: exact, and linear in time.
    """
    base: list[float] = []
    total = 0.0
    for gap in gaps:
        total += gap
        base.append(total)
    pools: list[list[float]] = []  # [mean, weight, count]
    for target, start, weight in zip(wanted, base, weights, strict=True):
        pools.append([target - start, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, weight_, count = pools.pop()
            last = pools[-1]
            both = last[1] + weight_
            pools[-1] = [(last[0] * last[1] + mean * weight_) / both, both, last[2] + count]
    places: list[float] = []
    for mean, _, count in pools:
        kept = max(0.0, min(mean, limit)) if limit >= 0 else mean
        for _ in range(int(count)):
            places.append(kept + base[len(places)])
    return places
