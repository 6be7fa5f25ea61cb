"""The first schema: every table of a session's record.

Revision ID: 0001
Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("terminal", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "mode IN ('one-shot', 'planning-control', 'deep-research', 'human-in-the-loop', 'idea-generation')",
            name=op.f("ck_sessions_mode"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("parent_run_id", sa.Text(), nullable=True),
        sa.Column("parent_node_id", sa.Text(), nullable=True),
        sa.Column("branch_name", sa.Text(), nullable=True),
        sa.Column("hypothesis", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "mode IN ('one-shot', 'planning-control', 'deep-research', 'human-in-the-loop', 'idea-generation')",
            name=op.f("ck_runs_mode"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'planning', 'executing', 'paused', 'waiting_approval', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_runs_state"),
        ),
        sa.CheckConstraint("length(error) <= 16384", name=op.f("ck_runs_error")),
        sa.CheckConstraint("length(hypothesis) <= 16384", name=op.f("ck_runs_hypothesis")),
        sa.CheckConstraint("length(options) <= 16384", name=op.f("ck_runs_options")),
        sa.CheckConstraint("length(plan) <= 16384", name=op.f("ck_runs_plan")),
        sa.CheckConstraint("length(task) <= 16384", name=op.f("ck_runs_task")),
        sa.ForeignKeyConstraint(
            ["parent_run_id", "session_id"],
            ["runs.id", "runs.session_id"],
            name=op.f("fk_runs_parent_run_id_session_id"),
        ),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_runs_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("id", "session_id", name=op.f("uq_runs_id_session_id")),
    )
    op.create_index(op.f("ix_runs_parent_run_id"), "runs", ["parent_run_id"], unique=False)
    op.create_index(op.f("ix_runs_session_id_id"), "runs", ["session_id", "id"], unique=False)
    op.create_index(op.f("ix_runs_state_id"), "runs", ["state", "id"], unique=False)
    op.create_table(
        "session_states",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.CheckConstraint("length(context) <= 16384", name=op.f("ck_session_states_context")),
        sa.CheckConstraint("length(conversation) <= 16384", name=op.f("ck_session_states_conversation")),
        sa.CheckConstraint("length(plan) <= 16384", name=op.f("ck_session_states_plan")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_session_states_session_id")),
        sa.PrimaryKeyConstraint("session_id", "version", name=op.f("pk_session_states")),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done', 'refused')", name=op.f("ck_commands_state")),
        sa.CheckConstraint("length(arguments) <= 16384", name=op.f("ck_commands_arguments")),
        sa.CheckConstraint("length(outcome) <= 16384", name=op.f("ck_commands_outcome")),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_commands_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_run_id_state_id"), "commands", ["run_id", "state", "id"], unique=False)
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("parent_node_id", sa.Text(), nullable=True),
        sa.Column("depth", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('planning', 'step', 'sub_agent', 'approval', 'branch_point', 'terminator')",
            name=op.f("ck_nodes_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'paused', 'waiting_approval', 'completed', 'failed', 'skipped', 'cancelled')",
            name=op.f("ck_nodes_state"),
        ),
        sa.CheckConstraint("length(error) <= 16384", name=op.f("ck_nodes_error")),
        sa.ForeignKeyConstraint(
            ["parent_node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_nodes_parent_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_nodes_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("id", "run_id", name=op.f("uq_nodes_id_run_id")),
    )
    op.create_index(op.f("ix_nodes_run_id_position"), "nodes", ["run_id", "position"], unique=False)
    op.create_table(
        "state_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("actor IN ('engine', 'person')", name=op.f("ck_state_history_actor")),
        sa.CheckConstraint("entity IN ('run', 'node')", name=op.f("ck_state_history_entity")),
        sa.CheckConstraint("length(why) <= 16384", name=op.f("ck_state_history_why")),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_state_history_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_state_history")),
    )
    op.create_index(op.f("ix_state_history_run_id_id"), "state_history", ["run_id", "id"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('plan', 'step', 'tool', 'error', 'question')", name=op.f("ck_approvals_kind")),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'modified', 'retry', 'skip', 'abort', 'expired', 'withdrawn')",
            name=op.f("ck_approvals_state"),
        ),
        sa.CheckConstraint("length(answer) <= 16384", name=op.f("ck_approvals_answer")),
        sa.CheckConstraint("length(feedback) <= 16384", name=op.f("ck_approvals_feedback")),
        sa.CheckConstraint("length(shown) <= 16384", name=op.f("ck_approvals_shown")),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_approvals_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_approvals_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_run_id_id"), "approvals", ["run_id", "id"], unique=False)
    op.create_index(op.f("ix_approvals_session_id_state"), "approvals", ["session_id", "state"], unique=False)
    op.create_index(op.f("ix_approvals_state_id"), "approvals", ["state", "id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("workdir", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('running', 'completed', 'failed', 'cancelled', 'lost')", name=op.f("ck_attempts_state")
        ),
        sa.CheckConstraint("length(checks) <= 16384", name=op.f("ck_attempts_checks")),
        sa.CheckConstraint("length(error) <= 16384", name=op.f("ck_attempts_error")),
        sa.CheckConstraint("length(summary) <= 16384", name=op.f("ck_attempts_summary")),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_attempts_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_attempts_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("id", "run_id", name=op.f("uq_attempts_id_run_id")),
        sa.UniqueConstraint("node_id", "number", name=op.f("uq_attempts_node_id_number")),
    )
    op.create_index(op.f("ix_attempts_run_id_id"), "attempts", ["run_id", "id"], unique=False)
    op.create_table(
        "edges",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("from_node", sa.Text(), nullable=False),
        sa.Column("to_node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('sequential', 'parallel', 'conditional', 'optional')", name=op.f("ck_edges_kind")),
        sa.ForeignKeyConstraint(
            ["from_node", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_edges_from_node_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_edges_run_id_session_id")
        ),
        sa.ForeignKeyConstraint(
            ["to_node", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_edges_to_node_run_id")
        ),
        sa.PrimaryKeyConstraint("run_id", "from_node", "to_node", name=op.f("pk_edges")),
    )
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('code', 'data', 'figure', 'text', 'other')", name=op.f("ck_artifacts_kind")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"], name=op.f("fk_artifacts_attempt_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_artifacts_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_artifacts_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifacts")),
        sa.UniqueConstraint("id", "session_id", name=op.f("uq_artifacts_id_session_id")),
    )
    op.create_index(op.f("ix_artifacts_node_id_id"), "artifacts", ["node_id", "id"], unique=False)
    op.create_index(op.f("ix_artifacts_run_id_id"), "artifacts", ["run_id", "id"], unique=False)
    op.create_index(op.f("ix_artifacts_sha256"), "artifacts", ["sha256"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.CheckConstraint("length(context) <= 16384", name=op.f("ck_checkpoints_context")),
        sa.CheckConstraint("length(tree) <= 16384", name=op.f("ck_checkpoints_tree")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"], name=op.f("fk_checkpoints_attempt_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_checkpoints_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_checkpoints_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )
    op.create_index(op.f("ix_checkpoints_node_id_id"), "checkpoints", ["node_id", "id"], unique=False)
    op.create_index(op.f("ix_checkpoints_run_id"), "checkpoints", ["run_id"], unique=False)
    op.create_table(
        "cost_records",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("usd_micro", sa.BigInteger(), nullable=True),
        sa.Column("price_source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"], name=op.f("fk_cost_records_attempt_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_cost_records_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_cost_records_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_records")),
    )
    op.create_index(
        "ix_cost_records_run",
        "cost_records",
        ["run_id", "node_id", "usd_micro", "prompt_tokens", "completion_tokens"],
        unique=False,
    )
    op.create_index(
        "ix_cost_records_session",
        "cost_records",
        ["session_id", "usd_micro", "prompt_tokens", "completion_tokens"],
        unique=False,
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("parent_event_id", sa.Text(), nullable=True),
        sa.Column("span_id", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('run_state', 'node', 'node_state', 'agent_call', 'model_call', 'tool_call', 'code_exec', 'file_gen', 'handoff', 'message', 'approval', 'check', 'retry', 'cost', 'plan', 'output', 'conflict', 'error')",
            name=op.f("ck_events_kind"),
        ),
        sa.CheckConstraint("phase IN ('start', 'end', 'point')", name=op.f("ck_events_phase")),
        sa.CheckConstraint("length(data) <= 16384", name=op.f("ck_events_data")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"], name=op.f("fk_events_attempt_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_events_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_events_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("run_id", "seq", name=op.f("uq_events_run_id_seq")),
    )
    op.create_index(op.f("ix_events_run_id_kind_seq"), "events", ["run_id", "kind", "seq"], unique=False)
    op.create_index(op.f("ix_events_run_id_node_id_seq"), "events", ["run_id", "node_id", "seq"], unique=False)
    op.create_table(
        "journal_entries",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('model', 'tool', 'human')", name=op.f("ck_journal_entries_kind")),
        sa.CheckConstraint("length(answer) <= 16384", name=op.f("ck_journal_entries_answer")),
        sa.CheckConstraint("length(request) <= 16384", name=op.f("ck_journal_entries_request")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"],
            ["attempts.id", "attempts.run_id"],
            name=op.f("fk_journal_entries_attempt_id_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_journal_entries_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", "agent", "sequence", name=op.f("pk_journal_entries")),
    )
    op.create_index(op.f("ix_journal_entries_run_id"), "journal_entries", ["run_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('system', 'user', 'assistant', 'tool')", name=op.f("ck_messages_role")),
        sa.CheckConstraint("length(content) <= 16384", name=op.f("ck_messages_content")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"], name=op.f("fk_messages_attempt_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["node_id", "run_id"], ["nodes.id", "nodes.run_id"], name=op.f("fk_messages_node_id_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["runs.id", "runs.session_id"], name=op.f("fk_messages_run_id_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_node_id_id"), "messages", ["node_id", "id"], unique=False)
    op.create_index(op.f("ix_messages_run_id_id"), "messages", ["run_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_messages_run_id_id"), table_name="messages")
    op.drop_index(op.f("ix_messages_node_id_id"), table_name="messages")
    op.drop_table("messages")
    op.drop_index(op.f("ix_journal_entries_run_id"), table_name="journal_entries")
    op.drop_table("journal_entries")
    op.drop_index(op.f("ix_events_run_id_node_id_seq"), table_name="events")
    op.drop_index(op.f("ix_events_run_id_kind_seq"), table_name="events")
    op.drop_table("events")
    op.drop_index("ix_cost_records_session", table_name="cost_records")
    op.drop_index("ix_cost_records_run", table_name="cost_records")
    op.drop_table("cost_records")
    op.drop_index(op.f("ix_checkpoints_run_id"), table_name="checkpoints")
    op.drop_index(op.f("ix_checkpoints_node_id_id"), table_name="checkpoints")
    op.drop_table("checkpoints")
    op.drop_index(op.f("ix_artifacts_sha256"), table_name="artifacts")
    op.drop_index(op.f("ix_artifacts_run_id_id"), table_name="artifacts")
    op.drop_index(op.f("ix_artifacts_node_id_id"), table_name="artifacts")
    op.drop_table("artifacts")
    op.drop_table("edges")
    op.drop_index(op.f("ix_attempts_run_id_id"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_approvals_state_id"), table_name="approvals")
    op.drop_index(op.f("ix_approvals_session_id_state"), table_name="approvals")
    op.drop_index(op.f("ix_approvals_run_id_id"), table_name="approvals")
    op.drop_table("approvals")
    op.drop_index(op.f("ix_state_history_run_id_id"), table_name="state_history")
    op.drop_table("state_history")
    op.drop_index(op.f("ix_nodes_run_id_position"), table_name="nodes")
    op.drop_table("nodes")
    op.drop_index(op.f("ix_commands_run_id_state_id"), table_name="commands")
    op.drop_table("commands")
    op.drop_table("session_states")
    op.drop_index(op.f("ix_runs_state_id"), table_name="runs")
    op.drop_index(op.f("ix_runs_session_id_id"), table_name="runs")
    op.drop_index(op.f("ix_runs_parent_run_id"), table_name="runs")
    op.drop_table("runs")
    op.drop_table("sessions")
    op.drop_table("clients")
