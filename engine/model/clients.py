"""The processes that share a database, and what one asks of another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.model.records import Json


class CommandState(StrEnum):
    """What became of a request that one process left for another."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Client:
    """A process that has the database open.

    `boot` names the system that `pid` counts in, `process` tells it from a later one with the same number; both are
    empty where the system does not say.
    """

    id: str
    pid: int
    host: str
    terminal: str
    started_at: datetime
    heartbeat_at: datetime
    label: str = ""
    boot: str = ""
    process: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A request that a process leaves for a run's owner: pause, resume, cancel."""

    id: str
    session_id: str
    run_id: str
    verb: str
    arguments: Json
    issued_by: str
    issued_at: datetime
    state: CommandState = CommandState.PENDING
    outcome: str | None = None
    settled_at: datetime | None = None
