"""Reads across sessions: the home screen's list, and what a process has to find before it knows a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from engine.model.errors import NotFound
from engine.model.records import (
    Approval,
    ApprovalState,
    Client,
    Command,
    CommandState,
    CostTotal,
    Run,
    Session,
    SessionSummary,
)
from engine.model.states import RunState
from storage import tables
from storage.codec import APPROVAL, CLIENT, COMMAND, RUN, SESSION, Codec
from storage.reads import COST_SUMS, Reader

T = TypeVar("T")

_FINDABLE = {
    table.name: table
    for table in (
        tables.sessions,
        tables.runs,
        tables.nodes,
        tables.attempts,
        tables.approvals,
        tables.artifacts,
    )
}
_MATCHES = 10
_UNFINISHED = [state.value for state in RunState if not state.terminal]


class Overview:
    """The reads of engine.ports.Store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def sessions(self, limit: int, before: str | None) -> list[SessionSummary]:
        """A page of sessions, newest first, in five queries however long it is."""

        def read(connection: Connection) -> list[SessionSummary]:
            c = tables.sessions.c
            where = [] if before is None else [c.id < before]
            sessions = self._reader.all(connection, SESSION, *where, order=[c.id.desc()], limit=limit)
            return self._summarised(connection, sessions)

        return await self._reader.run(read)

    async def runs(self, limit: int, before: str | None) -> list[Run]:
        """Runs of all sessions, newest first."""
        c = tables.runs.c
        return await self._list(RUN, *([] if before is None else [c.id < before]), order=[c.id.desc()], limit=limit)

    async def unfinished(self) -> list[Run]:
        """Runs in no terminal state, oldest first."""
        c = tables.runs.c
        return await self._list(RUN, c.state.in_(_UNFINISHED), order=[c.id])

    async def approvals(self, pending: bool, limit: int) -> list[Approval]:
        """Newest first."""
        c = tables.approvals.c
        where = [c.state == ApprovalState.PENDING.value] if pending else []
        return await self._list(APPROVAL, *where, order=[c.id.desc()], limit=limit)

    async def commands(self, run_ids: Sequence[str]) -> list[Command]:
        """Pending commands of these runs, oldest first."""
        c = tables.commands.c
        pending = c.state == CommandState.PENDING.value
        return await self._list(COMMAND, c.run_id.in_(list(run_ids)), pending, order=[c.id])

    async def command(self, command_id: str) -> Command:
        """One command, whatever became of it."""
        found = await self._list(COMMAND, tables.commands.c.id == command_id)
        if not found:
            raise NotFound(f"there is no command {command_id}.")
        return found[0]

    async def clients(self) -> list[Client]:
        """Every process that has the database open, or died without a word; oldest first."""
        return await self._list(CLIENT, order=[tables.clients.c.id])

    async def find(self, table: str, prefix: str) -> list[tuple[str, str]]:
        """See engine.ports.Store.find. Whatever characters the prefix holds stand for themselves."""
        c = _FINDABLE[table].c
        session = c.id if table == "sessions" else c.session_id
        wanted = prefix.replace("-", "").lower()
        plain = func.replace(c.id, "-", "")
        matches = or_(plain.startswith(wanted, autoescape=True), plain.endswith(wanted, autoescape=True))

        def read(connection: Connection) -> list[tuple[str, str]]:
            for where in (c.id == prefix, matches):  # a whole id is found without looking at all of them
                statement = select(c.id, session).where(where).order_by(c.id.desc()).limit(_MATCHES)
                found = [(str(row[0]), str(row[1])) for row in connection.execute(statement)]
                if found:
                    return found
            return []

        return await self._reader.run(read) if wanted else []

    async def _list(self, codec: Codec[T], *where: ColumnElement[bool], **how: Any) -> list[T]:
        return await self._reader.run(lambda connection: self._reader.all(connection, codec, *where, **how))

    def _summarised(self, connection: Connection, sessions: Sequence[Session]) -> list[SessionSummary]:
        ids = [session.id for session in sessions]
        runs, costs, approvals = tables.runs.c, tables.cost_records.c, tables.approvals.c
        counted = {
            row[0]: (int(row[1]), str(row[2]))
            for row in connection.execute(
                select(runs.session_id, func.count(), func.max(runs.id))
                .where(runs.session_id.in_(ids))
                .group_by(runs.session_id)
            )
        }
        newest = self._reader.all(connection, RUN, runs.id.in_([run_id for _, run_id in counted.values()]))
        last = {run.session_id: run for run in newest}
        sums = {
            row[0]: CostTotal(*row[1:])
            for row in connection.execute(
                select(costs.session_id, *COST_SUMS).where(costs.session_id.in_(ids)).group_by(costs.session_id)
            )
        }
        pending = {
            row[0]: int(row[1])
            for row in connection.execute(
                select(approvals.session_id, func.count())
                .where(approvals.session_id.in_(ids), approvals.state == ApprovalState.PENDING.value)
                .group_by(approvals.session_id)
            )
        }
        return [
            SessionSummary(
                session=session,
                runs=counted.get(session.id, (0, ""))[0],
                last_run=last.get(session.id),
                cost=sums.get(session.id, CostTotal()),
                pending_approvals=pending.get(session.id, 0),
            )
            for session in sessions
        ]
