"""The timeline: the lines around a place in the run, which is the newest event until a person scrolls away from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from cmbagent_tui.look import Tone
from cmbagent_tui.messages import EventHighlighted, EventOpened, NodeWanted
from cmbagent_tui.widgets.paint import Painted, Piece
from cmbagent_tui.widgets.timeline.lines import Lines
from cmbagent_tui.widgets.timeline.reading import Feeder, Jump, Read, View
from cmbagent_tui.widgets.timeline.window import Window
from cmbagent_tui.work import begin
from engine.model.events import Event, Phase
from engine.model.timeline import EventFilter, Folding

_WHEEL = 3  # lines that a turn of the wheel goes


class Timeline(Painted):
    """A run's events, as lines. `cursor` and `count` are of the lines at hand."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="timeline.down", tooltip="To the next event"),
        Binding("up,k", "move(-1)", "Up", show=False, id="timeline.up", tooltip="To the event before"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="timeline.page_down", tooltip="A page of events on"),
        Binding("pageup,b", "page(-1)", "Page up", show=False, id="timeline.page_up", tooltip="A page of events back"),
        Binding("home,g", "first", "First", show=False, id="timeline.first", tooltip="To the first event"),
        Binding("end,G", "last", "Last", show=False, id="timeline.last", tooltip="To the newest event, and follow"),
        Binding("enter", "open", "Look inside", id="timeline.open", tooltip="Go to what the event tells of"),
        Binding("o", "node", "Its step", show=False, id="timeline.node", tooltip="Go to the event's step"),
        Binding("space", "fold", "Fold", show=False, id="timeline.fold", tooltip="Fold or unfold what it holds"),
        Binding("left,h", "out", "Out", show=False, id="timeline.out", tooltip="Fold it, or go to what holds it"),
        Binding("right,l", "into", "Into", show=False, id="timeline.into", tooltip="Unfold it, or go into it"),
        Binding("U", "fold_all", "Fold all", show=False, id="timeline.fold_all", tooltip="Fold or unfold everything"),
    ]

    class Moved(Message):
        """What is seen, or what there is to see, is another."""

    def __init__(
        self,
        read: Read,
        *,
        step_of: Callable[[str | None], str],
        runs: Callable[[str | None], bool],
        ascii_only: bool = False,
        id: str | None = None,
    ) -> None:
        """`read` reads a page from the engine; `step_of` names the step of a node, `runs` tells whether it goes on."""
        super().__init__(id=id, ascii_only=ascii_only)
        self._window = Window()
        self.step_of = step_of
        self._lines = Lines(self._window, step_of=step_of, runs=runs, ascii_only=ascii_only)
        self._feeder = feeder = Feeder(read, self._window, lambda: begin(self, feeder.work, "pages"))
        feeder.seen = lambda: (self._top, self.count - self._top - self._height)
        feeder.jumped, feeder.came, feeder.settled = self._jumped, self._came, self._settled
        self._began: datetime | None = None
        self._top = 0
        self.cursor = 0
        self._said: list[Piece] = []  # on the last row
        self.following = True
        self.unseen = 0  # events that came since it follows no more

    # What others look at

    @property
    def count(self) -> int:
        """How many lines are at hand."""
        return len(self._window.lines)

    @property
    def newest(self) -> int:
        """The number of the newest event."""
        return self._feeder.newest

    @property
    def looking(self) -> bool:
        """Whether lines are being looked for."""
        return self._feeder.looking

    @property
    def ground_covered(self) -> tuple[int, int]:
        """The numbers that were looked at for what is at hand: from, to."""
        return self._window.low, self._window.high

    @property
    def filter(self) -> EventFilter:
        """Which events are shown."""
        return self._feeder.view.filter

    @property
    def current(self) -> bool:
        """Whether the lines at hand are those that were asked for."""
        return self._feeder.shown == self._feeder.view

    @property
    def seen(self) -> tuple[int, int]:
        """The numbers of the first and last event that is seen; zeros where there is none."""
        lines = self._window.lines[self._top : self._top + self._height]
        return (lines[0].seq, lines[-1].seq) if lines else (0, 0)

    def event_at(self, index: int) -> Event | None:
        """All that a line stands for, if there is such a line."""
        return self._window.whole(self._window.lines[index]) if 0 <= index < self.count else None

    @property
    def _height(self) -> int:
        return max(1, self.size.height - bool(self._said))

    # What the screen calls

    def open(self, newest: int, began: datetime | None) -> None:
        """Begin at the end of events 1 to `newest`; times are shown from `began` on."""
        self._began = began
        self._feeder.newest = newest
        self._feeder.jump(Jump(None))

    def add(self, new: Sequence[Event]) -> None:
        """Take new events in as they happen."""
        new = [event for event in new if event.seq > self._window.high]
        if not new:
            return
        self._began = self._began or new[0].at
        self._feeder.newest = max(self._feeder.newest, new[-1].seq)
        if not self.following:
            self.unseen += sum(event.phase is not Phase.END for event in new)
        self._came(0, self._window.happened(new, plain=self._feeder.view.plain))
        self._feeder.go_on()

    def show_only(self, wanted: EventFilter) -> None:
        """Show the events that fit, from the newest on, or all again around the one under the cursor."""
        if wanted == self.filter:
            return
        here = self._here()
        self._feeder.view = View(wanted, self._feeder.view.folding)
        if wanted or self.following or here is None:
            self.follow()
        else:
            self.go_to(here.seq)

    def go_to(self, seq: int) -> None:
        """Put the cursor on the event with this number, or on the next that is shown."""
        self.following = False
        at = self._window.index_of(seq)
        if at < self.count and self._window.low <= seq <= self._window.high:
            self._put(at)
            self._feeder.go_on()
            return
        self._feeder.jump(Jump(max(0, min(seq, self.newest) - 1 - self._height // 2), seq))

    def follow(self) -> None:
        """Go to the newest event, and stay with what comes."""
        self.following = True
        self.unseen = 0
        self._feeder.jump(Jump(None))

    def say(self, said: list[Piece]) -> None:
        """Keep the last row for something to say; painted here, it costs no layout."""
        if said != self._said:
            self._said = said
            self._put(self.cursor, tell=False)

    # Painting

    def render_line(self, y: int) -> Strip:
        index, width = y + self._top, self.size.width
        base = self.rich_style
        if self._said and y >= self._height:
            return self.strip(self._said, 0, width, base)
        if not 0 <= index < self.count:
            return Strip.blank(width, base)
        pieces = self._lines.pieces(self._window.lines[index], width - 1, self._began, self._shut)
        strip = self.strip([*pieces, *self._bar(y, width - 1)], 0, width, base)
        return self.under_cursor(strip) if index == self.cursor else strip

    def _shut(self, span: str) -> bool:
        shown = self._feeder.shown
        return not shown.filter and shown.folding.hides(span)

    def _bar(self, y: int, column: int) -> list[Piece]:
        """The mark of a scroll bar, by event numbers: how many lines there are in all is not known."""
        first, last = self.seen
        if self._feeder.at_start and self._feeder.at_end and self.count <= self._height:
            return []
        place, size = self._height * (first - 1) // max(1, self.newest), self._height * (last - first) // self.newest
        if self._feeder.at_end and self._top + self._height >= self.count:
            place = self._height - size - 1
        within = place <= y <= place + size
        return [Piece(column, "#" if self.ascii_only else "▐", Tone.MUTED)] if within else []

    # Moving

    def _here(self) -> Event | None:
        return self._window.lines[self.cursor] if self.cursor < self.count else None

    def _put(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on a line, and see that it is seen."""
        before, self.cursor = self.cursor, max(0, min(index, self.count - 1))
        top = self._top
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + self._height:
            top = self.cursor - self._height + 1
        self._scroll(top)
        if tell and self.has_focus and before != self.cursor and (event := self.event_at(self.cursor)):
            self.post_message(EventHighlighted(event))

    def _scroll(self, top: int) -> None:
        self._top = max(0, min(top, self.count - self._height))
        self.refresh()
        self.post_message(self.Moved())

    def _go(self, index: int) -> None:
        """Move by hand: on the last line of all it follows."""
        self._put(index)
        self.following = self._feeder.at_end and self.cursor >= self.count - 1
        if self.following:
            self.unseen = 0
        self._feeder.go_on()

    def _jumped(self, jump: Jump) -> None:
        lines = self.count
        self._top = 0
        if jump.seq is None:
            self.cursor = max(0, lines - 1)
            self._scroll(lines)
        else:
            self.cursor = max(0, min(self._window.index_of(jump.cursor or 0), lines - 1))
            self._scroll(self.cursor - self._height // 2)
        if self.has_focus and (event := self.event_at(self.cursor)):
            self.post_message(EventHighlighted(event))

    def _came(self, above: int, below: int) -> None:
        """Lines came to those at hand: what is seen stays, unless it follows."""
        self.cursor += above
        self._top += above
        gone = self._window.trim(self._top, self._top + self._height)
        self.cursor, self._top = max(0, self.cursor - gone), self._top - gone
        if self.following:
            self._put(self.count - 1, tell=bool(below))
        else:
            self._scroll(self._top)

    def _settled(self) -> None:
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self, event: events.Resize) -> None:
        self._feeder.rows = self._height
        self._put(self.count - 1 if self.following else self.cursor, tell=False)
        self._feeder.go_on()

    def action_move(self, by: int) -> None:
        """Move the cursor by events."""
        self._go(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        step = max(1, self._height - 1)
        self._top = max(0, min(self._top + by * step, self.count - self._height))
        self._go(self.cursor + by * step)

    def action_first(self) -> None:
        """Go to the first event."""
        self.go_to(1)

    def action_last(self) -> None:
        """Go to the newest event, and follow."""
        if not self._feeder.at_end:
            self.follow()
        else:
            self._go(self.count - 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel(-_WHEEL)

    def _wheel(self, by: int) -> None:
        self._scroll(self._top + by)
        self._go(max(self._top, min(self.cursor, self._top + self._height - 1)))

    def on_click(self, event: events.Click) -> None:
        index = event.y + self._top
        if event.y >= self._height:
            return
        if event.x >= self.size.width - 1 and not (self._feeder.at_start and self._feeder.at_end):
            self.go_to(1 + self.newest * event.y // self._height)
        elif index < self.count:
            self._go(index)
            if event.chain == 2:
                self.action_open()

    # Opening

    def action_open(self) -> None:
        """Look into the event under the cursor."""
        if event := self.event_at(self.cursor):
            self.following = False
            self.post_message(EventOpened(event))
        else:
            self.notify("There is nothing here.", markup=False)

    def action_node(self) -> None:
        """Go to the step of the event under the cursor."""
        event = self.event_at(self.cursor)
        if event is not None and event.node_id:
            self.following = False
            self.post_message(NodeWanted(event.node_id))
        else:
            self.notify("This event belongs to no step.", markup=False)

    # Folding

    def _refold(self, folding: Folding, seq: int) -> None:
        self._feeder.view = View(self.filter, folding)
        self.following = False
        self._feeder.jump(Jump(max(0, seq - 1 - self._height // 2), seq))

    def _foldable(self) -> Event | None:
        """What space folds: the event under the cursor if it lasts, else what it hangs under."""
        here = self._here()
        if here is None or self.filter:
            self.notify("While a filter is on, nothing is folded." if here else "There is nothing here.", markup=False)
            return None
        start = self._window.start_of(here)
        found = start if start.phase is Phase.START else self._window.holder(here)
        if found is None:
            self.notify("There is nothing to fold: this event holds none, and none holds it.", markup=False)
        return found

    def action_fold(self) -> None:
        """Fold what it holds, or unfold it."""
        if (span := self._foldable()) is not None:
            self._refold(self._feeder.view.folding.toggled(span.id), span.seq)

    def action_out(self) -> None:
        """Fold it, or go to what holds it."""
        here = self._here()
        if here is None:
            self.notify("There is nothing here.", markup=False)
            return
        if here.phase is Phase.START and not self.filter and not self._shut(here.id):
            self.action_fold()
        elif (holder := self._window.holder(here)) is not None:
            self.go_to(holder.seq)
        else:
            self.app.notify("Nothing holds this event.", timeout=3)

    def action_into(self) -> None:
        """Unfold it, or go to the next event."""
        here = self._here()
        if here is not None and here.phase is Phase.START and self._shut(here.id):
            self.action_fold()
        else:
            self.action_move(1)

    def action_fold_all(self) -> None:
        """Fold everything; or unfold everything, if it was."""
        here = self._here()
        if here is None or self.filter:
            self._foldable()
            return
        folding = self._feeder.view.folding
        if not folding:
            above = list(self._window.ancestors(here))
            outermost = self._window.known(above[-1]) if above else None
            self._refold(Folding(all=True), (outermost or here).seq)
        else:
            self._refold(Folding(), here.seq)
