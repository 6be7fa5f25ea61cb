"""The store: one writer, a few readers, one file. Fulfils engine.ports.Store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.model.errors import StorageError

if TYPE_CHECKING:
    from engine.model.browsing import RunSummary, SessionFilter, SessionSort
    from engine.model.changes import Change
    from engine.model.clients import Client, Command
    from engine.model.estimate import PastStep
    from engine.model.events import Arrival, Event
    from engine.model.failures import PastFailure
    from engine.model.records import Approval, Run, SessionSummary
    from engine.model.spending import Grouping, Spending, SpendingFilter
    from engine.ports import Blobs, SessionReads
    from storage.location import Location
    from storage.overview import Overview
    from storage.reads import Reader
    from storage.watch import Watch
    from storage.writer import Writer


class _Open(NamedTuple):
    """What an open store consists of."""

    writer: Writer
    reader: Reader
    overview: Overview
    watch: Watch


class SqlStore:
    """Made without any I/O and without loading SQLAlchemy: `open` does both, in a thread."""

    def __init__(self, location: Location, blobs: Blobs) -> None:
        self._location = location
        self._blobs = blobs
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._open: _Open | None = None

    async def open(self) -> None:
        """See engine.ports.Store.open."""
        if self._open is None:
            self._open = await asyncio.to_thread(self._prepare, asyncio.get_running_loop())

    def _prepare(self, loop: asyncio.AbstractEventLoop) -> _Open:
        from storage import migrate
        from storage.overview import Overview
        from storage.reads import Reader
        from storage.watch import Watch
        from storage.writer import Writer

        migrate.prepare(self._location.database)
        reader = Reader(self._location.database, self._blobs)
        writer = Writer(self._location.database, self._blobs, reader.engine.dialect, loop, self._listeners)
        return _Open(writer, reader, Overview(reader), Watch(self._location.database, loop))

    async def close(self) -> None:
        """Write what is queued, wait for the reads under way, and let go of the file."""
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.writer.close()
            await opened.watch.close()
            await opened.reader.close()

    def listen(self, heard: Callable[[Sequence[Event]], None]) -> None:
        """See engine.ports.Store.listen. Several may listen."""
        self._listeners.append(heard)

    def watch(self, heard: Callable[[Sequence[Arrival]], None]) -> Callable[[], None]:
        """See engine.ports.Store.watch. Several may watch."""
        return self._opened().watch.tell(heard)

    async def commit(self, *changes: Change, urgent: bool = True) -> None:
        """See engine.ports.Store.commit. To cancel the wait does not withdraw the changes."""
        writer = self._opened().writer
        if changes:
            await writer.commit(changes, urgent)

    def reads(self, session_id: str) -> SessionReads:
        """What one session's records say."""
        from storage.reads import SqlSessionReads

        return SqlSessionReads(self._opened().reader, session_id)

    async def browse(self, matching: SessionFilter, sort: SessionSort, *, descending: bool) -> list[str]:
        """See engine.ports.Store.browse."""
        return await self._opened().overview.browse(matching, sort, descending)

    async def summaries(self, session_ids: Sequence[str]) -> list[SessionSummary]:
        """See engine.ports.Store.summaries."""
        return await self._opened().overview.summaries(session_ids)

    async def run_summaries(self, session_id: str, *, limit: int) -> list[RunSummary]:
        """See engine.ports.Store.run_summaries."""
        return await self._opened().overview.run_summaries(session_id, limit)

    async def spending(self, by: Grouping, matching: SpendingFilter, *, limit: int) -> Spending:
        """See engine.ports.Store.spending."""
        return await self._opened().overview.spending(by, matching, limit)

    async def runs(self, *, limit: int = 50, before: str | None = None) -> list[Run]:
        """Runs of all sessions, newest first."""
        return await self._opened().overview.runs(limit, before)

    async def unfinished(self) -> list[Run]:
        """Runs in no terminal state, oldest first."""
        return await self._opened().overview.unfinished()

    async def approvals(self, *, pending: bool = True, limit: int = 200) -> list[Approval]:
        """Newest first."""
        return await self._opened().overview.approvals(pending, limit)

    async def failures(self, *, limit: int) -> list[PastFailure]:
        """See engine.ports.RunStore.failures."""
        return await self._opened().overview.failures(limit)

    async def past_steps(self, *, limit: int) -> list[PastStep]:
        """See engine.ports.RunStore.past_steps."""
        return await self._opened().overview.past_steps(limit)

    async def find(self, table: str, prefix: str) -> list[tuple[str, str]]:
        """See engine.ports.Store.find."""
        return await self._opened().overview.find(table, prefix)

    async def commands(self, *, run_ids: Sequence[str]) -> list[Command]:
        """Pending commands of these runs, oldest first."""
        return await self._opened().overview.commands(run_ids)

    async def command(self, command_id: str) -> Command:
        """One command, whatever became of it."""
        return await self._opened().overview.command(command_id)

    async def clients(self) -> list[Client]:
        """Every process that has the database open, or died without a word; oldest first."""
        return await self._opened().overview.clients()

    def _opened(self) -> _Open:
        if self._open is None:
            raise StorageError("the store is not open.")
        return self._open
