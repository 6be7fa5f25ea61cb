"""Changes: what the engine asks a store to write. A list of them is one transaction, all or nothing.

Records are added as they are; what changes later is asked for by a change below, which names what it expects to find,
so that a late or second writer is refused (StaleState) instead of overwriting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from engine.model.clients import Client, Command, CommandState
from engine.model.events import Event
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    AttemptState,
    Checkpoint,
    CheckResult,
    Cost,
    Edge,
    JournalEntry,
    Json,
    Message,
    Node,
    Run,
    Session,
    SessionState,
    StateChange,
)


@dataclass(frozen=True, slots=True)
class Add:
    """Insert one record. A JournalEntry whose key is already there with no answer gets its answer (intent, then
    result); one that has an answer is refused. A Client that is already there gets its heartbeat."""

    record: (
        Session
        | SessionState
        | Run
        | Node
        | Edge
        | Attempt
        | JournalEntry
        | Message
        | Artifact
        | Checkpoint
        | Approval
        | Cost
        | Command
        | Client
        | Event
    )


@dataclass(frozen=True, slots=True)
class Move:
    """Move a run or a node from `change.before` to `change.after`, and write the history row.

    Refused (StaleState) when the state found is not `before`. `started_at` is set by a run's first move into
    work (planning, executing) and by a node's last one (running); `ended_at` and `error` by a move into a terminal
    state, and both are cleared when it is left.
    """

    change: StateChange
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EndAttempt:
    """Close a running attempt. Refused when it is not running."""

    session_id: str
    attempt_id: str
    state: AttemptState
    at: datetime
    summary: str | None = None
    error: str | None = None
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPlan:
    """Fix the plan that a run executes."""

    session_id: str
    run_id: str
    plan: Json


@dataclass(frozen=True, slots=True)
class SetOptions:
    """Change how a run goes on."""

    session_id: str
    run_id: str
    options: Json


@dataclass(frozen=True, slots=True)
class SettleApproval:
    """Give an approval its one outcome. Refused (StaleState) when it has one already."""

    session_id: str
    approval_id: str
    state: ApprovalState
    by: str
    at: datetime
    feedback: str | None = None
    answer: Json | None = None


@dataclass(frozen=True, slots=True)
class Amend:
    """Change what is kept with a settled approval. Refused (StaleState) when it is still pending."""

    session_id: str
    approval_id: str
    answer: Json


@dataclass(frozen=True, slots=True)
class SettleCommand:
    """Record what became of a command. Refused when it was settled already."""

    command_id: str
    state: CommandState
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Own:
    """Make a client the owner of a run under the next lease, if owner and lease are found as `expected` (None: nobody)
    and `lease`."""

    session_id: str
    run_id: str
    client_id: str | None
    expected: str | None
    lease: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Refuse all of this call (Fenced) unless this client owns the run under this lease."""

    session_id: str
    run_id: str
    client_id: str
    lease: int


@dataclass(frozen=True, slots=True)
class Advise:
    """What a person says for a node's next attempt (None: nothing any more), and when the engine will begin it."""

    session_id: str
    node_id: str
    feedback: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retitle:
    """Give a session another title. Refused (StaleState) when its title is not `expected`, if that is given."""

    session_id: str
    title: str
    at: datetime
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Shelve:
    """Set a session's tags, and since when it is archived or deleted (None: it is not). Refused (StaleState) when these
    are not as in `expected`, if that is given."""

    session_id: str
    tags: tuple[str, ...]
    archived_at: datetime | None
    deleted_at: datetime | None
    expected: Session | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove a client row: it has left, or its heartbeat is older than `before`."""

    client_id: str
    before: datetime | None = None


Change: TypeAlias = (
    Add
    | Move
    | EndAttempt
    | SetPlan
    | SetOptions
    | SettleApproval
    | Amend
    | SettleCommand
    | Own
    | Fence
    | Advise
    | Retitle
    | Shelve
    | Forget
)
