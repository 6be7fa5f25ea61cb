"""What the engine asks of the world, as protocols. Storage, the host and tests fulfil them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from engine.model.browsing import RunSummary, SessionFilter, SessionSort
from engine.model.changes import Change
from engine.model.clients import Client, Command
from engine.model.estimate import PastStep
from engine.model.events import Arrival, Event, EventKind
from engine.model.failures import PastFailure
from engine.model.frames import HostFrame, WorkerFrame, WorkerSpec
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    Checkpoint,
    Cost,
    CostTotal,
    JournalEntry,
    Message,
    Node,
    Run,
    RunView,
    Session,
    SessionState,
    SessionSummary,
    StateChange,
)
from engine.model.spending import Grouping, Spending, SpendingFilter
from engine.model.timeline import EVERYTHING, UNFOLDED, EventFilter, Folding, TimelinePage


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> datetime:
        """The wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...


class SessionReads(Protocol):
    """What one session's records say. No id of another session's is found here: NotFound."""

    async def session(self) -> Session: ...
    async def state(self) -> SessionState | None: ...
    async def runs(self, *, limit: int = 50, before: str | None = None) -> list[Run]: ...
    async def run(self, run_id: str) -> Run: ...
    async def view(self, run_id: str, *, files: bool = True) -> RunView:
        """A whole run, as of one moment; without `files` it names no artifact, of which there may be very many."""
        ...

    async def paths(self, run_id: str) -> dict[str, frozenset[str]]:
        """The paths of the files that each node wrote."""
        ...

    async def node(self, node_id: str) -> Node: ...
    async def events(
        self,
        run_id: str,
        *,
        after: int = 0,
        limit: int = 256,
        node_id: str | None = None,
        kinds: Sequence[EventKind] = (),
        newest: bool = False,
    ) -> list[Event]:
        """A page in order of seq, starting behind `after`; with `newest`, the last `limit` ones (still in order)."""
        ...

    async def timeline(
        self,
        run_id: str,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int = 128,
        matching: EventFilter = EVERYTHING,
        folding: Folding = UNFOLDED,
    ) -> TimelinePage:
        """The lines between two numbers (neither included) that the filter lets through, or without one, that are not
        folded: the first `limit` ones, or with `newest` the last. A read may stop short (see TimelinePage.reached): it
        looks at a bounded number of events."""
        ...

    async def seq_at(self, run_id: str, at: datetime) -> int:
        """The number of the first event that is not before a time, or of the newest."""
        ...

    async def event_count(self, run_id: str) -> int: ...
    async def messages(self, run_id: str, *, node_id: str | None = None, limit: int = 200) -> list[Message]: ...
    async def artifacts(self, run_id: str, *, node_id: str | None = None) -> list[Artifact]: ...
    async def attempts(self, run_id: str, *, node_id: str) -> list[Attempt]:
        """The tries of a node, the first one first."""
        ...

    async def journal(self, attempt_id: str) -> list[JournalEntry]: ...
    async def checkpoint(self, node_id: str) -> Checkpoint | None:
        """The newest checkpoint of a node."""
        ...

    async def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """The newest checkpoint of each node that has one."""
        ...

    async def costs(self, run_id: str) -> list[Cost]: ...
    async def cost(self, run_id: str) -> CostTotal: ...
    async def history(self, run_id: str) -> list[StateChange]: ...
    async def approval(self, approval_id: str) -> Approval: ...
    async def approvals(self, *, run_id: str | None = None, state: ApprovalState | None = None) -> list[Approval]:
        """The approvals of the session, or of one run of it, oldest first."""
        ...


class RunStore(Protocol):
    """What driving a run asks of a store. All writes go through `commit`, one transaction each, in order."""

    async def commit(self, *changes: Change, urgent: bool = True) -> None:
        """Write the changes as one transaction and return when they are durable.

        Not urgent ones may wait up to 50 ms, or 500 changes, for company.

        Raises:
            StaleState: a change found another state than it expected; nothing of this call was written.
            StorageError: the disk, the database or the writer failed; nothing of this call was written.
        """
        ...

    def reads(self, session_id: str) -> SessionReads: ...
    async def failures(self, *, limit: int) -> list[PastFailure]:
        """Attempts of any session that failed, newest first, each with what became of the next one of its node. Only
        the newest attempts are looked through (20,000), so that it takes milliseconds however much there is."""
        ...

    async def past_steps(self, *, limit: int) -> list[PastStep]:
        """What completed steps of any session took of models, newest first; of the newest 50,000 calls."""
        ...


