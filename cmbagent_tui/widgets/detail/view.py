"""The detail pane: a strip of tabs, and under it the text of one section or the list of files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.detail.files import FilesSection
from cmbagent_tui.widgets.detail.tabs import TABS, TabStrip
from cmbagent_tui.work import begin
from engine.model.events import Event

if TYPE_CHECKING:
    from engine import Engine
    from engine.model.records import RunView

_EVENTFUL = 0.4  # seconds between two reloads of what is shown while events come in


class Prose(VerticalScroll):
    """Text that scrolls: what is stored, and below it what the model is saying now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="text.down", tooltip="A line down"),
        Binding("k", "scroll_up", "Up", show=False, id="text.up", tooltip="A line up"),
        Binding("g", "scroll_home", "Top", show=False, id="text.top", tooltip="To the top"),
        Binding("G", "scroll_end", "Bottom", show=False, id="text.bottom", tooltip="To the bottom"),
        Binding("space", "page_down", "Page down", show=False, id="text.page_down", tooltip="A page down"),
        Binding("b", "page_up", "Page up", show=False, id="text.page_up", tooltip="A page up"),
        Binding("right,l", "screen.tab(1)", "Next tab", show=False, id="text.next_tab", tooltip="To the next tab"),
        Binding("left,h", "screen.tab(-1)", "Last tab", show=False, id="text.last_tab", tooltip="To the tab before"),
    ]

    def compose(self) -> ComposeResult:
        yield Static(id="text", markup=False)
        yield Static(id="stream", markup=False)


class NodeDetail(Widget):
    """What the selected node (or event) is about."""

    class TabShown(Message):
        """Another tab is shown."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(
        self, engine: Engine, clock: Callable[[], datetime], *, ascii_only: bool = False, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._engine = engine
        self._clock = clock
        self._ascii = ascii_only
        self.board: Board | None = None
        self.node_id: str | None = None
        self.event: Event | None = None
        self.tab = "summary"
        self._shown: tuple[str, str | None] | None = None  # (tab, node or event) whose text stands there
        self._stale = False
        self._view: RunView | None = None

    def compose(self) -> ComposeResult:
        yield TabStrip(id="tabs")
        yield Prose(id="prose")
        yield FilesSection(self._engine, ascii_only=self._ascii, id="files")

    def on_mount(self) -> None:
        self.query_one(FilesSection).display = False
        self.set_interval(_EVENTFUL, self._catch_up)

    # What the screen calls

    def show(self, board: Board, node_id: str | None, tab: str | None = None) -> None:
        """Show a node, in the tab that was shown or in the given one."""
        self.board = board
        self.node_id = node_id
        if tab is not None:
            self.tab = tab
        if self.tab == "event":
            self.tab = "summary"
        self.event = None
        self._load()

    def show_event(self, board: Board, event: Event) -> None:
        """Show an event."""
        self.board = board
        self.event = event
        self.tab = "event"
        self._load()

    def show_tab(self, tab: str) -> None:
        """Show another tab."""
        if tab == "event" and self.event is None:
            return
        self.tab = tab
        self._load()
        self.post_message(self.TabShown(tab))

    def step_tab(self, by: int) -> None:
        """Go to the tab beside this one."""
        names = [name for name, _, _ in TABS if name != "event" or self.event is not None]
        place = names.index(self.tab) if self.tab in names else 0
        self.show_tab(names[(place + by) % len(names)])

    def update_from(self, changed: Changed, new: Sequence[Event]) -> None:
        """Take note of what happened; the text is read again shortly if it concerns this node."""
        if self.node_id in changed.streams:
            self._stream()
        if self.tab != "event" and (
            self.node_id in changed.nodes or any(event.node_id == self.node_id for event in new)
        ):
            self._stale = True

    def focus_inside(self) -> None:
        """Focus what scrolls."""
        target = self.query_one(FilesSection).rows if self.tab == "files" else self.query_one(Prose)
        self.screen.set_focus(target)

    # Loading

    def _catch_up(self) -> None:
        if self._stale and self.display:
            self._load()

    def _card(self) -> Card | None:
        return self.board.cards.get(self.node_id or "") if self.board else None

    def _load(self) -> None:
        self._stale = False
        try:
            strip, files = self.query_one(TabStrip), self.query_one(FilesSection)
        except NoMatches:  # before it is mounted
            return
        strip.show(self.tab, with_event=self.event is not None)
        was_focused = self.has_focus_within
        files.display = self.tab == "files"
        self.query_one(Prose).display = self.tab != "files"
        if was_focused and not (self.screen.focused and self.screen.focused.display):
            self.focus_inside()
        if self.board is None:
            return
        if self.tab == "files":
            files.show(self.board.run.id, self.node_id)
        begin(self, self._fill, "detail", exclusive=True)

    async def _fill(self) -> None:
        board, card, shown = self.board, self._card(), self.event
        if board is None or self.tab == "files":
            return
        text: Content
        if self.tab == "event" and shown is not None:
            from cmbagent_tui.widgets.detail import event_text

            text = await event_text.event(self._engine, board, shown, board.run.started_at)
        elif card is None:
            text = Content("Select a step to see what it is about.")
        else:
            text = await self._section(board, card)
        key = (self.tab, shown.id if self.tab == "event" and shown else self.node_id)
        prose = self.query_one(Prose)
        at_end = prose.scroll_offset.y >= prose.max_scroll_y - 1 and self.tab == "output"
        prose.query_one("#text", Static).update(text)
        if key != self._shown:
            prose.scroll_to(y=0, animate=False, force=True)
        elif at_end:
            prose.scroll_end(animate=False)
        self._shown = key
        self._stream()

    async def _section(self, board: Board, card: Card) -> Content:
        from cmbagent_tui.widgets.detail import texts

        if self.tab == "summary":
            view = await self._whole(board)
            return await texts.summary(self._engine, board, card, view.attempts, self._clock(), self._ascii)
        if self.tab == "plan":
            width = self.query_one(Prose).scrollable_content_region.width
            plan = (await self._whole(board)).run.plan
            return await texts.plan(self._engine, board, card, plan, self._ascii, width)
        section: Callable[..., Awaitable[Content]] = {
            "code": texts.code,
            "output": texts.output,
            "messages": texts.messages,
        }[self.tab]
        return await section(self._engine, board, card, self._ascii)

    async def _whole(self, board: Board) -> RunView:
        """The run as it is stored, read again only when something has happened since."""
        if self._view is None or self._view.last_seq < board.last_seq:
            self._view = await self._engine.view(board.run.id)
        return self._view

    def _stream(self) -> None:
        """Show what the model is saying, where output and messages are shown."""
        card = self._card()
        stream = card.stream if card and self.tab in ("output", "messages") else ""
        prose = self.query_one(Prose)
        widget = prose.query_one("#stream", Static)
        if not stream:
            if widget.display:
                widget.display = False
            return
        at_end = prose.scroll_offset.y >= prose.max_scroll_y - 1
        tail = "\n".join(stream.splitlines()[-200:])
        widget.display = True
        widget.update(Content.assemble(("\nthe model is writing\n", "bold $text-accent"), tail))
        if at_end:
            prose.scroll_end(animate=False)

    def on_resize(self) -> None:
        if self.tab == "plan":
            self._stale = True

    def on_click(self, event: events.Click) -> None:
        if isinstance(event.widget, TabStrip) and (tab := event.widget.tab_at(event.x)):
            self.show_tab(tab)
