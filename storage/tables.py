"""The tables, as SQLAlchemy Core metadata: what the newest migration leaves behind.

Column types say how a value is kept:

- times are whole microseconds since 1970 UTC (`Instant`), so that they sort, compare and encode cheaply;
- bodies (`Body`) are JSON text of at most 16 KB, or `sha256:<hex>`, the name of the blob that holds it;
- enumerations are text with a CHECK that lists their values;
- money is whole micro-USD.

Every table that belongs to a session carries `session_id`, and its foreign keys carry the owner along: a node can only
name a run of its own session, an event only a node of its own run. Columns that name events (`event_id`, `span_id` …)
have no foreign key, because the two sides of such a link may be committed in either order; nor have columns that name
clients, whose rows go when the process does.

A unique pair of an id and its owner is there to be referred to, and so that ids can be searched in an index alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.sql.schema import SchemaItem

from engine.model.events import EventKind, Phase
from engine.model.records import (
    ApprovalState,
    AttemptState,
    CommandState,
    EdgeKind,
    Mode,
    NodeKind,
)
from engine.model.states import Actor, RunState, StepState

INLINE_LIMIT = 16 * 1024  # bytes of UTF-8; a longer body is a blob

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _time(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _body(name: str, *, null: bool = False) -> list[SchemaItem]:
    # length() counts characters, the limit is in bytes: the check is the looser of the two, and portable.
    return [Column(name, Text, nullable=null), CheckConstraint(f"length({name}) <= {INLINE_LIMIT}", name=name)]


def _one_of(name: str, values: Iterable[str], *, null: bool = False) -> list[SchemaItem]:
    listed = ", ".join(f"'{value}'" for value in values)
    return [Column(name, Text, nullable=null), CheckConstraint(f"{name} IN ({listed})", name=name)]


def _enum(name: str, kind: type[StrEnum]) -> list[SchemaItem]:
    return _one_of(name, [member.value for member in kind])


def _session() -> Column[str]:
    return Column("session_id", Text, ForeignKey("sessions.id"), nullable=False)


def _of_run() -> list[SchemaItem]:
    """Columns that place a row in a run, of the same session."""
    return [
        _text("session_id"),
        _text("run_id"),
        ForeignKeyConstraint(["run_id", "session_id"], ["runs.id", "runs.session_id"]),
    ]


def _of_node(*, null: bool = False) -> list[SchemaItem]:
    return [
        *_of_run(),
        _text("node_id", null=null),
        ForeignKeyConstraint(["node_id", "run_id"], ["nodes.id", "nodes.run_id"]),
    ]


def _of_attempt(*, null: bool = False) -> list[SchemaItem]:
    return [
        *_of_node(null=null),
        _text("attempt_id", null=null),
        ForeignKeyConstraint(["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"]),
    ]


sessions = Table(
    "sessions",
    metadata,
    _id(),
    _text("title"),
    *_enum("mode", Mode),
    _text("directory"),
    _time("created_at"),
    _time("updated_at"),
)

session_states = Table(
    "session_states",
    metadata,
    _session(),
    _number("version"),
    _time("at"),
    *_body("conversation"),
    *_body("context"),
    *_body("plan", null=True),
    PrimaryKeyConstraint("session_id", "version"),
)

runs = Table(
    "runs",
    metadata,
    _id(),
    _session(),
    *_enum("state", RunState),
    *_enum("mode", Mode),
    *_body("task"),
    *_body("options"),
    _time("created_at"),
    *_body("plan", null=True),
    _text("parent_run_id", null=True),
    _text("parent_node_id", null=True),
    _text("branch_name", null=True),
    *_body("hypothesis", null=True),
    _time("started_at", null=True),
    _time("ended_at", null=True),
    *_body("error", null=True),
    _text("owner_id", null=True),
    UniqueConstraint("id", "session_id"),
    ForeignKeyConstraint(["parent_run_id", "session_id"], ["runs.id", "runs.session_id"]),
    Index(None, "session_id", "id"),
    Index(None, "state", "id"),
    Index(None, "parent_run_id"),
)

nodes = Table(
    "nodes",
    metadata,
    _id(),
    *_of_run(),
    _text("step"),
    *_enum("kind", NodeKind),
    _text("title"),
    _text("agent", null=True),
    _number("position"),
    *_enum("state", StepState),
    _text("parent_node_id", null=True),
    _number("depth"),
    _time("started_at", null=True),
    _time("ended_at", null=True),
    *_body("error", null=True),
    UniqueConstraint("id", "run_id"),
    UniqueConstraint("id", "session_id"),
    ForeignKeyConstraint(["parent_node_id", "run_id"], ["nodes.id", "nodes.run_id"]),
    Index(None, "run_id", "position"),
)

edges = Table(
    "edges",
    metadata,
    *_of_run(),
    _text("from_node"),
    _text("to_node"),
    *_enum("kind", EdgeKind),
    PrimaryKeyConstraint("run_id", "from_node", "to_node"),
    ForeignKeyConstraint(["from_node", "run_id"], ["nodes.id", "nodes.run_id"]),
    ForeignKeyConstraint(["to_node", "run_id"], ["nodes.id", "nodes.run_id"]),
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    *_of_node(),
    _number("number"),
    _text("reason"),
    *_enum("state", AttemptState),
    _time("started_at"),
    _time("ended_at", null=True),
    _text("workdir", null=True),
    *_body("summary", null=True),
    *_body("error", null=True),
    *_body("checks"),
    UniqueConstraint("id", "run_id"),
    UniqueConstraint("id", "session_id"),
    UniqueConstraint("node_id", "number"),
    Index(None, "run_id", "id"),
)

journal_entries = Table(
    "journal_entries",
    metadata,
    *_of_run(),
    _text("attempt_id"),
    _text("agent"),
    _number("sequence"),
    *_one_of("kind", ("model", "tool", "human")),
    _text("request_hash"),
    *_body("request"),
    *_body("answer", null=True),
    _time("at"),
    _text("name"),
    PrimaryKeyConstraint("attempt_id", "agent", "sequence"),
    ForeignKeyConstraint(["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"]),
    Index(None, "run_id"),
)

events = Table(
    "events",
    metadata,
    _id(),
    *_of_attempt(null=True),
    *_enum("kind", EventKind),
    _time("at"),
    *_enum("phase", Phase),
    _text("parent_event_id", null=True),
    _text("span_id", null=True),
    _text("agent", null=True),
    _text("title"),
    *_body("data"),
    _number("seq"),
    UniqueConstraint("run_id", "seq"),
    Index(None, "run_id", "node_id", "seq"),
    Index(None, "run_id", "kind", "seq"),
)

messages = Table(
    "messages",
    metadata,
    _id(),
    *_of_attempt(null=True),
    _text("event_id", null=True),
    _time("at"),
    _text("sender"),
    *_one_of("role", ("system", "user", "assistant", "tool")),
    *_body("content"),
    Index(None, "run_id", "id"),
    Index(None, "node_id", "id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _id(),
    *_of_attempt(),
    _text("event_id", null=True),
    _time("at"),
    _text("agent"),
    _text("path"),
    _text("sha256"),
    _number("size"),
    *_one_of("kind", ("code", "data", "figure", "text", "other")),
    UniqueConstraint("id", "session_id"),
    Index(None, "run_id", "id"),
    Index(None, "node_id", "id"),
    Index(None, "sha256"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _id(),
    *_of_attempt(),
    _time("at"),
    *_body("tree"),
    *_body("context"),
    Index(None, "run_id"),
    Index(None, "node_id", "id"),
)

approvals = Table(
    "approvals",
    metadata,
    _id(),
    *_of_node(null=True),
    *_one_of("kind", ("plan", "step", "tool", "error", "question")),
    _text("title"),
    *_body("shown"),
    *_enum("state", ApprovalState),
    _time("created_at"),
    _time("deadline_at", null=True),
    _time("resolved_at", null=True),
    _text("resolved_by", null=True),
    *_body("feedback", null=True),
    *_body("answer", null=True),
    UniqueConstraint("id", "session_id"),
    Index(None, "run_id", "id"),
    Index(None, "session_id", "state"),
    Index(None, "state", "id"),
)

state_history = Table(
    "state_history",
    metadata,
    # SQLite numbers rows by itself only in a column declared INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    *_of_run(),
    *_one_of("entity", ("run", "node")),
    _text("entity_id"),
    _text("before"),
    _text("after"),
    *_enum("actor", Actor),
    _text("who"),
    *_body("why"),
    _time("at"),
    Index(None, "run_id", "id"),
)

cost_records = Table(
    "cost_records",
    metadata,
    _id(),
    *_of_attempt(null=True),
    _text("event_id", null=True),
    _time("at"),
    _text("agent"),
    _text("model"),
    _number("prompt_tokens"),
    _number("completion_tokens"),
    _number("cached_tokens"),
    _number("usd_micro", null=True),
    _text("price_source"),
    # Both cover the sums, so that a home screen or a run's total reads no rows.
    Index(None, "session_id", "usd_micro", "prompt_tokens", "completion_tokens"),
    Index(None, "run_id", "node_id", "usd_micro", "prompt_tokens", "completion_tokens"),
)

commands = Table(
    "commands",
    metadata,
    _id(),
    *_of_run(),
    _text("verb"),
    *_body("arguments"),
    _text("issued_by"),
    _time("issued_at"),
    *_enum("state", CommandState),
    *_body("outcome", null=True),
    _time("settled_at", null=True),
    Index(None, "run_id", "state", "id"),
)

clients = Table(
    "clients",
    metadata,
    _id(),
    _number("pid"),
    _text("host"),
    _text("terminal"),
    _time("started_at"),
    _time("heartbeat_at"),
    _text("label"),
)
