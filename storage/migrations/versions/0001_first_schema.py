"""The first schema: every table of a session's record.

Nothing here is taken from the program's own tables and enumerations: a migration stays what it was when they change.

Revision ID: 0001
Revises: nothing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.schema import SchemaItem

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What a table consists of, given its name, from which the names of its constraints are made.
_Part: TypeAlias = Callable[[str], list[SchemaItem]]

_MODES = ("one-shot", "planning-control", "deep-research", "human-in-the-loop", "idea-generation")
_RUN_STATES = ["draft", "planning", "executing", "paused", "waiting_approval", "completed", "failed", "cancelled"]
_STEP_STATES = ["pending", "running", "paused", "waiting_approval", "completed", "failed", "skipped", "cancelled"]
_NODE_KINDS = ["planning", "step", "sub_agent", "approval", "branch_point", "terminator"]
_EDGE_KINDS = ["sequential", "parallel", "conditional", "optional"]
_ATTEMPT_STATES = ["running", "completed", "failed", "cancelled", "lost"]
_APPROVAL_STATES = ["pending", "approved", "rejected", "modified", "retry", "skip", "abort", "expired", "withdrawn"]
_COMMAND_STATES = ["pending", "done", "refused"]
_EVENT_KINDS = (
    "run_state",
    "node",
    "node_state",
    "agent_call",
    "model_call",
    "tool_call",
    "code_exec",
    "file_gen",
    "handoff",
    "message",
    "approval",
    "check",
    "retry",
    "cost",
    "plan",
    "output",
    "conflict",
    "error",
)


def _texts(*names: str, null: bool = False) -> _Part:
    return lambda table: [sa.Column(name, sa.Text(), nullable=null) for name in names]


def _numbers(*names: str, null: bool = False) -> _Part:
    return lambda table: [sa.Column(name, sa.BigInteger(), nullable=null) for name in names]


def _bodies(*names: str, null: bool = False) -> _Part:
    """JSON texts of at most 16 KB, or the names of blobs."""
    return lambda table: [
        item
        for name in names
        for item in (
            sa.Column(name, sa.Text(), nullable=null),
            sa.CheckConstraint(f"length({name}) <= 16384", name=op.f(f"ck_{table}_{name}")),
        )
    ]


def _one_of(name: str, *values: str) -> _Part:
    listed = ", ".join(f"'{value}'" for value in values)
    return lambda table: [
        sa.Column(name, sa.Text(), nullable=False),
        sa.CheckConstraint(f"{name} IN ({listed})", name=op.f(f"ck_{table}_{name}")),
    ]


def _key(*columns: str) -> _Part:
    return lambda table: [sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))]


def _unique(*columns: str) -> _Part:
    return lambda table: [sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))]


def _refers(parent: str, **columns: str) -> _Part:
    return lambda table: [
        sa.ForeignKeyConstraint(
            list(columns),
            [f"{parent}.{column}" for column in columns.values()],
            name=op.f(f"fk_{table}_{'_'.join(columns)}"),
        )
    ]


def _join(*parts: _Part) -> _Part:
    return lambda table: [item for part in parts for item in part(table)]


_ID = _join(_texts("id"), _key("id"))
_SESSION = _join(_texts("session_id"), _refers("sessions", session_id="id"))
_RUN = _join(_texts("session_id", "run_id"), _refers("runs", run_id="id", session_id="session_id"))


def _node(*, null: bool = False) -> _Part:
    return _join(_RUN, _texts("node_id", null=null), _refers("nodes", node_id="id", run_id="run_id"))


def _attempt(*, null: bool = False) -> _Part:
    return _join(
        _node(null=null), _texts("attempt_id", null=null), _refers("attempts", attempt_id="id", run_id="run_id")
    )


def _table(name: str, *parts: _Part, indexes: tuple[tuple[str, ...], ...] = ()) -> None:
    op.create_table(name, *_join(*parts)(name))
    for columns in indexes:
        op.create_index(op.f(f"ix_{name}_{'_'.join(columns)}"), name, list(columns))


def upgrade() -> None:
    _table(
        "sessions",
        _ID,
        _texts("title"),
        _one_of("mode", *_MODES),
        _texts("directory"),
        _numbers("created_at", "updated_at"),
    )
    _table(
        "session_states",
        _SESSION,
        _numbers("version", "at"),
        _bodies("conversation", "context"),
        _bodies("plan", null=True),
        _key("session_id", "version"),
    )
    _table(
        "runs",
        _ID,
        _SESSION,
        _one_of("state", *_RUN_STATES),
        _one_of("mode", *_MODES),
        _bodies("task", "options"),
        _numbers("created_at"),
        _bodies("plan", null=True),
        _texts("parent_run_id", "parent_node_id", "branch_name", null=True),
        _bodies("hypothesis", null=True),
        _numbers("started_at", "ended_at", null=True),
        _bodies("error", null=True),
        _texts("owner_id", null=True),
        _unique("id", "session_id"),
        _refers("runs", parent_run_id="id", session_id="session_id"),
        indexes=(("session_id", "id"), ("state", "id"), ("parent_run_id",)),
    )
    _table(
        "nodes",
        _ID,
        _RUN,
        _texts("step"),
        _one_of("kind", *_NODE_KINDS),
        _texts("title"),
        _texts("agent", null=True),
        _numbers("position"),
        _one_of("state", *_STEP_STATES),
        _texts("parent_node_id", null=True),
        _numbers("depth"),
        _numbers("started_at", "ended_at", null=True),
        _bodies("error", null=True),
        _unique("id", "run_id"),
        _unique("id", "session_id"),
        _refers("nodes", parent_node_id="id", run_id="run_id"),
        indexes=(("run_id", "position"),),
    )
    _table(
        "edges",
        _RUN,
        _texts("from_node", "to_node"),
        _one_of("kind", *_EDGE_KINDS),
        _key("run_id", "from_node", "to_node"),
        _refers("nodes", from_node="id", run_id="run_id"),
        _refers("nodes", to_node="id", run_id="run_id"),
    )
    _table(
        "attempts",
        _ID,
        _node(),
        _numbers("number"),
        _texts("reason"),
        _one_of("state", *_ATTEMPT_STATES),
        _numbers("started_at"),
        _numbers("ended_at", null=True),
        _texts("workdir", null=True),
        _bodies("summary", "error", null=True),
        _bodies("checks"),
        _unique("id", "run_id"),
        _unique("id", "session_id"),
        _unique("node_id", "number"),
        indexes=(("run_id", "id"),),
    )
    _table(
        "journal_entries",
        _RUN,
        _texts("attempt_id", "agent"),
        _numbers("sequence"),
        _one_of("kind", "model", "tool", "human"),
        _texts("request_hash"),
        _bodies("request"),
        _bodies("answer", null=True),
        _numbers("at"),
        _texts("name"),
        _key("attempt_id", "agent", "sequence"),
        _refers("attempts", attempt_id="id", run_id="run_id"),
        indexes=(("run_id",),),
    )
    _table(
        "events",
        _ID,
        _attempt(null=True),
        _one_of("kind", *_EVENT_KINDS),
        _numbers("at"),
        _one_of("phase", "start", "end", "point"),
        _texts("parent_event_id", "span_id", "agent", null=True),
        _texts("title"),
        _bodies("data"),
        _numbers("seq"),
        _unique("run_id", "seq"),
        indexes=(("run_id", "node_id", "seq"), ("run_id", "kind", "seq")),
    )
    _table(
        "messages",
        _ID,
        _attempt(null=True),
        _texts("event_id", null=True),
        _numbers("at"),
        _texts("sender"),
        _one_of("role", "system", "user", "assistant", "tool"),
        _bodies("content"),
        indexes=(("run_id", "id"), ("node_id", "id")),
    )
    _table(
        "artifacts",
        _ID,
        _attempt(),
        _texts("event_id", null=True),
        _numbers("at"),
        _texts("agent", "path", "sha256"),
        _numbers("size"),
        _one_of("kind", "code", "data", "figure", "text", "other"),
        _unique("id", "session_id"),
        indexes=(("run_id", "id"), ("node_id", "id"), ("sha256",)),
    )
    _table(
        "checkpoints",
        _ID,
        _attempt(),
        _numbers("at"),
        _bodies("tree", "context"),
        indexes=(("run_id",), ("node_id", "id")),
    )
    _table(
        "approvals",
        _ID,
        _node(null=True),
        _one_of("kind", "plan", "step", "tool", "error", "question"),
        _texts("title"),
        _bodies("shown"),
        _one_of("state", *_APPROVAL_STATES),
        _numbers("created_at"),
        _numbers("deadline_at", "resolved_at", null=True),
        _texts("resolved_by", null=True),
        _bodies("feedback", "answer", null=True),
        _unique("id", "session_id"),
        indexes=(("run_id", "id"), ("session_id", "state"), ("state", "id")),
    )
    _table(
        "state_history",
        # SQLite numbers rows by itself only in a column declared INTEGER.
        lambda table: [sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)],
        _key("id"),
        _RUN,
        _one_of("entity", "run", "node"),
        _texts("entity_id", "before", "after"),
        _one_of("actor", "engine", "person"),
        _texts("who"),
        _bodies("why"),
        _numbers("at"),
        indexes=(("run_id", "id"),),
    )
    _table(
        "cost_records",
        _ID,
        _attempt(null=True),
        _texts("event_id", null=True),
        _numbers("at"),
        _texts("agent", "model"),
        _numbers("prompt_tokens", "completion_tokens", "cached_tokens"),
        _numbers("usd_micro", null=True),
        _texts("price_source"),
        indexes=(
            ("session_id", "usd_micro", "prompt_tokens", "completion_tokens"),
            ("run_id", "node_id", "usd_micro", "prompt_tokens", "completion_tokens"),
        ),
    )
    _table(
        "commands",
        _ID,
        _RUN,
        _texts("verb"),
        _bodies("arguments"),
        _texts("issued_by"),
        _numbers("issued_at"),
        _one_of("state", *_COMMAND_STATES),
        _bodies("outcome", null=True),
        _numbers("settled_at", null=True),
        indexes=(("run_id", "state", "id"),),
    )
    _table(
        "clients",
        _ID,
        _numbers("pid"),
        _texts("host", "terminal"),
        _numbers("started_at", "heartbeat_at"),
        _texts("label"),
    )


def downgrade() -> None:
    for table in (
        "clients",
        "commands",
        "cost_records",
        "state_history",
        "approvals",
        "checkpoints",
        "artifacts",
        "messages",
        "events",
        "journal_entries",
        "attempts",
        "edges",
        "nodes",
        "runs",
        "session_states",
        "sessions",
    ):
        op.drop_table(table)
