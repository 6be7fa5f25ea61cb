"""A window onto a run's events by their dense sequence: pages of 256, the least used of more than 16 forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from engine.model.events import Event, EventKind

PAGE = 256
KEPT = 16

# How deep a kind usually hangs, for events whose parent is not in any page at hand.
_USUAL: dict[EventKind, int] = {
    EventKind.MODEL_CALL: 1,
    EventKind.TOOL_CALL: 1,
    EventKind.MESSAGE: 1,
    EventKind.HANDOFF: 1,
    EventKind.CODE_EXEC: 2,
    EventKind.COST: 2,
    EventKind.FILE_GEN: 3,
}
_DEEPEST = 6


class Pages:
    """Events at hand. Sequence numbers count from 1; page 0 holds 1 to 256."""

    def __init__(self) -> None:
        self._pages: OrderedDict[int, dict[int, Event]] = OrderedDict()
        self._by_id: dict[str, Event] = {}
        self._ends: dict[str, Event] = {}  # by the id of the start that they close

    def get(self, seq: int) -> Event | None:
        """The event with this number, if its page is at hand."""
        page = self._pages.get((seq - 1) // PAGE)
        if page is None:
            return None
        self._pages.move_to_end((seq - 1) // PAGE)
        return page.get(seq)

    def missing(self, first: int, last: int, newest: int) -> list[int]:
        """Numbers of the pages that are not whole, among those that hold events `first` to `last`."""
        found: list[int] = []
        for number in range((max(1, first) - 1) // PAGE, (max(1, min(last, newest)) - 1) // PAGE + 1):
            expected = min(PAGE, newest - number * PAGE)
            if len(self._pages.get(number, ())) < expected:
                found.append(number)
        return found

    def put(self, events: Iterable[Event]) -> None:
        """Take events in, from a page that was read or as they happen."""
        for event in events:
            page = self._pages.setdefault((event.seq - 1) // PAGE, {})
            page[event.seq] = event
            self._by_id[event.id] = event
            if event.span_id is not None:
                self._ends[event.span_id] = event
        while len(self._pages) > KEPT:
            _, gone = self._pages.popitem(last=False)
            for event in gone.values():
                self._by_id.pop(event.id, None)
                if event.span_id is not None:
                    self._ends.pop(event.span_id, None)

    def start_of(self, event: Event) -> Event | None:
        """The event that this one closes, if at hand."""
        return self._by_id.get(event.span_id) if event.span_id else None

    def end_of(self, event: Event) -> Event | None:
        """The event that closes this one, if at hand."""
        return self._ends.get(event.id)

    def depth(self, event: Event) -> int:
        """How deep the event hangs under others, 0 to 6."""
        if event.span_id and (start := self._by_id.get(event.span_id)):
            event = start
        above = 0
        while event.parent_event_id:
            parent = self._by_id.get(event.parent_event_id)
            if parent is None:
                return min(_DEEPEST, above + _USUAL.get(event.kind, 1))
            event = parent
            above += 1
            if above >= _DEEPEST:
                break
        return min(_DEEPEST, above)