class Store(RunStore, Protocol):
    """Everything that is remembered."""

    async def open(self) -> None:
        """Create or migrate the database, and start the writer.

        Raises:
            StorageError: it is of a newer version, not a database, not writable, or on a network file system.
        """
        ...

    async def close(self) -> None: ...

    def listen(self, heard: Callable[[Sequence[Event]], None]) -> None:
        """Have `heard` called in the event loop with every batch of committed events, numbered, in commit order, before
        the commit that wrote them returns."""
        ...

    def watch(self, heard: Callable[[Sequence[Arrival]], None]) -> Callable[[], None]:
        """Have `heard` called in the event loop at most 50 ms after any process, this or another, has committed events:
        each since the opening of the store once, in commit order. Call what is returned to have it look at once."""
        ...

    async def browse(self, matching: SessionFilter, sort: SessionSort, *, descending: bool) -> list[str]:
        """The ids of all sessions that match, in order; those that fit the words best come first."""
        ...

    async def summaries(self, session_ids: Sequence[str]) -> list[SessionSummary]:
        """What is shown of these sessions, in the given order; those that are there no more are left out."""
        ...

    async def run_summaries(self, session_id: str, *, limit: int) -> list[RunSummary]:
        """The newest runs of a session, newest first."""
        ...

    async def spending(self, by: Grouping, matching: SpendingFilter, *, limit: int) -> Spending:
        """What was spent, summed by something: the `limit` dearest lines or newest days, and the sum of the others."""
        ...

    async def runs(self, *, limit: int = 50, before: str | None = None) -> list[Run]:
        """Runs of all sessions, newest first."""
        ...

    async def unfinished(self) -> list[Run]:
        """Runs in no terminal state, oldest first."""
        ...

    async def approvals(self, *, pending: bool = True, limit: int = 200) -> list[Approval]: ...

    async def find(self, table: str, prefix: str) -> list[tuple[str, str]]:
        """(id, session_id) of up to 10 records of "sessions", "runs", "nodes", "attempts", "approvals" or "artifacts"
        whose id starts or ends with the prefix (dashes ignored)."""
        ...

    async def commands(self, *, run_ids: Sequence[str]) -> list[Command]:
        """Pending commands of these runs, oldest first."""
        ...

    async def command(self, command_id: str) -> Command: ...
    async def clients(self) -> list[Client]: ...


class Blobs(Protocol):
    """Bytes by SHA-256, stored once. Calls block: use a thread for large ones."""

    def put(self, data: bytes) -> str: ...
    def put_file(self, path: Path, expected: str | None = None) -> tuple[str, int]:
        """Store a file; return (sha256, size).

        Raises:
            StorageError: it changed while it was read, or is not what `expected` says.
        """
        ...

    def get(self, sha256: str) -> bytes:
        """Raises StorageError when it is missing or does not hash to its name."""
        ...

    def path(self, sha256: str) -> Path: ...
    def has(self, sha256: str) -> bool: ...
    def verify(self, sha256: str) -> str | None:
        """What is wrong with the content, in words ("is missing", "does not hash to its name"), or None."""
        ...

    def materialise(self, sha256: str, target: Path) -> None:
        """Put a writable private copy at `target` (reflink where the file system can, else a copy)."""
        ...


class WorkerHandle(Protocol):
    """A running worker."""

    token: str  # enough to find it again

    async def send(self, frame: HostFrame) -> None: ...
    def frames(self) -> AsyncIterator[WorkerFrame]:
        """Frames as they come; ends when the worker has closed its side.

        Raises:
            WorkerError: it broke the protocol (garbage, an oversized frame).
        """
        ...

    async def wait(self) -> WorkerExit: ...
    async def stop(self, grace: float = 2.0) -> None:
        """End the worker and everything that it started: TERM to the group, grace (seconds), KILL, and a sweep."""
        ...


class WorkerExit(Protocol):
    """How a worker ended: with neither code nor signal, it went with the process that had started it.

    `stray` is what it printed outside its frames, cleaned and bounded.
    """

    @property
    def code(self) -> int | None: ...
    @property
    def signal(self) -> str | None: ...
    @property
    def stray(self) -> str: ...


class Launcher(Protocol):
    """Starts workers."""

    async def open(self) -> None:
        """Warm up (idempotent)."""
        ...

    async def start(self, spec: WorkerSpec) -> WorkerHandle:
        """Raises WorkerError when no worker can be started."""
        ...

    async def sweep(self, attempt_ids: Sequence[str]) -> None:
        """End whatever is left of these attempts, whoever started it."""
        ...

    async def close(self) -> None: ...


class Prices(Protocol):
    """What a model call costs."""

    def price(
        self, provider: str, model: str, prompt_tokens: int, completion_tokens: int, cached_tokens: int
    ) -> tuple[int | None, str]:
        """(micro-USD, or None when unknown; where the price is from). Token counts are inclusive."""
        ...
