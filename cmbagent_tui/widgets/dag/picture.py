"""A drawing, painted line by line: nodes, lines, the cursor, and on demand a map of all of it in a corner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ClassVar

from textual.geometry import Offset, Region, Spacing
from textual.reactive import reactive
from textual.strip import Strip

from cmbagent_tui.state.board import Board
from cmbagent_tui.widgets.dag.drawing import Drawing, Spot
from cmbagent_tui.widgets.dag.labels import fold_mark, row
from cmbagent_tui.widgets.dag.layout import Made
from cmbagent_tui.widgets.dag.minimap import Minimap
from cmbagent_tui.widgets.paint import Painted, Piece

_AROUND = 2  # rows that are kept in sight above and below the cursor


class DagPicture(Painted):
    """What is seen of a board's drawing. When a node changes, its row alone is painted again."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tone--line-near", "tone--map"}

    drawn: reactive[int] = reactive(0, repaint=False)  # counts the drawings
    position: reactive[str] = reactive("", repaint=False)  # which part is seen, in words; empty: all of it

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self._clock = clock
        self.board: Board | None = None
        self.selected: str | None = None
        self.found: frozenset[str] = frozenset()  # what a search has found
        self._made = Made()
        self._unfolded: set[str] = set()
        self._indent = 0  # blank columns on the left, so that a narrow drawing does not stick to the edge
        self._near: frozenset[int] = frozenset()  # lines at the cursor
        self._map: Minimap | None = None
        self._mapped = False

    @property
    def drawing(self) -> Drawing:
        """What is painted."""
        return self._made.drawing

    def mark_found(self, nodes: Iterable[str]) -> None:
        """Set off what a search has found."""
        before, self.found = self.found, frozenset(nodes)
        for node_id in before ^ self.found:
            self._repaint(node_id)

    # Painting

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        at, width, base = y + scroll_y, self.size.width, self.rich_style
        if self.board is None:
            return Strip.blank(width, base)
        start = scroll_x - self._indent  # in the drawing's columns
        pieces = [
            Piece(column, text, "line-near" if net in self._near else "line")
            for column, text, net in self.drawing.lines.runs(at, start, start + width, self.ascii_only)
        ]
        visible = [
            (node_id, spot)
            for node_id in self.drawing.rows.get(at, ())
            if (spot := self.drawing.spots[node_id]).right > start and spot.left < start + width
        ]
        for node_id, spot in visible:
            card, fold = self.board.cards[node_id], self._fold_mark(node_id)
            pieces += row(card, spot, self._clock(), fold, ascii_only=self.ascii_only)
        pieces.sort(key=lambda piece: piece.column)
        first = min(start, pieces[0].column) if pieces else start
        strip = self.strip(pieces, first, width + start - first, base)
        if first < start:
            strip = strip.crop(start - first, start - first + width)
        for node_id, spot in visible:
            if node_id == self.selected or node_id in self.found:
                left, right = max(0, self._body(spot) - start), min(width, spot.right - start)
                style = self.cursor_style() if node_id == self.selected else self.ground("cursor-blurred")
                strip = self.over(strip, left, max(left, right), style)
        return self._with_map(strip, y)

    def _body(self, spot: Spot) -> int:
        """Where the part begins that the cursor covers: in a list, lines may stand between a glyph and its text."""
        return spot.x if spot.x > spot.mark + 2 else spot.left

    def _fold_mark(self, node_id: str) -> str:
        inside = self._made.scene.inside.get(node_id)
        if not inside or self.board is None:
            return ""
        cards = [self.board.cards[one] for one in inside]
        return fold_mark(cards, node_id in self._unfolded, self.ascii_only)

    def _with_map(self, strip: Strip, y: int) -> Strip:
        if not self._mapped or self.board is None or not self.position:
            return strip
        seen = self.scrollable_size
        shown = self._map = self._map or Minimap(self.drawing, (seen.width, seen.height))
        at, left = y - (seen.height - shown.height), seen.width - shown.width - 1
        if at < 0 or left < 1:
            return strip
        x, top = self.scroll_offset
        first = shown.cell(x - self._indent, top)
        last = shown.cell(x - self._indent + seen.width - 1, top + seen.height - 1)
        ground = self.rich_style + self.ground("map")
        painted = self.strip(shown.row(at, self.board.cards, self.ascii_only), 0, shown.width, ground)
        if first[1] <= at <= last[1]:
            painted = self.over(painted, first[0], last[0] + 1, self.cursor_style())
        edge = self.strip([Piece(0, "|" if self.ascii_only else "│", "line")], 0, 1, ground)
        return Strip.join([strip.crop(0, left), edge, painted])

    # Painting again

    def _repaint(self, node_id: str | None) -> None:
        """Paint a node's row again, if it is on the screen, and its place on the map."""
        spot = self.drawing.spots.get(node_id or "")
        if spot is None:
            return
        self._repaint_part(Region(spot.left, spot.y, spot.right - spot.left, 1))
        if self._mapped and self._map is not None:
            seen, (x, y) = self.scrollable_size, self._map.cell(spot.mark, spot.y)
            self.refresh(Region(seen.width - self._map.width + x, seen.height - self._map.height + y, 1, 1))

    def _repaint_part(self, part: Region) -> None:
        """Paint a part of the drawing again, if it is on the screen."""
        x, y = self.scroll_offset
        there = part.translate((self._indent - x, -y)).intersection(self.scrollable_size.region)
        if there.area:
            self.refresh(there)

    def _look_near(self) -> None:
        """Set off the lines that lead to the cursor and away from it."""
        head = self._made.scene.head(self.selected) if self.selected else None
        near = self.drawing.around(head) if head else frozenset[int]()
        top = self.scroll_offset.y
        for part in self.drawing.lines.parts(near ^ self._near, top, top + self.scrollable_size.height):
            self._repaint_part(part)
        self._near = near

    # Where one is

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._tell_position()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell_position()

    def watch_show_horizontal_scrollbar(self) -> None:
        """It takes a row, which may be the cursor's."""
        self._tell_position()
        self._reveal()

    def _tell_position(self) -> None:
        x, y = self.scroll_offset
        seen, whole = self.scrollable_size, self.virtual_size
        parts: list[str] = []
        if whole.height > seen.height:
            parts.append(f"rows {y + 1}-{min(whole.height, y + seen.height)} of {whole.height}")
        if whole.width > seen.width:
            parts.append(f"columns {x + 1}-{min(whole.width, x + seen.width)} of {whole.width}")
        self.position = ", ".join(parts)

    def _seen_at(self) -> Offset | None:
        """Where on the screen the cursor is, if it is seen."""
        spot = self.drawing.spots.get(self.selected or "")
        if spot is None:
            return None
        at = Offset(spot.left + self._indent, spot.y) - self.scroll_offset
        return at if at in self.scrollable_size.region else None

    def _reveal(self, around: int = _AROUND) -> None:
        """Scroll so that the cursor is seen, with some rows around it."""
        spot = self.drawing.spots.get(self.selected or "")
        if spot is not None:
            region = Region(spot.left + self._indent, spot.y, spot.right - spot.left, 1)
            rows = min(around, (self.scrollable_size.height - 1) // 3)
            spacing = Spacing(max(0, rows), 0, max(0, rows), 0)
            self.scroll_to_region(region, spacing=spacing, animate=False, force=True, immediate=True)
