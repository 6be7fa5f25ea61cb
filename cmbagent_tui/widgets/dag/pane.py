"""The DAG pane: the picture, a line to find a step in, and on the frame which part of it all is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.messages import NodeHighlighted
from cmbagent_tui.widgets.dag.finding import found
from cmbagent_tui.widgets.dag.moving import in_order
from cmbagent_tui.widgets.dag.view import DagView


class DagPane(Vertical):
    """The steps of a run, with what finds one among them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Find", show=False, id="dag.find", tooltip="Find a step by its id, title or agent"),
        Binding("n", "next(1)", "Next", show=False, id="dag.next", tooltip="To the next step that was found"),
        Binding("N", "next(-1)", "Before", show=False, id="dag.before", tooltip="To the step found before"),
        Binding("escape", "leave", "Leave", show=False, id="dag.leave", tooltip="Leave the search, or the zoom"),
    ]

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._between = " | " if ascii_only else " · "
        self._view = DagView(clock, ascii_only=ascii_only, id="dag-view")
        self._found: list[str] = []
        self._came_from: str | None = None  # where the cursor was before the search

    def compose(self) -> ComposeResult:
        yield self._view
        with Horizontal(id="dag-finder") as finder:
            yield Static("/", markup=False)
            yield Input(placeholder="a step's id, title or agent", compact=True, id="dag-find")
        finder.display = False

    def on_mount(self) -> None:
        self.watch(self._view, "position", self._tell)
        self.watch(self._view, "drawn", self._tell)

    def _open_line(self, opened: bool) -> None:
        self.query_one("#dag-finder").display = opened
        if opened:
            self.screen.set_focus(self.query_one("#dag-find", Input))
        else:
            self.focus_inside()

    def focus_inside(self) -> None:
        """Focus the picture."""
        self.screen.set_focus(self._view)

    def _tell(self) -> None:
        """Say on the frame what is seen of how much."""
        view = self._view
        parts = [view.position] if view.position else []
        if view.zoom is not None and view.board is not None:
            centre = view.board.cards[view.zoom[0]].node.step
            parts.insert(0, f"near {centre}: {len(view.drawing.spots)} of {len(view.board.cards)}")
        if self._found:
            place = self._found.index(view.selected) + 1 if view.selected in self._found else "-"
            parts.insert(0, f"found {place} of {len(self._found)}")
        self.border_subtitle = Content(self._between.join(parts))

    # Finding

    def action_find(self) -> None:
        """Open the line to find a step in."""
        self._came_from = self._view.selected
        self.query_one("#dag-find", Input).value = ""
        self._open_line(True)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        view = self._view
        if view.board is None:
            return
        fits = found(view.board.ordered(), event.value)
        self._found = in_order(view.drawing, fits)
        view.mark_found(self._found)
        best = min(self._found, key=fits.__getitem__) if fits else self._came_from
        if best is not None:
            self._go(best)
        self._tell()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._open_line(False)
        if not self._found and event.value.strip():
            self.notify("No step fits that.", markup=False)

    def _go(self, node_id: str) -> None:
        """Put the cursor on a step and say so: what the picture says while this pane is heard goes no further."""
        self._view.select(node_id)
        self.post_message(NodeHighlighted(node_id, by_hand=True))

    def action_next(self, by: int) -> None:
        """Go to another step that was found."""
        view = self._view
        if not self._found:
            self.notify(f"Press {key_now(self, 'dag.find')} first, to find steps.", markup=False)
            return
        here = self._found.index(view.selected) if view.selected in self._found else -1 if by > 0 else 0
        view.select(self._found[(here + by) % len(self._found)], by_hand=True)
        self._tell()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to leave while something is looked for, or near one step alone; else escape leads on."""
        if action != "leave":
            return super().check_action(action, parameters)
        return bool(self._found or self._view.zoom or self.query_one("#dag-finder").display)

    def action_leave(self) -> None:
        """Leave the search where it began, or the zoom."""
        if self.query_one("#dag-finder").display:
            self._open_line(False)
            if self._came_from is not None:
                self._go(self._came_from)
        elif self._view.zoom is not None:
            self._view.action_zoom()
            return
        self._found = []
        self._view.mark_found(())
        self._tell()
