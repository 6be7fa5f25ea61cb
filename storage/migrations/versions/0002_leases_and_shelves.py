"""Leases, replays, what people say for a next attempt, and sessions that are put away.

Every column is added with a constant, so that no table is copied.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BODY = 16 * 1024  # what may stand in a row; more is a blob


def _body(table: str, name: str) -> str:
    return f"{name} TEXT CONSTRAINT ck_{table}_{name} CHECK (length({name}) <= {_BODY})"


_COLUMNS = [
    ("sessions", f"tags TEXT DEFAULT '[]' NOT NULL CONSTRAINT ck_sessions_tags CHECK (length(tags) <= {_BODY})"),
    ("sessions", "archived_at BIGINT"),
    ("sessions", "deleted_at BIGINT"),
    ("runs", "lease BIGINT DEFAULT '0' NOT NULL"),
    ("runs", "replay_of TEXT"),
    ("nodes", _body("nodes", "feedback")),
    ("nodes", "retry_at BIGINT"),
    ("attempts", _body("attempts", "feedback")),
    ("journal_entries", "repeatable BIGINT DEFAULT '1' NOT NULL"),
    ("approvals", "on_expiry TEXT"),
    ("clients", "boot TEXT DEFAULT '' NOT NULL"),
    ("clients", "process TEXT DEFAULT '' NOT NULL"),
]


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def downgrade() -> None:
    for table, column in reversed(_COLUMNS):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column.split()[0]}")
