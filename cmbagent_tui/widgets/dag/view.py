"""The DAG pane: paints a Drawing line by line, moves a cursor over it, and repaints one cell when a node changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.strip import Strip

from cmbagent_tui import look, words
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import NodeHighlighted, NodeOpened
from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.dag.drawing import Drawing, Spot, draw
from cmbagent_tui.widgets.dag.rail import draw_rail
from cmbagent_tui.widgets.paint import Painted, Piece
from engine.model.records import NodeKind
from engine.model.states import StepState

RAIL_BELOW = 100  # columns of the terminal; in fewer, steps are listed one a row, with their lines in lanes
_FIGURES = 7  # cells kept for the elapsed time, with its blank


class DagView(Painted):
    """The run's DAG. The cursor is the selected node."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "step(0, 1)", "Down", show=False, id="dag.down", tooltip="To the next step below"),
        Binding("up,k", "step(0, -1)", "Up", show=False, id="dag.up", tooltip="To the step above"),
        Binding("right,l", "step(1, 0)", "Right", show=False, id="dag.right", tooltip="To the next step beside"),
        Binding("left,h", "step(-1, 0)", "Left", show=False, id="dag.left", tooltip="To the step beside"),
        Binding("home,g", "edge(0)", "First", show=False, id="dag.first", tooltip="To the first step"),
        Binding("end,G", "edge(-1)", "Last", show=False, id="dag.last", tooltip="To the last step"),
        Binding("enter", "open", "Look inside", id="dag.open", tooltip="Go to the selected step's details"),
    ]

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self._clock = clock
        self.board: Board | None = None
        self.drawing = Drawing()
        self.selected: str | None = None
        self.rail = False
        self._drawn: tuple[int, dict[str, int], list[tuple[str, str]]] | None = None  # what the drawing was made from
        self._indent = 0  # blank columns on the left, so that a narrow drawing does not stick to the edge

    # What the screen calls

    def show(self, board: Board, selected: str | None) -> None:
        """Show a board, with the cursor on a node (or on the first)."""
        self.board = board
        self.selected = selected if selected in board.cards else None
        self._lay_out()
        self._reveal()

    def update_from(self, changed: Changed) -> None:
        """Repaint what changed."""
        if changed.structure:
            self._lay_out()
            return
        for node_id in changed.nodes:
            self._repaint(node_id)

    def tick(self) -> None:
        """Repaint the nodes whose elapsed time goes on."""
        if self.board is not None:
            for node_id, card in self.board.cards.items():
                if card.node.state is StepState.RUNNING:
                    self._repaint(node_id)

    def select(self, node_id: str, *, by_hand: bool = False) -> None:
        """Move the cursor, and say so."""
        if self.board is None or node_id not in self.board.cards:
            return
        before, self.selected = self.selected, node_id
        if before is not None:
            self._repaint(before)
        self._repaint(node_id)
        self._reveal()
        if before != node_id:
            self.post_message(NodeHighlighted(node_id, by_hand))

    # Layout

    def _lay_out(self) -> None:
        board = self.board
        if board is None or not self.size.width:
            return
        cards = board.ordered()
        edges = [(edge.from_node, edge.to_node) for edge in board.edges]
        linked = {target for _, target in edges}
        edges += [
            (card.node.parent_node_id, card.node.id)
            for card in cards
            if card.node.parent_node_id and card.node.id not in linked
        ]
        width = self.container_size.width or self.size.width
        self.rail = self.ascii_only or self.app.size.width < RAIL_BELOW
        widths = {card.node.id: self._natural(card) for card in cards}
        drawn = (width, widths, edges)
        if drawn == self._drawn:
            return
        if self.rail:
            self.drawing = draw_rail(widths, edges, width - 2)
        else:
            # In the same width everything stays where it was, as far as it can; in another it is laid out anew.
            stays = self._drawn is not None and width == self._drawn[0]
            previous = {node: spot.mark for node, spot in self.drawing.spots.items()} if stays else None
            self.drawing = draw(widths, edges, width - 2, previous)
        self._drawn = drawn
        self._indent = 1 if self.rail else max(1, (width - self.drawing.width) // 2)
        if self.selected not in self.drawing.spots:
            self.selected = cards[0].node.id if cards else None
            if self.selected:
                self.post_message(NodeHighlighted(self.selected, by_hand=False))
        self.virtual_size = Size(self.drawing.width + self._indent, self.drawing.height)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()
        self._reveal()

    # Painting

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        row, width = y + scroll_y, self.size.width
        base = self.rich_style
        board = self.board
        if board is None:
            return Strip.blank(width, base)
        start = scroll_x - self._indent  # in the drawing's columns
        lines = self.drawing.lines.text(row, start, start + width, self.ascii_only)
        pieces: list[Piece] = []
        for node_id in sorted(self.drawing.rows.get(row, ()), key=lambda one: self.drawing.spots[one].mark):
            spot = self.drawing.spots[node_id]
            if spot.right > start and spot.left < start + width:
                pieces += self._pieces(board.cards[node_id], spot)
        if pieces and pieces[0].column < start:
            # Cut on the left: compose from the first piece on, then crop.
            first = pieces[0].column
            strip = self.strip(pieces, first, width + start - first, base)
            strip = strip.crop(start - first, start - first + width)
        else:
            strip = self.strip(pieces, start, width, base, lines)
        here = self.drawing.spots.get(self.selected or "")
        if here is not None and here.y == row:
            left, right = max(0, here.x - start - (0 if self.rail else 2)), max(0, here.right - start)
            strip = Strip.join(
                [strip.crop(0, left), self.under_cursor(strip.crop(left, right)), strip.crop(right, width)]
            )
        return strip

    def _pieces(self, card: Card, spot: Spot) -> list[Piece]:
        node = card.node
        mark = look.of_step(node.state)
        pieces = [Piece(spot.mark, mark.sign(self.ascii_only), mark.tone, strong=node.state is StepState.RUNNING)]
        if spot.x > spot.mark + 1:
            lines = self.drawing.lines.text(spot.y, spot.mark + 1, spot.x, self.ascii_only)
            pieces.append(Piece(spot.mark + 1, lines, Tone.MUTED))
        label, title = self._label(card)
        figures = self._figures(card, spot.width, cell_len(label) + cell_len(title) + 3)
        room = spot.width - (cell_len(figures) + 1 if figures else 0)
        dim = node.state in (StepState.SKIPPED, StepState.CANCELLED, StepState.PENDING)
        tone = Tone.MUTED if dim else Tone.FAILED if node.state is StepState.FAILED else Tone.PLAIN
        text = words.fit(label, min(room, cell_len(label)), ascii_only=self.ascii_only)
        pieces.append(Piece(spot.x, text, tone, strong=not dim))
        used = cell_len(text)
        rest = f"  {title}" if title and room - used >= 8 else ""
        pieces.append(Piece(spot.x + used, words.fit(rest, room - used, ascii_only=self.ascii_only), Tone.MUTED))
        if figures:
            pieces.append(Piece(spot.x + room, f" {figures}", Tone.MUTED))
        return pieces

    def _label(self, card: Card) -> tuple[str, str]:
        """What names a node, and its longer title."""
        node = card.node
        again = f" #{card.attempt}" if card.attempt > 1 else ""
        if node.kind in (NodeKind.PLANNING, NodeKind.APPROVAL, NodeKind.TERMINATOR) or node.title == node.step:
            return words.flat(node.title) + again, ""
        return node.step + again, words.flat(node.title)

    def _figures(self, card: Card, width: int, named: int) -> str:
        """Elapsed time, and the cost where that leaves room for the name (`named` cells)."""
        elapsed = card.elapsed(self._clock())
        if elapsed is None or width < 18:
            return ""
        time = words.duration(elapsed).rjust(_FIGURES - 1)
        price = words.cost(card.cost) if card.cost.calls else ""
        return f"{price} {time}" if price and width - named > len(price) + _FIGURES else time

    def _natural(self, card: Card) -> int:
        label, title = self._label(card)
        return 2 + cell_len(label) + (2 + cell_len(title) if title else 0) + 2 * _FIGURES

    def _repaint(self, node_id: str) -> None:
        spot = self.drawing.spots.get(node_id)
        if spot is None:
            return
        x, y = self.scroll_offset
        region = Region(spot.left + self._indent - x, spot.y - y, spot.right - spot.left, 1)
        if region.overlaps(Region(0, 0, self.size.width, self.size.height)):
            self.refresh(region)

    # Moving

    def action_step(self, across: int, down: int) -> None:
        """Move the cursor to the neighbour in that direction, along an edge where there is one."""
        here = self.drawing.spots.get(self.selected or "")
        if here is None or self.board is None:
            return
        if across and not self.rail:
            row = self.drawing.rows[here.y]
            place = row.index(self.selected or "") + across
            if 0 <= place < len(row):
                self.select(row[place], by_hand=True)
            return
        levels = sorted(y for y, row in self.drawing.rows.items() if row)
        place = levels.index(here.y) + (down or across)
        if not 0 <= place < len(levels):
            return
        row = self.drawing.rows[levels[place]]
        near = self.board.downstream if down > 0 else self.board.upstream
        linked = {node.id for node in near(self.selected or "")}
        row = [one for one in row if one in linked] or row
        self.select(min(row, key=lambda one: abs(self.drawing.spots[one].mark - here.mark)), by_hand=True)

    def action_edge(self, place: int) -> None:
        """Move the cursor to the first (0) or last (-1) row."""
        levels = sorted(y for y, row in self.drawing.rows.items() if row)
        if levels:
            self.select(self.drawing.rows[levels[place]][0], by_hand=True)

    def action_open(self) -> None:
        """Go into the selected node."""
        if self.selected:
            self.post_message(NodeOpened(self.selected))

    def on_click(self, event: events.Click) -> None:
        x, y = self.scroll_offset
        column, row = event.x + x - self._indent, event.y + y
        for node_id in self.drawing.rows.get(row, ()):
            spot = self.drawing.spots[node_id]
            if spot.left <= column < spot.right:
                self.select(node_id, by_hand=True)

    def _reveal(self) -> None:
        spot = self.drawing.spots.get(self.selected or "")
        if spot is not None:
            region = Region(spot.left + self._indent, spot.y, spot.right - spot.left, 1)
            self.scroll_to_region(region, animate=False, force=True)
