"""The detail pane: a strip of tabs, and under it the text of one section, or a list with what its rows hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget

from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.detail.about import About, Kept
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, line
from cmbagent_tui.widgets.detail.coming import Coming
from cmbagent_tui.widgets.detail.files import FilesSection
from cmbagent_tui.widgets.detail.journal import JournalSection
from cmbagent_tui.widgets.detail.listing import Listing
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.detail.tabs import TABS, TabStrip
from cmbagent_tui.work import begin
from engine.model.events import Event, EventKind, Phase

if TYPE_CHECKING:
    from engine import Engine

_EVENTFUL = 0.4  # seconds between two reloads of what is shown while events come in
_ENDED = ("output", "messages")  # tabs that are read from their end, and that show what comes in
# What has to happen for a tab to be read again.
_CONCERNS: dict[str, frozenset[EventKind]] = {
    "plan": frozenset({EventKind.PLAN, EventKind.APPROVAL, EventKind.RUN_STATE}),
    "code": frozenset({EventKind.FILE_GEN, EventKind.CODE_EXEC}),
    "output": frozenset({EventKind.CODE_EXEC, EventKind.OUTPUT, EventKind.NODE_STATE}),
    "files": frozenset({EventKind.FILE_GEN}),
    "messages": frozenset({EventKind.MESSAGE, EventKind.MODEL_CALL, EventKind.TOOL_CALL, EventKind.AGENT_CALL}),
    "journal": frozenset({EventKind.MODEL_CALL, EventKind.TOOL_CALL, EventKind.NODE_STATE, EventKind.APPROVAL}),
}


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
        self.engine = engine
        self._clock = clock
        self._ascii = ascii_only
        self.board: Board | None = None
        self.node_id: str | None = None
        self.event: Event | None = None
        self.tab = "summary"
        self._shown: tuple[str, str | None] | None = None  # (tab, node or event) whose text stands there
        self._stale = False
        self._kept = Kept()
        self._coming = Coming(ascii_only=ascii_only)
        self._printing: dict[str, bool] = {}  # by the event that a stream belongs to: whether code prints it

    def compose(self) -> ComposeResult:
        yield TabStrip(id="tabs")
        yield Prose(ascii_only=self._ascii, id="prose")
        yield FilesSection(self.engine, ascii_only=self._ascii, id="files")
        yield JournalSection(ascii_only=self._ascii, id="journal")

    def on_mount(self) -> None:
        for listing in self.query(Listing):
            listing.display = False
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

    def show_file(self, board: Board, node_id: str, path: str) -> None:
        """Show a file that a node wrote."""
        self.query_one(FilesSection).wanted = path
        self.show(board, node_id, "files")

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
        """Take note of what happened; what is shown is read again shortly if it concerns that."""
        for event in new:
            if event.kind is EventKind.CODE_EXEC and event.phase is Phase.START:
                self._printing[event.id] = True
            elif event.kind is EventKind.MODEL_CALL and event.phase is Phase.START:
                self._printing[event.id] = False
        if self.node_id in changed.streams:
            self._stream()
        kinds = _CONCERNS.get(self.tab)
        if self.tab == "event":
            return
        if kinds is None:
            self._stale |= self.node_id in changed.nodes or any(event.node_id == self.node_id for event in new)
        else:
            self._stale |= any(event.kind in kinds and event.node_id in (self.node_id, None) for event in new)

    def focus_inside(self) -> None:
        """Focus what scrolls."""
        self.screen.set_focus(listing.rows if (listing := self.listing) else self.query_one("#prose", Prose))

    @property
    def listing(self) -> Listing | None:
        """The list that is shown, if the tab is one."""
        return self.query_one(f"#{self.tab}", Listing) if self.tab in ("files", "journal") else None

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return (listing.preview if (listing := self.listing) else self.query_one("#prose", Prose)).text

    def about(self) -> About | None:
        """What is needed to say more of the node, if one is shown."""
        card = self._card()
        if self.board is None or card is None:
            return None
        return About(self.engine, self.board, card, self._clock(), self._ascii, self._kept)

    # Loading

    def _catch_up(self) -> None:
        if self._stale and self.display:
            self._load()

    def _card(self) -> Card | None:
        return self.board.cards.get(self.node_id or "") if self.board else None

    def _load(self) -> None:
        self._stale = False
        try:
            strip, prose = self.query_one(TabStrip), self.query_one("#prose", Prose)
        except NoMatches:  # before it is mounted
            return
        strip.show(self.tab, with_event=self.event is not None)
        was_focused = self.has_focus_within
        for listing in self.query(Listing):
            listing.display = listing.id == self.tab
        prose.display = self.listing is None
        if was_focused and not (self.screen.focused and self.screen.focused.display):
            self.focus_inside()
        if self.board is not None:
            begin(self, self._fill, "detail", exclusive=True)

    async def _fill(self) -> None:
        board, shown, about = self.board, self.event, self.about()
        if board is None:
            return
        listing = self.listing
        if isinstance(listing, FilesSection):
            await listing.show(board.run.id, self.node_id)
            return
        if isinstance(listing, JournalSection):
            if about is not None:
                await listing.show(about)
            return
        blocks: Sequence[Block]
        if self.tab == "event" and shown is not None:
            from cmbagent_tui.widgets.detail import event_text

            blocks = await event_text.event(self.engine, board, shown, board.run.started_at)
        elif about is None:
            blocks = [line(("Select a step to see what it is about.", MUTED))]
        else:
            blocks = await self._section(about)
        key = (self.tab, shown.id if self.tab == "event" and shown else self.node_id)
        anew, self._shown = key != self._shown, key
        self.query_one("#prose", Prose).show(blocks, anew=anew, follows=self.tab in _ENDED)
        self._stream()

    async def _section(self, about: About) -> Sequence[Block]:
        from cmbagent_tui.widgets.detail import summary, texts

        section: dict[str, Callable[[About], Awaitable[Sequence[Block]]]] = {
            "summary": summary.summary,
            "plan": texts.plan,
            "code": texts.code,
            "output": texts.output,
            "messages": texts.messages,
        }
        return await section[self.tab](about)

    # What comes in

    def _stream(self) -> None:
        """Show what the model is saying or the code is printing, where that is shown."""
        card = self._card()
        stream = card.stream if card and self.tab in _ENDED else ""
        printed = False
        if card and stream and card.stream_id is not None:
            if card.stream_id not in self._printing:
                self._printing[card.stream_id] = False
                begin(self, self._learn_streams, "streams", exclusive=True)
            printed = self._printing[card.stream_id]
        if printed and self.tab == "messages":
            stream = ""
        self.query_one("#prose", Prose).show_coming(self._coming.blocks(stream, printed=printed))

    async def _learn_streams(self) -> None:
        """Find out what prints in this node: it may have begun before the screen was opened."""
        if self.board is None or self.node_id is None:
            return
        runs = await self.engine.events(
            self.board.run.id, node_id=self.node_id, kinds=[EventKind.CODE_EXEC], newest=True, limit=8
        )
        self._printing |= {event.id: True for event in runs if event.phase is Phase.START}
        self._stream()

    def on_click(self, event: events.Click) -> None:
        if isinstance(event.widget, TabStrip) and (tab := event.widget.tab_at(event.x)):
            self.show_tab(tab)
