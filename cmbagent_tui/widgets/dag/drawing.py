"""A drawing of a DAG: where every node's row is, and the lines between."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from cmbagent_tui.widgets.dag.canvas import Canvas
from cmbagent_tui.widgets.dag.graph import Dummy, Layered, Link, Vertex, layered
from cmbagent_tui.widgets.dag.place import GAP, Columns, Numbered, columns, keep, order
from cmbagent_tui.widgets.dag.scene import INDENT, Block, Scene
from cmbagent_tui.widgets.dag.tracks import Net, give_tracks
from engine.model.records import EdgeKind

NARROWEST, WIDEST = 14, 46  # cells of a node
_PLAIN = EdgeKind.SEQUENTIAL.value


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
    """Spots and lines; `width` and `height` in cells. `rows` are the node ids of each row, from left to right, `levels`
    the first rows of layers, `columns` where the next layout finds what it should leave in place."""

    spots: dict[str, Spot] = field(default_factory=dict[str, Spot])
    rows: dict[int, list[str]] = field(default_factory=dict[int, "list[str]"])
    levels: list[int] = field(default_factory=list[int])
    lines: Canvas = field(default_factory=Canvas)
    width: int = 0
    height: int = 0
    columns: Columns = field(default_factory=dict[Vertex, int])
    graph: Layered = field(default_factory=Layered)
    nets: dict[Link | Vertex, int] = field(default_factory=dict["Link | Vertex", int])

    def around(self, node: str) -> frozenset[int]:
        """The nets of all lines that lead to a node or leave it."""
        found: set[int] = set()
        for source, target in self.graph.edges:
            if node in (source, target):
                route = self.graph.route(source, target)
                found |= {net for one in route[:-1] if (net := self.nets.get(one))}
                found |= {net for link in pairwise(route) if (net := self.nets.get(link))}
        return frozenset(found)

    def place(self, node: str, spot: Spot) -> None:
        """Put a node into its row, right of what is there."""
        self.spots[node] = spot
        self.rows.setdefault(spot.y, []).append(node)
        self.width = max(self.width, spot.right)


def draw(scene: Scene, width: int, previous: Columns | None = None) -> Generator[None, None, Drawing]:
    """Lay a scene out from top to bottom, in slices.

    A node gets less than its natural width where its layer would not fit into `width`. `previous` are the columns of
    the last layout.
    """
    graph = yield from layered(list(scene.blocks), scene.edges)
    yield
    widths = {node: size for layer in graph.layers for node, size in _widths(layer, scene.blocks, width)}
    numbered = Numbered(graph, widths)
    yield
    kept = (yield from keep(numbered, previous)) if previous else None
    if kept is None:
        yield from order(numbered)
    numbered.settle()
    column: dict[Vertex, int] = {}
    yield from columns(numbered, width, kept, column)
    drawing = Drawing(columns=column, graph=graph)
    y = 0
    for level, layer in enumerate(graph.layers):
        drawing.levels.append(y)
        height = 1
        for vertex in layer:
            if not isinstance(vertex, Dummy):
                height = max(height, _place(drawing, scene.blocks[vertex], column[vertex], y, widths[vertex]))
        for vertex in layer:
            _pass_layer(drawing, scene.blocks, vertex, y, height)
        y += height
        if level + 1 < len(graph.layers):
            y += _connect(drawing, level, y)
        yield
    drawing.height = y
    for row in drawing.rows.values():
        row.sort(key=lambda node: drawing.spots[node].mark)
    return drawing


def _widths(layer: Iterable[Vertex], blocks: Mapping[str, Block], room: int) -> Iterable[tuple[str, int]]:
    """What each node of a layer gets of the room: what it likes, or an equal share of what the lines leave."""
    layer = list(layer)
    real = [vertex for vertex in layer if isinstance(vertex, str)]
    share = (room - (len(layer) - len(real)) * (1 + GAP) + GAP) // max(1, len(real)) - GAP
    for node in real:
        yield node, max(NARROWEST, min(blocks[node].width, share, WIDEST))


def _place(drawing: Drawing, block: Block, left: int, y: int, width: int) -> int:
    """Put a step's rows below each other; return how many there are."""
    for offset, (node, depth) in enumerate(block.rows):
        mark = left + INDENT * depth
        drawing.place(node, Spot(mark + 2, y + offset, max(1, width - 2 - INDENT * depth), mark))
    return len(block.rows)


