"""The part of a run's timeline that is at hand: the lines around what is shown, however many there are in all."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum

from engine.model.events import Event, Phase
from engine.model.timeline import TimelinePage

KEPT = 2048  # lines at hand; of more, those furthest from what is shown are forgotten
_DEEPEST = 6
_NOTE = 4 * KEPT  # of what is known beside the lines, before what none of them needs is forgotten


class Span(Enum):
    """How it stands with something that lasts."""

    OPEN = "open"
    ENDED = "ended"
    BROKEN = "broken"  # it has no end, and nothing runs any more that could bring it


class Window:
    """Lines in order of seq, without gaps: all that there are from `low` to `high`, both looked at."""

    def __init__(self) -> None:
        self.lines: list[Event] = []
        self.low = 1  # the lowest seq that was looked at
        self.high = 0  # the highest
        self._ends: dict[str, Event] = {}
        self._above: dict[str, Event] = {}
        self._over: set[str] = set()

    # Taking in

    def begin(self, low: int, high: int) -> None:
        """Forget the lines; what is looked at next lies around these numbers."""
        self.lines = []
        self.low, self.high = low, high

    def below(self, page: TimelinePage) -> int:
        """Take in a page that follows; return how many lines it had."""
        new = [event for event in page.events if event.seq > self.high]
        self._learn(page)
        self.lines += new
        self.high = max(self.high, page.reached)
        return len(new)

    def before(self, page: TimelinePage) -> int:
        """Take in a page that comes before; return how many lines it had."""
        new = [event for event in page.events if event.seq < self.low]
        self._learn(page)
        self.lines[:0] = new
        self.low = min(self.low, page.reached)
        return len(new)

    def happened(self, events: Sequence[Event], *, plain: bool) -> int:
        """Take in what just happened; return how many lines came. `plain`: neither filtered nor folded, so that lines
        need not be read if nothing is missing before them."""
        follows = plain and bool(events) and events[0].seq == self.high + 1
        new: list[Event] = []
        for event in events:
            if event.phase is Phase.END and event.span_id:
                self._ends[event.span_id] = event
            elif follows:
                new.append(event)
                if event.phase is Phase.START:
                    self._above[event.id] = event
        if follows:
            self.lines += new
            self.high = events[-1].seq
        return len(new)

    def _learn(self, page: TimelinePage) -> None:
        self._ends |= page.ends
        self._above |= page.above
        self._above |= {event.id: event for event in page.events if event.phase is Phase.START}
        self._over |= page.over

    def trim(self, first: int, last: int) -> int:
        """Forget lines far from those `first` to `last`; return how many went from the top."""
        gone = 0
        if len(self.lines) > KEPT:
            spare = len(self.lines) - KEPT
            gone = max(0, min(spare, first - KEPT // 4))
            end = len(self.lines) - max(0, min(spare - gone, len(self.lines) - last - KEPT // 4))
            if end < len(self.lines):
                self.high = self.lines[end - 1].seq
            if gone:
                self.low = self.lines[gone].seq
            self.lines = self.lines[gone:end]
        if len(self._ends) + len(self._above) > _NOTE:
            self._forget()
        return gone

    def _forget(self) -> None:
        needed: dict[str, Event] = {}
        for event in self.lines:
            at: Event | None = self.start_of(event)
            while at is not None and at.id not in needed:
                needed[at.id] = at
                at = self._above.get(at.parent_event_id or "")
        self._above = {name: event for name, event in needed.items() if event.phase is Phase.START}
        self._ends = {name: end for name, end in self._ends.items() if name in needed}

    # What is known of a line

    def start_of(self, event: Event) -> Event:
        """What a line shows: an end's start, if it is known, else the event itself."""
        return self._above.get(event.span_id, event) if event.span_id else event

    def end_of(self, start: Event) -> Event | None:
        """The end of what a line shows, once there is one."""
        return start if start.phase is Phase.END else self._ends.get(start.id)

    def stands(self, start: Event, runs: Callable[[str | None], bool]) -> Span:
        """Whether it goes on; `runs` tells whether a node does."""
        if self.end_of(start) is not None:
            return Span.ENDED
        return Span.BROKEN if start.attempt_id in self._over or not runs(start.node_id) else Span.OPEN

    def whole(self, event: Event) -> Event:
        """All that a line stands for, as one event: what it began with and how it ended."""
        start = self.start_of(event)
        end = self.end_of(start) if start.phase is Phase.START else None
        return start if end is None else replace(start, phase=Phase.POINT, data=start.data | end.data)

    def depth(self, event: Event) -> int:
        """How deep a line hangs under others, 0 to 6."""
        return sum(1 for _ in self.ancestors(event))

    def parent(self, event: Event) -> str | None:
        """The id of what a line hangs under."""
        return self.start_of(event).parent_event_id

    def known(self, span: str) -> Event | None:
        """The start of something that a line hangs under."""
        return self._above.get(span)

    def holder(self, event: Event) -> Event | None:
        """The start of what a line hangs under."""
        return self._above.get(self.parent(event) or "")

    def ancestors(self, event: Event) -> Iterator[str]:
        """The ids of all that a line hangs under, the nearest first."""
        at, levels = self.parent(event), 0
        while at is not None and levels < _DEEPEST:
            yield at
            at, levels = (self._above[at].parent_event_id if at in self._above else None), levels + 1

    def index_of(self, seq: int) -> int:
        """The first line that is not before a number; where there is none, how many lines there are."""
        return bisect_left(self.lines, seq, key=lambda event: event.seq)
