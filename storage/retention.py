"""Choosing what is let go of: whole runs that are over, oldest first, none that another one still refers to."""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.model.states import RunState
from storage import tables, upkeep
from storage.blobs import FileBlobs
from storage.codec import micros
from storage.progress import Told
from storage.references import mentions

_OVER = frozenset(state.value for state in RunState if state.terminal)
_ROW = 40  # bytes that a row takes beside its values, about


@dataclass(frozen=True, slots=True)
class Limits:
    """What may stay: runs that ended no longer ago than `older_than`, or as many of the newest as fit into `keep_size`
    (bytes of the database and the contents). None: no such limit."""

    older_than: timedelta | None = None
    keep_size: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run to be removed. `size` is about what it alone takes (bytes), `rows` what of that is in the database."""

    run_id: str
    session_id: str
    title: str  # the session's
    state: str
    ended_at: int  # microseconds since 1970
    size: int
    rows: int
    why: str


@dataclass(slots=True)
class Choice:
    """What is to go, each run before those it refers to, and what that leaves."""

    runs: list[Candidate]
    sessions: list[str]  # that have no runs then
    still_named: set[str]  # the contents that the rest refers to
    size: int  # of the rest, about
    kept: list[str] = field(default_factory=list[str])  # what the limits let go of and something else holds, in words


def choose(connection: sqlite3.Connection, blobs: FileBlobs, limits: Limits, now: datetime, told: Told) -> Choice:
    """Choose within one transaction.

    Raises:
        StorageError: a content that names others is missing or damaged: nobody can say what it refers to.
        sqlite3.Error: the database cannot be read.
    """
    with upkeep.telling(connection, "reading what refers to what", told):
        return _Chooser(connection, blobs).choose(limits, now)


class _Chooser:
    """One choice as it is made."""

    def __init__(self, connection: sqlite3.Connection, blobs: FileBlobs) -> None:
        self._connection = connection
        self._blobs = blobs
        self._runs: dict[str, sqlite3.Row] = {}
        self._referrers: Counter[str] = Counter()  # to a run, of those that stay
        query = (
            "SELECT runs.id, session_id, title, state, parent_run_id, replay_of, deleted_at, "
            "coalesce(ended_at, runs.created_at) AS ended FROM runs JOIN sessions ON sessions.id = session_id"
        )
        reader = connection.cursor()
        reader.row_factory = sqlite3.Row
        for row in reader.execute(query):
            self._runs[row["id"]] = row
            self._referrers.update(self._refers_to(row))
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        for mention in mentions(connection):
            self._names[mention.owner].update(name for name, _ in mention.names(blobs))
        self._holders = Counter(name for names in self._names.values() for name in names)
        self._rows, used = _row_bytes(connection)
        self._free = [(row["ended"], run) for run, row in self._runs.items() if self._may_go(run)]
        heapq.heapify(self._free)
        self._chosen: list[Candidate] = []
        self._left = Counter(row["session_id"] for row in self._runs.values())  # runs of each session that stay
        self._sessions: list[str] = []
        self._size = used + sum(map(blobs.size, self._holders))

    def choose(self, limits: Limits, now: datetime) -> Choice:
        before = None if limits.older_than is None else micros(now - limits.older_than)
        if before is not None:
            self._take(lambda row: _outlived(row, before))
            for session in self._deleted(before):
                self._size -= self._released(session)
                self._sessions.append(session)
        if limits.keep_size is not None:
            wanted = limits.keep_size
            self._take(lambda row: "the rest is too large" if self._size > wanted else None)
        kept = [] if before is None else self._kept(before)
        if limits.keep_size is not None and self._size > limits.keep_size:
            kept.append("what remains is larger than that: it is not over, or what is not over refers to it")
        return Choice(self._chosen, self._sessions, set(+self._holders), self._size, kept)

    def _take(self, why: Callable[[sqlite3.Row], str | None]) -> None:
        """Choose, oldest first, the runs for which there is a reason."""
        passed: list[tuple[int, str]] = []
        while self._free:
            ended, run = heapq.heappop(self._free)
            row = self._runs[run]
            reason = why(row)
            if reason is None:
                passed.append((ended, run))
                continue
            size = self._rows[run] + self._released(run)
            session = row["session_id"]
            self._left[session] -= 1
            if not self._left[session]:
                self._sessions.append(session)
                size += self._released(session)
            self._size -= size
            found = Candidate(run, session, row["title"], row["state"], ended, size, self._rows[run], reason)
            self._chosen.append(found)
            for other in self._refers_to(row):
                self._referrers[other] -= 1
                if self._may_go(other):
                    heapq.heappush(self._free, (self._runs[other]["ended"], other))
        self._free = passed
        heapq.heapify(self._free)

    def _released(self, owner: str) -> int:
        """Let go of what a run or a session holds; return the bytes of what nothing else does."""
        freed = sum(self._blobs.size(name) for name in self._names[owner] if self._holders[name] == 1)
        self._holders.subtract(self._names[owner])
        return freed

    def _may_go(self, run: str) -> bool:
        return run in self._runs and self._runs[run]["state"] in _OVER and not self._referrers[run]

    def _deleted(self, before: int) -> list[str]:
        """The sessions that were deleted before that and have never had a run."""
        query = "SELECT id FROM sessions WHERE deleted_at < ? AND id NOT IN (SELECT session_id FROM runs)"
        return [str(row[0]) for row in self._connection.execute(query, [before])]

    def _kept(self, before: int) -> list[str]:
        gone = {one.run_id for one in self._chosen}
        held = [row for run, row in self._runs.items() if run not in gone and _outlived(row, before)]
        going_on = sum(row["state"] not in _OVER for row in held)
        said = {going_on: "not over", len(held) - going_on: "referred to by newer runs"}
        return [f"{count} more of that age: {why}" for count, why in said.items() if count]

    def _refers_to(self, row: sqlite3.Row) -> set[str]:
        return {other for other in (row["parent_run_id"], row["replay_of"]) if other is not None}


def _outlived(row: sqlite3.Row, before: int) -> str | None:
    if row["deleted_at"] is not None and row["deleted_at"] < before:
        return "its session was deleted"
    return "it is old" if row["ended"] < before else None


def _row_bytes(connection: sqlite3.Connection) -> tuple[Counter[str], int]:
    """About what each run's rows take of the database, as its share of what is used; and what is used."""
    sizes: Counter[str] = Counter()
    owned = [table for table in tables.metadata.sorted_tables if "run_id" in table.c]
    for table in owned:
        values = " + ".join(f'coalesce(length("{column.name}"), 0)' for column in table.columns)
        for run, size in connection.execute(f"SELECT run_id, sum({values} + {_ROW}) FROM {table.name} GROUP BY run_id"):
            sizes[run] += size
    page, count, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    (trees,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE rootpage").fetchone()  # a page at least
    shared, total = (count - free - trees) * page, sizes.total() or 1
    return Counter({run: size * shared // total for run, size in sizes.items()}), (count - free) * page
