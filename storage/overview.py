"""Reads across sessions: the home screen's list, and what a process has to find before it knows a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from engine.model.browsing import RunSummary, SessionFilter, SessionSort
from engine.model.clients import Client, Command, CommandState
from engine.model.errors import NotFound
from engine.model.estimate import PastStep
from engine.model.events import EventKind
from engine.model.failures import PastFailure
from engine.model.records import Approval, ApprovalState, AttemptState, Json, NodeKind, Run, SessionSummary
from engine.model.spending import Grouping, Spending, SpendingFilter
from engine.model.states import RunState, StepState
from storage import browsing, spending, tables
from storage.codec import APPROVAL, ATTEMPT, CLIENT, COMMAND, EVENT, RUN, Codec
from storage.reads import Reader

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
_LOOKED_THROUGH = 20_000  # attempts
_CALLS_LOOKED_THROUGH = 50_000
_UNFINISHED = [state.value for state in RunState if not state.terminal]


class Overview:
    """The reads of engine.ports.Store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def browse(self, matching: SessionFilter, sort: SessionSort, descending: bool) -> list[str]:
        """See engine.ports.Store.browse."""
        return await self._reader.run(lambda connection: browsing.order(connection, matching, sort, descending))

    async def summaries(self, session_ids: Sequence[str]) -> list[SessionSummary]:
        """See engine.ports.Store.summaries."""
        return await self._reader.run(lambda connection: browsing.summaries(self._reader, connection, session_ids))

    async def run_summaries(self, session_id: str, limit: int) -> list[RunSummary]:
        """See engine.ports.Store.run_summaries."""
        return await self._reader.run(
            lambda connection: browsing.run_summaries(self._reader, connection, session_id, limit)
        )

    async def spending(self, by: Grouping, matching: SpendingFilter, limit: int) -> Spending:
        """See engine.ports.Store.spending."""
        return await self._reader.run(
            lambda connection: spending.spending(self._reader, connection, by, matching, limit)
        )

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

    async def failures(self, limit: int) -> list[PastFailure]:
        """See engine.ports.RunStore.failures."""
        return await self._reader.run(lambda connection: self._failures(connection, limit))

    async def past_steps(self, limit: int) -> list[PastStep]:
        """See engine.ports.RunStore.past_steps."""
        return await self._reader.run(lambda connection: _past_steps(connection, limit))

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

    def _failures(self, connection: Connection, limit: int) -> list[PastFailure]:
        failed, after, said = tables.attempts, tables.attempts.alias("after"), tables.events
        c, then = failed.c, after.c
        oldest = select(c.id).order_by(c.id.desc()).offset(_LOOKED_THROUGH).limit(1).scalar_subquery()
        # An attempt's last word on why it failed is the error event that hangs under nothing.
        why = (said.c.run_id == c.run_id, said.c.kind == EventKind.ERROR.value, said.c.attempt_id == c.id)
        statement = (
            select(c.session_id, c.run_id, c.node_id, c.id, said.c.data, then.id, then.reason, then.state)
            .add_columns(then.summary, then.feedback)
            .join(said, and_(*why, said.c.parent_event_id.is_(None)))
            .outerjoin(after, and_(then.node_id == c.node_id, then.number == c.number + 1))
            .where(c.state == AttemptState.FAILED.value, c.id > func.coalesce(oldest, ""))
            .order_by(c.id.desc())
            .limit(limit)
        )
        found = {row[3]: self._failure(row) for row in connection.execute(statement)}
        return list(found.values())

    def _failure(self, row: Sequence[Any]) -> PastFailure:
        blobs = self._reader.blobs
        data: Json = EVENT.decode_field("data", row[4], blobs)
        return PastFailure(
            *(str(one) for one in row[:4]),
            kind=str(data.get("kind") or data.get("category")),
            message=str(data.get("message") or ""),
            detail=str(data.get("detail") or ""),
            then_id=row[5],
            then_reason=row[6],
            then_state=AttemptState(row[7]) if row[7] else None,
            then_summary=ATTEMPT.decode_field("summary", row[8], blobs),
            said=ATTEMPT.decode_field("feedback", row[9], blobs),
        )


def _past_steps(connection: Connection, limit: int) -> list[PastStep]:
    cost, node = tables.cost_records.c, tables.nodes.c
    oldest = select(cost.id).order_by(cost.id.desc()).offset(_CALLS_LOOKED_THROUGH).limit(1).scalar_subquery()
    statement = (
        select(node.agent, func.max(cost.model), func.count())
        .add_columns(func.sum(cost.prompt_tokens + cost.completion_tokens))
        .add_columns(case((func.count(cost.usd_micro) == func.count(), func.sum(cost.usd_micro)), else_=None))
        .join_from(tables.cost_records, tables.nodes, cost.node_id == node.id)
        .where(node.kind == NodeKind.STEP.value, node.state == StepState.COMPLETED.value)
        .where(cost.id > func.coalesce(oldest, ""))
        .group_by(node.id)
        .order_by(node.id.desc())
        .limit(limit)
    )
    return [PastStep(*row) for row in connection.execute(statement)]
