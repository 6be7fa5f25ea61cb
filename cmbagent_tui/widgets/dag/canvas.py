"""Lines on a character grid: each cell holds which of its four sides a line leaves by, and becomes one character.

Lines are kept as strokes, row by row, and become cells when a row is looked at: of a drawing of thousands of rows only
those on the screen ever do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from textual.geometry import Region

from engine.model.records import EdgeKind

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
ACROSS, ALONG = UP | DOWN, LEFT | RIGHT

_BOX = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
_ASCII = {0: " ", UP: "|", DOWN: "|", ACROSS: "|", LEFT: "-", RIGHT: "-", ALONG: "-"}
# Straight pieces of the kinds that are not drawn solid.
_DASHED: dict[tuple[str, int], tuple[str, str]] = {
    (EdgeKind.CONDITIONAL.value, ACROSS): ("┆", "!"),
    (EdgeKind.CONDITIONAL.value, ALONG): ("┄", "="),
    (EdgeKind.OPTIONAL.value, ACROSS): ("┊", ":"),
    (EdgeKind.OPTIONAL.value, ALONG): ("┈", "."),
}


def character(mask: int, ascii_only: bool, kind: str | None = None) -> str:
    """The character that joins these sides; a straight piece shows the kind of edge."""
    if kind is not None and (dashed := _DASHED.get((kind, mask))):
        return dashed[ascii_only]
    return _ASCII.get(mask, "+") if ascii_only else _BOX[mask]


class Stroke(NamedTuple):
    """A horizontal piece of a line in one row, from column `left` to `right`, that goes on upwards in the columns `up`
    and downwards in the columns `down`. A vertical piece is one of a single column."""

    left: int
    right: int
    up: Collection[int]
    down: Collection[int]
    net: int


@dataclass(slots=True)
class Canvas:
    """Strokes by row. Each belongs to a line (`net`), so that two that only cross are drawn as a crossing (the vertical
    one passes over) and not as a junction. `kinds` are the nets' values of EdgeKind."""

    strokes: dict[int, list[Stroke]] = field(default_factory=dict[int, "list[Stroke]"])
    kinds: dict[int, str] = field(default_factory=dict[int, str])
    _cells: dict[int, dict[int, tuple[int, int]]] = field(
        default_factory=dict[int, "dict[int, tuple[int, int]]"], repr=False
    )

    def vertical(self, x: int, top: int, bottom: int, net: int) -> None:
        """A line down through rows top to bottom, both wholly."""
        stroke = Stroke(x, x, (x,), (x,), net)
        for y in range(top, bottom + 1):
            self.strokes.setdefault(y, []).append(stroke)

    def bus(self, y: int, tops: Collection[int], bottoms: Collection[int], net: int) -> None:
        """A horizontal line in row y that joins columns that come from above with columns that go on below."""
        left, right = min(*tops, *bottoms), max(*tops, *bottoms)
        self.strokes.setdefault(y, []).append(Stroke(left, right, tops, bottoms, net))

    def branch(self, x: int, y: int, length: int, net: int, *, last: bool) -> None:
        """A line that comes from above and leaves to the right for some cells; it goes on below unless it is the
        last."""
        self.strokes.setdefault(y, []).append(Stroke(x, x + length, (x,), () if last else (x,), net))

    def row(self, y: int) -> Mapping[int, tuple[int, int]]:
        """(sides, net) of the cells of a row, by column."""
        cells = self._cells.get(y)
        if cells is None:
            cells = self._cells[y] = {}
            for stroke in self.strokes.get(y, ()):
                _put(cells, stroke)
        return cells

    def runs(self, y: int, start: int, stop: int, ascii_only: bool) -> Iterator[tuple[int, str, int]]:
        """(column, text, net) of the lines in row y, from column `start` up to `stop`."""
        cells = self.row(y)
        if not cells:
            return
        columns = sorted(x for x in cells if start <= x < stop) if len(cells) < stop - start else range(start, stop)
        begin, text, current = start, "", -1
        for x in columns:
            if (cell := cells.get(x)) is None:
                continue
            mask, net = cell
            if text and (net != current or x != begin + len(text)):
                yield begin, text, current
                text = ""
            if not text:
                begin, current = x, net
            text += character(mask, ascii_only, self.kinds.get(net))
        if text:
            yield begin, text, current

    def parts(self, nets: Collection[int], top: int, bottom: int) -> Iterator[Region]:
        """Where these lines are, from row `top` up to `bottom`."""
        for y in range(top, bottom) if nets else ():
            for stroke in self.strokes.get(y, ()):
                if stroke.net in nets:
                    yield Region(stroke.left, y, stroke.right - stroke.left + 1, 1)

    def text(self, y: int, start: int, stop: int, ascii_only: bool) -> str:
        """The characters of row y from column `start` up to `stop`."""
        found, at = "", start
        for column, text, _ in self.runs(y, start, stop, ascii_only):
            found += " " * (column - at) + text
            at = column + len(text)
        return found + " " * (stop - at)


def _put(cells: dict[int, tuple[int, int]], stroke: Stroke) -> None:
    left, right, up, down, net = stroke
    for x in range(left, right + 1):
        mask = (UP if x in up else 0) | (DOWN if x in down else 0)
        mask |= (LEFT if x > left else 0) | (RIGHT if x < right else 0)
        here, other = cells.get(x, (0, net))
        if other != net and {here, mask} == {ACROSS, ALONG}:
            if mask == ACROSS:
                cells[x] = (ACROSS, net)
            continue
        cells[x] = (here | mask, net)
