"""A run's events as a timeline shows them: something that lasts is one line, its start's, wherever its end is.

What is asked for (a filter, what is folded) and the page that answers it. Nothing here reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model.events import Event, EventKind


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted: those for which all of it holds. Nothing set: every one.

    `words` must each occur in the title, the agent or the data (of something that lasts: of its start or its end). Text
    that was stored as a blob is not looked through.
    """

    node_ids: frozenset[str] | None = None
    agent: str | None = None  # a part of its name
    kinds: frozenset[EventKind] = frozenset()
    words: tuple[str, ...] = ()
    errors: bool = False  # only what went wrong

    def __bool__(self) -> bool:
        return bool(self.node_ids is not None or self.agent or self.kinds or self.words or self.errors)


@dataclass(frozen=True, slots=True)
class Folding:
    """What is hidden inside others: all that hangs under the spans named, or (`all`) under any but those."""

    all: bool = False
    spans: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.all or bool(self.spans)

    def hides(self, span: str) -> bool:
        """Whether what hangs under a span is hidden."""
        return (span in self.spans) is not self.all

    def toggled(self, span: str) -> Folding:
        """The same with one span folded, or unfolded."""
        return Folding(self.all, self.spans ^ {span})


EVERYTHING = EventFilter()
UNFOLDED = Folding()


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """Lines in order of seq, and what is needed to show them.

    A line is a point, the start of something, or the end of something whose start does not fit the filter.
    """

    events: tuple[Event, ...] = ()
    ends: dict[str, Event] = field(default_factory=dict[str, Event])  # by the id of the start that they close
    above: dict[str, Event] = field(
        default_factory=dict[str, Event]
    )  # starts of ends, and what lines hang under, by id
    over: frozenset[str] = frozenset()  # attempts that no longer run, of those that began what has no end
    newest: int = 0  # the number of the run's newest event
    reached: int = 0  # everything between where it began and this seq was looked at, this one too
