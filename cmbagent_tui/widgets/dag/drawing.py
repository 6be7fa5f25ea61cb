"""A drawing of a DAG: where every node's cell is, and the lines between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cmbagent_tui.widgets.dag.canvas import Canvas
from cmbagent_tui.widgets.dag.graph import Dummy, Layered, Vertex, layered
from cmbagent_tui.widgets.dag.place import GAP, columns, order

NARROWEST, WIDEST = 14, 46  # cells of a node
MOST_TRACKS = 6  # rows between two layers; beyond that lines share rows


@dataclass(frozen=True, slots=True)
class Spot:
    """A node's place: its glyph at `mark`, its text from `x` on in `width` cells."""

    x: int
    y: int
    width: int
    mark: int

    @property
    def left(self) -> int:
        """The first column that it paints."""
        return min(self.x, self.mark)

    @property
    def right(self) -> int:
        """The column behind the last that it paints."""
        return self.x + self.width


@dataclass(slots=True)
class Drawing:
    """Spots and lines; `width` and `height` in cells. `rows` are the node ids of each row, from left to right."""

    spots: dict[str, Spot] = field(default_factory=dict[str, Spot])
    rows: dict[int, list[str]] = field(default_factory=dict[int, "list[str]"])
    lines: Canvas = field(default_factory=Canvas)
    width: int = 0
    height: int = 0


def draw(
    nodes: Mapping[str, int],
    edges: Sequence[tuple[str, str]],
    width: int,
    previous: Mapping[str, int] | None = None,
) -> Drawing:
    """Lay a graph out from top to bottom.

    `nodes` gives each node's natural width in cells, in the plan's order; a node gets less where its layer would not
    fit into `width`. `previous` are the columns of the last layout.
    """
    graph = layered(list(nodes), edges)
    order(graph, previous)
    widths: dict[str, int] = {}
    for layer in graph.layers:
        real = [v for v in layer if isinstance(v, str)]
        dummies = len(layer) - len(real)
        share = (width - dummies * (1 + GAP) + GAP) // max(1, len(real)) - GAP
        for vertex in real:
            widths[vertex] = max(NARROWEST, min(nodes[vertex], share, WIDEST))
    column = columns(graph, widths, width, previous)
    drawing = Drawing()
    y = 0
    for level, layer in enumerate(graph.layers):
        drawing.rows[y] = []
        for vertex in layer:
            if isinstance(vertex, Dummy):
                drawing.lines.vertical(column[vertex], y, y, net=hash(vertex.bundle))
                drawing.width = max(drawing.width, column[vertex] + 1)
            else:
                left = column[vertex]
                spot = Spot(left + 2, y, widths[vertex] - 2, left)
                drawing.spots[vertex] = spot
                drawing.rows[y].append(vertex)
                drawing.width = max(drawing.width, spot.right)
        y += 1
        if level + 1 < len(graph.layers):
            y += _connect(graph, level, column, y, drawing.lines)
    drawing.height = y
    return drawing


@dataclass(slots=True)
class _Net:
    """Links of one gap that share a horizontal line, from column `left` to column `right`."""

    key: int
    tops: set[int]
    bottoms: set[int]
    left: int = 0
    right: int = 0
    track: int = 0

    def __post_init__(self) -> None:
        ends = self.tops | self.bottoms
        self.left, self.right = min(ends), max(ends)


def _connect(graph: Layered, level: int, column: Mapping[Vertex, int], y: int, lines: Canvas) -> int:
    """Draw the links below a layer from row y on; return how many rows they take."""
    nets = _nets(graph, level, column)
    rows = _tracks([net for net in nets if net.left != net.right])
    for net in nets:
        if net.left == net.right:
            lines.vertical(net.left, y, y + rows - 1, net.key)
            continue
        row = y + net.track
        lines.bus(row, net.tops, net.bottoms, net.key)
        for x in net.tops:
            lines.vertical(x, y, row - 1, net.key)
        for x in net.bottoms:
            lines.vertical(x, row + 1, y + rows - 1, net.key)
    return rows


def _nets(graph: Layered, level: int, column: Mapping[Vertex, int]) -> list[_Net]:
    """Group the links of a gap. Sources with the same targets share one line, as do the lone links to one target."""
    by_targets: dict[tuple[Vertex, ...], list[Vertex]] = {}
    for source in graph.layers[level]:
        targets = tuple(sorted(graph.below[source], key=column.__getitem__))
        if targets:
            by_targets.setdefault(targets, []).append(source)
    nets: list[_Net] = []
    for number, (targets, sources) in enumerate(by_targets.items()):
        nets.append(_Net(number + 1, {column[s] for s in sources}, {column[t] for t in targets}))
    return nets


def _tracks(nets: list[_Net]) -> int:
    """Give every net with a horizontal part a row of its own where two would touch; return the number of rows.

    A net that comes down in a column where another goes on must lie above it, or the two would read as one line; where
    such wishes form a ring, one of them is given up.
    """
    at_top: dict[int, list[int]] = {}
    for place, net in enumerate(nets):
        for column in net.tops:
            at_top.setdefault(column, []).append(place)
    over = [
        {other for x in net.bottoms for other in at_top.get(x, ()) if other != place} for place, net in enumerate(nets)
    ]
    done: set[int] = set()
    rows: list[list[tuple[int, int]]] = []  # what is taken of each row
    left = sorted(range(len(nets)), key=lambda place: (nets[place].left, nets[place].right))
    while left:
        ready = next((place for place in left if over[place] <= done), left[0])
        left.remove(ready)
        net = nets[ready]
        track = max((nets[above].track + 1 for above in over[ready] & done), default=0)
        while track < len(rows) and any(a <= net.right and net.left <= b for a, b in rows[track]):
            track += 1
        net.track = min(track, MOST_TRACKS - 1)
        while len(rows) <= net.track:
            rows.append([])
        rows[net.track].append((net.left, net.right))
        done.add(ready)
    return max(1, len(rows))
