"""Tries: the next attempt of a node, or the one that lost its process and goes on from its journal.

An attempt that is still running in the rows, while no process runs it, was broken off: by a crash, a kill, or a quit.
It is the same attempt that goes on. What was answered is given again; its directory is made as it stood behind the last
tool call that reported, so that a call that had started and not reported runs again in what it first found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.model.changes import Add, Change
from engine.model.events import Event, EventKind, Phase
from engine.model.frames import RecordedEntry, Replay
from engine.model.ids import new_id
from engine.model.plan import path_problem
from engine.model.records import Attempt, AttemptState, JournalEntry, Json, Node, Run, Session, TreeEntry
from engine.ports import SessionReads
from engine.runs.replay import answers_for, feedback_before
from engine.runs.spec import work_directory
from engine.runs.world import World

_PAGE = 1000
_SPANS = (EventKind.AGENT_CALL, EventKind.MODEL_CALL, EventKind.TOOL_CALL, EventKind.CODE_EXEC, EventKind.FILE_GEN)


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt that is about to run. `opening` is written when it does, `why` says what began it.

    `files` are the changes that its tool calls have reported: path → (SHA-256, size), or None where it was deleted.
    `doubt` is what had begun, may have had its effect, and must not be begun again without asking. `replay` are the
    answers of the run that this one replays.
    """

    attempt: Attempt
    opening: tuple[Change, ...]
    why: str
    recorded: tuple[RecordedEntry, ...] = ()
    files: Mapping[str, tuple[str, int] | None] = field(default_factory=dict[str, "tuple[str, int] | None"])
    doubt: JournalEntry | None = None
    replay: Replay | None = None

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
    replay = await answers_for(world, run, node)
    if broken_off is not None:
        return replace(await continued(world, node, broken_off), replay=replay)
    number = max((attempt.number for attempt in mine), default=0) + 1
    if reason == "first" and mine:
        reason = "redo"
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
        feedback=feedback_before(run, node),
    )
    return Try(attempt, (Add(attempt),), reason, replay=replay)


async def continued(world: World, node: Node, attempt: Attempt) -> Try:
    """An attempt that was broken off, with all that is known of it."""
    reads = world.store.reads(node.session_id)
    entries = await reads.journal(attempt.id)
    answered = {(entry.agent, entry.sequence) for entry in entries if entry.answer is not None}
    left = await _left_behind(reads, attempt, answered)
    opening = [Add(_unknown(world, node, attempt, entry)) for entry in entries if entry.answer is None]
    opening += [Add(_broken_off(world, start)) for start in left.open.values()]
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
    doubt = next((entry for entry in entries if entry.answer is None and not entry.repeatable), None)
    return Try(attempt, tuple(opening), why, recorded, left.files, doubt)


@dataclass(slots=True)
class _Left:
    """What the events of an attempt tell: the last word of reported tool calls on each path, and what was begun and not
    ended, by event id."""

    files: dict[str, tuple[str, int] | None] = field(default_factory=dict[str, "tuple[str, int] | None"])
    open: dict[str, Event] = field(default_factory=dict[str, Event])


async def _left_behind(reads: SessionReads, attempt: Attempt, answered: set[tuple[str, int]]) -> _Left:
    parents: dict[str, str | None] = {}
    reported: set[str] = set()
    left = _Left()
    after = 0
    while page := await reads.events(attempt.run_id, after=after, limit=_PAGE, node_id=attempt.node_id, kinds=_SPANS):
        after = page[-1].seq
        for event in page:
            if event.attempt_id != attempt.id:
                continue
            if event.phase is Phase.START:
                left.open[event.id] = event
            elif event.phase is Phase.END and event.span_id:
                left.open.pop(event.span_id, None)
            parents[event.id] = event.parent_event_id
            if event.kind is EventKind.TOOL_CALL and (event.agent or "", event.data.get("sequence")) in answered:
                reported.add(event.id)
            if event.kind is EventKind.FILE_GEN and _within(event.parent_event_id, parents, reported):
                _note(event, left.files)
    return left


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


def _broken_off(world: World, start: Event) -> Event:
    """The end of what had begun and will not end by itself any more."""
    return replace(
        start,
        id=new_id(),
        at=world.clock.now(),
        phase=Phase.END,
        span_id=start.id,
        data={"ok": False, "error": "broken off with its process"},
        seq=0,
    )
