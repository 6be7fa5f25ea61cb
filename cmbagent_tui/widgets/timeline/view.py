"""The timeline pane: a list over Pages that follows the newest event until a person scrolls away from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial

from rich.cells import cell_len
from textual.geometry import Size

from cmbagent_tui import words
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import EventHighlighted, EventOpened
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.widgets.timeline.pages import PAGE, Pages
from cmbagent_tui.widgets.timeline.wording import mark_of, words_of
from cmbagent_tui.work import begin
from engine.model.events import Event, Phase

_TIME = 8  # cells of the time column
_STEP = 14
_AGENT = 11
_WIDE, _WIDER = 70, 100  # from these widths on, the step has a column, and the agent


class Timeline(Rows):
    """A run's events. Rows are sequence numbers less one."""

    def __init__(
        self,
        read: Callable[[int, int], Awaitable[list[Event]]],
        *,
        step_of: Callable[[str | None], str],
        ascii_only: bool = False,
        id: str | None = None,
    ) -> None:
        """`read(after, limit)` reads a page from the engine; `step_of` names the step of a node."""
        super().__init__(id=id, ascii_only=ascii_only)
        self._read = read
        self._step_of = step_of
        self._pages = Pages()
        self._reading: set[int] = set()
        self._newest = 0
        self._began: datetime | None = None
        self.following = True

    @property
    def count(self) -> int:
        return self._newest

    # What the screen calls

    def open(self, newest: int, began: datetime | None) -> None:
        """Begin with events 1 to `newest`; times are shown from `began` on."""
        self._began = began
        self._grow(newest)

    def add(self, events: Iterable[Event]) -> None:
        """Take new events in as they happen."""
        new = [event for event in events if event.seq > self._newest]
        if not new:
            return
        self._began = self._began or new[0].at
        self._pages.put(new)
        self._grow(new[-1].seq)

    def event_at(self, index: int) -> Event | None:
        """The event of a row, if it is at hand."""
        return self._pages.get(index + 1)

    # Painting

    def pieces(self, index: int, width: int) -> list[Piece]:
        event = self._pages.get(index + 1)
        if event is None:
            return [Piece(0, words.fit("", width), Tone.MUTED)]
        mark = mark_of(event)
        time = words.offset((event.at - (self._began or event.at)).total_seconds())
        pieces = [Piece(0, time.rjust(_TIME - 1) + " ", Tone.MUTED)]
        column = _TIME
        texts = [(self._step_of(event.node_id), _STEP, _WIDE), (event.agent or "", _AGENT, _WIDER)]
        for text, cells, least in texts:
            if width >= least:
                pieces.append(Piece(column, words.fit(text, cells, ascii_only=self.ascii_only) + " ", Tone.MUTED))
                column += cells + 1
        column += 2 * min(self._pages.depth(event), max(0, (width - column) // 8))
        over = event.phase is Phase.START and self._pages.end_of(event) is not None
        pieces.append(Piece(column, mark.sign(self.ascii_only), Tone.PLAIN if over else mark.tone))
        column += 2
        took = self._took(event)
        room = max(0, width - column - (cell_len(took) + 2 if took else 1))
        tone = Tone.FAILED if mark.tone is Tone.FAILED else Tone.MUTED if mark.tone is Tone.MUTED else Tone.PLAIN
        pieces.append(Piece(column, words.fit(words_of(event), room, ascii_only=self.ascii_only), tone))
        if took:
            pieces.append(Piece(column + room, f" {took}", Tone.MUTED))
        return pieces

    def _took(self, event: Event) -> str:
        """How long it lasted: on its end, and on its start once the end is known."""
        start = self._pages.start_of(event) if event.phase is Phase.END else None
        if start is None:
            seconds = event.data.get("seconds")
            return words.duration(seconds) if isinstance(seconds, int | float) else ""
        return words.duration((event.at - start.at).total_seconds())

    # Following and paging

    def _grow(self, newest: int) -> None:
        at_end = self.following
        self._newest = newest
        size = Size(max(1, self.container_size.width), newest)
        if size != self.virtual_size:
            self.virtual_size = size
        if at_end:
            self.set_reactive(Timeline.cursor, max(0, newest - 1))
            self.reveal()
        self.refresh()
        self._fetch()

    def resized(self) -> None:
        super().resized()
        if self.following:
            self.go(self.count - 1)
        self._fetch()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._fetch()

    def watch_cursor(self, before: int, after: int) -> None:
        super().watch_cursor(before, after)
        self.following = after >= self.count - 1
        if self.has_focus and (event := self.event_at(after)):
            self.post_message(EventHighlighted(event))

    def action_open(self) -> None:
        """Look into the event under the cursor."""
        if event := self.event_at(self.cursor):
            self.post_message(EventOpened(event))

    def _fetch(self) -> None:
        """Have the pages read that hold the visible rows."""
        if not self.is_mounted or not self._newest:
            return
        top = self.scroll_offset.y
        for page in self._pages.missing(top + 1, top + max(1, self.size.height), self._newest):
            if page not in self._reading:
                self._reading.add(page)
                begin(self, partial(self._load, page), "pages")

    async def _load(self, page: int) -> None:
        try:
            self._pages.put(await self._read(page * PAGE, PAGE))
        finally:
            self._reading.discard(page)
        self.refresh()
