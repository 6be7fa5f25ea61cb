"""A list painted line by line: as many rows as one likes, of which only the visible ones are ever composed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip

from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.widgets.paint import Painted, Piece


class Rows(Painted):
    """A list with a cursor. A subclass gives `count` and `pieces`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="list.down", tooltip="To the next row"),
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up", tooltip="To the row above"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="list.page_down", tooltip="A page down"),
        Binding("pageup,b", "page(-1)", "Page up", show=False, id="list.page_up", tooltip="A page up"),
        Binding("home,g", "jump(0)", "First", show=False, id="list.first", tooltip="To the first row"),
        Binding("end,G", "jump(-1)", "Last", show=False, id="list.last", tooltip="To the last row"),
        Binding("enter", "open", "Open", id="list.open", tooltip="Open what the cursor is on"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def pieces(self, index: int, width: int) -> list[Piece]:
        """What a row shows, in order of column, within `width` cells."""
        raise NotImplementedError

    def resized(self) -> None:
        """Take a changed `count` over; the cursor stays on a row that exists."""
        size = Size(max(1, self.container_size.width), self.count)
        if size != self.virtual_size:
            self.virtual_size = size
        if self.cursor >= self.count:
            self.cursor = max(0, self.count - 1)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.resized()
        self.reveal()

    def render_line(self, y: int) -> Strip:
        index, width = y + self.scroll_offset.y, self.size.width
        base = self.rich_style
        if not 0 <= index < self.count:
            return Strip.blank(width, base)
        strip = self.strip(self.pieces(index, width), 0, width, base)
        if index == self.cursor:
            strip = self.under_cursor(strip)
        return strip

    def watch_cursor(self, before: int, after: int) -> None:
        self.refresh_line(before)
        self.refresh_line(after)
        if self.is_mounted and before != after:
            self.post_message(RowHighlighted(after))

    def reveal(self) -> None:
        """Scroll so that the cursor is seen."""
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)

    def go(self, index: int) -> None:
        """Put the cursor on a row, as near as there is one."""
        self.cursor = max(0, min(index, self.count - 1))
        self.reveal()

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.go(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.go(self.cursor + by * max(1, self.size.height - 1))

    def action_jump(self, place: int) -> None:
        """Move the cursor to the first (0) or last (-1) row."""
        self.go(0 if place == 0 else self.count - 1)

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.count:
            self.post_message(RowOpened(self.cursor))

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if 0 <= index < self.count:
            self.go(index)
            if event.chain == 2:
                self.action_open()
