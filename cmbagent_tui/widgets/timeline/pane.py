"""The timeline's pane: the lines, a line to filter them or to go elsewhere, and on the frame which part is seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Input, Static

from cmbagent_tui.look import Tone
from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.timeline.filtering import ERRORS, HINT, NOTHING, PLACE_HINT, place, query, with_token
from cmbagent_tui.widgets.timeline.reading import Read
from cmbagent_tui.widgets.timeline.view import Timeline
from cmbagent_tui.work import begin


class TimelinePane(Vertical):
    """A run's events, with what finds some among them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", show=False, id="timeline.filter", tooltip="Show only some events"),
        Binding("exclamation_mark", "errors", "Errors", show=False, id="timeline.errors", tooltip="Only what failed"),
        Binding(
            "full_stop", "this_step", "This step", show=False, id="timeline.step", tooltip="Only this event's step"
        ),
        Binding("colon", "place", "Go to", show=False, id="timeline.place", tooltip="Go to 50%, to 12:30, to #4711"),
        Binding("escape", "leave", "Leave", show=False, id="timeline.leave", tooltip="Take the filter away"),
    ]

    def __init__(
        self,
        read: Read,
        at_time: Callable[[datetime], Awaitable[int]],
        cards: Callable[[], Iterable[Card]],
        *,
        step_of: Callable[[str | None], str],
        runs: Callable[[str | None], bool],
        ascii_only: bool = False,
        id: str | None = None,
    ) -> None:
        """`at_time` finds the event of a time, `cards` are the steps that a filter may name; see Timeline for more."""
        super().__init__(id=id)
        self._ascii = ascii_only
        self._at_time = at_time
        self._cards = cards
        self.view = Timeline(read, step_of=step_of, runs=runs, ascii_only=ascii_only, id="timeline-view")
        self._began: datetime | None = None
        self._line = ""  # what the filter was asked with
        self._asked = NOTHING
        self._before: str | None = None  # the line that is being changed
        self._going = False  # the line says where to go, not what to show
        self._said_below = ""

    def compose(self) -> ComposeResult:
        yield self.view
        with Horizontal(id="timeline-line") as line:
            yield Static("/", id="timeline-prompt", markup=False)
            yield Input(placeholder=HINT, compact=True, id="timeline-input")
        line.display = False

    # What the screen calls

    def open(self, newest: int, began: datetime | None) -> None:
        """Begin at the end of events 1 to `newest`; times count from `began`."""
        self._began = began
        self.view.open(newest, began)

    def focus_inside(self) -> None:
        """Focus the events."""
        self.screen.set_focus(self.view)

    # Saying what is seen

    @on(Timeline.Moved)
    def _tell(self, message: Timeline.Moved) -> None:
        message.stop()
        view = self.view
        first, last = view.seen
        between = " | " if self._ascii else " · "
        parts: list[str] = []
        if view.unseen and not view.following:
            parts.append(f"{'v' if self._ascii else '↓'} {view.unseen:,} new (End)")
        if view.filter and view.looking:
            low, high = view.ground_covered
            parts.append(f"looked through {100 * (high - low + 1) // max(1, view.newest)}%")
        if view.newest:
            parts.append(f"{first:,}-{last:,} of {view.newest:,}" if last else f"0 of {view.newest:,}")
        self._say_below(between.join(parts))
        self._show_chips()

    def _say_below(self, said: str) -> None:
        """Write into the border alone: as `border_subtitle` it would have every event painted once more."""
        if self._said_below != said:
            self._said_below = said
            self._border_subtitle = Content(said)
            self.refresh(Region(-1, self.size.height, self.size.width + 2, 1))

    def _show_chips(self) -> None:
        """Say below the events which ones are shown."""
        said: list[Piece] = []
        if self._line and not self.query_one("#timeline-line").display:
            none = "" if self.view.count or self.view.looking else "no event fits"
            texts = [(f"[{chip}]", Tone.RUNNING) for chip in self._asked.chips]
            texts += [(self._asked.problem or none, Tone.WAITING), ("esc: all events", Tone.MUTED)]
            column = 0
            for text, tone in texts:
                if text:
                    said.append(Piece(column, text, tone, strong=tone is Tone.RUNNING))
                    column += cell_len(text) + 1
        self.view.say(said)

    # Filtering

    def _ask(self, line: str) -> None:
        """Show what a line asks for."""
        self._line = line.strip()
        self._asked = query(self._line, self._cards()) if self._line else NOTHING
        self.view.show_only(self._asked.filter)
        self._show_chips()

    def _open_line(self, *, going: bool) -> None:
        self._going = going
        self._before = None if going else self._line
        self.query_one("#timeline-prompt", Static).update(":" if going else "/")
        field = self.query_one("#timeline-input", Input)
        field.placeholder = PLACE_HINT if going else HINT
        with self.prevent(Input.Changed):
            field.value = "" if going else self._line
        field.cursor_position = len(field.value)
        self.query_one("#timeline-line").display = True
        self._show_chips()
        self.screen.set_focus(field)

    def _close_line(self) -> None:
        self.query_one("#timeline-line").display = False
        self._show_chips()
        self.focus_inside()

    def action_filter(self) -> None:
        """Open the line that says which events to show."""
        self._open_line(going=False)

    def action_place(self) -> None:
        """Open the line that says where to go."""
        self._open_line(going=True)

    def action_errors(self) -> None:
        """Show only what went wrong, or no longer only that."""
        self._ask(with_token(self._line, ERRORS))

    def action_this_step(self) -> None:
        """Show only what happened in the step of the event under the cursor, or no longer only that."""
        event = self.view.event_at(self.view.cursor)
        step = self.view.step_of(event.node_id) if event else ""
        if step:
            self._ask(with_token(self._line, f"step:{step}"))
        else:
            self.notify("This event belongs to no step.", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._going:
            self._ask(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_line()
        if self._going:
            self._go(event.value)

    def _go(self, line: str) -> None:
        where = place(line)
        if where is None:
            self.notify(f"{line.strip() or 'Nothing'} is no place. Try: {PLACE_HINT}", markup=False)
            return
        kind, value = where
        if kind == "share":
            self.view.go_to(max(1, round(self.view.newest * value)))
        elif kind == "seq":
            self.view.go_to(max(1, int(value)))
        elif self._began is not None:
            begin(self, partial(self._go_to_time, self._began + timedelta(seconds=value)), "place", exclusive=True)

    async def _go_to_time(self, at: datetime) -> None:
        self.view.go_to(await self._at_time(at))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to leave while the line is open or a filter is on; else escape leads on."""
        if action != "leave":
            return super().check_action(action, parameters)
        return bool(self._line or self.query_one("#timeline-line").display)

    def action_leave(self) -> None:
        """Leave the line as it was before, or take the filter away."""
        if not self.query_one("#timeline-line").display:
            self._ask("")
            return
        if self._before is not None:
            self._ask(self._before)
        self._close_line()
