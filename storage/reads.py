"""Reading: on connections of its own, each call in one transaction, so that what it returns fits together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Select, Table, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ColumnElement

from engine.model.errors import NotFound, StorageError
from engine.model.events import Event, EventKind
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    Checkpoint,
    Cost,
    CostTotal,
    JournalEntry,
    Message,
    Node,
    Run,
    RunView,
    Session,
    SessionState,
    StateChange,
)
from engine.model.timeline import EVERYTHING, UNFOLDED, EventFilter, Folding, TimelinePage
from storage import sqlite, tables, timeline
from storage.codec import (
    APPROVAL,
    ARTIFACT,
    ATTEMPT,
    CHECKPOINT,
    COST,
    EDGE,
    EVENT,
    JOURNAL,
    MESSAGE,
    NODE,
    RUN,
    SESSION,
    SESSION_STATE,
    STATE_CHANGE,
    Codec,
)

if TYPE_CHECKING:
    from engine.ports import Blobs

T = TypeVar("T")
READERS = 4  # threads, and connections

_costs = tables.cost_records.c
COST_SUMS: list[ColumnElement[Any]] = [
    func.coalesce(func.sum(_costs.usd_micro), 0),
    func.coalesce(func.sum(_costs.prompt_tokens), 0),
    func.coalesce(func.sum(_costs.completion_tokens), 0),
    func.count(),
    func.count() - func.count(_costs.usd_micro),
]


class Reader:
    """A few read-only connections, each used by one thread at a time."""

    def __init__(self, path: Path, blobs: Blobs) -> None:
        self.path = path
        self.blobs = blobs
        self.engine = sqlite.engine(path, read_only=True, size=READERS)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="storage-reader")
        self._closed = False

    async def run(self, read: Callable[[Connection], T]) -> T:
        """Call `read` in a thread, in a transaction that sees everything acknowledged so far.

        Raises:
            StorageError: the database or a blob cannot be read, or the store was closed.
        """
        if self._closed:
            raise StorageError("the store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                return read(connection)
        except sqlite3.Error as error:
            raise sqlite.explain(error, self.path) from error
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise sqlite.explain(error.orig, self.path) from error
            raise

    async def close(self) -> None:
        """Wait for the reads under way, and close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()

    def all(self, connection: Connection, codec: Codec[T], *where: ColumnElement[bool], **how: Any) -> list[T]:
        """The records that `where` allows, in the order and number that `how` says (see `_page`)."""
        rows = connection.execute(_page(select(*codec.columns).where(*where), **how)).all()
        return [codec.decode(row, self.blobs) for row in rows]


def _page(statement: Select[Any], *, order: Sequence[ColumnElement[Any]] = (), limit: int | None = None) -> Select[Any]:
    return statement.order_by(*order).limit(None if limit is None else max(0, limit))


