"""The kinds of columns that the tables are made of (see storage.tables for how a value is kept)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Text
from sqlalchemy.sql.schema import SchemaItem

INLINE_LIMIT = 16 * 1024  # bytes of UTF-8; a longer body is a blob


def identity() -> Column[str]:
    """A row's own id."""
    return Column("id", Text, primary_key=True)


def text(name: str, *, null: bool = False, default: str | None = None) -> Column[str]:
    """Text, as it is."""
    return Column(name, Text, nullable=null, server_default=default)


def time(name: str, *, null: bool = False) -> Column[int]:
    """A time."""
    return Column(name, BigInteger, nullable=null)


def number(name: str, *, null: bool = False, default: str | None = None) -> Column[int]:
    """A whole number."""
    return Column(name, BigInteger, nullable=null, server_default=default)


def body(name: str, *, null: bool = False, default: str | None = None) -> list[SchemaItem]:
    """A body: JSON text, or what stands for it (see storage.bodies)."""
    # length() counts characters, the limit is in bytes: the check is the looser of the two, and portable.
    column = Column(name, Text, nullable=null, server_default=default)
    return [column, CheckConstraint(f"length({name}) <= {INLINE_LIMIT}", name=name)]


def one_of(name: str, values: Iterable[str], *, null: bool = False) -> list[SchemaItem]:
    """One of a few words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return [Column(name, Text, nullable=null), CheckConstraint(f"{name} IN ({listed})", name=name)]


def enum(name: str, kind: type[StrEnum]) -> list[SchemaItem]:
    """One of an enumeration's values."""
    return one_of(name, [member.value for member in kind])


def of_session() -> Column[str]:
    """Places a row in a session."""
    return Column("session_id", Text, ForeignKey("sessions.id"), nullable=False)


def of_run() -> list[SchemaItem]:
    """Columns that place a row in a run, of the same session."""
    return [
        text("session_id"),
        text("run_id"),
        ForeignKeyConstraint(["run_id", "session_id"], ["runs.id", "runs.session_id"]),
    ]


def of_node(*, null: bool = False) -> list[SchemaItem]:
    """Columns that place a row in a node's record."""
    return [
        *of_run(),
        text("node_id", null=null),
        ForeignKeyConstraint(["node_id", "run_id"], ["nodes.id", "nodes.run_id"]),
    ]


def of_attempt(*, null: bool = False) -> list[SchemaItem]:
    """Columns that place a row in an attempt's record."""
    return [
        *of_node(null=null),
        text("attempt_id", null=null),
        ForeignKeyConstraint(["attempt_id", "run_id"], ["attempts.id", "attempts.run_id"]),
    ]
