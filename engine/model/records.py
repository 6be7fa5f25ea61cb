"""What the program remembers, as frozen values. Storage keeps them, the engine makes them, screens read them.

Times are aware UTC datetimes, durations seconds, sizes bytes, money micro-USD. Bodies that may be large are blob
references (`sha256` hex digests), never inline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from engine.model.ids import short
from engine.model.states import Actor, RunState, StepState
from engine.model.text import slug

Json: TypeAlias = dict[str, Any]


class Mode(StrEnum):
    """How a session works."""

    ONE_SHOT = "one-shot"
    PLANNING_CONTROL = "planning-control"
    DEEP_RESEARCH = "deep-research"
    HUMAN_IN_THE_LOOP = "human-in-the-loop"
    IDEA_GENERATION = "idea-generation"


class NodeKind(StrEnum):
    """What a vertex of the DAG stands for."""

    PLANNING = "planning"
    STEP = "step"
    SUB_AGENT = "sub_agent"
    APPROVAL = "approval"
    BRANCH_POINT = "branch_point"
    TERMINATOR = "terminator"


class EdgeKind(StrEnum):
    """How one node waits for another."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"
    CONDITIONAL = "conditional"
    OPTIONAL = "optional"


class AttemptState(StrEnum):
    """How one try of a node ended, or that it runs."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # its process died without a word


class ApprovalState(StrEnum):
    """Whether an approval is open, and how it was settled."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    MODIFIED = "modified"
    RETRY = "retry"
    SKIP = "skip"
    ABORT = "abort"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # the run was cancelled while it waited


@dataclass(frozen=True, slots=True)
class Session:
    """A line of research. `archived_at` and `deleted_at` say since when it is out of sight; both can be undone until it
    is pruned."""

    id: str
    title: str
    mode: Mode
    directory: str
    created_at: datetime
    updated_at: datetime
    tags: tuple[str, ...] = ()
    archived_at: datetime | None = None
    deleted_at: datetime | None = None


def session_folder(session_id: str, title: str, created_at: datetime) -> str:
    """The name of the directory that a session is given."""
    return f"{created_at:%Y-%m-%d}-{slug(title) or 'session'}-{short(session_id)}"


@dataclass(frozen=True, slots=True)
class SessionState:
    """One version of what a session carries over from run to run."""

    session_id: str
    version: int
    at: datetime
    conversation: list[Json]
    context: Json
    plan: Json | None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one plan. `options` are the RunOptions it was started with, `plan` the approved plan, as JSON.

    `owner_id` names the client that drives it, `lease` counts its owners: what a former one still writes is refused.
    `replay_of` names the run whose recorded answers this one is given.
    """

    id: str
    session_id: str
    state: RunState
    mode: Mode
    task: str
    options: Json
    created_at: datetime
    plan: Json | None = None
    parent_run_id: str | None = None
    parent_node_id: str | None = None
    branch_name: str | None = None
    hypothesis: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    owner_id: str | None = None
    lease: int = 0
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A vertex of a run's DAG. `step` is the plan's step id (or "planning", "approval", "terminator").

    `feedback` is what a person said for its next attempt; `retry_at` is when the engine will try it again.
    """

    id: str
    session_id: str
    run_id: str
    step: str
    kind: NodeKind
    title: str
    agent: str | None
    position: int
    state: StepState = StepState.PENDING
    parent_node_id: str | None = None
    depth: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    feedback: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """`to_node` waits for `from_node`."""

    session_id: str
    run_id: str
    from_node: str
    to_node: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one declared check said, `detail` in words with the value that was found. One that was `waived`
    (by whom, and why) does not fail the step."""

    name: str
    ok: bool
    detail: str
    waived: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a node. `number` counts from 1 within the node. `summary` is the agent's last word, cleaned;
    `feedback` is what a person said before it began."""

    id: str
    session_id: str
    run_id: str
    node_id: str
    number: int
    reason: str  # "first", "retry", "redo", "feedback", "lost"
    state: AttemptState
    started_at: datetime
    ended_at: datetime | None = None
    workdir: str | None = None
    summary: str | None = None
    error: str | None = None
    checks: tuple[CheckResult, ...] = ()
    feedback: str | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A recorded answer. Keyed by (attempt, agent, sequence); `answer` is None while only the intent is known.

    `request` holds one short digest line per message of the request, so that a strict replay can say which one differs;
    `request_hash` is their SHA-256. What is not `repeatable` must not be started again without asking, once it may have
    begun.
    """

    session_id: str
    run_id: str
    attempt_id: str
    agent: str
    sequence: int
    kind: str  # "model", "tool", "human"
    request_hash: str
    request: list[str]
    answer: Json | None
    at: datetime
    name: str = ""  # the model's or the tool's name
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, whole."""

    id: str
    session_id: str
    run_id: str
    node_id: str | None
    attempt_id: str | None
    event_id: str | None
    at: datetime
    sender: str
    role: str  # "system", "user", "assistant", "tool"
    content: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that an attempt wrote. `path` is relative to the step's directory, with forward slashes."""

    id: str
    session_id: str
    run_id: str
    node_id: str
    attempt_id: str
    event_id: str | None
    at: datetime
    agent: str
    path: str
    sha256: str
    size: int
    kind: str  # "code", "data", "figure", "text", "other"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file in a checkpoint's tree; `node_id` is the node that wrote this content."""

    path: str
    sha256: str
    size: int
    node_id: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a finished node leaves behind."""

    id: str
    session_id: str
    run_id: str
    node_id: str
    attempt_id: str
    at: datetime
    tree: tuple[TreeEntry, ...]
    context: Json


@dataclass(frozen=True, slots=True)
class Approval:
    """A question that only a person (or a timeout rule) may settle. `shown` is exactly what is being approved.

    `on_expiry` is how it is settled when its deadline passes: a value of ApprovalState, or None to go on waiting.
    """

    id: str
    session_id: str
    run_id: str
    node_id: str | None
    kind: str  # "plan", "step", "tool", "error", "question"
    title: str
    shown: Json
    state: ApprovalState
    created_at: datetime
    deadline_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    feedback: str | None = None
    answer: Json | None = None  # what replaced `shown` when it was modified
    on_expiry: ApprovalState | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """One move of a run or a node, with who asked for it and why."""

    session_id: str
    run_id: str
    entity: str  # "run", "node"
    entity_id: str
    before: str
    after: str
    actor: Actor
    who: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model call used. Token counts are inclusive: `prompt_tokens` with cached ones, `completion_tokens` with
    reasoning. `usd_micro` is None when the price is not known."""

    id: str
    session_id: str
    run_id: str
    node_id: str | None
    attempt_id: str | None
    event_id: str | None
    at: datetime
    agent: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    usd_micro: int | None
    price_source: str


@dataclass(frozen=True, slots=True)
class CostTotal:
    """A sum of costs. `usd_micro` leaves out the calls whose price is unknown; `unknown_calls` counts those."""

    usd_micro: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    unknown_calls: int = 0


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A line of the home screen: the session, its newest run with its steps, and what all its runs cost."""

    session: Session
    runs: int
    last_run: Run | None
    cost: CostTotal
    pending_approvals: int = 0
    steps_done: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything a screen needs to open a run; `last_seq` is the newest event that is already folded in."""

    session: Session
    run: Run
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    attempts: tuple[Attempt, ...]
    artifacts: tuple[Artifact, ...]
    approvals: tuple[Approval, ...]
    cost: CostTotal
    node_cost: dict[str, CostTotal] = field(default_factory=dict[str, CostTotal])
    last_seq: int = 0
