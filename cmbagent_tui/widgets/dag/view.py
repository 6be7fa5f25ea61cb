"""The DAG pane's picture with its keys: what of the board is drawn, and where the cursor is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size

from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.messages import NodeHighlighted, NodeOpened
from cmbagent_tui.slices import begin_at_once, in_slices
from cmbagent_tui.state.board import Board
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.dag import moving
from cmbagent_tui.widgets.dag.layout import Made, Wanted, make
from cmbagent_tui.widgets.dag.picture import DagPicture
from cmbagent_tui.work import begin
from engine.model.states import StepState

RAIL_BELOW = 100  # columns of the terminal; in fewer, steps are listed one a row, with their lines in lanes
_FIRST = 0.006  # seconds that a layout may take before the rest of it is done beside the keys
_HOPS = 9  # edges around a node at most, when one looks at its neighbourhood


class DagView(DagPicture):
    """The run's DAG. The cursor is the selected node."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "down", "Down", show=False, id="dag.down", tooltip="Down along an edge, or into a step"),
        Binding("up,k", "up", "Up", show=False, id="dag.up", tooltip="Up along an edge, or within a step"),
        Binding("right,l", "beside(1)", "Right", show=False, id="dag.right", tooltip="To the next step beside"),
        Binding("left,h", "beside(-1)", "Left", show=False, id="dag.left", tooltip="To the step beside"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="dag.page_down", tooltip="A page of steps down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="dag.page_up", tooltip="A page of steps up"),
        Binding("home,g", "edge(0)", "First", show=False, id="dag.first", tooltip="To the first step"),
        Binding("end,G", "edge(-1)", "Last", show=False, id="dag.last", tooltip="To the last step"),
        Binding("enter", "open", "Look inside", id="dag.open", tooltip="Go to the selected step's details"),
        Binding("space", "fold", "Fold", show=False, id="dag.fold", tooltip="Unfold or fold what hangs under a step"),
        Binding("U", "fold_all", "Fold all", show=False, id="dag.fold_all", tooltip="Unfold or fold every step"),
        Binding("z", "zoom", "Zoom", show=False, id="dag.zoom", tooltip="Show only what is near the step, or all"),
        Binding("plus", "hops(1)", "Wider", show=False, id="dag.wider", tooltip="Show more of what is near"),
        Binding("minus", "hops(-1)", "Nearer", show=False, id="dag.nearer", tooltip="Show less of what is near"),
        Binding("v", "list", "List", show=False, id="dag.list", tooltip="Show a list of steps, or the graph"),
        Binding("m", "map", "Map", show=False, id="dag.map", tooltip="Show or hide a map of all steps"),
    ]

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(clock, id=id, ascii_only=ascii_only)
        self.zoom: tuple[str, int] | None = None
        self._listed = False  # a person wants the list where there is room for the graph
        self._making = False
        self._again = False
        self._reveals = False  # the next drawing is scrolled to the cursor, even if that was not seen before

    @property
    def rail(self) -> bool:
        """Whether steps are listed one a row."""
        return self._listed or self.ascii_only or self.app.size.width < RAIL_BELOW

    # What the screen calls

    def show(self, board: Board, selected: str | None) -> None:
        """Show a board, with the cursor on a node (or on the first)."""
        self.board = board
        self.selected = selected if selected in board.cards else None
        self._reveals = True
        self.lay_out()

    def update_from(self, changed: Changed) -> None:
        """Repaint what changed, and the steps above it, whose marks count it."""
        cards = self.board.cards if self.board else {}
        for node_id in changed.nodes:
            at: str | None = node_id
            for _ in range(_HOPS):
                self._repaint(at)
                at = cards[at].node.parent_node_id if at in cards else None
                if at is None:
                    break
        if changed.structure:
            self.lay_out()

    def tick(self) -> None:
        """Repaint the nodes whose elapsed time goes on."""
        if self.board is not None:
            for node_id, card in self.board.cards.items():
                if card.node.state is StepState.RUNNING:
                    self._repaint(node_id)

    def select(self, node_id: str, *, by_hand: bool = False) -> None:
        """Move the cursor, and say so. What is hidden in a folded step, or by the zoom, comes to light."""
        if self.board is None or node_id not in self.board.cards:
            return
        before, self.selected = self.selected, node_id
        if node_id not in self.drawing.spots:
            self._bring_to_light(node_id)
        self._look_near()
        self._repaint(before)
        self._repaint(node_id)
        self._reveal()
        if before != node_id:
            self.post_message(NodeHighlighted(node_id, by_hand))

    # Layout

    def lay_out(self) -> None:
        """Have the drawing made anew if it would be another one: at once if that is quick, else beside the keys."""
        board = self.board
        if board is None or not self.size.width:
            return
        if self._making:
            self._again = True
            return
        width = (self.container_size.width or self.size.width) - 2
        wanted = Wanted(board.ordered(), list(board.edges), set(self._unfolded), self.zoom, self.rail, width)
        work = make(wanted, self._made)
        finished, made = begin_at_once(work, _FIRST)
        if finished:
            self._take(made)
            return
        self._making = True

        async def go_on() -> None:
            try:
                self._take(await in_slices(work))
            finally:
                self._making = False
            if self._again:
                self._again = False
                self.lay_out()

        begin(self, go_on, "layout")

    def _take(self, made: Made | None) -> None:
        """Paint a new drawing. The cursor stays where it is on the screen, if it was seen."""
        reveals, self._reveals = self._reveals, False
        before = self._seen_at()
        if made is not None:
            room = (self.container_size.width or self.size.width) - made.drawing.width
            same_place = (made.width, made.zoom, made.rail) == (self._made.width, self._made.zoom, self._made.rail)
            if not (same_place and 0 < self._indent <= room):
                self._indent = 1 if made.rail else max(1, room // 2)
            self._made, self._map = made, None
            self._put_cursor()
            self._look_near()
            self.virtual_size = Size(self.drawing.width + self._indent, self.drawing.height)
            spot = self.drawing.spots.get(self.selected or "")
            if spot is not None and before is not None and not reveals:
                x, y = spot.left + self._indent - before.x, spot.y - before.y
                self.scroll_to(x, y, animate=False, force=True, immediate=True)
                self._reveal(around=0)
            else:
                self._reveal()
            self._tell_position()
            self.drawn += 1
            self.refresh()
        elif reveals:
            self._reveal()

    def _put_cursor(self) -> None:
        """See that the cursor is on a node that is drawn."""
        if self.selected in self.drawing.spots:
            return
        scene, before = self._made.scene, self.selected
        nearest = scene.stands_for.get(before or "")
        self.selected = nearest if nearest in self.drawing.spots else next(iter(scene.blocks), None)
        if self.selected and self.selected != before:
            self.post_message(NodeHighlighted(self.selected, by_hand=False))

    def _bring_to_light(self, node_id: str) -> None:
        assert self.board is not None
        cards, at = self.board.cards, node_id
        seen = {node_id}
        while (parent := cards[at].node.parent_node_id) is not None and parent in cards and parent not in seen:
            self._unfolded.add(parent)
            seen.add(parent)
            at = parent
        if self.zoom is not None:
            self.zoom = (at, self.zoom[1])
        self._reveals = True
        self.lay_out()

    def on_resize(self, event: events.Resize) -> None:
        self._reveals = True
        self.lay_out()
        self._tell_position()

    # Keys

    def _go(self, node_id: str | None) -> None:
        if node_id is not None:
            self.select(node_id, by_hand=True)

    def action_down(self) -> None:
        """Go to the row below in a list; else into the step, or to what waits for it."""
        if self.selected in self.drawing.spots:
            listed = self._made.rail
            self._go(
                moving.by_rows(self.drawing, self.selected, 1)
                if listed
                else moving.below(self.drawing, self._made.scene, self.selected)
            )

    def action_up(self) -> None:
        """Go to the row above in a list; else to the step's row above, or to what it waits for."""
        if self.selected in self.drawing.spots:
            listed = self._made.rail
            self._go(
                moving.by_rows(self.drawing, self.selected, -1)
                if listed
                else moving.above(self.drawing, self._made.scene, self.selected)
            )

    def action_beside(self, by: int) -> None:
        """Go to the neighbour in the row; in a list, along an edge."""
        if self.selected in self.drawing.spots:
            scene = self._made.scene
            self._go(
                moving.along(scene, self.selected, by)
                if self._made.rail
                else moving.beside(self.drawing, scene, self.selected, by)
            )

    def action_page(self, by: int) -> None:
        """Go as many rows as are seen."""
        if self.selected in self.drawing.spots:
            self._go(moving.by_rows(self.drawing, self.selected, by * max(1, self.scrollable_size.height - 1)))

    def action_edge(self, place: int) -> None:
        """Go to the first (0) or last (-1) row."""
        rows = sorted(y for y, row in self.drawing.rows.items() if row)
        if rows:
            self._go(self.drawing.rows[rows[place]][0])

    def action_open(self) -> None:
        """Go into the selected node."""
        if self.selected:
            self.post_message(NodeOpened(self.selected))

    def action_fold(self) -> None:
        """Unfold the selected step, or fold it; on what hangs under one, fold that."""
        inside, card = self._made.scene.inside, self.board.cards.get(self.selected or "") if self.board else None
        if card is None:
            return
        step = card.node.id if card.node.id in inside else card.node.parent_node_id
        if step not in inside:
            self.notify("Nothing hangs under this step.", markup=False)
            return
        self._unfolded ^= {step}
        self.lay_out()

    def action_fold_all(self) -> None:
        """Unfold every step, or fold all when there is nothing left to unfold."""
        inside = set(self._made.scene.inside)
        if not inside:
            self.notify("Nothing hangs under any step.", markup=False)
            return
        self._unfolded = set() if inside <= self._unfolded else inside
        self.lay_out()

    def action_zoom(self) -> None:
        """Show the selected step with what it waits for and what waits for it, or everything again."""
        centre = self._made.scene.head(self.selected) if self.selected else None
        self.zoom = (centre, 1) if self.zoom is None and centre is not None else None
        self._reveals = True
        self.lay_out()

    def action_hops(self, by: int) -> None:
        """Show more or less of what is near."""
        if self.zoom is None:
            self.notify(f"Press {key_now(self, 'dag.zoom')} first: it shows only what is near a step.", markup=False)
            return
        self.zoom = (self.zoom[0], max(1, min(_HOPS, self.zoom[1] + by)))
        self.lay_out()

    def action_list(self) -> None:
        """Show the list where there is room for the graph, or the graph again."""
        self._listed = not self._listed
        if not self._listed and self.rail:
            self.notify(f"The graph needs {RAIL_BELOW} columns, and more than ASCII.", markup=False)
        self._reveals = True
        self.lay_out()

    def action_map(self) -> None:
        """Show or hide the map."""
        if not self.position:
            self.notify("All steps are on the screen: there is nothing to map.", markup=False)
            return
        self._mapped = not self._mapped
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        x, y = self.scroll_offset
        column, row = event.x + x - self._indent, event.y + y
        for node_id in self.drawing.rows.get(row, ()):
            spot = self.drawing.spots[node_id]
            if spot.left <= column < spot.right:
                self.select(node_id, by_hand=True)
