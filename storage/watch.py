"""The watch: a thread that sees what any process commits, soon after, and tells the event loop only when it has."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.model.events import Arrival, EventKind
from storage import sqlite

PACE = 0.05  # seconds between two looks


class Watch:
    """Keeps the place of the newest event from when it is made, and looks for newer ones once someone wants to hear."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._arrivals = sqlite.Arrivals(path)
        self._loop = loop
        self._hearers: list[Callable[[Sequence[Arrival]], None]] = []
        self._stirred = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="storage-watch", daemon=True)

    def tell(self, heard: Callable[[Sequence[Arrival]], None]) -> Callable[[], None]:
        """See engine.ports.Store.watch."""
        self._hearers.append(heard)
        if len(self._hearers) == 1:
            self._thread.start()
        return self._stirred.set

    async def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._stirred.set()
        if self._hearers:
            await asyncio.to_thread(self._thread.join)
        self._arrivals.close()

    # --- in the watch's thread

    def _work(self) -> None:
        while not self._closed:
            self._stirred.wait(PACE)
            self._stirred.clear()
            try:
                found = [Arrival(run, EventKind(kind), *seqs) for run, kind, *seqs in self._arrivals.look()]
            except sqlite3.Error:  # what could not be seen now is seen by the next look
                continue
            if found:
                try:
                    self._loop.call_soon_threadsafe(self._tell, found)
                except RuntimeError:  # the loop is gone, and whoever wanted to hear with it
                    return

    # --- in the event loop

    def _tell(self, found: Sequence[Arrival]) -> None:
        for heard in self._hearers:
            heard(found)
