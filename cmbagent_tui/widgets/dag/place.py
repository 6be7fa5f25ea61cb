"""Order within layers (barycentre sweeps) and columns (least squares under minimum gaps).

All are generators that stop after each layer, so that the work can be done in slices between the keys.
"""

from __future__ import annotations

import sys
from bisect import insort
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from cmbagent_tui.widgets.dag.graph import Dummy, Layered, Vertex

SWEEPS = 4
GAP = 2  # blank cells between two neighbours
_STRAIGHT = 4.0  # how much harder than a node a dummy pulls

Columns = Mapping[Vertex, int]


class Numbered:
    """A layered graph by numbers: what sweeps walk over and over. `width` is in cells."""

    def __init__(self, graph: Layered, widths: Mapping[str, int]) -> None:
        self.graph = graph
        self.vertices: list[Vertex] = [vertex for layer in graph.layers for vertex in layer]
        number = {vertex: place for place, vertex in enumerate(self.vertices)}
        self.above = [[number[one] for one in graph.above[vertex]] for vertex in self.vertices]
        self.below = [[number[one] for one in graph.below[vertex]] for vertex in self.vertices]
        self.width = [1 if isinstance(vertex, Dummy) else widths[vertex] for vertex in self.vertices]
        self.layers: list[list[int]] = []
        first = 0
        for layer in graph.layers:
            self.layers.append(list(range(first, first + len(layer))))
            first += len(layer)

    def settle(self) -> None:
        """Write the order of the layers back."""
        self.graph.layers = [[self.vertices[one] for one in layer] for layer in self.layers]


