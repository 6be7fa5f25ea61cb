"""Statements, built by SQLAlchemy and compiled once, for the writer's cursor: the hot path pays for no construction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, Update, bindparam, delete, func, insert, select, update
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.expression import ColumnElement, Executable

from engine.model.clients import CommandState
from engine.model.records import ApprovalState, AttemptState
from storage import tables
from storage.codec import CODECS, EVENT

# Rows of one INSERT: few statements to keep prepared, few steps (each gives up the interpreter's lock and has to get it
# back) for many rows, and never more parameters than the 999 that older SQLite takes.
EVENT_CHUNKS = (64, 16, 4, 1)
SHELVED = ("tags", "archived_at", "deleted_at")  # columns of a session


class Prepared:
    """One statement's text, and the order of its parameters."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        self.sql = str(compiled)  # pyright: ignore[reportUnknownArgumentType]
        self._order: list[str] = list(compiled.positiontup or ())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        self._fixed: dict[str, Any] = dict(compiled.params)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    def bind(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters in order; those not given keep the values that the statement was built with."""
        return [values[name] if name in values else self._fixed[name] for name in self._order]


def _is(table: Table, **names: str) -> list[ColumnElement[bool]]:
    return [table.c[column] == bindparam(name) for column, name in names.items()]


class Statements:
    """All that the writer says. Parameters that name what is looked for begin with `the_`."""

    def __init__(self, dialect: Dialect) -> None:
        def prepared(statement: Executable) -> Prepared:
            return Prepared(statement, dialect)

        t = tables
        self.insert = {
            record: prepared(insert(codec.table).values({name: bindparam(name) for name in codec.names}))
            for record, codec in CODECS.items()
        }
        head, row = self.insert[EVENT.record].sql.rsplit(" VALUES ", 1)
        self.insert_events = {count: f"{head} VALUES {', '.join([row] * count)}" for count in EVENT_CHUNKS}
        self.run_place = prepared(
            select(
                t.runs.c.session_id,
                select(func.coalesce(func.max(t.events.c.seq), 0))
                .where(t.events.c.run_id == bindparam("the_id"))
                .scalar_subquery(),
            ).where(t.runs.c.id == bindparam("the_id"))
        )
        self.node_run = prepared(select(t.nodes.c.run_id).where(*_is(t.nodes, id="the_id", session_id="the_session")))
        self.touch = prepared(
            update(t.sessions)
            .where(t.sessions.c.id == bindparam("the_id"), t.sessions.c.updated_at < bindparam("the_at"))
            .values(updated_at=bindparam("the_at"))
        )
        named = update(t.sessions).where(t.sessions.c.id == bindparam("the_id"))
        titled = named.values(title=bindparam("title"), updated_at=bindparam("updated_at"))
        self.retitle = prepared(titled)
        self.retitle_expected = prepared(titled.where(t.sessions.c.title == bindparam("the_title")))
        self.answer = prepared(
            update(t.journal_entries)
            .where(
                *_is(
                    t.journal_entries,
                    attempt_id="the_attempt",
                    agent="the_agent",
                    sequence="the_sequence",
                    run_id="the_run",
                    session_id="the_session",
                ),
                t.journal_entries.c.answer.is_(None),
            )
            .values({name: bindparam(name) for name in ("kind", "request_hash", "request", "answer", "at", "name")})
        )
        self.heartbeat = prepared(
            update(t.clients)
            .where(t.clients.c.id == bindparam("the_id"))
            .values(heartbeat_at=bindparam("heartbeat_at"))
        )
        self.move = {"run": prepared(_move(t.runs)), "node": prepared(_move(t.nodes, run_id="the_run"))}
        self.state = {
            "run": prepared(select(t.runs.c.state).where(*_is(t.runs, id="the_id", session_id="the_session"))),
            "node": prepared(select(t.nodes.c.state).where(*_is(t.nodes, id="the_id", session_id="the_session"))),
        }
        self.end_attempt = prepared(
            _owned(t.attempts, t.attempts.c.state == AttemptState.RUNNING.value).values(
                {name: bindparam(name) for name in ("state", "ended_at", "summary", "error", "checks")}
            )
        )
        self.attempt_state = prepared(
            select(t.attempts.c.state).where(*_is(t.attempts, id="the_id", session_id="the_session"))
        )
        self.set_plan = prepared(_owned(t.runs).values(plan=bindparam("plan")))
        self.set_options = prepared(_owned(t.runs).values(options=bindparam("options")))
        self.settle_approval = prepared(
            _owned(t.approvals, t.approvals.c.state == ApprovalState.PENDING.value).values(
                {name: bindparam(name) for name in ("state", "resolved_at", "resolved_by", "feedback", "answer")}
            )
        )
        self.amend = prepared(
            _owned(t.approvals, t.approvals.c.state != ApprovalState.PENDING.value).values(answer=bindparam("answer"))
        )
        self.approval_state = prepared(
            select(t.approvals.c.state).where(*_is(t.approvals, id="the_id", session_id="the_session"))
        )
        self.settle_command = prepared(
            update(t.commands)
            .where(t.commands.c.id == bindparam("the_id"), t.commands.c.state == CommandState.PENDING.value)
            .values({name: bindparam(name) for name in ("state", "outcome", "settled_at")})
        )
        self.command_state = prepared(select(t.commands.c.state).where(t.commands.c.id == bindparam("the_id")))
        self.own = prepared(
            _owned(
                t.runs,
                t.runs.c.owner_id.is_not_distinct_from(bindparam("the_owner")),
                t.runs.c.lease == bindparam("the_lease"),
            ).values(owner_id=bindparam("owner_id"), lease=bindparam("lease"))
        )
        self.run_owner = prepared(
            select(t.runs.c.owner_id, t.runs.c.lease).where(*_is(t.runs, id="the_id", session_id="the_session"))
        )
        self.advise = prepared(_owned(t.nodes).values({name: bindparam(name) for name in ("feedback", "retry_at")}))
        shelved = named.values({name: bindparam(name) for name in SHELVED})
        self.shelve = prepared(shelved)
        self.shelve_expected = prepared(
            shelved.where(*(t.sessions.c[name].is_not_distinct_from(bindparam(f"the_{name}")) for name in SHELVED))
        )
        self.session = prepared(select(t.sessions.c.id).where(t.sessions.c.id == bindparam("the_id")))
        self.forget = prepared(delete(t.clients).where(t.clients.c.id == bindparam("the_id")))
        self.forget_stale = prepared(
            delete(t.clients).where(
                t.clients.c.id == bindparam("the_id"), t.clients.c.heartbeat_at < bindparam("the_at")
            )
        )
        self.client = prepared(select(t.clients.c.id).where(t.clients.c.id == bindparam("the_id")))


def _owned(table: Table, *more: ColumnElement[bool]) -> Update:
    return update(table).where(*_is(table, id="the_id", session_id="the_session"), *more)


def _move(table: Table, **more: str) -> Update:
    known: ColumnElement[int] = table.c.started_at
    given: ColumnElement[int] = bindparam("started_at")
    # A run began when it first did; a node, which may be tried again, when it last did.
    started = func.coalesce(known, given) if table.name == "runs" else func.coalesce(given, known)
    return _owned(table, *_is(table, state="the_before", **more)).values(
        state=bindparam("state"),
        started_at=started,
        ended_at=bindparam("ended_at"),
        error=bindparam("error"),
    )