def _pass_layer(drawing: Drawing, blocks: Mapping[str, Block], vertex: Vertex, y: int, height: int) -> None:
    """Draw the lines that lead through a layer's rows: those of long edges, of what hangs under a step, and of a step
    beside a taller one."""
    x, lines = drawing.columns[vertex], drawing.lines
    if isinstance(vertex, Dummy):
        net = drawing.nets[vertex] = new_net(drawing, vertex.kind)
        lines.vertical(x, y, y + height - 1, net)
        drawing.width = max(drawing.width, x + 1)
        return
    goes_on = bool(drawing.graph.below[vertex])
    rows = blocks[vertex].rows
    if len(rows) > 1 or (goes_on and height > 1):
        net = drawing.nets[vertex] = new_net(drawing, _PLAIN)
        draw_tree(drawing, rows, x, y, net, goes_on=goes_on)
        if goes_on:
            lines.vertical(x, y + len(rows), y + height - 1, net)


def draw_tree(drawing: Drawing, rows: tuple[tuple[str, int], ...], x: int, y: int, net: int, *, goes_on: bool) -> None:
    """Draw the lines from a step to what hangs under it, from column x on; its own line may go on below."""
    for offset, (_, depth) in enumerate(rows):
        later = [deeper for _, deeper in rows[offset + 1 :]]
        for at in range(1, depth + 1):
            column = x + INDENT * (at - 1)
            shallower = next((place for place, deeper in enumerate(later) if deeper < at), len(later))
            more = at in later[:shallower] or (at == 1 and goes_on)
            if at == depth:
                drawing.lines.branch(column, y + offset, 1, net, last=not more)
            elif more:
                drawing.lines.vertical(column, y + offset, y + offset, net)


def new_net(drawing: Drawing, kind: str) -> int:
    """A number for a line; they count from 1."""
    number = len(drawing.lines.kinds) + 1
    drawing.lines.kinds[number] = kind
    return number


def _connect(drawing: Drawing, level: int, y: int) -> int:
    """Draw the links below a layer from row y on; return how many rows they take."""
    straight, nets = _nets(drawing, level)
    rows = give_tracks(nets)
    lines = drawing.lines
    for x, number in straight:
        lines.vertical(x, y, y + rows - 1, number)
    for net in nets:
        row = y + net.track
        lines.bus(row, net.tops, net.bottoms, net.number)
        if net.track:
            for x in net.tops:
                lines.vertical(x, y, row - 1, net.number)
        if net.track < rows - 1:
            for x in net.bottoms:
                lines.vertical(x, row + 1, y + rows - 1, net.number)
    return rows


def _nets(drawing: Drawing, level: int) -> tuple[list[tuple[int, int]], list[Net]]:
    """Group the links of a gap by kind: (column and number of those that go straight down, the others). Sources with
    the same targets share one line."""
    graph, column = drawing.graph, drawing.columns
    groups: dict[tuple[tuple[Vertex, ...], str], list[Vertex]] = {}
    straight: list[tuple[int, int]] = []
    nets: list[Net] = []
    for source in graph.layers[level]:
        targets = graph.below[source]
        if len(targets) == 1 and len(graph.above[targets[0]]) == 1:
            target = targets[0]
            number = drawing.nets[source, target] = new_net(drawing, graph.kind(source, target))
            if column[source] == column[target]:
                straight.append((column[source], number))
            else:
                nets.append(Net(number, {column[source]}, {column[target]}))
            continue
        kinds = [graph.kind(source, target) for target in targets]
        for kind in dict.fromkeys(kinds):
            own = [target for target, its in zip(targets, kinds, strict=True) if its == kind]
            groups.setdefault((tuple(sorted(own, key=column.__getitem__)), kind), []).append(source)
    for (targets, kind), sources in groups.items():
        number = new_net(drawing, kind)
        for source in sources:
            for target in targets:
                drawing.nets[source, target] = number
        net = Net(number, {column[one] for one in sources}, {column[one] for one in targets})
        if net.left == net.right:
            straight.append((net.left, number))
        else:
            nets.append(net)
    return straight, nets
