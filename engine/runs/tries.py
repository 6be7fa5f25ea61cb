"""Tries: the next attempt of a node, or the one that lost its process and goes on from its journal.

An attempt that is still running in the rows, while no process runs it, was broken off: by a crash, a kill, or a quit.
It is the same attempt that goes on. What was answered is given again; its directory is made as it stood behind the last
tool call that reported, so that a call that had started and not reported runs again in what it first found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.model.changes import Add, Change
from engine.model.events import Event, EventKind
from engine.model.frames import RecordedEntry
from engine.model.ids import new_id
from engine.model.plan import path_problem
from engine.model.records import Attempt, AttemptState, JournalEntry, Json, Node, Run, Session, TreeEntry
from engine.ports import SessionReads
from engine.runs.spec import work_directory
from engine.runs.world import World

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt that is about to run. `opening` is written when it does, `why` says what began it.

    `files` are the changes that its tool calls have reported: path → (SHA-256, size), or None where it was deleted.
    """

    attempt: Attempt
    opening: tuple[Change, ...]
    why: str
    recorded: tuple[RecordedEntry, ...] = ()
    files: Mapping[str, tuple[str, int] | None] = field(default_factory=dict[str, "tuple[str, int] | None"])

    def tree(self, inherited: Iterable[TreeEntry]) -> tuple[TreeEntry, ...]:
        """The directory that it starts in: what the steps before left, with what it has itself reported since."""
        tree = {entry.path: entry for entry in inherited}
        for path, content in self.files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = TreeEntry(path, *content, self.attempt.node_id)
        return tuple(tree.values())


async def next_try(
    world: World, session: Session, run: Run, node: Node, attempts: Sequence[Attempt], reason: str = "first"
) -> Try:
    """The attempt of this node that was broken off, or a new one."""
    mine = [attempt for attempt in attempts if attempt.node_id == node.id]
    broken_off = next((attempt for attempt in mine if attempt.state is AttemptState.RUNNING), None)
    if broken_off is not None:
        return await continued(world, node, broken_off)
    number = max((attempt.number for attempt in mine), default=0) + 1
    attempt = Attempt(
        new_id(),
        node.session_id,
        node.run_id,
        node.id,
        number,
        reason,
        AttemptState.RUNNING,
        world.clock.now(),
        workdir=str(work_directory(session, run, node, number)),
    )
    return Try(attempt, (Add(attempt),), reason)


async def continued(world: World, node: Node, attempt: Attempt) -> Try:
    """An attempt that was broken off, with all that is known of it."""
    reads = world.store.reads(node.session_id)
    entries = await reads.journal(attempt.id)
    answered = {(entry.agent, entry.sequence) for entry in entries if entry.answer is not None}
    files = await _reported_files(reads, attempt, answered)
    opening = [Add(_unknown(world, node, attempt, entry)) for entry in entries if entry.answer is None]
    recorded = tuple(
        RecordedEntry(
            agent=entry.agent,
            sequence=entry.sequence,
            kind=entry.kind,  # pyright: ignore[reportArgumentType]
            request_hash=entry.request_hash,
            answer=entry.answer,
            name=entry.name,
        )
        for entry in entries
    )
    why = f"continued from its journal: {len(answered)} answers are known"
    return Try(attempt, tuple(opening), why, recorded, files)


async def _reported_files(
    reads: SessionReads, attempt: Attempt, answered: set[tuple[str, int]]
) -> dict[str, tuple[str, int] | None]:
    """What tool calls that have reported did to the directory, the last word on each path."""
    kinds = (EventKind.TOOL_CALL, EventKind.CODE_EXEC, EventKind.FILE_GEN)
    parents: dict[str, str | None] = {}
    reported: set[str] = set()
    files: dict[str, tuple[str, int] | None] = {}
    after = 0
    while page := await reads.events(attempt.run_id, after=after, limit=_PAGE, node_id=attempt.node_id, kinds=kinds):
        after = page[-1].seq
        for event in page:
            if event.attempt_id != attempt.id:
                continue
            parents[event.id] = event.parent_event_id
            if event.kind is EventKind.TOOL_CALL and (event.agent or "", event.data.get("sequence")) in answered:
                reported.add(event.id)
            if event.kind is EventKind.FILE_GEN and _within(event.parent_event_id, parents, reported):
                _note(event, files)
    return files


def _within(event_id: str | None, parents: Mapping[str, str | None], reported: set[str]) -> bool:
    while event_id is not None and event_id not in reported:
        event_id = parents.get(event_id)
    return event_id is not None


def _note(event: Event, files: dict[str, tuple[str, int] | None]) -> None:
    path = str(event.data["path"])
    if path_problem(path) is None:
        deleted = event.data.get("sha256") is None
        files[path] = None if deleted else (str(event.data["sha256"]), int(event.data["size"]))


def _unknown(world: World, node: Node, attempt: Attempt, entry: JournalEntry) -> Event:
    data: Json = {"category": "outcome_unknown", "attempt": attempt.number, "tool": entry.name}
    return Event(
        new_id(),
        node.session_id,
        node.run_id,
        EventKind.RETRY,
        world.clock.now(),
        node_id=node.id,
        attempt_id=attempt.id,
        agent=entry.agent,
        title=f"{entry.name} had started and its outcome is unknown: it runs again in the directory that it found",
        data=data,
    )
