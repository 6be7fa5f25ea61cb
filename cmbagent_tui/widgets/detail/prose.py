"""A text of any length that scrolls: its blocks are laid out in slices, its rows composed when they are seen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip

from cmbagent_tui.clipboard import to_terminal
from cmbagent_tui.slices import begin_at_once, in_slices
from cmbagent_tui.widgets.detail.blocks import Block
from cmbagent_tui.widgets.paint import Painted, safe
from cmbagent_tui.work import begin

_FIRST = 0.006  # seconds that laying out may take before the rest of it is done beside the keys


class Prose(Painted):
    """Text that scrolls: what is stored, and below it what comes in now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "line(1)", "Down", show=False, id="text.down", tooltip="A line down"),
        Binding("up,k", "line(-1)", "Up", show=False, id="text.up", tooltip="A line up"),
        Binding("home,g", "end_of(0)", "Top", show=False, id="text.top", tooltip="To the top"),
        Binding("end,G", "end_of(1)", "Bottom", show=False, id="text.bottom", tooltip="To the bottom"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="text.page_down", tooltip="A page down"),
        Binding("pageup,b", "page(-1)", "Page up", show=False, id="text.page_up", tooltip="A page up"),
        Binding("right,l", "screen.tab(1)", "Next tab", show=False, id="text.next_tab", tooltip="To the next tab"),
        Binding("left,h", "screen.tab(-1)", "Last tab", show=False, id="text.last_tab", tooltip="To the tab before"),
    ]

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self._blocks: list[Block] = []
        self._coming: list[Block] = []
        self._seen: Sequence[Block] = []  # what is painted: the blocks that were laid out last
        self._ends: list[int] = []  # the row behind each of those
        self._inks: dict[str, Style] = {}
        self._over: tuple[Block, int, str] | None = None
        self._over_due = False
        self._making = 0  # counts layouts: only the newest goes on
        self._work = self._lay_out([], 0)
        self._follows = False
        self._at_end = True  # where one was when the text was last scrolled: a pane that has shrunk since hides the end

    # What the pane calls

    def show(self, blocks: Sequence[Block], *, anew: bool, follows: bool = False) -> None:
        """Show a text: `anew` from its top (from its end, if it `follows`), else from where one is. One that follows
        stays at its end while one is there."""
        self._blocks = list(blocks)
        self._over = None
        self._follows = follows
        if anew:
            self._coming = []
            self._at_end = follows
        self._arrange(to_end=follows and self._at_end, to_top=anew and not follows)

    def show_coming(self, blocks: Sequence[Block]) -> None:
        """Show what is coming in now, below the rest."""
        if blocks or self._coming:
            self._coming = list(blocks)
            self._arrange(to_end=self._at_end and self._follows)

    def shows(self, block: Block) -> bool:
        """Whether a block is part of the text."""
        return any(block is one for one in self._blocks)

    def replace(self, block: Block, better: Block) -> None:
        """Put another block in a block's place."""
        self._blocks = [better if one is block else one for one in self._blocks]
        self._arrange()

    def lay_over(self, block: Block, rows: int, drawn: str) -> None:
        """Have the terminal draw something over the first rows of a block whenever these are painted anew."""
        self._over = (block, rows, drawn)
        self.refresh()

    @property
    def room(self) -> tuple[int, int]:
        """Columns and rows that are seen at once."""
        seen = self.scrollable_content_region
        return seen.width, seen.height

    @property
    def text(self) -> str:
        """All of it, to be copied."""
        return "\n".join(block.text for block in (*self._blocks, *self._coming))

    # Layout

    def _arrange(self, *, to_end: bool = False, to_top: bool = False) -> None:
        if not self.is_mounted or not self.size.width:
            return
        self._making += 1
        number, width = self._making, self.scrollable_content_region.width
        blocks = [*self._blocks, *self._coming]
        self._work.close()  # it would go on in another width
        work = self._work = self._lay_out(blocks, width)
        finished, ends = begin_at_once(work, _FIRST)
        if finished and ends is not None:
            self._take(blocks, ends, to_end, to_top)
            return
        if to_top:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)

        async def go_on() -> None:
            ends = await in_slices(work)
            if number == self._making and ends is not None:
                self._take(blocks, ends, to_end, to_top)

        begin(self, go_on, "prose")

    def _lay_out(self, blocks: Sequence[Block], width: int) -> Generator[None, None, list[int]]:
        ends: list[int] = []
        total = 0
        for block in blocks:
            total += yield from block.lay_out(width)
            ends.append(total)
        return ends

    def _take(self, blocks: Sequence[Block], ends: list[int], to_end: bool, to_top: bool) -> None:
        self._seen, self._ends = blocks, ends
        size = Size(max(1, self.scrollable_content_region.width), ends[-1] if ends else 0)
        if size != self.virtual_size:
            self.virtual_size = size
        if to_end:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True, immediate=True)
        elif to_top:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(to_end=self._follows and self._at_end)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._at_end = new_value >= self.max_scroll_y - 1

    # Painting

    def render_line(self, y: int) -> Strip:
        number, width = y + self.scroll_offset.y, self.size.width
        base = self.rich_style
        place = bisect_right(self._ends, number)
        if place >= len(self._ends):
            return Strip.blank(width, base)
        first = self._ends[place - 1] if place else 0
        try:
            row = self._seen[place].row(number - first)
        except IndexError:  # it is being laid out in another width, and is painted again in a moment
            return Strip.blank(width, base)
        if self._over is not None and self._seen[place] is self._over[0] and not self._over_due:
            self._over_due = True
            self.call_after_refresh(self._draw_over)
        segments = [Segment(safe(text), self._ink(style)) for text, style in row if text]
        strip = Strip(segments).adjust_cell_length(width, base)
        if (selection := self.text_selection) is not None and (span := selection.get_span(number)) is not None:
            start, end = span
            strip = self.over(strip, start, width if end == -1 else min(end, width), self._selected())
        return strip.apply_offsets(0, number)

    def _draw_over(self) -> None:
        """Draw what lies over a block, if all of that is on the screen."""
        self._over_due = False
        if self._over is None or self.app.screen is not self.screen or not self.is_on_screen:
            return
        block, rows, drawn = self._over
        place = next((number for number, one in enumerate(self._seen) if one is block), None)
        if place is None:
            return
        top = (self._ends[place - 1] if place else 0) - self.scroll_offset.y
        region = self.scrollable_content_region
        if top >= 0 and top + rows <= region.height:
            to_terminal(self.app, f"\x1b7\x1b[{region.y + top + 1};{region.x + 1}H{drawn}\x1b8")

    def _ink(self, style: str | Style) -> Style:
        """A style in Textual's words, on this widget's ground."""
        if isinstance(style, Style):
            return style
        found = self._inks.get(style)
        if found is None:
            look = self.visual_style
            for part in filter(None, style.split("|")):
                look += self.app.stylesheet.parse_style(part)
            found = self._inks[style] = look.rich_style
        return found

    def _selected(self) -> Style:
        return self.screen.get_component_rich_style("screen--selection")

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._inks.clear()

    # Selection by mouse

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, as it is seen."""
        rows = [
            "".join(text for text, _ in block.row(row)).rstrip()
            for block, end, start in zip(self._seen, self._ends, [0, *self._ends], strict=False)
            for row in range(end - start)
        ]
        return selection.extract("\n".join(rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    # Keys

    def action_line(self, by: int) -> None:
        """Scroll by a line."""
        self.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by a page."""
        self.scroll_relative(y=by * max(1, self.scrollable_content_region.height - 1), animate=False)

    def action_end_of(self, end: int) -> None:
        """Scroll to the top (0) or the end (1)."""
        self.scroll_to(y=self.max_scroll_y if end else 0, animate=False)