class SqlSessionReads:
    """Fulfils engine.ports.SessionReads: every statement names the session."""

    def __init__(self, reader: Reader, session_id: str) -> None:
        self._reader = reader
        self._session_id = session_id

    async def session(self) -> Session:
        """The session itself."""
        return await self._reader.run(self._session)

    async def state(self) -> SessionState | None:
        """The newest version of what is carried over."""

        def read(connection: Connection) -> SessionState | None:
            self._session(connection)
            c = tables.session_states.c
            found = self._mine(connection, SESSION_STATE, order=[c.version.desc()], limit=1)
            return found[0] if found else None

        return await self._reader.run(read)

    async def runs(self, *, limit: int = 50, before: str | None = None) -> list[Run]:
        """Newest first; `before` is the id of the last run of the page before."""

        def read(connection: Connection) -> list[Run]:
            self._session(connection)
            c = tables.runs.c
            where = [] if before is None else [c.id < before]
            return self._mine(connection, RUN, *where, order=[c.id.desc()], limit=limit)

        return await self._reader.run(read)

    async def run(self, run_id: str) -> Run:
        """One run."""
        return await self._reader.run(lambda connection: self._record(connection, RUN, run_id))

    async def node(self, node_id: str) -> Node:
        """One node."""
        return await self._reader.run(lambda connection: self._record(connection, NODE, node_id))

    async def approval(self, approval_id: str) -> Approval:
        """One approval."""
        return await self._reader.run(lambda connection: self._record(connection, APPROVAL, approval_id))

    async def approvals(self, *, run_id: str | None = None, state: ApprovalState | None = None) -> list[Approval]:
        """See engine.ports.SessionReads.approvals."""
        c = tables.approvals.c
        where = [] if run_id is None else [c.run_id == run_id]
        where += [] if state is None else [c.state == state.value]
        return await self._reader.run(lambda connection: self._mine(connection, APPROVAL, *where, order=[c.id]))

    async def view(self, run_id: str, *, files: bool = True) -> RunView:
        """See engine.ports.SessionReads.view."""

        def read(connection: Connection) -> RunView:
            run = self._record(connection, RUN, run_id)
            nodes, edges = tables.nodes.c, tables.edges.c
            total, by_node = self._cost(connection, run_id)
            artifacts = self._of_run(connection, ARTIFACT, run_id, order=[tables.artifacts.c.id]) if files else ()
            return RunView(
                session=self._session(connection),
                run=run,
                nodes=tuple(self._of_run(connection, NODE, run_id, order=[nodes.position, nodes.id])),
                edges=tuple(self._of_run(connection, EDGE, run_id, order=[edges.from_node, edges.to_node])),
                attempts=tuple(self._of_run(connection, ATTEMPT, run_id, order=[tables.attempts.c.id])),
                artifacts=tuple(artifacts),
                approvals=tuple(self._of_run(connection, APPROVAL, run_id, order=[tables.approvals.c.id])),
                cost=total,
                node_cost=by_node,
                last_seq=timeline.last_seq(connection, run_id),
            )

        return await self._reader.run(read)

    async def paths(self, run_id: str) -> dict[str, frozenset[str]]:
        """See engine.ports.SessionReads.paths."""

        def read(connection: Connection) -> dict[str, frozenset[str]]:
            self._require(connection, tables.runs, run_id)
            c = tables.artifacts.c
            found: dict[str, set[str]] = {}
            for node_id, path in connection.execute(select(c.node_id, c.path).where(c.run_id == run_id)):
                found.setdefault(node_id, set()).add(path)
            return {node_id: frozenset(paths) for node_id, paths in found.items()}

        return await self._reader.run(read)

    async def events(
        self,
        run_id: str,
        *,
        after: int = 0,
        limit: int = 256,
        node_id: str | None = None,
        kinds: Sequence[EventKind] = (),
        newest: bool = False,
    ) -> list[Event]:
        """See engine.ports.SessionReads.events."""

        def read(connection: Connection) -> list[Event]:
            self._require(connection, tables.runs, run_id)
            c = tables.events.c
            where = [c.seq > after]
            if node_id is not None:
                self._require(connection, tables.nodes, node_id)
                where.append(c.node_id == node_id)
            if kinds:
                where.append(c.kind.in_([kind.value for kind in kinds]))
            order = [c.seq.desc() if newest else c.seq]
            found = self._of_run(connection, EVENT, run_id, *where, order=order, limit=limit)
            return found[::-1] if newest else found

        return await self._reader.run(read)

    async def timeline(
        self,
        run_id: str,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int = 128,
        matching: EventFilter = EVERYTHING,
        folding: Folding = UNFOLDED,
    ) -> TimelinePage:
        """See engine.ports.SessionReads.timeline."""

        def read(connection: Connection) -> TimelinePage:
            self._require(connection, tables.runs, run_id)
            return timeline.page(
                connection,
                self._reader.blobs,
                run_id,
                after=after,
                before=before,
                newest=newest,
                limit=limit,
                matching=matching,
                folding=folding,
            )

        return await self._reader.run(read)

    async def seq_at(self, run_id: str, at: datetime) -> int:
        """See engine.ports.SessionReads.seq_at."""

        def read(connection: Connection) -> int:
            self._require(connection, tables.runs, run_id)
            return timeline.seq_at(connection, run_id, at)

        return await self._reader.run(read)

    async def event_count(self, run_id: str) -> int:
        """How many events a run has: they are dense, so the last number tells."""

        def read(connection: Connection) -> int:
            self._require(connection, tables.runs, run_id)
            return timeline.last_seq(connection, run_id)

        return await self._reader.run(read)

    async def messages(self, run_id: str, *, node_id: str | None = None, limit: int = 200) -> list[Message]:
        """The newest `limit` ones, oldest first."""
        c = tables.messages.c
        found = await self._list(MESSAGE, run_id, node_id, order=[c.id.desc()], limit=limit)
        return found[::-1]

    async def artifacts(self, run_id: str, *, node_id: str | None = None) -> list[Artifact]:
        """In the order in which they were written."""
        return await self._list(ARTIFACT, run_id, node_id, order=[tables.artifacts.c.id])

    async def attempts(self, run_id: str, *, node_id: str) -> list[Attempt]:
        """The tries of a node, the first one first."""
        return await self._list(ATTEMPT, run_id, node_id, order=[tables.attempts.c.number])

    async def costs(self, run_id: str) -> list[Cost]:
        """One a model call, oldest first."""
        return await self._list(COST, run_id, None, order=[tables.cost_records.c.id])

    async def history(self, run_id: str) -> list[StateChange]:
        """Every move of the run and its nodes, in the order of their commits."""
        return await self._list(STATE_CHANGE, run_id, None, order=[tables.state_history.c.id])

    async def journal(self, attempt_id: str) -> list[JournalEntry]:
        """The recorded answers of an attempt, by agent, each in order."""

        def read(connection: Connection) -> list[JournalEntry]:
            self._require(connection, tables.attempts, attempt_id)
            c = tables.journal_entries.c
            return self._mine(connection, JOURNAL, c.attempt_id == attempt_id, order=[c.agent, c.sequence])

        return await self._reader.run(read)

    async def checkpoint(self, node_id: str) -> Checkpoint | None:
        """The newest checkpoint of a node."""

        def read(connection: Connection) -> Checkpoint | None:
            self._require(connection, tables.nodes, node_id)
            c = tables.checkpoints.c
            found = self._mine(connection, CHECKPOINT, c.node_id == node_id, order=[c.id.desc()], limit=1)
            return found[0] if found else None

        return await self._reader.run(read)

    async def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """The newest checkpoint of each node that has one."""

        def read(connection: Connection) -> list[Checkpoint]:
            self._require(connection, tables.runs, run_id)
            c = tables.checkpoints.c
            newest = select(func.max(c.id)).where(c.run_id == run_id).group_by(c.node_id)
            return self._mine(connection, CHECKPOINT, c.id.in_(newest))

        return await self._reader.run(read)

    async def cost(self, run_id: str) -> CostTotal:
        """The sum of a run."""

        def read(connection: Connection) -> CostTotal:
            self._require(connection, tables.runs, run_id)
            return self._cost(connection, run_id)[0]

        return await self._reader.run(read)

    # --- in a reader's thread

    def _session(self, connection: Connection) -> Session:
        found = self._reader.all(connection, SESSION, tables.sessions.c.id == self._session_id)
        if not found:
            raise NotFound(f"there is no session {self._session_id}.")
        return found[0]

    def _mine(self, connection: Connection, codec: Codec[T], *where: ColumnElement[bool], **how: Any) -> list[T]:
        return self._reader.all(connection, codec, codec.table.c.session_id == self._session_id, *where, **how)

    def _of_run(
        self, connection: Connection, codec: Codec[T], run_id: str, *where: ColumnElement[bool], **how: Any
    ) -> list[T]:
        return self._mine(connection, codec, codec.table.c.run_id == run_id, *where, **how)

    async def _list(self, codec: Codec[T], run_id: str, node_id: str | None, **how: Any) -> list[T]:
        """The rows of a run, or of one of its nodes."""

        def read(connection: Connection) -> list[T]:
            self._require(connection, tables.runs, run_id)
            if node_id is None:
                return self._of_run(connection, codec, run_id, **how)
            self._require(connection, tables.nodes, node_id)
            return self._of_run(connection, codec, run_id, codec.table.c.node_id == node_id, **how)

        return await self._reader.run(read)

    def _record(self, connection: Connection, codec: Codec[T], identifier: str) -> T:
        found = self._mine(connection, codec, codec.table.c.id == identifier)
        if not found:
            raise self._missing(codec.table, identifier)
        return found[0]

    def _require(self, connection: Connection, table: Table, identifier: str) -> None:
        where = (table.c.id == identifier, table.c.session_id == self._session_id)
        if connection.execute(select(table.c.id).where(*where)).first() is None:
            raise self._missing(table, identifier)

    def _missing(self, table: Table, identifier: str) -> NotFound:
        return NotFound(f"session {self._session_id} has no {table.name.removesuffix('s')} {identifier}.")

    def _cost(self, connection: Connection, run_id: str) -> tuple[CostTotal, dict[str, CostTotal]]:
        """The sum of a run, and of each of its nodes."""
        statement = select(_costs.node_id, *COST_SUMS).where(_costs.run_id == run_id).group_by(_costs.node_id)
        sums = {row[0]: CostTotal(*row[1:]) for row in connection.execute(statement)}
        total = CostTotal(
            *(
                sum(getattr(one, name) for one in sums.values())
                for name in ("usd_micro", "prompt_tokens", "completion_tokens", "calls", "unknown_calls")
            )
        )
        return total, {node: one for node, one in sums.items() if node is not None}
