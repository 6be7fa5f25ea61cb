"""The one writer: a thread that owns the connection, and commits what is queued together (group commit).

Every call is written whole or not at all, in the order of the calls. A batch is first tried without savepoints; if
anything in it is refused, the transaction is rolled back and written again call by call, each behind a savepoint, so
that only the guilty one fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from sqlalchemy.engine.interfaces import Dialect

from engine.model.changes import Change
from engine.model.errors import StorageError
from engine.model.events import Event
from storage import sqlite
from storage.apply import Applier
from storage.statements import Statements

if TYPE_CHECKING:
    from engine.ports import Blobs

PATIENCE = 0.05  # seconds that changes which are not urgent wait for company
COMPANY = 500  # changes that are company enough
_BATCH = 2000  # changes after which a batch is closed, so that the first caller need not wait for the last


class _Unit:
    """One call: its changes, and the future that its caller awaits."""

    __slots__ = ("changes", "deadline", "error", "future")

    def __init__(self, changes: Sequence[Change], deadline: float, future: asyncio.Future[None]) -> None:
        self.changes = changes
        self.deadline = deadline  # monotonic seconds by which it must be on its way
        self.future = future
        self.error: BaseException | None = None


class Writer:
    """Takes changes from an event loop, and answers there: first the listeners, then the callers."""

    def __init__(
        self,
        path: Path,
        blobs: Blobs,
        dialect: Dialect,
        loop: asyncio.AbstractEventLoop,
        listeners: Sequence[Callable[[Sequence[Event]], None]],
    ) -> None:
        self._path = path
        self._loop = loop
        self._listeners = listeners
        self._queue: SimpleQueue[_Unit | None] = SimpleQueue()
        self._waiting: set[_Unit] = set()  # everything not answered yet; touched in the event loop alone
        self._closed: StorageError | None = None  # why nothing more is taken; set in the event loop alone
        self._ended = asyncio.Event()
        self._connection = sqlite.connect(path)
        self._cursor = self._connection.cursor()
        self._applier = Applier(self._cursor, blobs, Statements(dialect))
        self._thread = threading.Thread(target=self._work, name="storage-writer", daemon=True)
        self._thread.start()

    async def commit(self, changes: Sequence[Change], urgent: bool) -> None:
        """See engine.ports.Store.commit. To cancel the wait does not withdraw the changes."""
        if self._closed is not None:
            raise StorageError(self._closed.cause, self._closed.hint)
        unit = _Unit(changes, 0.0 if urgent else time.monotonic() + PATIENCE, self._loop.create_future())
        self._waiting.add(unit)
        self._queue.put(unit)
        await unit.future

    async def close(self) -> None:
        """Write what is queued, and end."""
        if self._closed is None:
            self._closed = StorageError("the store is closed.")
            self._queue.put(None)
        await self._ended.wait()

    # --- in the writer's thread

    def _work(self) -> None:
        reason = "the store is closed."
        try:
            while batch := self._take():
                self._tell(self._answer, batch, self._write(batch))
        except BaseException as error:
            reason = f"the thread that writes the database ended ({type(error).__name__}: {error})."
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._tell(self._end, StorageError(reason, "Quit and start again: what was acknowledged is stored."))

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and everyone who could be told with it
            self._loop.call_soon_threadsafe(call, *arguments)

    def _take(self) -> list[_Unit]:
        """The next batch: all that is queued, but for what may wait for company a little. Empty at the end."""
        unit = self._queue.get()
        batch: list[_Unit] = []
        changes, wait_until = 0, float("inf")
        while unit is not None:
            batch.append(unit)
            changes += len(unit.changes)
            wait_until = min(wait_until, unit.deadline)
            patience = wait_until - time.monotonic() if wait_until and changes < COMPANY else 0.0
            try:
                if changes >= _BATCH:
                    return batch
                unit = self._queue.get(timeout=patience) if patience > 0 else self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._queue.put(None)  # the end comes after this batch
        return batch

    def _write(self, batch: Sequence[_Unit]) -> list[Event]:
        """Write a batch and make it durable; return its events, numbered. Units that fail are given their error."""
        events: list[Event] = []
        try:
            self._cursor.execute(sqlite.BEGIN_WRITE)
            try:
                for unit in batch:
                    self._applier.apply(unit.changes, events)
                self._applier.flush()
            except Exception as error:
                if sqlite.spoils_all(error):
                    raise
                events.clear()
                self._roll_back()
                self._cursor.execute(sqlite.BEGIN_WRITE)
                for unit in batch:
                    self._write_apart(unit, events)
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            for unit in batch:
                unit.error = unit.error or sqlite.explain(error, self._path)
            return []
        return events

    def _write_apart(self, unit: _Unit, events: list[Event]) -> None:
        """Write one unit so that its failure leaves the transaction as it was."""
        mine: list[Event] = []
        self._cursor.execute("SAVEPOINT unit")
        try:
            self._applier.apply(unit.changes, mine)
            self._applier.flush()
        except Exception as error:
            if sqlite.spoils_all(error):
                raise
            unit.error = sqlite.explain(error, self._path) if isinstance(error, sqlite3.Error) else error
            self._applier.forget()
            self._cursor.execute("ROLLBACK TO unit")
        else:
            events.extend(mine)
        self._cursor.execute("RELEASE unit")

    def _roll_back(self) -> None:
        self._applier.forget()
        with contextlib.suppress(sqlite3.Error):  # a full disk or a failed one may have ended the transaction already
            self._cursor.execute("ROLLBACK")

    # --- in the event loop

    def _answer(self, batch: Sequence[_Unit], events: Sequence[Event]) -> None:
        if events:
            for heard in self._listeners:
                try:
                    heard(events)
                except Exception as error:
                    self._loop.call_exception_handler({"message": "a listener of events failed", "exception": error})
        for unit in batch:
            self._settle(unit, unit.error)

    def _settle(self, unit: _Unit, error: BaseException | None) -> None:
        self._waiting.discard(unit)
        if unit.future.done():  # its caller was cancelled
            return
        if error is None:
            unit.future.set_result(None)
        else:
            unit.future.set_exception(error)

    def _end(self, reason: StorageError) -> None:
        if self._closed is None:
            self._closed = reason
        for unit in list(self._waiting):
            self._settle(unit, StorageError(reason.cause, reason.hint))
        self._ended.set()