def order(numbered: Numbered) -> Iterator[None]:
    """Sort every layer in place so that few links cross."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = numbered.above if down else numbered.below
        layers = numbered.layers if down else numbered.layers[::-1]
        rank = [0.0] * len(numbered.vertices)
        for fixed, moving in pairwise(layers):
            for place, vertex in enumerate(fixed):
                rank[vertex] = place
            if len(moving) == 1:
                continue
            scale = len(fixed) / len(moving)
            weight: dict[int, float] = {}
            for place, vertex in enumerate(moving):
                near = neighbours[vertex]
                if len(near) == 1:
                    weight[vertex] = rank[near[0]]
                elif near:
                    weight[vertex] = sum([rank[one] for one in near]) / len(near)
                else:
                    weight[vertex] = place * scale
            moving.sort(key=weight.__getitem__)  # stable: equals stay in order
            yield


def keep(numbered: Numbered, previous: Columns) -> Generator[None, None, list[float] | None]:
    """Sort every layer as it was in the last layout, and say where everything should stand: what was there before
    where it was, what has come in as near to its neighbours as there is room. None: most of it is new."""
    known = [previous.get(vertex) for vertex in numbered.vertices]
    if 2 * known.count(None) >= len(known):
        return None
    place = [0.0 if column is None else float(column) for column in known]
    for layer in numbered.layers:
        taken = sorted(
            (int(place[one]), int(place[one]) + numbered.width[one]) for one in layer if known[one] is not None
        )
        for vertex in layer:
            if known[vertex] is None:
                near = numbered.above[vertex] or [one for one in numbered.below[vertex] if known[one] is not None]
                wanted = int(sum([place[one] for one in near]) / len(near)) if near else 0
                at = _room(taken, wanted, numbered.width[vertex])
                insort(taken, (at, at + numbered.width[vertex]))
                place[vertex] = at
        layer.sort(key=place.__getitem__)
        yield
    return place


def _room(taken: Sequence[tuple[int, int]], wanted: int, width: int) -> int:
    """The column nearest to the wanted one where so many cells are free, with blanks on both sides."""
    best, free_from = -1, 0
    for left, right in [*taken, (sys.maxsize, sys.maxsize)]:
        if left - GAP - free_from >= width:
            at = max(free_from, min(wanted, left - GAP - width))
            if best < 0 or abs(at - wanted) < abs(best - wanted):
                best = at
        free_from = right + GAP
    return best


def columns(numbered: Numbered, room: int, kept: Sequence[float] | None, found: dict[Vertex, int]) -> Iterator[None]:
    """Put the column of every vertex (a node's glyph, a dummy's line) into `found`: none overlap, all are within `room`
    cells where a layer fits.

    Each wants to stand where it was `kept`; where nothing was, the leftmost stands at 0, and each right below or above
    the middle one of its neighbours: a straight line reads better than a small step, which their mean would make.
    """
    layers, width = numbered.layers, numbered.width
    # A dummy pulls harder: a straight long edge reads best.
    weight = [_STRAIGHT if isinstance(vertex, Dummy) else 1.0 for vertex in numbered.vertices]
    weights = [[weight[vertex] for vertex in layer] for layer in layers]
    starts = [list(accumulate((width[vertex] + GAP for vertex in layer[:-1]), initial=0)) for layer in layers]
    limits = [room - start[-1] - width[layer[-1]] for layer, start in zip(layers, starts, strict=True)]
    column = list(kept) if kept is not None else _middles(layers, starts, limits, len(width))
    yield
    for sweep in range(SWEEPS if kept is None else 1):
        down = sweep % 2 == 0
        neighbours = numbered.above if down else numbered.below
        for level in range(len(layers)) if down else range(len(layers) - 1, -1, -1):
            layer = layers[level]
            wanted: list[float] = []
            for vertex in layer:
                near = neighbours[vertex]
                if not near or kept is not None:
                    wanted.append(column[vertex])
                elif len(near) == 1:
                    wanted.append(column[near[0]])
                else:
                    wanted.append(sorted([column[one] for one in near])[(len(near) - 1) // 2])
            places = spread(wanted, starts[level], weights[level], limits[level])
            for vertex, place in zip(layer, places, strict=True):
                column[vertex] = place
            yield
    left = 0.0 if kept is not None else min(column, default=0.0)
    for layer in layers:
        edge = None
        for vertex in layer:
            at = round(column[vertex] - left)
            if edge is not None:  # rounding may not eat a gap
                at = max(at, edge + GAP)
            found[numbered.vertices[vertex]] = at
            edge = at + width[vertex]


def _middles(
    layers: Sequence[Sequence[int]], starts: Sequence[Sequence[int]], limits: Sequence[int], count: int
) -> list[float]:
    """Every layer in the middle of the room, to begin with."""
    column = [0.0] * count
    for layer, start, limit in zip(layers, starts, limits, strict=True):
        for vertex, place in zip(layer, start, strict=True):
            column[vertex] = max(0.0, limit / 2) + place
    return column


def spread(wanted: Sequence[float], starts: Sequence[float], weights: Sequence[float], limit: float) -> list[float]:
    """Places as near to the wanted ones as can be in weighted least squares. `starts` are the places side by side from
    0 on: none comes nearer to another than there, or before them, nor, unless `limit` is negative, more than that
    behind them.

    Isotonic regression by pooling adjacent violators on `wanted` less `starts`: exact, and linear in time.
    """
    if len(wanted) == 1:
        return [max(0.0, min(wanted[0], limit)) if limit >= 0 else wanted[0]]
    means: list[float] = []
    sums: list[float] = []
    counts: list[int] = []
    for target, start, weight in zip(wanted, starts, weights, strict=True):
        mean, count = target - start, 1
        while means and means[-1] > mean:
            other = sums.pop()
            mean = (means.pop() * other + mean * weight) / (other + weight)
            weight += other
            count += counts.pop()
        means.append(mean)
        sums.append(weight)
        counts.append(count)
    places: list[float] = []
    for mean, count in zip(means, counts, strict=True):
        kept = max(0.0, min(mean, limit)) if limit >= 0 else mean
        for _ in range(count):
            places.append(kept + starts[len(places)])
    return places
