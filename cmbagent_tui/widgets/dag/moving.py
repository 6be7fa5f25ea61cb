"""Where the cursor goes: along edges where there are some, else to what is nearest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from cmbagent_tui.widgets.dag.drawing import Drawing
from cmbagent_tui.widgets.dag.scene import Scene


def below(drawing: Drawing, scene: Scene, node: str) -> str | None:
    """The node to go down to: what hangs under this one, what waits for it, or the nearest of the next layer."""
    head, rows = _block(scene, node)
    place = rows.index(node) + 1
    if place < len(rows):
        return rows[place]
    x = drawing.spots[node].mark
    targets = [target for source, target in scene.edges if source == head]
    if targets:
        return min(targets, key=lambda one: (drawing.spots[one].y, abs(drawing.spots[one].mark - x)))
    place = bisect_right(drawing.levels, drawing.spots[head].y)
    return _nearest(drawing, drawing.levels[place], x) if place < len(drawing.levels) else None


def above(drawing: Drawing, scene: Scene, node: str) -> str | None:
    """The node to go up to: the row above in the same step, what this one waits for, or the nearest of the layer
    above."""
    head, rows = _block(scene, node)
    place = rows.index(node)
    if place:
        return rows[place - 1]
    x = drawing.spots[node].mark
    sources = [source for source, target in scene.edges if target == head]
    if not sources:
        place = bisect_left(drawing.levels, drawing.spots[head].y) - 1
        return _nearest(drawing, drawing.levels[place], x) if place >= 0 else None
    source = min(sources, key=lambda one: (-drawing.spots[one].y, abs(drawing.spots[one].mark - x)))
    return scene.blocks[source].rows[-1][0]


def beside(drawing: Drawing, scene: Scene, node: str, by: int) -> str | None:
    """The neighbour to the right (1) or left (-1)."""
    for one in dict.fromkeys((node, _block(scene, node)[0])):
        row = drawing.rows[drawing.spots[one].y]
        place = row.index(one) + by
        if 0 <= place < len(row):
            return row[place]
    return None


def along(scene: Scene, node: str, by: int) -> str | None:
    """In a list: the first step that waits for this one (1) or that it waits for (-1); for a sub-node, its step."""
    head, _ = _block(scene, node)
    if by < 0:
        return head if head != node else next((source for source, target in scene.edges if target == head), None)
    return next((target for source, target in scene.edges if source == head), None)


def by_rows(drawing: Drawing, node: str, rows: int) -> str | None:
    """The node that stands so many rows away, or as near to that as there is one in that direction."""
    here = drawing.spots[node]
    levels = sorted(y for y, row in drawing.rows.items() if row)
    wanted = here.y + rows
    place = bisect_left(levels, wanted) if rows > 0 else bisect_right(levels, wanted) - 1
    y = levels[max(0, min(place, len(levels) - 1))]
    return _nearest(drawing, y, here.mark) if y != here.y else None


def in_order(drawing: Drawing, nodes: Iterable[str]) -> list[str]:
    """Nodes from top to bottom and left to right; those that are not drawn last."""
    far = drawing.height, 0
    return sorted(nodes, key=lambda one: (s.y, s.mark) if (s := drawing.spots.get(one)) else far)


def _nearest(drawing: Drawing, y: int, x: int) -> str:
    return min(drawing.rows[y], key=lambda one: abs(drawing.spots[one].mark - x))


def _block(scene: Scene, node: str) -> tuple[str, list[str]]:
    """The step that a node belongs to, and the rows of its block."""
    head = scene.head(node) or node
    return head, [row for row, _ in scene.blocks[head].rows]
