"""A list, and below it what the chosen row holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from cmbagent_tui.messages import RowHighlighted
from cmbagent_tui.widgets.detail.blocks import Block
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin

_SEEN = 12  # rows of the list at most


class ListedRows(Rows):
    """The list: from it one goes to the tabs beside, and into the text below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "screen.tab(1)", "Next tab", show=False, id="files.next_tab", tooltip="To the next tab"),
        Binding("left,h", "screen.tab(-1)", "Last tab", show=False, id="files.last_tab", tooltip="To the tab before"),
        Binding(
            "ctrl+d", "below(1)", "Text down", show=False, id="files.below", tooltip="A page down in the text below"
        ),
        Binding("ctrl+u", "below(-1)", "Text up", show=False, id="files.above", tooltip="A page up in the text below"),
    ]

    def action_below(self, by: int) -> None:
        """Scroll the text below."""
        if isinstance(self.parent, Listing):
            self.parent.preview.action_page(by)


class Listing(Widget):
    """The list and the text. A subclass fills the list and says what a row holds."""

    def __init__(self, rows: ListedRows, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = rows
        self.preview = Prose(ascii_only=ascii_only, id=f"{id}-preview")
        self._previewed: object = None  # what stands in the preview

    def compose(self) -> ComposeResult:
        yield self.rows
        yield self.preview

    def chosen_key(self) -> object:
        """What tells the chosen row from others, whatever came in before it; None: there is none."""
        raise NotImplementedError

    async def blocks(self) -> Sequence[Block]:
        """What the chosen row holds."""
        raise NotImplementedError

    def listed(self, cursor: int) -> None:
        """The list was filled: take its height over, and put the cursor on a row."""
        self.rows.styles.height = min(max(1, self.rows.count), _SEEN)
        self.rows.resized()
        self.rows.go(cursor)

    async def fill_preview(self) -> None:
        """Show what the chosen row holds."""
        key = self.chosen_key()
        blocks = await self.blocks()
        self.preview.show(blocks, anew=key != self._previewed)
        self._previewed = key

    async def on_row_highlighted(self, message: RowHighlighted) -> None:
        message.stop()
        begin(self, self.fill_preview, "preview", exclusive=True)
