"""Fetching the lines around what the timeline shows, a page at a time, beside the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cmbagent_tui.widgets.timeline.window import Window
from engine.model.timeline import EVERYTHING, UNFOLDED, EventFilter, Folding, TimelinePage

PAGE = 128


class Read(Protocol):
    """Reads a page of a run's timeline (see engine.ports.SessionReads.timeline)."""

    async def __call__(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int = PAGE,
        matching: EventFilter = EVERYTHING,
        folding: Folding = UNFOLDED,
    ) -> TimelinePage: ...


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for."""

    filter: EventFilter = EVERYTHING
    folding: Folding = UNFOLDED

    @property
    def plain(self) -> bool:
        """Whether every line is wanted."""
        return not self.filter and not self.folding


@dataclass(slots=True)
class Jump:
    """Where to begin anew: behind a number, or (None) at the end."""

    seq: int | None
    cursor: int | None = None  # the line with this number, or the next, gets the cursor; else the first one


class Feeder:
    """Keeps a window filled around what is shown. One page is read at a time; a jump overtakes it."""

    def __init__(self, read: Read, window: Window, begin: Callable[[], None]) -> None:
        self._read = read
        self._window = window
        self._begin = begin  # has `work` run in the loop
        self._working = False
        self._jump: Jump | None = None
        self.view = View()
        self.shown = self.view  # what the lines at hand answer
        self.newest = 0
        self.rows = 1  # lines seen at once
        self.seen: Callable[[], tuple[int, int]] = lambda: (0, 0)  # lines above those seen, and below
        self.jumped: Callable[[Jump], None] = lambda _: None
        self.came: Callable[[int, int], None] = lambda _before, _below: None  # so many lines came above, and below
        self.settled: Callable[[], None] = lambda: None

    @property
    def looking(self) -> bool:
        """Whether lines are being looked for."""
        return self._working

    @property
    def at_end(self) -> bool:
        """Whether nothing is left to be read below."""
        return self._window.high >= self.newest

    @property
    def at_start(self) -> bool:
        """Whether nothing is left to be read above."""
        return self._window.low <= 1

    def jump(self, to: Jump) -> None:
        """Begin anew somewhere."""
        self._jump = to
        self.go_on()

    def go_on(self) -> None:
        """Read what is missing near what is seen, if anything."""
        if not self._working and (self._jump is not None or self._missing() is not None):
            self._working = True
            self._begin()

    async def work(self) -> None:
        """Read until nothing is missing."""
        try:
            while True:
                if (jump := self._jump) is not None:
                    self._jump = None
                    await self._start(jump)
                elif (above := self._missing()) is not None:
                    await self._more(above=above)
                else:
                    return
        finally:
            self._working = False
            self.settled()

    async def _start(self, jump: Jump) -> None:
        view = self.view
        asked = {"matching": view.filter, "folding": view.folding}
        if jump.seq is None:
            page = await self._read(newest=True, limit=PAGE, **asked)
        else:
            page = await self._read(after=jump.seq, limit=PAGE, **asked)
        if self._jump is not None:
            return  # someone wants to be elsewhere by now
        window = self._window
        self.newest = max(self.newest, page.newest)
        if jump.seq is None:
            window.begin(page.newest + 1, page.newest)
            window.before(page)
        else:
            window.begin(jump.seq + 1, jump.seq)
            window.below(page)
        self.shown = view
        self.jumped(jump)

    def _missing(self) -> bool | None:
        """Whether lines above (True) or below (False) what is seen have to be read, or neither."""
        above, below = self.seen()
        short = len(self._window.lines) < self.rows
        if not self.at_end and (below < self.rows or short):
            return False
        return True if not self.at_start and (above < self.rows or short) else None

    async def _more(self, *, above: bool) -> None:
        view, window = self.view, self._window
        asked = {"matching": view.filter, "folding": view.folding}
        if above:
            page = await self._read(before=window.low, newest=True, limit=PAGE, **asked)
        else:
            page = await self._read(after=window.high, limit=PAGE, **asked)
        if self._jump is not None or view != self.view:
            return
        if above:
            self.came(window.before(page), 0)
        else:
            before = window.high
            count = window.below(page)
            if window.high == before:  # announced, and not there to be read
                self.newest = before
            self.came(0, count)
