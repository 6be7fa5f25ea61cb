"""The tables, as SQLAlchemy Core metadata: what the newest migration leaves behind.

Column types say how a value is kept:

- times are whole microseconds since 1970 UTC (`Instant`), so that they sort, compare and encode cheaply;
- bodies (`Body`) are JSON text of at most 16 KB, whose long strings live in the blob store (see storage.bodies);
- enumerations are text with a CHECK that lists their values;
- money is whole micro-USD.

Every table that belongs to a session carries `session_id`, and its foreign keys carry the owner along: a node can only
name a run of its own session, an event only a node of its own run. Columns that name events (`event_id`, `span_id` …)
have no foreign key, because the two sides of such a link may be committed in either order; nor have columns that name
clients, whose rows go when the process does.

A unique pair of an id and its owner is there to be referred to, and so that ids can be searched in an index alone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from engine.model.clients import CommandState
from engine.model.events import EventKind, Phase
from engine.model.records import ApprovalState, AttemptState, EdgeKind, Mode, NodeKind
from engine.model.states import Actor, RunState, StepState
from storage.columns import body, enum, identity, number, of_attempt, of_node, of_run, of_session, one_of, text, time

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


sessions = Table(
    "sessions",
    metadata,
    identity(),
    text("title"),
    *enum("mode", Mode),
    text("directory"),
    time("created_at"),
    time("updated_at"),
    *body("tags", default="[]"),
    time("archived_at", null=True),
    time("deleted_at", null=True),
)

session_states = Table(
    "session_states",
    metadata,
    of_session(),
    number("version"),
    time("at"),
    *body("conversation"),
    *body("context"),
    *body("plan", null=True),
    PrimaryKeyConstraint("session_id", "version"),
)

runs = Table(
    "runs",
    metadata,
    identity(),
    of_session(),
    *enum("state", RunState),
    *enum("mode", Mode),
    *body("task"),
    *body("options"),
    time("created_at"),
    *body("plan", null=True),
    text("parent_run_id", null=True),
    text("parent_node_id", null=True),
    text("branch_name", null=True),
    *body("hypothesis", null=True),
    time("started_at", null=True),
    time("ended_at", null=True),
    *body("error", null=True),
    text("owner_id", null=True),
    number("lease", default="0"),
    text("replay_of", null=True),
    UniqueConstraint("id", "session_id"),
    ForeignKeyConstraint(["parent_run_id", "session_id"], ["runs.id", "runs.session_id"]),
    Index(None, "session_id", "id"),
    Index(None, "state", "id"),
    Index(None, "parent_run_id"),
)

nodes = Table(
    "nodes",
    metadata,
    identity(),
    *of_run(),
    text("step"),
    *enum("kind", NodeKind),
    text("title"),
    text("agent", null=True),
    number("position"),
    *enum("state", StepState),
    text("parent_node_id", null=True),
    number("depth"),
    time("started_at", null=True),
    time("ended_at", null=True),
    *body("error", null=True),
    *body("feedback", null=True),
    time("retry_at", null=True),
    UniqueConstraint("id", "run_id"),
    UniqueConstraint("id", "session_id"),
    ForeignKeyConstraint(["parent_node_id", "run_id"], ["nodes.id", "nodes.run_id"]),
    Index(None, "run_id", "position"),
)

edges = Table(
    "edges",
    metadata,
    *of_run(),
    text("from_node"),
    text("to_node"),
    *enum("kind", EdgeKind),
    PrimaryKeyConstraint("run_id", "from_node", "to_node"),
    ForeignKeyConstraint(["from_node", "run_id"], ["nodes.id", "nodes.run_id"]),
    ForeignKeyConstraint(["to_node", "run_id"], ["nodes.id", "nodes.run_id"]),
)

attempts = Table(
    "attempts",
    metadata,
    identity(),
    *of_node(),
    number("number"),
    text("reason"),
    *enum("state", AttemptState),
    time("started_at"),
    time("ended_at", null=True),
    text("workdir", null=True),
    *body("summary", null=True),
    *body("error", null=True),
    *body("checks"),
    *body("feedback", null=True),
    UniqueConstraint("id", "run_id"),
    UniqueConstraint("id", "session_id"),
    UniqueConstraint("node_id", "number"),
    Index(None, "run_id", "id"),
)

journal_entries = Table(
    "journal_entries",
    metadata,
    *of_run(),
    text("attempt_id"),
    text("agent"),
    number("sequence"),
    *one_of("kind", ("model", "tool", "human")),
    text("request_hash"),
    *body("request"),
    *body("answer", null=True),
    time("at"),
    text("name"),
    number("repeatable", default="1"),
    PrimaryKeyConstraint("attempt_id", "agent", "sequence"),
    ForeignKeyConstraint(["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"]),
    Index(None, "run_id"),
)

events = Table(
    "events",
    metadata,
    identity(),
    *of_attempt(null=True),
    *enum("kind", EventKind),
    time("at"),
    *enum("phase", Phase),
    text("parent_event_id", null=True),
    text("span_id", null=True),
    text("agent", null=True),
    text("title"),
    *body("data"),
    number("seq"),
    UniqueConstraint("run_id", "seq"),
    Index(None, "run_id", "node_id", "seq"),
    Index(None, "run_id", "kind", "seq"),
)

messages = Table(
    "messages",
    metadata,
    identity(),
    *of_attempt(null=True),
    text("event_id", null=True),
    time("at"),
    text("sender"),
    *one_of("role", ("system", "user", "assistant", "tool")),
    *body("content"),
    Index(None, "run_id", "id"),
    Index(None, "node_id", "id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    identity(),
    *of_attempt(),
    text("event_id", null=True),
    time("at"),
    text("agent"),
    text("path"),
    text("sha256"),
    number("size"),
    *one_of("kind", ("code", "data", "figure", "text", "other")),
    UniqueConstraint("id", "session_id"),
    Index(None, "run_id", "id"),
    Index(None, "node_id", "id"),
    Index(None, "sha256"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    identity(),
    *of_attempt(),
    time("at"),
    *body("tree"),
    *body("context"),
    Index(None, "run_id"),
    Index(None, "node_id", "id"),
)

approvals = Table(
    "approvals",
    metadata,
    identity(),
    *of_node(null=True),
    *one_of("kind", ("plan", "step", "tool", "error", "question")),
    text("title"),
    *body("shown"),
    *enum("state", ApprovalState),
    time("created_at"),
    time("deadline_at", null=True),
    time("resolved_at", null=True),
    text("resolved_by", null=True),
    *body("feedback", null=True),
    *body("answer", null=True),
    text("on_expiry", null=True),
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
    *of_run(),
    *one_of("entity", ("run", "node")),
    text("entity_id"),
    text("before"),
    text("after"),
    *enum("actor", Actor),
    text("who"),
    *body("why"),
    time("at"),
    Index(None, "run_id", "id"),
)

cost_records = Table(
    "cost_records",
    metadata,
    identity(),
    *of_attempt(null=True),
    text("event_id", null=True),
    time("at"),
    text("agent"),
    text("model"),
    number("prompt_tokens"),
    number("completion_tokens"),
    number("cached_tokens"),
    number("usd_micro", null=True),
    text("price_source"),
    # Both cover the sums, so that a home screen or a run's total reads no rows.
    Index(None, "session_id", "usd_micro", "prompt_tokens", "completion_tokens"),
    Index(None, "run_id", "node_id", "usd_micro", "prompt_tokens", "completion_tokens"),
)

commands = Table(
    "commands",
    metadata,
    identity(),
    *of_run(),
    text("verb"),
    *body("arguments"),
    text("issued_by"),
    time("issued_at"),
    *enum("state", CommandState),
    *body("outcome", null=True),
    time("settled_at", null=True),
    Index(None, "run_id", "state", "id"),
)

clients = Table(
    "clients",
    metadata,
    identity(),
    number("pid"),
    text("host"),
    text("terminal"),
    time("started_at"),
    time("heartbeat_at"),
    text("label"),
    text("boot", default=""),
    text("process", default=""),
)
